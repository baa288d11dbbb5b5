//! The seam between the APIs and the engines.
//!
//! Vocabulary: an *engine* implements [`DataStore`]; an *API* turns its requests into `cql::ast::Statement`s and
//! hands them over. A statement is *prepared* once ([`Prepared`]: its metadata and the engine's plan) and
//! *executed* with [`Binds`] under a [`Context`]; what comes back is an [`Answer`], ready or later.
//!
//! Nothing here does I/O or knows a runtime.

mod answer;
pub mod audit;
mod binds;
mod context;
mod data_store;
mod engine_trace;
mod error;
mod forward;
mod login;
mod principal;
mod seal;
mod shown;
mod token;
mod trace;

pub use answer::{
    Answer, ColumnSpec, Outcome, ResultKind, Rows, RowsMetadata, SchemaChange, SchemaChangeKind, SchemaTarget,
};
pub use binds::{Bind, Binds, Slot};
pub use context::{Cancellation, Consistency, Context, PageState, SerialConsistency};
pub use data_store::{
    BatchEntry, BatchKind, BindMarker, Capabilities, DataStore, Effect, Prepared, SchemaListener, TokenSplit,
};
pub use engine_trace::EngineTrace;
pub use error::{Error, ErrorKind, Result, WriteType};
pub use forward::{
    Answers, Asked, Caller, Channel, ClusterEvent, ClusterListener, Forward, Frame, Frames, Seen, Watcher,
};
pub use login::{Login, NoLogin};
pub use principal::{Principal, Role};
pub use seal::{SealError, SealKey, Seals};
pub use shown::Shown;
pub use token::{DEFAULT_LIFETIME, TokenError, Tokens};
pub use trace::{SpanContext, SpanId, Trace, TraceId};
