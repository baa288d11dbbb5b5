//! Statements that define keyspaces, tables, types, indexes, views and functions, and DESCRIBE.

use super::{Expr, Name, QualifiedName, Relation, Selection, TypeName};

/// `name = value` of a WITH clause.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    pub name: Name,
    pub value: PropertyValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A string, number, boolean or bare word; its text without quotes.
    Simple(String),
    /// `{'k': 'v'}`, in text order.
    Map(Vec<(String, String)>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateKeyspace {
    pub name: Name,
    pub if_not_exists: bool,
    pub options: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterKeyspace {
    pub name: Name,
    pub if_exists: bool,
    pub options: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub name: QualifiedName,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDefinition>,
    /// As many PRIMARY KEY clauses as were written, inline ones included; one is legal.
    pub primary_keys: Vec<PrimaryKey>,
    pub options: TableOptions,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    pub name: Name,
    pub column_type: TypeName,
    pub is_static: bool,
    pub mask: Option<Mask>,
}

/// `MASKED WITH function(arguments)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    pub function: QualifiedName,
    pub arguments: Vec<Expr>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrimaryKey {
    pub partition: Vec<Name>,
    pub clustering: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableOptions {
    pub properties: Vec<Property>,
    pub clustering_order: Vec<(Name, Direction)>,
    pub compact_storage: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    pub name: QualifiedName,
    pub if_exists: bool,
    pub change: TableChange,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableChange {
    Add {
        if_not_exists: bool,
        columns: Vec<ColumnDefinition>,
    },
    Drop {
        if_exists: bool,
        columns: Vec<Name>,
        timestamp: Option<i64>,
    },
    Rename {
        if_exists: bool,
        renames: Vec<(Name, Name)>,
    },
    AlterType {
        column: Name,
        to: TypeName,
    },
    /// `ALTER column MASKED WITH ...` or `DROP MASKED`.
    Mask {
        if_exists: bool,
        column: Name,
        mask: Option<Mask>,
    },
    Options(Vec<Property>),
    DropCompactStorage,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateType {
    pub name: QualifiedName,
    pub if_not_exists: bool,
    pub fields: Vec<(Name, TypeName)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterType {
    pub name: QualifiedName,
    pub if_exists: bool,
    pub change: TypeChange,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TypeChange {
    Add { if_not_exists: bool, field: Name, field_type: TypeName },
    Rename { if_exists: bool, renames: Vec<(Name, Name)> },
    Alter { field: Name, to: TypeName },
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    pub name: Option<QualifiedName>,
    pub custom: bool,
    pub if_not_exists: bool,
    pub table: QualifiedName,
    pub targets: Vec<IndexTarget>,
    /// `USING 'class'`.
    pub using: Option<String>,
    pub options: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IndexTarget {
    pub column: Name,
    pub on: IndexOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexOn {
    /// The bare column: its value, or the values of a collection.
    Simple,
    Values,
    Keys,
    Entries,
    Full,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    pub name: QualifiedName,
    pub if_not_exists: bool,
    pub selection: Selection,
    pub from: QualifiedName,
    pub restrictions: Vec<Relation>,
    pub primary_keys: Vec<PrimaryKey>,
    pub options: TableOptions,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    pub name: QualifiedName,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub arguments: Vec<(Name, TypeName)>,
    pub called_on_null: bool,
    pub returns: TypeName,
    pub language: Name,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateAggregate {
    pub name: QualifiedName,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub arguments: Vec<TypeName>,
    pub state_function: Name,
    pub state_type: TypeName,
    pub final_function: Option<Name>,
    pub initial: Option<Expr>,
}

/// `DESCRIBE ...`, a server-side statement since Cassandra 4.0.
#[derive(Debug, Clone, PartialEq)]
pub struct Describe {
    pub what: DescribeTarget,
    pub with_internals: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DescribeTarget {
    Cluster,
    /// `SCHEMA` or `FULL SCHEMA`: with the system keyspaces.
    Schema {
        full: bool,
    },
    Keyspaces,
    /// `KEYSPACE` with no name is the current one; `only`: without what it contains.
    Keyspace {
        name: Option<Name>,
        only: bool,
    },
    Tables,
    Table(QualifiedName),
    Index(QualifiedName),
    View(QualifiedName),
    Types,
    Type(QualifiedName),
    Functions,
    Function(QualifiedName),
    Aggregates,
    Aggregate(QualifiedName),
    /// `DESCRIBE name`: whatever has that name.
    Any(QualifiedName),
}
