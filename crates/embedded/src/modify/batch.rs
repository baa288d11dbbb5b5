//! BATCH as a statement of its own: its rules (Cassandra's `BatchStatement.validate`).

use ilium_cql::CqlType;
use ilium_cql::ast::{Batch, BatchKind};
use ilium_store::{Effect, Error, Result};

use super::plan::{Modification, plan};
use crate::catalog::Snapshot;
use crate::select::restrictions::KeyMarkers;
use crate::term::{Compiler, Markers, Receiver, Term};

/// A batch whose statements were written in it.
pub struct BatchPlan {
    pub kind: BatchKind,
    pub(super) timestamp: Option<Term>,
    pub modifications: Vec<Modification>,
}

pub fn plan_batch(
    batch: &Batch,
    snapshot: &Snapshot,
    keyspace: Option<&str>,
    markers: &mut Markers,
    key_markers: &mut KeyMarkers,
) -> Result<BatchPlan> {
    if batch.using.ttl.is_some() {
        return Err(Error::invalid("Global TTL on the BATCH statement is not supported."));
    }
    let mut modifications = Vec::with_capacity(batch.statements.len());
    for item in &batch.statements {
        modifications.push(plan(item, snapshot, keyspace, markers, key_markers)?);
    }
    let timestamp = match (&batch.using.timestamp, modifications.first()) {
        (None, _) => None,
        (Some(expr), Some(first)) => {
            let table = std::sync::Arc::clone(&first.entry.table);
            let mut compiler = Compiler::new(&snapshot.schema, &table, markers);
            // No table's: Cassandra names it so, and drivers see that the markers are not all of one table.
            let nowhere: std::sync::Arc<str> = "[batch]".into();
            let receiver = Receiver {
                keyspace: nowhere.clone(),
                table: nowhere,
                ..Receiver::named(&table, "[timestamp]", CqlType::Bigint)
            };
            Some(compiler.term(expr, &receiver)?)
        }
        (Some(_), None) => None,
    };
    check(batch.kind, timestamp.is_some(), &modifications.iter().collect::<Vec<_>>())?;
    Ok(BatchPlan { kind: batch.kind, timestamp, modifications })
}

/// What may stand together in one batch.
pub fn check(kind: BatchKind, timestamp: bool, modifications: &[&Modification]) -> Result<()> {
    let any = |test: fn(&Modification) -> bool| modifications.iter().any(|modification| test(modification));
    let conditional = any(Modification::is_conditional);
    let counters = any(Modification::is_counter);
    let others = any(|modification| !modification.is_counter());
    let refuse = |message: &str| Err(Error::invalid(message));
    if timestamp && conditional {
        return refuse("Cannot provide custom timestamp for conditional BATCH");
    }
    if timestamp && kind == BatchKind::Counter {
        return refuse("Cannot provide custom timestamp for counter BATCH");
    }
    if timestamp && any(Modification::has_timestamp) {
        return refuse("Timestamp must be set either on BATCH or individual statements");
    }
    if timestamp && counters {
        return refuse("Cannot provide custom timestamp for a BATCH containing counters");
    }
    if kind == BatchKind::Counter && others {
        return refuse("Cannot include non-counter statement in a counter batch");
    }
    if counters && others {
        return refuse("Counter and non-counter mutations cannot exist in the same batch");
    }
    if kind == BatchKind::Logged && counters {
        return refuse("Cannot include a counter statement in a logged batch");
    }
    if conditional && let Some(first) = modifications.first() {
        let one_table = modifications.iter().all(|other| other.entry.number == first.entry.number);
        if !one_table {
            return refuse("Batch with conditions cannot span multiple tables");
        }
    }
    Ok(())
}

impl BatchPlan {
    pub fn effect(&self) -> Effect {
        let effects = self.modifications.iter().map(Modification::effect);
        effects.fold(Effect::IdempotentWrite, |all, one| match (all, one) {
            (Effect::ConditionalWrite, _) | (_, Effect::ConditionalWrite) => Effect::ConditionalWrite,
            (Effect::Write, _) | (_, Effect::Write) => Effect::Write,
            _ => Effect::IdempotentWrite,
        })
    }
}
