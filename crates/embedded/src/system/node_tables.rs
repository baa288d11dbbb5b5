//! The tables of the keyspace `system`.

use ilium_store::Result;

use super::live::{Live, Stored};
use super::node::Node;
use super::row::Rows;
use super::{CQL_VERSION, NATIVE_PROTOCOL_VERSION, PARTITIONER, RACK, RELEASE_VERSION, TOKEN};
use crate::catalog::Snapshot;

/// Cassandra's default for the port between nodes (`storage_port`): there are no other nodes, but clients read it.
pub(super) const STORAGE_PORT: i32 = 7000;

pub(super) fn fill(
    rows: &mut Rows<'_>,
    snapshot: &Snapshot,
    node: &Node,
    live: &dyn Live,
    stored: &dyn Stored,
) -> Result<()> {
    match &*rows.table.name {
        "local" => local(rows, snapshot, node)?,
        "size_estimates" => estimates(rows, snapshot, stored, &[None])?,
        "table_estimates" => {
            estimates(rows, snapshot, stored, &[Some("primary"), Some("local_primary")])?;
        }
        "IndexInfo" => built_indexes(rows, snapshot),
        "prepared_statements" => {
            for statement in live.prepared_statements() {
                rows.row()
                    .blob("prepared_id", &statement.id)
                    .text_or_null("logged_keyspace", statement.keyspace.as_deref())
                    .text("query_string", &statement.text);
            }
        }
        _ => {}
    }
    Ok(())
}

fn local(rows: &mut Rows<'_>, snapshot: &Snapshot, node: &Node) -> Result<()> {
    let address = node.cql.ip();
    rows.row()
        .text("key", "local")
        .text("bootstrapped", "COMPLETED")
        .inet("broadcast_address", address)
        .int("broadcast_port", STORAGE_PORT)
        .text("cluster_name", &node.cluster_name)
        .text("cql_version", CQL_VERSION)
        .text("data_center", &node.datacenter)
        .int("gossip_generation", i32::try_from(node.started).unwrap_or(i32::MAX))
        .uuid("host_id", node.host_id)
        .inet("listen_address", address)
        .int("listen_port", STORAGE_PORT)
        .text("native_protocol_version", NATIVE_PROTOCOL_VERSION)
        .text("partitioner", PARTITIONER)
        .text("rack", RACK)
        .text("release_version", RELEASE_VERSION)
        .inet("rpc_address", address)
        .int("rpc_port", i32::from(node.cql.port()))
        .uuid("schema_version", snapshot.schema.version)
        .elements("tokens", [TOKEN])?;
    Ok(())
}

/// One range, the whole ring, of each type for every table of the user's. What is in memory alone counts too; Cassandra
/// looks at its files, every five minutes.
fn estimates(
    rows: &mut Rows<'_>,
    snapshot: &Snapshot,
    stored: &dyn Stored,
    range_types: &[Option<&str>],
) -> Result<()> {
    for entry in snapshot.stored_tables() {
        let size = stored.size_of(entry)?;
        for range_type in range_types {
            rows.row()
                .text("keyspace_name", &entry.table.keyspace)
                .text("table_name", &entry.table.name)
                .text_or_null("range_type", *range_type)
                .text("range_start", TOKEN)
                .text("range_end", TOKEN)
                .large("mean_partition_size", size.bytes.checked_div(size.partitions).unwrap_or(0))
                .large("partitions_count", size.partitions);
        }
    }
    Ok(())
}

/// What tools read to learn whether an index is built; Cassandra puts the keyspace where it says table.
fn built_indexes(rows: &mut Rows<'_>, snapshot: &Snapshot) {
    for entry in snapshot.stored_tables() {
        for index in entry.indexes.iter().filter(|index| index.ready) {
            rows.row().text("table_name", &entry.table.keyspace).text("index_name", &index.name);
        }
    }
}
