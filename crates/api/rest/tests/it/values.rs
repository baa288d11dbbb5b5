//! Values of every type, there and back.

use crate::driver::Rest;

const ALL: &str = "CREATE TABLE t (id int PRIMARY KEY, a ascii, bi bigint, bl blob, bo boolean, da date, de decimal, \
                   db double, du duration, fl float, i inet, s smallint, te text, ti time, ts timestamp, tu timeuuid, \
                   tiny tinyint, u uuid, vi varint, l list<int>, st set<text>, m map<text, int>, \
                   tp tuple<int, text>, ud frozen<address>, v vector<float, 2>)";

fn rest() -> Rest {
    Rest::with(&["CREATE TYPE address (street text, \"Number\" int)", ALL])
}

#[test]
fn a_value_of_every_type_is_read_as_it_was_written() {
    let rest = rest();
    for (column, value) in [
        ("a", r#""ascii""#),
        ("bi", "-9223372036854775808"),
        ("bl", r#""AAH/""#),
        ("bo", "true"),
        ("da", r#""2021-04-23""#),
        ("de", "123456789012345678901234567890.12345678901234567890"),
        ("db", "0.1"),
        ("db", "1.7976931348623157E308"),
        ("du", r#""1mo2d3h""#),
        ("fl", "1.5"),
        ("i", r#""127.0.0.1""#),
        ("i", r#""2001:db8:0:0:0:0:0:1""#),
        ("s", "-32768"),
        ("te", r#""a \"b\" \\ \n € 😀 'c'""#),
        ("te", r#""'quoted'""#),
        ("te", r#""""#),
        ("ti", r#""10:15:30.123456789""#),
        ("ts", r#""2021-04-23T18:42:22.139Z""#),
        ("tu", r#""30821634-13ad-11eb-adc1-0242ac120002""#),
        ("tiny", "127"),
        ("u", r#""f0014be3-b69f-4884-b9a6-49765fb40df3""#),
        ("vi", "123456789012345678901234567890123456789012345678901234567890"),
        ("l", "[3,1,3]"),
        ("st", r#"["a","b"]"#),
        ("m", r#"{"a":1,"b":2}"#),
        ("tp", r#"[28,"x"]"#),
        ("tp", r#"[28,null]"#),
        ("ud", r#"{"street":"Main","Number":5}"#),
        ("v", "[1.5,-2.0]"),
        ("te", "null"),
        ("l", "[]"),
    ] {
        rest.post("/v2/keyspaces/ks/t", &format!(r#"{{"id":1,"{column}":{value}}}"#)).ok(201);
        let read = rest.get(&format!("/v2/keyspaces/ks/t/1?raw=true&fields={column}"));
        assert_eq!(read.ok(200), format!(r#"[{{"{column}":{value}}}]"#));
    }
}

#[test]
fn other_spellings_of_a_value_are_taken() {
    let rest = rest();
    for (column, value, read) in [
        ("bi", r#""9007199254740993""#, "9007199254740993"),
        ("bo", r#""TRUE""#, "true"),
        ("te", "12.50", r#""12.50""#),
        ("te", "true", r#""true""#),
        ("de", r#""1.10""#, "1.10"),
        ("vi", r#""-7""#, "-7"),
        ("db", r#""NaN""#, r#""NaN""#),
        ("ts", "1619203342139", r#""2021-04-23T18:42:22.139Z""#),
        ("ts", r#""2021-04-20T18:42:22.139+02:00""#, r#""2021-04-20T16:42:22.139Z""#),
        ("ts", "0", r#""1970-01-01T00:00:00Z""#),
        ("ti", r#""10:15""#, r#""10:15:00""#),
        ("l", r#""[1, 2]""#, "[1,2]"),
        ("st", r#""{'b', 'a'}""#, r#"["a","b"]"#),
        ("m", r#""{'a': 1}""#, r#"{"a":1}"#),
        ("tp", r#""(28,'foobar')""#, r#"[28,"foobar"]"#),
        ("ud", r#""{street: 'Main'}""#, r#"{"street":"Main","Number":null}"#),
        ("l", r#"["1", 2]"#, "[1,2]"),
        ("u", r#""'f0014be3-b69f-4884-b9a6-49765fb40df3'""#, r#""f0014be3-b69f-4884-b9a6-49765fb40df3""#),
    ] {
        rest.put("/v2/keyspaces/ks/t/1", &format!(r#"{{"{column}":{value}}}"#)).ok(200);
        let reply = rest.get(&format!("/v2/keyspaces/ks/t/1?raw=true&fields={column}"));
        assert_eq!(reply.ok(200), format!(r#"[{{"{column}":{read}}}]"#), "{value}");
    }
}

#[test]
fn what_is_no_value_of_the_type_is_refused() {
    let rest = rest();
    for (column, value) in [
        ("bi", "9223372036854775808"),
        ("bi", "1.5"),
        ("bl", r#""0x1""#),
        ("bo", "1"),
        ("da", "20210423"),
        ("da", r#""2021-02-30""#),
        ("db", "1e999"),
        ("fl", "1e60"),
        ("du", "5"),
        ("i", r#""nowhere""#),
        ("s", "32768"),
        ("tiny", "-129"),
        ("a", r#""é""#),
        ("te", "[1]"),
        ("tu", r#""f0014be3-b69f-4884-b9a6-49765fb40df3""#),
        ("u", r#""not-really-uuid""#),
        ("vi", "1.5"),
        ("l", "1"),
        ("l", "[null]"),
        ("st", r#"{"a":1}"#),
        ("m", r#"[{"key":"a","value":1}]"#),
        ("m", r#"{"a":null}"#),
        ("tp", "[1]"),
        ("ud", r#"{"zip":1}"#),
        ("v", "[1.0]"),
    ] {
        let error = rest.post("/v2/keyspaces/ks/t", &format!(r#"{{"id":1,"{column}":{value}}}"#)).error(400);
        assert!(error.contains(&format!("field 't.{column}")), "{value}: {error}");
    }
}

#[test]
fn maps_that_are_not_compact_are_lists_of_entries() {
    let rest = rest();
    let body = r#"{"id":1,"m":[{"key":"a","value":1},{"key":"b","value":2}]}"#;
    rest.post("/v2/keyspaces/ks/t?compactMapData=false", body).ok(201);
    assert_eq!(rest.get("/v2/keyspaces/ks/t/1?raw=true&fields=m").ok(200), r#"[{"m":{"a":1,"b":2}}]"#);
    let read = rest.get("/v2/keyspaces/ks/t/1?raw=true&fields=m&compactMapData=false");
    assert_eq!(read.ok(200), r#"[{"m":[{"key":"a","value":1},{"key":"b","value":2}]}]"#);
    for body in [
        r#"{"id":1,"m":{"a":1}}"#,
        r#"{"id":1,"m":[{"key":"a"}]}"#,
        r#"{"id":1,"m":[{"value":1}]}"#,
        r#"{"id":1,"m":[{"key":"a","value":1,"x":1}]}"#,
    ] {
        rest.post("/v2/keyspaces/ks/t?compactMapData=false", body).error(400);
    }
}

#[test]
fn null_deletes_a_column_and_one_that_is_absent_stays() {
    let rest = rest();
    rest.post("/v2/keyspaces/ks/t", r#"{"id":1,"te":"a","a":"b"}"#).ok(201);
    rest.post("/v2/keyspaces/ks/t", r#"{"id":1,"te":null}"#).ok(201);
    assert_eq!(rest.get("/v2/keyspaces/ks/t/1?raw=true&fields=te,a").ok(200), r#"[{"te":null,"a":"b"}]"#);
}

#[test]
fn a_key_of_any_type_stands_in_a_path() {
    for (ty, path, json) in [
        ("int", "-5", "-5"),
        ("bigint", "9007199254740993", "9007199254740993"),
        ("boolean", "true", "true"),
        ("blob", "AAH%2F", r#""AAH/""#),
        ("date", "2021-04-23", r#""2021-04-23""#),
        ("decimal", "1.10", "1.10"),
        ("double", "-0.5", "-0.5"),
        ("inet", "10.0.0.1", r#""10.0.0.1""#),
        ("time", "10:15:30", r#""10:15:30""#),
        ("timestamp", "2021-04-23T18:42:22.139Z", r#""2021-04-23T18:42:22.139Z""#),
        ("timestamp", "2021-04-23T18:42:22.139%2B0200", r#""2021-04-23T16:42:22.139Z""#),
        ("uuid", "f0014be3-b69f-4884-b9a6-49765fb40df3", r#""f0014be3-b69f-4884-b9a6-49765fb40df3""#),
        ("varint", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("frozen<list<int>>", "%5B1,2%5D", "[1,2]"),
        ("frozen<set<text>>", "%7B%27a%27,%27b%27%7D", r#"["a","b"]"#),
        ("frozen<map<text, int>>", "%7B%27a%27:1%7D", r#"{"a":1}"#),
        ("frozen<tuple<int, text>>", "(1,'a')", r#"[1,"a"]"#),
    ] {
        let rest = Rest::with(&[&format!("CREATE TABLE t (k {ty} PRIMARY KEY, v int)")]);
        rest.put(&format!("/v2/keyspaces/ks/t/{path}"), r#"{"v":1}"#).ok(200);
        let read = rest.get(&format!("/v2/keyspaces/ks/t/{path}?raw=true"));
        assert_eq!(read.ok(200), format!(r#"[{{"k":{json},"v":1}}]"#), "{ty}");
    }
}

#[test]
fn a_number_of_more_digits_than_are_read_is_refused_and_not_written_for_minutes() {
    let rest = Rest::with(&["CREATE TABLE huge (id int PRIMARY KEY, v varint, d list<decimal>)"]);
    let nines = "9".repeat(100_000);
    rest.cql(&format!("INSERT INTO huge (id, v, d) VALUES (1, {nines}, [{nines}])"));
    assert_eq!(rest.get("/v2/keyspaces/ks/huge/1?raw=true&fields=v").ok(200), format!("[{{\"v\":{nines}}}]"));
    rest.get("/v2/keyspaces/ks/huge/1").ok(200);
    // Ten million bytes take minutes; so few more than the limit would not, and are refused all the same.
    let hex = "7f".repeat(41_527);
    rest.cql(&format!("INSERT INTO huge (id, v) VALUES (2, blobAsVarint(0x{hex}))"));
    rest.cql(&format!("INSERT INTO huge (id, d) VALUES (3, [blobAsDecimal(0x00000000{hex})])"));
    for id in [2, 3] {
        let refused = rest.get(&format!("/v2/keyspaces/ks/huge/{id}")).error(400);
        assert!(refused.contains("more than the 100000 digits that are written as text"), "{refused}");
    }
}
