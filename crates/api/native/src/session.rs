//! What one connection remembers between requests, and the context it gives each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ilium_cql::ast::Statement;
use ilium_protocol::{EventType, ProtocolVersion, QueryParameters, Values};
use ilium_store::{
    BindMarker, Binds, Cancellation, Consistency, Context, EngineTrace, Error, PageState, Principal, Result,
    SerialConsistency, Slot, Trace,
};

use smallvec::SmallVec;

use crate::Options;
use crate::dispatch::hex;
use crate::login::LoginProgress;
use crate::prepared::PreparedStatement;

pub struct Session {
    /// The client's.
    address: SocketAddr,
    pub version: ProtocolVersion,
    pub principal: Principal,
    /// What `USE` chose.
    pub keyspace: Option<Arc<str>>,
    pub events: Vec<EventType>,
    pub started: bool,
    /// Whether statements are taken: the client has logged in, or need not.
    pub is_ready: bool,
    pub login: LoginProgress,
    /// Whether the client was told what Cassandra thinks of `USE` beside prepared statements: once is enough.
    warned_about_use: bool,
}

impl Session {
    /// Of a client that has said nothing yet.
    pub fn of(address: SocketAddr) -> Session {
        Session {
            address,
            version: ProtocolVersion::V5,
            principal: Principal::Anonymous,
            keyspace: None,
            events: Vec::new(),
            started: false,
            is_ready: false,
            login: LoginProgress::default(),
            warned_about_use: false,
        }
    }

    /// The keyspace unqualified names of this request are in.
    pub fn keyspace_for(&self, request: Option<&str>) -> Option<Arc<str>> {
        match request {
            Some(name) => Some(Arc::from(name)),
            None => self.keyspace.clone(),
        }
    }

    /// What a client hears when it first prepares a statement whose table has no keyspace after `USE`
    /// (`ClientState.warnAboutUseWithPreparedStatements`).
    pub fn warning_about_use(
        &mut self,
        statement: &PreparedStatement,
        request: Option<&str>,
    ) -> Option<String> {
        let used = self.keyspace.as_ref().filter(|_| request.is_none() && !self.warned_about_use)?;
        let table = match &*statement.prepared.statement {
            Statement::Select(select) => &select.from,
            Statement::Insert(insert) => &insert.table,
            Statement::Update(update) => &update.table,
            Statement::Delete(delete) => &delete.table,
            _ => return None,
        };
        if table.keyspace.is_some() {
            return None;
        }
        self.warned_about_use = true;
        Some(format!(
            "`USE <keyspace>` with prepared statements is considered to be an anti-pattern due to ambiguity in \
             non-qualified table names. Please consider removing instances of `Session#setKeyspace(<keyspace>)`, \
             `Session#execute(\"USE <keyspace>\")` and `cluster.newSession(<keyspace>)` from your code, and always use \
             fully qualified table names (e.g. <keyspace>.<table>). Keyspace used: {used}, statement keyspace: {used}, \
             statement id: {}",
            hex(&statement.id)
        ))
    }

    pub fn context(
        &self,
        parameters: &QueryParameters<'_>,
        trace: Trace,
        options: &Options,
    ) -> Result<Context> {
        let serial_consistency = match parameters.serial_consistency.map(ilium_protocol::Consistency::code) {
            None => SerialConsistency::Serial,
            Some(code) if code == Consistency::Serial as u16 => SerialConsistency::Serial,
            Some(code) if code == Consistency::LocalSerial as u16 => SerialConsistency::LocalSerial,
            Some(_) => {
                return Err(Error::invalid(
                    "Invalid consistency for conditional update. Must be one of SERIAL or LOCAL_SERIAL",
                ));
            }
        };
        let page_size =
            parameters.page_size.and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        Ok(Context {
            principal: self.principal.clone(),
            client: Some(self.address),
            keyspace: self.keyspace_for(parameters.keyspace),
            consistency: consistency(parameters.consistency),
            serial_consistency,
            timestamp: parameters.timestamp,
            // Seconds past 2038 wrap in the protocol's signed field, as they do in Cassandra's.
            now_in_seconds: parameters.now_in_seconds.map(u32::cast_signed),
            page_size,
            page_bytes: Some(options.max_page_bytes),
            page_state: parameters.paging_state.map(|state| PageState(Bytes::copy_from_slice(state))),
            deadline: Instant::now().checked_add(options.request_timeout),
            memory_budget: options.memory_budget,
            cancellation: Cancellation::default(),
            trace,
            // In front of a cluster frames are forwarded, with their flag for it.
            engine_trace: EngineTrace::default(),
        })
    }
}

pub fn consistency(level: ilium_protocol::Consistency) -> Consistency {
    use ilium_protocol::Consistency as Wire;
    match level {
        Wire::Any => Consistency::Any,
        Wire::One => Consistency::One,
        Wire::Two => Consistency::Two,
        Wire::Three => Consistency::Three,
        Wire::Quorum => Consistency::Quorum,
        Wire::All => Consistency::All,
        Wire::LocalQuorum => Consistency::LocalQuorum,
        Wire::EachQuorum => Consistency::EachQuorum,
        Wire::Serial => Consistency::Serial,
        Wire::LocalSerial => Consistency::LocalSerial,
        Wire::LocalOne => Consistency::LocalOne,
        Wire::NodeLocal => Consistency::NodeLocal,
    }
}

/// The request's values in the order of the statement's markers, sharing the request's memory.
/// `mismatch` is told how many of the markers got a value.
pub fn binds(values: &Values, markers: &[BindMarker], mismatch: impl Fn(usize) -> Error) -> Result<Binds> {
    let slot = |(offset, length): (u32, i32)| match length {
        -2 => Slot::Unset,
        length => u32::try_from(length).map_or(Slot::Null, |length| Slot::Value { offset, length }),
    };
    if values.is_named() {
        let places: Vec<(u32, i32)> = values.places().collect();
        let named = markers.iter().map(|marker| {
            let index = (0..values.len()).find(|index| values.name(*index) == Some(&marker.name));
            index.and_then(|index| places.get(index).copied()).map(slot)
        });
        // A name the statement has no marker for is passed over; one that is missing leaves a marker without a value.
        let slots: SmallVec<[Slot; 8]> = named.flatten().collect();
        if slots.len() != markers.len() {
            return Err(mismatch(slots.len()));
        }
        return Ok(Binds::new(values.wire().clone(), slots));
    }
    if values.len() != markers.len() {
        return Err(mismatch(values.len()));
    }
    Ok(Binds::new(values.wire().clone(), values.places().map(slot).collect()))
}
