//! Gives the rows of a statement, in order, to whoever makes the page of them.
//!
//! Vocabulary: a *visit* is one row handed over; it says by a [`Flow`] how to go on. Rows come from the store along
//! keys or the ring, by an index, or are *made* by `system`; all look the same to the visitor.

use ilium_cql::murmur3::Token;
use ilium_store::Error;
use std::ops::Bound;

use super::made::MadeRows;
use super::page_state::Position;
use super::restrictions::{TokenRange, common};
use crate::catalog::entry::{IndexEntry, TableEntry};
use crate::fault::Fault;
use crate::layout::index_key::{self, Found};
use crate::layout::indexed::each_value;
use crate::layout::key::ABOVE;
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::storage::{Io, View};

/// How a reader goes on after a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The partition has nothing more to give.
    NextPartition,
    Stop,
}

pub(super) trait Visit {
    fn row(&mut self, row: &LiveRow) -> Result<Flow, Fault>;
}

/// How many index entries are looked up at once: enough to share the look at their partition, few enough to hold.
const BATCH: usize = 128;

/// Where in an index many entries led nowhere: their value was overwritten, deleted or expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The index's number.
    pub index: u32,
    /// Stored keys; `to` is excluded.
    pub from: Vec<u8>,
    pub to: Vec<u8>,
}

/// One entry in so many that leads nowhere is worth looking them all up again to remove it.
const STALE_SHARE: u64 = 5;

/// Reads one statement's rows.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub view: &'a View,
    pub io: Io,
    pub entry: &'a TableEntry,
    pub slices: &'a [Slice],
    pub exact_rows: bool,
    pub reversed: bool,
    pub wanted: &'a [bool],
    /// Seconds since the epoch.
    pub now: i64,
}

impl Reader<'_> {
    /// The rows of one partition; with `resumed`, those after an earlier page's last.
    pub fn partition<V: Visit>(
        &self,
        key: &[u8],
        resumed: Option<&[u8]>,
        row: &mut LiveRow,
        visitor: &mut V,
    ) -> Result<Flow, Fault> {
        match resumed {
            None => self.slices_of(key, self.slices, self.exact_rows, false, row, visitor),
            Some(clustering) => {
                let rest = self.rest(clustering);
                // A row that is cut to nothing is gone whole, so those that are left are exact still.
                self.slices_of(key, &rest, self.exact_rows, true, row, visitor)
            }
        }
    }

    fn slices_of<V: Visit>(
        &self,
        key: &[u8],
        slices: &[Slice],
        exact_rows: bool,
        only_rows: bool,
        row: &mut LiveRow,
        visitor: &mut V,
    ) -> Result<Flow, Fault> {
        let request = ScanRequest {
            partitions: Partitions::One(key),
            slices,
            exact_rows,
            reversed: self.reversed,
            wanted: Wanted(self.wanted),
            now: self.now,
        };
        let mut scan = Scan::new(self.view, self.entry, request, self.io, row)?;
        while scan.next(row)? {
            // What the partition has beside its rows was given with an earlier page.
            if only_rows && !row.has_row() {
                continue;
            }
            match visitor.row(row)? {
                Flow::Next => {}
                Flow::NextPartition => break,
                Flow::Stop => return Ok(Flow::Stop),
            }
        }
        Ok(Flow::Next)
    }

    /// What of the slices lies behind a row, in the direction of reading.
    fn rest(&self, clustering: &[u8]) -> Vec<Slice> {
        let behind = if self.reversed {
            Slice { from: Vec::new(), to: clustering.to_vec() }
        } else {
            Slice { from: [clustering, &[ABOVE]].concat(), to: vec![ABOVE] }
        };
        common(self.slices, &[behind])
    }

    /// The rows along a part of the ring.
    pub fn ring<V: Visit>(
        &self,
        range: TokenRange,
        resumed: Option<&Position>,
        row: &mut LiveRow,
        visitor: &mut V,
    ) -> Result<Flow, Fault> {
        let partitions = match resumed {
            None => Partitions::Tokens { from: range.from, through: range.through },
            Some(position) => {
                let key = &position.partition_key;
                if let Some(clustering) = &position.clustering
                    && self.partition(key, Some(clustering), row, visitor)? == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
                Partitions::After { token: Token::of(key), key, through: range.through }
            }
        };
        let request = ScanRequest {
            partitions,
            slices: self.slices,
            exact_rows: false,
            reversed: false,
            wanted: Wanted(self.wanted),
            now: self.now,
        };
        let mut scan = Scan::new(self.view, self.entry, request, self.io, row)?;
        while scan.next(row)? {
            match visitor.row(row)? {
                Flow::Next => {}
                Flow::NextPartition => scan.skip_partition(),
                Flow::Stop => return Ok(Flow::Stop),
            }
        }
        Ok(Flow::Next)
    }

    /// The rows that an index has under a value, in the order of the ring. `only` is the one partition asked for.
    /// Says where entries led nowhere.
    #[expect(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    pub fn index<V: Visit>(
        &self,
        index: &IndexEntry,
        value: &[u8],
        range: TokenRange,
        only: Option<&[u8]>,
        resumed: Option<&Position>,
        row: &mut LiveRow,
        visitor: &mut V,
    ) -> Result<Option<Stale>, Fault> {
        let mut prefix = Vec::new();
        index_key::push_value(index.number, value, &mut prefix);
        let (mut from, mut to) = (prefix.clone(), prefix.clone());
        match only {
            Some(key) => {
                index_key::push_partition(Token::of(key).0, key, &mut from);
                to.clone_from(&from);
                to.push(ABOVE);
            }
            None => {
                index_key::push_token(range.from.0, &mut from);
                match range.through.0.checked_add(1) {
                    Some(next) => index_key::push_token(next, &mut to),
                    None => to = index_key::end_of_value(&prefix),
                }
            }
        }
        if let Some(position) = resumed {
            from.truncate(prefix.len());
            index_key::push_partition(
                Token::of(&position.partition_key).0,
                &position.partition_key,
                &mut from,
            );
            if position.clustering.is_none() {
                from.push(ABOVE);
            }
        }
        let mut entries = self.view.range(Bound::Included(&from), Bound::Excluded(&to), false, self.io);
        let of = Indexed { index, value };
        let mut batch = Batch::default();
        let mut tally = Tally::default();
        let mut skipped: Option<Vec<u8>> = None;
        let mut stopped_at = None;
        while let Some((entry_key, record)) = entries.next()? {
            if !index_key::is_live(record, self.now).map_err(|_| self.damaged(index))? {
                continue;
            }
            let target = index_key::target(entry_key, prefix.len()).ok_or_else(|| self.damaged(index))?;
            if skipped.as_deref() == Some(target.partition_key) {
                continue;
            }
            if !batch.takes(target.partition_key) {
                match self.visit_batch(of, &mut batch, resumed, row, visitor, &mut tally)? {
                    Flow::Stop => {
                        stopped_at = Some(entry_key.to_vec());
                        break;
                    }
                    Flow::NextPartition => skipped = Some(batch.partition_key.clone()),
                    Flow::Next => {}
                }
                if skipped.as_deref() == Some(target.partition_key) {
                    continue;
                }
                batch.start(target.partition_key);
            }
            batch.add(target.found);
        }
        if stopped_at.is_none() {
            self.visit_batch(of, &mut batch, resumed, row, visitor, &mut tally)?;
        }
        let to = stopped_at.unwrap_or(to);
        // Entries of a key column may have to wait for their row's grace: they are not looked for at every read.
        let worth_it = index.column >= self.entry.key_len()
            && tally.stale > 0
            && tally.stale * STALE_SHARE >= tally.examined;
        Ok(worth_it.then_some(Stale { index: index.number, from, to }))
    }

    /// Reads what a batch of entries leads to; the slices of the statement hold for it too.
    fn visit_batch<V: Visit>(
        &self,
        of: Indexed<'_>,
        batch: &mut Batch,
        resumed: Option<&Position>,
        row: &mut LiveRow,
        visitor: &mut V,
        tally: &mut Tally,
    ) -> Result<Flow, Fault> {
        if !batch.whole && batch.rows.is_empty() {
            return Ok(Flow::Next);
        }
        let key = &batch.partition_key;
        let after = resumed
            .filter(|position| position.partition_key == *key)
            .and_then(|position| position.clustering.as_deref());
        let mut watch = Watch { entry: self.entry, of, visitor, last: Flow::Next, holding: 0 };
        let mut examined = 1;
        let flow = if batch.whole || self.entry.clustering_len == 0 {
            self.partition(key, after, row, &mut watch)?
        } else {
            let rest = after.map(|clustering| self.rest(clustering));
            let asked = rest.as_deref().unwrap_or(self.slices);
            let rows: Vec<Slice> = batch
                .rows
                .drain(..)
                .filter(|clustering| contains(asked, clustering))
                .map(Slice::row)
                .collect();
            examined = rows.len() as u64;
            self.slices_of(key, &rows, true, true, row, &mut watch)?
        };
        let Watch { last, holding, .. } = watch;
        // Of a batch that was left early nothing is known, nor of a part of a partition.
        if flow == Flow::Next && last == Flow::Next && after.is_none() && (!batch.whole || self.reads_all()) {
            tally.examined += examined;
            tally.stale += examined.saturating_sub(holding);
        }
        batch.rows.clear();
        batch.whole = false;
        Ok(if flow == Flow::Stop { Flow::Stop } else { last })
    }

    fn reads_all(&self) -> bool {
        self.slices.iter().eq([&Slice::all()])
    }

    fn damaged(&self, index: &IndexEntry) -> Fault {
        let table = &self.entry.table;
        Fault::Error(Error::corrupt(format!(
            "an entry of index {} on table {}.{} makes no sense; drop the index and create it again",
            index.name, table.keyspace, table.name
        )))
    }

    /// The rows of named partitions that are made, not stored.
    pub fn made<V: Visit>(
        &self,
        made: &MadeRows,
        which: &MadePartitions<'_>,
        resumed: Option<&Position>,
        row: &mut LiveRow,
        visitor: &mut V,
    ) -> Result<Flow, Fault> {
        let mut skipped: Option<&[u8]> = None;
        for found in made.read(which, resumed, self.reversed) {
            if skipped == Some(found.partition_key.as_slice())
                || (self.entry.clustering_len > 0 && !contains(self.slices, &found.clustering_key))
            {
                continue;
            }
            row.load_values(
                Token::of(&found.partition_key).0,
                &found.partition_key,
                &found.clustering_key,
                &found.values,
            );
            match visitor.row(row)? {
                Flow::Next => {}
                Flow::NextPartition => skipped = Some(&found.partition_key),
                Flow::Stop => return Ok(Flow::Stop),
            }
        }
        Ok(Flow::Next)
    }
}

/// Which partitions of made rows are read.
pub(super) enum MadePartitions<'a> {
    /// These, in this order.
    Named(&'a [Vec<u8>]),
    Ring(TokenRange),
}

/// What an index was asked for.
#[derive(Clone, Copy)]
struct Indexed<'a> {
    index: &'a IndexEntry,
    value: &'a [u8],
}

/// Index entries looked up, and those of them that led nowhere.
#[derive(Default)]
struct Tally {
    examined: u64,
    stale: u64,
}

/// Entries of one partition, to be looked up together.
#[derive(Default)]
struct Batch {
    partition_key: Vec<u8>,
    rows: Vec<Vec<u8>>,
    whole: bool,
    /// The last row taken, in this batch or before it: several elements of a row have an entry each.
    last: Option<Vec<u8>>,
}

impl Batch {
    fn takes(&self, partition_key: &[u8]) -> bool {
        let empty = self.rows.is_empty() && !self.whole;
        !empty && self.partition_key == partition_key && self.rows.len() < BATCH
    }

    fn start(&mut self, partition_key: &[u8]) {
        if self.partition_key != partition_key {
            self.last = None;
        }
        self.partition_key.clear();
        self.partition_key.extend_from_slice(partition_key);
    }

    fn add(&mut self, found: Found<'_>) {
        match found {
            Found::Partition => self.whole = true,
            Found::Row(clustering) => {
                if self.last.as_deref() != Some(clustering) {
                    let last = self.last.get_or_insert_default();
                    last.clear();
                    last.extend_from_slice(clustering);
                    self.rows.push(clustering.to_vec());
                }
            }
        }
    }
}

/// Remembers how the last visit ended, and counts the rows that have the value.
struct Watch<'v, V> {
    entry: &'v TableEntry,
    of: Indexed<'v>,
    visitor: &'v mut V,
    last: Flow,
    holding: u64,
}

impl<V: Visit> Visit for Watch<'_, V> {
    fn row(&mut self, row: &LiveRow) -> Result<Flow, Fault> {
        let Indexed { index, value } = self.of;
        let mut holds = false;
        // Whether the row has it only decides on upkeep; a value that cannot be made out counts as one that stays.
        let judged = each_value(self.entry, index, row, &mut |kept| holds |= kept.value == value);
        self.holding += u64::from(holds || judged.is_err());
        self.last = self.visitor.row(row)?;
        Ok(self.last)
    }
}

fn contains(slices: &[Slice], clustering: &[u8]) -> bool {
    let after = slices.partition_point(|slice| slice.from.as_slice() <= clustering);
    after.checked_sub(1).and_then(|at| slices.get(at)).is_some_and(|slice| slice.contains(clustering))
}
