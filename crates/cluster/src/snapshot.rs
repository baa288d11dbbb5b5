//! The schema as it was last read.

use std::sync::Arc;

use ilium_cql::schema::{Schema, UuidBytes};
use ilium_protocol::{
    Consistency, Envelope, ErrorDetail, QueryParameters, QueryRequest, QueryResult, Request, Response, Rows,
};
use ilium_store::{Error, Result, SchemaListener};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::error::{nonsense, of_response, unexpected, unreachable};
use crate::link::Link;
use crate::schema::{self, SOURCES};

/// How often at most a schema is read that changes while it is read.
const READS: usize = 3;

#[derive(Default)]
pub(crate) struct Snapshot {
    schema: RwLock<Arc<Schema>>,
    listeners: RwLock<Vec<SchemaListener>>,
    /// Held while the schema is read, so that listeners hear of changes in order.
    reading: Mutex<()>,
}

impl Snapshot {
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read())
    }

    pub fn listen(&self, listener: SchemaListener) {
        self.listeners.write().push(listener);
    }

    /// Reads the schema unless its version is that of the snapshot. `control` gives the link to read it by, once it is this
    /// one's turn.
    pub async fn refresh(&self, control: impl FnOnce() -> Option<Arc<Link>>) -> Result<()> {
        let _reading = self.reading.lock().await;
        let old = self.schema();
        let Some(control) = control() else {
            return Err(unreachable("the gateway has no connection to watch the cluster by at this moment"));
        };
        let mut version = version(&control).await?;
        if old.version == version {
            return Ok(());
        }
        let mut reads = 0;
        let new = loop {
            let read = read(&control, version).await?;
            let after = self::version(&control).await?;
            reads += 1;
            // What was read is at least of that version. Where changes never pause it is taken as it is: the next look
            // finds another version, and reads again.
            if after == version || reads == READS {
                break Arc::new(read);
            }
            version = after;
        };
        *self.schema.write() = Arc::clone(&new);
        for change in schema::changes(&old, &new) {
            self.listeners.read().iter().for_each(|listener| listener(&change));
        }
        Ok(())
    }
}

async fn version(control: &Link) -> Result<UuidBytes> {
    let local = control.query("SELECT schema_version FROM system.local WHERE key = 'local'").await?;
    let version = local.rows().next().and_then(|row| row.uuid("schema_version"));
    version.ok_or_else(|| Error::internal("the node that was asked has no version of the schema"))
}

async fn read(control: &Arc<Link>, version: UuidBytes) -> Result<Schema> {
    let mut asked = JoinSet::new();
    for (at, source) in SOURCES.into_iter().enumerate() {
        let control = Arc::clone(control);
        asked.spawn(async move {
            let text = format!("SELECT * FROM {source}");
            let parameters = QueryParameters::new(Consistency::One);
            let request = Request::Query(QueryRequest { query: &text, parameters });
            (at, control.ask(&request).await)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    let gone = |_| unreachable("the node that was asked for the schema is gone");
    let answers = answers.into_iter().map(|(_, answer)| answer.map_err(gone)).collect::<Result<Vec<_>>>()?;
    let rows = answers.iter().map(rows).collect::<Result<Vec<_>>>()?;
    let rows = rows.try_into().map_err(|_| Error::internal("a source of the schema was not read"))?;
    schema::read(version, &rows).map_err(|error| Error::internal(error.to_string()))
}

/// `None`: the cluster has no such source.
pub(crate) fn rows(answer: &Envelope) -> Result<Option<Rows<'_>>> {
    match Response::decode(answer).map_err(nonsense)?.1 {
        Response::Result(QueryResult::Rows(rows)) => Ok(Some(rows)),
        Response::Error(error) if error.detail == ErrorDetail::Invalid => Ok(None),
        Response::Error(error) => Err(of_response(&error)),
        other => Err(unexpected(&other, "rows")),
    }
}
