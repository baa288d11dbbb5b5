//! What each answer row holds: columns as they are stored, or expressions, or all of it as JSON.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{Select, Selection};
use ilium_cql::json;
use ilium_cql::murmur3::hash3_x64_128;
use ilium_cql::schema::Table;
use ilium_store::{ColumnSpec, Error, Result, RowsMetadata};

use crate::layout::live_row::LiveRow;
use crate::term::{Compiler, Env, RowValues, Selector, Term};

/// The selected expressions, by position.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    output: Output,
    /// For `SELECT JSON`: each item's key with what stands around it, and its type.
    json: Option<Vec<(String, CqlType)>>,
    /// What the aggregates take of each row.
    arguments: Vec<Term>,
    pub metadata: Arc<RowsMetadata>,
}

#[derive(Debug, Clone)]
enum Output {
    /// Nothing but columns: their bytes are copied from the store to the answer.
    Columns(Vec<usize>),
    Terms(Vec<Term>),
}

impl Selected {
    /// Compiles the selection; the aggregates in it are the compiler's.
    pub fn compile(select: &Select, compiler: &mut Compiler<'_>) -> Result<Selected> {
        let table = compiler.table();
        let (output, columns) = match &select.selection {
            Selection::All => {
                let columns =
                    table.columns.iter().map(|c| (Arc::clone(&c.name), c.column_type.clone())).collect();
                (Output::Columns((0..table.columns.len()).collect()), columns)
            }
            Selection::Items(items) => {
                let mut columns: Vec<(Arc<str>, CqlType)> = Vec::with_capacity(items.len());
                let mut terms = Vec::with_capacity(items.len());
                for item in items {
                    let Selector { term, name } = compiler.selector(&item.value, None)?;
                    let name: Arc<str> =
                        match (&item.alias, term.as_column().and_then(|c| table.columns.get(c))) {
                            (Some(alias), _) => alias.as_str().into(),
                            // Not of a column with a type hint, whose name shows the hint.
                            (None, Some(column)) if *column.name == *name => Arc::clone(&column.name),
                            (None, _) => name.into(),
                        };
                    columns.push((name, term.result_type().clone()));
                    terms.push(term);
                }
                let plain: Option<Vec<usize>> = terms.iter().map(Term::as_column).collect();
                (plain.map_or(Output::Terms(terms), Output::Columns), columns)
            }
        };
        let json = select.json.then(|| json_keys(&columns));
        let shown = match select.json {
            true => vec![("[json]".into(), CqlType::Text)],
            false => columns,
        };
        let arguments = compiler.aggregates().iter().filter_map(|call| call.argument.clone()).collect();
        Ok(Selected { output, json, arguments, metadata: Arc::new(metadata(table, shown)) })
    }

    /// Calls `visit` with every column that is read, in aggregates or not, once for each mention.
    pub fn visit_columns(&self, visit: &mut dyn FnMut(usize)) {
        self.arguments.iter().for_each(|argument| argument.visit_columns(visit));
        self.visit_row(visit);
    }

    fn visit_row(&self, visit: &mut dyn FnMut(usize)) {
        match &self.output {
            Output::Columns(columns) => columns.iter().for_each(|column| visit(*column)),
            Output::Terms(terms) => terms.iter().for_each(|term| term.visit_columns(visit)),
        }
    }

    pub fn has_aggregate(&self) -> bool {
        matches!(&self.output, Output::Terms(terms) if terms.iter().any(Term::has_aggregate))
    }

    /// Whether the row itself is looked at, beside what aggregates take of it.
    pub fn reads_row(&self) -> bool {
        let mut reads = false;
        self.visit_row(&mut |_| reads = true);
        reads
    }

    /// Appends the answer for one row.
    #[inline]
    pub fn write(&self, row: Option<&LiveRow>, env: &Env<'_>, out: &mut Vec<u8>) -> Result<()> {
        if let Some(keys) = &self.json {
            return self.write_json(keys, row, env, out);
        }
        match &self.output {
            Output::Columns(columns) => {
                for column in columns {
                    push(row.and_then(|row| row.value(*column)), out);
                }
            }
            Output::Terms(terms) => {
                let env = Env { row: row.map(|row| row as &dyn RowValues), ..*env };
                for term in terms {
                    push(term.evaluate(&env)?.as_bytes(), out);
                }
            }
        }
        Ok(())
    }

    fn write_json(
        &self,
        keys: &[(String, CqlType)],
        row: Option<&LiveRow>,
        env: &Env<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut text = String::from("{");
        let mut item = |(key, column_type): &(String, CqlType), value: Option<&[u8]>| {
            text.push_str(key);
            match value {
                Some(value) => json::to_json(column_type, value, &mut text)
                    .map_err(|e| Error::internal(format!("a stored value has no JSON form: {e}"))),
                None => {
                    text.push_str("null");
                    Ok(())
                }
            }
        };
        match &self.output {
            Output::Columns(columns) => {
                for (key, column) in keys.iter().zip(columns) {
                    item(key, row.and_then(|row| row.value(*column)))?;
                }
            }
            Output::Terms(terms) => {
                let env = Env { row: row.map(|row| row as &dyn RowValues), ..*env };
                for (key, term) in keys.iter().zip(terms) {
                    item(key, term.evaluate(&env)?.as_bytes())?;
                }
            }
        }
        text.push('}');
        push(Some(text.as_bytes()), out);
        Ok(())
    }
}

/// Appends a cell of an answer: `[i32 length][bytes]`.
#[inline]
fn push(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        Some(bytes) => {
            // Stored and computed values are shorter than 2^31: frames and batches are.
            out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
    }
}

fn json_keys(columns: &[(Arc<str>, CqlType)]) -> Vec<(String, CqlType)> {
    columns
        .iter()
        .enumerate()
        .map(|(at, (name, column_type))| {
            let mut key = String::from(if at > 0 { ", " } else { "" });
            json::push_key(name, &mut key);
            key.push_str(": ");
            (key, column_type.clone())
        })
        .collect()
}

fn metadata(table: &Table, columns: Vec<(Arc<str>, CqlType)>) -> RowsMetadata {
    let columns: Vec<ColumnSpec> = columns
        .into_iter()
        .map(|(name, column_type)| ColumnSpec {
            keyspace: Arc::clone(&table.keyspace),
            table: Arc::clone(&table.name),
            name,
            column_type,
        })
        .collect();
    let id = metadata_id(&columns);
    RowsMetadata { columns, id }
}

/// A digest of the columns: equal for equal columns, on every start and every machine.
pub fn metadata_id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut text = Vec::new();
    for column in columns {
        for part in [&*column.keyspace, &*column.table, &*column.name, &*column.column_type.to_string()] {
            text.extend_from_slice(part.as_bytes());
            // No identifier or type has this byte, so that neighbours cannot be taken for one another.
            text.push(0);
        }
    }
    let (high, low) = hash3_x64_128(&text);
    let mut id = [0; 16];
    let (first, last) = id.split_at_mut(8);
    first.copy_from_slice(&high.to_be_bytes());
    last.copy_from_slice(&low.to_be_bytes());
    id
}
