//! `sort`: `{"day": "desc", "hour": "asc"}`.

use ilium_cql::ast::{Name, OrderBy, Ordering};
use ilium_cql::schema::Table;
use ilium_http::{Refusal, parse_json};
use serde_json::Value;

use crate::value::column;

/// Stargate takes every value but `desc` for ascending; here one that is neither is refused.
pub fn parse(text: &str, table: &Table) -> Result<Vec<Ordering>, Refusal> {
    order(text, table)
        .map_err(|problem| Refusal::bad_request(format!("Invalid 'sort' parameter, problem: {problem}")))
}

fn order(text: &str, table: &Table) -> Result<Vec<Ordering>, String> {
    let json = parse_json(text.as_bytes()).map_err(|fault| format!("not valid JSON ({text}): {fault}"))?;
    let Value::Object(entries) = json else { return Err(format!("not a JSON object ({text})")) };
    let ordering = |(name, direction): (&String, &Value)| {
        column(table, name)?;
        let by = match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("asc") => OrderBy::Ascending,
            Some("desc") => OrderBy::Descending,
            _ => return Err(format!("the order of '{name}' must be \"asc\" or \"desc\", not {direction}")),
        };
        Ok(Ordering { column: Name::new(name), by })
    };
    entries.iter().map(ordering).collect()
}
