//! Statements as the cluster knows them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ilium_cql::murmur3::hash3_x64_128;
use ilium_protocol::{
    BindMetadata, ColumnList, ColumnSpec, Envelope, PrepareRequest, ProtocolVersion, QueryResult, Request,
    Response, RowsMetadata as WireMetadata,
};
use ilium_store::{BindMarker, Result, RowsMetadata};
use parking_lot::RwLock;

use crate::error::{nonsense, unexpected};

/// What the engine's own part of a [`Prepared`](ilium_store::Prepared) is.
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
    /// One that nobody has prepared yet.
    pub fn new(
        text: &str,
        keyspace: Option<Arc<str>>,
        version: ProtocolVersion,
        has_timestamp: bool,
    ) -> Planned {
        let handle = Handle { id: Box::default(), metadata_id: None, rows: None };
        Planned {
            text: text.into(),
            keyspace,
            version,
            has_timestamp,
            handle: RwLock::new(Arc::new(handle)),
            row_bytes: AtomicUsize::new(0),
        }
    }

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

pub(super) type Described = (Handle, Vec<BindMarker>, Vec<u16>, Vec<String>);

/// What the answer to a PREPARE says.
pub(super) fn described(reply: &Envelope) -> Result<Described> {
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
