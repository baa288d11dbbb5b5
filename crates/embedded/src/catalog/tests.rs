use super::*;
use crate::clock::ManualClock;
use crate::layout::policy::RowPolicy;
use crate::storage::{MemoryStore, Store};
use ilium_store::{ErrorKind, SchemaChangeKind, SchemaTarget};
use proptest::prelude::*;

/// A catalog on a store in memory.
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

    fn run(&self, statement: &str) -> Result<Applied> {
        let parsed = ilium_cql::parse(statement).map_err(|error| match error.kind {
            ilium_cql::SyntaxErrorKind::Syntax => Error::syntax(error.message),
            ilium_cql::SyntaxErrorKind::Invalid => Error::invalid(error.message),
        })?;
        let pending = self.catalog.change(&parsed, None, 1_700_000_000_000_000, None, |_| Ok(()))?;
        self.store.commit(pending.batch().clone()).wait().unwrap();
        Ok(pending.publish())
    }

    fn ok(&self, statement: &str) -> Applied {
        self.run(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    fn entry(&self, name: &str) -> Arc<TableEntry> {
        Arc::clone(self.catalog.current().table("ks", name).unwrap())
    }

    fn reopened(&self) -> Catalog {
        let opened = Catalog::open(&self.store.view(), "datacenter1").unwrap();
        assert!(opened.batch.is_empty());
        opened.catalog
    }

    fn assert_same_after_reopening(&self) {
        let (before, after) = (self.catalog.current(), self.reopened().current());
        assert_eq!(before.schema, after.schema);
        assert_eq!((before.revision, before.next_number), (after.revision, after.next_number));
        for entry in before.tables() {
            let (keyspace, name) = (&entry.table.keyspace, &entry.table.name);
            assert_eq!(Some(entry), after.table(keyspace, name), "{keyspace}.{name}");
        }
        assert_eq!(before.tables().count(), after.tables().count());
        assert_eq!(self.catalog.host_id(), self.reopened().host_id());
    }
}

fn answer(outcome: &Result<Applied>) -> Vec<String> {
    let error = match outcome {
        Ok(applied) => {
            let mut lines = vec![applied.change.as_ref().map_or("nothing".to_owned(), shown_change)];
            lines.extend(applied.warnings.iter().map(|warning| format!("warning {warning}")));
            return lines;
        }
        Err(error) => error,
    };
    let code = match error.kind {
        ErrorKind::Syntax => 2000,
        ErrorKind::Unauthorized => 2100,
        ErrorKind::Invalid => 2200,
        ErrorKind::Config => 2300,
        ErrorKind::AlreadyExists { .. } => 2400,
        _ => 0,
    };
    vec![format!("error {code} {}", error.message)]
}

fn shown_change(change: &SchemaChange) -> String {
    let kind = match change.kind {
        SchemaChangeKind::Created => "created",
        SchemaChangeKind::Updated => "updated",
        SchemaChangeKind::Dropped => "dropped",
    };
    match &change.target {
        SchemaTarget::Table(name) => format!("{kind} table {}.{name}", change.keyspace),
        SchemaTarget::Type(name) => format!("{kind} type {}.{name}", change.keyspace),
        _ => format!("{kind} keyspace {}", change.keyspace),
    }
}

/// A parser's message without the extract that follows it: how much it shows is the parser's matter.
fn essence(answer: &[String]) -> Vec<&str> {
    let without_extract = |line: &str| line.find(" (").filter(|_| line.starts_with("error 2000 line "));
    answer.iter().map(|line| without_extract(line).map_or(line.as_str(), |end| &line[..end])).collect()
}

#[test]
fn every_schema_statement_is_answered_as_cassandra_answered_it() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    let mut lines = include_str!("ddl_cases.txt").lines().peekable();
    let mut count = 0;
    while let Some(statement) = lines.next() {
        if statement.is_empty() || statement.starts_with(['#', '=']) {
            continue;
        }
        let (mut theirs, mut here) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
            match line.trim_start().strip_prefix("here ") {
                Some(ours) => here.push(ours.to_owned()),
                None => theirs.push(line.trim_start().to_owned()),
            }
        }
        count += 1;
        let expected = if here.is_empty() { theirs } else { here };
        let got = answer(&fixture.run(statement));
        if essence(&got) != essence(&expected) {
            wrong.push(format!("{statement}\n  expected {expected:?}\n  got      {got:?}"));
        }
    }
    assert!(count > 350, "{count} statements");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    fixture.assert_same_after_reopening();
}

const RICH: &[&str] = &[
    "create keyspace ks with replication = {'class':'NetworkTopologyStrategy','datacenter1':3,'eu':2} \
     and durable_writes = false",
    "create type ks.zz (a int, \"B c\" frozen<list<text>>)",
    "create type ks.aa (z frozen<zz>, m map<text, frozen<zz>>)",
    "create table ks.t (a int, b text, c timeuuid, d int, s set<int> static, v frozen<aa>, u zz, w vector<float, 3>, \
     \"Odd \"\"name\" tuple<int, frozen<zz>>, primary key ((a, b), c, d)) with clustering order by (c desc, d asc) \
     and comment = 'it''s {\"odd\"}' and compaction = {'class':'TimeWindowCompactionStrategy'} \
     and bloom_filter_fp_chance = 0.0001",
    "create index on ks.t (v)",
    "create index on ks.t (\"Odd \"\"name\")",
    "create index \"Upper\" on ks.t (s)",
    "alter table ks.t drop w",
    "alter table ks.t add x int",
    "create table ks.cnt (k int primary key, n counter)",
    "create table ks.cs (k int, c int, v int, primary key (k, c)) with compact storage",
    "alter type ks.zz add later inet",
    "alter keyspace system_auth with replication = {'class':'SimpleStrategy','replication_factor':3}",
];

#[test]
fn a_schema_is_the_same_after_a_restart() {
    let fixture = Fixture::new();
    fixture.assert_same_after_reopening();
    for statement in RICH {
        if statement.contains("zz add later") {
            // A type in a non-frozen column may grow; in a partition key it may not, and it is in none here.
            assert!(fixture.entry("t").table.column("u").is_some());
        }
        fixture.ok(statement);
        fixture.assert_same_after_reopening();
    }
    for statement in ["drop index ks.\"Upper\"", "drop table ks.cs", "drop keyspace ks"] {
        fixture.ok(statement);
        fixture.assert_same_after_reopening();
    }
}

#[test]
fn numbers_of_tables_columns_and_indexes_are_never_used_for_another() {
    let fixture = Fixture::new();
    fixture.ok("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    fixture.ok("create table ks.t (k int primary key, v int, w int)");
    let before = fixture.entry("t");
    assert_eq!(before.cell_ids, [0, 1, 2]);
    fixture.ok("alter table ks.t drop v using timestamp 100");
    assert_eq!(fixture.entry("t").dropped_cells(), [(1, 100)]);
    fixture.ok("alter table ks.t add u int");
    assert_eq!(fixture.entry("t").cell_ids, [0, 3, 2]);
    fixture.ok("alter table ks.t add v int");
    let again = fixture.entry("t");
    assert_eq!(again.cell_ids, [0, 3, 1, 2]);
    assert_eq!(again.dropped_cells(), [(1, 100)]);
    let column = |time| again.column_of_cell(1, time);
    assert_eq!((column(100), column(101)), (None, Some(2)), "it sees what is newer than the drop");
    fixture.assert_same_after_reopening();
    let unfilled = fixture.ok("create index on ks.t (v)").unfilled_indexes;
    let dropped = fixture.ok("drop index ks.t_v_idx").dropped;
    assert_eq!(unfilled, dropped);
    fixture.ok("create index on ks.t (v)");
    let again = fixture.entry("t").indexes[0].number;
    assert!(again > unfilled[0]);
    let dropped = fixture.ok("drop table ks.t").dropped;
    assert_eq!(dropped, [before.number, again]);
    fixture.ok("create table ks.t (k int primary key, v int, w int)");
    assert!(fixture.entry("t").number > before.number);
}

#[test]
fn an_index_is_read_only_once_it_is_filled() {
    let fixture = Fixture::new();
    fixture.ok("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    fixture.ok("create table ks.t (k int primary key, v int)");
    let number = fixture.ok("create index on ks.t (v)").unfilled_indexes[0];
    assert!(!fixture.entry("t").indexes[0].ready);
    assert_eq!(fixture.reopened().unfilled_indexes(), [number], "a crash while filling starts it again");
    let pending = fixture.catalog.index_filled(number).unwrap();
    fixture.store.commit(pending.batch().clone()).wait().unwrap();
    assert_eq!(pending.publish().change, None);
    assert!(fixture.entry("t").indexes[0].ready);
    assert_eq!(fixture.reopened().unfilled_indexes(), Vec::<u32>::new());
    fixture.ok("drop index ks.t_v_idx");
    assert!(fixture.catalog.index_filled(number).unwrap().batch().is_empty());
}

#[test]
fn a_change_that_is_not_published_changes_nothing() {
    let fixture = Fixture::new();
    let create = "create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}";
    let before = fixture.catalog.current();
    drop(fixture.catalog.change(&ilium_cql::parse(create).unwrap(), None, 0, None, |_| Ok(())).unwrap());
    assert!(Arc::ptr_eq(&before, &fixture.catalog.current()));
    fixture.ok(create);
    assert_ne!(before.schema.version, fixture.catalog.current().schema.version);
}

#[test]
fn a_type_that_grows_grows_wherever_it_is_used() {
    let fixture = Fixture::new();
    for statement in &RICH[..4] {
        fixture.ok(statement);
    }
    fixture.ok("alter type ks.zz add later inet");
    let shown = format!("{:?}", fixture.entry("t").table.column("v").unwrap().column_type);

    assert_eq!(shown.matches("later").count(), 2, "in the field and in the map: {shown}");
}

#[test]
fn a_folder_of_a_newer_format_and_a_damaged_value_are_refused() {
    let put = |key: &[u8], value: &str| {
        let fixture = Fixture::new();
        let mut batch = Batch::new();
        let value = [&u64::MAX.to_be_bytes(), value.as_bytes()].concat();
        batch.put(&[&[0; 4], key].concat(), &value);
        fixture.store.commit(batch).wait().unwrap();
        Catalog::open(&fixture.store.view(), "datacenter1").err().map(|error| error.message).unwrap()
    };
    assert_eq!(
        put(b"keyspace/x\0", "{]"),
        "the stored schema is damaged: its value 'keyspace/x\0' makes no sense"
    );
    assert!(put(b"ring", "{\"format\": 2}").starts_with("this data folder has format 2"));
}

#[test]
fn values_that_a_later_version_adds_are_passed_over() {
    let fixture = Fixture::new();
    for statement in RICH {
        fixture.ok(statement);
    }
    let mut range = fixture.store.view().prefix(&[0; 4], false, Io::Allowed);
    let mut batch = Batch::new();
    while let Some((key, value)) = range.next().unwrap() {
        let mut json: serde_json::Value = serde_json::from_slice(&value[8..]).unwrap();
        json["of_later"] = serde_json::json!({ "any": ["thing"] });
        batch.put(key, &[&u64::MAX.to_be_bytes(), json.to_string().as_bytes()].concat());
    }
    fixture.store.commit(batch).wait().unwrap();
    let after = fixture.reopened().current();
    assert_eq!(after.schema, fixture.catalog.current().schema);
}

/// A stored schema as text: a line each of what a key names and its JSON, the version apart.
fn stored_values(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, json) = line.split_once(' ').unwrap();
            let name = match (name.strip_prefix("table/"), name.strip_prefix("keyspace/")) {
                (Some(number), _) => {
                    [b"table/".as_slice(), &number.parse::<u32>().unwrap().to_be_bytes()].concat()
                }
                (_, Some(_)) => [name.as_bytes(), &[0]].concat(),
                _ => name.as_bytes().to_vec(),
            };
            ([&[0; 4], name.as_slice()].concat(), [&[0; 8], json.as_bytes()].concat())
        })
        .collect()
}

#[test]
fn a_folder_of_format_1_opens() {
    let values = stored_values(include_str!("stored_format_1.txt"));
    let store = Fixture::new().store;
    let mut batch = Batch::new();
    batch.drop_prefix(b"");
    values.iter().for_each(|(key, value)| batch.put(key, value));
    store.commit(batch).wait().unwrap();
    let catalog = Catalog::open(&store.view(), "datacenter1").unwrap().catalog;
    let snapshot = catalog.current();
    let t = snapshot.table("ks", "t").unwrap();
    assert_eq!((t.number, t.partition_key_len, t.clustering_len), (16, 2, 2));
    let names: Vec<_> = t.table.columns.iter().map(|c| format!("{} {}", c.name, c.column_type)).collect();
    assert_eq!(
        names,
        [
            "a int",
            "b text",
            "c timeuuid",
            "d int",
            "s set<int>",
            "Odd \"name frozen<tuple<int, frozen<zz>>>",
            "u zz",
            "v frozen<aa>",
            "x int"
        ]
    );
    assert_eq!(t.cell_ids, [0, 0, 0, 0, 1, 2, 3, 4, 6]);
    assert_eq!(t.dropped_cells(), [(5, i64::MAX)], "that format did not say whose it was");
    assert!(t.table.columns[2].descending && !t.table.columns[3].descending);
    let indexes: Vec<_> =
        t.indexes.iter().map(|i| (&*i.name, i.number & !(1 << 31), i.column, i.ready)).collect();
    assert_eq!(
        indexes,
        [("Upper", 19, 4, false), ("t_Oddname_idx", 18, 5, false), ("t_v_idx", 17, 7, false)]
    );
    assert_eq!(t.table.options.comment, "it's {\"odd\"}");
    assert_eq!(t.table.dropped_columns["w"].dropped_time, 1_700_000_000_000_000);
    assert!(snapshot.table("ks", "cs").unwrap().table.flags.dense);
    let keyspace = snapshot.schema.keyspace("ks").unwrap();
    assert_eq!((keyspace.durable_writes, &*keyspace.replication["eu"]), (false, "2"));
    assert_eq!(snapshot.schema.keyspace("system_auth").unwrap().replication["replication_factor"], "3");
}

#[test]
fn unqualified_names_are_in_the_current_keyspace() {
    let fixture = Fixture::new();
    fixture.ok("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
    let change = |statement: &str, keyspace| {
        let pending =
            fixture.catalog.change(&ilium_cql::parse(statement).unwrap(), keyspace, 0, None, |_| Ok(()))?;
        fixture.store.commit(pending.batch().clone()).wait().unwrap();
        Ok::<_, Error>(pending.publish())
    };
    for statement in
        ["create table t (k int primary key, v int)", "create type ty (a int)", "create index on t (v)"]
    {
        let missing = change(statement, None).unwrap_err();
        assert!(missing.message.starts_with("No keyspace has been specified."), "{statement}: {missing}");
        assert!(change(statement, Some("ks")).unwrap().change.is_some(), "{statement}");
    }
    assert!(change("drop index t_v_idx", Some("ks")).unwrap().change.is_some());
    assert_eq!(change("drop table ks.t", Some("other")).unwrap().dropped.len(), 1);
}

/// Statements that make sense together often enough.
fn statement() -> impl Strategy<Value = String> {
    let table = prop_oneof![Just("t1"), Just("t2")];
    let column = prop_oneof![Just("a"), Just("b"), Just("\"C c\"")];
    let column_type = prop_oneof![
        Just("int"),
        Just("text"),
        Just("list<int>"),
        Just("frozen<map<text, inet>>"),
        Just("ty"),
        Just("frozen<ty>"),
        Just("tuple<int, frozen<ty>>"),
        Just("vector<float, 2>"),
    ];
    (table, column, column_type, 0..12u8).prop_map(|(table, column, column_type, what)| match what {
        0 | 1 => {
            format!("create table ks.{table} (k int, c text, {column} {column_type}, primary key (k, c))")
        }
        2 => format!(
            "create table ks.{table} (k uuid primary key, {column} {column_type}) with comment = '{what}'"
        ),
        3 | 4 => format!("alter table ks.{table} add {column} {column_type}"),
        5 => format!("alter table ks.{table} drop {column}"),
        6 => format!("alter table ks.{table} with gc_grace_seconds = 5"),
        7 => format!("alter table ks.{table} rename c to c2"),
        8 => format!("create index on ks.{table} ({column})"),
        9 => format!("drop index ks.{table}_a_idx"),
        10 => format!("drop table ks.{table}"),
        _ => format!("alter type ks.ty add f{} text", column.len()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_run_of_changes_reads_back_as_it_was(statements in prop::collection::vec(statement(), 1..24)) {
        let fixture = Fixture::new();
        fixture.ok("create keyspace ks with replication = {'class':'SimpleStrategy','replication_factor':1}");
        fixture.ok("create type ks.ty (f int)");
        for statement in statements {
            let before = fixture.catalog.current();
            match fixture.run(&statement) {
                Ok(applied) => {
                    let current = fixture.catalog.current();
                    prop_assert_eq!(applied.change.is_some(), before.schema != current.schema);
                    for entry in current.stored_tables() {
                        prop_assert_eq!(entry.cell_ids.len(), entry.table.columns.len());
                        prop_assert!(entry.table.columns.is_sorted_by_key(|c| (c.kind, c.position)));
                        let mut ids: Vec<_> = entry.cell_ids[entry.key_len()..].to_vec();
                        ids.sort_unstable();
                        ids.dedup();
                        prop_assert_eq!(ids.len(), entry.table.columns.len() - entry.key_len());
                    }
                }
                Err(_) => prop_assert!(Arc::ptr_eq(&before, &fixture.catalog.current())),
            }
        }
        fixture.assert_same_after_reopening();
    }
}
