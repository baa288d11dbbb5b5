//! `where`: `{"age": {"$gt": 30, "$lt": 50}, "tags": {"$contains": "b"}}`.
//!
//! A value may be a string for any type. Where Stargate answers with an error of CQL or of Java, the operator is refused
//! here by name.

use ilium_cql::CqlType;
use ilium_cql::ast::{InValues, Name, Operator, Relation, RelationKind};
use ilium_cql::json::Style;
use ilium_cql::schema::{Column, Table};
use ilium_http::parse_json;
use serde_json::Value;

use crate::statement::{Markers, relation};
use crate::value::{Values, column, misfit};

/// What a condition asks of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Test {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    ContainsKey,
    ContainsEntry,
}

/// A condition without its values, which are bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition<'t> {
    pub column: &'t Column,
    /// The column's index in the table.
    pub index: usize,
    pub test: Test,
}

/// Reads a filter: the conditions, and their values in the order of the markers.
pub fn parse<'t>(
    text: &str,
    table: &'t Table,
    style: Style,
    values: &mut Values,
) -> Result<Vec<Condition<'t>>, String> {
    let json =
        parse_json(text.as_bytes()).map_err(|fault| format!("Input provided is not valid json. {fault}"))?;
    let Value::Object(columns) = json else {
        return Err("Was expecting a JSON object as input for where parameter.".to_owned());
    };
    let mut conditions = Vec::with_capacity(columns.len());
    for (name, tests) in &columns {
        let Value::Object(tests) = tests else {
            return Err(format!(
                "Entry for field {name} was expecting a JSON object as input, such as {{\"$eq\": {tests}}}."
            ));
        };
        let (index, column) = column(table, name)?;
        for (operator, value) in tests {
            if value.is_null() {
                return Err(format!(
                    "Value entry for field {name}, operation {operator} was expecting a value, but found null."
                ));
            }
            let mut reader =
                ConditionReader { table, column, index, style, values, conditions: &mut conditions };
            reader.read(operator, value)?;
        }
    }
    Ok(conditions)
}

struct ConditionReader<'a, 't> {
    table: &'t Table,
    column: &'t Column,
    index: usize,
    style: Style,
    values: &'a mut Values,
    conditions: &'a mut Vec<Condition<'t>>,
}

impl ConditionReader<'_, '_> {
    fn read(&mut self, operator: &str, value: &Value) -> Result<(), String> {
        let ty = &self.column.column_type;
        // As in Stargate the case does not matter.
        match operator.to_ascii_lowercase().as_str() {
            "$eq" => self.compare(Test::Equal, value),
            "$lt" => self.compare(Test::Less, value),
            "$lte" => self.compare(Test::LessOrEqual, value),
            "$gt" => self.compare(Test::Greater, value),
            "$gte" => self.compare(Test::GreaterOrEqual, value),
            "$in" => self.one_of(value),
            "$exists" => match (value, ty) {
                (Value::Bool(true), CqlType::Boolean) => self.compare(Test::Equal, value),
                (Value::Bool(true), _) => Err(format!(
                    "`$exists` means `= true` as in Stargate, and field '{}' is of type {ty}; CQL cannot ask whether a \
                     column has a value",
                    self.column.name
                )),
                _ => Err("`$exists` only supports the value `true`.".to_owned()),
            },
            "$contains" => match content(ty) {
                Some(content) => self.push(Test::Contains, &[(content, value)]),
                None => Err(self.not_of_type("container type (list, map, set)", operator)),
            },
            "$containskey" => match ty {
                CqlType::Map { key, .. } => self.push(Test::ContainsKey, &[(key, value)]),
                _ => Err(self.not_of_type("map type", operator)),
            },
            "$containsentry" => match (ty, value.get("key"), value.get("value")) {
                (CqlType::Map { key, value, .. }, Some(wanted_key), Some(wanted)) => {
                    self.push(Test::ContainsEntry, &[(key, wanted_key), (value, wanted)])
                }
                (CqlType::Map { .. }, ..) => Err(format!(
                    "Value entry for field {}, operation {operator} must be an object with two fields 'key' and 'value'",
                    self.column.name
                )),
                _ => Err(self.not_of_type("map type", operator)),
            },
            "$ne" | "$nin" => Err(format!(
                "Operation {operator} is not supported: CQL cannot look for what differs; read more and leave rows out"
            )),
            _ => Err(format!(
                "Operation {operator} is not supported; there are $eq, $lt, $lte, $gt, $gte, $in, $exists, $contains, \
                 $containsKey and $containsEntry"
            )),
        }
    }

    /// A list of values is a condition each, as in Stargate, unless the column itself holds lists.
    fn compare(&mut self, test: Test, value: &Value) -> Result<(), String> {
        let ty = &self.column.column_type;
        match value {
            Value::Array(items) if !ty.is_freezable() => {
                items.iter().try_for_each(|item| self.push(test, &[(ty, item)]))
            }
            _ => self.push(test, &[(ty, value)]),
        }
    }

    fn one_of(&mut self, value: &Value) -> Result<(), String> {
        let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(|| {
            format!("Value entry for field '{}', operation $in must be a non-empty array", self.column.name)
        })?;
        self.values
            .list(&self.column.column_type, items, self.style)
            .map_err(|error| misfit(self.table, self.column, &error))?;
        self.conditions.push(Condition { column: self.column, index: self.index, test: Test::In });
        Ok(())
    }

    fn push(&mut self, test: Test, values: &[(&CqlType, &Value)]) -> Result<(), String> {
        for (ty, value) in values {
            self.values
                .json(ty, value, self.style)
                .map_err(|error| misfit(self.table, self.column, &error))?;
        }
        self.conditions.push(Condition { column: self.column, index: self.index, test });
        Ok(())
    }

    fn not_of_type(&self, what: &str, operator: &str) -> String {
        format!("Field '{}' not of {what}; has to be for operation {operator}", self.column.name)
    }
}

fn content(ty: &CqlType) -> Option<&CqlType> {
    match ty {
        CqlType::List { element, .. } | CqlType::Set { element, .. } => Some(element),
        CqlType::Map { value, .. } => Some(value),
        _ => None,
    }
}

/// The conditions as a WHERE clause.
pub fn relations(conditions: &[Condition<'_>]) -> Vec<Relation> {
    let mut markers = Markers::default();
    let relation_of = |condition: &Condition<'_>| {
        let column = Name::new(&*condition.column.name);
        let operator = match condition.test {
            Test::In => {
                let values = InValues::Marker(markers.next());
                return relation(RelationKind::In { column, values });
            }
            Test::ContainsEntry => {
                let key = markers.next();
                let value = markers.next();
                return relation(RelationKind::Element { column, key, operator: Operator::Equal, value });
            }
            Test::Equal => Operator::Equal,
            Test::Less => Operator::Less,
            Test::LessOrEqual => Operator::LessOrEqual,
            Test::Greater => Operator::Greater,
            Test::GreaterOrEqual => Operator::GreaterOrEqual,
            Test::Contains => Operator::Contains,
            Test::ContainsKey => Operator::ContainsKey,
        };
        relation(RelationKind::Column { column, operator, value: markers.next() })
    };
    conditions.iter().map(relation_of).collect()
}
