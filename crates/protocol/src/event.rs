//! Events a server sends to those who registered, and the change of schema that a RESULT reports too.

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::{
    ProtocolError, ProtocolVersion,
    wire::{self, Reader},
};

/// What a client can register for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    TopologyChange,
    StatusChange,
    SchemaChange,
    /// Version 4 and later. Cassandra lets a client register for it and never sends one.
    TraceComplete,
}

impl EventType {
    pub const ALL: [EventType; 4] = [
        EventType::TopologyChange,
        EventType::StatusChange,
        EventType::SchemaChange,
        EventType::TraceComplete,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EventType::TopologyChange => "TOPOLOGY_CHANGE",
            EventType::StatusChange => "STATUS_CHANGE",
            EventType::SchemaChange => "SCHEMA_CHANGE",
            EventType::TraceComplete => "TRACE_COMPLETE",
        }
    }

    /// What a server answers when a client registers for an event that its version does not have.
    pub fn check_version(self, version: ProtocolVersion) -> Result<(), ProtocolError> {
        if self == EventType::TraceComplete && version < ProtocolVersion::V4 {
            return Err(ProtocolError::EventNotInVersion { event: self.name(), version });
        }
        Ok(())
    }

    pub(crate) fn from_name(name: &str) -> Result<EventType, ProtocolError> {
        by_name(name, "Type", EventType::ALL, EventType::name)
    }
}

/// Finds an enum's value by its name in any case, as `CBUtil.readEnumValue` does.
fn by_name<T: Copy, const N: usize>(
    name: &str,
    kind: &'static str,
    all: [T; N],
    name_of: fn(T) -> &'static str,
) -> Result<T, ProtocolError> {
    all.into_iter()
        .find(|value| name_of(*value).eq_ignore_ascii_case(name))
        .ok_or_else(|| ProtocolError::invalid_name(kind, name))
}

/// An EVENT message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    TopologyChange { change: TopologyChange, node: SocketAddr },
    StatusChange { status: NodeStatus, node: SocketAddr },
    SchemaChange(SchemaChange<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopologyChange {
    NewNode,
    RemovedNode,
    MovedNode,
}

impl TopologyChange {
    pub const ALL: [TopologyChange; 3] =
        [TopologyChange::NewNode, TopologyChange::RemovedNode, TopologyChange::MovedNode];

    pub fn name(self) -> &'static str {
        match self {
            TopologyChange::NewNode => "NEW_NODE",
            TopologyChange::RemovedNode => "REMOVED_NODE",
            TopologyChange::MovedNode => "MOVED_NODE",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeStatus {
    Up,
    Down,
}

impl NodeStatus {
    pub const ALL: [NodeStatus; 2] = [NodeStatus::Up, NodeStatus::Down];

    pub fn name(self) -> &'static str {
        match self {
            NodeStatus::Up => "UP",
            NodeStatus::Down => "DOWN",
        }
    }
}

/// What happened to the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange<'a> {
    pub change: ChangeType,
    pub keyspace: &'a str,
    pub target: SchemaTarget<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeType {
    Created,
    Updated,
    Dropped,
}

impl ChangeType {
    pub const ALL: [ChangeType; 3] = [ChangeType::Created, ChangeType::Updated, ChangeType::Dropped];

    pub fn name(self) -> &'static str {
        match self {
            ChangeType::Created => "CREATED",
            ChangeType::Updated => "UPDATED",
            ChangeType::Dropped => "DROPPED",
        }
    }
}

/// What in the keyspace changed. A materialized view counts as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaTarget<'a> {
    Keyspace,
    Table(&'a str),
    Type(&'a str),
    Function {
        name: &'a str,
        /// The CQL types of its arguments.
        arguments: Vec<&'a str>,
    },
    Aggregate {
        name: &'a str,
        arguments: Vec<&'a str>,
    },
}

impl<'a> Event<'a> {
    pub fn event_type(&self) -> EventType {
        match self {
            Event::TopologyChange { .. } => EventType::TopologyChange,
            Event::StatusChange { .. } => EventType::StatusChange,
            Event::SchemaChange(_) => EventType::SchemaChange,
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Event<'a>, ProtocolError> {
        Ok(match EventType::from_name(reader.string()?)? {
            EventType::TopologyChange => Event::TopologyChange {
                change: by_name(reader.string()?, "Change", TopologyChange::ALL, TopologyChange::name)?,
                node: reader.socket_address()?,
            },
            EventType::StatusChange => Event::StatusChange {
                status: by_name(reader.string()?, "Status", NodeStatus::ALL, NodeStatus::name)?,
                node: reader.socket_address()?,
            },
            EventType::SchemaChange => Event::SchemaChange(SchemaChange::decode(reader)?),
            // No version says what it would carry.
            EventType::TraceComplete => return Err(ProtocolError::invalid_name("Type", "TRACE_COMPLETE")),
        })
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        wire::put_string(out, self.event_type().name())?;
        match self {
            Event::TopologyChange { change, node } => {
                wire::put_string(out, change.name())?;
                wire::put_socket_address(out, *node);
                Ok(())
            }
            Event::StatusChange { status, node } => {
                wire::put_string(out, status.name())?;
                wire::put_socket_address(out, *node);
                Ok(())
            }
            Event::SchemaChange(change) => change.encode(version, out),
        }
    }
}

impl<'a> SchemaChange<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<SchemaChange<'a>, ProtocolError> {
        let change = by_name(reader.string()?, "Change", ChangeType::ALL, ChangeType::name)?;
        let target = reader.string()?;
        let keyspace = reader.string()?;
        let is = |name: &str| target.eq_ignore_ascii_case(name);
        let target = if is("KEYSPACE") {
            SchemaTarget::Keyspace
        } else if is("TABLE") {
            SchemaTarget::Table(reader.string()?)
        } else if is("TYPE") {
            SchemaTarget::Type(reader.string()?)
        } else if is("FUNCTION") {
            SchemaTarget::Function { name: reader.string()?, arguments: reader.string_list()? }
        } else if is("AGGREGATE") {
            SchemaTarget::Aggregate { name: reader.string()?, arguments: reader.string_list()? }
        } else {
            return Err(ProtocolError::invalid_name("Target", target));
        };
        Ok(SchemaChange { change, keyspace, target })
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let (target, name, arguments) = match &self.target {
            SchemaTarget::Keyspace => ("KEYSPACE", None, None),
            SchemaTarget::Table(name) => ("TABLE", Some(name), None),
            SchemaTarget::Type(name) => ("TYPE", Some(name), None),
            SchemaTarget::Function { name, arguments } => ("FUNCTION", Some(name), Some(arguments)),
            SchemaTarget::Aggregate { name, arguments } => ("AGGREGATE", Some(name), Some(arguments)),
        };
        if arguments.is_some() && version < ProtocolVersion::V4 {
            // Version 3 has no functions: the keyspace is said to be updated, so that the client reads it anew.
            let change = ChangeType::Updated;
            let keyspace = SchemaChange { change, keyspace: self.keyspace, target: SchemaTarget::Keyspace };
            return keyspace.encode(version, out);
        }
        wire::put_string(out, self.change.name())?;
        wire::put_string(out, target)?;
        wire::put_string(out, self.keyspace)?;
        if let Some(name) = name {
            wire::put_string(out, name)?;
        }
        if let Some(arguments) = arguments {
            wire::put_string_list(out, arguments.iter().copied())?;
        }
        Ok(())
    }
}
