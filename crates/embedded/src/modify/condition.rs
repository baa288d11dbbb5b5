//! `IF ...`: what must hold of the stored row for a statement to apply (Cassandra's `ColumnCondition`).

use std::cmp::Ordering;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{ColumnCondition, ConditionTarget, ConditionTest, InValues, Name, Operator};
use ilium_cql::schema::{Column, ColumnKind, Table};
use ilium_cql::value::{self, list_elements, map_entries, tuple_fields};
use ilium_store::{Error, Result};

use super::operation::field_position;
use crate::layout::live_row::LiveRow;
use crate::term::{Compiler, Env, Receiver, Term, Value};

pub enum Conditions {
    Exists,
    NotExists,
    Columns(Vec<ColumnTest>),
}

impl Conditions {
    fn on_kind(&self, table: &Table, kind: ColumnKind) -> bool {
        match self {
            Conditions::Exists | Conditions::NotExists => false,
            Conditions::Columns(tests) => tests
                .iter()
                .any(|test| table.columns.get(test.column).is_some_and(|column| column.kind == kind)),
        }
    }

    pub fn on_regular(&self, table: &Table) -> bool {
        self.on_kind(table, ColumnKind::Regular)
    }

    pub fn on_static(&self, table: &Table) -> bool {
        self.on_kind(table, ColumnKind::Static)
    }

    /// The tested columns in the order written, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        if let Conditions::Columns(tests) = self {
            for test in tests {
                if !columns.contains(&test.column) {
                    columns.push(test.column);
                }
            }
        }
        columns
    }
}

/// One test of one column.
pub struct ColumnTest {
    pub column: usize,
    column_type: CqlType,
    part: Part,
    operator: Operator,
    values: Values,
}

enum Part {
    Whole,
    Element(Term),
    Field(u16),
}

enum Values {
    /// Any of these; one unless it is an IN.
    Each(Vec<Term>),
    /// `IN ?`
    List(Term),
}

impl ColumnTest {
    pub fn plan(compiler: &mut Compiler<'_>, condition: &ColumnCondition) -> Result<ColumnTest> {
        let name = match &condition.target {
            ConditionTarget::Column(name)
            | ConditionTarget::Element { column: name, .. }
            | ConditionTarget::Field { column: name, .. } => name,
        };
        let (index, column) = find(compiler.table(), name)?;
        if column.column_type == CqlType::Counter {
            return Err(Error::invalid("Conditions on counters are not supported"));
        }
        let operator = match &condition.test {
            ConditionTest::Compare { operator, .. } => *operator,
            ConditionTest::In(_) => Operator::Equal,
        };
        let receiver = Receiver::of(compiler.table(), &column);
        let (part, receiver) = plan_part(compiler, &column, &condition.target, receiver)?;
        check_durations(&receiver.column_type, operator)?;
        let values = plan_values(compiler, &column, &condition.test, receiver)?;
        if matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) {
            return Err(Error::invalid(format!(
                "PRIMARY KEY column '{}' cannot have IF conditions",
                column.name
            )));
        }
        Ok(ColumnTest { column: index, column_type: column.column_type, part, operator, values })
    }

    /// Whether it holds of a row as stored, which may be none.
    pub fn holds(&self, row: &LiveRow, env: &Env<'_>) -> Result<bool> {
        let stored = row.value(self.column);
        let wanted = self.wanted(env)?;
        let (stored, part_type) = match &self.part {
            Part::Whole => (stored, &self.column_type),
            Part::Element(key) => self.element(stored, key, env)?,
            Part::Field(field) => {
                let CqlType::Udt { definition, .. } = &self.column_type else { return Ok(false) };
                let (_, field_type) = definition
                    .fields
                    .get(usize::from(*field))
                    .ok_or_else(|| Error::internal("a field that was found is gone"))?;
                let mut fields = tuple_fields(stored.unwrap_or_default());
                let value = fields.nth(usize::from(*field)).transpose().map_err(invalid)?.flatten();
                (value, field_type)
            }
        };
        for value in &wanted {
            if self.one_holds(stored, value.as_deref(), part_type)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn one_holds(&self, stored: Option<&[u8]>, wanted: Option<&[u8]>, part_type: &CqlType) -> Result<bool> {
        let collection = matches!(self.part, Part::Whole) && is_multi_cell_collection(&self.column_type);
        let contains = matches!(self.operator, Operator::Contains | Operator::ContainsKey);
        let empty = collection && !contains && wanted.is_some_and(|value| value.starts_with(&[0; 4]));
        let Some(wanted) = wanted.filter(|_| !empty) else {
            return match self.operator {
                Operator::Equal => Ok(stored.is_none()),
                Operator::NotEqual => Ok(stored.is_some()),
                operator => {
                    let what = match (&self.column_type, empty) {
                        (_, false) => "null".to_owned(),
                        (CqlType::List { .. }, true) => "an empty list".to_owned(),
                        (CqlType::Set { .. }, true) => "an empty set".to_owned(),
                        (_, true) => "an empty map".to_owned(),
                    };
                    Err(Error::invalid(format!(
                        "Invalid comparison with {what} for operator \"{}\"",
                        text(operator)
                    )))
                }
            };
        };
        let Some(stored) = stored else { return Ok(self.operator == Operator::NotEqual) };
        if contains {
            return self.contains(stored, wanted);
        }
        let order = value::compare(part_type, stored, wanted);
        Ok(match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Contains | Operator::ContainsKey | Operator::Like => false,
        })
    }

    fn contains(&self, stored: &[u8], wanted: &[u8]) -> Result<bool> {
        let equal = |ty: &CqlType, value: &[u8]| value::compare(ty, value, wanted).is_eq();
        match &self.column_type {
            CqlType::List { element, .. } | CqlType::Set { element, .. } => {
                for value in list_elements(stored).map_err(invalid)? {
                    if equal(element, value.map_err(invalid)?) {
                        return Ok(true);
                    }
                }
            }
            CqlType::Map { key, value, .. } => {
                for entry in map_entries(stored).map_err(invalid)? {
                    let (entry_key, entry_value) = entry.map_err(invalid)?;
                    let by_key = self.operator == Operator::ContainsKey;
                    if if by_key { equal(key, entry_key) } else { equal(value, entry_value) } {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
        Ok(false)
    }

    fn element<'s>(
        &'s self,
        stored: Option<&'s [u8]>,
        key: &Term,
        env: &Env<'_>,
    ) -> Result<(Option<&'s [u8]>, &'s CqlType)> {
        let key = key.evaluate(env)?;
        match &self.column_type {
            CqlType::Map { key: key_type, value: value_type, .. } => {
                let Some(key) = key.as_bytes() else {
                    return Err(Error::invalid("Invalid null value for map element access"));
                };
                let Some(stored) = stored else { return Ok((None, value_type)) };
                for entry in map_entries(stored).map_err(invalid)? {
                    let (entry_key, entry_value) = entry.map_err(invalid)?;
                    if value::compare(key_type, entry_key, key).is_eq() {
                        return Ok((Some(entry_value), value_type));
                    }
                }
                Ok((None, value_type))
            }
            CqlType::List { element, .. } => {
                let Some(index) = key.as_bytes() else {
                    return Err(Error::invalid("Invalid null value for list element access"));
                };
                let index = index
                    .try_into()
                    .map(i32::from_be_bytes)
                    .map_err(|_| Error::invalid("Invalid list index"))?;
                let Ok(position) = usize::try_from(index) else {
                    return Err(Error::invalid(format!("Invalid negative list index {index}")));
                };
                let Some(stored) = stored else { return Ok((None, element)) };
                let found =
                    list_elements(stored).map_err(invalid)?.nth(position).transpose().map_err(invalid)?;
                Ok((found, element))
            }
            _ => Ok((None, &self.column_type)),
        }
    }

    fn wanted(&self, env: &Env<'_>) -> Result<Vec<Option<Vec<u8>>>> {
        let unset = || Error::invalid("Invalid 'unset' value in condition");
        match &self.values {
            Values::Each(terms) => {
                let mut values = Vec::with_capacity(terms.len());
                let several = terms.len() > 1;
                for term in terms {
                    match term.evaluate(env)? {
                        Value::Null => values.push(None),
                        Value::Bytes(bytes) => values.push(Some(bytes.into_owned())),
                        // Within IN an unset value is passed over.
                        Value::Unset if several => {}
                        Value::Unset => return Err(unset()),
                    }
                }
                Ok(values)
            }
            Values::List(term) => match term.evaluate(env)? {
                Value::Null => Err(Error::invalid("Invalid null list in IN condition")),
                Value::Unset => Err(unset()),
                Value::Bytes(bytes) => {
                    let mut values = Vec::new();
                    let mut elements = list_elements(&bytes).map_err(invalid)?;
                    while let Some(element) = elements.next_nullable() {
                        values.push(element.map_err(invalid)?.map(<[u8]>::to_vec));
                    }
                    Ok(values)
                }
            },
        }
    }
}

fn plan_part(
    compiler: &mut Compiler<'_>,
    column: &Column,
    target: &ConditionTarget,
    receiver: Receiver,
) -> Result<(Part, Receiver)> {
    match target {
        ConditionTarget::Column(_) => Ok((Part::Whole, receiver)),
        ConditionTarget::Element { key, .. } => match &column.column_type {
            CqlType::List { .. } => {
                Ok((Part::Element(compiler.term(key, &receiver.index())?), receiver.value()))
            }
            CqlType::Map { .. } => {
                Ok((Part::Element(compiler.term(key, &receiver.key())?), receiver.value()))
            }
            CqlType::Set { .. } => {
                Err(Error::invalid(format!("Invalid element access syntax for set column {}", column.name)))
            }
            _ => Err(Error::invalid(format!(
                "Invalid element access syntax for non-collection column {}",
                column.name
            ))),
        },
        ConditionTarget::Field { field, .. } => {
            let position = field_position(column, field).map_err(|_| {
                Error::invalid(format!("Unknown field {} for column {}", field.text, column.name))
            })?;
            let CqlType::Udt { definition, .. } = &column.column_type else {
                return Err(Error::internal("a column with fields has no user defined type"));
            };
            let receiver = receiver
                .field(definition, usize::from(position))
                .ok_or_else(|| Error::internal("a field that was found is gone"))?;
            Ok((Part::Field(position), receiver))
        }
    }
}

fn plan_values(
    compiler: &mut Compiler<'_>,
    column: &Column,
    test: &ConditionTest,
    receiver: Receiver,
) -> Result<Values> {
    match test {
        ConditionTest::In(InValues::List(values)) => {
            let terms = values.iter().map(|value| compiler.term(value, &receiver)).collect::<Result<_>>()?;
            Ok(Values::Each(terms))
        }
        ConditionTest::In(InValues::Marker(marker)) => {
            Ok(Values::List(compiler.term(marker, &receiver.in_list())?))
        }
        ConditionTest::Compare { operator, value } => {
            let receiver = match operator {
                Operator::ContainsKey if !matches!(receiver.column_type, CqlType::Map { .. }) => {
                    return Err(Error::invalid(format!(
                        "Cannot use CONTAINS KEY on non-map column {}",
                        column.name
                    )));
                }
                Operator::ContainsKey => receiver.key(),
                Operator::Contains if !is_collection(&receiver.column_type) => {
                    return Err(Error::invalid(format!(
                        "Cannot use CONTAINS on non-collection column {}",
                        column.name
                    )));
                }
                Operator::Contains => receiver.value(),
                _ => receiver,
            };
            Ok(Values::Each(vec![compiler.term(value, &receiver)?]))
        }
    }
}

fn find(table: &Table, name: &Name) -> Result<(usize, Column)> {
    let index = table.column_index(name.as_str());
    index.and_then(|index| Some((index, table.columns.get(index)?.clone()))).ok_or_else(|| {
        Error::invalid(format!(
            "Undefined column name {} in table {}.{}",
            ilium_cql::identifier::quote_if_needed(name.as_str()),
            table.keyspace,
            table.name
        ))
    })
}

fn is_collection(ty: &CqlType) -> bool {
    matches!(ty, CqlType::List { .. } | CqlType::Set { .. } | CqlType::Map { .. })
}

fn is_multi_cell_collection(ty: &CqlType) -> bool {
    is_collection(ty) && ty.is_multi_cell()
}

fn check_durations(ty: &CqlType, operator: Operator) -> Result<()> {
    let slice = matches!(
        operator,
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual
    );
    if !slice || !has_duration(ty) {
        return Ok(());
    }
    Err(Error::invalid(match ty {
        CqlType::Duration => {
            format!("Slice conditions ( {} ) are not supported on durations", text(operator))
        }
        CqlType::Tuple(_) => "Slice conditions are not supported on tuples containing durations".to_owned(),
        CqlType::Udt { .. } => "Slice conditions are not supported on UDTs containing durations".to_owned(),
        _ => "Slice conditions are not supported on collections containing durations".to_owned(),
    }))
}

fn has_duration(ty: &CqlType) -> bool {
    let inner = |ty: &Arc<CqlType>| has_duration(ty);
    match ty {
        CqlType::Duration => true,
        CqlType::List { element, .. } | CqlType::Set { element, .. } | CqlType::Vector { element, .. } => {
            inner(element)
        }
        CqlType::Map { key, value, .. } => inner(key) || inner(value),
        CqlType::Tuple(types) => types.iter().any(has_duration),
        CqlType::Udt { definition, .. } => definition.fields.iter().any(|(_, ty)| has_duration(ty)),
        _ => false,
    }
}

fn text(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Contains => "CONTAINS",
        Operator::ContainsKey => "CONTAINS KEY",
        Operator::Like => "LIKE",
    }
}

fn invalid(error: value::ValueError) -> Error {
    Error::invalid(error.to_string())
}
