//! Statements as the cluster knows them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ilium_cql::ast::Statement;
use ilium_cql::murmur3::hash3_x64_128;
use ilium_protocol::{
    BindMetadata, ColumnList, ColumnSpec, Envelope, PrepareRequest, ProtocolVersion, QueryResult, Request,
    Response, RowsMetadata as WireMetadata,
};
use ilium_store::{BindMarker, Effect, Prepared, Principal, Result, RowsMetadata};
use parking_lot::RwLock;
use quick_cache::sync::Cache;

use super::ask::{Asked, Message};
use super::{Inner, capabilities};
use crate::effect;
use crate::error::{nonsense, unexpected};

/// What the engine's own part of a [`Prepared`] is.
pub(super) enum Plan {
    Statement(Arc<Planned>),
    /// What a cluster need not prepare: changes of the schema and of roles, which come seldom and bind nothing.
    Text {
        text: String,
        keyspace: Option<Arc<str>>,
    },
    /// It is the callers' affair: a connection is shared and keeps no keyspace.
    Use(Arc<str>),
}

/// A statement that the cluster prepared.
pub(super) struct Planned {
    pub text: Arc<str>,
    /// What unqualified names are in.
    pub keyspace: Option<Arc<str>>,
    pub version: ProtocolVersion,
    /// Whether its text says when it was written.
    pub has_timestamp: bool,
    handle: RwLock<Arc<Handle>>,
    /// Bytes of a row of the part of a page whose rows were the largest.
    row_bytes: AtomicUsize,
}

/// By what a statement is executed. A change of its table makes another.
pub(super) struct Handle {
    pub id: Box<[u8]>,
    /// Version 5: what columns we expect.
    pub metadata_id: Option<Box<[u8]>>,
    /// `None`: it gives no rows, or tells its columns with them.
    pub rows: Option<Arc<RowsMetadata>>,
}

impl Planned {
    pub fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle.read())
    }

    pub fn set_handle(&self, handle: Handle) {
        *self.handle.write() = Arc::new(handle);
    }

    /// How large rows may be, as far as was seen.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes.load(Ordering::Relaxed)
    }

    pub fn saw_rows(&self, count: u32, bytes: usize) {
        self.row_bytes.fetch_max(bytes / count.max(1) as usize, Ordering::Relaxed);
    }

    /// What its connection must have chosen by USE.
    pub fn connection_keyspace(&self) -> Option<&Arc<str>> {
        self.keyspace.as_ref().filter(|_| !names_keyspaces(self.version))
    }

    /// The request that prepares it.
    pub fn request(&self) -> Request<'_> {
        let keyspace = self.keyspace.as_deref().filter(|_| names_keyspaces(self.version));
        Request::Prepare(PrepareRequest { query: &self.text, keyspace })
    }
}

impl Handle {
    /// What a node answered to [`Planned::request`].
    pub fn of(reply: &Envelope) -> Result<Handle> {
        Ok(described(reply)?.0)
    }
}

/// Whether a request can say what keyspace its names are in.
pub(super) fn names_keyspaces(version: ProtocolVersion) -> bool {
    version >= ProtocolVersion::V5
}

/// What texts were prepared, found by keyspace and text.
pub(super) struct Plans(Cache<PlanKey, Arc<Prepared>>);

type PlanKey = (Option<Arc<str>>, Box<str>);

impl Plans {
    pub fn new(limit: usize) -> Plans {
        Plans(Cache::new(limit))
    }
}

impl Inner {
    pub async fn prepare(
        &self,
        statement: Arc<Statement>,
        keyspace: Option<Arc<str>>,
    ) -> Result<Arc<Prepared>> {
        let schema = self.snapshot.schema();
        capabilities::check(&statement, &capabilities::of(&self.cluster, &schema))?;
        if !is_prepared(&statement) {
            let plan = match &*statement {
                Statement::Use { keyspace } => Plan::Use(keyspace.as_str().into()),
                other => Plan::Text { text: other.to_string(), keyspace: keyspace.clone() },
            };
            return Ok(Arc::new(Prepared {
                effect: effect::of(&statement),
                keyspace,
                binds: Vec::new(),
                partition_key_binds: Vec::new(),
                rows: None,
                schema_version: schema.version,
                warnings: Vec::new(),
                plan: Box::new(plan),
                statement,
            }));
        }
        let key = (keyspace, statement.to_string().into_boxed_str());
        // Those that ask for the same at once wait for the first.
        let known = self.plans.0.get_value_or_guard_async(&key).await;
        let guard = match known {
            Ok(prepared) if prepared.schema_version == schema.version => return Ok(prepared),
            Ok(_) => None,
            Err(guard) => Some(guard),
        };
        let prepared = Arc::new(self.ask_to_prepare(statement, &key, schema.version).await?);
        match guard {
            // It was forgotten meanwhile: it is used all the same.
            Some(guard) => drop(guard.insert(Arc::clone(&prepared))),
            None => self.plans.0.insert(key, Arc::clone(&prepared)),
        }
        Ok(prepared)
    }

    /// The gateway's own role prepares: it needs no permission on the table, and finds out nothing that is told to others.
    async fn ask_to_prepare(
        &self,
        statement: Arc<Statement>,
        (keyspace, text): &PlanKey,
        schema_version: [u8; 16],
    ) -> Result<Prepared> {
        let planned = Planned {
            text: Arc::from(&**text),
            keyspace: keyspace.clone(),
            version: self.cluster.facts.newest,
            has_timestamp: effect::has_timestamp(&statement),
            handle: RwLock::new(Arc::new(Handle { id: Box::default(), metadata_id: None, rows: None })),
            row_bytes: AtomicUsize::new(0),
        };
        let session = self.session(&Principal::System, planned.connection_keyspace()).await?;
        let asked = Asked {
            cluster: &self.cluster,
            session: &session,
            message: Message::Prepare(&planned),
            route: None,
            effect: Effect::Read,
            may_repeat: true,
            speculate_after: None,
            context: &ilium_store::Context::new(Principal::System),
        };
        let reply = asked.reply().await?;
        let (handle, binds, partition_key_binds, warnings) = described(&reply.envelope)?;
        let rows = handle.rows.clone();
        planned.set_handle(handle);
        Ok(Prepared {
            effect: effect::of(&statement),
            statement,
            keyspace: keyspace.clone(),
            binds,
            partition_key_binds,
            rows,
            schema_version,
            warnings,
            plan: Box::new(Plan::Statement(Arc::new(planned))),
        })
    }
}

fn is_prepared(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Select(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Batch(_)
    )
}

type Described = (Handle, Vec<BindMarker>, Vec<u16>, Vec<String>);

/// What the answer to a PREPARE says.
fn described(reply: &Envelope) -> Result<Described> {
    let (extras, response) = Response::decode(reply).map_err(nonsense)?;
    let Response::Result(QueryResult::Prepared(prepared)) = response else {
        return Err(unexpected(&response, "a prepared statement"));
    };
    let BindMetadata { columns, partition_key } = &prepared.bind;
    let marker = |column: &ColumnSpec| BindMarker {
        keyspace: Arc::clone(&column.keyspace),
        table: Arc::clone(&column.table),
        name: Arc::clone(&column.name),
        column_type: column.ty.clone(),
    };
    let handle = Handle {
        id: prepared.id.into(),
        metadata_id: prepared.result_metadata_id.map(Box::from),
        rows: rows_metadata(&prepared.result, prepared.result_metadata_id),
    };
    let warnings = extras.warnings.into_iter().map(str::to_owned).collect();
    let binds = columns.as_specs().unwrap_or_default().iter().map(marker).collect();
    Ok((handle, binds, partition_key.to_vec(), warnings))
}

/// `None` where no columns are told.
pub(super) fn rows_metadata(metadata: &WireMetadata<'_>, id: Option<&[u8]>) -> Option<Arc<RowsMetadata>> {
    let specs = match &metadata.columns {
        ColumnList::Specs(specs) => specs,
        ColumnList::Omitted(_) | ColumnList::Encoded(_) => return None,
    };
    let columns: Vec<_> = specs
        .iter()
        .map(|column| ilium_store::ColumnSpec {
            keyspace: Arc::clone(&column.keyspace),
            table: Arc::clone(&column.table),
            name: Arc::clone(&column.name),
            column_type: column.ty.clone(),
        })
        .collect();
    let id = id.and_then(|id| id.try_into().ok()).unwrap_or_else(|| digest(&columns));
    Some(Arc::new(RowsMetadata { columns, id }))
}

/// For clusters of older versions, which give none.
fn digest(columns: &[ilium_store::ColumnSpec]) -> [u8; 16] {
    let mut text = Vec::new();
    for column in columns {
        for part in [&*column.keyspace, &*column.table, &*column.name, &column.column_type.to_string()] {
            text.extend_from_slice(&(part.len() as u32).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
    }
    let (high, low) = hash3_x64_128(&text);
    (u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_be_bytes()
}
