//! Expressions and types.

use std::fmt::{self, Display, Formatter};

use super::name::{QualifiedFunctionName, SelectedName, UserTypeName};
use super::{commas, quote_string, write_commas};
use crate::ast::{Arithmetic, CellMeta, Expr, ExprKind, InValues, Literal, LiteralKind, Operator, TypeName};

/// How tightly the outermost operator of an expression binds.
#[derive(PartialEq, PartialOrd)]
enum Binding {
    Sum,
    Product,
    Sign,
    Unit,
}

fn binding(expr: &Expr) -> Binding {
    match &expr.kind {
        ExprKind::Binary { operator: Arithmetic::Add | Arithmetic::Subtract, .. } => Binding::Sum,
        ExprKind::Binary { .. } => Binding::Product,
        ExprKind::Negate(_) => Binding::Sign,
        _ => Binding::Unit,
    }
}

/// Whether the text of `expr` has a constant for its last word.
fn ends_in_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::TypeHint { value, .. } => ends_in_literal(value),
        _ => false,
    }
}

/// Writes `expr`, in parentheses where its operator binds less than `least`.
fn write_operand(f: &mut Formatter<'_>, expr: &Expr, least: Binding) -> fmt::Result {
    if binding(expr) < least { write!(f, "({expr})") } else { expr.fmt(f) }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::Null => f.write_str("NULL"),
            ExprKind::Bind { name: None, .. } => f.write_str("?"),
            ExprKind::Bind { name: Some(name), .. } => write!(f, ":{name}"),
            ExprKind::Column(name) => SelectedName(name).fmt(f),
            ExprKind::List(items) => write!(f, "[{}]", commas(items)),
            ExprKind::Set(items) => write!(f, "{{{}}}", commas(items)),
            ExprKind::Map(entries) => {
                f.write_str("{")?;
                write_commas(f, entries, |f, (key, value)| write!(f, "{key}: {value}"))?;
                f.write_str("}")
            }
            ExprKind::Udt(fields) => {
                f.write_str("{")?;
                write_commas(f, fields, |f, (field, value)| write!(f, "{field}: {value}"))?;
                f.write_str("}")
            }
            ExprKind::Tuple(items) => write!(f, "({})", commas(items)),
            ExprKind::Call { function, arguments } => {
                write!(f, "{}({})", QualifiedFunctionName(function), commas(arguments))
            }
            ExprKind::CountRows => f.write_str("count(*)"),
            ExprKind::Cast { value, to } => write!(f, "CAST({value} AS {to})"),
            ExprKind::TypeHint { to, value } => {
                write!(f, "({to}) ")?;
                write_operand(f, value, Binding::Unit)
            }
            ExprKind::Binary { operator, left, right } => {
                let (own, tighter) = match operator {
                    Arithmetic::Add | Arithmetic::Subtract => (Binding::Sum, Binding::Product),
                    _ => (Binding::Product, Binding::Sign),
                };
                write_operand(f, left, own)?;
                write!(f, " {operator} ")?;
                write_operand(f, right, tighter)
            }
            // The space keeps `- 1` from being one number and `- -` from being a comment.
            ExprKind::Negate(value) => {
                f.write_str("- ")?;
                write_operand(f, value, Binding::Sign)
            }
            ExprKind::Field { of, field } => {
                write_operand(f, of, Binding::Unit)?;
                // A dot right after a number would be its own.
                f.write_str(if ends_in_literal(of) { " ." } else { "." })?;
                field.fmt(f)
            }
            ExprKind::Element { of, key } => {
                write_operand(f, of, Binding::Unit)?;
                write!(f, "[{key}]")
            }
            ExprKind::Slice { of, from, to } => {
                write_operand(f, of, Binding::Unit)?;
                f.write_str("[")?;
                from.iter().try_for_each(|from| from.fmt(f))?;
                f.write_str("..")?;
                to.iter().try_for_each(|to| to.fmt(f))?;
                f.write_str("]")
            }
            ExprKind::CellMeta { what, of } => write!(f, "{what}({of})"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.kind {
            LiteralKind::String => f.write_str(&quote_string(&self.text)),
            _ => f.write_str(&self.text),
        }
    }
}

impl Display for CellMeta {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CellMeta::WriteTime => "writetime",
            CellMeta::MaxWriteTime => "maxwritetime",
            CellMeta::Ttl => "ttl",
        })
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Modulo => "%",
        })
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Contains => "CONTAINS",
            Operator::ContainsKey => "CONTAINS KEY",
            Operator::Like => "LIKE",
        })
    }
}

impl Display for InValues {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            InValues::List(values) => write!(f, "({})", commas(values)),
            InValues::Marker(marker) => marker.fmt(f),
        }
    }
}

impl Display for TypeName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            TypeName::Native(name) => f.write_str(name),
            TypeName::List(element) => write!(f, "list<{element}>"),
            TypeName::Set(element) => write!(f, "set<{element}>"),
            TypeName::Map(key, value) => write!(f, "map<{key}, {value}>"),
            TypeName::Tuple(elements) => write!(f, "tuple<{}>", commas(elements)),
            TypeName::Vector(element, dimension) => write!(f, "vector<{element}, {dimension}>"),
            TypeName::Frozen(inner) => write!(f, "frozen<{inner}>"),
            TypeName::User(name) => UserTypeName(name).fmt(f),
            TypeName::Custom(class) => f.write_str(&quote_string(class)),
        }
    }
}
