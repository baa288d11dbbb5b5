//! Runs a plan: works out what it names with the binds at hand, reads it, and gives one page.

use std::cell::Cell;
use std::time::Instant;

use ilium_cql::schema::{Column, ColumnKind};
use ilium_store::{Bind, Binds, Consistency, Context, Error, ErrorKind, Rows, SealKey};

use super::made::{MadeRow, MadeRows};
use super::ordering::CANNOT_PAGE;
use super::page::{Ended, Limits, Page};
use super::page_state::{Position, UNLIMITED};
use super::plan::SelectPlan;
use super::reader::{Flow, MadePartitions, Reader, Stale};
use super::restrictions::{RowSlices, TokenRange, check_keys};
use crate::catalog::entry::{IndexEntry, TableEntry};
use crate::fault::Fault;
use crate::layout::live_row::LiveRow;
use crate::layout::scan::Slice;
use crate::storage::{Io, View};
use crate::term::Env;

/// What a read works with. Running one changes nothing, so it can be run again where it may block.
pub struct Read<'a> {
    pub view: &'a View,
    pub io: Io,
    pub binds: &'a Binds,
    pub context: &'a Context,
    /// Microseconds since the epoch.
    pub now_micros: i64,
    /// Seals page states.
    pub seal: &'a SealKey,
    /// Makes the rows of a virtual table.
    pub make: &'a dyn Fn(&TableEntry) -> ilium_store::Result<Vec<MadeRow>>,
    /// Told of index entries that led nowhere.
    pub stale: &'a dyn Fn(Stale),
}

/// One page and what the client should know about it.
pub struct Selection {
    pub rows: Rows,
    pub warnings: Vec<String>,
}

thread_local! {
    /// The row buffer of the last read on this thread: a read of one row would else spend much of its time on making
    /// one.
    static ROW: Cell<Option<Box<LiveRow>>> = const { Cell::new(None) };
}

/// What a statement names with the binds at hand.
struct Named {
    /// Partitions in the order they are read; `None`: they are found along the ring.
    keys: Option<Vec<Vec<u8>>>,
    range: TokenRange,
    rows: RowSlices,
}

impl SelectPlan {
    /// One page of the answer.
    pub fn execute(&self, read: &Read<'_>) -> Result<Selection, Fault> {
        let context = read.context;
        if context.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Fault::Error(Error::new(
                ErrorKind::ReadTimeout {
                    consistency: context.consistency as u16,
                    received: 0,
                    required: 1,
                    data_present: false,
                },
                "Operation timed out: the read did not start in the time its request has; allow more time, or send \
                 less at once",
            )));
        }
        let now = context.now_in_seconds.map_or(read.now_micros.div_euclid(1_000_000), i64::from);
        // Time-to-live counts down to the request's own idea of the time, where it has one.
        let now_micros = context
            .now_in_seconds
            .map_or(read.now_micros, |seconds| i64::from(seconds).saturating_mul(1_000_000));
        let env = Env { binds: read.binds, row: None, aggregates: &[], now_micros };
        let user_limit = self.limit.evaluate(&env)?;
        let user_per_partition = self.per_partition_limit.evaluate(&env)?;
        if let Some(grouping) = &self.grouping {
            grouping.check_function()?;
        }

        let is_paged = context.page_size.is_some() && !self.reads_all_at_once();
        let position = match &context.page_state {
            Some(state) if is_paged => Some(Position::open(state, read.seal, &self.bound_to(read.binds))?),
            _ => None,
        };
        let per_partition = if self.distinct { 1 } else { user_per_partition };
        let limits = Limits {
            remaining: match &position {
                Some(position) => position.remaining,
                None if self.sorting.is_some() || self.aggregates_everything() => UNLIMITED,
                None => user_limit,
            },
            per_partition,
            in_partition: match &position {
                Some(position) if position.clustering.is_some() => position.remaining_in_partition,
                _ => per_partition,
            },
            page_rows: context.page_size.filter(|_| is_paged).unwrap_or(UNLIMITED),
            page_bytes: context.page_bytes.unwrap_or(usize::MAX).min(context.memory_budget),
        };
        let mut page = Page::new(self, context, env, limits, is_paged)?;
        if let Some(position) = position.as_ref().filter(|position| position.clustering.is_some()) {
            page.resume_in(position);
        }

        let mut row = ROW.take().unwrap_or_default();
        let keys = self.run(read, &env, now, position.as_ref(), &mut row, &mut page);
        ROW.set(Some(row));
        let keys = keys?;

        let (data, count, ended) = page.finish(user_limit).map_err(|error| self.warned(error.into()))?;
        let next = match ended {
            Ended::PageFull if is_paged => self.next_position(&page, keys.as_deref()),
            _ => None,
        };
        let next = next.map(|position| position.seal(read.seal, &self.bound_to(read.binds))).transpose()?;
        let rows = Rows { metadata: std::sync::Arc::clone(&self.metadata), count, data: data.into(), next };
        Ok(Selection { rows, warnings: self.warnings() })
    }

    /// What a page state of this statement with these values is bound to: with other values it would lead past rows that
    /// were never given.
    fn bound_to(&self, binds: &Binds) -> Vec<u8> {
        let mut all = self.digest.to_vec();
        for bind in (0..binds.len()).filter_map(|index| binds.get(index)) {
            match bind {
                Bind::Null => all.push(0),
                Bind::Unset => all.push(1),
                Bind::Value(value) => {
                    all.push(2);
                    // The length keeps values from running into each other.
                    all.extend_from_slice(&(value.len() as u64).to_be_bytes());
                    all.extend_from_slice(value);
                }
            }
        }
        all
    }

    /// Aggregates over everything, and groups of partitions of one row each, come in one page, as in Cassandra.
    pub(super) fn reads_all_at_once(&self) -> bool {
        self.aggregates_everything() || (self.distinct && self.grouping.is_some())
    }

    /// Whether Cassandra's read has static columns: those that are asked for, or all where no column but keys is.
    fn reads_statics(&self) -> bool {
        let columns = || self.entry.table.columns.iter().zip(&self.wanted).skip(self.entry.key_len());
        let is_static = |column: &Column| column.kind == ColumnKind::Static;
        let keys_alone = columns().all(|(_, wanted)| !wanted);
        columns().any(|(column, wanted)| (*wanted || keys_alone) && is_static(column))
    }

    fn warnings(&self) -> Vec<String> {
        if !self.is_grouped() {
            return Vec::new();
        }
        if !self.restrictions.restricts_partition_key() {
            return vec!["Aggregation query used without partition key".to_owned()];
        }
        if self.restrictions.partition_has_in() {
            return vec!["Aggregation query used on multiple partition keys (IN restriction)".to_owned()];
        }
        Vec::new()
    }

    /// Shows the rows to the page. Gives the partitions back, if they are named.
    fn run(
        &self,
        read: &Read<'_>,
        env: &Env<'_>,
        now: i64,
        position: Option<&Position>,
        row: &mut LiveRow,
        page: &mut Page<'_>,
    ) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        let mut reader = Reader {
            view: read.view,
            io: read.io,
            entry: &self.entry,
            slices: &self.all_rows,
            exact_rows: false,
            reversed: self.reversed,
            wanted: &self.wanted,
            now,
        };
        if let (Some(point), false) = (&self.point, self.is_virtual()) {
            let mut key = Vec::with_capacity(48);
            point.partition_key(&self.entry, env, &mut key)?;
            let slice;
            if !point.clustering.is_empty() {
                let mut clustering = Vec::with_capacity(48);
                point.clustering_key(&self.entry, env, &mut clustering)?;
                slice = [Slice::row(clustering)];
                reader.slices = &slice;
                reader.exact_rows = true;
            }
            check_keys(std::slice::from_ref(&key))?;
            let resumed = position.and_then(|position| position.clustering.as_deref());
            reader.partition(&key, resumed, row, page).map_err(|fault| self.warned(fault))?;
            return Ok(Some(vec![key]));
        }

        let named = self.named(env, read.context.memory_budget)?;
        // Where there is nothing to read there is nothing to page, but Cassandra always pages through groups.
        let is_read = named.is_some() || self.is_grouped();
        if self.sorting.is_some() && read.context.page_size.is_some() && is_read {
            return Err(self.warned(Fault::Error(Error::invalid(CANNOT_PAGE))));
        }
        let Some(named) = named else { return Ok(Some(Vec::new())) };
        let serial = matches!(read.context.consistency, Consistency::Serial | Consistency::LocalSerial);
        if serial && named.keys.as_ref().is_some_and(|keys| keys.len() > 1) {
            return Err(Fault::Error(Error::invalid(
                "SERIAL/LOCAL_SERIAL consistency may only be requested for one partition at a time",
            )));
        }
        reader.slices = &named.rows.slices;
        reader.exact_rows = named.rows.exact;
        if self.is_virtual() {
            let made = MadeRows::sorted((read.make)(&self.entry)?, &self.entry, self.by_key_value)?;
            let which = match &named.keys {
                Some(keys) => MadePartitions::Named(keys),
                None => MadePartitions::Ring(named.range),
            };
            reader.made(&made, &which, position, row, page)?;
            return Ok(named.keys);
        }
        if let Some((index, condition)) = &self.index {
            check_ready(index, &self.entry, read.context)?;
            let value = page.index_value(*condition).ok_or_else(|| {
                Error::internal(format!("index {} was chosen for a condition that has no value", index.name))
            })?;
            if value.len() > crate::layout::index_key::MAX_VALUE {
                return Err(Fault::Error(Error::invalid(
                    "Index expression values may not be larger than 64K",
                )));
            }
            // An index is not asked for several partitions at once: that was refused when the statement was planned.
            let only = named.keys.as_deref().and_then(|keys| keys.first()).map(Vec::as_slice);
            if named.keys.is_none() || only.is_some() {
                let stale = reader.index(index, &value, named.range, only, position, row, page);
                if let Some(stale) = stale.map_err(|fault| self.warned(fault))? {
                    (read.stale)(stale);
                }
            }
            return Ok(named.keys);
        }
        match &named.keys {
            Some(keys) => {
                let first = position.map_or(0, |position| {
                    keys.iter().position(|key| *key == position.partition_key).unwrap_or(keys.len())
                });
                let mut resumed = position.and_then(|position| position.clustering.as_deref());
                for key in keys.iter().skip(first) {
                    let flow = reader.partition(key, resumed.take(), row, page);
                    if flow.map_err(|fault| self.warned(fault))? == Flow::Stop {
                        break;
                    }
                }
            }
            None => {
                reader.ring(named.range, position, row, page).map_err(|fault| self.warned(fault))?;
            }
        }
        Ok(named.keys)
    }

    /// An error while rows are read comes with the warnings of the statement.
    fn warned(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Error(error) => Fault::Error(Error { warnings: self.warnings().into(), ..error }),
            fault => fault,
        }
    }

    /// `None`: nothing at all.
    fn named(&self, env: &Env<'_>, budget: usize) -> Result<Option<Named>, Fault> {
        let restrictions = &self.restrictions;
        let keys = match restrictions.is_key_range() {
            true => None,
            false => Some(restrictions.unchecked_partition_keys(env, budget)?),
        };
        if keys.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let rows = if self.distinct {
            RowSlices { slices: self.all_rows.clone(), exact: false }
        } else {
            restrictions.row_slices(env, budget)?
        };
        // Where rows are named and there is none, Cassandra still looks for static columns.
        let is_read = !rows.slices.is_empty() || (keys.is_some() && rows.exact && self.reads_statics());
        if !is_read {
            return Ok(None);
        }
        if let Some(keys) = keys {
            check_keys(&keys)?;
            return Ok(Some(Named { keys: Some(keys), range: TokenRange::ALL, rows }));
        }
        let Some(range) = restrictions.token_range(env)? else { return Ok(None) };
        Ok(Some(Named { keys: None, range, rows }))
    }

    /// Where the next page starts after a full one; `None`: there is none.
    fn next_position(&self, page: &Page<'_>, keys: Option<&[Vec<u8>]>) -> Option<Position> {
        if let Some(position) = page.position_in_partition() {
            return Some(position);
        }
        match keys {
            None => Some(page.position_at(page.last_partition())),
            // Whether the partitions that follow have anything, only the next page can tell.
            Some(keys) => {
                let at = keys.iter().position(|key| key == page.last_partition())?;
                keys.get(at + 1).map(|next| page.position_at(next))
            }
        }
    }
}

fn check_ready(index: &IndexEntry, entry: &TableEntry, context: &Context) -> Result<(), Fault> {
    if index.ready {
        return Ok(());
    }
    Err(Fault::Error(Error::new(
        ErrorKind::ReadFailure {
            consistency: context.consistency as u16,
            received: 0,
            required: 1,
            failures: 1,
            data_present: false,
        },
        format!(
            "The secondary index '{}' on {}.{} is not yet available: rows that were there before it are still being added",
            index.name, entry.table.keyspace, entry.table.name
        ),
    )))
}
