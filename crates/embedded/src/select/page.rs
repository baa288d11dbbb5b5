//! Makes a page of the rows it is shown: filters, counts, groups, and says when it has enough.

use std::time::Instant;

use ilium_cql::CqlType;
use ilium_store::{Context, Error, ErrorKind, Result};

use super::grouping::CurrentGroup;
use super::page_state::{Position, UNLIMITED};
use super::plan::SelectPlan;
use super::reader::{Flow, Visit};
use super::restrictions::Expected;
use crate::fault::Fault;
use crate::layout::live_row::LiveRow;
use crate::term::function::Accumulator;
use crate::term::{Env, RowValues};

/// Room for the answer to most reads of one row.
const FIRST_BYTES: usize = 256;

/// How many rows are looked at between two looks at the clock.
const ROWS_PER_CLOCK: u32 = 64;

/// How much of the answer may be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows, or groups, that LIMIT still allows.
    pub remaining: u32,
    pub per_partition: u32,
    /// Of the partition an earlier page ended in.
    pub in_partition: u32,
    /// Rows, or groups, of this page.
    pub page_rows: u32,
    /// Bytes after which the page ends, once it has a row.
    pub page_bytes: usize,
}

/// Why no more rows were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The source had no more.
    Source,
    PageFull,
    LimitReached,
}

/// The last row that was given.
#[derive(Debug, Default)]
struct Last {
    partition_key: Vec<u8>,
    clustering: Vec<u8>,
}

pub(super) struct Page<'a> {
    plan: &'a SelectPlan,
    context: &'a Context,
    env: Env<'a>,
    conditions: Vec<Asked<'a>>,
    limits: Limits,
    /// An answer without pages must fit the budget; with them a page ends before.
    is_paged: bool,
    gives_static_partitions: bool,
    seen: u32,
    out: Vec<u8>,
    count: u32,
    ended: Ended,
    current_partition: Vec<u8>,
    last: Last,
    group: Option<OpenGroup>,
    current_group: CurrentGroup,
    sorted: Vec<SortedRow>,
    /// Bytes held beside `out`.
    gathered: usize,
}

/// A condition with its value, and what it is asked of.
struct Asked<'a> {
    column: usize,
    column_type: &'a CqlType,
    expected: Expected<'a>,
    of_partition: bool,
}

struct OpenGroup {
    accumulators: Vec<Box<dyn Accumulator>>,
    /// The group's first row, where more than the aggregates is selected.
    first: Option<LiveRow>,
    /// False for a partition that has static content only.
    has_row: bool,
    sort_key: Vec<u8>,
}

/// A finished row that waits for the others to be sorted.
struct SortedRow {
    key: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Page<'a> {
    pub fn new(
        plan: &'a SelectPlan,
        context: &'a Context,
        env: Env<'a>,
        limits: Limits,
        is_paged: bool,
    ) -> Result<Page<'a>> {
        let table = &plan.entry.table;
        let mut conditions = Vec::with_capacity(plan.conditions.len());
        for condition in &plan.conditions {
            let Some(column) = table.columns.get(condition.column) else { continue };
            conditions.push(Asked {
                column: condition.column,
                column_type: &column.column_type,
                expected: condition.bind(table, &env)?,
                of_partition: condition.is_of_partition(table),
            });
        }
        Ok(Page {
            plan,
            context,
            env,
            conditions,
            limits,
            is_paged,
            gives_static_partitions: plan.restrictions.gives_static_partitions(),
            seen: 0,
            out: Vec::with_capacity(FIRST_BYTES),
            count: 0,
            ended: Ended::Source,
            current_partition: Vec::new(),
            last: Last::default(),
            group: None,
            current_group: CurrentGroup::default(),
            sorted: Vec::new(),
            gathered: 0,
        })
    }

    /// Says which partition an earlier page ended in, so that what it used up counts.
    pub fn resume_in(&mut self, position: &Position) {
        self.current_partition.clone_from(&position.partition_key);
    }

    /// The value the plan's index is asked for.
    pub fn index_value(&self, condition: usize) -> Option<Vec<u8>> {
        self.conditions.get(condition)?.expected.index_value()
    }

    /// The rows in wire form, their number, and why there are no more.
    pub fn finish(&mut self, user_limit: u32) -> Result<(Vec<u8>, u32, Ended)> {
        if self.ended == Ended::Source {
            if self.group.is_some() {
                // This may fill the page exactly: whether there is more, only the next page can tell, as in Cassandra.
                self.close_group()?;
            } else if self.plan.aggregates_everything() {
                let group = self.new_group(None)?;
                self.group = Some(group);
                self.close_group()?;
            }
        }
        if let Some(sorting) = &self.plan.sorting {
            let mut rows = std::mem::take(&mut self.sorted);
            rows.sort_by(|a, b| sorting.compare(&a.key, &b.key));
            rows.truncate(user_limit as usize);
            let unsorted = std::mem::take(&mut self.out);
            let mut out = Vec::with_capacity(unsorted.len());
            for row in &rows {
                out.extend_from_slice(unsorted.get(row.start..row.end).unwrap_or_default());
            }
            self.out = out;
            self.count = rows.len() as u32;
        }
        Ok((std::mem::take(&mut self.out), self.count, self.ended))
    }

    /// The key of the partition the page ended in.
    pub fn last_partition(&self) -> &[u8] {
        &self.last.partition_key
    }

    /// The place after the last row given, if its partition may have more.
    pub fn position_in_partition(&self) -> Option<Position> {
        (self.limits.in_partition > 0).then(|| Position {
            partition_key: self.last.partition_key.clone(),
            clustering: Some(self.last.clustering.clone()),
            remaining: self.limits.remaining,
            remaining_in_partition: self.limits.in_partition,
        })
    }

    /// The start of a partition, or, along the ring, what follows it.
    pub fn position_at(&self, partition_key: &[u8]) -> Position {
        Position {
            partition_key: partition_key.to_vec(),
            clustering: None,
            remaining: self.limits.remaining,
            remaining_in_partition: UNLIMITED,
        }
    }

    fn check_time(&mut self) -> Result<()> {
        // The clock was read before the first row.
        self.seen = self.seen.wrapping_add(1);
        let look = self.seen.is_multiple_of(ROWS_PER_CLOCK);
        if self.context.cancellation.is_cancelled() {
            return Err(timed_out(
                self.context,
                "The read was given up: whoever asked for it no longer waits",
            ));
        }
        if look && self.context.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(timed_out(
                self.context,
                "Operation timed out: the read did not finish in the time its request has; ask for less, or allow more \
                 time",
            ));
        }
        Ok(())
    }

    /// How to go on where the filter does not let the row through.
    fn refusal(&self, row: &LiveRow) -> Option<Flow> {
        let met = |asked: &Asked<'_>| asked.expected.holds(row, asked.column, asked.column_type);
        if self.conditions.iter().any(|asked| asked.of_partition && !met(asked)) {
            return Some(Flow::NextPartition);
        }
        let met = |asked: &Asked<'_>| asked.of_partition || (row.has_row() && met(asked));
        (!self.conditions.iter().all(met)).then_some(Flow::Next)
    }

    fn enter_partition(&mut self, row: &LiveRow) {
        if self.current_partition != row.partition_key() {
            self.current_partition.clear();
            self.current_partition.extend_from_slice(row.partition_key());
            self.limits.in_partition = self.limits.per_partition;
        }
    }

    fn take_plain(&mut self, row: &LiveRow) -> Result<Flow> {
        self.enter_partition(row);
        if self.limits.in_partition == 0 {
            return Ok(Flow::NextPartition);
        }
        let start = self.out.len();
        self.plan.selected.write(Some(row), &self.env, &mut self.out)?;
        if let Some(sorting) = &self.plan.sorting {
            let key = sorting.key(&self.plan.entry, row)?;
            self.gathered += key.len() + size_of::<SortedRow>();
            self.sorted.push(SortedRow { key, start, end: self.out.len() });
        }
        self.counted(row.has_row());
        self.check_memory()?;
        if self.ended == Ended::Source {
            return Ok(if self.limits.in_partition == 0 { Flow::NextPartition } else { Flow::Next });
        }
        self.remember(row);
        Ok(Flow::Stop)
    }

    /// One more row or group is in the answer.
    fn counted(&mut self, from_row: bool) {
        let limits = &mut self.limits;
        self.count += 1;
        limits.remaining = decrement(limits.remaining);
        limits.page_rows = decrement(limits.page_rows);
        limits.in_partition = decrement(limits.in_partition);
        // A partition of one row, or of nothing but static content, has given all it has.
        if !from_row || self.plan.entry.clustering_len == 0 {
            limits.in_partition = 0;
        }
        self.ended = if limits.remaining == 0 {
            Ended::LimitReached
        } else if limits.page_rows == 0 || (self.is_paged && self.out.len() >= limits.page_bytes) {
            Ended::PageFull
        } else {
            Ended::Source
        };
    }

    fn remember(&mut self, row: &LiveRow) {
        self.last.partition_key.clear();
        self.last.partition_key.extend_from_slice(row.partition_key());
        self.last.clustering.clear();
        self.last.clustering.extend_from_slice(row.clustering_key());
    }

    fn check_memory(&self) -> Result<()> {
        let held = self.out.len() + self.gathered;
        if held > self.context.memory_budget && (!self.is_paged || self.gathered > self.context.memory_budget)
        {
            return Err(Error::invalid(format!(
                "The result takes more than the {} bytes a request may hold; page through it, or set a LIMIT",
                self.context.memory_budget
            )));
        }
        Ok(())
    }

    fn take_grouped(&mut self, row: &LiveRow) -> Result<Flow> {
        let begins = match &self.plan.grouping {
            Some(grouping) => self.current_group.begins(grouping, &self.plan.entry, row, &self.env)?,
            None => self.group.is_none(),
        };
        if begins && self.group.is_some() {
            self.close_group()?;
            if self.ended != Ended::Source {
                return Ok(Flow::Stop);
            }
        }
        if begins {
            self.enter_partition(row);
            if self.limits.in_partition == 0 {
                return Ok(Flow::NextPartition);
            }
            self.group = Some(self.new_group(Some(row))?);
        }
        if let Some(group) = &mut self.group {
            let env = Env { row: Some(row as &dyn RowValues), ..self.env };
            for (accumulator, call) in group.accumulators.iter_mut().zip(&self.plan.aggregates) {
                match &call.argument {
                    Some(argument) => accumulator.add(argument.evaluate(&env)?.as_bytes())?,
                    None => accumulator.add(None)?,
                }
            }
        }
        if self.is_paged {
            self.remember(row);
        }
        self.check_memory()?;
        Ok(if self.plan.distinct { Flow::NextPartition } else { Flow::Next })
    }

    fn new_group(&mut self, row: Option<&LiveRow>) -> Result<OpenGroup> {
        let accumulators =
            self.plan.aggregates.iter().filter_map(|call| call.function.accumulator()).collect();
        let sort_key = match (&self.plan.sorting, row) {
            (Some(sorting), Some(row)) => sorting.key(&self.plan.entry, row)?,
            _ => Vec::new(),
        };
        let first = row.filter(|_| self.plan.selected.reads_row()).cloned();
        Ok(OpenGroup { accumulators, first, has_row: row.is_none_or(LiveRow::has_row), sort_key })
    }

    /// Puts the group's row into the answer.
    fn close_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let results = group.accumulators.iter().map(|a| a.finish()).collect::<Result<Vec<_>>>()?;
        let start = self.out.len();
        {
            let env = Env { aggregates: &results, ..self.env };
            self.plan.selected.write(group.first.as_ref(), &env, &mut self.out)?;
        }
        if self.plan.sorting.is_some() {
            self.gathered += group.sort_key.len() + size_of::<SortedRow>();
            self.sorted.push(SortedRow { key: group.sort_key, start, end: self.out.len() });
        }
        self.counted(group.has_row);
        self.check_memory()
    }
}

impl Visit for Page<'_> {
    fn row(&mut self, row: &LiveRow) -> std::result::Result<Flow, Fault> {
        self.check_time()?;
        if !row.has_row() && !self.gives_static_partitions {
            return Ok(Flow::Next);
        }
        if let Some(flow) = self.refusal(row) {
            return Ok(flow);
        }
        let flow = if self.plan.is_grouped() { self.take_grouped(row)? } else { self.take_plain(row)? };
        Ok(flow)
    }
}

fn decrement(limit: u32) -> u32 {
    if limit == UNLIMITED { UNLIMITED } else { limit.saturating_sub(1) }
}

/// As Cassandra's coordinator says it when no replica answers in time.
fn timed_out(context: &Context, message: &str) -> Error {
    let kind = ErrorKind::ReadTimeout {
        consistency: context.consistency as u16,
        received: 0,
        required: 1,
        data_present: false,
    };
    Error::new(kind, message)
}
