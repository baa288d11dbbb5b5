//! What takes a value, and the bind markers that learned their type from it.

use std::sync::Arc;

use ilium_cql::ast::Name;
use ilium_cql::schema::{Column, Table};
use ilium_cql::{CqlType, UserType};
use ilium_store::BindMarker;

/// The place a value goes to: a column, a part of one, a function's argument, or `[ttl]` and its like.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    pub keyspace: Arc<str>,
    pub table: Arc<str>,
    pub name: Arc<str>,
    pub column_type: CqlType,
    /// It is the list behind `IN ?`: its elements may be null, as no other list's may.
    pub choices: bool,
}

impl Receiver {
    /// A column of the table.
    pub fn of(table: &Table, column: &Column) -> Receiver {
        Receiver::named(table, Arc::clone(&column.name), column.column_type.clone())
    }

    /// Something that is no column: `[limit]`, `[ttl]`, `partition key token`.
    pub fn named(table: &Table, name: impl Into<Arc<str>>, column_type: CqlType) -> Receiver {
        Receiver {
            keyspace: Arc::clone(&table.keyspace),
            table: Arc::clone(&table.name),
            name: name.into(),
            column_type,
            choices: false,
        }
    }

    fn part(&self, name: String, column_type: CqlType) -> Receiver {
        Receiver {
            keyspace: Arc::clone(&self.keyspace),
            table: Arc::clone(&self.table),
            name: name.into(),
            column_type,
            choices: false,
        }
    }

    /// `value(c)`: an element of a list, set or vector, or a map's value. Itself, where the type has no elements.
    pub fn value(&self) -> Receiver {
        let element = match &self.column_type {
            CqlType::List { element, .. }
            | CqlType::Set { element, .. }
            | CqlType::Vector { element, .. } => element,
            CqlType::Map { value, .. } => value,
            _ => return self.clone(),
        };
        self.part(format!("value({})", self.name), CqlType::clone(element))
    }

    /// `key(c)`: the key of a map. Itself, where the type is none.
    pub fn key(&self) -> Receiver {
        match &self.column_type {
            CqlType::Map { key, .. } => self.part(format!("key({})", self.name), CqlType::clone(key)),
            _ => self.clone(),
        }
    }

    /// `idx(c)`: a position in a list.
    pub fn index(&self) -> Receiver {
        self.part(format!("idx({})", self.name), CqlType::Int)
    }

    /// `c.f`: a field of a user-defined type.
    pub fn field(&self, definition: &UserType, field: usize) -> Option<Receiver> {
        let (name, column_type) = definition.fields.get(field)?;
        Some(self.part(format!("{}.{name}", self.name), column_type.clone()))
    }

    /// `c[0]`: a component of a tuple.
    pub fn component(&self, component: usize, column_type: CqlType) -> Receiver {
        self.part(format!("{}[{component}]", self.name), column_type)
    }

    /// `in(c)`: the list behind `c IN ?`.
    pub fn in_list(&self) -> Receiver {
        let element = Arc::new(self.column_type.clone());
        let list = self.part(format!("in({})", self.name), CqlType::List { element, frozen: true });
        Receiver { choices: true, ..list }
    }

    /// `(a,b)`: the tuple behind `(a, b) = ?`. `None`: there are no receivers.
    pub fn tuple_of(receivers: &[Receiver]) -> Option<Receiver> {
        let names: Vec<&str> = receivers.iter().map(|receiver| &*receiver.name).collect();
        let types: Vec<CqlType> = receivers.iter().map(|receiver| receiver.column_type.freeze()).collect();
        Some(receivers.first()?.part(format!("({})", names.join(",")), CqlType::Tuple(types.into())))
    }

    /// `in(a,b)`: the list of tuples behind `(a, b) IN ?`.
    pub fn tuple_in_list(receivers: &[Receiver]) -> Option<Receiver> {
        let tuple = Receiver::tuple_of(receivers)?;
        let name = format!("in{}", tuple.name);
        let element = Arc::new(tuple.column_type.clone());
        Some(Receiver { choices: true, ..tuple.part(name, CqlType::List { element, frozen: true }) })
    }
}

/// The bind markers of a statement, by their index in its text.
#[derive(Debug, Default)]
pub struct Markers {
    found: Vec<Option<BindMarker>>,
}

impl Markers {
    pub fn new() -> Markers {
        Markers::default()
    }

    /// Notes the marker at `index`; a name in the text wins over the receiver's.
    pub fn note(&mut self, index: u16, name: Option<&Name>, receiver: &Receiver) {
        let index = usize::from(index);
        if self.found.len() <= index {
            self.found.resize(index + 1, None);
        }
        if let Some(slot) = self.found.get_mut(index) {
            *slot = Some(BindMarker {
                keyspace: Arc::clone(&receiver.keyspace),
                table: Arc::clone(&receiver.table),
                name: name.map_or_else(|| Arc::clone(&receiver.name), |name| name.text.as_str().into()),
                column_type: receiver.column_type.clone(),
            });
        }
    }

    /// The markers in order. One that no expression was compiled for is left out.
    pub fn finish(self) -> Vec<BindMarker> {
        self.found.into_iter().flatten().collect()
    }
}
