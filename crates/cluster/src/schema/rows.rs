//! Cells of a source by the names of their columns. One that cannot be read is an error that names it: a table of which a part
//! was passed over would be another table to every API. They stay in the answer they came in, as there may be many.

use std::collections::BTreeMap;

use ilium_cql::schema::UuidBytes;
use ilium_cql::value::{list_elements, map_entries};
use ilium_protocol::{ColumnSpec, Rows};

/// Why the cluster's description of its schema makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's schema cannot be read: {table}.{column} {problem}")]
pub struct SchemaError {
    /// The source, with its keyspace.
    pub table: String,
    pub column: String,
    pub problem: String,
}

/// The rows of a source.
pub struct Source;

impl Source {
    /// Each row; none where the cluster has no such source.
    pub fn rows<'r>(
        rows: &'r Option<Rows<'r>>,
    ) -> Result<impl Iterator<Item = Result<Row<'r>, SchemaError>>, SchemaError> {
        let columns = match rows {
            None => &[][..],
            Some(rows) => rows.metadata.columns.as_specs().ok_or_else(|| SchemaError {
                table: "a source".to_owned(),
                column: "*".to_owned(),
                problem: "came without its columns".to_owned(),
            })?,
        };
        let mut cells = rows.iter().flat_map(Rows::cells);
        let count = rows.as_ref().map_or(0, |rows| rows.row_count);
        Ok((0..count).map(move |_| {
            let cells = cells.by_ref().take(columns.len()).collect::<Result<Vec<_>, _>>();
            cells.map(|cells| Row { columns, cells }).map_err(|error| SchemaError {
                table: table_of(columns),
                column: "*".to_owned(),
                problem: error.to_string(),
            })
        }))
    }
}

fn table_of(columns: &[ColumnSpec]) -> String {
    columns.first().map_or_else(String::new, |column| format!("{}.{}", column.keyspace, column.table))
}

/// One row. A column that is not there reads as null.
pub struct Row<'r> {
    columns: &'r [ColumnSpec],
    cells: Vec<Option<&'r [u8]>>,
}

impl<'r> Row<'r> {
    fn cell(&self, name: &str) -> Option<&'r [u8]> {
        let at = self.columns.iter().position(|column| &*column.name == name)?;
        *self.cells.get(at)?
    }

    pub fn error(&self, column: &str, problem: impl Into<String>) -> SchemaError {
        SchemaError { table: table_of(self.columns), column: column.to_owned(), problem: problem.into() }
    }

    /// A text that must be there.
    pub fn name(&self, column: &str) -> Result<&'r str, SchemaError> {
        self.text(column)?.ok_or_else(|| self.error(column, "is missing"))
    }

    pub fn text(&self, column: &str) -> Result<Option<&'r str>, SchemaError> {
        self.cell(column).map(|bytes| self.utf8(column, bytes)).transpose()
    }

    pub fn int(&self, column: &str) -> Result<Option<i32>, SchemaError> {
        Ok(self.fixed(column)?.map(i32::from_be_bytes))
    }

    /// A `bigint` or `timestamp`.
    pub fn long(&self, column: &str) -> Result<Option<i64>, SchemaError> {
        Ok(self.fixed(column)?.map(i64::from_be_bytes))
    }

    pub fn double(&self, column: &str) -> Result<Option<f64>, SchemaError> {
        Ok(self.fixed(column)?.map(f64::from_be_bytes))
    }

    pub fn boolean(&self, column: &str) -> Result<Option<bool>, SchemaError> {
        Ok(self.fixed::<1>(column)?.map(|byte| byte != [0]))
    }

    pub fn uuid(&self, column: &str) -> Result<Option<UuidBytes>, SchemaError> {
        self.fixed(column)
    }

    /// A list or set of texts.
    pub fn set(&self, column: &str) -> Result<Option<Vec<&'r str>>, SchemaError> {
        let Some(bytes) = self.cell(column) else { return Ok(None) };
        let elements = list_elements(bytes).map_err(|error| self.error(column, error.message()))?;
        let texts = elements.map(|element| {
            let element = element.map_err(|error| self.error(column, error.message()))?;
            self.utf8(column, element)
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A map of texts.
    pub fn texts(&self, column: &str) -> Result<Option<BTreeMap<String, String>>, SchemaError> {
        let Some(entries) = self.blobs(column)? else { return Ok(None) };
        let texts = entries
            .into_iter()
            .map(|(key, value)| Ok((key, self.utf8(column, &value).map(str::to_owned)?)))
            .collect::<Result<_, SchemaError>>()?;
        Ok(Some(texts))
    }

    /// A map of texts to blobs.
    pub fn blobs(&self, column: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SchemaError> {
        let Some(bytes) = self.cell(column) else { return Ok(None) };
        let entries = map_entries(bytes).map_err(|error| self.error(column, error.message()))?;
        let entries = entries.map(|entry| {
            let (key, value) = entry.map_err(|error| self.error(column, error.message()))?;
            Ok((self.utf8(column, key)?.to_owned(), value.to_vec()))
        });
        entries.collect::<Result<_, SchemaError>>().map(Some)
    }

    fn fixed<const N: usize>(&self, column: &str) -> Result<Option<[u8; N]>, SchemaError> {
        let Some(bytes) = self.cell(column) else { return Ok(None) };
        let length = || self.error(column, format!("has {} bytes where {N} were expected", bytes.len()));
        bytes.try_into().map(Some).map_err(|_| length())
    }

    fn utf8<'b>(&self, column: &str, bytes: &'b [u8]) -> Result<&'b str, SchemaError> {
        std::str::from_utf8(bytes).map_err(|_| self.error(column, "holds a text that is not UTF-8"))
    }
}
