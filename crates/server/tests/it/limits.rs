//! Each limit of the CQL API: past it a clear error, and the server goes on.

use ilium_native::Options;

use crate::client::{
    BATCH, Client, ERROR, EXECUTE, INVALID, OPTIONS, OVERLOADED, PREPARE, QUERY, RESULT, SUPPORTED, SYNTAX,
    UNPREPARED, frame, long_string, paged_query, query,
};
use crate::server::Server;

#[test]
fn a_frame_past_the_limit_is_refused_and_the_connection_goes_on() {
    let server = Server::start(Options { max_frame: 1000, ..Options::default() });
    let mut client = server.client();
    client.send_query(7, &"x".repeat(100_000));
    client.expect_error(7, INVALID, "Request is too big: length 100016 exceeds maximum allowed length 1000.");
    client.ok("SELECT key FROM system.local");
}

#[test]
fn a_message_over_many_segments_past_the_limit_is_refused_and_the_connection_goes_on() {
    let server = Server::start(Options { max_frame: 200_000, ..Options::default() });
    let mut client = Client::started(server.address, 5);
    let large = frame(5, 7, QUERY, &vec![b'x'; 300_000]);
    client.send_bytes(&in_segments(&large));
    let refused = client.receive_in_segment();
    assert_eq!((refused.stream, refused.code()), (7, INVALID));
    assert_eq!(refused.message(), "CQL Message of size 300000 bytes exceeds allowed maximum of 200000 bytes");
    client.send_bytes(&in_segments(&frame(5, 8, OPTIONS, &[])));
    assert_eq!(client.receive_in_segment().opcode, SUPPORTED);
}

#[test]
fn messages_that_arrive_together_past_the_limit_of_all_are_overloaded_and_the_rest_goes_on() {
    let server = Server::start(Options { max_arriving: 1_000_000, ..Options::default() });
    let text = format!("SELECT key FROM system.local{}", " ".repeat(800_000));
    for version in [4, 5] {
        let mut body = query(&text);
        if version == 5 {
            body.extend([0; 3]); // Flags have four bytes there.
        }
        let message = frame(version, 6, QUERY, &body);
        let whole = if version == 5 { in_segments(&message).to_vec() } else { message };
        let receive = |client: &mut Client| match version {
            5 => client.receive_in_segment(),
            _ => client.receive(),
        };
        let mut first = Client::started(server.address, version);
        let mut second = Client::started(server.address, version);
        first.send_bytes(&whole[..700_000]);
        server.until("most of the first message", |service| service.bytes_arriving() > 500_000);
        second.send_bytes(&whole);
        let refused = receive(&mut second);
        assert_eq!((refused.opcode, refused.stream, refused.code()), (ERROR, 6, OVERLOADED));
        assert!(
            refused.message().starts_with("messages of 1000000 bytes are arriving"),
            "{}",
            refused.message()
        );
        first.send_bytes(&whole[700_000..]);
        assert_eq!(receive(&mut first).opcode, RESULT);
        server.until("room", |service| service.bytes_arriving() == 0);
        second.send_bytes(&whole);
        assert_eq!(receive(&mut second).opcode, RESULT);
        first.send_bytes(&whole[..700_000]);
        drop(first);
        server.until("the room of a client that is gone", |service| service.bytes_arriving() == 0);
    }
}

#[test]
fn requests_past_the_window_of_a_connection_wait_until_others_are_answered() {
    let server = Server::start(Options { max_waiting_per_connection: 2, ..Options::default() });
    server.make_table();
    let mut client = server.client();
    let others = server.client();
    server.close_gate();
    for stream in 0..10 {
        client.send_query(stream, "SELECT key FROM system.local");
    }
    server.until("a full window", |service| service.requests_waiting() == 2);
    // Once an answer to OPTIONS on another connection has come, this one had every chance to take more.
    let mut others = others;
    for _ in 0..50 {
        others.send(1, OPTIONS, &[]);
        assert_eq!(others.receive().opcode, SUPPORTED);
        assert_eq!(server.service.requests_waiting(), 2);
    }
    server.open_gate();
    let mut answered: Vec<i16> = (0..10).map(|_| client.receive()).map(|answer| answer.stream).collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..10).collect::<Vec<_>>());
}

#[test]
fn requests_past_the_limit_of_all_are_overloaded_and_not_done() {
    let server = Server::start(Options { max_waiting: 2, ..Options::default() });
    server.make_table();
    let (mut one, mut other) = (server.client(), server.client());
    server.close_gate();
    one.send_query(1, "INSERT INTO k.t (p, c) VALUES (1, 1)");
    other.send_query(2, "INSERT INTO k.t (p, c) VALUES (1, 2)");
    server.until("two waiting requests", |service| service.requests_waiting() == 2);
    one.send_query(3, "INSERT INTO k.t (p, c) VALUES (1, 3)");
    one.expect_error(3, OVERLOADED, "2 requests wait already, the limit of this server; send fewer at once");
    server.open_gate();
    assert_eq!((one.receive().opcode, other.receive().opcode), (RESULT, RESULT));
    assert_eq!(server.service.requests_waiting(), 0);
    let rows = one.ok("SELECT c FROM k.t WHERE p = 1");
    assert!(rows.body.ends_with(&[0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2]), "{rows:?}");
}

#[test]
fn a_connection_past_the_limit_is_told_so_and_one_that_ends_gives_its_place_back() {
    let server = Server::with(Options::default(), |listen| listen.max_connections = 2);
    let (first, mut second) = (server.client(), server.client());
    for version in [3, 4, 5] {
        let mut third = Client::silent(server.address);
        third.send_bytes(&frame(version, 3, OPTIONS, &[]));
        let answer = third.receive();
        assert_eq!((answer.opcode, answer.version), (ERROR, version | 0x80));
        assert_eq!((answer.stream, answer.code()), (3, OVERLOADED));
        assert_eq!(
            answer.message(),
            "2 connections are open, the limit of this server; close some, or use fewer"
        );
        third.expect_end();
    }
    second.ok("SELECT key FROM system.local");
    drop(first);
    server.until("the place", |service| service.clients().list().len() == 1);
    // The place is free a moment after the connection is gone from the list.
    let mut back = loop {
        let mut client = Client::silent(server.address);
        client.send(0, OPTIONS, &[]);
        if client.receive().opcode == SUPPORTED {
            break client;
        }
    };
    back.send(1, OPTIONS, &[]);
    assert_eq!(back.receive().opcode, SUPPORTED);
}

#[test]
fn a_statement_past_the_limit_is_invalid_however_it_comes() {
    let server = Server::start(Options { max_statement: 100, ..Options::default() });
    let mut client = server.client();
    let text = format!("SELECT key FROM system.local WHERE key = '{}'", "x".repeat(100));
    let words = format!("the statement has {} bytes, the limit is 100; bind large values", text.len());
    client.send_query(1, &text);
    client.expect_error(1, INVALID, &words);
    client.send(2, PREPARE, &long_string(&text));
    client.expect_error(2, INVALID, &words);
    client.send(3, BATCH, &[&[0, 0, 1, 0][..], &long_string(&text), &[0, 0, 0, 1, 0]].concat());
    client.expect_error(3, INVALID, &words);
    client.ok("SELECT key FROM system.local");
}

#[test]
fn a_batch_past_its_limits_is_invalid_and_nothing_of_it_is_done() {
    let server =
        Server::start(Options { max_batch_statements: 3, max_batch_bytes: 1000, ..Options::default() });
    server.make_table();
    let mut client = server.client();
    let batch = |statements: usize, bytes: usize| {
        let mut body = vec![0];
        body.extend((statements as u16).to_be_bytes());
        for number in 0..statements {
            body.push(0);
            body.extend(long_string(&format!("INSERT INTO k.t (p, c, v) VALUES (1, {number}, ?)")));
            body.extend([0, 1]);
            body.extend(long_string(&"x".repeat(bytes)));
        }
        body.extend([0, 1, 0]);
        body
    };
    client.send(1, BATCH, &batch(4, 1));
    client.expect_error(1, INVALID, "the batch has 4 statements, the limit is 3; split it");
    client.send(2, BATCH, &batch(2, 500));
    client.expect_error(2, INVALID, "the batch has 1008 bytes of values, the limit is 1000; split it");
    let rows = client.ok("SELECT c FROM k.t WHERE p = 1");
    assert!(rows.body.ends_with(&[0, 0, 0, 0]), "{rows:?}");
    client.send(3, BATCH, &batch(3, 100));
    assert_eq!(client.receive().opcode, RESULT);
}

#[test]
fn a_page_ends_early_at_its_bytes_and_the_next_goes_on() {
    let server = Server::start(Options { max_page_bytes: 1000, ..Options::default() });
    server.make_table();
    let mut client = server.client();
    for c in 0..18 {
        client.ok(&format!("INSERT INTO k.t (p, c, v) VALUES (1, {c}, '{}')", "x".repeat(300)));
    }
    let (mut state, mut pages, mut rows) = (None::<Vec<u8>>, 0, 0);
    loop {
        client.send(1, QUERY, &paged_query("SELECT v FROM k.t WHERE p = 1", 5000, state.as_deref()));
        let page = client.receive();
        assert_eq!(page.opcode, RESULT, "{}", page.message());
        let text = page.body.windows(300).filter(|window| window.iter().all(|byte| *byte == b'x')).count();
        assert!(page.body.len() < 1500 && text > 0, "a page of {} bytes", page.body.len());
        (pages, rows) = (pages + 1, rows + text);
        // Kind 2, flags, columns; with flag 2 the state of the next page follows.
        if page.body[7] & 2 == 0 {
            break;
        }
        let length = u32::from_be_bytes(page.body[12..16].try_into().unwrap()) as usize;
        state = Some(page.body[16..16 + length].to_vec());
    }
    assert_eq!((pages, rows), (5, 18));
}

#[test]
fn a_result_without_pages_past_the_memory_of_a_request_is_invalid() {
    let server = Server::start(Options { memory_budget: 1000, ..Options::default() });
    server.make_table();
    let mut client = server.client();
    for c in 0..20 {
        client.ok(&format!("INSERT INTO k.t (p, c, v) VALUES (1, {c}, '{}')", "x".repeat(100)));
    }
    client.send_query(1, "SELECT v FROM k.t WHERE p = 1");
    client.expect_error(
        1,
        INVALID,
        "more than the 1000 bytes a request may hold; page through it, or set a LIMIT",
    );
    client.ok("SELECT v FROM k.t WHERE p = 1 LIMIT 3");
}

#[test]
fn prepared_statements_past_the_limit_are_forgotten_oldest_first() {
    let tables = ["local", "peers", "peers_v2"];
    let by_number = Options { max_prepared_statements: 2, ..Options::default() };
    let by_text = Options { max_prepared_text: 60, ..Options::default() };
    for options in [by_number, by_text] {
        let server = Server::start(options);
        let mut client = server.client();
        let prepare = |client: &mut Client, table: &str| {
            client.send(1, PREPARE, &long_string(&format!("SELECT * FROM system.{table}")));
            let prepared = client.receive();
            assert_eq!(prepared.opcode, RESULT, "{}", prepared.message());
            prepared.body[6..22].to_vec()
        };
        let ids = tables.map(|table| prepare(&mut client, table));
        let execute = |id: &[u8]| [&[0, 16][..], id, &[0, 1, 0]].concat();
        client.send(2, EXECUTE, &execute(&ids[0]));
        client.expect_error(2, UNPREPARED, "not found");
        for id in &ids[1..] {
            client.send(3, EXECUTE, &execute(id));
            assert_eq!(client.receive().opcode, RESULT);
        }
        assert_eq!(prepare(&mut client, tables[0]), ids[0], "the same statement has the same id again");
        client.send(4, EXECUTE, &execute(&ids[0]));
        assert_eq!(client.receive().opcode, RESULT);
    }
}

#[test]
fn a_statement_or_a_type_nested_too_deep_is_a_syntax_error() {
    let server = Server::start(Options::default());
    server.make_table();
    let mut client = server.client();
    for depth in [65, 50_000] {
        let value = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        client.send_query(1, &format!("INSERT INTO k.t (p, c, v) VALUES (1, 1, {value})"));
        client.expect_error(1, SYNTAX, "may nest 64 deep");
        let kind = format!("{}int{}", "frozen<list<".repeat(depth), ">>".repeat(depth));
        client.send_query(2, &format!("CREATE TABLE k.deep (p int PRIMARY KEY, v {kind})"));
        client.expect_error(2, SYNTAX, "may nest 64 deep");
    }
    server.still_serves();
}

#[test]
fn values_and_names_longer_than_their_columns_take_are_refused() {
    let server = Server::start(Options::default());
    server.make_table();
    let mut client = server.client();
    client.ok("CREATE TABLE k.text_key (p text PRIMARY KEY)");
    // A key's length has 16 bits (`FBUtilities.MAX_UNSIGNED_SHORT`).
    let key = "x".repeat(65_536);
    client.send(1, QUERY, &[&query("INSERT INTO k.text_key (p) VALUES (?)")[..], &[]].concat());
    client.expect_error(1, INVALID, "Invalid amount of bind variables");
    let mut body = long_string("INSERT INTO k.text_key (p) VALUES (?)");
    body.extend([0, 1, 1, 0, 1]);
    body.extend(long_string(&key));
    client.send(2, QUERY, &body);
    client.expect_error(2, INVALID, "Key length of 65536 is longer than maximum of 65535");
    server.still_serves();
}

/// The frame cut over segments, as version 5 has them.
fn in_segments(frame: &[u8]) -> bytes::BytesMut {
    let mut out = bytes::BytesMut::new();
    let parts: Vec<&[u8]> = frame.chunks(ilium_protocol::MAX_PAYLOAD).collect();
    for part in &parts {
        ilium_protocol::encode_segment(part, parts.len() == 1, &mut out).unwrap();
    }
    out
}
