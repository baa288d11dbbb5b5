//! What tools and drivers read of the server: its settings, clients, sizes, statements.

use std::collections::BTreeMap;

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Answer, Bind, Binds, Connection, Outcome, Settings};

use crate::clients::dialogue::binary;

fn ask(connection: &mut Connection, statement: &str) -> Vec<Vec<Option<Vec<u8>>>> {
    match connection.query(statement, &Binds::None, &Settings::default()).unwrap() {
        Answer { outcome: Outcome::Rows(rows), .. } => rows.rows,
        Answer { outcome: Outcome::Error(error), .. } => panic!("{statement}: {}", error.message),
        _ => Vec::new(),
    }
}

fn text(value: &Option<Vec<u8>>) -> String {
    String::from_utf8(value.clone().unwrap()).unwrap()
}

fn bigint(value: &Option<Vec<u8>>) -> i64 {
    i64::from_be_bytes(value.clone().unwrap().try_into().unwrap())
}

fn settings(connection: &mut Connection) -> BTreeMap<String, String> {
    let rows = ask(connection, "SELECT name, value FROM system_views.settings");
    rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

#[test]
fn the_system_views_tell_what_the_server_is_and_does() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &["--durability", "periodic", "--dc", "dc7"]).unwrap();
    let mut connection = Connection::open(server.address(), 5).unwrap();
    let set = settings(&mut connection);
    let wanted = [
        ("native_transport_port", server.address().port().to_string()),
        ("commitlog_sync", "periodic".to_owned()),
        ("commitlog_sync_period", "10000ms".to_owned()),
        ("native_transport_max_frame_size", "16MiB".to_owned()),
        ("native_transport_max_concurrent_connections", "4096".to_owned()),
        ("client_encryption_options.enabled", "false".to_owned()),
        ("authenticator", "AllowAllAuthenticator".to_owned()),
        ("data_file_directories", format!("[{}]", folder.data().display())),
        ("partitioner", "org.apache.cassandra.dht.Murmur3Partitioner".to_owned()),
    ];
    for (name, value) in wanted {
        assert_eq!(set.get(name), Some(&value), "{name}");
    }

    let statement = "SELECT cluster_name FROM system.local";
    let Outcome::Prepared(prepared) = connection.prepare(statement, Some("system")).unwrap().outcome else {
        panic!("{statement} was not prepared")
    };
    let kept = ask(
        &mut connection,
        "SELECT prepared_id, logged_keyspace, query_string FROM system.prepared_statements",
    );
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0][0], Some(prepared.id));
    assert_eq!((text(&kept[0][1]), text(&kept[0][2])), ("system".to_owned(), statement.to_owned()));

    let pools = ask(
        &mut connection,
        "SELECT name, completed_tasks, active_tasks_limit, pending_tasks FROM system_views.thread_pools",
    );
    assert_eq!(text(&pools[0][0]), "Native-Transport-Requests");
    assert!(bigint(&pools[0][1]) > 0);
    let caches = ask(&mut connection, "SELECT name, capacity_bytes, size_bytes FROM system_views.caches");
    let names: Vec<String> = caches.iter().map(|row| text(&row[0])).collect();
    assert_eq!(names, ["chunks", "guides"]);
    assert_eq!(set.get("file_cache_size"), Some(&format!("{}MiB", bigint(&caches[0][1]) >> 20)));

    let clients = ask(&mut connection, "SELECT protocol_version, request_count FROM system_views.clients");
    assert_eq!((clients.len(), clients[0][0].clone()), (1, Some(vec![0, 0, 0, 5])));
    for table in ["sstable_tasks", "pending_hints", "repairs", "streaming", "snapshots"] {
        assert!(ask(&mut connection, &format!("SELECT * FROM system_views.{table}")).is_empty(), "{table}");
    }
    server.stop().unwrap();
}

#[test]
fn the_estimates_that_spark_splits_by_are_about_right() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    let mut connection = Connection::open(server.address(), 4).unwrap();
    for statement in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.narrow (p int PRIMARY KEY, v text)",
        "CREATE TABLE k.wide (p int, c int, v text, PRIMARY KEY (p, c))",
        "CREATE TABLE k.none (p int PRIMARY KEY)",
    ] {
        ask(&mut connection, statement);
    }
    let statement = "INSERT INTO k.narrow (p, v) VALUES (?, ?)";
    let Outcome::Prepared(narrow) = connection.prepare(statement, None).unwrap().outcome else { panic!() };
    let value = |bytes: usize| Bind::Bytes(vec![b'x'; bytes]);
    for p in 0..5000i32 {
        let binds = Binds::ByPosition(vec![Bind::Bytes(p.to_be_bytes().to_vec()), value(100)]);
        connection.execute(&narrow, &binds, &Settings::default()).unwrap();
    }
    for (p, c) in (0..4).flat_map(|p| (0..100).map(move |c| (p, c))) {
        let text = "x".repeat(1000);
        ask(&mut connection, &format!("INSERT INTO k.wide (p, c, v) VALUES ({p}, {c}, '{text}')"));
    }
    let estimate = |connection: &mut Connection, table: &str| {
        let columns = "range_start, range_end, partitions_count, mean_partition_size";
        let rows = ask(
            connection,
            &format!(
                "SELECT {columns} FROM system.size_estimates WHERE keyspace_name = 'k' AND table_name = '{table}'"
            ),
        );
        assert_eq!(rows.len(), 1, "one range, the whole ring");
        assert_eq!([text(&rows[0][0]), text(&rows[0][1])], [i64::MIN.to_string(), i64::MIN.to_string()]);
        (bigint(&rows[0][2]), bigint(&rows[0][3]))
    };
    let (partitions, mean) = estimate(&mut connection, "narrow");
    assert!((4000..6000).contains(&partitions), "{partitions} of 5000 partitions");
    assert!((100..200).contains(&mean), "{mean} bytes for a partition of a hundred and its key");
    let (partitions, mean) = estimate(&mut connection, "wide");
    assert_eq!(partitions, 4);
    assert!((90_000..120_000).contains(&mean), "{mean} bytes for a partition of 100,000");
    assert_eq!(estimate(&mut connection, "none"), (0, 0));
    let types = ask(
        &mut connection,
        "SELECT range_type FROM system.table_estimates WHERE keyspace_name = 'k' AND table_name = 'wide'",
    );
    assert_eq!(types.iter().map(|row| text(&row[0])).collect::<Vec<_>>(), ["local_primary", "primary"]);
    server.stop().unwrap();
}
