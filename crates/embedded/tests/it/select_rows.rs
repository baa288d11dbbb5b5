//! Which rows a SELECT gives, and in what order.

use ilium_store::Bind;
use proptest::prelude::*;

use crate::select_fixture::{Db, ints};

#[test]
fn partitions_of_an_in_come_in_the_order_of_their_values_and_once() {
    let db = Db::with(&["CREATE TABLE t (k int PRIMARY KEY, v int)"]);
    for k in 1..=5 {
        db.run(&format!("INSERT INTO t (k, v) VALUES ({k}, {})", k * 10));
    }
    assert_eq!(db.rows("SELECT k FROM t WHERE k IN (5, 1, 3, 1, 9)"), ints(&[&[1], &[3], &[5]]));
    assert_eq!(db.rows("SELECT k FROM t WHERE k IN ()"), ints(&[]));
}

#[test]
fn a_whole_scan_follows_the_tokens_and_a_token_range_is_a_part_of_it() {
    let db = Db::with(&["CREATE TABLE t (k int PRIMARY KEY)"]);
    for k in 0..50 {
        db.run(&format!("INSERT INTO t (k) VALUES ({k})"));
    }
    let all = db.rows("SELECT token(k), k FROM t");
    assert!(all.is_sorted_by_key(|row| row[0].parse::<i64>().unwrap()));
    assert_eq!(all.len(), 50);
    let at = &all[20][0];
    assert_eq!(db.rows(&format!("SELECT token(k), k FROM t WHERE token(k) > {at}")), all[21..]);
    assert_eq!(db.rows(&format!("SELECT token(k), k FROM t WHERE token(k) <= {at}")), all[..21]);
    let last = &all[40][0];
    let both = format!("SELECT token(k), k FROM t WHERE token(k) >= {at} AND token(k) < {last}");
    assert_eq!(db.rows(&both), all[20..40]);
}

#[test]
fn static_content_is_a_row_of_its_own_only_where_no_rows_are_asked_for() {
    let db = Db::with(&[
        "CREATE TABLE t (k int, c int, s int static, v int, PRIMARY KEY (k, c))",
        "INSERT INTO t (k, s) VALUES (1, 7)",
        "INSERT INTO t (k, c, s, v) VALUES (2, 1, 8, 9)",
    ]);
    let null = |row: &[&str]| vec![row.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()];
    assert_eq!(db.rows("SELECT * FROM t WHERE k = 1"), null(&["1", "null", "7", "null"]));
    assert_eq!(db.rows("SELECT * FROM t WHERE k = 2"), null(&["2", "1", "8", "9"]));
    assert_eq!(db.rows("SELECT s FROM t WHERE k = 1 AND s = 7 ALLOW FILTERING"), ints(&[&[7]]));
    assert!(db.rows("SELECT * FROM t WHERE k = 1 AND c = 1").is_empty());
    assert!(db.rows("SELECT * FROM t WHERE k = 1 AND c > 0").is_empty());
    assert!(db.rows("SELECT * FROM t WHERE k = 1 AND v = 9 ALLOW FILTERING").is_empty());
    assert_eq!(db.rows("SELECT count(*) FROM t"), ints(&[&[2]]));
    assert_eq!(db.rows("SELECT DISTINCT k, s FROM t WHERE k IN (1, 2)"), ints(&[&[1, 7], &[2, 8]]));
}

#[test]
fn rows_of_several_partitions_are_sorted_as_asked_and_then_cut() {
    let db = Db::with(&[
        "CREATE TABLE t (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)",
    ]);
    for (k, c, d) in [(1, 1, 1), (1, 3, 2), (2, 2, 1), (2, 3, 1), (3, 0, 5)] {
        db.run(&format!("INSERT INTO t (k, c, d) VALUES ({k}, {c}, {d})"));
    }
    let ask =
        |order: &str| db.rows(&format!("SELECT d, k FROM t WHERE k IN (1, 2, 3) ORDER BY {order} LIMIT 3"));
    assert_eq!(ask("c ASC"), ints(&[&[5, 3], &[1, 1], &[1, 2]]));
    assert_eq!(ask("c DESC"), ints(&[&[2, 1], &[1, 2], &[1, 2]]));
    assert_eq!(ask("c DESC, d ASC"), ints(&[&[1, 2], &[2, 1], &[1, 2]]));
    assert_eq!(
        db.rows("SELECT c FROM t WHERE k = 1 ORDER BY c ASC, d DESC"),
        ints(&[&[1], &[3]]),
        "one partition is read backwards instead"
    );
    assert_eq!(
        db.error("SELECT c FROM t WHERE k = 1 ORDER BY c ASC, d ASC").message,
        "Unsupported order by relation"
    );
}

#[test]
fn a_null_bound_is_below_every_value() {
    let db = Db::with(&[
        "CREATE TABLE t (k int, c int, PRIMARY KEY (k, c))",
        "INSERT INTO t (k, c) VALUES (1, -5)",
    ]);
    assert_eq!(db.bound("SELECT c FROM t WHERE k = 1 AND c > ?", &[Bind::Null]), ints(&[&[-5]]));
    assert!(db.bound("SELECT c FROM t WHERE k = 1 AND c <= ?", &[Bind::Null]).is_empty());
}

#[test]
fn what_expired_is_gone_and_what_is_left_says_how_long() {
    let db = Db::with(&[
        "CREATE TABLE t (k int PRIMARY KEY, v int, w int)",
        "INSERT INTO t (k, v) VALUES (1, 1) USING TTL 10",
        "UPDATE t SET w = 2 WHERE k = 1",
    ]);
    db.clock.advance_seconds(4);
    assert_eq!(db.rows("SELECT ttl(v), v, w FROM t WHERE k = 1"), ints(&[&[6, 1, 2]]));
    db.clock.advance_seconds(6);
    let gone = vec![vec!["null".to_owned(), "2".to_owned()]];
    assert_eq!(db.rows("SELECT v, w FROM t WHERE k = 1"), gone);
}

/// Rows of one partition by three columns of which the second descends.
const COLUMNS: [&str; 3] = ["a", "b", "c"];

fn bound() -> impl Strategy<Value = (usize, bool, bool, Vec<i64>)> {
    (1..=3usize, any::<bool>(), any::<bool>(), prop::collection::vec(0..4i64, 3)).prop_map(
        |(length, greater, inclusive, values)| (length, greater, inclusive, values[..length].to_vec()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounds_of_tuples_hold_exactly_the_rows_that_compare_so(
        rows in prop::collection::btree_set((0..4i64, 0..4i64, 0..4i64), 0..40),
        start in bound(),
        end in bound(),
        reversed in any::<bool>(),
        size in 1..5u32,
    ) {
        let db = Db::with(&["CREATE TABLE t (k int, a int, b int, c int, PRIMARY KEY (k, a, b, c)) \
                             WITH CLUSTERING ORDER BY (a ASC, b DESC, c ASC)"]);
        for (a, b, c) in &rows {
            db.run(&format!("INSERT INTO t (k, a, b, c) VALUES (0, {a}, {b}, {c})"));
        }
        let bounds: Vec<_> = if start.1 == end.1 { vec![start] } else { vec![start, end] };
        let relations: Vec<String> = bounds
            .iter()
            .map(|(length, greater, inclusive, values)| {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                let sign = format!("{}{}", if *greater { ">" } else { "<" }, if *inclusive { "=" } else { "" });
                format!(" AND ({}) {sign} ({})", COLUMNS[..*length].join(", "), values.join(", "))
            })
            .collect();
        let mut wanted: Vec<[i64; 3]> = rows
            .iter()
            .map(|(a, b, c)| [*a, *b, *c])
            .filter(|row| {
                bounds.iter().all(|(length, greater, inclusive, values)| {
                    let order = row[..*length].cmp(&values[..]);
                    (*inclusive && order.is_eq()) || if *greater { order.is_gt() } else { order.is_lt() }
                })
            })
            .collect();
        wanted.sort_by_key(|[a, b, c]| (*a, -*b, *c));
        if reversed {
            wanted.reverse();
        }
        let wanted = ints(&wanted.iter().map(|row| &row[..]).collect::<Vec<_>>());
        let order = if reversed { " ORDER BY a DESC, b ASC, c DESC" } else { "" };
        let select = format!("SELECT a, b, c FROM t WHERE k = 0{}{order}", relations.concat());
        prop_assert_eq!(&db.rows(&select), &wanted, "{}", select);
        prop_assert_eq!(db.pages(&select, size).concat(), wanted, "{} by {}", select, size);
    }
}
