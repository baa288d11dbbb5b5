//! Outcomes of the store as messages in the connection's output.

use std::sync::Arc;

use ilium_protocol::{
    ChangeType, ColumnList, Event, FrameWriter, NodeStatus, ProtocolError, ProtocolVersion, QueryResult,
    Response, ResponseExtras, Rows, RowsMetadata, SchemaTarget, TopologyChange,
};
use ilium_store::{ClusterEvent, Outcome, Result, ResultKind, SchemaChange, SchemaChangeKind};

use crate::errors;
use crate::prepared::{PreparedStatement, wire_columns};

/// Where an outcome goes and what the client knows already.
pub struct ReplyTo {
    pub stream: i16,
    /// The statement, where it was prepared.
    pub statement: Option<Arc<PreparedStatement>>,
    pub columns: KnownColumns,
    /// Whether it is among what the client [runs](crate::Running).
    pub is_listed: bool,
}

impl ReplyTo {
    pub fn new(stream: i16) -> ReplyTo {
        ReplyTo { stream, statement: None, columns: KnownColumns::Unknown, is_listed: false }
    }
}

/// What to say of a result's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownColumns {
    /// Send them.
    Unknown,
    /// The client has those of the prepared statement and asked for rows alone.
    Known,
    /// The client has old ones: send them with their new id (version 5).
    Changed,
}

/// Writes the answer to one request. An answer that cannot be encoded becomes an error message.
pub fn write(
    writer: &mut FrameWriter,
    to: &ReplyTo,
    result: &Result<Outcome>,
) -> std::result::Result<(), ProtocolError> {
    let failure = match result {
        Ok(outcome) => match write_outcome(writer, to, outcome) {
            Ok(()) => return Ok(()),
            Err(failure) => ilium_store::Error::internal(format!("the answer cannot be encoded: {failure}")),
        },
        Err(error) => error.clone(),
    };
    let warnings = failure.warnings.iter().map(String::as_str).collect();
    let extras = ResponseExtras { warnings, ..ResponseExtras::default() };
    writer.response(to.stream, &extras, &Response::Error(errors::response(&failure)))
}

fn write_outcome(
    writer: &mut FrameWriter,
    to: &ReplyTo,
    outcome: &Outcome,
) -> std::result::Result<(), ProtocolError> {
    let extras = ResponseExtras {
        warnings: outcome.warnings.iter().map(String::as_str).collect(),
        ..ResponseExtras::default()
    };
    let mut respond =
        |result: QueryResult<'_>| writer.response(to.stream, &extras, &Response::Result(result));
    match &outcome.result {
        ResultKind::Void => respond(QueryResult::Void),
        ResultKind::SetKeyspace(keyspace) => respond(QueryResult::SetKeyspace(keyspace)),
        ResultKind::SchemaChange(change) => respond(QueryResult::SchemaChange(wire_change(change))),
        ResultKind::Rows(rows) => write_rows(writer, to, &extras, rows),
    }
}

fn write_rows(
    writer: &mut FrameWriter,
    to: &ReplyTo,
    extras: &ResponseExtras<'_>,
    rows: &ilium_store::Rows,
) -> std::result::Result<(), ProtocolError> {
    let version = writer.version();
    let prepared = to.statement.as_ref().filter(|statement| {
        statement.prepared.rows.as_ref().is_some_and(|planned| Arc::ptr_eq(planned, &rows.metadata))
    });
    let mut new_id = None;
    let encoded;
    let columns = match (prepared, to.columns) {
        (Some(_), KnownColumns::Known) => ColumnList::Omitted(rows.metadata.columns.len() as u32),
        (Some(statement), known) => {
            if known == KnownColumns::Changed {
                new_id = Some(&rows.metadata.id[..]);
            }
            encoded = statement.encoded_columns(&rows.metadata, version)?;
            ColumnList::Encoded(&encoded)
        }
        (None, known) => {
            // The plan was remade since, for a newer schema: what the client knows is stale.
            if known != KnownColumns::Unknown && version >= ProtocolVersion::V5 {
                new_id = Some(&rows.metadata.id[..]);
            }
            ColumnList::Specs(wire_columns(&rows.metadata).into())
        }
    };
    let metadata = RowsMetadata {
        columns,
        paging_state: rows.next.as_ref().map(|state| &*state.0),
        new_metadata_id: new_id,
    };
    let result = QueryResult::Rows(Rows { metadata, row_count: rows.count, cells: &rows.data });
    writer.response(to.stream, extras, &Response::Result(result))
}

fn wire_change(change: &SchemaChange) -> ilium_protocol::SchemaChange<'_> {
    ilium_protocol::SchemaChange {
        change: match change.kind {
            SchemaChangeKind::Created => ChangeType::Created,
            SchemaChangeKind::Updated => ChangeType::Updated,
            SchemaChangeKind::Dropped => ChangeType::Dropped,
        },
        keyspace: &change.keyspace,
        target: match &change.target {
            ilium_store::SchemaTarget::Keyspace => SchemaTarget::Keyspace,
            ilium_store::SchemaTarget::Table(name) => SchemaTarget::Table(name),
            ilium_store::SchemaTarget::Type(name) => SchemaTarget::Type(name),
            ilium_store::SchemaTarget::Function { name, arguments } => {
                SchemaTarget::Function { name, arguments: arguments.iter().map(String::as_str).collect() }
            }
            ilium_store::SchemaTarget::Aggregate { name, arguments } => {
                SchemaTarget::Aggregate { name, arguments: arguments.iter().map(String::as_str).collect() }
            }
        },
    }
}

/// Writes an EVENT.
pub fn write_event(writer: &mut FrameWriter, event: &ClusterEvent) -> std::result::Result<(), ProtocolError> {
    let event = match event {
        ClusterEvent::Schema(change) => Event::SchemaChange(wire_change(change)),
        ClusterEvent::Topology { is_new: true, address } => {
            Event::TopologyChange { change: TopologyChange::NewNode, node: *address }
        }
        ClusterEvent::Topology { is_new: false, address } => {
            Event::TopologyChange { change: TopologyChange::RemovedNode, node: *address }
        }
        ClusterEvent::Status { is_up: true, address } => {
            Event::StatusChange { status: NodeStatus::Up, node: *address }
        }
        ClusterEvent::Status { is_up: false, address } => {
            Event::StatusChange { status: NodeStatus::Down, node: *address }
        }
    };
    writer.response(ilium_protocol::EVENT_STREAM, &ResponseExtras::default(), &Response::Event(event))
}
