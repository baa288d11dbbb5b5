//! How large tables are, as far as the store tells. Both figures are estimates, and said to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::caller::Caller;
use ilium_cql::ast::Statement;
use ilium_store::{Bind, Binds, DataStore, ResultKind};

use crate::select::select;
use crate::{figure, grid};

/// Rows of `system.size_estimates` that are read at most: a row a table, and on a cluster a row a range of it.
const MAX_ESTIMATES: u32 = 10_000;

/// What is not known is empty.
#[derive(Default)]
pub struct Size {
    pub bytes: String,
    pub partitions: String,
}

/// The sizes of these tables, in their order.
pub async fn of(store: &Arc<dyn DataStore>, caller: &Caller, tables: &[(Arc<str>, Arc<str>)]) -> Vec<Size> {
    if tables.is_empty() {
        return Vec::new();
    }
    let partitions = partitions(store, caller, tables).await;
    let bytes = bytes(store, tables).await;
    let named = tables.iter().zip(bytes).map(|(table, bytes)| Size {
        bytes: bytes.map_or_else(String::new, figure::bytes),
        partitions: partitions.get(table).map_or_else(String::new, |count| figure::count(*count)),
    });
    named.collect()
}

async fn bytes(store: &Arc<dyn DataStore>, tables: &[(Arc<str>, Arc<str>)]) -> Vec<Option<u64>> {
    let mut sizes = Vec::with_capacity(tables.len());
    for (keyspace, table) in tables {
        let splits = store.token_splits(keyspace, table, 1).wait().await;
        sizes.push(splits.ok().map(|splits| splits.iter().map(|split| split.size).sum()));
    }
    sizes
}

/// Partitions of the tables that `system.size_estimates` knows, for those who may read it. Of one table, or of one
/// keyspace's, no others are read.
async fn partitions(
    store: &Arc<dyn DataStore>,
    caller: &Caller,
    tables: &[(Arc<str>, Arc<str>)],
) -> BTreeMap<(Arc<str>, Arc<str>), u64> {
    let mut found = BTreeMap::new();
    let Some((keyspace, table)) = tables.first() else { return found };
    let of_one_keyspace = tables.iter().all(|(other, _)| other == keyspace);
    let restrictions = match (of_one_keyspace, tables.len()) {
        (false, _) => vec![],
        (true, 1) => vec![("keyspace_name", keyspace), ("table_name", table)],
        (true, _) => vec![("keyspace_name", keyspace)],
    };
    let columns = ["keyspace_name", "table_name", "partitions_count"];
    let select = select(("system", "size_estimates"), &columns, restrictions.iter().map(|(name, _)| *name));
    let prepared = store.prepare(Arc::new(Statement::Select(select)), None).wait().await;
    let Ok(prepared) = prepared else { return found };
    let binds = Binds::from_values(restrictions.iter().map(|(_, value)| Bind::Value(value.as_bytes())));
    let (mut context, _stop) = crate::context(caller);
    context.page_size = Some(MAX_ESTIMATES);
    let Ok(outcome) = store.execute(&prepared, binds, &context).wait().await else { return found };
    // A part of a table's ranges would be a wrong figure.
    let ResultKind::Rows(rows) = outcome.result else { return found };
    if rows.next.is_some() {
        return found;
    }
    for row in grid::cells(&rows).flatten() {
        let [Some(keyspace), Some(table), Some(count)] = *row else { continue };
        let (Ok(keyspace), Ok(table)) = (std::str::from_utf8(keyspace), std::str::from_utf8(table)) else {
            continue;
        };
        let count = count.try_into().map_or(0, |bytes| u64::try_from(i64::from_be_bytes(bytes)).unwrap_or(0));
        *found.entry((Arc::from(keyspace), Arc::from(table))).or_default() += count;
    }
    found
}
