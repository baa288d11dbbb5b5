//! The engine's own record of how it ran a statement, which Cassandra keeps in `system_traces`. (The distributed trace that a
//! request is a part of is [`crate::Trace`].)

use std::sync::{Arc, Mutex};

use ilium_cql::schema::UuidBytes;

/// Ids that are kept of one request, at most: a page of rows may be gathered in a few parts, a stream goes on and on.
const KEPT: usize = 8;

/// Whether the engine is to keep such a record, and the ids of those that it kept. Costs nothing where none is wanted.
#[derive(Debug, Clone, Default)]
pub struct EngineTrace(Option<Arc<Mutex<Vec<UuidBytes>>>>);

impl EngineTrace {
    pub fn wanted() -> EngineTrace {
        EngineTrace(Some(Arc::default()))
    }

    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Notes the id of a record that the engine keeps.
    pub fn note(&self, id: UuidBytes) {
        if let Some(ids) = &self.0
            && let Ok(mut ids) = ids.lock()
            && ids.len() < KEPT
        {
            ids.push(id);
        }
    }

    /// The ids so far, in order.
    pub fn ids(&self) -> Vec<UuidBytes> {
        self.0.as_ref().and_then(|ids| Some(ids.lock().ok()?.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_where_they_are_wanted_and_not_without_end() {
        let wanted = EngineTrace::wanted();
        let further_in = wanted.clone();
        (0..20).for_each(|id| further_in.note([id; 16]));
        assert_eq!(wanted.ids(), (0..KEPT as u8).map(|id| [id; 16]).collect::<Vec<_>>());
        let unwanted = EngineTrace::default();
        unwanted.note([1; 16]);
        assert!(!unwanted.is_wanted() && unwanted.ids().is_empty());
    }
}
