//! redb 4.

use std::path::Path;

use anyhow::Result;
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::storage::Merge;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::contender::{Delta, Each, MEMORY, Raw};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

pub struct RedbStore(Database);

impl RedbStore {
    pub fn open(folder: &Path) -> Result<RedbStore> {
        let database =
            Database::builder().set_cache_size(MEMORY as usize).create(folder.join("rows.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(ROWS)?;
        transaction.commit()?;
        Ok(RedbStore(database))
    }
}

impl Raw for RedbStore {
    fn write(&self, deltas: &[Delta], merge: Option<&RowPolicy>) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut rows = transaction.open_table(ROWS)?;
            let mut merged = Vec::new();
            for (key, value) in deltas {
                merged.clear();
                if let Some(policy) = merge {
                    use redb::ReadableTable as _;
                    if let Some(old) = rows.get(key.as_slice())? {
                        policy.merge(key, old.value(), value, &mut merged);
                    }
                }
                let value = if merged.is_empty() { value } else { &merged };
                rows.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let rows = self.0.begin_read()?.open_table(ROWS)?;
        let found = rows.get(key)?;
        out.clear();
        out.extend_from_slice(found.as_ref().map_or(&[], |value| value.value()));
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        let rows = self.0.begin_read()?.open_table(ROWS)?;
        for entry in rows.range::<&[u8]>(from..to)? {
            let (key, value) = entry?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}
