//! What a request asks for beside its statement.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::{EngineTrace, Principal, Trace};

/// Consistency levels with their codes on the wire (native protocol v5, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Consistency {
    Any = 0x00,
    One = 0x01,
    Two = 0x02,
    Three = 0x03,
    Quorum = 0x04,
    All = 0x05,
    LocalQuorum = 0x06,
    EachQuorum = 0x07,
    Serial = 0x08,
    LocalSerial = 0x09,
    LocalOne = 0x0A,
    NodeLocal = 0x0B,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SerialConsistency {
    #[default]
    Serial,
    LocalSerial,
}

/// Set by whoever waits for the answer and no longer wants it; engines look at it between rows.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Option<Arc<AtomicBool>>);

impl Cancellation {
    /// One that can be cancelled; the default never is and costs nothing.
    pub fn new() -> Cancellation {
        Cancellation(Some(Arc::default()))
    }
    pub fn cancel(&self) {
        if let Some(flag) = &self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Where a result goes on: opaque, sealed by the engine that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageState(pub Bytes);

/// One request's circumstances.
#[derive(Debug, Clone)]
pub struct Context {
    pub principal: Principal,
    /// Where the request came from; `None`: from this process.
    pub client: Option<SocketAddr>,
    /// The keyspace that unqualified names are in.
    pub keyspace: Option<Arc<str>>,
    pub consistency: Consistency,
    pub serial_consistency: SerialConsistency,
    /// Microseconds since the epoch, from the client; `USING TIMESTAMP` wins over it.
    pub timestamp: Option<i64>,
    /// Seconds since the epoch by which time-to-live is judged (native protocol v5, section 4.1.4).
    pub now_in_seconds: Option<i32>,
    /// Rows a page; `None`: no paging.
    pub page_size: Option<u32>,
    /// Bytes a page, at most, once it has a row.
    pub page_bytes: Option<usize>,
    pub page_state: Option<PageState>,
    /// The API may not stop a statement past it; engines refuse to go on.
    pub deadline: Option<Instant>,
    /// Bytes a request may gather for sorting, grouping and filtering.
    pub memory_budget: usize,
    pub cancellation: Cancellation,
    /// What called, where that is a part of a trace.
    pub trace: Trace,
    /// Whether the engine is to record how it runs the statement; one that cannot does not.
    pub engine_trace: EngineTrace,
}

impl Context {
    /// What a request is unless it says otherwise: consistency ONE (Cassandra's and the drivers' floor), no paging.
    pub fn new(principal: Principal) -> Context {
        Context {
            principal,
            client: None,
            keyspace: None,
            consistency: Consistency::One,
            serial_consistency: SerialConsistency::Serial,
            timestamp: None,
            now_in_seconds: None,
            page_size: None,
            page_bytes: None,
            page_state: None,
            deadline: None,
            memory_budget: DEFAULT_MEMORY_BUDGET,
            cancellation: Cancellation::default(),
            trace: Trace::default(),
            engine_trace: EngineTrace::default(),
        }
    }
}

/// 64 MiB: room for a sort of a few hundred thousand small rows, far below what would hurt a laptop.
const DEFAULT_MEMORY_BUDGET: usize = 64 << 20;
