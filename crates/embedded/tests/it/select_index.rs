//! Reads by an index: the same rows as a filter finds, in the order of the ring.

use proptest::prelude::*;

use crate::select_fixture::Db;

/// Two tables of one shape, the second with an index on every column that takes one.
const COLUMNS: &str = "(p int, q int, c int, d int, s int static, v int, w text, l list<int>, e set<int>, m map<int, int>, \
     f frozen<list<int>>, PRIMARY KEY ((p, q), c, d))";

const INDEXES: [&str; 13] =
    ["p", "q", "c", "d", "s", "v", "w", "l", "e", "keys(m)", "values(m)", "entries(m)", "full(f)"];

const RESTRICTIONS: [&str; 18] = [
    "p = 1",
    "q = 0",
    "c = 1",
    "d = 2",
    "s = 1",
    "v = 1",
    "w = 'a'",
    "l CONTAINS 1",
    "e CONTAINS 2",
    "m CONTAINS KEY 1",
    "m CONTAINS 1",
    "m[2] = 2",
    "f = [1, 2]",
    "v = 1 AND c > 0",
    "v = 2 AND w = 'a'",
    "v = 0 AND l CONTAINS 2",
    "p = 1 AND q = 1 AND v = 1",
    "token(p, q) > 0 AND v = 1",
];

#[derive(Debug, Clone)]
enum Write {
    Insert([i64; 4], String),
    Update([i64; 4], String),
    Static([i64; 2], i64),
    DeleteRow([i64; 4]),
    DeleteRows([i64; 3]),
    DeletePartition([i64; 2]),
}

fn assignments() -> impl Strategy<Value = Vec<(usize, i64)>> {
    prop::collection::vec((0..6usize, 0..3i64), 1..5)
}

fn literal(column: usize, value: i64) -> (&'static str, String) {
    match column {
        0 => ("v", value.to_string()),
        1 => ("w", ["'a'", "'b'", "null"][value as usize].to_owned()),
        2 => ("l", format!("[{value}, 1]")),
        3 => ("e", format!("{{{value}}}")),
        4 => ("m", format!("{{{value}: {value}, 7: 1}}")),
        _ => ("f", format!("[1, {value}]")),
    }
}

fn write() -> impl Strategy<Value = Write> {
    let key = [0..2i64, 0..2i64, 0..3i64, 0..3i64];
    prop_oneof![
        4 => (key.clone(), assignments()).prop_map(|(key, columns)| {
            let columns: std::collections::BTreeMap<_, _> =
                columns.into_iter().map(|(column, value)| literal(column, value)).collect();
            let names: Vec<&str> = columns.keys().copied().collect();
            let values: Vec<String> = columns.values().cloned().collect();
            Write::Insert(key, format!("{}) VALUES (%KEY%, {})", names.join(", "), values.join(", ")))
        }),
        2 => (key.clone(), assignments()).prop_map(|(key, columns)| {
            let sets: std::collections::BTreeMap<_, _> =
                columns.into_iter().map(|(column, value)| literal(column, value)).collect();
            let sets: Vec<String> = sets.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            Write::Update(key, sets.join(", "))
        }),
        1 => ([0..2i64, 0..2i64], 0..3i64).prop_map(|(key, value)| Write::Static(key, value)),
        1 => key.prop_map(Write::DeleteRow),
        1 => [0..2i64, 0..2i64, 0..3i64].prop_map(Write::DeleteRows),
        1 => [0..2i64, 0..2i64].prop_map(Write::DeletePartition),
    ]
}

fn statement(write: &Write, time: i64, table: &str) -> String {
    let using = format!("USING TIMESTAMP {time}");
    match write {
        Write::Insert([p, q, c, d], rest) => {
            let rest = rest.replace("%KEY%", &format!("{p}, {q}, {c}, {d}"));
            format!("INSERT INTO {table} (p, q, c, d, {rest} {using}")
        }
        Write::Update([p, q, c, d], sets) => {
            format!("UPDATE {table} {using} SET {sets} WHERE p = {p} AND q = {q} AND c = {c} AND d = {d}")
        }
        Write::Static([p, q], s) => {
            format!("UPDATE {table} {using} SET s = {s} WHERE p = {p} AND q = {q}")
        }
        Write::DeleteRow([p, q, c, d]) => {
            format!("DELETE FROM {table} {using} WHERE p = {p} AND q = {q} AND c = {c} AND d = {d}")
        }
        Write::DeleteRows([p, q, c]) => {
            format!("DELETE FROM {table} {using} WHERE p = {p} AND q = {q} AND c >= {c}")
        }
        Write::DeletePartition([p, q]) => format!("DELETE FROM {table} {using} WHERE p = {p} AND q = {q}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_index_finds_the_rows_that_a_filter_lets_through(
        // Drivers send their own times: the order of arrival is not that of writing.
        writes in prop::collection::vec((write(), 1..20i64), 1..40),
        swept_after in prop::collection::vec(0..40usize, 0..3),
        indexed_after in 0..40usize,
        size in 1..4u32,
    ) {
        let db = Db::with(&[&format!("CREATE TABLE plain {COLUMNS}"), &format!("CREATE TABLE indexed {COLUMNS}")]);
        let make_indexes = || INDEXES.iter().for_each(|index| db.run(&format!("CREATE INDEX ON indexed ({index})")));
        for (at, (write, time)) in writes.iter().enumerate() {
            if at == indexed_after {
                make_indexes();
            }
            db.run(&statement(write, *time, "plain"));
            db.run(&statement(write, *time, "indexed"));
            if swept_after.contains(&at) {
                db.engine.maintain().unwrap();
            }
        }
        if indexed_after >= writes.len() {
            make_indexes();
        }
        for restriction in RESTRICTIONS {
            let select = |table| format!("SELECT * FROM {table} WHERE {restriction} ALLOW FILTERING");
            let found = db.rows(&select("plain"));
            prop_assert_eq!(&db.rows(&select("indexed")), &found, "{}", restriction);
            prop_assert_eq!(db.pages(&select("indexed"), size).concat(), found, "{} by {}", restriction, size);
        }
    }
}

#[test]
fn an_index_is_used_without_being_told_to_filter() {
    let db = Db::with(&[
        "CREATE TABLE t (k int, c int, v int, w int, PRIMARY KEY (k, c))",
        "CREATE INDEX ON t (v)",
        "INSERT INTO t (k, c, v, w) VALUES (1, 1, 5, 1)",
        "INSERT INTO t (k, c, v, w) VALUES (2, 1, 5, 2)",
        "INSERT INTO t (k, c, v, w) VALUES (3, 1, 6, 2)",
    ]);
    assert_eq!(db.rows("SELECT k FROM t WHERE v = 5").len(), 2);
    assert_eq!(db.rows("SELECT k FROM t WHERE v = 5 AND w = 2 ALLOW FILTERING").len(), 1);
    assert!(db.error("SELECT k FROM t WHERE v = 5 AND w = 2").message.contains("ALLOW FILTERING"));
    assert!(db.error("SELECT k FROM t WHERE v > 5").message.contains("ALLOW FILTERING"));
    assert_eq!(
        db.error("SELECT k FROM t WHERE k IN (1, 2) AND v = 5").message,
        "Select on indexed columns and with IN clause for the PRIMARY KEY are not supported"
    );
    assert_eq!(
        db.error("SELECT k FROM t WHERE k = 1 AND v = 5 ORDER BY c ASC").message,
        "ORDER BY with 2ndary indexes is not supported, except for ANN queries."
    );
}

#[test]
fn a_value_past_64k_is_no_question_for_an_index() {
    let db = Db::with(&["CREATE TABLE t (k int PRIMARY KEY, v text)", "CREATE INDEX ON t (v)"]);
    let error = db.error(&format!("SELECT * FROM t WHERE v = '{}'", "x".repeat(65536)));
    assert_eq!(error.message, "Index expression values may not be larger than 64K");
}
