//! Rows by a filter.

use axum::response::Response;
use ilium_http::Refusal;

use super::filter::{self, Condition};
use super::read::Reading;
use super::refused;
use crate::api::{Api, table};
use crate::call::Call;
use crate::shape::{Key, Verb};
use crate::statement::select;
use crate::value::Values;

pub async fn find(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let parameters = &call.parameters;
    let Some(text) = parameters.filter.as_deref() else {
        return Err(Refusal::bad_request(
            "Request invalid: 'where' must be provided. For all rows there is the path with /rows at its end.",
        ));
    };
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let mut values = Values::default();
    let conditions = filter::parse(text, table, call.style(), &mut values)
        .map_err(|problem| Refusal::bad_request(format!("Invalid 'where' parameter, problem: {problem}")))?;
    let mut key = Key::new(&schema, table, Verb::Find);
    key.count(conditions.len());
    for Condition { index, test, .. } in &conditions {
        key.column(*index);
        key.byte(*test as u8);
    }
    let allow_filtering = parameters.allow_filtering;
    let reading = Reading { call, table, values, allow_filtering };
    let answer = reading
        .run(api, key, |selection, order_by| {
            Ok(select(table, selection, filter::relations(&conditions), order_by, allow_filtering))
        })
        .await;
    answer.map_err(|refusal| refused::name_the_index(refusal, table, &conditions, &api.store.capabilities()))
}
