//! Reading all that is stored, to find damage before somebody needs what is lost.

use ilium_store::Result;

use super::{Engine, in_words};
use crate::layout::key;
use crate::storage::Damage;

/// What a scrub found.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Table files read.
    pub files: usize,
    /// Bytes of files read.
    pub bytes: u64,
    /// A message for each damaged file that names it, the place, and the CQL tables it holds rows of; empty if all is
    /// well.
    pub damage: Vec<String>,
}

impl Engine {
    /// Reads and verifies every file, beside whatever else goes on. An error is one of the scrub itself. Blocks.
    pub fn scrub(&self) -> Result<Scrubbed> {
        let report = self.inner.store.scrub().map_err(in_words)?;
        let damage = report.damage.iter().map(|damage| self.in_tables(damage)).collect();
        Ok(Scrubbed { files: report.tables, bytes: report.bytes, damage })
    }

    fn in_tables(&self, damage: &Damage) -> String {
        let number = |stored: &[u8]| key::number_of(stored).unwrap_or_default();
        let Some((first, last)) = &damage.keys else { return damage.error.to_string() };
        let held = number(first)..=number(last);
        let snapshot = self.inner.snapshot();
        let mut names = Vec::new();
        if held.contains(&key::CATALOG_NUMBER) {
            names.push("the schema".to_owned());
        }
        for entry in snapshot.stored_tables() {
            let table = &entry.table;
            if held.contains(&entry.number) {
                names.push(format!("table {}.{}", table.keyspace, table.name));
            }
            for index in entry.indexes.iter().filter(|index| held.contains(&index.number)) {
                names.push(format!("index {}.{}", table.keyspace, index.name));
            }
        }
        format!("{} (it may hold parts of: {})", damage.error, names.join(", "))
    }
}
