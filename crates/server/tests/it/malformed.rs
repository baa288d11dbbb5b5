//! Bytes that make no sense: a protocol error, never a hang or a crash, and no cost to others.

use std::io::Write as _;
use std::net::Shutdown;

use ilium_native::Options;

use crate::client::{
    Client, ERROR, EXECUTE, OPTIONS, PROTOCOL, QUERY, RESULT, STARTUP, SUPPORTED, frame, long_string, query,
    startup,
};
use crate::server::Server;

#[test]
fn bytes_that_are_no_frame_get_a_protocol_error_and_a_clean_end() {
    let server = Server::start(Options::default());
    let version_9 = frame(9, 5, OPTIONS, &[]);
    let negative_length = [&[4, 0, 0, 5, QUERY][..], &(-1i32).to_be_bytes()].concat();
    let web = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"; // The beginning of a TLS handshake.
    let cases: [(&[u8], &str); 5] = [
        (&version_9, "Invalid or unsupported protocol version (9)"),
        (&negative_length, "Invalid value for envelope header body length field: -1"),
        (web, "Invalid or unsupported protocol version (71)"),
        (hello, "Invalid or unsupported protocol version (22)"),
        (&[0x7f; 1 << 20], "Invalid or unsupported protocol version (127)"),
    ];
    for (bytes, words) in cases {
        let mut client = Client::silent(server.address);
        // The server may be gone before the last of a megabyte is written.
        let _ = client.socket.write_all(bytes);
        let answer = client.receive();
        assert_eq!((answer.opcode, answer.code()), (ERROR, PROTOCOL), "{words}");
        assert!(answer.message().contains(words), "{} without {words}", answer.message());
        client.expect_end();
        server.still_serves();
    }
}

#[test]
fn a_version_that_is_gone_gets_its_error_in_its_own_layout() {
    let server = Server::start(Options::default());
    for version in [1, 2] {
        let mut client = Client::silent(server.address);
        // Eight bytes of header: the stream has one.
        client.send_bytes(&[version, 0, 5, OPTIONS, 0, 0, 0, 0, 0]);
        let mut header = [0; 8];
        std::io::Read::read_exact(&mut client.socket, &mut header).unwrap();
        assert_eq!(header[..4], [version | 0x80, 0, 5, ERROR]);
    }
    server.still_serves();
}

#[test]
fn a_message_that_is_refused_costs_the_connection_nothing_else() {
    let server = Server::start(Options::default());
    let mut client = server.client();
    let cases: [(u8, Vec<u8>, &str); 8] = [
        (0x04, Vec::new(), "Unknown opcode 4"),
        (0xff, vec![1, 2, 3], "Unknown opcode 255"),
        (RESULT, Vec::new(), "Wrong protocol direction"),
        (QUERY, Vec::new(), "Not enough bytes"),
        (QUERY, vec![0, 0, 0, 100, b'S'], "100"),
        (QUERY, [&query("SELECT key FROM system.local")[..32], &[99, 99, 0]].concat(), "consistency"),
        (EXECUTE, vec![0, 16, 1], "Not enough bytes"),
        (STARTUP, startup(), "Unexpected message STARTUP, the connection is already initialized"),
    ];
    for (stream, (opcode, body, words)) in (10..).zip(cases) {
        client.send(stream, opcode, &body);
        client.expect_error(stream, PROTOCOL, words);
    }
    client.send_bytes(&frame(3, 9, OPTIONS, &[]));
    client.expect_error(9, PROTOCOL, "previous messages on this connection had version 4/v4");
    client.ok("SELECT key FROM system.local");
}

#[test]
fn a_message_before_startup_is_refused() {
    let server = Server::start(Options::default());
    let mut client = Client::silent(server.address);
    client.send_query(3, "SELECT key FROM system.local");
    client.expect_error(3, PROTOCOL, "Unexpected message QUERY, expecting STARTUP or OPTIONS");
    client.send(4, OPTIONS, &[]);
    assert_eq!(client.receive().opcode, SUPPORTED);
}

#[test]
fn a_damaged_segment_ends_the_connection_with_a_protocol_error_whatever_byte_is_wrong() {
    let server = Server::start(Options::default());
    let mut whole = bytes::BytesMut::new();
    ilium_protocol::encode_segment(&frame(5, 1, OPTIONS, &[]), true, &mut whole).unwrap();
    for at in 0..whole.len() {
        let mut client = Client::started(server.address, 5);
        let mut damaged = whole.to_vec();
        damaged[at] ^= 0x10;
        client.send_bytes(&damaged);
        let answer = client.receive_in_segment();
        assert_eq!((answer.opcode, answer.code()), (ERROR, PROTOCOL), "byte {at}");
        assert!(answer.message().contains("unrecoverable CRC mismatch"), "{}", answer.message());
        client.expect_end();
    }
    let mut client = Client::started(server.address, 5);
    client.send_bytes(&whole);
    assert_eq!(client.receive_in_segment().opcode, SUPPORTED);
}

/// Payloads, each with whether it calls itself self-contained, and the error they give.
type Misfit<'a> = (&'a [(&'a [u8], bool)], &'a str);

#[test]
fn segments_that_do_not_add_up_end_the_connection_with_a_protocol_error() {
    let server = Server::start(Options::default());
    let options = frame(5, 1, OPTIONS, &[]);
    let announced = [&frame(5, 1, QUERY, &[0; 60])[..5], &100u32.to_be_bytes(), &[0; 60]].concat();
    let cases: [Misfit; 4] = [
        (&[(&options[..8], true)], "it needs 9 bytes, 8 are left"),
        (&[(&announced, true)], "it needs 100 bytes, 60 are left"),
        (&[(&announced, false), (&options, true)], "is self-contained"),
        (&[(&announced, false), (&[0; 41], false)], "with more bytes than it has"),
    ];
    for (segments, words) in cases {
        let mut client = Client::started(server.address, 5);
        let mut bytes = bytes::BytesMut::new();
        for (payload, self_contained) in segments {
            ilium_protocol::encode_segment(payload, *self_contained, &mut bytes).unwrap();
        }
        client.send_bytes(&bytes);
        let answer = client.receive_in_segment();
        assert_eq!((answer.opcode, answer.code()), (ERROR, PROTOCOL), "{words}");
        assert!(answer.message().contains(words), "{}", answer.message());
        client.expect_end();
    }
    server.still_serves();
}

#[test]
fn a_frame_whose_rest_never_comes_ends_with_the_client() {
    let server = Server::start(Options::default());
    for cut in [1, 8, 9, 20] {
        let mut client = server.client();
        client.send_bytes(&frame(4, 1, QUERY, &long_string("SELECT key FROM system.local"))[..cut]);
        client.socket.shutdown(Shutdown::Write).unwrap();
        client.expect_end();
    }
    server.still_serves();
}
