//! Expressions: what stands for a value in a term, a selection or a restriction.

use super::{Name, QualifiedName, Span};

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    Literal(Literal),
    Null,
    /// `?` or `:name`; `index` counts the markers of the whole statement (a batch included) from 0 in text order.
    Bind {
        name: Option<Name>,
        index: u16,
    },
    /// Only in selections and on the left of arithmetic assignments.
    Column(Name),
    /// `[a, b]`: a list or a vector, which only the expected type can tell.
    List(Vec<Expr>),
    /// `{a, b}` and `{}`: a set, or an empty map.
    Set(Vec<Expr>),
    /// `{k: v}` where some key is not a bare identifier.
    Map(Vec<(Expr, Expr)>),
    /// `{field: v}`: a user-defined type's literal.
    Udt(Vec<(Name, Expr)>),
    /// `(a, b)`; `(a)` is a tuple of one, as Cassandra reads it.
    Tuple(Vec<Expr>),
    Call {
        function: QualifiedName,
        arguments: Vec<Expr>,
    },
    /// `count(*)` and `count(1)`.
    CountRows,
    /// `CAST(value AS type)`.
    Cast {
        value: Box<Expr>,
        to: TypeName,
    },
    /// `(type) value`, a hint that chooses between overloads.
    TypeHint {
        to: TypeName,
        value: Box<Expr>,
    },
    Binary {
        operator: Arithmetic,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    /// `value.field`.
    Field {
        of: Box<Expr>,
        field: Name,
    },
    /// `value[key]`.
    Element {
        of: Box<Expr>,
        key: Box<Expr>,
    },
    /// `value[from..to]`, each end optional.
    Slice {
        of: Box<Expr>,
        from: Option<Box<Expr>>,
        to: Option<Box<Expr>>,
    },
    /// `writetime(...)`, `maxwritetime(...)`, `ttl(...)`: the argument is a column, field, element or slice.
    CellMeta {
        what: CellMeta,
        of: Box<Expr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CellMeta {
    WriteTime,
    MaxWriteTime,
    Ttl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// A constant as written; `text` is unescaped and holds no quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Literal {
    pub kind: LiteralKind,
    pub text: String,
}

/// The lexical class of a constant, which decides the types it may take (Cassandra's `Constants.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    String,
    Integer,
    Float,
    Boolean,
    Uuid,
    /// `0x...`, text keeps the prefix.
    Hex,
    Duration,
    /// `NaN`, `Infinity`, with an optional minus sign.
    NanOrInfinity,
}

/// A type as written: user-defined types are not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypeName {
    /// `int`, `text`, ... lower-cased.
    Native(String),
    List(Box<TypeName>),
    Set(Box<TypeName>),
    Map(Box<TypeName>, Box<TypeName>),
    Tuple(Vec<TypeName>),
    Vector(Box<TypeName>, u32),
    Frozen(Box<TypeName>),
    User(QualifiedName),
    /// `'org.apache...'`
    Custom(String),
}
