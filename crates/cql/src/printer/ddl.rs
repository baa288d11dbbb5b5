//! Statements that define keyspaces, tables, types, indexes and views, and DESCRIBE.

use std::fmt::{self, Display, Formatter};

use super::dml::write_where;
use super::name::{QualifiedFunctionName, Unmistakable, UserTypeName};
use super::{Joined, commas, if_exists, if_not_exists, quote_string, when, write_commas};
use crate::ast::{
    AlterKeyspace, AlterTable, AlterType, ColumnDefinition, CreateIndex, CreateKeyspace, CreateTable,
    CreateType, CreateView, Describe, DescribeTarget, Direction, IndexOn, IndexTarget, Mask, Name,
    PrimaryKey, Property, PropertyValue, TableChange, TableOptions, TypeChange,
};

impl Display for Property {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}

impl Display for PropertyValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PropertyValue::Simple(text) if is_bare(text) => f.write_str(text),
            PropertyValue::Simple(text) => f.write_str(&quote_string(text)),
            PropertyValue::Map(entries) => write_map(f, entries),
        }
    }
}

pub(super) fn write_map(f: &mut Formatter<'_>, entries: &[(String, String)]) -> fmt::Result {
    f.write_str("{")?;
    write_commas(f, entries, |f, (key, value)| write!(f, "{}: {}", quote_string(key), quote_string(value)))?;
    f.write_str("}")
}

/// Whether a property's value is a number or a boolean, which read better without quotes and mean the same.
fn is_bare(text: &str) -> bool {
    // A longer number could be more than a double holds, which Cassandra refuses.
    const LONGEST: usize = 18;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let number = match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    };
    (number && text.len() <= LONGEST) || text == "true" || text == "false"
}

impl Display for CreateKeyspace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let condition = if_not_exists(self.if_not_exists);
        write!(f, "CREATE KEYSPACE {condition}{} WITH {}", self.name, Joined(&self.options, " AND "))
    }
}

impl Display for AlterKeyspace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let condition = if_exists(self.if_exists);
        write!(f, "ALTER KEYSPACE {condition}{} WITH {}", self.name, Joined(&self.options, " AND "))
    }
}

impl Display for CreateTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE TABLE {}{} (", if_not_exists(self.if_not_exists), self.name)?;
        let between = when(!self.columns.is_empty() && !self.primary_keys.is_empty(), ", ");
        write!(f, "{}{between}{})", commas(&self.columns), commas(&self.primary_keys))?;
        write_table_options(f, &self.options)
    }
}

impl Display for ColumnDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.column_type, when(self.is_static, " STATIC"))?;
        self.mask.iter().try_for_each(|mask| write!(f, " {mask}"))
    }
}

impl Display for Mask {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "MASKED WITH {}({})", QualifiedFunctionName(&self.function), commas(&self.arguments))
    }
}

impl Display for PrimaryKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.partition.as_slice() {
            [column] => write!(f, "PRIMARY KEY ({column}")?,
            columns => write!(f, "PRIMARY KEY (({})", commas(columns))?,
        }
        self.clustering.iter().try_for_each(|column| write!(f, ", {column}"))?;
        f.write_str(")")
    }
}

fn write_table_options(f: &mut Formatter<'_>, options: &TableOptions) -> fmt::Result {
    let mut keyword = " WITH ";
    let mut next = || std::mem::replace(&mut keyword, " AND ");
    if options.compact_storage {
        write!(f, "{}COMPACT STORAGE", next())?;
    }
    if !options.clustering_order.is_empty() {
        write!(f, "{}CLUSTERING ORDER BY (", next())?;
        write_commas(f, &options.clustering_order, |f, (column, direction)| {
            write!(f, "{column} {direction}")
        })?;
        f.write_str(")")?;
    }
    options.properties.iter().try_for_each(|property| write!(f, "{}{property}", next()))
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        })
    }
}

impl Display for AlterTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER TABLE {}{} ", if_exists(self.if_exists), self.name)?;
        match &self.change {
            TableChange::Add { if_not_exists: e, columns } => {
                write!(f, "ADD {}", if_not_exists(*e))?;
                write_one_or_many(f, columns)
            }
            TableChange::Drop { if_exists: e, columns, timestamp } => {
                write!(f, "DROP {}", if_exists(*e))?;
                write_one_or_many(f, columns)?;
                timestamp.iter().try_for_each(|timestamp| write!(f, " USING TIMESTAMP {timestamp}"))
            }
            TableChange::Rename { if_exists: e, renames } => {
                write!(f, "RENAME {}", if_exists(*e))?;
                write_renames(f, renames)
            }
            TableChange::AlterType { column, to } => write!(f, "ALTER {column} TYPE {to}"),
            TableChange::Mask { if_exists: e, column, mask: Some(mask) } => {
                write!(f, "ALTER {}{column} {mask}", if_exists(*e))
            }
            TableChange::Mask { if_exists: e, column, mask: None } => {
                write!(f, "ALTER {}{column} DROP MASKED", if_exists(*e))
            }
            TableChange::Options(options) => write!(f, "WITH {}", Joined(options, " AND ")),
            TableChange::DropCompactStorage => f.write_str("DROP COMPACT STORAGE"),
        }
    }
}

fn write_one_or_many<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    match items {
        [item] => item.fmt(f),
        items => write!(f, "({})", commas(items)),
    }
}

fn write_renames(f: &mut Formatter<'_>, renames: &[(Name, Name)]) -> fmt::Result {
    for (i, (from, to)) in renames.iter().enumerate() {
        write!(f, "{}{from} TO {to}", when(i > 0, " AND "))?;
    }
    Ok(())
}

impl Display for CreateType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE TYPE {}{} (", if_not_exists(self.if_not_exists), UserTypeName(&self.name))?;
        write_commas(f, &self.fields, |f, (field, field_type)| write!(f, "{field} {field_type}"))?;
        f.write_str(")")
    }
}

impl Display for AlterType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER TYPE {}{} ", if_exists(self.if_exists), UserTypeName(&self.name))?;
        match &self.change {
            TypeChange::Add { if_not_exists: e, field, field_type } => {
                write!(f, "ADD {}{field} {field_type}", if_not_exists(*e))
            }
            TypeChange::Rename { if_exists: e, renames } => {
                write!(f, "RENAME {}", if_exists(*e))?;
                write_renames(f, renames)
            }
            TypeChange::Alter { field, to } => write!(f, "ALTER {field} TYPE {to}"),
        }
    }
}

impl Display for CreateIndex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let custom = when(self.custom, "CUSTOM ");
        write!(f, "CREATE {custom}INDEX {}", if_not_exists(self.if_not_exists))?;
        self.name.iter().try_for_each(|name| write!(f, "{name} "))?;
        write!(f, "ON {} ({})", self.table, commas(&self.targets))?;
        self.using.iter().try_for_each(|class| write!(f, " USING {}", quote_string(class)))?;
        if self.options.is_empty() {
            return Ok(());
        }
        write!(f, " WITH {}", Joined(&self.options, " AND "))
    }
}

impl Display for IndexTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match self.on {
            IndexOn::Simple => column.fmt(f),
            IndexOn::Values => write!(f, "values({column})"),
            IndexOn::Keys => write!(f, "keys({column})"),
            IndexOn::Entries => write!(f, "entries({column})"),
            IndexOn::Full => write!(f, "full({column})"),
        }
    }
}

impl Display for CreateView {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let condition = if_not_exists(self.if_not_exists);
        write!(f, "CREATE MATERIALIZED VIEW {condition}{} AS SELECT {}", self.name, self.selection)?;
        write!(f, " FROM {}", self.from)?;
        write_where(f, &self.restrictions)?;
        self.primary_keys.iter().try_for_each(|key| write!(f, " {key}"))?;
        write_table_options(f, &self.options)
    }
}

impl Display for Describe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "DESCRIBE {}{}", self.what, when(self.with_internals, " WITH INTERNALS"))
    }
}

impl Display for DescribeTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DescribeTarget::Cluster => f.write_str("CLUSTER"),
            DescribeTarget::Schema { full } => write!(f, "{}SCHEMA", when(*full, "FULL ")),
            DescribeTarget::Keyspaces => f.write_str("KEYSPACES"),
            DescribeTarget::Keyspace { name, only } => {
                write!(f, "{}KEYSPACE", when(*only, "ONLY "))?;
                name.iter().try_for_each(|name| write!(f, " {name}"))
            }
            DescribeTarget::Tables => f.write_str("TABLES"),
            DescribeTarget::Table(name) => write!(f, "TABLE {name}"),
            DescribeTarget::Index(name) => write!(f, "INDEX {name}"),
            DescribeTarget::View(name) => write!(f, "MATERIALIZED VIEW {name}"),
            DescribeTarget::Types => f.write_str("TYPES"),
            DescribeTarget::Type(name) => write!(f, "TYPE {}", UserTypeName(name)),
            DescribeTarget::Functions => f.write_str("FUNCTIONS"),
            DescribeTarget::Function(name) => write!(f, "FUNCTION {}", QualifiedFunctionName(name)),
            DescribeTarget::Aggregates => f.write_str("AGGREGATES"),
            DescribeTarget::Aggregate(name) => write!(f, "AGGREGATE {}", QualifiedFunctionName(name)),
            DescribeTarget::Any(name) => {
                name.keyspace.iter().try_for_each(|keyspace| write!(f, "{}.", Unmistakable(keyspace)))?;
                Unmistakable(&name.name).fmt(f)
            }
        }
    }
}
