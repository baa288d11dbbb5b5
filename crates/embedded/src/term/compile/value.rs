//! Expressions without columns, compiled for the receiver that takes them (Cassandra's `Term.Raw.prepare`).

use ilium_cql::CqlType;
use ilium_cql::ast::{Expr, ExprKind, Name};
use ilium_cql::value::text::from_constant;
use ilium_store::{Error, Result};

use super::Compiler;
use super::assign::not_array;
use crate::term::evaluate::invalid;
use crate::term::function::FunctionKind;
use crate::term::marker::Receiver;
use crate::term::node::{Node, Term};

impl Compiler<'_> {
    pub(super) fn value(&mut self, expr: &Expr, receiver: &Receiver) -> Result<Term> {
        let ty = &receiver.column_type;
        match &expr.kind {
            ExprKind::Literal(constant) => {
                let bytes = from_constant(ty, constant, &receiver.name).map_err(invalid)?;
                Ok(Term::new(Node::Constant(bytes.into_boxed_slice()), ty.clone()))
            }
            ExprKind::Null if ty.is_counter() => {
                Err(Error::invalid("Invalid null value for counter increment/decrement"))
            }
            ExprKind::Null => Ok(Term::new(Node::Null, ty.clone())),
            ExprKind::Bind { name, index } => {
                self.markers.note(*index, name.as_ref(), receiver);
                let node = if receiver.choices { Node::BindChoices(*index) } else { Node::Bind(*index) };
                Ok(Term::new(node, ty.clone()))
            }
            ExprKind::List(elements) => match ty {
                CqlType::Vector { dimension, .. } => self.vector(elements, *dimension, receiver),
                CqlType::List { .. } => {
                    let parts = self.elements("list", elements, receiver)?;
                    folded(Node::List { parts, nullable: false }, ty)
                }
                other => Err(not_array(other)),
            },
            ExprKind::Set(elements) => match ty {
                CqlType::Map { .. } if elements.is_empty() => {
                    folded(Node::Map { entries: Vec::new(), nullable: false }, ty)
                }
                CqlType::Set { .. } => folded(Node::Set(self.elements("set", elements, receiver)?), ty),
                _ => Err(misfit("set", receiver)),
            },
            ExprKind::Map(entries) => self.map(entries, receiver),
            ExprKind::Udt(fields) => self.udt(fields, receiver),
            ExprKind::Tuple(elements) => match (ty, elements.as_slice()) {
                (CqlType::Tuple(types), _) => self.tuple(elements, types, receiver),
                (_, [only]) => self.value(only, receiver),
                _ => Err(Error::invalid(format!(
                    "Invalid tuple type literal for {} of type {ty}",
                    receiver.name
                ))),
            },
            ExprKind::TypeHint { to, value } => {
                let hinted = self.resolve_type(to)?;
                if !self.test_value(value, &hinted)?.is_assignable() {
                    return Err(Error::invalid(format!(
                        "Cannot cast value {} to type {}",
                        self.text_of(value),
                        super::text::type_text(to, &receiver.keyspace)
                    )));
                }
                if !self.test_value(expr, ty)?.is_assignable() {
                    return Err(Error::invalid(format!(
                        "Cannot assign value {} to {} of type {ty}",
                        self.text_of(expr),
                        receiver.name
                    )));
                }
                self.value(value, receiver)
            }
            ExprKind::Call { .. } | ExprKind::Cast { .. } | ExprKind::Binary { .. } | ExprKind::Negate(_) => {
                self.call(expr, receiver)
            }
            ExprKind::Column(_)
            | ExprKind::CountRows
            | ExprKind::Field { .. }
            | ExprKind::Element { .. }
            | ExprKind::Slice { .. }
            | ExprKind::CellMeta { .. } => Err(self.only_in_selections(expr)),
        }
    }

    /// The elements of a list or set, each checked before any is compiled.
    fn elements(&mut self, kind: &str, elements: &[Expr], receiver: &Receiver) -> Result<Vec<Term>> {
        let part = receiver.value();
        for element in elements {
            self.check_part(kind, "value", element, receiver, &part)?;
        }
        let mut terms = Vec::with_capacity(elements.len());
        for element in elements {
            let term = self.value(element, &part)?;
            refuse_marker(kind, &term, receiver)?;
            terms.push(term);
        }
        Ok(terms)
    }

    fn check_part(
        &self,
        kind: &str,
        role: &str,
        expr: &Expr,
        receiver: &Receiver,
        part: &Receiver,
    ) -> Result<()> {
        if self.test_value(expr, &part.column_type)?.is_assignable() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Invalid {kind} literal for {}: {role} {} is not of type {}",
            receiver.name,
            self.text_of(expr),
            part.column_type
        )))
    }

    fn vector(&mut self, elements: &[Expr], dimension: u32, receiver: &Receiver) -> Result<Term> {
        let ty = &receiver.column_type;
        if usize::try_from(dimension).is_ok_and(|dimension| dimension != elements.len()) {
            return Err(Error::invalid(format!(
                "Invalid vector literal for {} of type {ty}; expected {dimension} elements, but given {}",
                receiver.name,
                elements.len()
            )));
        }
        let part = receiver.value();
        let mut terms = Vec::with_capacity(elements.len());
        for element in elements {
            self.check_part("vector", "value", element, receiver, &part)?;
            terms.push(self.value(element, &part)?);
        }
        folded(Node::Vector(terms), ty)
    }

    fn map(&mut self, entries: &[(Expr, Expr)], receiver: &Receiver) -> Result<Term> {
        if !matches!(receiver.column_type, CqlType::Map { .. }) {
            return Err(misfit("map", receiver));
        }
        let (key_receiver, value_receiver) = (receiver.key(), receiver.value());
        for (key, value) in entries {
            self.check_part("map", "key", key, receiver, &key_receiver)?;
            self.check_part("map", "value", value, receiver, &value_receiver)?;
        }
        let mut terms = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let entry = (self.value(key, &key_receiver)?, self.value(value, &value_receiver)?);
            refuse_marker("map", &entry.0, receiver)?;
            refuse_marker("map", &entry.1, receiver)?;
            terms.push(entry);
        }
        folded(Node::Map { entries: terms, nullable: false }, &receiver.column_type)
    }

    fn udt(&mut self, fields: &[(Name, Expr)], receiver: &Receiver) -> Result<Term> {
        let CqlType::Udt { definition, .. } = &receiver.column_type else {
            return Err(misfit("user type", receiver));
        };
        if let Some((field, field_type)) = self.find_misfit(definition, fields)? {
            return Err(Error::invalid(format!(
                "Invalid user type literal for {}: field {field} is not of type {field_type}",
                receiver.name
            )));
        }
        let mut terms = Vec::with_capacity(definition.fields.len());
        for (i, (name, field_type)) in definition.fields.iter().enumerate() {
            // Written twice, the last one counts.
            let written = fields.iter().rev().find(|(field, _)| field.text == **name);
            let part = receiver.field(definition, i);
            terms.push(match (written, part) {
                (Some((_, value)), Some(part)) => self.value(value, &part)?,
                _ => Term::new(Node::Null, field_type.clone()),
            });
        }
        if let Some((unknown, _)) =
            fields.iter().find(|(field, _)| definition.field_index(&field.text).is_none())
        {
            return Err(Error::invalid(format!(
                "Unknown field '{}' in value of user defined type {}",
                unknown.text, definition.name
            )));
        }
        folded(Node::Tuple(terms), &receiver.column_type)
    }

    fn tuple(&mut self, elements: &[Expr], types: &[CqlType], receiver: &Receiver) -> Result<Term> {
        for (i, element) in elements.iter().enumerate() {
            let Some(component) = types.get(i) else {
                return Err(Error::invalid(format!(
                    "Invalid tuple literal for {}: too many elements. Type {} expects {} but got {}",
                    receiver.name,
                    receiver.column_type,
                    types.len(),
                    elements.len()
                )));
            };
            if !self.test_value(element, component)?.is_assignable() {
                return Err(Error::invalid(format!(
                    "Invalid tuple literal for {}: component {i} is not of type {component}",
                    receiver.name
                )));
            }
        }
        let mut terms = Vec::with_capacity(elements.len());
        for (i, (element, component)) in elements.iter().zip(types).enumerate() {
            terms.push(self.value(element, &receiver.component(i, component.clone()))?);
        }
        folded(Node::Tuple(terms), &receiver.column_type)
    }

    /// A function, an operator or a CAST.
    fn call(&mut self, expr: &Expr, receiver: &Receiver) -> Result<Term> {
        let ty = &receiver.column_type;
        let call = self.call_parts(expr);
        let Some(function) = self.choose(expr, Some(ty))? else {
            return Err(Error::invalid(format!("Unknown function {} called", call.name)));
        };
        if matches!(function.kind, FunctionKind::Aggregate(_)) {
            return Err(Error::invalid("Aggregation function are not supported in the where clause"));
        }
        if !function.can_return_to(ty) {
            return Err(Error::invalid(match function.operator() {
                Some(sign) => format!(
                    "Type error: cannot assign result of operation {sign} (type {}) to {} (type {ty})",
                    function.returns, receiver.name
                ),
                None => format!(
                    "Type error: cannot assign result of function {} (type {}) to {} (type {ty})",
                    function.full_name(),
                    function.returns,
                    receiver.name
                ),
            }));
        }
        if function.arguments.len() != call.arguments.len() {
            return Err(Error::invalid(format!(
                "Incorrect number of arguments specified for function {function} (expected {}, found {})",
                function.arguments.len(),
                call.arguments.len()
            )));
        }
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (i, argument) in call.arguments.into_iter().enumerate() {
            let Some(place) = function.argument_receiver(i, &receiver.keyspace, &receiver.table) else {
                break;
            };
            arguments.push(self.value(argument, &place)?);
        }
        let returns = function.returns.clone();
        folded(Node::Call { function, arguments }, &returns)
    }
}

fn misfit(kind: &str, receiver: &Receiver) -> Error {
    Error::invalid(format!("Invalid {kind} literal for {} of type {}", receiver.name, receiver.column_type))
}

fn refuse_marker(kind: &str, term: &Term, receiver: &Receiver) -> Result<()> {
    if term.has_bind() {
        return Err(Error::invalid(format!(
            "Invalid {kind} literal for {}: bind variables are not supported inside collection literals",
            receiver.name
        )));
    }
    Ok(())
}

/// A term that is evaluated now where nothing in it changes. A call that fails fails again when it is executed, which
/// is where Cassandra reports it; a literal that fails is reported now.
pub(super) fn folded(node: Node, ty: &CqlType) -> Result<Term> {
    Term::new(node, ty.clone()).fold()
}
