//! Every native function by name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::Function;
use super::factory::Factory;

pub(super) struct Registry {
    overloads: HashMap<Arc<str>, Vec<Arc<Function>>>,
    factories: HashMap<&'static str, Factory>,
}

impl Registry {
    pub fn overloads(&self, name: &str) -> &[Arc<Function>] {
        self.overloads.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn factory(&self, name: &str) -> Option<&Factory> {
        self.factories.get(name)
    }

    pub fn add(&mut self, function: Function) {
        self.overloads.entry(Arc::clone(&function.name)).or_default().push(Arc::new(function));
    }

    /// Under its name and under the one it had before Cassandra 5.0.
    pub fn add_with_legacy(&mut self, function: Function, legacy: impl Into<Arc<str>>) {
        let mut old = function.clone();
        old.name = legacy.into();
        self.add(function);
        self.add(old);
    }

    pub fn add_factory(&mut self, factory: Factory) {
        self.factories.insert(factory.name, factory);
    }
}

/// The functions of this build, listed once.
pub(super) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry { overloads: HashMap::new(), factories: HashMap::new() };
        for add in [
            super::aggregate::add_to as fn(&mut Registry),
            super::bytes::add_to,
            super::cast::add_to,
            super::collection::add_to,
            super::json::add_to,
            super::mask::add_to,
            super::math::add_to,
            super::operation::add_to,
            super::time::add_to,
            super::token::add_to,
            super::uuid::add_to,
            super::vector::add_to,
        ] {
            add(&mut registry);
        }
        registry
    });
    &REGISTRY
}
