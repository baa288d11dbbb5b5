//! Where the store's own statements go.

use ilium_store::{Bind, DEFAULT_LIFETIME, Tokens};

use super::*;
use crate::scripted::racks::Racks;

/// A store on a cluster whose schema nobody has read.
fn store(cluster: &Arc<Cluster>) -> ClusterStore {
    ClusterStore(Arc::new(Inner {
        cluster: Arc::clone(cluster),
        options: StoreOptions::default(),
        plans: Plans::new(10),
        snapshot: Arc::default(),
        seals: Arc::new(Tokens::new(&[[7; 32]], DEFAULT_LIFETIME).unwrap()),
    }))
}

#[tokio::test]
async fn a_statement_goes_to_the_nearest_node_that_has_its_partition() {
    for rack in [Some("a"), None] {
        let mut racks = Racks::start(rack).await;
        let store = store(&racks.cluster);
        let statement = ilium_cql::parse("INSERT INTO ks.t (k) VALUES (?)").unwrap();
        let prepared = store.prepare(Arc::new(statement), None).wait().await.unwrap();
        let ask = async |key: i32| {
            let key = key.to_be_bytes();
            let binds = Binds::from_values([Bind::Value(&key)]);
            let context = Context::new(Principal::Anonymous);
            store.execute(&prepared, binds, &context).wait().await.unwrap();
        };
        racks.check(ask).await;
    }
}
