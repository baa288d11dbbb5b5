//! Expressions of a selection, compiled (Cassandra's `Selectable.newSelectorFactory`).

use std::sync::Arc;

use ilium_cql::ast::Expr;
use ilium_cql::schema::ColumnKind;
use ilium_cql::{CqlType, UserType};
use ilium_store::{Error, Result};

use super::selectable::{Key, Selectable, meta_name, meta_type};
use super::{Compiler, value};
use crate::term::function::Function;
use crate::term::marker::Receiver;
use crate::term::node::{AggregateCall, Node, Selector, Term};

impl Compiler<'_> {
    pub(super) fn build(
        &mut self,
        selectable: Selectable<'_>,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        match selectable {
            Selectable::Value(expr) => {
                let Some(ty) = self.exact_type_of(expr)?.or_else(|| expected.cloned()) else {
                    return Err(cannot_infer(&self.text_of(expr)));
                };
                let receiver = Receiver::named(self.table, "[selection]", ty);
                let term = self.value(expr, &receiver)?;
                Ok(Selector { term, name: self.text_of(expr) })
            }
            Selectable::Column(index) => {
                let Some(column) = self.table.columns.get(index) else {
                    return Err(Error::internal(format!("there is no column number {index}")));
                };
                let term = Term::new(Node::Column(index), column.column_type.clone());
                Ok(Selector { term, name: column.name.to_string() })
            }
            Selectable::Call { function, arguments } => self.build_call(function, arguments),
            Selectable::Cast { of, to, function } => self.build_cast(*of, to, &function),
            Selectable::Field { of, field } => self.build_field(*of, &field.text),
            Selectable::Tuple(elements) => self.build_tuple(elements, expected),
            Selectable::Array(elements) => match expected {
                Some(CqlType::Vector { .. }) => self.build_vector(elements, expected),
                None | Some(CqlType::List { .. }) => self.build_list(elements, expected),
                Some(other) => Err(Error::invalid(format!("Unsupported target type: {other}"))),
            },
            Selectable::Set(elements) => self.build_set(elements, expected),
            Selectable::MapOrUdt(entries) => match expected {
                Some(CqlType::Udt { definition, .. }) => self.build_udt(entries, definition, expected),
                Some(CqlType::Map { key, value, .. }) => self.build_map(entries, key, value, expected),
                Some(other) => Err(Error::invalid(format!(
                    "{} cannot be of type {other}",
                    self.selectable_text(&Selectable::MapOrUdt(entries))
                ))),
                None => Err(cannot_infer(&self.selectable_text(&Selectable::MapOrUdt(entries)))),
            },
            Selectable::Hint { text, to, of } => {
                if !self.test_selectable(&of, &to)?.is_assignable() {
                    let shown = format!("({text}){}", self.selectable_text(&of));
                    return Err(Error::invalid(format!(
                        "Cannot assign value {shown} to {shown} of type {to}"
                    )));
                }
                let mut selector = self.build(*of, Some(&to))?;
                selector.term.result_type = to;
                selector.name = format!("({text}){}", selector.name);
                Ok(selector)
            }
            Selectable::Element { of, key } => self.build_element(*of, key),
            Selectable::Slice { of, from, to } => self.build_slice(*of, from, to, expected),
            Selectable::Meta { what, column, of } => {
                let base = self.table.columns.get(column);
                if let Some(base) = base
                    && matches!(base.kind, ColumnKind::PartitionKey | ColumnKind::Clustering)
                {
                    return Err(Error::invalid(format!(
                        "Cannot use selection function {} on PRIMARY KEY part {}",
                        meta_name(what),
                        base.name
                    )));
                }
                let of = self.build(*of, None)?;
                let ty = meta_type(what, of.term.result_type.is_multi_cell());
                let name = format!("{}({})", meta_name(what), of.name);
                Ok(Selector { term: Term::new(Node::CellMeta { what, of: Box::new(of.term) }, ty), name })
            }
        }
    }

    fn build_all<'e>(
        &mut self,
        parts: impl IntoIterator<Item = Selectable<'e>>,
        expected: impl Fn(usize) -> Option<CqlType>,
    ) -> Result<(Vec<Term>, Vec<String>)> {
        let mut built = (Vec::new(), Vec::new());
        for (i, part) in parts.into_iter().enumerate() {
            let selector = self.build(part, expected(i).as_ref())?;
            built.0.push(selector.term);
            built.1.push(selector.name);
        }
        Ok(built)
    }

    fn build_call(&mut self, function: Arc<Function>, arguments: Vec<Selectable<'_>>) -> Result<Selector> {
        let expected = |i: usize| function.arguments.get(i).cloned();
        let (mut terms, names) = self.build_all(arguments, expected)?;
        let name = function.column_name(&names);
        let ty = function.returns.clone();
        if !function.is_aggregate() {
            let term = value::folded(Node::Call { function, arguments: terms }, &ty)?;
            return Ok(Selector { term, name });
        }
        if terms.iter().any(Term::has_aggregate) {
            return Err(Error::invalid(
                "aggregate functions cannot be used as arguments of aggregate functions",
            ));
        }
        let call = AggregateCall { function, argument: terms.pop() };
        let pure = call.argument.as_ref().is_none_or(Term::is_pure);
        let slot = match self.aggregates.iter().position(|known| pure && *known == call) {
            Some(slot) => slot,
            None => {
                self.aggregates.push(call);
                self.aggregates.len() - 1
            }
        };
        Ok(Selector { term: Term::new(Node::Aggregate(slot), ty), name })
    }

    fn build_cast(&mut self, of: Selectable<'_>, to: CqlType, function: &str) -> Result<Selector> {
        let of = [of];
        let text = self.selectable_text(&of[0]);
        let chosen = self.choose_for(None, function, &format!("system.{function}"), &of);
        let [of] = of;
        let built = self.build(of, None)?;
        if built.term.result_type == to {
            return Ok(built);
        }
        let Some(function) = chosen? else {
            let to = function.trim_start_matches("cast_as_");
            return Err(Error::invalid(format!("{text} cannot be cast to {to}")));
        };
        let name = function.column_name(&[built.name]);
        let ty = function.returns.clone();
        let term = value::folded(Node::Call { function, arguments: vec![built.term] }, &ty)?;
        Ok(Selector { term, name })
    }

    fn build_field(&mut self, of: Selectable<'_>, field: &str) -> Result<Selector> {
        let text = self.selectable_text(&of);
        let expected = match &of {
            Selectable::Tuple(elements) => match elements.first() {
                Some(first) => self.exact_type(first)?,
                None => None,
            },
            _ => None,
        };
        let built = self.build(of, expected.as_ref())?;
        let ty = &built.term.result_type;
        let CqlType::Udt { definition, .. } = ty else {
            return Err(Error::invalid(format!(
                "Invalid field selection: {text} of type {ty} is not a user type"
            )));
        };
        let found = definition.fields.iter().enumerate().find(|(_, (name, _))| **name == *field);
        let Some((index, (_, field_type))) = found else {
            return Err(Error::invalid(format!("{text} of type {ty} has no field {field}")));
        };
        let field_type = field_type.clone();
        let name = format!("{}.{field}", built.name);
        let node = Node::Field { of: Box::new(built.term), field: index };
        Ok(Selector { term: Term::new(node, field_type), name })
    }

    fn build_tuple(
        &mut self,
        mut elements: Vec<Selectable<'_>>,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        let exact = match elements.as_slice() {
            [_] => None,
            _ => super::parts::exact_tuple(&elements, |part| self.exact_type(part))?,
        };
        let Some(ty) = exact.or_else(|| expected.cloned()) else {
            return Err(cannot_infer(&self.selectable_text(&Selectable::Tuple(elements))));
        };
        if elements.len() == 1
            && !ty.is_tuple()
            && let Some(only) = elements.pop()
        {
            let mut inner = self.build(only, expected)?;
            inner.name = format!("({})", inner.name);
            return Ok(inner);
        }
        let Some(types) = super::parts::tuple_types(&ty) else {
            let text = self.selectable_text(&Selectable::Tuple(elements));
            return Err(Error::invalid(format!("{text} cannot be of type {ty}")));
        };
        let (parts, names) = self.build_all(elements, |i| types.get(i).cloned())?;
        let term = value::folded(Node::Tuple(parts), &ty)?;
        Ok(Selector { term, name: format!("({})", names.join(", ")) })
    }

    fn build_list(&mut self, elements: Vec<Selectable<'_>>, expected: Option<&CqlType>) -> Result<Selector> {
        let exact = super::parts::exact_element(&elements, |part| self.exact_type(part))?
            .map(|element| CqlType::List { element, frozen: true });
        let Some(ty) = exact.or_else(|| expected.cloned()) else {
            return Err(cannot_infer(&self.selectable_text(&Selectable::Array(elements))));
        };
        let element = match &ty {
            CqlType::List { element, .. } => Some(CqlType::clone(element)),
            _ => None,
        };
        let (parts, names) = self.build_all(elements, |_| element.clone())?;
        let term = value::folded(Node::List { parts, nullable: true }, &ty)?;
        Ok(Selector { term, name: format!("[{}]", names.join(", ")) })
    }

    fn build_vector(
        &mut self,
        elements: Vec<Selectable<'_>>,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        let exact = super::parts::exact_element(&elements, |part| self.exact_type(part))?
            .zip(u32::try_from(elements.len()).ok())
            .map(|(element, dimension)| CqlType::Vector { element, dimension });
        let Some(ty) = exact.or_else(|| expected.cloned()) else {
            return Err(cannot_infer(&self.selectable_text(&Selectable::Array(elements))));
        };
        let element = match &ty {
            CqlType::Vector { element, dimension }
                if usize::try_from(*dimension).is_ok_and(|dimension| dimension == elements.len()) =>
            {
                CqlType::clone(element)
            }
            _ => {
                return Err(Error::invalid(format!(
                    "Unable to create a vector selector of type {ty} from {} elements",
                    elements.len()
                )));
            }
        };
        let (parts, names) = self.build_all(elements, |_| Some(element.clone()))?;
        let term = value::folded(Node::Vector(parts), &ty)?;
        Ok(Selector { term, name: format!("[{}]", names.join(", ")) })
    }

    fn build_set(&mut self, elements: Vec<Selectable<'_>>, expected: Option<&CqlType>) -> Result<Selector> {
        let exact = super::parts::exact_set(&elements, |part| self.exact_type(part))?;
        let Some(ty) = exact.or_else(|| expected.cloned()) else {
            return Err(cannot_infer(&self.selectable_text(&Selectable::Set(elements))));
        };
        let element = match &ty {
            // `{}` is how the empty map is written too.
            CqlType::Map { .. } if elements.is_empty() => {
                let term = value::folded(Node::Map { entries: Vec::new(), nullable: false }, &ty)?;
                return Ok(Selector { term, name: "{}".to_owned() });
            }
            CqlType::Set { element, .. } if **element == CqlType::Duration => {
                return Err(Error::invalid(format!("Durations are not allowed inside sets: {ty}")));
            }
            CqlType::Set { element, .. } => CqlType::clone(element),
            _ => {
                let text = self.selectable_text(&Selectable::Set(elements));
                return Err(Error::invalid(format!("{text} cannot be of type {ty}")));
            }
        };
        let (parts, names) = self.build_all(elements, |_| Some(element.clone()))?;
        let term = value::folded(Node::Set(parts), &ty)?;
        Ok(Selector { term, name: format!("{{{}}}", names.join(", ")) })
    }

    fn build_map(
        &mut self,
        entries: Vec<(Key<'_>, Selectable<'_>)>,
        key_type: &CqlType,
        value_type: &CqlType,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        let ty = expected.cloned().unwrap_or(CqlType::Empty);
        if *key_type == CqlType::Duration {
            return Err(Error::invalid(format!("Durations are not allowed as map keys: {ty}")));
        }
        let (mut terms, mut names) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            let key = match key {
                Key::Identifier(name) => Selectable::Column(self.column(name)?),
                Key::Other(key) => key,
            };
            let key = self.build(key, Some(key_type))?;
            let value = self.build(value, Some(value_type))?;
            names.push(format!("{}: {}", key.name, value.name));
            terms.push((key.term, value.term));
        }
        let term = value::folded(Node::Map { entries: terms, nullable: true }, &ty)?;
        Ok(Selector { term, name: format!("{{{}}}", names.join(", ")) })
    }

    fn build_udt(
        &mut self,
        entries: Vec<(Key<'_>, Selectable<'_>)>,
        definition: &UserType,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        let ty = expected.cloned().unwrap_or(CqlType::Empty);
        let mut fields: Vec<Option<Term>> = vec![None; definition.fields.len()];
        let mut names = Vec::new();
        for (key, value) in entries {
            let field_type = self.field_type(definition, &key)?;
            let Key::Identifier(name) = key else { continue };
            let built = self.build(value, Some(field_type))?;
            names.push(format!("{}: {}", name.text, built.name));
            if let Some(slot) = definition.field_index(&name.text).and_then(|i| fields.get_mut(i)) {
                *slot = Some(built.term);
            }
        }
        let fields = fields
            .into_iter()
            .zip(&definition.fields)
            .map(|(term, (_, field_type))| term.unwrap_or_else(|| Term::new(Node::Null, field_type.clone())))
            .collect();
        let term = value::folded(Node::Tuple(fields), &ty)?;
        Ok(Selector { term, name: format!("{{{}}}", names.join(", ")) })
    }

    /// The key type behind `of[...]`, and what takes a key there.
    fn key_receiver(&self, text: &str, kind: &str, of: &Selector) -> Result<Receiver> {
        let ty = &of.term.result_type;
        let receiver = Receiver::named(self.table, of.name.as_str(), ty.clone());
        match ty {
            CqlType::Set { .. } => Ok(receiver.value()),
            CqlType::Map { .. } => Ok(receiver.key()),
            CqlType::List { .. } => Err(Error::invalid(format!(
                "{kind} selection is only allowed on sets and maps, but {text} is a list"
            ))),
            _ if kind == "Element" => Err(Error::invalid(format!(
                "Invalid element selection: {text} is of type {ty} is not a collection"
            ))),
            _ => Err(Error::invalid(format!(
                "Invalid slice selection: {text} of type {ty} is not a collection"
            ))),
        }
    }

    fn build_element(&mut self, of: Selectable<'_>, key: &Expr) -> Result<Selector> {
        let text = self.selectable_text(&of);
        let of = self.build(of, None)?;
        let receiver = self.key_receiver(&text, "Element", &of)?;
        let key_term = self.value(key, &receiver)?;
        let ty = match &of.term.result_type {
            CqlType::Map { value, .. } => CqlType::clone(value),
            _ => receiver.column_type,
        };
        let node = Node::Element {
            of: Box::new(of.term),
            key: Box::new(key_term),
            of_name: of.name.into_boxed_str(),
        };
        Ok(Selector { term: Term::new(node, ty), name: format!("{text}[{}]", self.text_of(key)) })
    }

    fn build_slice(
        &mut self,
        of: Selectable<'_>,
        from: Option<&Expr>,
        to: Option<&Expr>,
        expected: Option<&CqlType>,
    ) -> Result<Selector> {
        let text = self.selectable_text(&of);
        let of = self.build(of, expected)?;
        let receiver = self.key_receiver(&text, "Slice", &of)?;
        let mut end = |end: Option<&Expr>| -> Result<Option<Box<Term>>> {
            end.map(|end| self.value(end, &receiver).map(Box::new)).transpose()
        };
        let (from_term, to_term) = (end(from)?, end(to)?);
        let ty = of.term.result_type.clone();
        let node = Node::Slice {
            of: Box::new(of.term),
            from: from_term,
            to: to_term,
            of_name: of.name.into_boxed_str(),
        };
        let shown = |end: Option<&Expr>| end.map(|end| self.text_of(end)).unwrap_or_default();
        let name = format!("{text}[{}..{}]", shown(from), shown(to));
        Ok(Selector { term: Term::new(node, ty), name })
    }
}

fn cannot_infer(text: &str) -> Error {
    Error::invalid(format!(
        "Cannot infer type for term {text} in selection clause (try using a cast to force a type)"
    ))
}
