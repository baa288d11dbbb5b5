//! No text panics, recurses without bound or takes more than linear time.

use std::time::{Duration, Instant};

use ilium_cql::{SyntaxErrorKind, parse, parse_script};
use proptest::prelude::*;

/// Half of what Rust gives a thread. A debug build needs most, and has to do with it.
const STACK: usize = 1024 * 1024;

/// Generous for a debug build on a busy machine; anything quadratic takes minutes.
const LONGEST: Duration = Duration::from_secs(20);

/// Parses in a thread with a small stack, and does with the tree what walks all of it.
fn parse_in_small_stack(text: String) -> Result<String, String> {
    let work = move || {
        let started = Instant::now();
        let parsed = parse(&text);
        assert!(started.elapsed() < LONGEST, "{:?} for {:.60}", started.elapsed(), text);
        let statement = parsed.map_err(|error| error.message)?;
        let copy = statement.clone();
        assert!(copy == statement);
        statement.bind_markers();
        Ok(statement.to_string())
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap()
}

/// `before`, then `open` as often as asked, `middle`, and as many `close`.
fn nest(before: &str, open: &str, middle: &str, close: &str, times: usize, after: &str) -> String {
    format!("{before}{}{middle}{}{after}", open.repeat(times), close.repeat(times))
}

/// The ways in which a statement nests or chains: what comes before, opens, is in the middle, closes, comes after.
const NESTINGS: [[&str; 5]; 22] = [
    ["SELECT ", "(", "a", ")", " FROM t"],
    ["SELECT ", "[", "a", "]", " FROM t"],
    ["SELECT ", "{", "a", "}", " FROM t"],
    ["SELECT ", "{1: ", "a", "}", " FROM t"],
    ["SELECT ", "- ", "a", "", " FROM t"],
    ["SELECT ", "f(", "a", ")", " FROM t"],
    ["SELECT ", "(int) ", "a", "", " FROM t"],
    ["SELECT ", "CAST(", "a", " AS int)", " FROM t"],
    ["SELECT a", " + a", "", "", " FROM t"],
    ["SELECT a", " * a", "", "", " FROM t"],
    ["SELECT a", ".a", "", "", " FROM t"],
    ["SELECT a", "[1]", "", "", " FROM t"],
    ["SELECT a[", "[", "1", "]", "] FROM t"],
    ["SELECT a FROM t WHERE a = ", "(", "1", ")", ""],
    ["SELECT a FROM t WHERE a = ", "[", "1", "]", ""],
    ["SELECT a FROM t WHERE a = ", "{", "1", "}", ""],
    ["SELECT a FROM t WHERE a = ", "{a: ", "1", "}", ""],
    ["SELECT a FROM t WHERE a = ", "f(", "1", ")", ""],
    ["SELECT a FROM t WHERE a = ", "(int) ", "1", "", ""],
    ["SELECT a FROM t WHERE a = 1", " - 1", "", "", ""],
    ["CREATE TABLE t (a ", "list<", "int", ">", ")"],
    ["CREATE TABLE t (a ", "tuple<int, ", "int", ">", ")"],
];

#[test]
fn nesting_is_accepted_to_a_depth_and_refused_beyond_in_little_stack() {
    for [before, open, middle, close, after] in NESTINGS {
        let shallow = nest(before, open, middle, close, 60, after);
        let printed = parse_in_small_stack(shallow.clone());
        assert!(printed.is_ok(), "{shallow}: {printed:?}");
        let deep = nest(before, open, middle, close, 100_000, after);
        let message = parse_in_small_stack(deep).unwrap_err();
        let refusals = ["expressions and types may nest 64 deep", "an expression may chain 128 operators"];
        assert!(refusals.iter().any(|refusal| message.starts_with(refusal)), "{shallow}: {message:.200}");
    }
}

#[test]
fn a_relation_may_be_in_any_number_of_parentheses() {
    let text = nest("SELECT a FROM t WHERE ", "(", "a = 1", ")", 100_000, "");
    assert_eq!(parse_in_small_stack(text), Ok("SELECT a FROM t WHERE a = 1".to_owned()));
}

#[test]
fn unclosed_and_repeated_tokens_take_linear_time() {
    let openings = [
        "(",
        "[",
        "{",
        "<",
        "((a)[",
        "'",
        "\"",
        "$$",
        "/*",
        "--",
        "-",
        "?",
        ":",
        "a.",
        "f(",
        "(a)[",
        "{a:",
        "list<",
        "1 ",
        "1.",
        "..",
        "1e",
        "a,",
        "NOT ",
        "12345678-",
    ];
    for before in [
        "",
        "SELECT ",
        "SELECT JSON ",
        "SELECT a FROM t WHERE a = ",
        "CREATE TABLE t (a ",
        "SELECT a FROM t WHERE ",
    ] {
        for opening in openings {
            let text = format!("{before}{}", opening.repeat(100_000 / opening.len()));
            let _ = parse_in_small_stack(text);
        }
    }
}

#[test]
fn long_lists_are_accepted_in_linear_time() {
    const TIMES: usize = 50_000;
    let list = |before: &str, item: &str, between: &str, after: &str| {
        let text = format!("{before}{}{after}", vec![item; TIMES].join(between));
        let printed = parse_in_small_stack(text);
        assert!(printed.is_ok(), "{before}{item}: {:.200}", printed.unwrap_err());
    };
    list("SELECT a FROM t WHERE a IN (", "'abc'", ", ", ")");
    list("SELECT a FROM t WHERE (a, b) IN (", "(1, 2)", ", ", ")");
    list("SELECT a FROM t WHERE ", "a = 1", " AND ", "");
    list("SELECT ", "a", ", ", " FROM t");
    list("SELECT a FROM t WHERE a = [", "1", ", ", "]");
    list("INSERT INTO t (a) VALUES (", "{'a': ?}", ", ", ")");
    list("UPDATE t SET ", "a[1] = 2", ", ", " WHERE k = 1");
    list("UPDATE t SET ", "a += 2", ", ", " WHERE k = 1");
    list("BEGIN BATCH ", "DELETE FROM t WHERE a = ?", "; ", " APPLY BATCH");
    list("CREATE TABLE t (", "a int", ", ", ")");
    list("CREATE TYPE t (", "a int", ", ", ")");
    list("CREATE ROLE r WITH ", "ACCESS TO DATACENTERS {'a'}", " AND ", "");
    list("GRANT ", "SELECT", ", ", " ON t TO r");
    list("ALTER TABLE t RENAME ", "a TO b", " AND ", "");
    let distinct = |write: &dyn Fn(usize) -> String, between: &str| {
        (0..TIMES).map(write).collect::<Vec<_>>().join(between)
    };
    let properties = format!("ALTER TABLE t WITH {}", distinct(&|i| format!("p{i} = {i}"), " AND "));
    assert!(parse_in_small_stack(properties).is_ok());
    let map = format!("ALTER TABLE t WITH a = {{{}}}", distinct(&|i| format!("'{i}': {i}"), ", "));
    assert!(parse_in_small_stack(map).is_ok());
    let bean = format!("GRANT SELECT ON MBEAN 'a:{}' TO r", distinct(&|i| format!("k{i}=v"), ","));
    assert!(parse_in_small_stack(bean).is_ok());
}

#[test]
fn a_long_script_takes_linear_time() {
    let started = Instant::now();
    let script = "INSERT INTO t (a) VALUES (1); -- one\n".repeat(30_000);
    assert_eq!(parse_script(&script).unwrap().len(), 30_000);
    assert!(started.elapsed() < LONGEST);
}

#[test]
fn more_markers_than_a_message_can_carry_are_refused() {
    let list = |n: usize| format!("SELECT a FROM t WHERE a IN ({})", vec!["?"; n].join(","));
    assert_eq!(parse(&list(65_535)).unwrap().bind_markers().len(), 65_535);
    let error = parse(&list(65_537)).unwrap_err();
    assert_eq!(error.kind, SyntaxErrorKind::Invalid);
    assert_eq!(error.message, "Too many markers(?). 65537 markers exceed the allowed maximum of 65535");
}

/// Pieces of CQL, joined without regard to the grammar.
fn token_soup() -> impl Strategy<Value = String> {
    let pieces = [
        "SELECT",
        "FROM",
        "WHERE",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "BEGIN",
        "BATCH",
        "APPLY",
        "CREATE",
        "ALTER",
        "DROP",
        "TABLE",
        "TYPE",
        "INDEX",
        "ROLE",
        "USER",
        "GRANT",
        "LIST",
        "DESCRIBE",
        "AND",
        "IN",
        "IF",
        "NOT",
        "EXISTS",
        "WITH",
        "USING",
        "TTL",
        "JSON",
        "DISTINCT",
        "TOKEN",
        "COUNT",
        "CAST",
        "AS",
        "KEY",
        "PRIMARY",
        "a",
        "b",
        "t",
        "\"Q\"",
        "\"\"",
        "'s'",
        "$$s$$",
        "1",
        "-1",
        "1.5",
        "1d",
        "0x0f",
        "true",
        "NaN",
        "NULL",
        "?",
        ":x",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "=",
        "!=",
        "+",
        "-",
        "*",
        "/",
        "%",
        ",",
        ".",
        "..",
        ";",
        ":",
        "+=",
        "expr(",
        "list<int>",
        "deadbeef-",
        "1e",
        "--",
        "/*",
        "*/",
        "'",
        "\"",
        "$$",
        "é",
        "\n",
        "#",
    ];
    proptest::collection::vec(
        (proptest::sample::select(pieces.to_vec()), proptest::sample::select(vec![" ", "", " "])),
        0..40,
    )
    .prop_map(|pieces| pieces.into_iter().map(|(piece, space)| format!("{piece}{space}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn no_soup_of_tokens_panics_and_what_parses_reads_back(text in token_soup()) {
        if let Ok(statement) = parse(&text) {
            prop_assert_eq!(parse(&statement.to_string()), Ok(statement), "{}", text);
        }
        let _ = parse_script(&text);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), prefix in 0..4usize) {
        let prefix = ["", "SELECT ", "INSERT INTO t (a) VALUES (", "CREATE TABLE "][prefix];
        let _ = parse(&format!("{prefix}{text}"));
    }
}
