//! Results by pages: whole, in order, nothing twice, and from where the client says.

use ilium_store::{Context, ErrorKind, PageState};

use crate::select_fixture::{Db, ints};

/// Partitions of none to four rows, some with static content alone.
fn filled() -> Db {
    let db = Db::with(&[
        "CREATE TABLE t (k int, c int, s int static, v int, PRIMARY KEY (k, c))",
        "CREATE INDEX ON t (v)",
        "CREATE TABLE flat (k int PRIMARY KEY, v int)",
    ]);
    for k in 0..12 {
        for c in 0..k % 5 {
            db.run(&format!("INSERT INTO t (k, c, v) VALUES ({k}, {c}, {})", (k + c) % 3));
        }
        if k % 3 == 0 {
            db.run(&format!("INSERT INTO t (k, s) VALUES ({k}, {k})"));
        }
        db.run(&format!("INSERT INTO flat (k, v) VALUES ({k}, {})", k % 2));
    }
    db
}

#[test]
fn pages_of_any_size_make_up_the_whole_result() {
    let db = filled();
    for select in [
        "SELECT * FROM t",
        "SELECT * FROM flat",
        "SELECT * FROM t WHERE k = 9",
        "SELECT * FROM t WHERE k = 9 ORDER BY c DESC",
        "SELECT * FROM t WHERE k IN (9, 4, 5, 3, 8)",
        "SELECT * FROM t WHERE k IN (9, 4, 5, 3, 8) AND c > 0",
        "SELECT * FROM flat WHERE k IN (9, 4, 5, 3, 8, 100)",
        "SELECT * FROM t WHERE token(k) > 0",
        "SELECT * FROM t LIMIT 7",
        "SELECT * FROM t PER PARTITION LIMIT 2",
        "SELECT * FROM t PER PARTITION LIMIT 2 LIMIT 9",
        "SELECT * FROM t WHERE k IN (9, 4, 3) PER PARTITION LIMIT 2",
        "SELECT * FROM t WHERE k = 9 PER PARTITION LIMIT 3",
        "SELECT DISTINCT k, s FROM t",
        "SELECT DISTINCT k FROM t WHERE k IN (9, 4, 3, 0)",
        "SELECT * FROM t WHERE v = 1",
        "SELECT * FROM t WHERE v = 1 AND k = 9",
        "SELECT * FROM t WHERE v = 1 AND c >= 1 ALLOW FILTERING",
        "SELECT * FROM t WHERE v = 1 PER PARTITION LIMIT 1",
        "SELECT * FROM t WHERE s > 2 ALLOW FILTERING",
        "SELECT * FROM t WHERE c IN (1, 3) ALLOW FILTERING",
        "SELECT JSON * FROM t",
        "SELECT k, count(*), max(c) FROM t GROUP BY k",
        "SELECT k, v, count(v) FROM t GROUP BY k, c",
        "SELECT k, count(*) FROM t GROUP BY k LIMIT 5",
        "SELECT k, c, count(*) FROM t GROUP BY k, c PER PARTITION LIMIT 2",
        "SELECT k, count(*) FROM t WHERE k IN (9, 4, 5) GROUP BY k",
        "SELECT keyspace_name, table_name FROM system_schema.tables",
        "SELECT column_name FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 't'",
    ] {
        let whole = db.rows(select);
        assert!(!whole.is_empty(), "{select} finds nothing to page through");
        for size in [1, 2, 3, 4, 7, 100] {
            assert_eq!(db.pages(select, size).concat(), whole, "{select} by {size}");
        }
    }
}

#[test]
fn an_aggregate_over_everything_is_one_page() {
    let db = filled();
    assert_eq!(db.pages("SELECT count(*) FROM t", 2), [db.rows("SELECT count(*) FROM t")]);
    assert_eq!(db.pages("SELECT count(*) FROM t WHERE k = 77", 2), [ints(&[&[0]])]);
}

#[test]
fn rows_that_come_and_go_between_pages_do_not_move_the_others() {
    let db = filled();
    let select = "SELECT k, c FROM t WHERE k = 9";
    let (first, state) = db.first_page(select, 2);
    assert_eq!(first, ints(&[&[9, 0], &[9, 1]]));
    db.run("DELETE FROM t WHERE k = 9 AND c = 1");
    db.run("INSERT INTO t (k, c) VALUES (9, -1)");
    let (second, state) = db.next_page(select, 2, state.unwrap());
    assert_eq!(second, ints(&[&[9, 2], &[9, 3]]));
    let (third, state) = db.next_page(select, 2, state.unwrap());
    assert!(third.is_empty() && state.is_none());
}

#[test]
fn a_page_ends_when_it_has_bytes_enough_but_never_without_a_row() {
    let db = Db::with(&["CREATE TABLE t (k int, c int, v blob, PRIMARY KEY (k, c))"]);
    for c in 0..10 {
        db.run(&format!("INSERT INTO t (k, c, v) VALUES (1, {c}, 0x{})", "ab".repeat(100)));
    }
    let mut context = Context { page_size: Some(100), page_bytes: Some(250), ..Db::context() };
    let mut counts = Vec::new();
    loop {
        let outcome = db.execute("SELECT * FROM t", Default::default(), &context).unwrap();
        let ilium_store::ResultKind::Rows(rows) = outcome.result else { panic!() };
        counts.push(rows.count);
        context.page_bytes = Some(if counts.len() > 2 { 1 } else { 250 });
        match rows.next {
            Some(next) => context.page_state = Some(next),
            None => break,
        }
    }
    assert_eq!(counts, [3, 3, 3, 1, 0], "three rows pass 250 bytes; the last page may be empty");
}

#[test]
fn a_page_state_that_was_altered_or_is_another_statements_is_refused() {
    let db = filled();
    let (_, state) = db.first_page("SELECT * FROM t", 2);
    let state = state.unwrap();
    let refused = |text: &str, state: PageState| {
        let context = Context { page_size: Some(2), page_state: Some(state), ..Db::context() };
        db.execute(text, Default::default(), &context).unwrap_err()
    };
    let other = refused("SELECT * FROM flat", state.clone());
    assert_eq!(
        (other.kind, other.message.as_str()),
        (ErrorKind::Protocol, "Invalid value for the paging state")
    );
    for at in 0..state.0.len() {
        let mut bytes = state.0.to_vec();
        bytes[at] ^= 1;
        assert_eq!(
            refused("SELECT * FROM t", PageState(bytes.into())).kind,
            ErrorKind::Protocol,
            "byte {at}"
        );
    }
    assert_eq!(refused("SELECT * FROM t", PageState(Default::default())).kind, ErrorKind::Protocol);
}

#[test]
fn a_page_state_outlives_a_restart() {
    let folder = std::env::temp_dir().join(format!("ilium-select-paging-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let db = Db::open(Some(folder.clone()));
    db.run("CREATE TABLE t (k int, c int, PRIMARY KEY (k, c))");
    for c in 0..5 {
        db.run(&format!("INSERT INTO t (k, c) VALUES (1, {c})"));
    }
    let (first, state) = db.first_page("SELECT c FROM t WHERE k = 1", 2);
    drop(db);
    let db = Db::open(Some(folder.clone()));
    let (second, _) = db.next_page("SELECT c FROM t WHERE k = 1", 2, state.unwrap());
    assert_eq!([first, second].concat(), ints(&[&[0], &[1], &[2], &[3]]));
    drop(db);
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn sorting_several_partitions_cannot_be_paged() {
    let db = filled();
    let context = Context { page_size: Some(2), ..Db::context() };
    let select = "SELECT * FROM t WHERE k IN (3, 4) ORDER BY c ASC";
    let error = db.execute(select, Default::default(), &context).unwrap_err();
    assert!(
        error.message.starts_with("Cannot page queries with both ORDER BY and a IN restriction"),
        "{error}"
    );
    assert_eq!(db.rows(select).len(), 7);
}
