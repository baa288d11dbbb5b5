//! LMDB, through heed.

use std::ops::Bound;
use std::path::Path;

use anyhow::Result;
use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions};
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::storage::Merge;

use crate::contender::{Delta, Each, Raw};

/// The most a file may grow to; only what is used takes room.
const MAP: usize = 16 << 30;

pub struct LmdbStore {
    env: Env,
    rows: Database<Bytes, Bytes>,
}

impl LmdbStore {
    pub fn open(folder: &Path) -> Result<LmdbStore> {
        // SAFETY: no other process has the file open, which is what mapping it into memory asks for.
        let env = unsafe { EnvOpenOptions::new().map_size(MAP).open(folder)? };
        let mut transaction = env.write_txn()?;
        let rows = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(LmdbStore { env, rows })
    }
}

impl Raw for LmdbStore {
    fn write(&self, deltas: &[Delta], merge: Option<&RowPolicy>) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        let mut merged = Vec::new();
        for (key, value) in deltas {
            merged.clear();
            if let Some(policy) = merge
                && let Some(old) = self.rows.get(&transaction, key)?
            {
                policy.merge(key, old, value, &mut merged);
            }
            self.rows.put(&mut transaction, key, if merged.is_empty() { value } else { &merged })?;
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let transaction = self.env.read_txn()?;
        let found = self.rows.get(&transaction, key)?;
        out.clear();
        out.extend_from_slice(found.unwrap_or_default());
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        let transaction = self.env.read_txn()?;
        for entry in self.rows.range(&transaction, &(Bound::Included(from), Bound::Excluded(to)))? {
            let (key, value) = entry?;
            each(key, value)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}
