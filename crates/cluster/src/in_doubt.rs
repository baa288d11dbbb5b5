//! A request of which nobody knows whether it was done. Cassandra's word for that is a time-out, and no driver repeats it.

use std::fmt::Display;

use ilium_cql::ast::{BatchKind, Statement};
use ilium_protocol::BatchType;
use ilium_store::{Effect, Error, ErrorKind, WriteType};

/// What a client is told of it: a read or a write timed out.
pub(crate) fn timed_out(effect: Effect, write_type: WriteType, consistency: u16, message: String) -> Error {
    let (received, required) = (0, 1);
    let kind = match effect {
        Effect::Read | Effect::UseKeyspace => {
            ErrorKind::ReadTimeout { consistency, received, required, data_present: false }
        }
        Effect::ConditionalWrite => {
            ErrorKind::WriteTimeout { consistency, received, required, write_type: WriteType::Cas }
        }
        _ => ErrorKind::WriteTimeout { consistency, received, required, write_type },
    };
    Error::new(kind, message)
}

/// Why, where a node may have done it and it cannot be sent to another.
pub(crate) fn not_repeated(effect: Effect, node: impl Display) -> String {
    match effect {
        Effect::Read | Effect::UseKeyspace => {
            format!("the connection to {node} was lost before it answered, as others before")
        }
        _ => format!(
            "the connection to {node} was lost before it answered: the statement may have been done or not, and cannot be \
             repeated safely"
        ),
    }
}

/// Why, where a node may have done it and the next said that it did nothing.
pub(crate) fn no_other_did(node: impl Display) -> String {
    format!(
        "the connection to {node} was lost before it answered, and no other node did it: the statement may have been done or \
         not"
    )
}

/// What Cassandra calls a write, as far as its text tells: a counter's is not told.
pub(crate) fn write_type(statement: Option<&Statement>) -> WriteType {
    match statement {
        Some(Statement::Batch(batch)) => write_type_of_batch(match batch.kind {
            BatchKind::Logged => BatchType::Logged,
            BatchKind::Unlogged => BatchType::Unlogged,
            BatchKind::Counter => BatchType::Counter,
        }),
        _ => WriteType::Simple,
    }
}

pub(crate) fn write_type_of_batch(kind: BatchType) -> WriteType {
    match kind {
        BatchType::Logged => WriteType::Batch,
        BatchType::Unlogged => WriteType::UnloggedBatch,
        BatchType::Counter => WriteType::Counter,
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_a_time_out_of_its_kind() {
        let of = |effect, write_type| timed_out(effect, write_type, 4, String::new()).kind;
        for effect in [Effect::Read, Effect::UseKeyspace] {
            let ErrorKind::ReadTimeout { consistency: 4, .. } = of(effect, WriteType::Simple) else {
                panic!("{effect:?}")
            };
        }
        for (effect, sent, told) in [
            (Effect::IdempotentWrite, WriteType::Simple, WriteType::Simple),
            (Effect::Write, WriteType::Simple, WriteType::Simple),
            (Effect::ConditionalWrite, WriteType::Batch, WriteType::Cas),
            (Effect::Write, WriteType::Counter, WriteType::Counter),
            (Effect::IdempotentWrite, WriteType::UnloggedBatch, WriteType::UnloggedBatch),
            (Effect::SchemaChange, WriteType::Simple, WriteType::Simple),
        ] {
            let ErrorKind::WriteTimeout { consistency: 4, write_type, .. } = of(effect, sent) else {
                panic!("{effect:?}")
            };
            assert_eq!(write_type, told);
        }
    }

    #[test]
    fn a_batch_written_as_text_is_one() {
        for (text, told) in [
            ("BEGIN BATCH UPDATE t SET v = 1 WHERE k = 1; APPLY BATCH", WriteType::Batch),
            ("BEGIN UNLOGGED BATCH UPDATE t SET v = 1 WHERE k = 1; APPLY BATCH", WriteType::UnloggedBatch),
            ("BEGIN COUNTER BATCH UPDATE t SET n = n + 1 WHERE k = 1; APPLY BATCH", WriteType::Counter),
            ("UPDATE t SET v = 1 WHERE k = 1", WriteType::Simple),
            ("what no parser knows", WriteType::Simple),
        ] {
            assert_eq!(write_type(ilium_cql::parse(text).ok().as_ref()), told, "{text}");
        }
    }
}
