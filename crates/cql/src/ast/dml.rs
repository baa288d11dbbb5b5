//! SELECT, INSERT, UPDATE, DELETE, BATCH.

use super::{Expr, Name, QualifiedName, Span};

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub json: bool,
    pub distinct: bool,
    pub selection: Selection,
    pub from: QualifiedName,
    pub restrictions: Vec<Relation>,
    pub group_by: Vec<Expr>,
    pub order_by: Vec<Ordering>,
    pub per_partition_limit: Option<Expr>,
    pub limit: Option<Expr>,
    pub allow_filtering: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    All,
    Items(Vec<Selector>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    pub value: Expr,
    pub alias: Option<Name>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ordering {
    pub column: Name,
    pub by: OrderBy,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OrderBy {
    Ascending,
    Descending,
    /// `ORDER BY column ANN OF vector`.
    NearestTo(Expr),
}

/// One conjunct of WHERE.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    pub kind: RelationKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RelationKind {
    /// `column op value`, CONTAINS and LIKE among the operators.
    Column {
        column: Name,
        operator: Operator,
        value: Expr,
    },
    /// `column IN values`.
    In {
        column: Name,
        values: InValues,
    },
    /// `(a, b) op value`; the value is a tuple or a marker.
    Columns {
        columns: Vec<Name>,
        operator: Operator,
        value: Expr,
    },
    /// `(a, b) IN values`; each value is a tuple or a marker.
    ColumnsIn {
        columns: Vec<Name>,
        values: InValues,
    },
    /// `token(a, b) op value`.
    Token {
        columns: Vec<Name>,
        operator: Operator,
        value: Expr,
    },
    /// `column[key] op value`.
    Element {
        column: Name,
        key: Expr,
        operator: Operator,
        value: Expr,
    },
    IsNotNull {
        column: Name,
    },
    /// `expr(index, value)`.
    Custom {
        index: QualifiedName,
        value: Expr,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum InValues {
    /// `IN (a, b, ...)`, may be empty.
    List(Vec<Expr>),
    /// `IN ?` or `IN :name`.
    Marker(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    ContainsKey,
    Like,
}

/// `USING TIMESTAMP ... AND TTL ...`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Using {
    /// Microseconds since the epoch.
    pub timestamp: Option<Expr>,
    /// Seconds.
    pub ttl: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    pub table: QualifiedName,
    pub values: InsertValues,
    pub if_not_exists: bool,
    pub using: Using,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InsertValues {
    Columns {
        columns: Vec<Name>,
        values: Vec<Expr>,
    },
    /// `JSON value [DEFAULT NULL | DEFAULT UNSET]`; the value is a string or a marker.
    Json {
        value: Expr,
        default_unset: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub table: QualifiedName,
    pub using: Using,
    pub assignments: Vec<Assignment>,
    pub restrictions: Vec<Relation>,
    pub condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub column: Name,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `c = value`.
    Set(Expr),
    /// `c = c + value` and `c += value`.
    Add(Expr),
    /// `c = value + c`.
    Prepend(Expr),
    /// `c = c - value` and `c -= value`.
    Subtract(Expr),
    /// `c[key] = value`.
    SetElement { key: Expr, value: Expr },
    /// `c.field = value`.
    SetField { field: Name, value: Expr },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    pub table: QualifiedName,
    /// Empty: the whole row, range or partition.
    pub targets: Vec<DeleteTarget>,
    /// Only a time stamp is legal; kept whole for the error.
    pub using: Using,
    pub restrictions: Vec<Relation>,
    pub condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DeleteTarget {
    Column(Name),
    Element { column: Name, key: Expr },
    Field { column: Name, field: Name },
}

/// `IF ...` of UPDATE and DELETE.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Exists,
    All(Vec<ColumnCondition>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnCondition {
    pub target: ConditionTarget,
    pub test: ConditionTest,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConditionTarget {
    Column(Name),
    Element { column: Name, key: Expr },
    Field { column: Name, field: Name },
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConditionTest {
    Compare { operator: Operator, value: Expr },
    In(InValues),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub kind: BatchKind,
    pub using: Using,
    pub statements: Vec<BatchItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchKind {
    Logged,
    Unlogged,
    Counter,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BatchItem {
    Insert(Insert),
    Update(Update),
    Delete(Delete),
}
