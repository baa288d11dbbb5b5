//! What a read may cost: time, memory, and the word of whoever asked for it.

use std::time::{Duration, Instant};

use ilium_store::{Bind, Binds, Cancellation, Context, Error, ErrorKind};

use crate::select_fixture::Db;

fn filled() -> Db {
    let db = Db::with(&["CREATE TABLE t (k int, c int, v text, PRIMARY KEY (k, c))"]);
    for c in 0..200 {
        db.run(&format!("INSERT INTO t (k, c, v) VALUES (1, {c}, '{}')", "x".repeat(100)));
    }
    db
}

fn refused(db: &Db, text: &str, context: &Context) -> Error {
    db.execute(text, Binds::default(), context).unwrap_err()
}

#[test]
fn a_read_past_its_deadline_is_a_read_timeout() {
    let db = filled();
    let context = Context { deadline: Some(Instant::now() - Duration::from_millis(1)), ..Db::context() };
    for text in ["SELECT * FROM t", "SELECT * FROM t WHERE k = 1 AND c = 1", "SELECT count(*) FROM t"] {
        let error = refused(&db, text, &context);
        assert!(
            matches!(error.kind, ErrorKind::ReadTimeout { consistency: 1, required: 1, .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_read_nobody_waits_for_stops() {
    let db = filled();
    let cancellation = Cancellation::new();
    cancellation.cancel();
    let context = Context { cancellation, ..Db::context() };
    assert!(matches!(refused(&db, "SELECT * FROM t", &context).kind, ErrorKind::ReadTimeout { .. }));
}

#[test]
fn an_answer_without_pages_must_fit_the_memory_of_its_request() {
    let db = filled();
    let context = Context { memory_budget: 4096, ..Db::context() };
    let error = refused(&db, "SELECT * FROM t", &context);
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("4096 bytes"), "{error}");
    assert!(db.execute("SELECT * FROM t LIMIT 10", Binds::default(), &context).is_ok());
    assert!(db.execute("SELECT count(*) FROM t", Binds::default(), &context).is_ok());
    let sorted = "SELECT * FROM t WHERE k IN (1, 2) ORDER BY c ASC";
    assert_eq!(refused(&db, sorted, &context).kind, ErrorKind::Invalid);
}

#[test]
fn a_product_of_lists_must_fit_the_memory_of_its_request() {
    let db = Db::with(&["CREATE TABLE t (a int, b int, c int, PRIMARY KEY ((a, b), c))"]);
    let list: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let list = list.join(", ");
    let text = format!("SELECT * FROM t WHERE a IN ({list}) AND b IN ({list})");
    let context = Context { memory_budget: 1 << 20, ..Db::context() };
    let error = refused(&db, &text, &context);
    assert!(error.message.contains("IN restrictions name more keys"), "{error}");
}

#[test]
fn a_key_without_bytes_and_one_with_too_many_are_refused() {
    let db = Db::with(&["CREATE TABLE t (k text PRIMARY KEY)"]);
    let ask = |key: &[u8]| {
        let binds = Binds::from_values([Bind::Value(key)]);
        db.execute("SELECT * FROM t WHERE k = ?", binds, &Db::context()).unwrap_err().message
    };
    assert_eq!(ask(b""), "Key may not be empty");
    assert_eq!(ask(&[b'x'; 65536]), "Key length of 65536 is longer than maximum of 65535");
}
