//! CREATE TABLE (`CreateTableStatement`).

use std::collections::BTreeSet;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{CreateTable, Direction, Name, PrimaryKey};
use ilium_cql::schema::{Column, ColumnKind, Table, TableFlags, UuidBytes};
use ilium_store::{Error, ErrorKind, Result, SchemaChange, SchemaChangeKind, SchemaTarget};

use super::draft::Draft;
use super::entry::{Source, TableEntry};
use super::names::validate_table_name;
use super::table_options::new_table_options;
use super::type_names::{TypeScope, is_native};

/// A column as declared, its type resolved.
struct Declared<'a> {
    name: &'a str,
    column_type: CqlType,
    is_static: bool,
    written_counter: bool,
}

pub fn create(
    draft: &mut Draft,
    statement: &CreateTable,
    keyspace: &str,
    new_id: impl FnOnce() -> Result<UuidBytes>,
) -> Result<Option<SchemaChange>> {
    let name = statement.name.name.as_str();
    check_declarations(statement)?;
    let scope = draft.existing_keyspace(keyspace)?;
    if scope.tables.contains_key(name) {
        if statement.if_not_exists {
            return Ok(None);
        }
        let kind = ErrorKind::AlreadyExists { keyspace: Arc::clone(&scope.name), table: Arc::from(name) };
        let message = format!("Cannot add already existing table \"{name}\" to keyspace \"{keyspace}\"");
        return Err(Error::new(kind, message));
    }
    let table = table_of(statement, TypeScope { keyspace, types: &scope.types }, new_id)?;
    validate_table_name(keyspace, name)?;
    let change = SchemaChange {
        kind: SchemaChangeKind::Created,
        keyspace: Arc::clone(&table.keyspace),
        target: SchemaTarget::Table(Arc::clone(&table.name)),
    };
    let number = draft.new_table_number()?;
    draft.put_table(TableEntry::new(Arc::new(table), number, Source::Stored));
    Ok(Some(change))
}

/// What Cassandra's parser finds: columns and keys that are declared twice, or a key that is not declared at all.
fn check_declarations(statement: &CreateTable) -> Result<()> {
    let shown = || {
        let keyspace = statement.name.keyspace.as_ref();
        format!(
            "{}{}",
            keyspace.map_or(String::new(), |k| format!("{}.", k.as_str())),
            statement.name.name.as_str()
        )
    };
    if let Some(twice) = first_twice(statement.columns.iter().map(|column| column.name.as_str())) {
        return Err(Error::invalid(format!(
            "Duplicate column '{}' declaration for table '{}'",
            twice,
            shown()
        )));
    }
    match statement.primary_keys.len() {
        1 => {}
        0 => {
            return Err(Error::invalid(format!(
                "No PRIMARY KEY specifed for table '{}' (exactly one required)",
                shown()
            )));
        }
        _ => {
            return Err(Error::invalid(format!(
                "Multiple PRIMARY KEY specified for table '{}' (exactly one required)",
                shown()
            )));
        }
    }
    let ordered = statement.options.clustering_order.iter().map(|(name, _)| name.as_str());
    match first_twice(ordered) {
        Some(twice) => Err(Error::invalid(format!(
            "Duplicate column '{}' in CLUSTERING ORDER BY clause for table '{}'",
            twice,
            shown()
        ))),
        None => Ok(()),
    }
}

fn first_twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

/// The table a statement describes, in the scope of a keyspace. Its name is not checked here.
pub fn table_of(
    statement: &CreateTable,
    scope: TypeScope<'_>,
    new_id: impl FnOnce() -> Result<UuidBytes>,
) -> Result<Table> {
    let name = statement.name.name.as_str();
    let new = new_table_options(&statement.options.properties)?;
    let no_key = PrimaryKey::default();
    let key = statement.primary_keys.first().unwrap_or(&no_key);

    let mut declared = Vec::with_capacity(statement.columns.len());
    for column in &statement.columns {
        if column.mask.is_some() {
            return Err(Error::invalid("data masking (MASKED WITH) is not supported by Ilium yet"));
        }
        declared.push(Declared {
            name: column.name.as_str(),
            column_type: scope.resolve(&column.column_type)?,
            is_static: column.is_static,
            written_counter: is_native(&column.column_type, "counter"),
        });
    }
    if declared.iter().any(|column| has_loose_nested_collection(&column.column_type)) {
        return Err(Error::invalid("Non-frozen UDTs with nested non-frozen collections are not supported"));
    }
    check_key(key, &declared, name)?;
    let clustering: Vec<&str> = key.clustering.iter().map(Name::as_str).collect();
    check_clustering_order(&statement.options.clustering_order, &clustering)?;

    let is_key = |name: &str| key.partition.iter().chain(&key.clustering).any(|k| k.as_str() == name);
    let mut others: Vec<&Declared<'_>> = declared.iter().filter(|column| !is_key(column.name)).collect();
    others.sort_by_key(|column| column.name);
    let any_static = declared.iter().any(|column| column.is_static);
    if statement.options.compact_storage {
        check_compact(&clustering, &others, any_static)?;
    } else if clustering.is_empty() && any_static {
        return Err(Error::invalid(
            "Static columns are only useful (and thus allowed) if the table has at least one clustering column",
        ));
    }
    let counter = declared.iter().any(|column| column.written_counter);
    if counter {
        if others.iter().any(|column| !column.column_type.is_counter()) {
            return Err(Error::invalid("Cannot mix counter and non counter columns in the same table"));
        }
        if new.options.default_time_to_live > 0 {
            return Err(Error::invalid("Cannot set default_time_to_live on a table with counters"));
        }
    } else if let Some(column) = others.iter().find(|column| column.column_type.is_counter()) {
        return Err(Error::config(format!(
            "{}.{name}: Cannot have a counter column (\"{}\") in a non counter table",
            scope.keyspace, column.name
        )));
    }

    let descending = |name: &str| {
        let order = statement.options.clustering_order.iter();
        order.into_iter().any(|(of, direction)| of.as_str() == name && *direction == Direction::Descending)
    };
    let find = |name: &Name| declared.iter().find(|column| column.name == name.as_str());
    let column = |declared: &Declared<'_>, kind, position, descending| Column {
        name: Arc::from(declared.name),
        column_type: declared.column_type.clone(),
        kind,
        position,
        descending,
    };
    let mut columns = Vec::with_capacity(declared.len());
    for (i, declared) in key.partition.iter().filter_map(find).enumerate() {
        columns.push(column(declared, ColumnKind::PartitionKey, i, false));
    }
    for (i, declared) in key.clustering.iter().filter_map(find).enumerate() {
        columns.push(column(declared, ColumnKind::Clustering, i, descending(declared.name)));
    }
    for (is_static, kind) in [(true, ColumnKind::Static), (false, ColumnKind::Regular)] {
        let of_kind = others.iter().filter(|column| column.is_static == is_static);
        columns.extend(of_kind.map(|declared| column(declared, kind, 0, false)));
    }
    let compact = statement.options.compact_storage;
    Ok(Table {
        keyspace: Arc::from(scope.keyspace),
        name: Arc::from(name),
        id: match new.id {
            Some(id) => id,
            None => new_id()?,
        },
        columns,
        indexes: Vec::new(),
        dropped_columns: Default::default(),
        options: new.options,
        flags: TableFlags {
            counter,
            dense: compact && !clustering.is_empty(),
            super_column: false,
            compound: !compact || clustering.len() > 1,
        },
    })
}

/// A user-defined type that is not frozen and holds something that is not: its cells would have cells.
pub fn has_loose_nested_collection(column_type: &CqlType) -> bool {
    matches!(column_type, CqlType::Udt { frozen: false, .. })
        && column_type.parts().any(CqlType::is_multi_cell)
}

fn check_key(key: &PrimaryKey, declared: &[Declared<'_>], table: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in key.partition.iter().chain(&key.clustering) {
        let shown = name.as_str();
        let Some(column) = declared.iter().find(|column| column.name == name.as_str()) else {
            return Err(Error::invalid(format!(
                "Unknown column '{shown}' referenced in PRIMARY KEY for table '{table}'"
            )));
        };
        if !seen.insert(name.as_str()) {
            return Err(Error::invalid(format!(
                "Duplicate column '{shown}' in PRIMARY KEY clause for table '{table}'"
            )));
        }
        let column_type = &column.column_type;
        if column_type.is_multi_cell() {
            let what = match column_type {
                CqlType::Udt { definition, .. } => {
                    format!("user-defined type \"{}.{}\"", definition.keyspace, definition.name)
                }
                collection => format!("collection type {collection}"),
            };
            return Err(Error::invalid(format!(
                "Invalid non-frozen {what} for PRIMARY KEY column '{shown}'"
            )));
        }
        if column_type.is_counter() {
            return Err(Error::invalid(format!(
                "counter type is not supported for PRIMARY KEY column '{shown}'"
            )));
        }
        if column_type.references_duration() {
            return Err(Error::invalid(format!(
                "duration type is not supported for PRIMARY KEY column '{shown}'"
            )));
        }
        if column.is_static {
            return Err(Error::invalid(format!("Static column '{shown}' cannot be part of the PRIMARY KEY")));
        }
    }
    Ok(())
}

fn check_clustering_order(order: &[(Name, Direction)], clustering: &[&str]) -> Result<()> {
    let strange: Vec<_> = order
        .iter()
        .filter(|(name, _)| !clustering.contains(&name.as_str()))
        .map(|(name, _)| name.as_str())
        .collect();
    if !strange.is_empty() {
        return Err(Error::invalid(format!(
            "Only clustering key columns can be defined in CLUSTERING ORDER directive: [{}] are not clustering columns",
            strange.join(", ")
        )));
    }
    for ((name, _), expected) in order.iter().zip(clustering) {
        if name.as_str() == *expected {
            continue;
        }

        return Err(Error::invalid(if order.iter().any(|(name, _)| name.as_str() == *expected) {
            format!(
                "The order of columns in the CLUSTERING ORDER directive must match that of the clustering columns \
                 ({expected} must appear before {})",
                name.as_str()
            )
        } else {
            format!("Missing CLUSTERING ORDER for column {expected}")
        }));
    }
    Ok(())
}

/// What a table WITH COMPACT STORAGE may be (`CreateTableStatement.validateCompactTable`).
fn check_compact(clustering: &[&str], others: &[&Declared<'_>], any_static: bool) -> Result<()> {
    if others.iter().any(|column| column.column_type.is_multi_cell()) {
        return Err(Error::invalid("Non-frozen collections and UDTs are not supported with COMPACT STORAGE"));
    }
    if any_static {
        return Err(Error::invalid("Static columns are not supported in COMPACT STORAGE tables"));
    }
    if clustering.is_empty() && others.is_empty() {
        return Err(Error::invalid("No definition found that is not part of the PRIMARY KEY"));
    }
    if !clustering.is_empty() && others.len() > 1 {
        let names: Vec<_> = others.iter().map(|column| column.name).collect();
        return Err(Error::invalid(format!(
            "COMPACT STORAGE with composite PRIMARY KEY allows no more than one column not part of the PRIMARY KEY \
             (got: {})",
            names.join(", ")
        )));
    }
    Ok(())
}
