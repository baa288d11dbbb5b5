//! What clients are told unasked, on its way to the connections that registered for it.

use ilium_protocol::EventType;
use ilium_store::{ClusterEvent, DataStore, Forward};
use tokio::sync::broadcast;

/// A connection that falls this many events behind misses some; drivers then refresh by schema version.
const BACKLOG: usize = 1024;

pub struct Events(broadcast::Sender<ClusterEvent>);

impl Events {
    /// The changes of a store's schema.
    pub fn of_store(store: &dyn DataStore) -> Events {
        let (sender, _) = broadcast::channel(BACKLOG);
        let listener = sender.clone();
        store.listen(Box::new(move |change| {
            // Nobody listening is no fault.
            let _ = listener.send(ClusterEvent::Schema(change.clone()));
        }));
        Events(sender)
    }

    pub fn of_cluster(cluster: &dyn Forward) -> Events {
        let (sender, _) = broadcast::channel(BACKLOG);
        let listener = sender.clone();
        cluster.listen(Box::new(move |event| {
            let _ = listener.send(event.clone());
        }));
        Events(sender)
    }

    pub fn subscribe(&self) -> broadcast::Receiver<ClusterEvent> {
        self.0.subscribe()
    }
}

/// What a client must have registered for to be told.
pub fn type_of(event: &ClusterEvent) -> EventType {
    match event {
        ClusterEvent::Schema(_) => EventType::SchemaChange,
        ClusterEvent::Topology { .. } => EventType::TopologyChange,
        ClusterEvent::Status { .. } => EventType::StatusChange,
    }
}
