//! How the snapshot of the schema is kept true: it is read again when the cluster tells of a change, when a change was made
//! through here, and when the version that the cluster names is another.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ilium_store::{ClusterEvent, Result};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::snapshot::Snapshot;

/// The version is looked at this often though nothing was told: events may be lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// And so soon, and twice as long each time, where it could not be read.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// After a change was read no other is for so long: a script of a hundred statements is not followed one by one.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads the schema, and follows it from then on.
pub(super) async fn begin(cluster: &Arc<Cluster>) -> Result<Arc<Snapshot>> {
    let (snapshot, told) = (Arc::<Snapshot>::default(), Arc::<Notify>::default());
    let tells = Arc::clone(&told);
    cluster.add_listener(Box::new(move |event| {
        if matches!(event, ClusterEvent::Schema(_)) {
            tells.notify_one();
        }
    }));
    snapshot.refresh(|| cluster.control()).await?;
    tokio::spawn(follow(Arc::downgrade(&snapshot), Arc::downgrade(cluster), told));
    Ok(snapshot)
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
        match snapshot.refresh(|| cluster.control()).await {
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
