//! Whatever is asked, the answer is never a fault of the server.

use std::cell::Cell;

use axum::http::{Method, Request};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::driver::{Rest, encoded};

/// Parts of paths, of filters and of bodies that mean something here and there, and some that mean nothing.
const WORDS: &[&str] = &[
    "ks",
    "t",
    "c",
    "rows",
    "1",
    "-1",
    "2",
    "x",
    "",
    "%2F",
    "%",
    "%zz",
    "€",
    "true",
    "null",
    "id",
    "v",
    "m",
    "l",
    "s",
    "u",
    "address",
    "tables",
    "columns",
    "indexes",
    "types",
    "system",
    "local",
    "nope",
    "0x00",
    "{a:1}",
    "[1,2]",
    "('a',1)",
    "99999999999999999999",
    "2021-04-23",
    "\u{0}",
    "'",
    "''",
    "\"",
];

const JSON: &[&str] = &[
    "null",
    "true",
    "1",
    "-0.5e300",
    "\"x\"",
    "\"1\"",
    "[]",
    "{}",
    "[1,2]",
    "[null]",
    "{\"a\":1}",
    "{\"$eq\":1}",
    "{\"$in\":[1]}",
    "{\"$gt\":\"x\"}",
    "{\"$contains\":1}",
    "{\"$containsKey\":\"a\"}",
    "{\"$containsEntry\":{\"key\":\"a\",\"value\":1}}",
    "{\"$ne\":1}",
    "{\"street\":\"x\",\"number\":1}",
    "\"{street: 'x'}\"",
    "\"asc\"",
    "\"desc\"",
    "[{\"key\":\"a\",\"value\":1}]",
    "\"frozen<map<text, int>>\"",
    "\"int\"",
    "[{\"name\":\"a\",\"typeDefinition\":\"int\"}]",
    "{\"partitionKey\":[\"a\"]}",
];

const NAMES: &[&str] = &[
    "id",
    "c",
    "v",
    "m",
    "l",
    "s",
    "u",
    "nope",
    "name",
    "query",
    "values",
    "replicas",
    "datacenters",
    "fields",
    "addFields",
    "renameFields",
    "columnDefinitions",
    "primaryKey",
    "tableOptions",
    "column",
    "kind",
    "typeDefinition",
];

const FIELDS: &[&str] = &[
    "id",
    "v",
    "m['a']",
    "l[0]",
    "u.street",
    "count(*)",
    "max(id)",
    "writetime(v)",
    "ttl(m)",
    "token(id)",
    " as x",
    "(",
    ")",
    ",",
    "'",
    "cast(id as text)",
    "to_json(u)",
    "*",
];

fn object() -> impl Strategy<Value = String> {
    prop::collection::vec((select(NAMES), select(JSON)), 0..5).prop_map(|entries| {
        let entries: Vec<String> =
            entries.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", entries.join(","))
    })
}

fn parameter() -> impl Strategy<Value = String> {
    const FLAGS: &[&str] =
        &["raw", "compactMapData", "allow-filtering", "if-exists", "if-not-exists", "ifExists"];
    prop_oneof![
        object().prop_map(|json| format!("where={}", encoded(&json))),
        object().prop_map(|json| format!("sort={}", encoded(&json))),
        object().prop_map(|json| format!("if={}", encoded(&json))),
        prop::collection::vec(select(FIELDS), 1..5)
            .prop_map(|parts| format!("fields={}", encoded(&parts.join(",")))),
        prop::collection::vec(select(FIELDS), 1..5)
            .prop_map(|parts| format!("fields={}", encoded(&parts.concat()))),
        (select(FLAGS), select(&["true", "false", "x"][..]))
            .prop_map(|(name, value)| format!("{name}={value}")),
        (select(&["page-size", "ttl", "timestamp", "timeout"][..]), any::<i64>())
            .prop_map(|(name, value)| format!("{name}={value}")),
        "[a-z=&%+]{0,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let start = select(
        &[
            "/v2/keyspaces/ks/t",
            "/v2/keyspaces/ks/t/1",
            "/v2/keyspaces/ks/t/1/x",
            "/v2/keyspaces/ks/t/rows",
            "/v2/schemas/keyspaces/ks/tables/t",
            "/v2/keyspaces/ks",
            "/v2/schemas/keyspaces/ks",
            "/v2/schemas/keyspaces",
            "/v2/cql",
        ][..],
    );
    (start, prop::collection::vec(select(WORDS), 0..3)).prop_map(|(start, words)| {
        // What no address may hold is encoded; the rest stands as it is.
        let word = |word: &&str| match word.chars().all(|c| c.is_ascii_graphic() && !"\"{}".contains(c)) {
            true => (*word).to_owned(),
            false => encoded(word),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        format!("{start}{}{}", if words.is_empty() { "" } else { "/" }, words.join("/"))
    })
}

#[test]
fn whatever_is_asked_the_answer_is_no_fault_of_the_server() {
    let rest = Rest::with(&[
        "CREATE TYPE address (street text, number int)",
        "CREATE TABLE t (id int, c text, v text, m map<text, int>, l list<int>, s set<text> static, u frozen<address>, \
         PRIMARY KEY (id, c))",
        "CREATE INDEX ON t (v)",
        "INSERT INTO t (id, c, v, m, l, u) VALUES (1, 'x', 'v', {'a': 1}, [1], {street: 'x', number: 1})",
    ]);
    let body = prop_oneof![object(), select(JSON).prop_map(str::to_owned), "[{}\\[\\]\",:a1]{0,12}"];
    let parameters = prop::collection::vec(parameter(), 0..2);
    let method = select(vec![Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]);
    // The same requests each time: a failure that comes and goes helps nobody.
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 3000, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let accept = select(&["application/json", "text/csv", "application/x-ndjson"][..]);
    let (done, refused) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(
        &(method, path(), parameters, body, accept),
        |(method, path, parameters, body, accept)| {
            // What the other requests need stays.
            let drops = method == Method::DELETE && path.starts_with("/v2/schemas");
            let path = if drops { path.replace("/ks", "/other") } else { path };
            let target = format!("{path}?{}", parameters.join("&"));
            let request = Request::builder().method(method.clone()).uri(&target).header("accept", accept);
            let Ok(request) = request.body(body.clone().into()) else { return Ok(()) };
            let reply = rest.send(request);
            let seen = if reply.status.is_success() { &done } else { &refused };
            seen.set(seen.get() + 1);
            prop_assert!(
                reply.status.as_u16() < 500,
                "{method} {target} {body}: {} {}",
                reply.status,
                reply.text
            );
            if reply.status.is_client_error() {
                prop_assert!(reply.json()["description"].is_string(), "{}", reply.text);
            }
            Ok(())
        },
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(done.get() > 100 && refused.get() > 100, "{} done, {} refused", done.get(), refused.get());
}
