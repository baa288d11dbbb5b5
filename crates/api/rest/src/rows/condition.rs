//! Conditional writes: `if-exists`, and `if` with a JSON object of the form of `where`.

use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{ColumnCondition, Condition, ConditionTarget, ConditionTest, InValues, Name, Operator};
use ilium_cql::json::Style;
use ilium_cql::schema::{Column, Table};
use ilium_http::{Refusal, parse_json};
use ilium_store::{Outcome, ResultKind};
use serde_json::Value;

use crate::call::{Call, json};
use crate::output::{Cells, push_array};
use crate::shape::{Key, Planned};
use crate::statement::Markers;
use crate::value::{Values, column, misfit};

pub enum Conditions<'t> {
    None,
    Exists,
    /// `None` for an operator is `IN`.
    All(Vec<(&'t Column, Option<Operator>)>),
}

impl<'t> Conditions<'t> {
    /// What the call asks for. Appends the values and the shape.
    pub fn of(
        call: &Call<'_>,
        table: &'t Table,
        values: &mut Values,
        key: &mut Key,
    ) -> Result<Conditions<'t>, Refusal> {
        let parameters = &call.parameters;
        let text = match (&parameters.condition, parameters.if_exists) {
            (Some(_), true) => {
                return Err(Refusal::bad_request(
                    "the query parameters 'if' and 'if-exists' exclude each other: a condition on a column holds of a \
                     row that is there",
                ));
            }
            (None, exists) => {
                key.byte(u8::from(exists));
                return Ok(if exists { Conditions::Exists } else { Conditions::None });
            }
            (Some(text), false) => text,
        };
        key.byte(2);
        let conditions = parse(text, table, call.style(), values, key)
            .map_err(|problem| Refusal::bad_request(format!("Invalid 'if' parameter, problem: {problem}")))?;
        Ok(Conditions::All(conditions))
    }

    pub fn are_any(&self) -> bool {
        !matches!(self, Conditions::None)
    }

    pub fn clause(&self, markers: &mut Markers) -> Option<Condition> {
        match self {
            Conditions::None => None,
            Conditions::Exists => Some(Condition::Exists),
            Conditions::All(conditions) => {
                let condition = |(column, operator): &(&Column, Option<Operator>)| {
                    let value = markers.next();
                    let test = match operator {
                        Some(operator) => ConditionTest::Compare { operator: *operator, value },
                        None => ConditionTest::In(InValues::Marker(value)),
                    };
                    ColumnCondition { target: ConditionTarget::Column(Name::new(&*column.name)), test }
                };
                Some(Condition::All(conditions.iter().map(condition).collect()))
            }
        }
    }
}

fn parse<'t>(
    text: &str,
    table: &'t Table,
    style: Style,
    values: &mut Values,
    key: &mut Key,
) -> Result<Vec<(&'t Column, Option<Operator>)>, String> {
    let json = parse_json(text.as_bytes()).map_err(|fault| format!("it is not valid JSON: {fault}"))?;
    let Value::Object(columns) = json else { return Err("it must be a JSON object".to_owned()) };
    let mut conditions = Vec::new();
    for (name, tests) in &columns {
        let (index, column) = column(table, name)?;
        let Value::Object(tests) = tests else {
            return Err(format!("the condition on '{name}' must be an object, such as {{\"$eq\": {tests}}}"));
        };
        for (operator, value) in tests {
            let operator = operator_of(operator)?;
            match (operator, value) {
                (None, Value::Array(items)) => values.list(&column.column_type, items, style),
                (None, _) => return Err(format!("the value of $in for '{name}' must be an array")),
                (Some(_), value) => values.json(&column.column_type, value, style),
            }
            .map_err(|error| misfit(table, column, &error))?;
            key.column(index);
            key.byte(operator.map_or(u8::MAX, |operator| operator as u8));
            conditions.push((column, operator));
        }
    }
    if conditions.is_empty() {
        return Err("it has no condition".to_owned());
    }
    Ok(conditions)
}

fn operator_of(name: &str) -> Result<Option<Operator>, String> {
    Ok(Some(match name {
        "$eq" => Operator::Equal,
        "$ne" => Operator::NotEqual,
        "$lt" => Operator::Less,
        "$lte" => Operator::LessOrEqual,
        "$gt" => Operator::Greater,
        "$gte" => Operator::GreaterOrEqual,
        "$in" => return Ok(None),
        _ => {
            return Err(format!(
                "Operation {name} is not supported; there are $eq, $ne, $lt, $lte, $gt, $gte and $in"
            ));
        }
    }))
}

/// The answer to a conditional write that was not done: the row as it is. `None`: it was done.
pub fn refused(
    outcome: &Outcome,
    planned: &Planned,
    style: Style,
    status: StatusCode,
) -> Result<Option<Response>, Refusal> {
    let ResultKind::Rows(rows) = &outcome.result else { return Ok(None) };
    // The first column of the answer is `[applied]`.
    if Cells::of(rows).next()? == Some(&[1]) {
        return Ok(None);
    }
    let description = match status {
        StatusCode::CONFLICT => "there is a row of this key already; nothing was written",
        _ => "the condition does not hold; nothing was written",
    };
    let mut out = format!("{{\"description\":\"{description}\",\"code\":{},\"data\":", status.as_u16());
    push_array(rows, &planned.columns(rows), style, &mut out)?;
    out.push('}');
    Ok(Some(json(status, out)))
}
