//! User-defined types, and the types of columns, from their texts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::{CqlType, UserType};
use ilium_protocol::Rows;

use super::rows::{SchemaError, Source};

type Defined = BTreeMap<Arc<str>, Arc<UserType>>;

/// The texts of the fields of the types of one keyspace.
type Written = BTreeMap<String, Vec<(Arc<str>, String)>>;

/// All types that are not resolved yet, by keyspace.
pub struct Types(BTreeMap<String, Written>);

impl Types {
    pub fn read(source: &Option<Rows<'_>>) -> Result<Types, SchemaError> {
        let mut written: BTreeMap<String, Written> = BTreeMap::new();
        for row in Source::rows(source)? {
            let row = row?;
            let names = row.set("field_names")?.unwrap_or_default();
            let types = row.set("field_types")?.unwrap_or_default();
            if names.len() != types.len() {
                return Err(row.error("field_types", "has another number of fields than field_names"));
            }
            let fields =
                names.into_iter().zip(types).map(|(name, of)| (name.into(), of.to_owned())).collect();
            let keyspace = written.entry(row.name("keyspace_name")?.to_owned()).or_default();
            keyspace.insert(row.name("type_name")?.to_owned(), fields);
        }
        Ok(Types(written))
    }

    /// The types of a keyspace, each with the definitions of those it refers to.
    pub fn of(&mut self, keyspace: &str) -> Defined {
        let Some(written) = self.0.remove(keyspace) else { return Defined::new() };
        let names: Vec<String> = written.keys().cloned().collect();
        let resolver = Resolver {
            keyspace: keyspace.into(),
            written: RefCell::new(written),
            defined: RefCell::default(),
        };
        for name in names {
            resolver.define(&name);
        }
        resolver.defined.into_inner()
    }
}

struct Resolver {
    keyspace: Arc<str>,
    /// Those that nobody asked for yet: one that is being defined is in neither map, so that a definition that refers to
    /// itself, which no cluster should have, ends.
    written: RefCell<Written>,
    defined: RefCell<Defined>,
}

impl Resolver {
    fn define(&self, name: &str) -> Option<Arc<UserType>> {
        if let Some(defined) = self.defined.borrow().get(name) {
            return Some(Arc::clone(defined));
        }
        let (name, fields) = self.written.borrow_mut().remove_entry(name)?;
        let fields = fields.into_iter().map(|(field, text)| (field, parse(&text, &|name| self.define(name))));
        let definition = Arc::new(UserType {
            keyspace: Arc::clone(&self.keyspace),
            name: name.as_str().into(),
            fields: fields.collect(),
        });
        self.defined.borrow_mut().insert(Arc::clone(&definition.name), Arc::clone(&definition));
        Some(definition)
    }
}

/// A type from its text. One of a newer release, or one whose definition is missing, is known by its text alone: its
/// values pass through as they are.
pub fn parse(text: &str, resolve: &dyn Fn(&str) -> Option<Arc<UserType>>) -> CqlType {
    CqlType::parse(text, resolve).unwrap_or_else(|problem| {
        tracing::warn!(%problem, "a type in the cluster's schema is not known");
        CqlType::Custom(text.into())
    })
}
