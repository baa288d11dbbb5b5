//! DESCRIBE, as Cassandra answers it since 4.0 (`DescribeStatement`).

use std::sync::Arc;

use ilium_cql::ast::{Describe, DescribeTarget, Name, QualifiedName};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Index, Keyspace, Schema, Table};
use ilium_cql::value::CollectionBuilder;
use ilium_cql::{CqlType, UserType};
use ilium_store::{ColumnSpec, Error, Result};

use super::create_text::{of_index, of_keyspace, of_table, of_type};
use super::node::Node;
use super::node_tables::STORAGE_PORT;
use super::{PARTITIONER, TOKEN};
use crate::catalog::{is_system_keyspace, types_in_order};

/// A whole answer: the columns, and all rows with a value for each.
pub(super) struct Description {
    pub columns: Vec<ColumnSpec>,
    pub rows: Vec<Vec<Vec<u8>>>,
}

/// Something that has a name and a statement that creates it.
enum Element<'a> {
    Keyspace(&'a Keyspace),
    Type(&'a UserType),
    Table(&'a Table),
    Index(&'a Table, &'a Index),
}

/// `keyspace`: the connection's current one.
pub(super) fn description(
    statement: &Describe,
    keyspace: Option<&str>,
    schema: &Schema,
    node: &Node,
) -> Result<Description> {
    let described = Described { schema, keyspace, internals: statement.with_internals };
    match &statement.what {
        DescribeTarget::Cluster => described.cluster(node),
        DescribeTarget::Keyspaces => {
            Ok(list(described.keyspaces().into_iter().map(Element::Keyspace).collect()))
        }
        DescribeTarget::Tables => {
            described.listing(|keyspace| keyspace.tables.values().map(|t| Element::Table(t)).collect())
        }
        DescribeTarget::Types => {
            described.listing(|keyspace| keyspace.types.values().map(|t| Element::Type(t)).collect())
        }
        DescribeTarget::Functions | DescribeTarget::Aggregates => described.listing(|_| Vec::new()),
        DescribeTarget::Schema { full } => {
            let shown = described.keyspaces().into_iter().filter(|k| *full || !is_system_keyspace(&k.name));
            Ok(described.elements(shown.flat_map(elements_of_keyspace).collect()))
        }
        DescribeTarget::Keyspace { name, only } => {
            let keyspace = described.scope(name.as_ref())?;
            Ok(described.elements(match only {
                true => vec![Element::Keyspace(keyspace)],
                false => elements_of_keyspace(keyspace),
            }))
        }
        DescribeTarget::Table(name) => {
            let keyspace = described.scope(name.keyspace.as_ref())?;
            described.table(keyspace, name.name.as_str())
        }
        DescribeTarget::Index(name) => {
            let keyspace = described.scope(name.keyspace.as_ref())?;
            let name = name.name.as_str();
            described.index(keyspace, name).ok_or_else(|| {
                Error::invalid(format!("Table for existing index '{name}' not found in '{}'", keyspace.name))
            })
        }
        DescribeTarget::Type(name) => {
            let keyspace = described.scope(name.keyspace.as_ref())?;
            let name = name.name.as_str();
            match keyspace.types.get(name) {
                Some(definition) => Ok(described.elements(vec![Element::Type(definition)])),
                None => Err(not_found("User defined type", name, keyspace)),
            }
        }
        DescribeTarget::View(name) => described.missing("Materialized view", name),
        DescribeTarget::Function(name) => described.missing("User defined function", name),
        DescribeTarget::Aggregate(name) => described.missing("User defined aggregate", name),
        DescribeTarget::Any(name) => described.anything(name),
    }
}

fn not_found(kind: &str, name: &str, keyspace: &Keyspace) -> Error {
    Error::invalid(format!("{kind} '{name}' not found in '{}'", keyspace.name))
}

/// A schema as one statement looks at it.
struct Described<'a> {
    schema: &'a Schema,
    keyspace: Option<&'a str>,
    internals: bool,
}

impl<'a> Described<'a> {
    fn keyspaces(&self) -> Vec<&'a Keyspace> {
        let mut keyspaces: Vec<&Keyspace> = self.schema.keyspaces.values().map(|k| &**k).collect();
        keyspaces.sort_by_cached_key(|keyspace| folded(&keyspace.name));
        keyspaces
    }

    fn named(&self, name: &str) -> Result<&'a Keyspace> {
        let keyspace = self.schema.keyspace(name);
        keyspace
            .map(|keyspace| &**keyspace)
            .ok_or_else(|| Error::invalid(format!("'{name}' not found in keyspaces")))
    }

    /// The keyspace that is named, or else the current one.
    fn scope(&self, name: Option<&Name>) -> Result<&'a Keyspace> {
        let name = name.map(Name::as_str).or(self.keyspace);
        self.named(name.ok_or_else(|| Error::invalid("No keyspace specified and no current keyspace"))?)
    }

    /// Names of the current keyspace, or of all.
    fn listing(&self, of: impl Fn(&'a Keyspace) -> Vec<Element<'a>>) -> Result<Description> {
        let keyspaces = match self.keyspace {
            Some(name) => vec![self.named(name)?],
            None => self.keyspaces(),
        };
        Ok(list(keyspaces.into_iter().flat_map(|keyspace| sorted(of(keyspace))).collect()))
    }

    fn elements(&self, elements: Vec<Element<'a>>) -> Description {
        let mut columns = list_columns();
        columns.push(column("create_statement", CqlType::Text));
        let rows = elements.iter().map(|element| {
            let mut row = element.names();
            row.push(element.create_statement(self.internals).into_bytes());
            row
        });
        Description { columns, rows: rows.collect() }
    }

    fn table(&self, keyspace: &'a Keyspace, name: &str) -> Result<Description> {
        match keyspace.tables.get(name) {
            Some(table) => Ok(self.elements(elements_of_table(table))),
            None => Err(Error::invalid(format!("Table '{name}' not found in keyspace '{}'", keyspace.name))),
        }
    }

    fn index(&self, keyspace: &'a Keyspace, name: &str) -> Option<Description> {
        let (table, index) = self.schema.index(&keyspace.name, name)?;
        Some(self.elements(vec![Element::Index(table, index)]))
    }

    fn missing(&self, kind: &str, name: &QualifiedName) -> Result<Description> {
        let keyspace = self.scope(name.keyspace.as_ref())?;
        Err(not_found(kind, name.name.as_str(), keyspace))
    }

    /// Whatever has the name: a keyspace, a table or an index, in this order.
    fn anything(&self, name: &QualifiedName) -> Result<Description> {
        let sought = name.name.as_str();
        let scope = match (&name.keyspace, self.keyspace) {
            (Some(keyspace), _) => keyspace.as_str(),
            (None, current) => {
                if let Some(keyspace) = self.schema.keyspace(sought) {
                    return Ok(self.elements(elements_of_keyspace(keyspace)));
                }
                current.unwrap_or(sought)
            }
        };
        let keyspace = self.named(scope)?;
        if keyspace.tables.contains_key(sought) {
            return self.table(keyspace, sought);
        }
        self.index(keyspace, sought)
            .ok_or_else(|| Error::invalid(format!("'{sought}' not found in keyspace '{scope}'")))
    }

    fn cluster(&self, node: &Node) -> Result<Description> {
        let partitioner = PARTITIONER.rsplit('.').next().unwrap_or(PARTITIONER);
        let mut columns = vec![
            column("cluster", CqlType::Text),
            column("partitioner", CqlType::Text),
            column("snitch", CqlType::Text),
        ];
        let mut row = vec![
            node.cluster_name.clone().into_bytes(),
            partitioner.as_bytes().to_vec(),
            // What wraps Cassandra's default, SimpleSnitch.
            b"DynamicEndpointSnitch".to_vec(),
        ];
        if self.keyspace.is_some_and(|name| !is_system_keyspace(name)) {
            let list = CqlType::List { element: Arc::new(CqlType::Text), frozen: true };
            let map = CqlType::Map { key: Arc::new(CqlType::Text), value: Arc::new(list), frozen: true };
            columns.push(column("range_ownership", map));
            row.push(range_ownership(node)?);
        }
        Ok(Description { columns, rows: vec![row] })
    }
}

/// The one range and the one node that has it.
fn range_ownership(node: &Node) -> Result<Vec<u8>> {
    let large = |error: ilium_cql::ValueError| Error::internal(error.to_string());
    let (mut nodes, mut map) = (Vec::new(), Vec::new());
    let mut list = CollectionBuilder::new(&mut nodes);
    list.push(format!("{}:{STORAGE_PORT}", node.cql.ip()).as_bytes()).map_err(large)?;
    list.finish().map_err(large)?;
    let mut entries = CollectionBuilder::new(&mut map);
    entries.push_entry(TOKEN.as_bytes(), &nodes).map_err(large)?;
    entries.finish().map_err(large)?;
    Ok(map)
}

fn column(name: &str, column_type: CqlType) -> ColumnSpec {
    ColumnSpec {
        keyspace: Arc::from("system"),
        table: Arc::from("describe"),
        name: Arc::from(name),
        column_type,
    }
}

fn list_columns() -> Vec<ColumnSpec> {
    ["keyspace_name", "type", "name"].map(|name| column(name, CqlType::Text)).into()
}

fn list(elements: Vec<Element<'_>>) -> Description {
    Description { columns: list_columns(), rows: elements.iter().map(Element::names).collect() }
}

/// What `String.compareToIgnoreCase` compares.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

fn sorted(mut elements: Vec<Element<'_>>) -> Vec<Element<'_>> {
    elements.sort_by_cached_key(|element| folded(element.name()));
    elements
}

fn elements_of_keyspace(keyspace: &Keyspace) -> Vec<Element<'_>> {
    let mut elements = vec![Element::Keyspace(keyspace)];
    elements.extend(types_in_order(&keyspace.types).into_iter().map(|definition| Element::Type(definition)));
    for table in sorted(keyspace.tables.values().map(|table| Element::Table(table)).collect()) {
        match table {
            Element::Table(table) => elements.extend(elements_of_table(table)),
            other => elements.push(other),
        }
    }
    elements
}

fn elements_of_table(table: &Table) -> Vec<Element<'_>> {
    let mut elements = vec![Element::Table(table)];
    elements.extend(sorted(table.indexes.iter().map(|index| Element::Index(table, index)).collect()));
    elements
}

impl Element<'_> {
    fn keyspace(&self) -> &str {
        match self {
            Element::Keyspace(keyspace) => &keyspace.name,
            Element::Type(definition) => &definition.keyspace,
            Element::Table(table) | Element::Index(table, _) => &table.keyspace,
        }
    }

    fn name(&self) -> &str {
        match self {
            Element::Keyspace(keyspace) => &keyspace.name,
            Element::Type(definition) => &definition.name,
            Element::Table(table) => &table.name,
            Element::Index(_, index) => &index.name,
        }
    }

    /// The first three columns of every answer.
    fn names(&self) -> Vec<Vec<u8>> {
        let kind = match self {
            Element::Keyspace(_) => "keyspace",
            Element::Type(_) => "type",
            Element::Table(_) => "table",
            Element::Index(..) => "index",
        };
        [quote_if_needed(self.keyspace()), kind.into(), quote_if_needed(self.name())]
            .map(|text| text.into_owned().into_bytes())
            .into()
    }

    fn create_statement(&self, internals: bool) -> String {
        match self {
            Element::Keyspace(keyspace) => of_keyspace(keyspace),
            Element::Type(definition) => of_type(definition),
            Element::Table(table) => of_table(table, internals),
            Element::Index(table, index) => of_index(table, index),
        }
    }
}
