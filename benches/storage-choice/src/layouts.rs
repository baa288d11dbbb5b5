//! Three ways to lay a row of five columns in Ilium's own store: *row deltas* (an entry a row; a write is a delta, merged
//! when it meets another), *a row an entry* (read, changed and written back whole), *a cell an entry* (and one more that
//! says the row exists).

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use ilium_embedded::storage::{Commit, Durability, Merge};

use crate::contender::Delta;
use crate::ilium_store::IliumStore;
use crate::work::{Phase, amount, each_chunk};
use crate::{files, rows};

pub const NAMES: [&str; 3] = ["row deltas", "a row an entry", "a cell an entry"];

/// The column that is updated.
const UPDATED: u16 = 2;

pub fn run(name: &str, folder: &Path, count: u64) -> Result<()> {
    let layout = Layout::named(name)?;
    // What a sync costs is the same for all, and hides what differs.
    let store = IliumStore::open_with(folder, Durability::Periodic { every: Duration::from_secs(10) })?;
    let phase = Phase::start();
    write(&store, count, |row| layout.change(&store, row, 0..rows::COLUMNS, 1, true))?;
    phase.end("insert of 5 columns", count);
    let phase = Phase::start();
    write(&store, count, |row| layout.change(&store, row, UPDATED..UPDATED + 1, 2, false))?;
    phase.end("update of 1 column", count);
    let hot = (count / 10).max(1);
    let read = |name| -> Result<()> {
        let phase = Phase::start();
        for n in 0..count {
            let row = rows::scatter(n) % hot;
            ensure!(layout.read(&store, row)? == 1 + usize::from(rows::COLUMNS), "row {row} is not whole");
        }
        phase.end(name, count);
        Ok(())
    };
    read("read by key")?;
    amount("disk (MiB)", files::bytes(folder)? as f64 / f64::from(1 << 20));
    store.compact()?;
    read("read by key, compacted")?;
    drop(store);
    amount("disk, compacted (MiB)", files::bytes(folder)? as f64 / f64::from(1 << 20));
    Ok(())
}

#[derive(Clone, Copy)]
enum Layout {
    Deltas,
    Rows,
    Cells,
}

impl Layout {
    fn named(name: &str) -> Result<Layout> {
        match name {
            "row deltas" => Ok(Layout::Deltas),
            "a row an entry" => Ok(Layout::Rows),
            "a cell an entry" => Ok(Layout::Cells),
            _ => anyhow::bail!("{name} is none of {NAMES:?}"),
        }
    }

    /// The entries that a write of these columns puts.
    fn change(
        self,
        store: &IliumStore,
        row: u64,
        columns: std::ops::Range<u16>,
        version: u64,
        alive: bool,
    ) -> Result<Vec<Delta>> {
        let key = rows::key(row);
        Ok(match self {
            Layout::Deltas => vec![(key, rows::record(row, columns, version, alive))],
            Layout::Rows => {
                // Time stamps come from drivers: even an INSERT must look at what is there.
                let delta = rows::record(row, columns, version, alive);
                let mut old = Vec::new();
                let mut new = Vec::new();
                if store.get(&key, &mut old)? {
                    rows::policy().merge(&key, &old, &delta, &mut new);
                } else {
                    new = delta;
                }
                vec![(key, new)]
            }
            Layout::Cells => {
                let cells = columns.map(|column| {
                    (cell_key(&key, column + 1), rows::record(row, column..column + 1, version, false))
                });
                let mut entries: Vec<Delta> = cells.collect();
                if alive {
                    entries.push((cell_key(&key, 0), rows::record(row, 0..0, version, true)));
                }
                entries
            }
        })
    }

    /// Reads a row; how many cells it has, its being there counted as one.
    fn read(self, store: &IliumStore, row: u64) -> Result<usize> {
        let key = rows::key(row);
        let count = |record: &[u8]| -> Result<usize> {
            let record = ilium_embedded::layout::record::Record::parse(record)?;
            Ok(usize::from(record.liveness.is_some()) + record.cells().count())
        };
        if matches!(self, Layout::Cells) {
            let mut cells = 0;
            store.row_range(&key, &cell_key(&key, u16::MAX), &mut |_, value| {
                cells += count(value)?;
                Ok(())
            })?;
            return Ok(cells);
        }
        let mut record = Vec::new();
        ensure!(store.get(&key, &mut record)?, "row {row} is missing");
        count(&record)
    }
}

/// The key of one cell: behind the row's, so that a row's cells lie beside each other.
fn cell_key(row: &[u8], column: u16) -> Vec<u8> {
    [row, &column.to_be_bytes()].concat()
}

/// Writes what `entries` makes of each row.
fn write(store: &IliumStore, count: u64, entries: impl Fn(u64) -> Result<Vec<Delta>> + Sync) -> Result<()> {
    each_chunk(count, |chunk| {
        let commits: Vec<Commit> =
            chunk.iter().map(|&row| Ok(store.begin(&entries(row)?))).collect::<Result<_>>()?;
        Ok(commits.into_iter().try_for_each(Commit::wait)?)
    })
}
