//! Expressions of a selection, their functions chosen but not yet compiled (Cassandra's `Selectable`).

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{CellMeta, Expr, ExprKind, Name, QualifiedName};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::types::Assignment;
use ilium_store::{Error, Result};

use super::text::{qualified, type_text};
use super::{Argument, Compiler, parts};
use crate::term::function::{self, Function, Lookup};

pub(super) enum Selectable<'e> {
    /// A literal, NULL or a marker.
    Value(&'e Expr),
    Column(usize),
    Call {
        function: Arc<Function>,
        arguments: Vec<Selectable<'e>>,
    },
    Cast {
        of: Box<Selectable<'e>>,
        to: CqlType,
        function: String,
    },
    Field {
        of: Box<Selectable<'e>>,
        field: &'e Name,
    },
    /// A tuple, or a value in parentheses: the grammar cannot tell them apart.
    Tuple(Vec<Selectable<'e>>),
    Array(Vec<Selectable<'e>>),
    Set(Vec<Selectable<'e>>),
    /// A map, or a user-defined type whose fields look like columns.
    MapOrUdt(Vec<(Key<'e>, Selectable<'e>)>),
    Hint {
        text: String,
        to: CqlType,
        of: Box<Selectable<'e>>,
    },
    Element {
        of: Box<Selectable<'e>>,
        key: &'e Expr,
    },
    Slice {
        of: Box<Selectable<'e>>,
        from: Option<&'e Expr>,
        to: Option<&'e Expr>,
    },
    Meta {
        what: CellMeta,
        column: usize,
        of: Box<Selectable<'e>>,
    },
}

/// Before a colon.
pub(super) enum Key<'e> {
    Identifier(&'e Name),
    Other(Selectable<'e>),
}

pub(super) fn meta_name(what: CellMeta) -> &'static str {
    match what {
        CellMeta::WriteTime => "writetime",
        CellMeta::MaxWriteTime => "maxwritetime",
        CellMeta::Ttl => "ttl",
    }
}

pub(super) fn meta_type(what: CellMeta, multi_cell: bool) -> CqlType {
    let one = match what {
        CellMeta::Ttl => CqlType::Int,
        CellMeta::WriteTime | CellMeta::MaxWriteTime => CqlType::Bigint,
    };
    if multi_cell && what != CellMeta::MaxWriteTime {
        CqlType::List { element: Arc::new(one), frozen: true }
    } else {
        one
    }
}

/// An expression of a selection, as a function's argument.
struct SelectableArgument<'a> {
    compiler: &'a Compiler<'a>,
    selectable: &'a Selectable<'a>,
}

impl Argument for SelectableArgument<'_> {
    fn test(&self, receiver: &CqlType) -> Result<Assignment> {
        self.compiler.test_selectable(self.selectable, receiver)
    }

    fn compatible_type(&self) -> Result<Option<CqlType>> {
        self.compiler.compatible_type(self.selectable)
    }

    fn text(&self) -> String {
        self.compiler.selectable_text(self.selectable)
    }

    fn array_len(&self) -> Option<usize> {
        match self.selectable {
            Selectable::Array(elements) => Some(elements.len()),
            _ => None,
        }
    }
}

impl Compiler<'_> {
    pub(super) fn selectable<'e>(&self, expr: &'e Expr) -> Result<Selectable<'e>> {
        let boxed = |expr: &'e Expr| self.selectable(expr).map(Box::new);
        let all =
            |parts: &'e [Expr]| parts.iter().map(|part| self.selectable(part)).collect::<Result<Vec<_>>>();
        Ok(match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Null | ExprKind::Bind { .. } => Selectable::Value(expr),
            ExprKind::Column(name) => Selectable::Column(self.column(name)?),
            ExprKind::List(elements) => Selectable::Array(all(elements)?),
            ExprKind::Set(elements) => Selectable::Set(all(elements)?),
            ExprKind::Tuple(elements) => Selectable::Tuple(all(elements)?),
            ExprKind::Udt(fields) => {
                let field =
                    |(name, value): &'e (Name, Expr)| Ok((Key::Identifier(name), self.selectable(value)?));
                Selectable::MapOrUdt(fields.iter().map(field).collect::<Result<_>>()?)
            }
            ExprKind::Map(entries) => {
                let entry = |(key, value): &'e (Expr, Expr)| {
                    let key = match &key.kind {
                        ExprKind::Column(name) => Key::Identifier(name),
                        _ => Key::Other(self.selectable(key)?),
                    };
                    Ok((key, self.selectable(value)?))
                };
                Selectable::MapOrUdt(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            ExprKind::Call { function, arguments } => self.selected_call(function, arguments)?,
            ExprKind::CountRows => self.selected(None, "count_rows", "system.count_rows", Vec::new())?,
            ExprKind::Binary { operator, left, right } => {
                let arguments = vec![self.selectable(left)?, self.selectable(right)?];
                let name = function::operation_name(*operator);
                self.selected(None, name, &format!("system.{name}"), arguments)?
            }
            ExprKind::Negate(value) => {
                let name = function::NEGATION;
                self.selected(None, name, &format!("system.{name}"), vec![self.selectable(value)?])?
            }
            ExprKind::Cast { value, to } => Selectable::Cast {
                of: boxed(value)?,
                to: self.resolve_type(to)?,
                function: super::call::cast_name(to, &self.table.keyspace),
            },
            ExprKind::TypeHint { to, value } => {
                let of = boxed(value)?;
                let hinted = self.resolve_type(to)?;
                Selectable::Hint { text: type_text(to, &self.table.keyspace), to: hinted.freeze(), of }
            }
            ExprKind::Field { of, field } => Selectable::Field { of: boxed(of)?, field },
            ExprKind::Element { of, key } => Selectable::Element { of: boxed(of)?, key },
            ExprKind::Slice { of, from, to } => {
                Selectable::Slice { of: boxed(of)?, from: from.as_deref(), to: to.as_deref() }
            }
            ExprKind::CellMeta { what, of } => {
                let of = boxed(of)?;
                let Some(column) = base_column(&of) else {
                    return Err(Error::syntax(format!(
                        "{} takes a column, or a field, element or slice of one",
                        meta_name(*what)
                    )));
                };
                Selectable::Meta { what: *what, column, of }
            }
        })
    }

    pub(super) fn column(&self, name: &Name) -> Result<usize> {
        self.table.column_index(&name.text).ok_or_else(|| {
            Error::invalid(format!(
                "Undefined column name {} in table {}.{}",
                quote_if_needed(&name.text),
                quote_if_needed(&self.table.keyspace),
                quote_if_needed(&self.table.name)
            ))
        })
    }

    fn selected_call<'e>(&self, name: &'e QualifiedName, arguments: &'e [Expr]) -> Result<Selectable<'e>> {
        let keyspace = name.keyspace.as_ref().map(|keyspace| keyspace.text.as_str());
        let native = keyspace.is_none_or(|keyspace| keyspace == function::NATIVE_KEYSPACE);
        // `count(1)` counts rows: any literal would fit every overload.
        if let ("count", true, [Expr { kind: ExprKind::Literal(_), .. }]) =
            (name.name.text.as_str(), native, arguments)
        {
            return self.selected(None, "count_rows", "system.count_rows", Vec::new());
        }
        let arguments = arguments.iter().map(|part| self.selectable(part)).collect::<Result<_>>()?;
        self.selected(keyspace, &name.name.text, &qualified(name), arguments)
    }

    fn selected<'e>(
        &self,
        keyspace: Option<&str>,
        name: &str,
        shown: &str,
        arguments: Vec<Selectable<'e>>,
    ) -> Result<Selectable<'e>> {
        let chosen = self.choose_for(keyspace, name, shown, &arguments)?;
        match chosen {
            Some(function) => Ok(Selectable::Call { function, arguments }),
            None => Err(Error::invalid(format!("Unknown function '{shown}'"))),
        }
    }

    pub(super) fn choose_for(
        &self,
        keyspace: Option<&str>,
        name: &str,
        shown: &str,
        arguments: &[Selectable<'_>],
    ) -> Result<Option<Arc<Function>>> {
        let arguments: Vec<SelectableArgument<'_>> =
            arguments.iter().map(|selectable| SelectableArgument { compiler: self, selectable }).collect();
        let arguments: Vec<&dyn Argument> = arguments.iter().map(|argument| argument as _).collect();
        let table = Some(self.table);
        function::resolve(&Lookup { keyspace, name, shown, arguments: &arguments, receiver: None, table })
    }

    /// `Selectable.testAssignment`.
    pub(super) fn test_selectable(
        &self,
        selectable: &Selectable<'_>,
        receiver: &CqlType,
    ) -> Result<Assignment> {
        let test = |part: &Selectable<'_>, receiver: &CqlType| self.test_selectable(part, receiver);
        match selectable {
            Selectable::Value(expr) => self.test_value(expr, receiver),
            Selectable::Tuple(elements) => match (elements.as_slice(), parts::tuple_types(receiver)) {
                ([only], _) if !receiver.is_tuple() => self.test_selectable(only, receiver),
                (_, Some(types)) => parts::test_tuple(&types, elements, test),
                (_, None) => Ok(Assignment::NotAssignable),
            },
            Selectable::Array(elements) => match receiver {
                CqlType::Vector { .. } if elements.is_empty() => Ok(Assignment::Weak),
                CqlType::Vector { element, .. } => parts::test_all(elements, |part| test(part, element)),
                CqlType::List { .. } => parts::test_list(receiver, elements, test),
                other => Err(Error::invalid(format!("Unsupported target type: {other}"))),
            },
            Selectable::Set(elements) => parts::test_set(receiver, elements, test),
            Selectable::MapOrUdt(entries) => match receiver {
                CqlType::Udt { definition, .. } => {
                    let mut fit = Assignment::Weak;
                    for (key, value) in entries {
                        let field = self.field_type(definition, key)?;
                        if !test(value, field)?.is_assignable() {
                            fit = Assignment::NotAssignable;
                        }
                    }
                    Ok(fit)
                }
                CqlType::Map { key: key_type, value: value_type, .. } => {
                    parts::test_all(entries, |(key, value)| {
                        let key = match key {
                            Key::Identifier(name) => test(&Selectable::Column(self.column(name)?), key_type)?,
                            Key::Other(key) => test(key, key_type)?,
                        };
                        Ok(key.min(test(value, value_type)?))
                    })
                }
                _ => Ok(Assignment::NotAssignable),
            },
            Selectable::Hint { to, .. } => Ok(if receiver == to {
                Assignment::Exact
            } else if receiver.is_value_compatible_with(to) {
                Assignment::Weak
            } else {
                Assignment::NotAssignable
            }),
            other => Ok(self
                .exact_type(other)?
                .map_or(Assignment::NotAssignable, |exact| exact.test_assignment(receiver))),
        }
    }

    /// The type of a user-defined type's field that `key` names.
    pub(super) fn field_type<'t>(
        &self,
        definition: &'t ilium_cql::UserType,
        key: &Key<'_>,
    ) -> Result<&'t CqlType> {
        let name = match key {
            Key::Identifier(name) => name,
            Key::Other(other) => {
                return Err(Error::invalid(format!(
                    "{} is not a valid field identifier of type {}",
                    self.selectable_text(other),
                    definition.name
                )));
            }
        };
        definition.fields.iter().find(|(field, _)| **field == *name.text).map(|(_, ty)| ty).ok_or_else(|| {
            Error::invalid(format!(
                "Unknown field '{}' in value of user defined type {}",
                name.text, definition.name
            ))
        })
    }

    /// `Selectable.getExactTypeIfKnown`.
    pub(super) fn exact_type(&self, selectable: &Selectable<'_>) -> Result<Option<CqlType>> {
        let exact = |part: &Selectable<'_>| self.exact_type(part);
        Ok(match selectable {
            Selectable::Value(expr) => self.exact_type_of(expr)?,
            Selectable::Column(column) => self.column_type(*column).cloned(),
            Selectable::Call { function, .. } => Some(function.returns.clone()),
            Selectable::Cast { to, .. } | Selectable::Hint { to, .. } => Some(to.clone()),
            Selectable::Field { of, field } => match exact(of)? {
                Some(CqlType::Udt { definition, .. }) => definition
                    .fields
                    .iter()
                    .find(|(name, _)| **name == *field.text)
                    .map(|(_, field_type)| field_type.clone()),
                _ => None,
            },
            Selectable::Tuple(elements) if elements.len() == 1 => None,
            Selectable::Tuple(elements) => parts::exact_tuple(elements, exact)?,
            Selectable::Array(elements) => {
                parts::exact_element(elements, exact)?.map(|element| CqlType::List { element, frozen: true })
            }
            Selectable::Set(elements) => parts::exact_set(elements, exact)?,
            Selectable::MapOrUdt(_) => None,
            Selectable::Element { of, .. } => match exact(of)? {
                Some(CqlType::Set { element, .. }) => Some(CqlType::clone(&element)),
                Some(CqlType::Map { value, .. }) => Some(CqlType::clone(&value)),
                // It has none, which is said when it is compiled; until then it counts as what lists are sorted by.
                Some(CqlType::List { .. }) => Some(CqlType::Timeuuid),
                _ => None,
            },
            Selectable::Slice { of, .. } => exact(of)?.filter(CqlType::is_collection),
            Selectable::Meta { what, of, .. } => {
                let multi_cell = exact(of)?.is_some_and(|ty| ty.is_multi_cell());
                Some(meta_type(*what, multi_cell))
            }
        })
    }

    /// `Selectable.getCompatibleTypeIfKnown`.
    fn compatible_type(&self, selectable: &Selectable<'_>) -> Result<Option<CqlType>> {
        let compatible = |part: &Selectable<'_>| self.compatible_type(part);
        match selectable {
            Selectable::Value(expr) => self.compatible_type_of(expr),
            Selectable::Tuple(elements) if elements.len() > 1 => parts::exact_tuple(elements, compatible),
            Selectable::Array(elements) => {
                let element = parts::compatible_element(elements.iter(), compatible)?;
                Ok(element.map(|element| CqlType::List { element, frozen: true }))
            }
            Selectable::Set(elements) => parts::compatible_set(elements, compatible),
            other => self.exact_type(other),
        }
    }

    pub(super) fn column_type(&self, column: usize) -> Option<&CqlType> {
        self.table.columns.get(column).map(|column| &column.column_type)
    }

    /// As messages show it (`Selectable.toString`).
    pub(super) fn selectable_text(&self, selectable: &Selectable<'_>) -> String {
        let all = |parts: &[Selectable<'_>]| {
            parts.iter().map(|part| self.selectable_text(part)).collect::<Vec<_>>()
        };
        match selectable {
            Selectable::Value(expr) => self.text_of(expr),
            Selectable::Column(column) => {
                self.table.columns.get(*column).map(|column| column.name.to_string()).unwrap_or_default()
            }
            Selectable::Call { function, arguments } => function.column_name(&all(arguments)),
            Selectable::Cast { of, to, .. } => format!("cast({} as {to})", self.selectable_text(of)),
            Selectable::Field { of, field } => format!("{}.{}", self.selectable_text(of), field.text),
            Selectable::Tuple(elements) => format!("({})", all(elements).join(", ")),
            Selectable::Array(elements) => format!("[{}]", all(elements).join(", ")),
            Selectable::Set(elements) => format!("{{{}}}", all(elements).join(", ")),
            Selectable::MapOrUdt(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| {
                        let key = match key {
                            Key::Identifier(name) => name.text.clone(),
                            Key::Other(key) => self.selectable_text(key),
                        };
                        format!("{key}: {}", self.selectable_text(value))
                    })
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            Selectable::Hint { text, of, .. } => format!("({text}){}", self.selectable_text(of)),
            Selectable::Element { of, key } => {
                format!("{}[{}]", self.selectable_text(of), self.text_of(key))
            }
            Selectable::Slice { of, from, to } => {
                let end = |end: &Option<&Expr>| end.map(|end| self.text_of(end)).unwrap_or_default();
                format!("{}[{}..{}]", self.selectable_text(of), end(from), end(to))
            }
            Selectable::Meta { what, of, .. } => {
                format!("{}({})", meta_name(*what), self.selectable_text(of))
            }
        }
    }
}

fn base_column(selectable: &Selectable<'_>) -> Option<usize> {
    match selectable {
        Selectable::Column(column) => Some(*column),
        Selectable::Field { of, .. } | Selectable::Element { of, .. } | Selectable::Slice { of, .. } => {
            base_column(of)
        }
        _ => None,
    }
}
