//! A filter that no index serves: which index would.

use std::fmt::Write;

use axum::http::StatusCode;
use ilium_cql::schema::{ColumnKind, Table};
use ilium_http::Refusal;
use ilium_store::Capabilities;

use super::filter::{Condition, Test};

/// Replaces the sentence by which the store refuses to filter with one that says what to do about it here.
pub fn name_the_index(
    refusal: Refusal,
    table: &Table,
    conditions: &[Condition<'_>],
    store: &Capabilities,
) -> Refusal {
    if refusal.status != StatusCode::BAD_REQUEST || !refusal.description.contains("ALLOW FILTERING") {
        return refusal;
    }
    let bound = |name: &str| {
        conditions.iter().any(|c| &*c.column.name == name && matches!(c.test, Test::Equal | Test::In))
    };
    let whole_partition = table.partition_key().all(|column| bound(&column.name));
    let mut description = String::from("no index serves this filter: ");
    // Of several columns that need one the first is named; with it the next is.
    let unserved = conditions.iter().find(|condition| {
        !is_indexed(table, condition)
            && match condition.column.kind {
                ColumnKind::PartitionKey => !whole_partition,
                ColumnKind::Clustering => !whole_partition,
                ColumnKind::Static | ColumnKind::Regular => true,
            }
    });
    let unserved = unserved.or(conditions.first());
    // Writing to a String cannot fail.
    let _ = match unserved {
        Some(condition) if is_comparison(condition.test) && !store.storage_attached_indexes => write!(
            description,
            "{} has none that could serve a comparison on column '{}'; add allow-filtering=true, which may read every \
             row",
            store.product, condition.column.name
        ),
        Some(condition) => write!(
            description,
            "create one on column '{}' by POST /v2/schemas/keyspaces/{}/tables/{}/indexes with {}, or add \
             allow-filtering=true, which may read every row",
            condition.column.name,
            table.keyspace,
            table.name,
            index_for(condition)
        ),
        None => write!(description, "add allow-filtering=true, which may read every row"),
    };
    Refusal { description, ..refusal }
}

/// Whether an index on the column serves this test.
fn is_indexed(table: &Table, condition: &Condition<'_>) -> bool {
    let name = ilium_cql::identifier::quote_if_needed(&condition.column.name);
    let wrapped = |function: &str| format!("{function}({name})");
    table.indexes.iter().filter_map(|index| index.options.get("target")).any(|target| match condition.test {
        Test::Equal | Test::In => *target == *name || *target == wrapped("full"),
        Test::Contains => *target == *name || *target == wrapped("values"),
        Test::ContainsKey => *target == wrapped("keys"),
        Test::ContainsEntry => *target == wrapped("entries"),
        Test::Less | Test::LessOrEqual | Test::Greater | Test::GreaterOrEqual => false,
    })
}

fn is_comparison(test: Test) -> bool {
    matches!(test, Test::Less | Test::LessOrEqual | Test::Greater | Test::GreaterOrEqual)
}

/// The body that creates the index.
fn index_for(condition: &Condition<'_>) -> String {
    let mut out = String::from("{\"column\":");
    ilium_cql::json::push_string(&condition.column.name, &mut out);
    let ty = &condition.column.column_type;
    out.push_str(match condition.test {
        Test::ContainsKey => ",\"kind\":\"KEYS\"",
        Test::ContainsEntry => ",\"kind\":\"ENTRIES\"",
        Test::Contains => ",\"kind\":\"VALUES\"",
        Test::Equal if ty.is_frozen_collection() => ",\"kind\":\"FULL\"",
        Test::Equal | Test::In => "",
        Test::Less | Test::LessOrEqual | Test::Greater | Test::GreaterOrEqual => {
            ",\"type\":\"StorageAttachedIndex\""
        }
    });
    out.push('}');
    out
}
