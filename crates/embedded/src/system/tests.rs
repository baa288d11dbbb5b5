use std::sync::Arc;

use ilium_cql::ast::Statement;
use ilium_cql::value::{list_elements, map_entries};
use ilium_store::{Context, ErrorKind, PageState, Principal, Result, SealKey};
use serde_json::{Value, json};

use super::describe::{Description, description};
use super::*;
use crate::catalog::Catalog;
use crate::clock::ManualClock;
use crate::layout::policy::RowPolicy;
use crate::storage::{MemoryStore, Store};

struct Quiet;

impl Live for Quiet {
    fn started(&self) -> i64 {
        1_700_000_000
    }

    fn clients(&self) -> Vec<live::Client> {
        vec![live::Client {
            address: "127.0.0.1:50000".parse().unwrap(),
            options: [("DRIVER_NAME".to_owned(), "cqlsh".to_owned())].into(),
            stage: "ready".into(),
            keyspace: None,
            protocol_version: 5,
            requests: 3,
            user: "anonymous".into(),
            tls: None,
        }]
    }
}

impl Stored for Quiet {
    fn size_of(&self, _table: &TableEntry) -> Result<live::TableSize> {
        Ok(live::TableSize { bytes: 1000, disk_bytes: 500, partitions: 10 })
    }

    fn caches(&self) -> Vec<live::Cache> {
        vec![live::Cache { name: "chunks".into(), capacity_bytes: 100, size_bytes: 10, entries: Some(1) }]
    }
}

struct Fixture {
    store: MemoryStore,
    catalog: Catalog,
}

impl Fixture {
    fn new() -> Fixture {
        let store =
            MemoryStore::new(Arc::new(RowPolicy::new(Arc::new(ManualClock::at_seconds(1_700_000_000)))));
        let opened = Catalog::open(&store.view(), "datacenter1").unwrap();
        store.commit(opened.batch).wait().unwrap();
        Fixture { store, catalog: opened.catalog }
    }

    fn change(&self, statement: &str) {
        let parsed = ilium_cql::parse(statement).unwrap();
        let pending = self.catalog.change(&parsed, None, 1_700_000_000_000_000, None, |_| Ok(())).unwrap();
        self.store.commit(pending.batch().clone()).wait().unwrap();
        pending.publish();
    }

    fn describe(&self, statement: &str, keyspace: Option<&str>) -> Result<Description> {
        let Statement::Describe(parsed) = ilium_cql::parse(statement).unwrap() else { panic!("{statement}") };
        let node = Node::of(&self.catalog, &Quiet);
        description(&parsed, keyspace, &self.catalog.current().schema, &node)
    }

    /// The rows as JSON objects of what is not null, sorted.
    fn rows(&self, keyspace: &str, table: &str) -> Vec<Value> {
        let snapshot = self.catalog.current();
        let entry = snapshot.table(keyspace, table).unwrap();
        let mut shown: Vec<Value> = rows(entry, &snapshot, &self.catalog, &Quiet, &Quiet)
            .unwrap()
            .into_iter()
            .map(|row| {
                assert_eq!(row.len(), entry.table.columns.len());
                let values = entry.table.columns.iter().zip(row);
                values
                    .filter_map(|(c, v)| Some((c.name.to_string(), show(&c.column_type.to_string(), &v?))))
                    .collect()
            })
            .collect();
        shown.sort_by_key(Value::to_string);
        shown
    }
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8(bytes.to_vec()).unwrap().into()
}

fn show(column_type: &str, value: &[u8]) -> Value {
    match column_type {
        "text" => text(value),
        "int" => i32::from_be_bytes(value.try_into().unwrap()).into(),
        "bigint" | "timestamp" => i64::from_be_bytes(value.try_into().unwrap()).into(),
        "double" => f64::from_be_bytes(value.try_into().unwrap()).into(),
        "boolean" => (value == [1]).into(),
        ty if ty.contains("map<text, text>") => {
            let entries = map_entries(value).unwrap().map(|entry| entry.unwrap());
            entries.map(|(k, v)| (String::from_utf8(k.to_vec()).unwrap(), text(v))).collect()
        }
        ty if ty.contains("set<text>") || ty.contains("list<text>") => {
            list_elements(value).unwrap().map(|element| text(element.unwrap())).collect()
        }
        _ => format!("{value:02x?}").into(),
    }
}

const DEFAULT_OPTIONS: &str = "additional_write_policy = '99p'\n    AND allow_auto_snapshot = true\n    \
     AND bloom_filter_fp_chance = 0.01\n    AND caching = {'keys': 'ALL', 'rows_per_partition': 'NONE'}\n    \
     AND cdc = false\n    AND comment = ''\n    AND compaction = {'class': \
     'org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy', 'max_threshold': '32', 'min_threshold': '4'}\
     \n    AND compression = {'chunk_length_in_kb': '16', 'class': \
     'org.apache.cassandra.io.compress.LZ4Compressor'}\n    AND memtable = 'default'\n    \
     AND crc_check_chance = 1.0\n    AND default_time_to_live = 0\n    AND extensions = {}\n    \
     AND gc_grace_seconds = 864000\n    AND incremental_backups = true\n    AND max_index_interval = 2048\n    \
     AND memtable_flush_period_in_ms = 0\n    AND min_index_interval = 128\n    AND read_repair = 'BLOCKING'\n    \
     AND speculative_retry = '99p'";

fn shown_description(outcome: Result<Description>) -> Vec<String> {
    let description = match outcome {
        Ok(description) => description,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Invalid);
            return vec![format!("error 2200 {}", error.message)];
        }
    };
    let shown_type = |ty: &str| ty.replace("frozen<", "").replace(">>", ">").replace("text", "varchar");
    let columns: Vec<_> = description
        .columns
        .iter()
        .map(|c| format!("{} {}", c.name, shown_type(&c.column_type.to_string())))
        .collect();
    let mut lines =
        vec![format!("columns {}", columns.join(", ")).replace("varchar>", "varchar>>").replace(">>>", ">>")];
    for row in &description.rows {
        let values: Vec<Value> = row
            .iter()
            .zip(&description.columns)
            .map(|(value, column)| match &*column.name {
                "range_ownership" => map_entries(value)
                    .unwrap()
                    .map(|entry| entry.unwrap())
                    .map(|(k, v)| {
                        let nodes: Value =
                            list_elements(v).unwrap().map(|node| text(node.unwrap())).collect();
                        (String::from_utf8(k.to_vec()).unwrap(), nodes)
                    })
                    .collect(),
                _ => {
                    let text = String::from_utf8(value.clone()).unwrap();
                    text.replace(DEFAULT_OPTIONS, "<the default options>").into()
                }
            })
            .collect();
        lines.push(Value::from(values).to_string());
    }
    lines
}

#[test]
fn describe_answers_as_cassandra_answered() {
    let fixture = Fixture::new();
    let mut keyspace = None;
    let mut count = 0;
    let mut lines = include_str!("describe_cases.txt").lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(statement) = line.strip_prefix("+ ") {
            fixture.change(statement);
        } else if line == "= use simple" {
            keyspace = Some("simple");
        } else if let Some(statement) = line.strip_prefix("> ") {
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                let line = line.trim_start();
                // Python and serde write JSON with different blanks.
                expected.push(match serde_json::from_str::<Value>(line) {
                    Ok(row) => row.to_string(),
                    Err(_) => line.to_owned(),
                });
            }
            count += 1;
            let got = shown_description(fixture.describe(statement, keyspace));
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!(got, expected, "{statement}");
            }
            assert_eq!(got.len(), expected.len(), "{statement}");
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_system_table_can_be_read() {
    let fixture = Fixture::new();
    fixture.change("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    fixture.change("create table ks.t (k int primary key, v int)");
    let snapshot = fixture.catalog.current();
    for entry in snapshot.tables().filter(|entry| entry.table.keyspace.starts_with("system")) {
        for row in rows(entry, &snapshot, &fixture.catalog, &Quiet, &Quiet).unwrap() {
            let keys = row.iter().zip(&entry.table.columns).take(entry.key_len());
            for (value, column) in keys {
                assert!(value.is_some(), "{}.{}.{}", entry.table.keyspace, entry.table.name, column.name);
            }
        }
    }
}

#[test]
fn the_node_is_a_ring_of_one() {
    let fixture = Fixture::new();
    let local = fixture.rows("system", "local");
    assert_eq!(local.len(), 1);
    let schema_version = fixture.catalog.current().schema.version;
    for (column, value) in [
        ("key", json!("local")),
        ("bootstrapped", json!("COMPLETED")),
        ("cluster_name", json!("Test Cluster")),
        ("data_center", json!("datacenter1")),
        ("rack", json!("rack1")),
        ("release_version", json!("5.0.9")),
        ("native_protocol_version", json!("5")),
        ("partitioner", json!("org.apache.cassandra.dht.Murmur3Partitioner")),
        ("tokens", json!(["-9223372036854775808"])),
        ("rpc_port", json!(9042)),
        ("rpc_address", json!("[7f, 00, 00, 01]")),
        ("schema_version", json!(format!("{schema_version:02x?}"))),
    ] {
        assert_eq!(local[0][column], value, "{column}");
    }
    assert!(fixture.rows("system", "peers").is_empty() && fixture.rows("system", "peers_v2").is_empty());
}

#[test]
fn the_schema_is_in_its_tables() {
    let fixture = Fixture::new();
    for statement in [
        "create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':3}",
        "create type ks.ty (a int, b frozen<list<text>>)",
        "create table ks.t (k int, c text, s int static, v frozen<ty>, gone text, primary key (k, c)) with clustering \
         order by (c desc) and allow_auto_snapshot = false",
        "create index on ks.t (v)",
        "alter table ks.t drop gone using timestamp 5000",
        "create table ks.cs (k int primary key, a int) with compact storage",
        "create table ks.dense (k int, c int, primary key (k, c)) with compact storage",
    ] {
        fixture.change(statement);
    }
    let of_ks = |table: &str| -> Vec<Value> {
        let rows = fixture.rows("system_schema", table).into_iter();
        rows.filter(|row| row["keyspace_name"] == "ks")
            .map(|mut row| {
                row.as_object_mut()
                    .unwrap()
                    .retain(|name, _| name != "keyspace_name" && name != "id" && name != "column_name_bytes");
                row
            })
            .collect()
    };
    assert_eq!(
        of_ks("keyspaces"),
        [json!({"durable_writes": true,
            "replication": {"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "3"}})]
    );
    let columns: Vec<String> = of_ks("columns")
        .into_iter()
        .map(|c| {
            format!(
                "{} {} {} {} {} {}",
                c["table_name"], c["column_name"], c["kind"], c["position"], c["clustering_order"], c["type"]
            )
            .replace('"', "")
        })
        .collect();
    // What a real Cassandra shows for the same statements.
    assert_eq!(
        columns,
        [
            "cs a static -1 none int",
            "cs column1 clustering 0 asc text",
            "cs k partition_key 0 none int",
            "cs value regular -1 none blob",
            "dense c clustering 0 asc int",
            "dense k partition_key 0 none int",
            "dense value regular -1 none empty",
            "t c clustering 0 desc text",
            "t k partition_key 0 none int",
            "t s static -1 none int",
            "t v regular -1 none frozen<ty>",
        ]
    );
    assert_eq!(
        of_ks("indexes"),
        [
            json!({"table_name": "t", "index_name": "t_v_idx", "kind": "COMPOSITES", "options": {"target": "v"}})
        ]
    );
    assert_eq!(
        of_ks("types"),
        [json!({"type_name": "ty", "field_names": ["a", "b"], "field_types": ["int", "frozen<list<text>>"]})]
    );
    assert_eq!(
        of_ks("dropped_columns"),
        [
            json!({"table_name": "t", "column_name": "gone", "dropped_time": 5, "kind": "regular", "type": "text"})
        ]
    );
    let tables = of_ks("tables");
    let flags: Vec<_> = tables.iter().map(|t| (t["table_name"].clone(), t["flags"].clone())).collect();
    assert_eq!(
        flags,
        [(json!("cs"), json!([])), (json!("dense"), json!(["dense"])), (json!("t"), json!(["compound"]))]
    );
    assert_eq!(tables[2]["allow_auto_snapshot"], json!(false));
    assert_eq!(tables[0].get("allow_auto_snapshot"), None, "Cassandra leaves the default out");
    assert_eq!(fixture.rows("system_virtual_schema", "keyspaces").len(), 2);
    assert_eq!(fixture.rows("system_virtual_schema", "tables").len(), 46);
}

#[test]
fn clients_and_sizes_are_reported() {
    let fixture = Fixture::new();
    fixture.change("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    fixture.change("create table ks.t (k int primary key, v int)");
    let client = &fixture.rows("system_views", "clients")[0];
    assert_eq!((&client["driver_name"], &client["port"]), (&json!("cqlsh"), &json!(50000)));
    assert_eq!(client.get("keyspace_name"), None);
    let estimate = &fixture.rows("system", "size_estimates")[0];
    assert_eq!((&estimate["mean_partition_size"], &estimate["partitions_count"]), (&json!(100), &json!(10)));
    assert_eq!(fixture.rows("system", "table_estimates").len(), 2);
    let settings = fixture.rows("system_views", "settings");
    assert!(settings.iter().any(|s| s["name"] == "native_transport_port" && s["value"] == "9042"));
}

#[test]
fn a_description_comes_in_pages_while_the_schema_stays() {
    let fixture = Fixture::new();
    let Statement::Describe(all) = ilium_cql::parse("describe keyspaces").unwrap() else { panic!() };
    let seal = SealKey::new(&[1; 32]).unwrap();
    let mut context = Context::new(Principal::Anonymous);
    let page = |context: &Context| {
        let snapshot = fixture.catalog.current();
        super::describe(&all, None, &snapshot, &fixture.catalog, &Quiet, context, &seal)
    };
    let whole = page(&context).unwrap();
    assert_eq!((whole.count, whole.next), (7, None));
    context.page_size = Some(3);
    let (mut data, mut counts) = (Vec::new(), Vec::new());
    loop {
        let rows = page(&context).unwrap();
        data.extend_from_slice(&rows.data);
        counts.push(rows.count);
        context.page_state = rows.next;
        if context.page_state.is_none() {
            break;
        }
    }
    assert_eq!((counts, data), (vec![3, 3, 1], whole.data.to_vec()));
    context.page_state = page(&context).unwrap().next;
    fixture.change("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    assert!(page(&context).unwrap_err().message.starts_with("The schema has changed since"));
    context.page_state = Some(PageState(vec![0; 60].into()));
    assert_eq!(page(&context).unwrap_err().kind, ErrorKind::Protocol);
}
