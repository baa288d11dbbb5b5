//! Statements prepared by any connection, found by their id.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use ilium_protocol::{ColumnSpec, EncodedColumns, ProtocolError, ProtocolVersion};
use ilium_store::{Prepared, RowsMetadata};
use parking_lot::RwLock;
use ring::digest;

pub type StatementId = [u8; 16];

/// A prepared statement with what its answers repeat: the wire form of its columns.
pub struct PreparedStatement {
    pub id: StatementId,
    /// As the client wrote it.
    pub text: Arc<str>,
    pub prepared: Arc<Prepared>,
    /// Its columns are others than when a client first prepared it.
    pub columns_changed: bool,
    columns: [OnceLock<EncodedColumns>; ProtocolVersion::ALL.len()],
}

impl PreparedStatement {
    pub fn new(id: StatementId, text: Arc<str>, prepared: Arc<Prepared>) -> PreparedStatement {
        PreparedStatement { id, text, prepared, columns_changed: false, columns: Default::default() }
    }

    /// The same statement, planned anew for a newer schema.
    pub fn renewed(&self, prepared: Arc<Prepared>) -> PreparedStatement {
        let id = |prepared: &Prepared| prepared.rows.as_ref().map(|rows| rows.id);
        let changed = self.columns_changed || id(&self.prepared) != id(&prepared);
        let renewed = PreparedStatement::new(self.id, Arc::clone(&self.text), prepared);
        PreparedStatement { columns_changed: changed, ..renewed }
    }

    /// The wire form of the result's columns, made once a version.
    pub fn encoded_columns(
        &self,
        rows: &RowsMetadata,
        version: ProtocolVersion,
    ) -> Result<EncodedColumns, ProtocolError> {
        let slot = ProtocolVersion::ALL.iter().position(|other| *other == version);
        let Some(slot) = slot.and_then(|slot| self.columns.get(slot)) else {
            return EncodedColumns::new(&wire_columns(rows), version);
        };
        if let Some(encoded) = slot.get() {
            return Ok(encoded.clone());
        }
        let encoded = EncodedColumns::new(&wire_columns(rows), version)?;
        Ok(slot.get_or_init(|| encoded).clone())
    }
}

/// The columns of a result as the protocol has them.
pub fn wire_columns(rows: &RowsMetadata) -> Vec<ColumnSpec> {
    rows.columns
        .iter()
        .map(|column| ColumnSpec {
            keyspace: Arc::clone(&column.keyspace),
            table: Arc::clone(&column.table),
            name: Arc::clone(&column.name),
            ty: column.column_type.clone(),
        })
        .collect()
}

/// The statements, bounded in number and in the bytes of their texts.
pub struct PreparedStatements {
    limit: usize,
    text_limit: usize,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    by_id: HashMap<StatementId, Arc<PreparedStatement>>,
    text_bytes: usize,
    oldest_first: VecDeque<StatementId>,
}

impl PreparedStatements {
    pub fn new(limit: usize, text_limit: usize) -> PreparedStatements {
        PreparedStatements { limit, text_limit, inner: RwLock::default() }
    }

    /// All of them, in no order.
    pub fn list(&self) -> Vec<Arc<PreparedStatement>> {
        self.inner.read().by_id.values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.inner.read().by_id.len()
    }

    /// The same text in the same keyspace always has the same id, on any server and after any restart, so that a
    /// client's knowledge stays true. (Cassandra takes MD5 of the same; clients do not look inside.)
    pub fn id(keyspace: Option<&str>, text: &str) -> StatementId {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(keyspace.unwrap_or_default().as_bytes());
        // A keyspace's name holds no zero byte, so the two parts cannot run into each other.
        hash.update(&[0]);
        hash.update(text.as_bytes());
        hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub fn get(&self, id: &[u8]) -> Option<Arc<PreparedStatement>> {
        let id: &StatementId = id.try_into().ok()?;
        self.inner.read().by_id.get(id).cloned()
    }

    /// Keeps the statement in place of one with its id; forgets the oldest past the limits, but never this one.
    pub fn keep(&self, statement: Arc<PreparedStatement>) {
        let mut inner = self.inner.write();
        if inner.by_id.insert(statement.id, Arc::clone(&statement)).is_none() {
            inner.oldest_first.push_back(statement.id);
            inner.text_bytes += statement.text.len();
        }
        while inner.by_id.len() > self.limit || inner.text_bytes > self.text_limit {
            let Some(oldest) = inner.oldest_first.pop_front_if(|oldest| *oldest != statement.id) else {
                break;
            };
            if let Some(forgotten) = inner.by_id.remove(&oldest) {
                inner.text_bytes -= forgotten.text.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_keyspace_and_text_alone() {
        let id = PreparedStatements::id(Some("a"), "SELECT 1");
        assert_eq!(id, PreparedStatements::id(Some("a"), "SELECT 1"));
        assert_ne!(id, PreparedStatements::id(Some("b"), "SELECT 1"));
        assert_ne!(PreparedStatements::id(Some("a"), "b"), PreparedStatements::id(None, "ab"));
    }
}
