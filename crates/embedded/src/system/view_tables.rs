//! The tables of the keyspace `system_views`.

use std::collections::BTreeMap;

use ilium_cql::value::text::uuid_to_text;
use ilium_store::Result;

use super::live::{Live, Stored};
use super::node::Node;
use super::node_tables::STORAGE_PORT;
use super::row::Rows;
use super::{PARTITIONER, RACK, RELEASE_VERSION, TOKEN};
use crate::catalog::Snapshot;

pub(super) fn fill(
    rows: &mut Rows<'_>,
    snapshot: &Snapshot,
    node: &Node,
    live: &dyn Live,
    stored: &dyn Stored,
) -> Result<()> {
    match &*rows.table.name {
        "caches" => caches(rows, stored),
        "clients" => clients(rows, live)?,
        "disk_usage" => disk_usage(rows, snapshot, stored)?,
        "gossip_info" => gossip_info(rows, snapshot, node),
        "queries" => {
            for query in live.queries() {
                rows.row()
                    .text("thread_id", &query.id)
                    .large("queued_micros", query.queued_micros)
                    .large("running_micros", query.running_micros)
                    .text("task", &query.text);
            }
        }
        "settings" => {
            for (name, value) in settings(node, live) {
                rows.row().text("name", &name).text("value", &value);
            }
        }
        "thread_pools" => thread_pools(rows, live),
        _ => {}
    }
    Ok(())
}

/// Requests and hits are null: they are not counted, since each read would pay for it.
fn caches(rows: &mut Rows<'_>, stored: &dyn Stored) {
    for cache in stored.caches() {
        let row = rows
            .row()
            .text("name", &cache.name)
            .large("capacity_bytes", cache.capacity_bytes)
            .large("size_bytes", cache.size_bytes);
        if let Some(entries) = cache.entries {
            row.int("entry_count", i32::try_from(entries).unwrap_or(i32::MAX));
        }
    }
}

fn clients(rows: &mut Rows<'_>, live: &dyn Live) -> Result<()> {
    for client in live.clients() {
        let option = |name: &str| client.options.get(name).map(String::as_str);
        let row = rows
            .row()
            .inet("address", client.address.ip())
            .int("port", i32::from(client.address.port()))
            .map("client_options", &client.options)?
            .text("connection_stage", &client.stage)
            .text_or_null("driver_name", option("DRIVER_NAME"))
            .text_or_null("driver_version", option("DRIVER_VERSION"))
            .text("hostname", &client.address.ip().to_string())
            .text_or_null("keyspace_name", client.keyspace.as_deref())
            .int("protocol_version", client.protocol_version)
            .large("request_count", client.requests)
            .boolean("ssl_enabled", client.tls.is_some())
            .text("username", &client.user);
        if let Some((suite, protocol)) = &client.tls {
            row.text("ssl_cipher_suite", suite).text("ssl_protocol", protocol);
        }
    }
    Ok(())
}

fn disk_usage(rows: &mut Rows<'_>, snapshot: &Snapshot, stored: &dyn Stored) -> Result<()> {
    for entry in snapshot.stored_tables() {
        // A part of a mebibyte counts as one (`TableMetricTables`).
        let mebibytes = stored.size_of(entry)?.disk_bytes.div_ceil(1 << 20);
        rows.row()
            .text("keyspace_name", &entry.table.keyspace)
            .text("table_name", &entry.table.name)
            .large("mebibytes", mebibytes);
    }
    Ok(())
}

fn gossip_info(rows: &mut Rows<'_>, snapshot: &Snapshot, node: &Node) {
    let address = node.cql.ip();
    rows.row()
        .inet("address", address)
        .int("port", STORAGE_PORT)
        .text("dc", &node.datacenter)
        .int("generation", i32::try_from(node.started).unwrap_or(i32::MAX))
        .text("host_id", &uuid_to_text(node.host_id))
        .text("hostname", &address.to_string())
        .text("native_address_and_port", &node.cql.to_string())
        .text("rack", RACK)
        .text("release_version", RELEASE_VERSION)
        .text("rpc_address", &address.to_string())
        .text("rpc_ready", "true")
        .text("schema", &uuid_to_text(snapshot.schema.version))
        .text("status", &format!("NORMAL,{TOKEN}"));
}

/// Those of Cassandra's settings that mean something here, and what the server adds.
fn settings(node: &Node, live: &dyn Live) -> BTreeMap<String, String> {
    let address = node.cql.ip().to_string();
    let mut settings: BTreeMap<String, String> = [
        ("allow_filtering_enabled", "true"),
        ("auto_bootstrap", "false"),
        ("cdc_enabled", "false"),
        ("cluster_name", &node.cluster_name),
        ("compact_tables_enabled", "true"),
        ("default_keyspace_rf", "1"),
        ("default_secondary_index", "legacy_local_table"),
        ("default_secondary_index_enabled", "true"),
        ("drop_compact_storage_enabled", "false"),
        ("dynamic_data_masking_enabled", "false"),
        ("endpoint_snitch", "SimpleSnitch"),
        ("hinted_handoff_enabled", "false"),
        ("initial_token", TOKEN),
        ("listen_address", &address),
        ("materialized_views_enabled", "false"),
        ("native_transport_port", &node.cql.port().to_string()),
        ("num_tokens", "1"),
        ("partitioner", PARTITIONER),
        ("rpc_address", &address),
        ("sasi_indexes_enabled", "false"),
        ("secondary_indexes_enabled", "true"),
        ("start_native_transport", "true"),
        ("storage_port", &STORAGE_PORT.to_string()),
        ("transient_replication_enabled", "false"),
        ("user_defined_functions_enabled", "false"),
        ("vector_type_enabled", "true"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    settings.extend(live.settings());
    settings
}

fn thread_pools(rows: &mut Rows<'_>, live: &dyn Live) {
    for pool in live.thread_pools() {
        rows.row()
            .text("name", &pool.name)
            .count("active_tasks", pool.active)
            .count("active_tasks_limit", pool.limit)
            .large("blocked_tasks", pool.blocked)
            .large("blocked_tasks_all_time", pool.blocked_ever)
            .large("completed_tasks", pool.completed)
            .count("pending_tasks", pool.pending);
    }
}
