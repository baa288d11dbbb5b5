//! What executing a statement gives.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::CqlType;

use crate::{PageState, Result};

/// An outcome that is there already, or one to wait for. Most reads are ready: no future is boxed for them.
pub enum Answer<T> {
    Ready(Result<T>),
    Later(Pin<Box<dyn Future<Output = Result<T>> + Send>>),
}

impl<T> From<Result<T>> for Answer<T> {
    fn from(result: Result<T>) -> Answer<T> {
        Answer::Ready(result)
    }
}

impl<T> Answer<T> {
    pub async fn wait(self) -> Result<T> {
        match self {
            Answer::Ready(result) => result,
            Answer::Later(future) => future.await,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub result: ResultKind,
    /// Sentences for the client, as Cassandra's `ClientWarn` has them.
    pub warnings: Vec<String>,
    /// The node of a cluster that answered, of several the last. `None`: none was asked.
    pub node: Option<SocketAddr>,
}

pub use kind::ResultKind;
mod kind {
    use super::{Rows, SchemaChange};
    use std::sync::Arc;

    #[derive(Debug, Clone)]
    pub enum ResultKind {
        Void,
        Rows(Rows),
        SetKeyspace(Arc<str>),
        SchemaChange(SchemaChange),
    }
}

impl Outcome {
    pub fn of(result: ResultKind) -> Outcome {
        Outcome { result, warnings: Vec::new(), node: None }
    }
}

/// One page of rows: a column list and one buffer.
#[derive(Debug, Clone)]
pub struct Rows {
    pub metadata: Arc<RowsMetadata>,
    pub count: u32,
    /// Row after row, cell after cell: `[i32 length][bytes]`, length -1 for null; the form of the CQL wire.
    pub data: Bytes,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<PageState>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RowsMetadata {
    pub columns: Vec<ColumnSpec>,
    /// A digest of the columns: a client that knows it needs no metadata (native protocol v5, section 4.2.5.2).
    pub id: [u8; 16],
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    pub keyspace: Arc<str>,
    pub table: Arc<str>,
    pub name: Arc<str>,
    pub column_type: CqlType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    pub kind: SchemaChangeKind,
    pub keyspace: Arc<str>,
    pub target: SchemaTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaChangeKind {
    Created,
    Updated,
    Dropped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaTarget {
    Keyspace,
    Table(Arc<str>),
    Type(Arc<str>),
    Function { name: Arc<str>, arguments: Vec<String> },
    Aggregate { name: Arc<str>, arguments: Vec<String> },
}
