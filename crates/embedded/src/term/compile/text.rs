//! Expressions as Cassandra's messages show them, which is not always how CQL writes them.

use std::fmt::Write;

use ilium_cql::ast::{Arithmetic, Expr, ExprKind, Literal, LiteralKind, QualifiedName, TypeName};
use ilium_cql::identifier::quote_if_needed;

use super::Compiler;
use crate::catalog::hash_map_order::buffer_map_order;

pub(super) fn literal_text(literal: &Literal) -> String {
    match literal.kind {
        LiteralKind::String => format!("'{}'", literal.text),
        _ => literal.text.clone(),
    }
}

/// A type as it was written; user-defined ones with the keyspace they are looked up in, and what is inside something
/// frozen frozen too.
pub(super) fn type_text(name: &TypeName, keyspace: &str) -> String {
    text_within(name, keyspace, false)
}

fn text_within(name: &TypeName, keyspace: &str, frozen: bool) -> String {
    let text = |name: &TypeName| text_within(name, keyspace, frozen);
    let shown = match name {
        TypeName::Native(name) => return name.clone(),
        TypeName::Custom(class) => return format!("'{class}'"),
        TypeName::Frozen(inner) => return text_within(inner, keyspace, true),
        TypeName::Vector(element, dimension) => {
            return format!("vector<{}, {dimension}>", text_within(element, keyspace, false));
        }
        TypeName::Tuple(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| text_within(field, keyspace, true)).collect();
            return format!("tuple<{}>", fields.join(", "));
        }
        TypeName::List(element) => format!("list<{}>", text(element)),
        TypeName::Set(element) => format!("set<{}>", text(element)),
        TypeName::Map(key, value) => format!("map<{}, {}>", text(key), text(value)),
        TypeName::User(name) => {
            let keyspace = name.keyspace.as_ref().map_or(keyspace, |keyspace| keyspace.text.as_str());
            format!("{keyspace}.{}", name.name.text)
        }
    };
    if frozen { format!("frozen<{shown}>") } else { shown }
}

/// `name` or `keyspace.name`, without quotes.
pub(super) fn qualified(name: &QualifiedName) -> String {
    match &name.keyspace {
        Some(keyspace) => format!("{}.{}", keyspace.text, name.name.text),
        None => name.name.text.clone(),
    }
}

/// The operator's sign in CQL.
pub(in crate::term) fn operator_sign(operator: Arithmetic) -> char {
    match operator {
        Arithmetic::Add => '+',
        Arithmetic::Subtract => '-',
        Arithmetic::Multiply => '*',
        Arithmetic::Divide => '/',
        Arithmetic::Modulo => '%',
    }
}

fn call_text(name: &str, arguments: &[String]) -> String {
    format!("system.{}({})", quote_if_needed(name), arguments.join(", "))
}

impl Compiler<'_> {
    /// An expression without columns (`Term.Raw.getText`).
    pub(crate) fn text_of(&self, expr: &Expr) -> String {
        let all = |parts: &[Expr]| parts.iter().map(|part| self.text_of(part)).collect::<Vec<_>>();
        match &expr.kind {
            ExprKind::Literal(literal) => literal_text(literal),
            ExprKind::Null => "NULL".to_owned(),
            ExprKind::Bind { .. } => "?".to_owned(),
            ExprKind::Column(name) => name.text.clone(),
            ExprKind::List(parts) => format!("[{}]", all(parts).join(", ")),
            ExprKind::Set(parts) => format!("{{{}}}", all(parts).join(", ")),
            ExprKind::Tuple(parts) => format!("({})", all(parts).join(", ")),
            ExprKind::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", self.text_of(key), self.text_of(value)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            ExprKind::Udt(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                buffer_map_order(&mut fields, |(name, _)| &name.text);
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}: {}", name.text, self.text_of(value)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            ExprKind::Call { function, arguments } => {
                let mut text = String::new();
                if let Some(keyspace) = &function.keyspace {
                    let _ = write!(text, "{}.", quote_if_needed(&keyspace.text));
                }
                // The one function whose name is a reserved word is shown without quotes.
                match function.name.text.as_str() {
                    "token" => text.push_str("token"),
                    name => text.push_str(&quote_if_needed(name)),
                }
                let _ = write!(text, "({})", all(arguments).join(", "));
                text
            }
            ExprKind::CountRows => "count(*)".to_owned(),
            ExprKind::Cast { value, to } => {
                call_text(&super::call::cast_name(to, &self.table.keyspace), &[self.text_of(value)])
            }
            ExprKind::TypeHint { to, value } => {
                format!("({}){}", type_text(to, &self.table.keyspace), self.text_of(value))
            }
            ExprKind::Binary { operator, left, right } => {
                let name = crate::term::function::operation_name(*operator);
                call_text(name, &[self.text_of(left), self.text_of(right)])
            }
            ExprKind::Negate(value) => call_text("_negate", &[self.text_of(value)]),
            ExprKind::Field { of, field } => format!("{}.{}", self.text_of(of), field.text),
            ExprKind::Element { of, key } => format!("{}[{}]", self.text_of(of), self.text_of(key)),
            ExprKind::Slice { of, from, to } => {
                let end =
                    |end: &Option<Box<Expr>>| end.as_deref().map(|end| self.text_of(end)).unwrap_or_default();
                format!("{}[{}..{}]", self.text_of(of), end(from), end(to))
            }
            ExprKind::CellMeta { what, of } => {
                format!("{}({})", super::selectable::meta_name(*what), self.text_of(of))
            }
        }
    }
}
