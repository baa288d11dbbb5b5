//! SQLite, through rusqlite: one table without row ids, a write-ahead log, a sync at each commit.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::storage::Merge;
use rusqlite::{Connection, OptionalExtension};

use crate::contender::{Delta, Each, MEMORY, Raw};

pub struct SqliteStore {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl SqliteStore {
    pub fn open(folder: &Path) -> Result<SqliteStore> {
        let connect = || -> Result<Mutex<Connection>> {
            let connection = Connection::open(folder.join("rows.sqlite"))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "cache_size", -((MEMORY / 2 / 1024) as i64))?;
            connection.set_prepared_statement_cache_capacity(16);
            Ok(Mutex::new(connection))
        };
        let writer = connect()?;
        let create =
            "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
        lock(&writer)?.execute(create, ())?;
        Ok(SqliteStore { writer, reader: connect()? })
    }
}

fn lock(connection: &Mutex<Connection>) -> Result<std::sync::MutexGuard<'_, Connection>> {
    connection.lock().map_err(|_| anyhow!("a thread panicked with the connection"))
}

fn find(connection: &Connection, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT value FROM rows WHERE key = ?")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

impl Raw for SqliteStore {
    fn write(&self, deltas: &[Delta], merge: Option<&RowPolicy>) -> Result<()> {
        let mut connection = lock(&self.writer)?;
        let transaction = connection.transaction()?;
        {
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO rows VALUES (?, ?)")?;
            let mut merged = Vec::new();
            for (key, value) in deltas {
                merged.clear();
                if let Some(policy) = merge
                    && let Some(old) = find(&transaction, key)?
                {
                    policy.merge(key, &old, value, &mut merged);
                }
                put.execute((key, if merged.is_empty() { value } else { &merged }))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let found = find(&*lock(&self.reader)?, key)?;
        out.clear();
        out.extend_from_slice(found.as_deref().unwrap_or_default());
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        let connection = lock(&self.reader)?;
        let mut statement = connection
            .prepare_cached("SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key")?;
        let mut rows = statement.query((from, to))?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        lock(&self.writer)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(())
    }
}
