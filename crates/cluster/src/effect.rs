//! What a statement does, as far as its text tells: whether it may be sent a second time.

use ilium_cql::ast::{
    BatchItem, BatchKind, Change, Delete, DeleteTarget, Expr, ExprKind, Insert, Statement, Update,
};
use ilium_store::Effect;

/// Errs on the side of caution: a call may give another value each time, and `c = c + x` may be a counter or a list.
pub(crate) fn of(statement: &Statement) -> Effect {
    let effect = match statement {
        Statement::Select(_)
        | Statement::Describe(_)
        | Statement::ListRoles { .. }
        | Statement::ListUsers
        | Statement::ListPermissions(_) => return Effect::Read,
        Statement::Use { .. } => return Effect::UseKeyspace,
        Statement::Insert(insert) => of_insert(insert),
        Statement::Update(update) => of_update(update),
        Statement::Delete(delete) => of_delete(delete),
        Statement::Batch(batch) => {
            let effects = batch.statements.iter().map(|item| match item {
                BatchItem::Insert(insert) => of_insert(insert),
                BatchItem::Update(update) => of_update(update),
                BatchItem::Delete(delete) => of_delete(delete),
            });
            let start =
                if batch.kind == BatchKind::Counter { Effect::Write } else { Effect::IdempotentWrite };
            effects.fold(start, together)
        }
        // Rows written between the two would go with the second.
        Statement::Truncate { .. } => Effect::Write,
        Statement::CreateRole(_)
        | Statement::AlterRole(_)
        | Statement::DropRole { .. }
        | Statement::CreateUser(_)
        | Statement::AlterUser(_)
        | Statement::DropUser { .. }
        | Statement::GrantRole { .. }
        | Statement::RevokeRole { .. }
        | Statement::Grant { .. }
        | Statement::Revoke { .. }
        | Statement::AddIdentity { .. }
        | Statement::DropIdentity { .. } => return Effect::Access,
        _ => return Effect::SchemaChange,
    };
    if effect == Effect::IdempotentWrite && calls_something(statement) { Effect::Write } else { effect }
}

/// Whether it says itself when it is; of a batch whether all of it does.
pub(crate) fn has_timestamp(statement: &Statement) -> bool {
    let using = match statement {
        Statement::Insert(insert) => &insert.using,
        Statement::Update(update) => &update.using,
        Statement::Delete(delete) => &delete.using,
        Statement::Batch(batch) => &batch.using,
        _ => return false,
    };
    using.timestamp.is_some()
}

/// What two statements do that are done as one.
pub(crate) fn together(all: Effect, one: Effect) -> Effect {
    match (all, one) {
        (Effect::ConditionalWrite, _) | (_, Effect::ConditionalWrite) => Effect::ConditionalWrite,
        (Effect::IdempotentWrite, Effect::IdempotentWrite) => Effect::IdempotentWrite,
        _ => Effect::Write,
    }
}

fn of_insert(insert: &Insert) -> Effect {
    if insert.if_not_exists { Effect::ConditionalWrite } else { Effect::IdempotentWrite }
}

fn of_update(update: &Update) -> Effect {
    let sets = |change: &Change| !matches!(change, Change::Add(_) | Change::Prepend(_) | Change::Subtract(_));
    match &update.condition {
        Some(_) => Effect::ConditionalWrite,
        None if update.assignments.iter().all(|assignment| sets(&assignment.change)) => {
            Effect::IdempotentWrite
        }
        None => Effect::Write,
    }
}

fn of_delete(delete: &Delete) -> Effect {
    // An element may be one of a list, whose places move up.
    let element = |target: &DeleteTarget| matches!(target, DeleteTarget::Element { .. });
    match &delete.condition {
        Some(_) => Effect::ConditionalWrite,
        None if delete.targets.iter().any(element) => Effect::Write,
        None => Effect::IdempotentWrite,
    }
}

fn calls_something(statement: &Statement) -> bool {
    let mut calls = false;
    statement.for_each_expr(&mut |expr: &Expr| calls |= matches!(expr.kind, ExprKind::Call { .. }));
    calls
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_what_gives_the_same_twice_may_be_repeated() {
        for (text, expected) in [
            ("SELECT * FROM t WHERE k = now()", Effect::Read),
            ("INSERT INTO t (k, v) VALUES (1, 2)", Effect::IdempotentWrite),
            ("INSERT INTO t (k, v) VALUES (?, ?) USING TTL 5", Effect::IdempotentWrite),
            ("INSERT INTO t (k, v) VALUES (now(), 2)", Effect::Write),
            ("INSERT INTO t (k) VALUES (1) IF NOT EXISTS", Effect::ConditionalWrite),
            ("UPDATE t SET v = 1, m[2] = 3 WHERE k = 1", Effect::IdempotentWrite),
            ("UPDATE t SET c = c + 1 WHERE k = 1", Effect::Write),
            ("UPDATE t SET l = [1] + l WHERE k = 1", Effect::Write),
            ("UPDATE t SET v = 1 WHERE k = 1 IF v = 0", Effect::ConditionalWrite),
            ("DELETE FROM t WHERE k = 1", Effect::IdempotentWrite),
            ("DELETE l[0] FROM t WHERE k = 1", Effect::Write),
            ("DELETE FROM t WHERE k = 1 IF EXISTS", Effect::ConditionalWrite),
            (
                "BEGIN BATCH INSERT INTO t (k) VALUES (1) DELETE FROM t WHERE k = 2 APPLY BATCH",
                Effect::IdempotentWrite,
            ),
            ("BEGIN COUNTER BATCH UPDATE t SET c = c + 1 WHERE k = 1 APPLY BATCH", Effect::Write),
            ("TRUNCATE t", Effect::Write),
            ("CREATE TABLE t (k int PRIMARY KEY)", Effect::SchemaChange),
            ("GRANT SELECT ON t TO ada", Effect::Access),
        ] {
            assert_eq!(of(&ilium_cql::parse(text).unwrap()), expected, "{text}");
        }
    }
}
