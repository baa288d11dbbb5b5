//! The stream of raw cells: whole enough that a fresh engine, given what it says as statements, holds the same.

use ilium_cql::schema::{Column, ColumnKind, Table};
use ilium_cql::{CqlType, partition_key};
use ilium_embedded::EngineSnapshot;
use ilium_embedded::layout::raw::{RawBound, RawKind, RawRow, RawState};
use ilium_embedded::layout::record::Expiry;
use ilium_store::{Bind, Binds, Context, DataStore};

use crate::select_fixture::{Db, NOW};

/// One fact of the stream.
#[derive(Debug, Clone, PartialEq)]
enum Fact {
    PartitionDeleted(i64, u32),
    RangeDeleted(RawBound, RawBound, i64, u32),
    RowDeleted(i64, u32),
    Inserted(i64, Option<(u32, u32)>),
    /// Column, path, write time.
    Cell(String, Option<Vec<u8>>, i64, State),
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Live(Vec<u8>, Option<(u32, u32)>),
    Tombstone(u32),
    CollectionDeleted(u32),
    Counter(Vec<u8>),
}

/// Partition key, clustering values, fact.
type Facts = Vec<(Vec<u8>, Vec<Vec<u8>>, Fact)>;

fn expiry(expiry: Option<Expiry>) -> Option<(u32, u32)> {
    expiry.map(|expiry| (expiry.ttl, expiry.at))
}

fn facts_at(db: &Db, snapshot: &EngineSnapshot, table: &str, from: i64, through: i64) -> Facts {
    let mut stream = db.engine.raw_cells(snapshot, "ks", table, from, through).unwrap();
    let mut facts = Facts::new();
    while let Some(entry) = stream.next().unwrap() {
        let key = entry.partition_key.to_vec();
        assert!((from..=through).contains(&entry.token));
        let mut row = |clustering: &[Vec<u8>], row: RawRow<'_>, deleted: fn(i64, u32) -> Fact| {
            let mut add = |fact| facts.push((key.clone(), clustering.to_vec(), fact));
            if let Some(deletion) = row.deletion {
                add(deleted(deletion.timestamp, deletion.at));
            }
            if let Some(liveness) = row.liveness {
                add(Fact::Inserted(liveness.timestamp, expiry(liveness.expiry)));
            }
            for cell in row.cells {
                let cell = cell.unwrap();
                let state = match cell.state {
                    RawState::Live { value, expiry: e } => State::Live(value.to_vec(), expiry(e)),
                    RawState::Tombstone { at } => State::Tombstone(at),
                    RawState::CollectionDeleted { at } => State::CollectionDeleted(at),
                    RawState::Counter { value } => State::Counter(value.to_vec()),
                };
                let list = matches!(cell.column.column_type, CqlType::List { .. });
                // Positions are made anew by whoever appends.
                let path = cell.path.filter(|_| !list).map(|path| path.to_vec());
                add(Fact::Cell(cell.column.name.to_string(), path, cell.timestamp, state));
            }
        };
        match entry.kind {
            RawKind::Partition(statics) => row(&[], statics, Fact::PartitionDeleted),
            RawKind::Row(clustering, content) => row(&clustering, content, Fact::RowDeleted),
            RawKind::RangeTombstone { start, end, deletion } => {
                let fact = Fact::RangeDeleted(start, end, deletion.timestamp, deletion.at);
                facts.push((key, Vec::new(), fact));
            }
        }
    }
    facts
}

fn facts(db: &Db, table: &str) -> Facts {
    facts_at(db, &db.engine.snapshot(), table, i64::MIN, i64::MAX)
}

/// Writes facts by statements of their own.
struct Restore<'r> {
    db: &'r Db,
    table: &'r Table,
}

impl Restore<'_> {
    fn run(&self, text: &str, binds: &[Vec<u8>], timestamp: i64, second: u32) {
        let context =
            Context { timestamp: Some(timestamp), now_in_seconds: Some(second as i32), ..Db::context() };
        let binds = Binds::from_values(binds.iter().map(|value| Bind::Value(value)));
        self.db.execute(text, binds, &context).unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    fn names<'t>(columns: impl Iterator<Item = &'t Column>) -> Vec<String> {
        columns.map(|column| column.name.to_string()).collect()
    }

    fn fact(&self, key: &[u8], clustering: &[Vec<u8>], fact: &Fact) {
        let table = self.table;
        let name = &table.name;
        let mut binds: Vec<Vec<u8>> = partition_key::split(key, table.partition_key().count())
            .unwrap()
            .iter()
            .map(|v| v.to_vec())
            .collect();
        let mut keys = Self::names(table.partition_key());
        let clustering_names = Self::names(table.clustering());
        keys.extend(clustering_names.iter().take(clustering.len()).cloned());
        let partition_binds = binds.clone();
        binds.extend_from_slice(clustering);
        let mut conditions: Vec<String> = keys.iter().map(|key| format!("{key} = ?")).collect();
        let place = conditions.join(" AND ");
        match fact {
            Fact::PartitionDeleted(time, at) | Fact::RowDeleted(time, at) => {
                self.run(&format!("DELETE FROM {name} WHERE {place}"), &binds, *time, *at);
            }
            Fact::Inserted(time, expiry) => {
                let marks = vec!["?"; keys.len()].join(", ");
                let (ttl, at) = expiry.unwrap_or_default();
                let using = expiry.map_or(String::new(), |_| format!(" USING TTL {ttl}"));
                let text = format!("INSERT INTO {name} ({}) VALUES ({marks}){using}", keys.join(", "));
                self.run(&text, &binds, *time, at - ttl);
            }
            Fact::RangeDeleted(start, end, time, at) => {
                let mut binds = partition_binds;
                let columns: Vec<&Column> = table.clustering().collect();
                let equal = start.values.iter().zip(&end.values).take_while(|(a, b)| a == b).count();
                for (column, value) in columns.iter().zip(&start.values).take(equal) {
                    conditions.push(format!("{} = ?", column.name));
                    binds.push(value.clone());
                }
                for (bound, is_start) in [(start, true), (end, false)] {
                    let Some(value) = bound.values.get(equal) else { continue };
                    let column = columns[equal];
                    let inclusive = if bound.after == is_start { "" } else { "=" };
                    let sign = if is_start != column.descending { ">" } else { "<" };
                    conditions.push(format!("{} {sign}{inclusive} ?", column.name));
                    binds.push(value.clone());
                }
                let text = format!("DELETE FROM {name} WHERE {}", conditions.join(" AND "));
                self.run(&text, &binds, *time, *at);
            }
            Fact::Cell(column, path, time, state) => {
                self.cell(&place, binds, column, path.as_deref(), *time, state)
            }
        }
    }

    fn cell(
        &self,
        place: &str,
        mut binds: Vec<Vec<u8>>,
        column: &str,
        path: Option<&[u8]>,
        time: i64,
        state: &State,
    ) {
        let name = &self.table.name;
        let column_type = &self.table.column(column).unwrap().column_type;
        let one = |value: &[u8]| [&1i32.to_be_bytes(), &(value.len() as i32).to_be_bytes(), value].concat();
        let field = |path: &[u8]| match column_type {
            CqlType::Udt { definition, .. } => {
                definition.fields[usize::from(u16::from_be_bytes(path.try_into().unwrap()))].0.to_string()
            }
            other => panic!("{other} has no fields"),
        };
        match state {
            State::Live(value, expiry) => {
                let (ttl, at) = expiry.unwrap_or((0, NOW as u32));
                let using = expiry.map_or(String::new(), |_| format!("USING TTL {ttl}"));
                let (set, values) = match (column_type, path) {
                    (CqlType::Map { .. }, Some(path)) => {
                        (format!("{column}[?] = ?"), vec![path.to_vec(), value.clone()])
                    }
                    (CqlType::Set { .. }, Some(path)) => {
                        (format!("{column} = {column} + ?"), vec![one(path)])
                    }
                    (CqlType::Udt { .. }, Some(path)) => {
                        (format!("{column}.{} = ?", field(path)), vec![value.clone()])
                    }
                    (CqlType::List { frozen: false, .. }, _) => {
                        (format!("{column} = {column} + ?"), vec![one(value)])
                    }
                    _ => (format!("{column} = ?"), vec![value.clone()]),
                };
                binds.splice(0..0, values);
                self.run(&format!("UPDATE {name} {using} SET {set} WHERE {place}"), &binds, time, at - ttl);
            }
            State::Tombstone(at) | State::CollectionDeleted(at) => {
                let what = match (column_type, path) {
                    (CqlType::Udt { .. }, Some(path)) => format!("{column}.{}", field(path)),
                    (_, Some(path)) => {
                        binds.insert(0, path.to_vec());
                        format!("{column}[?]")
                    }
                    _ => column.to_owned(),
                };
                self.run(&format!("DELETE {what} FROM {name} WHERE {place}"), &binds, time, *at);
            }
            State::Counter(by) => {
                binds.insert(0, by.clone());
                let text = format!("UPDATE {name} SET {column} = {column} + ? WHERE {place}");
                self.run(&text, &binds, time, NOW as u32);
            }
        }
    }
}

const SCHEMA: [&str; 4] = [
    "CREATE TYPE u (a int, b text)",
    "CREATE TABLE t (p int, q decimal, c int, d decimal, s int static, sm map<text, int> static, i int, f frozen<list<int>>, \
     l list<int>, e set<decimal>, m map<int, text>, u u, PRIMARY KEY ((p, q), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)",
    "CREATE TABLE plain (k text PRIMARY KEY, v int, w blob, gone int)",
    "CREATE TABLE counts (k int, c int, n counter, PRIMARY KEY (k, c))",
];

const WRITES: [&str; 33] = [
    "INSERT INTO t (p, q, c, d, i, f) VALUES (1, 1.0, 1, 1.00, 5, [1, 2]) USING TIMESTAMP 100",
    "INSERT INTO t (p, q, c, d, i) VALUES (1, 1.0, 2, 1.0, 6) USING TIMESTAMP 101 AND TTL 1000",
    "INSERT INTO t (p, q, c, d) VALUES (1, 1.0, 3, 100) USING TIMESTAMP 102",
    "UPDATE t USING TIMESTAMP 103 SET l = [3, 1, 2], e = {1.0, 1.50, 2E+3}, m = {1: 'a', 2: 'b'}, u = {a: 1, b: 'x'} \
     WHERE p = 1 AND q = 1.0 AND c = 1 AND d = 1.00",
    "UPDATE t USING TIMESTAMP 104 SET l = l + [9], e = e + {7}, m[3] = 'c', u.a = 2 WHERE p = 1 AND q = 1.0 AND c = 1 AND d = 1.00",
    "UPDATE t USING TTL 500 AND TIMESTAMP 105 SET m[4] = 'soon gone', i = 8 WHERE p = 1 AND q = 1.0 AND c = 2 AND d = 1.0",
    "DELETE m[2], e[1.50], u.b FROM t USING TIMESTAMP 106 WHERE p = 1 AND q = 1.0 AND c = 1 AND d = 1.00",
    "DELETE i FROM t USING TIMESTAMP 107 WHERE p = 1 AND q = 1.0 AND c = 1 AND d = 1.00",
    "DELETE l FROM t USING TIMESTAMP 108 WHERE p = 1 AND q = 1.0 AND c = 3 AND d = 100",
    "UPDATE t USING TIMESTAMP 109 SET s = 1, sm = {'x': 1} WHERE p = 1 AND q = 1.0",
    "UPDATE t USING TIMESTAMP 110 SET sm['y'] = 2 WHERE p = 1 AND q = 1.0",
    "DELETE FROM t USING TIMESTAMP 90 WHERE p = 1 AND q = 1.0",
    "DELETE FROM t USING TIMESTAMP 111 WHERE p = 1 AND q = 1.0 AND c = 4 AND d = 1",
    "INSERT INTO t (p, q, c, d, i) VALUES (1, 1.0, 4, 1, 3) USING TIMESTAMP 112",
    "DELETE FROM t USING TIMESTAMP 113 WHERE p = 1 AND q = 1.0 AND c > 10",
    "DELETE FROM t USING TIMESTAMP 114 WHERE p = 1 AND q = 1.0 AND c <= -5",
    "DELETE FROM t USING TIMESTAMP 115 WHERE p = 1 AND q = 1.0 AND c = 7 AND d >= 1.5 AND d < 9",
    "DELETE FROM t USING TIMESTAMP 116 WHERE p = 1 AND q = 1.0 AND c = 8",
    "DELETE FROM t USING TIMESTAMP 117 WHERE p = 1 AND q = 1.0 AND c = 9 AND d > 3",
    "INSERT INTO t (p, q, c, d, i) VALUES (1, 1.00, 1, 1, 3) USING TIMESTAMP 118",
    "DELETE FROM t USING TIMESTAMP 119 WHERE p = 2 AND q = 0",
    "INSERT INTO t (p, q, c, d, i) VALUES (3, -1E-7, 1, 1, 3) USING TIMESTAMP 120",
    "UPDATE t USING TIMESTAMP 121 SET s = 7 WHERE p = 4 AND q = 1",
    "INSERT INTO plain (k, v, w) VALUES ('a', 1, 0x00ff) USING TIMESTAMP 100",
    "UPDATE plain USING TIMESTAMP 101 SET v = 2 WHERE k = 'b'",
    "DELETE FROM plain USING TIMESTAMP 102 WHERE k = 'c'",
    "INSERT INTO plain (k, v) VALUES ('c', 3) USING TIMESTAMP 103",
    "DELETE v FROM plain USING TIMESTAMP 104 WHERE k = 'd'",
    "INSERT INTO plain (k, v) VALUES ('f', 3) USING TIMESTAMP 105 AND TTL 77",
    "INSERT INTO plain (k, gone) VALUES ('e', 3) USING TIMESTAMP 106",
    "ALTER TABLE plain DROP gone",
    "UPDATE counts SET n = n + 5 WHERE k = 1 AND c = 1",
    "UPDATE counts SET n = n - 7 WHERE k = 1 AND c = 1",
];

#[test]
fn a_fresh_engine_told_every_raw_cell_holds_the_same() {
    let db = Db::with(&SCHEMA);
    WRITES.iter().for_each(|write| db.run(write));
    let again = Db::with(&SCHEMA);
    again.run("ALTER TABLE plain DROP gone");
    let schema = db.engine.schema();
    for table in ["t", "plain"] {
        let told = facts(&db, table);
        let restore = Restore { db: &again, table: schema.table("ks", table).unwrap() };
        told.iter().for_each(|(key, clustering, fact)| restore.fact(key, clustering, fact));
        assert_eq!(facts(&again, table), told, "{table}");
        let kinds = |test: fn(&Fact) -> bool| told.iter().filter(|(_, _, fact)| test(fact)).count();
        assert!(kinds(|fact| matches!(fact, Fact::PartitionDeleted(..))) > 0, "{table}: {told:?}");
        if table == "t" {
            assert_eq!(kinds(|fact| matches!(fact, Fact::RangeDeleted(..))), 5);
            assert_eq!(kinds(|fact| matches!(fact, Fact::RowDeleted(..))), 1);
            assert!(kinds(|fact| matches!(fact, Fact::Cell(_, _, _, State::CollectionDeleted(_)))) > 3);
            assert!(kinds(|fact| matches!(fact, Fact::Cell(_, Some(_), _, State::Tombstone(_)))) == 3);
        }
        let all = format!("SELECT * FROM {table}");
        assert_eq!(again.rows(&all), db.rows(&all));
        assert!(!db.rows(&all).is_empty());
    }
    let of_cells = "SELECT writetime(i), ttl(i), writetime(f), writetime(s) FROM t";
    assert_eq!(again.rows(of_cells), db.rows(of_cells));

    let counted = facts(&db, "counts");
    let [(_, clustering, Fact::Cell(name, None, _, State::Counter(sum)))] = &counted[..] else {
        panic!("{counted:?}")
    };
    assert_eq!((clustering, &name[..], sum), (&vec![vec![0, 0, 0, 1]], "n", &(-2i64).to_be_bytes().to_vec()));
    assert!(schema.table("ks", "plain").unwrap().columns.iter().any(|c| c.kind == ColumnKind::Regular));
}

#[test]
fn ranges_of_tokens_add_up_to_the_whole_and_a_snapshot_stays_as_it_was() {
    let folder = crate::storage_folder::Folder::new();
    let db = Db::open(Some(folder.path().to_path_buf()));
    SCHEMA.iter().chain(&WRITES).for_each(|statement| db.run(statement));
    for k in 0..300 {
        db.run(&format!("INSERT INTO plain (k, v) VALUES ('{k}', {k})"));
    }
    let snapshot = db.engine.snapshot();
    let whole = facts_at(&db, &snapshot, "plain", i64::MIN, i64::MAX);
    assert!(whole.len() > 600);
    for parts in [1, 2, 7, 64] {
        let splits = db.wait(db.engine.token_splits("ks", "plain", parts)).unwrap();
        let part = |(i, split): (usize, &ilium_store::TokenSplit)| {
            let from = if i == 0 { i64::MIN } else { split.after + 1 };
            facts_at(&db, &snapshot, "plain", from, split.through)
        };
        assert_eq!(splits.iter().enumerate().flat_map(part).collect::<Facts>(), whole, "{parts} parts");
    }
    assert!(facts_at(&db, &snapshot, "plain", 5, 4).is_empty());

    db.run("DELETE FROM plain WHERE k = '7'");
    db.run("INSERT INTO plain (k, v) VALUES ('new', 1)");
    db.engine.compact().unwrap();
    db.run("TRUNCATE plain");
    db.engine.compact().unwrap();
    assert_eq!(facts_at(&db, &snapshot, "plain", i64::MIN, i64::MAX), whole);
    assert!(facts(&db, "plain").is_empty());
    let missing = db.engine.raw_cells(&snapshot, "ks", "nothing", 0, 1).err().unwrap();
    assert_eq!(missing.message, "table ks.nothing does not exist");
}
