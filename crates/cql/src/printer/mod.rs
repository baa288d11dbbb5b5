//! Syntax tree to CQL text.
//!
//! One canonical text for each tree: keywords in upper case, one space where one is needed, identifiers quoted only
//! where they would not read back, clauses in the order of the grammar. What the parser made reads back as itself;
//! a tree that no text has (a sum multiplied within a term, say) gets parentheses, which Cassandra takes for a tuple
//! of one.

mod ddl;
mod dml;
mod expr;
mod name;
mod routine;
mod security;

pub use name::quote_string;

use std::fmt::{self, Display, Formatter};

use crate::ast::Statement;

/// Items with something between them.
struct Joined<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(self.1)?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// `items`, comma-separated.
fn commas<T>(items: &[T]) -> Joined<'_, T> {
    Joined(items, ", ")
}

/// Writes `items` comma-separated, each as `write` does.
fn write_commas<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// `text` if `wanted`.
fn when(wanted: bool, text: &'static str) -> &'static str {
    if wanted { text } else { "" }
}

fn if_exists(wanted: bool) -> &'static str {
    when(wanted, "IF EXISTS ")
}

fn if_not_exists(wanted: bool) -> &'static str {
    when(wanted, "IF NOT EXISTS ")
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Select(select) => select.fmt(f),
            Statement::Insert(insert) => insert.fmt(f),
            Statement::Update(update) => update.fmt(f),
            Statement::Delete(delete) => delete.fmt(f),
            Statement::Batch(batch) => batch.fmt(f),
            Statement::Truncate { table } => write!(f, "TRUNCATE TABLE {table}"),
            Statement::Use { keyspace } => write!(f, "USE {keyspace}"),

            Statement::CreateKeyspace(keyspace) => keyspace.fmt(f),
            Statement::AlterKeyspace(keyspace) => keyspace.fmt(f),
            Statement::DropKeyspace { name, if_exists: e } => {
                write!(f, "DROP KEYSPACE {}{name}", if_exists(*e))
            }
            Statement::CreateTable(table) => table.fmt(f),
            Statement::AlterTable(table) => table.fmt(f),
            Statement::DropTable { name, if_exists: e } => write!(f, "DROP TABLE {}{name}", if_exists(*e)),
            Statement::CreateType(user_type) => user_type.fmt(f),
            Statement::AlterType(user_type) => user_type.fmt(f),
            Statement::DropType { name, if_exists: e } => {
                write!(f, "DROP TYPE {}{}", if_exists(*e), name::UserTypeName(name))
            }
            Statement::CreateIndex(index) => index.fmt(f),
            Statement::DropIndex { name, if_exists: e } => write!(f, "DROP INDEX {}{name}", if_exists(*e)),
            Statement::CreateView(view) => view.fmt(f),
            Statement::AlterView { name, if_exists: e, options } => {
                write!(f, "ALTER MATERIALIZED VIEW {}{name} WITH {}", if_exists(*e), Joined(options, " AND "))
            }
            Statement::DropView { name, if_exists: e } => {
                write!(f, "DROP MATERIALIZED VIEW {}{name}", if_exists(*e))
            }
            Statement::CreateFunction(function) => function.fmt(f),
            Statement::DropFunction { name, arguments, if_exists } => {
                routine::write_drop(f, "FUNCTION", name, arguments.as_deref(), *if_exists)
            }
            Statement::CreateAggregate(aggregate) => aggregate.fmt(f),
            Statement::DropAggregate { name, arguments, if_exists } => {
                routine::write_drop(f, "AGGREGATE", name, arguments.as_deref(), *if_exists)
            }
            Statement::CreateTrigger { name, table, class, if_not_exists: e } => {
                let class = quote_string(class);
                write!(f, "CREATE TRIGGER {}{name} ON {table} USING {class}", if_not_exists(*e))
            }
            Statement::DropTrigger { name, table, if_exists: e } => {
                write!(f, "DROP TRIGGER {}{name} ON {table}", if_exists(*e))
            }
            Statement::Describe(describe) => describe.fmt(f),
            _ => security::write(f, self),
        }
    }
}
