//! Calls of one shape share a prepared statement, found without making the statement.
//!
//! A shape's key begins with the schema's version: after a change every shape is planned anew, and what was planned
//! before is never met again and falls out of the cache.

use std::sync::Arc;

use ilium_cql::ast::Statement;
use ilium_cql::schema::{Schema, Table};
use ilium_http::Refusal;
use ilium_store::{DataStore, Prepared, Rows};
use quick_cache::sync::Cache;
use smallvec::SmallVec;

use crate::output::Columns;

/// Shapes kept: far more than the shapes a program has, and a few MiB at most.
const MAX_SHAPES: usize = 2048;

/// A longer key is of a shape that does not come often: `fields` and `sort` are part of it as they were written.
const MAX_KEY: usize = 1024;

pub struct Shapes {
    planned: Cache<Box<[u8]>, Arc<Planned>>,
}

impl Default for Shapes {
    fn default() -> Shapes {
        Shapes { planned: Cache::new(MAX_SHAPES) }
    }
}

/// A statement ready to execute, and how its rows are written.
pub struct Planned {
    pub prepared: Arc<Prepared>,
    columns: Option<Arc<Columns>>,
}

impl Planned {
    pub fn new(prepared: Arc<Prepared>) -> Planned {
        let columns = prepared.rows.as_ref().map(|metadata| Arc::new(Columns::new(Arc::clone(metadata))));
        Planned { prepared, columns }
    }

    /// The columns of an answer: those that were planned, unless the schema changed meanwhile.
    pub fn columns(&self, rows: &Rows) -> Arc<Columns> {
        match &self.columns {
            Some(columns) if columns.is_of(&rows.metadata) => Arc::clone(columns),
            _ => Arc::new(Columns::new(Arc::clone(&rows.metadata))),
        }
    }
}

/// What a statement does, as the first byte of a key says it.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub enum Verb {
    All,
    ByKey,
    Find,
    Add,
    Change,
    Delete,
}

/// Writes the key of a shape.
pub struct Key(SmallVec<[u8; 160]>);

impl Key {
    pub fn new(schema: &Schema, table: &Table, verb: Verb) -> Key {
        let mut key = SmallVec::new();
        key.extend_from_slice(&schema.version);
        key.extend_from_slice(&table.id);
        key.push(verb as u8);
        Key(key)
    }

    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// How many of something follow, so that what comes after them cannot be taken for one.
    pub fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&(count as u32).to_be_bytes());
    }

    /// A column by its index in the table, which one version of the schema fixes.
    pub fn column(&mut self, index: usize) {
        self.0.extend_from_slice(&(index as u32).to_be_bytes());
    }

    /// A text with its length, so that what follows cannot run into it.
    pub fn text(&mut self, text: Option<&str>) {
        let length = text.map_or(u32::MAX, |text| text.len() as u32);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
}

impl Shapes {
    pub fn len(&self) -> usize {
        self.planned.len()
    }

    /// The statement of this shape; `build` makes it where it is not known.
    pub async fn plan(
        &self,
        key: &Key,
        store: &dyn DataStore,
        build: impl FnOnce() -> Result<Statement, Refusal>,
    ) -> Result<Arc<Planned>, Refusal> {
        if let Some(planned) = self.planned.get(&key.0[..]) {
            return Ok(planned);
        }
        let prepared = store.prepare(Arc::new(build()?), None).wait().await?;
        let planned = Arc::new(Planned::new(prepared));
        if key.0.len() <= MAX_KEY {
            self.planned.insert(key.0.as_slice().into(), Arc::clone(&planned));
        }
        Ok(planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_follows_a_list_cannot_be_taken_for_a_part_of_it() {
        // Each shape: the columns of its conditions, and its `fields`; the texts spell the bytes of the others.
        let shapes: [(&[usize], Option<&str>); 6] = [
            (&[], None),
            (&[], Some("")),
            (&[], Some("\0\0\0\u{2}id")),
            (&[0], Some("id")),
            (&[2], Some("id")),
            (&[0, 2], None),
        ];
        let key = |(columns, fields): &(&[usize], Option<&str>)| {
            let mut key = Key(SmallVec::new());
            key.count(columns.len());
            columns.iter().for_each(|index| key.column(*index));
            key.text(*fields);
            key.0.to_vec()
        };
        assert_eq!(shapes.iter().map(key).collect::<HashSet<_>>().len(), shapes.len());
    }
}
