//! The keyspaces that every Cassandra has, as its version 5.0.9 defines them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::ast::Statement;
use ilium_cql::schema::Keyspace;
use ilium_store::{Error, Result};

use crate::catalog::{TypeScope, table_of};

/// A keyspace: its name, its replication, whether it is virtual, and its tables as CQL.
struct Definition {
    name: &'static str,
    replication: &'static [(&'static str, &'static str)],
    is_virtual: bool,
    tables: &'static str,
}

const LOCAL: &[(&str, &str)] = &[("class", "org.apache.cassandra.locator.LocalStrategy")];
const SIMPLE: &str = "org.apache.cassandra.locator.SimpleStrategy";

const DEFINITIONS: [Definition; 7] = [
    Definition {
        name: "system",
        replication: LOCAL,
        is_virtual: false,
        tables: include_str!("definitions/system.cql"),
    },
    Definition {
        name: "system_auth",
        replication: &[("class", SIMPLE), ("replication_factor", "1")],
        is_virtual: false,
        tables: include_str!("definitions/system_auth.cql"),
    },
    Definition {
        name: "system_distributed",
        replication: &[("class", SIMPLE), ("replication_factor", "3")],
        is_virtual: false,
        tables: include_str!("definitions/system_distributed.cql"),
    },
    Definition {
        name: "system_schema",
        replication: LOCAL,
        is_virtual: false,
        tables: include_str!("definitions/system_schema.cql"),
    },
    Definition {
        name: "system_traces",
        replication: &[("class", SIMPLE), ("replication_factor", "2")],
        is_virtual: false,
        tables: include_str!("definitions/system_traces.cql"),
    },
    Definition {
        name: "system_views",
        replication: LOCAL,
        is_virtual: true,
        tables: include_str!("definitions/system_views.cql"),
    },
    Definition {
        name: "system_virtual_schema",
        replication: LOCAL,
        is_virtual: true,
        tables: include_str!("definitions/system_virtual_schema.cql"),
    },
];

/// The keyspaces with their tables.
pub fn system_keyspaces() -> Result<Vec<Keyspace>> {
    DEFINITIONS.iter().map(Definition::keyspace).collect()
}

impl Definition {
    fn keyspace(&self) -> Result<Keyspace> {
        let broken =
            |why: String| Error::internal(format!("the definition of {} is broken: {why}", self.name));
        let statements = ilium_cql::parse_script(self.tables).map_err(|error| broken(error.message))?;
        let types = BTreeMap::new();
        let scope = TypeScope { keyspace: self.name, types: &types };
        let mut tables = BTreeMap::new();
        for (statement, _) in statements {
            let Statement::CreateTable(create) = statement else {
                return Err(broken("it holds something else than CREATE TABLE".into()));
            };
            let table = table_of(&create, scope, || Err(broken("a table has no id".into())))?;
            tables.insert(Arc::clone(&table.name), Arc::new(table));
        }
        let replication = self.replication.iter();
        Ok(Keyspace {
            name: Arc::from(self.name),
            durable_writes: true,
            replication: replication.map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            is_virtual: self.is_virtual,
            tables,
            types,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_whole() {
        let keyspaces = system_keyspaces().unwrap();
        let counts: Vec<_> = keyspaces.iter().map(|k| (&*k.name, k.tables.len())).collect();
        assert_eq!(
            counts,
            [
                ("system", 23),
                ("system_auth", 8),
                ("system_distributed", 4),
                ("system_schema", 11),
                ("system_traces", 2),
                ("system_views", 43),
                ("system_virtual_schema", 3),
            ]
        );
        let local = &keyspaces[0].tables["local"];
        assert_eq!(local.columns.len(), 20);
        assert_eq!(local.options.gc_grace_seconds, 0);
    }
}
