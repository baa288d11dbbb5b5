//! From a statement to a checked modification (Cassandra's `ModificationStatement.Parsed.prepare`).

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{
    BatchItem, Change, Condition, Delete, DeleteTarget, Expr, Insert, InsertValues, Name, Operator, Relation,
    RelationKind, Update, Using,
};
use ilium_cql::schema::{Column, ColumnKind};
use ilium_store::{Effect, Error, Result};

use super::condition::Conditions;
use super::json::JsonInsert;
use super::operation::{Action, Operation};
use crate::catalog::Snapshot;
use crate::catalog::entry::TableEntry;
use crate::select::find_table;
use crate::select::restrictions::{Clause, KeyMarkers, Restrictions, StatementKind};
use crate::term::{Compiler, Markers, Receiver, Term};

/// One INSERT, UPDATE or DELETE, ready to run with any binds.
pub struct Modification {
    pub entry: Arc<TableEntry>,
    pub kind: StatementKind,
    pub(super) keys: Keys,
    pub(super) timestamp: Option<Term>,
    pub(super) ttl: Option<Term>,
    /// Static columns first, then by cell id: the order in which cells are stored.
    pub(super) operations: Vec<Operation>,
    pub(super) conditions: Option<Conditions>,
    pub(super) json: Option<JsonInsert>,
}

/// How the statement says which rows it changes.
pub(super) enum Keys {
    /// One value a key column; no clustering values where only statics change.
    Named { partition: Vec<Term>, clustering: Vec<Term> },
    /// IN lists, ranges and whole partitions.
    Where(Box<Restrictions>),
    /// The values are in the JSON text.
    Json,
}

/// Plans a statement; its markers and those of its partition key go to `markers` and `key_markers`.
pub fn plan(
    item: &BatchItem,
    snapshot: &Snapshot,
    keyspace: Option<&str>,
    markers: &mut Markers,
    key_markers: &mut KeyMarkers,
) -> Result<Modification> {
    let name = match item {
        BatchItem::Insert(insert) => &insert.table,
        BatchItem::Update(update) => &update.table,
        BatchItem::Delete(delete) => &delete.table,
    };
    let entry = Arc::clone(find_table(name, snapshot, keyspace)?);
    let table = Arc::clone(&entry.table);
    let compiler = Compiler::new(&snapshot.schema, &table, markers);
    let mut planner = Planner { entry, compiler, key_markers };
    let modification = match item {
        BatchItem::Insert(insert) => planner.insert(insert),
        BatchItem::Update(update) => planner.update(update),
        BatchItem::Delete(delete) => planner.delete(delete),
    }?;
    modification.check_counter()?;
    Ok(modification)
}

struct Planner<'p, 'a> {
    entry: Arc<TableEntry>,
    compiler: Compiler<'a>,
    key_markers: &'p mut KeyMarkers,
}

impl Planner<'_, '_> {
    fn using(&mut self, using: &Using) -> Result<(Option<Term>, Option<Term>)> {
        let table = self.compiler.table();
        let mut compile = |expr: &Option<Expr>, name: &str, column_type| {
            let receiver = Receiver::named(table, name, column_type);
            expr.as_ref().map(|expr| self.compiler.term(expr, &receiver)).transpose()
        };
        let timestamp = compile(&using.timestamp, "[timestamp]", CqlType::Bigint)?;
        let ttl = compile(&using.ttl, "[ttl]", CqlType::Int)?;
        Ok((timestamp, ttl))
    }

    fn column(&self, name: &Name) -> Result<(usize, Column)> {
        let table = self.compiler.table();
        let index = table.column_index(name.as_str());
        let found = index.and_then(|index| Some((index, table.columns.get(index)?.clone())));
        found.ok_or_else(|| {
            Error::invalid(format!(
                "Undefined column name {} in table {}.{}",
                ilium_cql::identifier::quote_if_needed(name.as_str()),
                table.keyspace,
                table.name
            ))
        })
    }

    fn insert(&mut self, insert: &Insert) -> Result<Modification> {
        let table = self.compiler.table();
        let (timestamp, ttl) = self.using(&insert.using)?;
        if table.flags.counter {
            return Err(Error::invalid(
                "INSERT statements are not allowed on counter tables, use UPDATE instead",
            ));
        }
        let conditions = insert.if_not_exists.then_some(Conditions::NotExists);
        let (columns, values) = match &insert.values {
            InsertValues::Columns { columns, values } => (columns, values),
            InsertValues::Json { value, default_unset } => {
                let receiver = Receiver::named(table, "[json]", CqlType::Text);
                let text = self.compiler.term(value, &receiver)?;
                let json = JsonInsert::plan(&self.entry, text, *default_unset)?;
                let operations = JsonInsert::operations(&self.entry);
                return self.finish(
                    StatementKind::Insert,
                    Keys::Json,
                    (timestamp, ttl),
                    operations,
                    conditions,
                    Some(json),
                );
            }
        };
        if columns.is_empty() {
            return Err(Error::invalid("No columns provided to INSERT"));
        }
        if columns.len() != values.len() {
            return Err(Error::invalid("Unmatched column names/values"));
        }
        let mut operations = Vec::new();
        let mut keys: Vec<Option<Term>> = vec![None; self.entry.key_len()];
        let mut seen = vec![false; table.columns.len()];
        for (name, value) in columns.iter().zip(values) {
            let (index, column) = self.column(name)?;
            if seen.get_mut(index).is_some_and(|seen| std::mem::replace(seen, true)) {
                return Err(Error::invalid("The column names contains duplicates"));
            }
            if let Some(slot) = keys.get_mut(index) {
                let term = self.compiler.term(value, &Receiver::of(table, &column))?;
                if let Some(marker) = term.as_bind() {
                    self.key_markers.note(index, marker);
                }
                *slot = Some(term);
            } else {
                let action = Action::set(&mut self.compiler, &column, value)?;
                operations.push(self.operation(index, &column, action));
            }
        }
        let keys = self.insert_keys(keys, &operations)?;
        self.finish(StatementKind::Insert, keys, (timestamp, ttl), operations, conditions, None)
    }

    fn insert_keys(&self, mut keys: Vec<Option<Term>>, operations: &[Operation]) -> Result<Keys> {
        let clustering = keys.split_off(self.entry.partition_key_len);
        let only_statics = clustering.iter().all(Option::is_none)
            && !operations.is_empty()
            && operations.iter().all(|operation| operation.is_static);
        let missing = |terms: &[Option<Term>], from: usize| -> Vec<&str> {
            let columns = self.entry.table.columns.get(from..).unwrap_or_default();
            terms
                .iter()
                .zip(columns)
                .filter(|(term, _)| term.is_none())
                .map(|(_, column)| &*column.name)
                .collect()
        };
        let absent = missing(&keys, 0);
        if !absent.is_empty() {
            return Err(Error::invalid(format!(
                "Some partition key parts are missing: {}",
                absent.join(", ")
            )));
        }
        let absent = missing(&clustering, self.entry.partition_key_len);
        if !absent.is_empty() && !only_statics {
            return Err(Error::invalid(format!("Some clustering keys are missing: {}", absent.join(", "))));
        }
        Ok(Keys::Named {
            partition: keys.into_iter().flatten().collect(),
            clustering: clustering.into_iter().flatten().collect(),
        })
    }

    fn update(&mut self, update: &Update) -> Result<Modification> {
        let (timestamp, ttl) = self.using(&update.using)?;
        let conditions = self.conditions(update.condition.as_ref(), timestamp.is_some())?;
        let mut operations: Vec<Operation> = Vec::new();
        let mut seen: Vec<(usize, &Change)> = Vec::new();
        for assignment in &update.assignments {
            let (index, column) = self.column(&assignment.column)?;
            if matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) {
                return Err(Error::invalid(format!("PRIMARY KEY part {} found in SET part", column.name)));
            }
            if seen.iter().any(|(other, change)| *other == index && !compatible(change, &assignment.change)) {
                return Err(Error::syntax(format!(
                    "Multiple incompatible setting of column {}",
                    column.name
                )));
            }
            seen.push((index, &assignment.change));
            let action =
                Action::of_change(&mut self.compiler, &column, &assignment.change, conditions.is_some())?;
            operations.push(self.operation(index, &column, action));
        }
        let clause = self.clause(StatementKind::Update, &operations, conditions.as_ref());
        let keys = self.keys(&update.restrictions, clause)?;
        self.finish(StatementKind::Update, keys, (timestamp, ttl), operations, conditions, None)
    }

    fn delete(&mut self, delete: &Delete) -> Result<Modification> {
        let (timestamp, ttl) = self.using(&delete.using)?;
        let conditions = self.conditions(delete.condition.as_ref(), timestamp.is_some())?;
        let mut operations = Vec::new();
        for target in &delete.targets {
            let (DeleteTarget::Column(name)
            | DeleteTarget::Element { column: name, .. }
            | DeleteTarget::Field { column: name, .. }) = target;
            let (index, column) = self.column(name)?;
            if matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) {
                return Err(Error::invalid(format!(
                    "Invalid identifier {} for deletion (should not be a PRIMARY KEY part)",
                    column.name
                )));
            }
            let action = Action::of_target(&mut self.compiler, &column, target)?;
            operations.push(self.operation(index, &column, action));
        }
        let clause = self.clause(StatementKind::Delete, &operations, conditions.as_ref());
        let keys = self.keys(&delete.restrictions, clause)?;
        let modification =
            self.finish(StatementKind::Delete, keys, (timestamp, ttl), operations, conditions, None)?;
        modification.check_delete()?;
        Ok(modification)
    }

    fn operation(&self, column: usize, definition: &Column, action: Action) -> Operation {
        Operation {
            column,
            cell_id: self.entry.cell_ids.get(column).copied().unwrap_or_default(),
            is_static: definition.kind == ColumnKind::Static,
            column_type: definition.column_type.clone(),
            action,
        }
    }

    /// The relations' rules depend on whether only statics are concerned, by operation and by condition.
    fn clause(
        &self,
        statement: StatementKind,
        operations: &[Operation],
        conditions: Option<&Conditions>,
    ) -> Clause {
        // A DELETE without columns is of whole rows.
        let of_rows = statement == StatementKind::Delete && operations.is_empty();
        let by_operations = of_rows || operations.iter().any(|operation| !operation.is_static);
        let by_conditions = conditions.is_some_and(|conditions| conditions.on_regular(&self.entry.table));
        let touches_static = operations.iter().any(|o| o.is_static)
            || conditions.is_some_and(|c| c.on_static(&self.entry.table));
        Clause {
            statement,
            only_statics: touches_static && !by_operations && !by_conditions,
            allow_filtering: false,
        }
    }

    fn keys(&mut self, relations: &[Relation], clause: Clause) -> Result<Keys> {
        let restrictions =
            Restrictions::new(&self.entry, relations, clause, &mut self.compiler, self.key_markers)?;
        if let Some(named) = self.named_keys(relations)? {
            return Ok(named);
        }
        Ok(Keys::Where(Box::new(restrictions)))
    }

    /// `a = ? AND b = ?` over the whole primary key and nothing else: what most statements say, and what needs no
    /// lists of keys at execution.
    fn named_keys(&mut self, relations: &[Relation]) -> Result<Option<Keys>> {
        let mut keys: Vec<Option<Term>> = vec![None; self.entry.key_len()];
        let table = self.compiler.table();
        for relation in relations {
            let RelationKind::Column { column, operator: Operator::Equal, value } = &relation.kind else {
                return Ok(None);
            };
            let (index, column) = self.column(column)?;
            let term = self.compiler.term(value, &Receiver::of(table, &column))?;
            match keys.get_mut(index) {
                Some(slot @ None) => *slot = Some(term),
                _ => return Ok(None),
            }
        }
        let Some(mut partition) = keys.into_iter().collect::<Option<Vec<Term>>>() else { return Ok(None) };
        let clustering = partition.split_off(self.entry.partition_key_len);
        Ok(Some(Keys::Named { partition, clustering }))
    }

    fn conditions(
        &mut self,
        condition: Option<&Condition>,
        has_timestamp: bool,
    ) -> Result<Option<Conditions>> {
        let conditions = match condition {
            None => return Ok(None),
            Some(Condition::Exists) => Conditions::Exists,
            Some(Condition::All(list)) => {
                if has_timestamp {
                    return Err(Error::invalid("Cannot provide custom timestamp for conditional updates"));
                }
                let mut columns = Vec::with_capacity(list.len());
                for condition in list {
                    columns.push(super::condition::ColumnTest::plan(&mut self.compiler, condition)?);
                }
                Conditions::Columns(columns)
            }
        };
        Ok(Some(conditions))
    }

    fn finish(
        &self,
        kind: StatementKind,
        keys: Keys,
        (timestamp, ttl): (Option<Term>, Option<Term>),
        mut operations: Vec<Operation>,
        conditions: Option<Conditions>,
        json: Option<JsonInsert>,
    ) -> Result<Modification> {
        if conditions.is_some() && timestamp.is_some() {
            return Err(Error::invalid("Cannot provide custom timestamp for conditional updates"));
        }
        if conditions.is_some() && self.entry.table.flags.counter {
            return Err(Error::invalid("Conditional updates are not supported on counter tables"));
        }
        operations.sort_by_key(|operation| (!operation.is_static, operation.cell_id));
        Ok(Modification {
            entry: Arc::clone(&self.entry),
            kind,
            keys,
            timestamp,
            ttl,
            operations,
            conditions,
            json,
        })
    }
}

/// Whether two changes of one column may stand in one statement (`Operation.RawUpdate.isCompatibleWith`).
fn compatible(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Set(_), _) | (_, Change::Set(_)) => false,
        (Change::SetField { field: x, .. }, Change::SetField { field: y, .. }) => x.text != y.text,
        _ => true,
    }
}

impl Modification {
    pub fn is_conditional(&self) -> bool {
        self.conditions.is_some()
    }

    pub fn is_counter(&self) -> bool {
        self.entry.table.flags.counter
    }

    pub(super) fn has_timestamp(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Whether it must know what is stored.
    pub fn reads(&self) -> bool {
        self.conditions.is_some() || self.operations.iter().any(|operation| operation.action.reads())
    }

    pub fn effect(&self) -> Effect {
        if self.is_conditional() {
            return Effect::ConditionalWrite;
        }
        let pure = self.operations.iter().all(|operation| operation.action.is_idempotent());
        let keys = match &self.keys {
            Keys::Named { partition, clustering } => partition.iter().chain(clustering).all(Term::is_pure),
            Keys::Where(_) | Keys::Json => true,
        };
        if pure && keys { Effect::IdempotentWrite } else { Effect::Write }
    }

    fn check_counter(&self) -> Result<()> {
        if !self.is_counter() {
            return Ok(());
        }
        if self.timestamp.is_some() {
            return Err(Error::invalid("Cannot provide custom timestamp for counter updates"));
        }
        if self.ttl.is_some() {
            return Err(Error::invalid("Cannot provide custom TTL for counter updates"));
        }
        Ok(())
    }

    /// `DeleteStatement.Parsed.prepareInternal`: what a conditional or partial DELETE must name.
    fn check_delete(&self) -> Result<()> {
        if self.ttl.is_some() {
            return Err(Error::invalid("TTL cannot be specified for DELETE"));
        }
        let whole_key = match &self.keys {
            Keys::Named { .. } => true,
            Keys::Where(restrictions) => restrictions.names_rows() && self.clustering_is_named(restrictions),
            Keys::Json => false,
        };
        // Without named columns it deletes rows, which is the regular ones, too.
        let regular =
            self.operations.is_empty() || self.operations.iter().any(|operation| !operation.is_static);
        if let Some(conditions) = &self.conditions
            && !whole_key
        {
            if regular {
                return Err(Error::invalid(
                    "DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to \
                     delete non static columns",
                ));
            }
            if conditions.on_regular(&self.entry.table) {
                return Err(Error::invalid(
                    "DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to use \
                     IF condition on non static columns",
                ));
            }
        }
        Ok(())
    }

    fn clustering_is_named(&self, restrictions: &Restrictions) -> bool {
        self.entry.clustering_len == 0 || restrictions.restricts_clustering()
    }
}
