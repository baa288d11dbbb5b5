//! A schema from the rows that describe it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cluster::schema::changes;
use ilium_cql::CqlType;
use ilium_cql::schema::{IndexKind, Keyspace, Schema, Table};
use ilium_store::{DataStore as _, SchemaChange, SchemaChangeKind, SchemaTarget};
use ilium_testbed::{Cassandra, require};

use crate::described::{Described, Embedded, Upstream, schema, try_schema};

const STATEMENTS: [&str; 16] = [
    "CREATE KEYSPACE \"Ks\" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1} \
     AND durable_writes = false",
    "CREATE TYPE \"Ks\".inner (a int, \"B\" text)",
    // It comes before the one it refers to, by name.
    "CREATE TYPE \"Ks\".another (i frozen<inner>, l frozen<list<frozen<inner>>>)",
    "CREATE TABLE \"Ks\".wide (p1 int, p2 text, c1 int, c2 timeuuid, s text static, \"Quoted\" int, l list<text>, \
     fs frozen<set<int>>, m map<text, frozen<list<int>>>, u another, fu frozen<another>, t tuple<int, text>, \
     v vector<float, 3>, lu list<frozen<another>>, PRIMARY KEY ((p1, p2), c1, c2)) \
     WITH CLUSTERING ORDER BY (c1 DESC, c2 ASC) AND comment = 'it''s' AND default_time_to_live = 60 \
     AND gc_grace_seconds = 5 AND speculative_retry = '10ms' AND caching = {'keys': 'NONE', 'rows_per_partition': '1'} \
     AND compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 10} \
     AND compression = {'enabled': false}",
    "CREATE TABLE \"Ks\".counted (p int PRIMARY KEY, n counter)",
    "CREATE TABLE \"Ks\".every (a ascii PRIMARY KEY, b bigint, bl blob, bo boolean, d date, de decimal, dou double, \
     du duration, f float, i inet, n int, sm smallint, t text, ti time, ts timestamp, tu timeuuid, tn tinyint, u uuid, \
     vi varint, gone list<int>)",
    "ALTER TABLE \"Ks\".every DROP gone",
    "ALTER TABLE \"Ks\".every ADD later int",
    "CREATE INDEX ON \"Ks\".wide (\"Quoted\")",
    "CREATE INDEX of_values ON \"Ks\".wide (values(m))",
    "CREATE INDEX of_full ON \"Ks\".wide (full(fs))",
    "CREATE INDEX of_clustering ON \"Ks\".wide (c2)",
    "CREATE TABLE \"Ks\".compact_static (p int PRIMARY KEY, v text, w int) WITH COMPACT STORAGE",
    "CREATE TABLE \"Ks\".compact_dense (p int, c int, v text, PRIMARY KEY (p, c)) WITH COMPACT STORAGE",
    "CREATE TABLE \"Ks\".compact_keys (p int, c int, PRIMARY KEY (p, c)) WITH COMPACT STORAGE",
    "CREATE TABLE \"Ks\".reversed (p int, c frozen<another>, PRIMARY KEY (p, c)) WITH CLUSTERING ORDER BY (c DESC)",
];

/// Indexes have no order of their own.
fn by_name(keyspace: &Keyspace) -> Keyspace {
    let mut keyspace = keyspace.clone();
    for table in keyspace.tables.values_mut() {
        Arc::make_mut(table).indexes.sort_by(|one, other| one.name.cmp(&other.name));
    }
    keyspace
}

/// Without what differs of two servers that ran the same statements.
fn without_ids(keyspace: &Keyspace) -> Keyspace {
    let mut keyspace = by_name(keyspace);
    for table in keyspace.tables.values_mut() {
        let table = Arc::make_mut(table);
        table.id = [0; 16];
        table.dropped_columns.values_mut().for_each(|column| column.dropped_time = 0);
    }
    keyspace
}

fn assert_same(read: &Keyspace, expected: &Keyspace) {
    for (name, table) in &expected.tables {
        assert_eq!(read.tables.get(name), Some(table), "{}.{name}", expected.name);
    }
    assert_eq!(read, expected);
}

#[test]
fn what_the_embedded_engine_says_of_its_schema_gives_that_schema() {
    let embedded = Embedded::with(&STATEMENTS);
    let read = schema(&embedded.describe());
    let expected = embedded.engine.schema();
    assert_eq!(read.keyspaces.keys().collect::<Vec<_>>(), expected.keyspaces.keys().collect::<Vec<_>>());
    let stored = expected.keyspaces.values().filter(|keyspace| !keyspace.is_virtual);
    for keyspace in stored {
        let mut expected = by_name(keyspace);
        for table in expected.tables.values_mut() {
            // Kept in milliseconds.
            let dropped = Arc::make_mut(table).dropped_columns.values_mut();
            dropped.for_each(|column| column.dropped_time -= column.dropped_time.rem_euclid(1000));
        }
        assert_same(&by_name(&read.keyspaces[&keyspace.name]), &expected);
    }
    let columns = |table: &Table| {
        table.columns.iter().map(|column| (Arc::clone(&column.name), column.kind)).collect::<Vec<_>>()
    };
    let ids = |keyspace: &Keyspace| {
        keyspace.tables.values().map(|table| (table.id, ())).collect::<BTreeMap<_, _>>()
    };
    for keyspace in expected.keyspaces.values().filter(|keyspace| keyspace.is_virtual) {
        let read = &read.keyspaces[&keyspace.name];
        assert!(read.is_virtual);
        assert_eq!(ids(read).len(), keyspace.tables.len(), "each has an id of its own");
        for (name, table) in &keyspace.tables {
            assert_eq!(columns(&read.tables[name]), columns(table), "{name}");
        }
    }
}

#[test]
fn columns_that_an_older_release_does_not_have_read_as_their_defaults() {
    let embedded = Embedded::with(&STATEMENTS);
    let mut sources = embedded.describe();
    let whole = schema(&sources);
    // Cassandra 4.0 lacks the first three, ScyllaDB the others too, and virtual keyspaces.
    let absent = [
        "memtable",
        "allow_auto_snapshot",
        "incremental_backups",
        "additional_write_policy",
        "read_repair",
        "cdc",
        "extensions",
    ];
    for source in sources.iter_mut().flatten() {
        *source = source.without(&absent);
    }
    sources[7..].fill_with(|| None);
    let older = schema(&sources);
    assert_same(&older.keyspaces["Ks"], &whole.keyspaces["Ks"]);
    assert!(!older.keyspaces.contains_key("system_views"));
}

#[test]
fn a_type_of_a_newer_release_passes_by_its_name() {
    let embedded = Embedded::with(&[
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TYPE k.point (x int, y int)",
        "CREATE TABLE k.t (p int PRIMARY KEY, at point, there frozen<point>)",
    ]);
    let mut sources = embedded.describe();
    // The definitions of types are missing: as if their names were of types that are built in.
    sources[1] = None;
    let read = schema(&sources);
    let type_of = |name| read.table("k", "t").unwrap().column(name).unwrap().column_type.clone();
    assert_eq!(type_of("at"), CqlType::Custom("point".into()));
    assert_eq!(type_of("there"), CqlType::Custom("frozen<point>".into()));
    assert_eq!(type_of("p"), CqlType::Int);
}

#[test]
fn a_description_that_makes_no_sense_is_refused_and_the_place_is_named() {
    let sources = || Embedded::with(&STATEMENTS[..4]).describe();
    let refused = |at: usize, change: &dyn Fn(&Described) -> Described| {
        let mut sources = sources();
        sources[at] = sources[at].as_ref().map(change);
        try_schema(&sources).unwrap_err().to_string()
    };
    for (at, column, place) in [
        (0, "keyspace_name", "system_schema.keyspaces.keyspace_name is missing"),
        (1, "field_types", "system_schema.types.field_types has another number of fields than field_names"),
        (2, "id", "system_schema.tables.id is missing"),
        (4, "type", "system_schema.columns.type is missing"),
    ] {
        let error = refused(at, &|source| source.without(&[column]));
        assert_eq!(error, format!("the cluster's schema cannot be read: {place}"));
    }
    // Cut anywhere, the rows end in an error and nothing else.
    let whole = sources();
    let cells = whole[4].as_ref().unwrap().cells.clone();
    for end in (0..cells.len()).step_by(97) {
        let cut = |source: &Described| Described {
            columns: source.columns.clone(),
            count: source.count,
            cells: cells.slice(..end),
        };
        let error = refused(4, &cut);
        assert!(error.contains("system_schema.columns"), "{error}");
    }
}

#[test]
fn a_real_cassandra_and_the_embedded_engine_have_the_same_schema_of_the_same_statements() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let mut upstream = Upstream::connect(cassandra.address());
    STATEMENTS.iter().for_each(|text| upstream.run(text));
    let expected = Embedded::with(&STATEMENTS).engine.schema();
    let read = schema(&upstream.describe());
    assert_same(&without_ids(&read.keyspaces["Ks"]), &without_ids(&expected.keyspaces["Ks"]));
    let system = |schema: &Schema| {
        let keyspaces = schema.keyspaces.values().filter(|keyspace| keyspace.name.starts_with("system"));
        let tables = keyspaces.flat_map(|keyspace| keyspace.tables.values().cloned());
        let shape =
            |table: Arc<Table>| (table.keyspace.to_string(), table.name.to_string(), table.columns.clone());
        tables.map(shape).collect::<Vec<_>>()
    };
    assert_eq!(system(&read), system(&expected));

    for text in [
        "CREATE CUSTOM INDEX near ON \"Ks\".wide (v) USING 'StorageAttachedIndex' \
         WITH OPTIONS = {'similarity_function': 'dot_product'}",
        "CREATE MATERIALIZED VIEW \"Ks\".viewed AS SELECT p, b, n FROM \"Ks\".plain WHERE b IS NOT NULL AND p IS NOT NULL \
         PRIMARY KEY (b, p) WITH CLUSTERING ORDER BY (p DESC)",
    ] {
        if text.contains("plain") {
            upstream.run("CREATE TABLE \"Ks\".plain (p int PRIMARY KEY, b int, n int)");
        }
        upstream.run(text);
    }
    let read = schema(&upstream.describe());
    let (of, near) = read.index("Ks", "near").unwrap();
    assert_eq!((&*of.name, near.kind), ("wide", IndexKind::Custom));
    assert_eq!(near.options["class_name"], "StorageAttachedIndex");
    assert_eq!((&*near.options["target"], &*near.options["similarity_function"]), ("v", "dot_product"));
    let viewed = read.table("Ks", "viewed").unwrap();
    let columns: Vec<_> = viewed.columns.iter().map(|column| (&*column.name, column.descending)).collect();
    assert_eq!(columns, [("b", false), ("p", true), ("n", false)]);
}

#[test]
fn what_changed_between_two_snapshots_is_told_from_the_outside_in() {
    let create = "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
    let alter = "ALTER KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}";
    let table = "CREATE TABLE k.t (p int PRIMARY KEY)";
    let of = |statements: &[&str]| {
        let mut schema = schema(&Embedded::with(statements).describe());
        // Each engine gives ids of its own.
        for keyspace in schema.keyspaces.values_mut() {
            let tables = Arc::make_mut(keyspace).tables.values_mut();
            tables.for_each(|table| Arc::make_mut(table).id = [0; 16]);
        }
        schema
    };
    let told = |old: &[&str], new: &[&str]| -> Vec<String> {
        let word = |change: SchemaChange| {
            let kind = match change.kind {
                SchemaChangeKind::Created => "created",
                SchemaChangeKind::Updated => "updated",
                SchemaChangeKind::Dropped => "dropped",
            };
            match change.target {
                SchemaTarget::Table(name) => format!("{kind} table {}.{name}", change.keyspace),
                SchemaTarget::Type(name) => format!("{kind} type {}.{name}", change.keyspace),
                _ => format!("{kind} {}", change.keyspace),
            }
        };
        changes(&of(old), &of(new)).into_iter().map(word).collect()
    };
    let typed = "CREATE TYPE k.u (a int)";
    assert_eq!(told(&[], &[create, typed, table]), ["created k", "created type k.u", "created table k.t"]);
    assert_eq!(told(&[create, table], &[create, table, "ALTER TABLE k.t ADD v int"]), ["updated table k.t"]);
    assert_eq!(told(&[create, table], &[create, alter, table]), ["updated k"]);
    assert_eq!(told(&[create, table], &[create, typed]), ["created type k.u", "dropped table k.t"]);
    assert_eq!(told(&[create, table], &[]), ["dropped k"]);
    assert_eq!(told(&[create, table], &[create, table]), [] as [&str; 0]);
}
