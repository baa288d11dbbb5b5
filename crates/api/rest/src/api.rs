//! What all calls share.

use std::sync::Arc;

use ilium_cql::schema::{Schema, Table};
use ilium_http::{Access, BodyLimits, Refusal};
use ilium_store::DataStore;

use crate::shape::Shapes;
use crate::value::shown;

pub struct Api {
    pub(crate) store: Arc<dyn DataStore>,
    pub(crate) access: Arc<Access>,
    pub(crate) body: BodyLimits,
    pub(crate) shapes: Shapes,
}

impl Api {
    pub(crate) fn new(store: Arc<dyn DataStore>, access: Arc<Access>, body: BodyLimits) -> Api {
        Api { store, access, body, shapes: Shapes::default() }
    }

    /// How many shapes of calls have their statement kept prepared.
    pub fn prepared_count(&self) -> usize {
        self.shapes.len()
    }
}

/// Finds a table, or says which of its names is wrong. Stargate answers 400 for both.
pub fn table<'s>(schema: &'s Schema, keyspace: &str, name: &str) -> Result<&'s Arc<Table>, Refusal> {
    let found = schema.keyspace(keyspace).ok_or_else(|| no_keyspace(keyspace))?;
    found.tables.get(name).ok_or_else(|| {
        let names = found.tables.keys().map(|known| &**known);
        Refusal::bad_request(format!(
            "Table '{}' not found (in keyspace '{keyspace}'){}",
            shown(name),
            nearest(name, names)
        ))
    })
}

pub fn no_keyspace(name: &str) -> Refusal {
    Refusal::bad_request(format!("Keyspace '{}' not found", shown(name)))
}

/// Bytes of a name that a likeness is looked for, at most: comparing takes the product of both lengths, for each name
/// there is, and names of tables have 48 or so.
const MAX_LIKENED: usize = 64;

/// `; did you mean '...'?` where one of the names is much like it.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    if name.len() > MAX_LIKENED {
        return String::new();
    }
    let likeness = names.map(|known| (strsim::jaro_winkler(known, name), known));
    match likeness.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((likeness, nearest)) if likeness > 0.85 => format!("; did you mean '{nearest}'?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_likeness_is_looked_for_a_name_of_ordinary_length_only() {
        let known = "t".repeat(MAX_LIKENED);
        assert!(nearest(&known, [&*known].into_iter()).contains("did you mean"));
        let longer = format!("{known}t");
        assert_eq!(nearest(&longer, [&*longer].into_iter()), "");
    }
}
