//! fjall 3.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::storage::Merge;

use crate::contender::{Delta, Each, MEMORY, Raw};

pub struct FjallStore {
    rows: Keyspace,
    database: Database,
}

impl FjallStore {
    pub fn open(folder: &Path) -> Result<FjallStore> {
        let database = Database::builder(folder).cache_size(MEMORY / 2).open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMORY / 2);
        Ok(FjallStore { rows: database.keyspace("rows", options)?, database })
    }
}

impl Raw for FjallStore {
    fn write(&self, deltas: &[Delta], merge: Option<&RowPolicy>) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in deltas {
            match merge.map(|policy| anyhow::Ok((policy, self.rows.get(key)?))).transpose()? {
                Some((policy, Some(old))) => {
                    let mut merged = Vec::with_capacity(value.len());
                    policy.merge(key, &old, value, &mut merged);
                    batch.insert(&self.rows, key.as_slice(), merged);
                }
                _ => batch.insert(&self.rows, key.as_slice(), value.as_slice()),
            }
        }
        Ok(batch.commit()?)
    }

    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let found = self.rows.get(key)?;
        out.clear();
        out.extend_from_slice(found.as_deref().unwrap_or_default());
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        for entry in self.rows.range(from.to_vec()..to.to_vec()) {
            let (key, value) = entry.into_inner()?;
            each(&key, &value)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.rows.rotate_memtable_and_wait()?)
    }
}
