//! Schema changes on their way to the connections that registered for them.

use ilium_store::{DataStore, SchemaChange};
use tokio::sync::broadcast;

/// A connection that falls this many changes behind misses some; drivers then refresh by schema version.
const BACKLOG: usize = 1024;

pub struct Events(broadcast::Sender<SchemaChange>);

impl Events {
    pub fn of(store: &dyn DataStore) -> Events {
        let (sender, _) = broadcast::channel(BACKLOG);
        let listener = sender.clone();
        store.listen(Box::new(move |change| {
            // Nobody listening is no fault.
            let _ = listener.send(change.clone());
        }));
        Events(sender)
    }

    pub fn subscribe(&self) -> broadcast::Receiver<SchemaChange> {
        self.0.subscribe()
    }
}
