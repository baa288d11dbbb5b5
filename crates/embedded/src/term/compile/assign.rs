//! Whether an expression without columns fits a receiver, before it is compiled for it.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::UserType;
use ilium_cql::ast::{Expr, ExprKind, Name};
use ilium_cql::types::Assignment;
use ilium_store::{Error, Result};

use ilium_cql::value::text;

use super::{Argument, Compiler, parts};

/// An expression without columns, as a function's argument.
pub(super) struct ValueArgument<'a> {
    pub compiler: &'a Compiler<'a>,
    pub expr: &'a Expr,
}

impl Argument for ValueArgument<'_> {
    fn test(&self, receiver: &CqlType) -> Result<Assignment> {
        self.compiler.test_value(self.expr, receiver)
    }

    fn compatible_type(&self) -> Result<Option<CqlType>> {
        self.compiler.compatible_type_of(self.expr)
    }

    fn natural_type(&self) -> Result<Option<CqlType>> {
        let mut inner = self.expr;
        while let ExprKind::Tuple(parts) = &inner.kind
            && let [only] = parts.as_slice()
        {
            inner = only;
        }
        self.compiler.compatible_type_of(inner)
    }

    fn text(&self) -> String {
        self.compiler.text_of(self.expr)
    }

    fn is_marker(&self) -> bool {
        matches!(self.expr.kind, ExprKind::Bind { .. })
    }
}

impl Compiler<'_> {
    /// `Term.Raw.testAssignment`.
    pub(super) fn test_value(&self, expr: &Expr, receiver: &CqlType) -> Result<Assignment> {
        let test = |part: &Expr, receiver: &CqlType| self.test_value(part, receiver);
        match &expr.kind {
            ExprKind::Literal(constant) => Ok(text::test_assignment(receiver, constant)),
            ExprKind::Null => {
                Ok(if receiver.is_counter() { Assignment::NotAssignable } else { Assignment::Weak })
            }
            ExprKind::Bind { .. } => Ok(Assignment::Weak),
            ExprKind::List(elements) => match receiver {
                CqlType::Vector { element, dimension } => {
                    if usize::try_from(*dimension).is_ok_and(|dimension| dimension == elements.len()) {
                        parts::test_all(elements, |part| test(part, element))
                    } else {
                        Ok(Assignment::NotAssignable)
                    }
                }
                CqlType::List { .. } => parts::test_list(receiver, elements, test),
                other => Err(not_array(other)),
            },
            ExprKind::Set(elements) => parts::test_set(receiver, elements, test),
            ExprKind::Map(entries) => parts::test_map(receiver, entries, test),
            ExprKind::Udt(fields) => Ok(match receiver {
                CqlType::Udt { definition, .. } => match self.find_misfit(definition, fields)? {
                    None => Assignment::Weak,
                    Some(_) => Assignment::NotAssignable,
                },
                _ => Assignment::NotAssignable,
            }),
            ExprKind::Tuple(elements) => match (receiver, elements.as_slice()) {
                (CqlType::Tuple(types), _) => parts::test_tuple(types, elements, test),
                // The grammar cannot tell a tuple of one from a value in parentheses.
                (_, [only]) => self.test_value(only, receiver),
                _ => Ok(Assignment::NotAssignable),
            },
            ExprKind::TypeHint { to, .. } => {
                let hinted = self.resolve_type(to)?;
                Ok(if *receiver == hinted {
                    Assignment::Exact
                } else if receiver.is_value_compatible_with(&hinted) {
                    Assignment::Weak
                } else {
                    Assignment::NotAssignable
                })
            }
            ExprKind::Call { .. } | ExprKind::Cast { .. } | ExprKind::Binary { .. } | ExprKind::Negate(_) => {
                // One that cannot be resolved fails with a better message when it is compiled.
                let Ok(Some(function)) = self.choose(expr, Some(receiver)) else {
                    return Ok(Assignment::Weak);
                };
                Ok(if function.is_from_factory() {
                    Assignment::Weak
                } else if *receiver == function.returns {
                    Assignment::Exact
                } else if receiver.is_value_compatible_with(&function.returns) {
                    Assignment::Weak
                } else {
                    Assignment::NotAssignable
                })
            }
            ExprKind::Column(_)
            | ExprKind::CountRows
            | ExprKind::Field { .. }
            | ExprKind::Element { .. }
            | ExprKind::Slice { .. }
            | ExprKind::CellMeta { .. } => Err(self.only_in_selections(expr)),
        }
    }

    /// The first field whose value does not fit.
    pub(super) fn find_misfit(
        &self,
        definition: &UserType,
        fields: &[(Name, Expr)],
    ) -> Result<Option<(Arc<str>, CqlType)>> {
        for (name, field_type) in &definition.fields {
            if let Some((_, value)) = fields.iter().rev().find(|(field, _)| field.text == **name)
                && !self.test_value(value, field_type)?.is_assignable()
            {
                return Ok(Some((Arc::clone(name), field_type.clone())));
            }
        }
        Ok(None)
    }

    /// The one type an expression can have, if that is known without a receiver (`Term.Raw.getExactTypeIfKnown`).
    pub(super) fn exact_type_of(&self, expr: &Expr) -> Result<Option<CqlType>> {
        match &expr.kind {
            ExprKind::Set(elements) => parts::exact_set(elements, |part| self.exact_type_of(part)),
            ExprKind::Map(entries) => parts::exact_map(entries, |part| self.exact_type_of(part)),
            ExprKind::Tuple(elements) => parts::exact_tuple(elements, |part| self.exact_type_of(part)),
            ExprKind::TypeHint { to, .. } => self.resolve_type(to).map(Some),
            ExprKind::Call { .. } | ExprKind::Cast { .. } | ExprKind::Binary { .. } | ExprKind::Negate(_) => {
                Ok(self.choose(expr, None).ok().flatten().map(|function| function.returns.clone()))
            }
            _ => Ok(None),
        }
    }

    /// A type that can hold the expression, if one is known without a receiver
    /// (`AssignmentTestable.getCompatibleTypeIfKnown`).
    pub(super) fn compatible_type_of(&self, expr: &Expr) -> Result<Option<CqlType>> {
        match &expr.kind {
            ExprKind::Literal(constant) => Ok(Some(text::preferred_type(constant))),
            ExprKind::Set(elements) => parts::compatible_set(elements, |part| self.compatible_type_of(part)),
            ExprKind::Map(entries) => parts::compatible_map(entries, |part| self.compatible_type_of(part)),
            _ => self.exact_type_of(expr),
        }
    }

    pub(super) fn only_in_selections(&self, expr: &Expr) -> Error {
        Error::syntax(format!("{} is only allowed in the selection clause of SELECT", self.text_of(expr)))
    }
}

/// `[...]` for something that is neither a list nor a vector.
pub(super) fn not_array(receiver: &CqlType) -> Error {
    Error::invalid(format!("Unexpected receiver type '{receiver}'; only list and vector are expected"))
}
