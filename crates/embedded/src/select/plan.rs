//! A SELECT that was checked against the schema, ready to run with any binds.

use std::sync::Arc;

use ilium_cql::ast::{QualifiedName, Select};
use ilium_cql::murmur3::hash3_x64_128;
use ilium_cql::schema::{ColumnKind, Table};
use ilium_store::{BindMarker, Error, Result, RowsMetadata};

use super::grouping::Grouping;
use super::limit::RowLimit;
use super::ordering::{OrderColumns, Sorting};
use super::point::PointRead;
use super::restrictions::{
    Clause, Condition, KeyMarkers, REQUIRES_ALLOW_FILTERING, Restrictions, StatementKind, answers,
};
use super::selection::Selected;
use crate::catalog::Snapshot;
use crate::catalog::entry::{IndexEntry, Source, TableEntry};
use crate::layout::scan::Slice;
use crate::term::{AggregateCall, Compiler, Markers};

/// What it takes to run one SELECT.
pub struct SelectPlan {
    pub binds: Vec<BindMarker>,
    /// For each partition key column the marker that carries it; empty unless all have one.
    pub partition_key_binds: Vec<u16>,
    pub metadata: Arc<RowsMetadata>,
    pub(super) entry: Arc<TableEntry>,
    pub(super) restrictions: Restrictions,
    /// The filter.
    pub(super) conditions: Vec<Condition>,
    pub(super) selected: Selected,
    pub(super) aggregates: Vec<AggregateCall>,
    pub(super) grouping: Option<Grouping>,
    pub(super) sorting: Option<Sorting>,
    pub(super) reversed: bool,
    pub(super) distinct: bool,
    pub(super) limit: RowLimit,
    pub(super) per_partition_limit: RowLimit,
    /// By column: whether it has to be read.
    pub(super) wanted: Vec<bool>,
    /// The index to read by, and the condition it answers.
    pub(super) index: Option<(IndexEntry, usize)>,
    pub(super) point: Option<PointRead>,
    /// Every row of a partition.
    pub(super) all_rows: Vec<Slice>,
    /// Partitions are in the order of their keys instead of their tokens: tables that only this node has.
    pub(super) by_key_value: bool,
    /// What a page state is bound to.
    pub(super) digest: [u8; 16],
}

impl SelectPlan {
    /// Checks a statement. `keyspace` is where an unqualified table is.
    pub fn new(select: &Select, snapshot: &Snapshot, keyspace: Option<&str>) -> Result<SelectPlan> {
        let entry = find_table(&select.from, snapshot, keyspace)?;
        let table = &entry.table;
        let mut markers = Markers::new();
        let mut compiler = Compiler::new(&snapshot.schema, table, &mut markers);

        let selected = Selected::compile(select, &mut compiler)?;
        let order = OrderColumns::resolve(&select.order_by, entry, &mut compiler)?;
        let clause = Clause {
            statement: StatementKind::Select,
            only_statics: selects_only_statics(select, &selected, table),
            allow_filtering: select.allow_filtering,
        };
        let mut key_markers = KeyMarkers::default();
        let restrictions =
            Restrictions::new(entry, &select.restrictions, clause, &mut compiler, &mut key_markers)?;
        if select.distinct {
            check_distinct(select, &selected, &order, &restrictions, entry)?;
        }
        let grouping =
            Grouping::compile(&select.group_by, select.distinct, entry, &restrictions, &mut compiler)?;
        if grouping.is_none() && selected.has_aggregate() && select.per_partition_limit.is_some() {
            return Err(Error::invalid("PER PARTITION LIMIT is not allowed with aggregate queries."));
        }
        let reversed = order.is_reversed(entry, &restrictions)?;
        let sorting = order.sorting(reversed, &restrictions);
        let scans = restrictions.is_key_range() || restrictions.uses_index();
        if scans
            && !select.allow_filtering
            && restrictions.must_say_allow_filtering()
            && restrictions.needs_filtering()
        {
            return Err(Error::invalid(REQUIRES_ALLOW_FILTERING));
        }
        let limit = RowLimit::compile(select.limit.as_ref(), "[limit]", &mut compiler)?;
        let per_partition_limit =
            RowLimit::compile(select.per_partition_limit.as_ref(), "[per_partition_limit]", &mut compiler)?;
        let aggregates = compiler.into_aggregates();

        let conditions = restrictions.conditions();
        let wanted = wanted_columns(entry, &selected, &conditions, &order, grouping.as_ref());
        let index = chosen_index(entry, &restrictions, &conditions);
        let point = if conditions.is_empty() { restrictions.point() } else { None };
        Ok(SelectPlan {
            binds: markers.finish(),
            partition_key_binds: key_markers.of_key(entry.partition_key_len),
            metadata: Arc::clone(&selected.metadata),
            entry: Arc::clone(entry),
            conditions,
            aggregates,
            grouping,
            sorting,
            // DISTINCT takes the first row of each partition, in whichever order the others are asked for.
            reversed: reversed && !select.distinct,
            distinct: select.distinct,
            limit,
            per_partition_limit,
            wanted,
            index,
            point,
            all_rows: vec![Slice::all()],
            by_key_value: snapshot
                .schema
                .keyspace(&table.keyspace)
                .is_some_and(|keyspace| keyspace.is_virtual),
            digest: digest(select, table),
            restrictions,
            selected,
        })
    }

    /// The table that is read.
    pub fn entry(&self) -> &Arc<TableEntry> {
        &self.entry
    }

    /// Whether a page of it touches little: rows of partitions it names. The rest may walk the whole table.
    pub fn is_short(&self) -> bool {
        self.point.is_some()
            || !(self.restrictions.is_key_range()
                || self.restrictions.uses_index()
                || self.reads_all_at_once())
    }

    /// Aggregates over all rows, with no GROUP BY.
    pub(super) fn aggregates_everything(&self) -> bool {
        self.grouping.is_none() && self.selected.has_aggregate()
    }

    /// Rows are taken together, in groups or all.
    pub(super) fn is_grouped(&self) -> bool {
        self.grouping.is_some() || self.selected.has_aggregate()
    }

    pub(super) fn is_virtual(&self) -> bool {
        self.entry.source == Source::Virtual
    }
}

/// Looks a statement's table up, with Cassandra's words for one that is not there.
pub fn find_table<'s>(
    name: &QualifiedName,
    snapshot: &'s Snapshot,
    keyspace: Option<&str>,
) -> Result<&'s Arc<TableEntry>> {
    let keyspace =
        name.keyspace.as_ref().map(|keyspace| keyspace.as_str()).or(keyspace).ok_or_else(|| {
            Error::invalid(
                "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename",
            )
        })?;
    if snapshot.schema.keyspace(keyspace).is_none() {
        return Err(Error::invalid(format!("keyspace {keyspace} does not exist")));
    }
    snapshot
        .table(keyspace, name.name.as_str())
        .ok_or_else(|| Error::invalid(format!("table {} does not exist", name.name.as_str())))
}

/// Static columns, some of the partition key perhaps, and nothing else.
fn selects_only_statics(select: &Select, selected: &Selected, table: &Table) -> bool {
    if matches!(select.selection, ilium_cql::ast::Selection::All) {
        return false;
    }
    let (mut statics, mut others) = (false, false);
    selected.visit_columns(&mut |column| match table.columns.get(column).map(|column| column.kind) {
        Some(ColumnKind::Static) => statics = true,
        Some(ColumnKind::PartitionKey) | None => {}
        Some(_) => others = true,
    });
    statics && !others
}

fn check_distinct(
    select: &Select,
    selected: &Selected,
    order: &OrderColumns,
    restrictions: &Restrictions,
    entry: &TableEntry,
) -> Result<()> {
    if select.per_partition_limit.is_some() {
        return Err(Error::invalid("PER PARTITION LIMIT is not allowed with SELECT DISTINCT queries"));
    }
    if restrictions.restricts_clustering() || restrictions.restricts_kind(ColumnKind::Regular) {
        return Err(Error::invalid(
            "SELECT DISTINCT with WHERE clause only supports restriction by partition key and/or static columns.",
        ));
    }
    let mut requested: Vec<usize> = Vec::new();
    selected.visit_columns(&mut |column| requested.push(column));
    if restrictions.partition_has_in() {
        requested.extend(order.columns());
    }
    for column in requested.iter().filter_map(|column| entry.table.columns.get(*column)) {
        if !matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Static) {
            return Err(Error::invalid(format!(
                "SELECT DISTINCT queries must only request partition key columns and/or static columns (not {})",
                column.name
            )));
        }
    }
    if !restrictions.is_key_range() {
        return Ok(());
    }
    for (index, column) in entry.table.partition_key().enumerate() {
        if !requested.contains(&index) {
            return Err(Error::invalid(format!(
                "SELECT DISTINCT queries must request all the partition key columns (missing {})",
                column.name
            )));
        }
    }
    Ok(())
}

fn wanted_columns(
    entry: &TableEntry,
    selected: &Selected,
    conditions: &[Condition],
    order: &OrderColumns,
    grouping: Option<&Grouping>,
) -> Vec<bool> {
    let mut wanted = vec![false; entry.table.columns.len()];
    let mut want = |column: usize| {
        if let Some(slot) = wanted.get_mut(column) {
            *slot = true;
        }
    };
    selected.visit_columns(&mut want);
    conditions.iter().for_each(|condition| want(condition.column));
    order.columns().for_each(&mut want);
    if let Some(grouping) = grouping {
        grouping.visit_columns(entry, &mut want);
    }
    wanted
}

/// The first condition that an index answers, in the order the indexes were made.
fn chosen_index(
    entry: &TableEntry,
    restrictions: &Restrictions,
    conditions: &[Condition],
) -> Option<(IndexEntry, usize)> {
    if !restrictions.uses_index() {
        return None;
    }
    entry.indexes.iter().find_map(|index| {
        let column_type = &entry.table.columns.get(index.column)?.column_type;
        let at = conditions
            .iter()
            .position(|asked| asked.column == index.column && answers(index, column_type, asked.lookup()))?;
        Some((index.clone(), at))
    })
}

/// Of the statement's one canonical text and the table it means, so that neither how the client wrote it nor another
/// table of that name makes a difference unseen.
fn digest(select: &Select, table: &Table) -> [u8; 16] {
    let (high, low) = hash3_x64_128(format!("{:?}{select}", table.id).as_bytes());
    let mut digest = [0; 16];
    let (first, last) = digest.split_at_mut(8);
    first.copy_from_slice(&high.to_be_bytes());
    last.copy_from_slice(&low.to_be_bytes());
    digest
}
