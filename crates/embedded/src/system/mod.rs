//! What a server says of itself: the contents of the system keyspaces, and DESCRIBE.
//!
//! Vocabulary: a system table's rows are *made* from the schema and from [`Live`] when they are read, and stored
//! nowhere. A table that has nothing to report here is there all the same, and empty.

mod auth_tables;
mod create_text;
pub mod definitions;
mod describe;
mod describe_page;
pub mod live;
mod node;
mod node_tables;
mod row;
mod schema_tables;
mod view_tables;

use ilium_cql::schema::Table;
use ilium_store::Result;

use crate::catalog::{Catalog, Snapshot, TableEntry, is_local_system_keyspace};
pub use describe_page::describe;
pub use live::{Live, Stored};
use node::Node;
pub use row::Row;
use row::Rows;

/// The version of Cassandra that this server is like: drivers and tools choose what they ask for by it.
pub const RELEASE_VERSION: &str = "5.0.9";
/// Cassandra's default.
pub const CLUSTER_NAME: &str = "Test Cluster";
/// The version of CQL that Cassandra 5.0 reports.
pub const CQL_VERSION: &str = "3.4.7";
/// The greatest version of the native protocol.
pub const NATIVE_PROTOCOL_VERSION: &str = "5";
pub const PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";
pub const RACK: &str = "rack1";
/// The one token of the ring: the least there is, so that its range is the whole ring however a client computes it.
pub const TOKEN: &str = "-9223372036854775808";

/// The rows of a table whose source is virtual, each a value or null for every column; in no order.
pub fn rows(
    entry: &TableEntry,
    snapshot: &Snapshot,
    catalog: &Catalog,
    live: &dyn Live,
    stored: &dyn Stored,
) -> Result<Vec<Row>> {
    let mut rows = Rows::of(&entry.table);
    match &*entry.table.keyspace {
        "system" => node_tables::fill(&mut rows, snapshot, &Node::of(catalog, live), live, stored)?,
        "system_schema" => schema_tables::fill(&mut rows, &snapshot.schema)?,
        "system_auth" => auth_tables::fill(&mut rows, &snapshot.roles)?,
        "system_views" => view_tables::fill(&mut rows, snapshot, &Node::of(catalog, live), live, stored)?,
        "system_virtual_schema" => schema_tables::fill_virtual(&mut rows, &snapshot.schema)?,
        _ => {}
    }
    Ok(rows.finish())
}

/// Whether making the rows may read the disk.
pub fn reads_storage(entry: &TableEntry) -> bool {
    matches!(
        (&*entry.table.keyspace, &*entry.table.name),
        ("system", "size_estimates" | "table_estimates") | ("system_views", "disk_usage")
    )
}

/// Whether the table's partitions are in the order of their keys, as Cassandra's virtual tables are, and not of their
/// tokens.
pub fn is_ordered_by_key(table: &Table) -> bool {
    is_virtual_keyspace(&table.keyspace)
}

/// Whether the keyspace is one of those that Cassandra keeps no files for. Their tables may be filtered without ALLOW
/// FILTERING.
pub fn is_virtual_keyspace(name: &str) -> bool {
    is_local_system_keyspace(name) && name != "system" && name != "system_schema"
}

#[cfg(test)]
mod tests;
