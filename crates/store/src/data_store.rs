//! The trait an engine implements.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use ilium_cql::CqlType;
pub use ilium_cql::ast::BatchKind;
use ilium_cql::ast::Statement;
use ilium_cql::schema::{Schema, UuidBytes};

use crate::{Answer, Binds, Context, Outcome, RowsMetadata, SchemaChange, Shown};

/// An engine that understands CQL statements.
pub trait DataStore: Send + Sync + 'static {
    /// Checks a statement against the schema and plans it. `keyspace` is where unqualified names are.
    /// Plans of an older schema are remade by `execute` of themselves; their metadata is then stale, which
    /// [`Prepared::schema_version`] shows. An engine that has the schema at hand is ready with it; in front of a cluster
    /// the cluster is asked.
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>>;

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome>;

    /// A batch of statements prepared one by one, as BATCH of the native protocol sends them.
    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome>;

    /// The schema as it is now.
    fn schema(&self) -> Arc<Schema>;

    /// Calls `listener` after every change of the schema, in order, until the engine is dropped. It must be quick.
    fn listen(&self, listener: SchemaListener);

    fn capabilities(&self) -> Capabilities;

    /// Ranges that cover the ring once, for readers that work side by side. It looks into files, or asks the cluster.
    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>>;
}

pub type SchemaListener = Box<dyn Fn(&SchemaChange) + Send + Sync>;

/// A statement, checked and planned under one schema version.
pub struct Prepared {
    pub statement: Arc<Statement>,
    pub keyspace: Option<Arc<str>>,
    pub binds: Vec<BindMarker>,
    /// For each partition key column in order the marker that carries it; empty unless all are markers.
    pub partition_key_binds: Vec<u16>,
    /// `None`: the statement gives no rows, or its columns are known only at execution (a conditional write).
    pub rows: Option<Arc<RowsMetadata>>,
    pub schema_version: UuidBytes,
    pub effect: Effect,
    /// Given with every answer, as Cassandra does for what it finds wrong but legal.
    pub warnings: Vec<String>,
    /// The engine's own.
    pub plan: Box<dyn Any + Send + Sync>,
    /// See [`Prepared::shown`]; engines leave it empty.
    pub shown: OnceLock<Shown>,
}

impl Prepared {
    /// What is shown of it, which is worked out once, when it is first wanted.
    pub fn shown(&self) -> &Shown {
        self.shown.get_or_init(|| Shown::of_statement(&self.statement))
    }
}

/// What a statement does, as far as an API must know to treat it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    Read,
    /// A write that gives the same result when applied twice.
    IdempotentWrite,
    /// Counters, list appends, `now()`: not to be retried.
    Write,
    ConditionalWrite,
    SchemaChange,
    UseKeyspace,
    Access,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BindMarker {
    pub keyspace: Arc<str>,
    pub table: Arc<str>,
    /// The column it is compared with or written to, or Cassandra's `[limit]`, `[ttl]`, `in(c)`, ...
    pub name: Arc<str>,
    pub column_type: CqlType,
}

pub struct BatchEntry {
    pub prepared: Arc<Prepared>,
    pub binds: Binds,
}

/// What the engine behind an API is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// `Ilium`, `Apache Cassandra`, `ScyllaDB`.
    pub product: String,
    pub release_version: String,
    pub cluster_name: String,
    /// Whether it makes indexes of the class `StorageAttachedIndex`, which serve comparisons (Cassandra 5.0).
    pub storage_attached_indexes: bool,
    /// Whether it has the type `vector` (Cassandra 5.0).
    pub vectors: bool,
}

impl fmt::Display for Capabilities {
    /// For a person: what it is, and what of the newest Cassandra it can do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |has: bool| if has { "with" } else { "without" };
        write!(
            f,
            "{} {}, cluster {}, {} vectors, {} storage-attached indexes",
            self.product,
            self.release_version,
            self.cluster_name,
            has(self.vectors),
            has(self.storage_attached_indexes)
        )
    }
}

/// Tokens greater than `after`, up to and including `through`; the first starts at `i64::MIN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSplit {
    pub after: i64,
    pub through: i64,
    /// Bytes, estimated.
    pub size: u64,
}
