//! Rows by the values of a key in the path, and all rows.

use axum::response::Response;
use ilium_cql::schema::Table;
use ilium_http::Refusal;

use super::read::{self, Reading};
use crate::api::{Api, table};
use crate::call::Call;
use crate::path::decode;
use crate::shape::{Key, Verb};
use crate::statement::{Markers, select};
use crate::value::{Values, misfit};

pub async fn by_key(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let mut values = Values::default();
    let parts = push_key(call, table, &mut values).map_err(|problem| {
        Refusal::bad_request(format!("Invalid path for row to find, problem: {problem}"))
    })?;
    let mut key = Key::new(&schema, table, Verb::ByKey);
    key.count(parts);
    let reading = Reading { call, table, values, allow_filtering: false };
    reading
        .run(api, key, |selection, order_by| {
            let mut markers = Markers::default();
            let restrictions = key_columns(table).take(parts).map(|column| markers.equal(column)).collect();
            Ok(select(table, selection, restrictions, order_by, false))
        })
        .await
}

pub async fn all(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let key = Key::new(&schema, table, Verb::All);
    let reading = read::Reading { call, table, values: Values::default(), allow_filtering: false };
    reading
        .run(api, key, |selection, order_by| Ok(select(table, selection, Vec::new(), order_by, false)))
        .await
}

/// The primary key's columns in order.
pub fn key_columns(table: &Table) -> impl Iterator<Item = &ilium_cql::schema::Column> {
    table.partition_key().chain(table.clustering())
}

/// Appends the values of the key in the path, and gives their number. A problem is told without the call's own words.
pub fn push_key(call: &Call<'_>, table: &Table, values: &mut Values) -> Result<usize, String> {
    let parts = call.places.key;
    let (partition, all) = (table.partition_key().count(), key_columns(table).count());
    if parts.len() < partition {
        return Err(format!(
            "Number of key values provided ({}) less than number of partition keys ({partition})",
            parts.len()
        ));
    }
    if parts.len() > all {
        return Err(format!(
            "Number of key values provided ({}) exceeds number of partition keys ({partition}) and clustering keys ({})",
            parts.len(),
            all - partition
        ));
    }
    for (column, part) in key_columns(table).zip(parts) {
        let text = decode(part).map_err(|refusal| refusal.description)?;
        values
            .text(&column.column_type, &text, call.style())
            .map_err(|error| misfit(table, column, &error))?;
    }
    Ok(parts.len())
}
