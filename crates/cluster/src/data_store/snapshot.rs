//! The schema as it was last read, and how it is kept true: it is read again when the cluster tells of a change, when a
//! change was made through here, and when the version that the cluster names is another.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ilium_cql::schema::{Schema, UuidBytes};
use ilium_protocol::{
    Consistency, Envelope, ErrorDetail, QueryParameters, QueryRequest, QueryResult, Request, Response, Rows,
};
use ilium_store::{ClusterEvent, Error, Result, SchemaListener};
use parking_lot::RwLock;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer;
use crate::cluster::Cluster;
use crate::error::{of_response, unreachable};
use crate::link::Link;
use crate::schema::{self, SOURCES};

/// The version is looked at this often though nothing was told: events may be lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// And so soon, and twice as long each time, where it could not be read.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// After a change was read no other is for so long: a script of a hundred statements is not followed one by one.
const PAUSE: Duration = Duration::from_millis(50);

/// How often at most a schema is read that changes while it is read.
const READS: usize = 3;

pub(crate) struct Snapshot {
    schema: RwLock<Arc<Schema>>,
    listeners: RwLock<Vec<SchemaListener>>,
    told: Arc<Notify>,
    /// Held while the schema is read, so that listeners hear of changes in order.
    reading: Mutex<()>,
}

impl Snapshot {
    pub async fn open(cluster: &Arc<Cluster>) -> Result<Arc<Snapshot>> {
        let told = Arc::<Notify>::default();
        let snapshot = Arc::new(Snapshot {
            schema: RwLock::default(),
            listeners: RwLock::default(),
            told: Arc::clone(&told),
            reading: Mutex::default(),
        });
        cluster.add_listener(Box::new(move |event| {
            if matches!(event, ClusterEvent::Schema(_)) {
                told.notify_one();
            }
        }));
        snapshot.refresh(cluster).await?;
        tokio::spawn(follow(Arc::downgrade(&snapshot), Arc::downgrade(cluster), Arc::clone(&snapshot.told)));
        Ok(snapshot)
    }

    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read())
    }

    pub fn listen(&self, listener: SchemaListener) {
        self.listeners.write().push(listener);
    }

    /// Reads the schema unless its version is that of the snapshot.
    pub async fn refresh(&self, cluster: &Cluster) -> Result<()> {
        let _reading = self.reading.lock().await;
        let old = self.schema();
        let Some(control) = cluster.control() else {
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

/// Follows the cluster's schema as long as somebody holds the snapshot.
async fn follow(snapshot: Weak<Snapshot>, cluster: Weak<Cluster>, told: Arc<Notify>) {
    let mut failed = 0;
    loop {
        let pause = match failed {
            0 => LOOK_EVERY,
            times => FIRST_PAUSE.saturating_mul(1 << (times - 1).min(10)).min(LOOK_EVERY),
        };
        // Either way the version is looked at.
        let _ = timeout(pause, told.notified()).await;
        let (Some(snapshot), Some(cluster)) = (snapshot.upgrade(), cluster.upgrade()) else { return };
        match snapshot.refresh(&cluster).await {
            Ok(()) => failed = 0,
            Err(error) => {
                tracing::warn!(%error, "the cluster's schema cannot be read");
                failed += 1;
            }
        }
        drop((snapshot, cluster));
        sleep(PAUSE).await;
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
    match Response::decode(answer).map_err(answer::nonsense)?.1 {
        Response::Result(QueryResult::Rows(rows)) => Ok(Some(rows)),
        Response::Error(error) if error.detail == ErrorDetail::Invalid => Ok(None),
        Response::Error(error) => Err(of_response(&error)),
        other => Err(answer::unexpected(&other, "rows")),
    }
}
