//! Every kind of statement, planned.

use std::sync::{Arc, OnceLock};

use ilium_cql::ast::{BatchItem, Statement};
use ilium_store::{BindMarker, Effect, Error, Prepared, Result};

use crate::catalog::{self, Snapshot, TableEntry};
use crate::modify::{self, BatchPlan, Modification};
use crate::select::restrictions::KeyMarkers;
use crate::select::{SelectPlan, find_table};
use crate::term::Markers;

/// What `Prepared::plan` holds.
pub enum Plan {
    Select(Box<SelectPlan>),
    Modify(Box<Modification>),
    Batch(BatchPlan),
    Truncate(Arc<TableEntry>),
    Use(Arc<str>),
    /// Worked out when it runs.
    SchemaChange,
    Describe,
    /// About roles and permissions; worked out when it runs.
    Access,
}

/// Plans a statement under one state of the schema.
pub fn prepare(statement: Arc<Statement>, keyspace: Option<&str>, snapshot: &Snapshot) -> Result<Prepared> {
    let mut markers = Markers::new();
    let mut key_markers = KeyMarkers::default();
    let mut single =
        |item: BatchItem| modify::plan(&item, snapshot, keyspace, &mut markers, &mut key_markers);
    let mut rows = None;
    let mut binds: Option<(Vec<BindMarker>, Vec<u16>)> = None;
    let (plan, effect) = match &*statement {
        Statement::Select(select) => {
            let mut plan = SelectPlan::new(select, snapshot, keyspace)?;
            binds = Some((std::mem::take(&mut plan.binds), std::mem::take(&mut plan.partition_key_binds)));
            rows = Some(Arc::clone(&plan.metadata));
            (Plan::Select(Box::new(plan)), Effect::Read)
        }
        Statement::Insert(insert) => of_modification(single(BatchItem::Insert(insert.clone()))?),
        Statement::Update(update) => of_modification(single(BatchItem::Update(update.clone()))?),
        Statement::Delete(delete) => of_modification(single(BatchItem::Delete(delete.clone()))?),
        Statement::Batch(batch) => {
            let plan = modify::plan_batch(batch, snapshot, keyspace, &mut markers, &mut key_markers)?;
            let effect = plan.effect();
            (Plan::Batch(plan), effect)
        }
        Statement::Truncate { table } => {
            (Plan::Truncate(Arc::clone(find_table(table, snapshot, keyspace)?)), Effect::SchemaChange)
        }
        Statement::Use { keyspace } => {
            if snapshot.schema.keyspace(keyspace.as_str()).is_none() {
                return Err(Error::invalid(format!("Keyspace '{}' does not exist", keyspace.text)));
            }
            (Plan::Use(Arc::from(keyspace.as_str())), Effect::UseKeyspace)
        }
        Statement::Describe(_) => (Plan::Describe, Effect::Read),
        other if catalog::is_schema_change(other) => (Plan::SchemaChange, Effect::SchemaChange),
        _ => (Plan::Access, Effect::Access),
    };
    let (binds, partition_key_binds) = match binds {
        Some(binds) => binds,
        None => {
            let key_len = match &plan {
                Plan::Modify(modification) => modification.entry.partition_key_len,
                Plan::Batch(batch) => {
                    batch.modifications.first().map_or(0, |first| first.entry.partition_key_len)
                }
                _ => 0,
            };
            (markers.finish(), key_markers.of_key(key_len))
        }
    };
    Ok(Prepared {
        keyspace: keyspace.map(Arc::from),
        binds,
        partition_key_binds,
        rows,
        schema_version: snapshot.schema.version,
        effect,
        warnings: Vec::new(),
        plan: Box::new(plan),
        shown: OnceLock::new(),
        statement,
    })
}

fn of_modification(modification: Modification) -> (Plan, Effect) {
    let effect = modification.effect();
    (Plan::Modify(Box::new(modification)), effect)
}
