//! After a change of the schema: waiting until every node has it.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ilium_cql::schema::UuidBytes;
use ilium_store::Error;
use tokio::time::{sleep, timeout};

use super::Cluster;
use crate::link::Link;
use crate::table::Row;

/// How often nodes are asked whether they agree on the schema: the drivers' own pause.
const AGREE_EVERY: Duration = Duration::from_millis(100);

impl Cluster {
    /// After a change of the schema: whoever is told that it is done must find it everywhere, on every node and in every
    /// API here. It is done: what fails here is told to nobody. `changed` is the link it was done by.
    pub(crate) async fn settle(&self, changed: &Arc<Link>) {
        if !self.agree(changed).await {
            tracing::warn!("the cluster's nodes do not agree on the schema yet");
        }
        if let Some(snapshot) = self.snapshot.get().and_then(Weak::upgrade)
            && let Err(error) = snapshot.refresh(|| self.control()).await
        {
            tracing::warn!(%error, "the cluster's schema cannot be read");
        }
    }

    /// Waits until all nodes that can be reached have the schema of the one that changed it; `false` if they do not within
    /// the time that is set. That one is asked: others may not have heard of the change, and agree on what was before.
    async fn agree(&self, changed: &Arc<Link>) -> bool {
        let agreed = async {
            loop {
                let control = self.control();
                let asked = Some(Arc::clone(changed)).filter(|link| !link.is_closed()).or(control);
                if let Some(link) = asked
                    && let Ok(versions) = schema_versions(&link, &self.askable()).await
                    && versions.len() == 1
                {
                    return;
                }
                sleep(AGREE_EVERY).await;
            }
        };
        timeout(self.options.agreement, agreed).await.is_ok()
    }
}

/// The versions of the schema that a node has, and that these nodes have as far as it knows.
async fn schema_versions(link: &Link, up: &BTreeSet<UuidBytes>) -> Result<BTreeSet<UuidBytes>, Error> {
    let local = link.query("SELECT schema_version FROM system.local WHERE key = 'local'").await?;
    let peers = link.query("SELECT host_id, schema_version FROM system.peers").await?;
    let mut versions: BTreeSet<UuidBytes> =
        local.rows().filter_map(|row| row.uuid("schema_version")).collect();
    let is_up = |row: &Row<'_>| row.uuid("host_id").is_some_and(|id| up.contains(&id));
    versions.extend(peers.rows().filter(is_up).filter_map(|row| row.uuid("schema_version")));
    Ok(versions)
}
