//! Rows as JSON and CSV text, written from the bytes the store gave.

use std::fmt::Write;
use std::sync::Arc;

use data_encoding::BASE64;
use ilium_cql::CqlType;
use ilium_cql::json::{Style, push_string, to_json_as};
use ilium_http::Refusal;
use ilium_store::{Error, Rows, RowsMetadata};

use crate::call::MAX_PAGE_BYTES;

/// Bytes of text that one page may become. Names of columns are written once a row and are not among the bytes of a page:
/// without a bound a few long ones make gigabytes of it. Text may grow sixfold (`\\u0001`), and an `int` of eight bytes on
/// the wire takes eleven and its name.
const MAX_TEXT: usize = 8 * MAX_PAGE_BYTES;

/// The columns of an answer with what stands before each value.
pub struct Columns {
    metadata: Arc<RowsMetadata>,
    /// `"name":`, with a comma before it where it is not the first.
    keys: Vec<Box<str>>,
}

impl Columns {
    pub fn new(metadata: Arc<RowsMetadata>) -> Columns {
        let key = |(at, name): (usize, &Arc<str>)| {
            let mut key = String::from(if at == 0 { "" } else { "," });
            push_string(name, &mut key);
            key.push(':');
            key.into_boxed_str()
        };
        let keys = metadata.columns.iter().map(|column| &column.name).enumerate().map(key).collect();
        Columns { metadata, keys }
    }

    pub fn is_of(&self, metadata: &Arc<RowsMetadata>) -> bool {
        Arc::ptr_eq(&self.metadata, metadata) || self.metadata == *metadata
    }
}

/// The cells of an answer, one after the other.
pub struct Cells<'r>(&'r [u8]);

impl<'r> Cells<'r> {
    pub fn of(rows: &'r Rows) -> Cells<'r> {
        Cells(&rows.data)
    }

    /// The next cell; the inner `None` is null.
    pub fn next(&mut self) -> Result<Option<&'r [u8]>, Refusal> {
        let broken = || Refusal::from(Error::internal("an answer of the store ended before its last cell"));
        let (length, rest) = self.0.split_first_chunk::<4>().ok_or_else(broken)?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.0 = rest;
            return Ok(None);
        };
        let (cell, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(Some(cell))
    }
}

/// What a column without a value reads as: Stargate gives an empty collection, which is what CQL keeps of one.
fn nothing(ty: &CqlType, style: Style) -> &'static str {
    match ty {
        CqlType::List { .. } | CqlType::Set { .. } => "[]",
        CqlType::Map { .. } if style == (Style::Rest { compact_maps: false }) => "[]",
        CqlType::Map { .. } | CqlType::Udt { .. } => "{}",
        _ => "null",
    }
}

fn push_cell(ty: &CqlType, cell: Option<&[u8]>, style: Style, out: &mut String) -> Result<(), Refusal> {
    match cell {
        // Values were checked when they were written; what is left is a number too long to be written as text.
        Some(bytes) => to_json_as(ty, bytes, style, out).map_err(|e| Error::invalid(e.to_string()).into()),
        None => {
            out.push_str(nothing(ty, style));
            Ok(())
        }
    }
}

fn push_row(cells: &mut Cells<'_>, columns: &Columns, style: Style, out: &mut String) -> Result<(), Refusal> {
    out.push('{');
    for (column, key) in columns.metadata.columns.iter().zip(&columns.keys) {
        out.push_str(key);
        push_cell(&column.column_type, cells.next()?, style, out)?;
    }
    out.push('}');
    check(out)
}

fn check(out: &str) -> Result<(), Refusal> {
    if out.len() <= MAX_TEXT {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "the page takes more than {MAX_TEXT} bytes as text, the limit of this server; ask for less by 'page-size' or for \
         fewer columns"
    )))
}

/// Appends the rows as a JSON array.
pub fn push_array(rows: &Rows, columns: &Columns, style: Style, out: &mut String) -> Result<(), Refusal> {
    let mut cells = Cells::of(rows);
    out.push('[');
    for row in 0..rows.count {
        out.push_str(if row == 0 { "" } else { "," });
        push_row(&mut cells, columns, style, out)?;
    }
    out.push(']');
    Ok(())
}

/// An answer of rows: `{"count": ..., "pageState": ..., "data": [...]}`, or the array alone.
pub fn page(rows: &Rows, columns: &Columns, style: Style, raw: bool) -> Result<String, Refusal> {
    // Text takes as much as on the wire, numbers and names more.
    let mut out = String::with_capacity(rows.data.len() * 2 + 128);
    if raw {
        push_array(rows, columns, style, &mut out)?;
        return Ok(out);
    }
    out.push_str("{\"count\":");
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", rows.count);
    if let Some(next) = &rows.next {
        out.push_str(",\"pageState\":\"");
        BASE64.encode_append(&next.0, &mut out);
        out.push('"');
    }
    out.push_str(",\"data\":");
    push_array(rows, columns, style, &mut out)?;
    out.push('}');
    Ok(out)
}

/// The rows as JSON, one a line.
pub fn lines(rows: &Rows, columns: &Columns, style: Style) -> Result<String, Refusal> {
    let mut out = String::with_capacity(rows.data.len() * 2 + 128);
    let mut cells = Cells::of(rows);
    for _ in 0..rows.count {
        push_row(&mut cells, columns, style, &mut out)?;
        out.push('\n');
    }
    Ok(out)
}

/// The names of the columns as a line of CSV.
pub fn csv_head(columns: &Columns) -> String {
    let mut out = String::new();
    for (at, column) in columns.metadata.columns.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        push_field(&column.name, &mut out);
    }
    out.push_str("\r\n");
    out
}

/// The rows as CSV (RFC 4180): text as it is, other values as in JSON without its quotes, null as nothing, and an empty
/// text as `""`, so that the two are told apart.
pub fn csv(rows: &Rows, columns: &Columns, style: Style) -> Result<String, Refusal> {
    let mut out = String::with_capacity(rows.data.len() * 2 + 128);
    let mut cells = Cells::of(rows);
    let mut value = String::new();
    for _ in 0..rows.count {
        for (at, column) in columns.metadata.columns.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            let Some(cell) = cells.next()? else { continue };
            match (&column.column_type, std::str::from_utf8(cell)) {
                (CqlType::Text | CqlType::Ascii, Ok(text)) => push_field(text, &mut out),
                (ty, _) => {
                    value.clear();
                    push_cell(ty, Some(cell), style, &mut value)?;
                    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                    push_field(bare.unwrap_or(&value), &mut out);
                }
            }
        }
        out.push_str("\r\n");
        check(&out)?;
    }
    Ok(out)
}

fn push_field(text: &str, out: &mut String) {
    if !text.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    for (at, part) in text.split('"').enumerate() {
        out.push_str(if at == 0 { "" } else { "\"\"" });
        out.push_str(part);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_store::{ColumnSpec, PageState};

    fn rows(types: &[CqlType], cells: &[Option<&[u8]>]) -> Rows {
        let spec = |(at, ty): (usize, &CqlType)| ColumnSpec {
            keyspace: "ks".into(),
            table: "t".into(),
            name: format!("C{at}").into(),
            column_type: ty.clone(),
        };
        let columns = types.iter().enumerate().map(spec).collect();
        let mut data = Vec::new();
        for cell in cells {
            data.extend_from_slice(&cell.map_or(-1, |cell| cell.len() as i32).to_be_bytes());
            data.extend_from_slice(cell.unwrap_or_default());
        }
        Rows {
            metadata: Arc::new(RowsMetadata { columns, id: [0; 16] }),
            count: (cells.len() / types.len()) as u32,
            data: data.into(),
            next: Some(PageState((&b"\xfb\xff"[..]).into())),
        }
    }

    const COMPACT: Style = Style::Rest { compact_maps: true };

    #[test]
    fn a_page_has_a_count_the_state_and_the_rows() {
        let rows = rows(&[CqlType::Int, CqlType::Text], &[Some(&[0, 0, 0, 7]), Some(b"a\"b"), None, None]);
        let columns = Columns::new(Arc::clone(&rows.metadata));
        assert_eq!(
            page(&rows, &columns, COMPACT, false).unwrap(),
            r#"{"count":2,"pageState":"+/8=","data":[{"C0":7,"C1":"a\"b"},{"C0":null,"C1":null}]}"#
        );
        assert_eq!(
            lines(&rows, &columns, COMPACT).unwrap(),
            "{\"C0\":7,\"C1\":\"a\\\"b\"}\n{\"C0\":null,\"C1\":null}\n"
        );
    }

    #[test]
    fn a_page_whose_names_make_it_huge_is_refused() {
        let mut rows = rows(&[CqlType::Int], &[None; 200]);
        let mut columns = rows.metadata.columns.clone();
        columns.iter_mut().for_each(|column| column.name = "n".repeat(1 << 20).into());
        rows.metadata = Arc::new(RowsMetadata { columns, id: [0; 16] });
        let columns = Columns::new(Arc::clone(&rows.metadata));
        for refused in [page(&rows, &columns, COMPACT, true), lines(&rows, &columns, COMPACT)] {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.status.as_u16(), 400);
            assert!(refusal.description.contains("134217728 bytes as text"), "{}", refusal.description);
        }
        rows.count = 100;
        assert!(page(&rows, &columns, COMPACT, true).is_ok());
    }

    #[test]
    fn csv_tells_null_from_an_empty_text_and_quotes_what_needs_it() {
        let set = CqlType::Set { element: Arc::new(CqlType::Int), frozen: false };
        let elements = [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2];
        let rows = rows(
            &[CqlType::Text, CqlType::Boolean, set],
            &[Some(b"a,\"b\"\n"), Some(&[1]), Some(&elements), Some(b""), None, None],
        );
        let columns = Columns::new(Arc::clone(&rows.metadata));
        assert_eq!(csv_head(&columns), "C0,C1,C2\r\n");
        assert_eq!(csv(&rows, &columns, COMPACT).unwrap(), "\"a,\"\"b\"\"\n\",true,\"[1,2]\"\r\n\"\",,\r\n");
    }

    #[test]
    fn a_collection_that_is_null_reads_as_an_empty_one() {
        let element = Arc::new(CqlType::Int);
        let list = CqlType::List { element: Arc::clone(&element), frozen: false };
        let map = CqlType::Map { key: Arc::clone(&element), value: element, frozen: false };
        let rows = rows(&[list, map], &[None, None]);
        let columns = Columns::new(Arc::clone(&rows.metadata));
        let array = |style| page(&rows, &columns, style, true).unwrap();
        assert_eq!(array(COMPACT), r#"[{"C0":[],"C1":{}}]"#);
        assert_eq!(array(Style::Rest { compact_maps: false }), r#"[{"C0":[],"C1":[]}]"#);
    }
}
