//! HTTP that makes no sense, or two senses. What two readers could cut into requests at different places is refused, and
//! the connection closed, so that nothing after it is taken for a request (RFC 9112, section 11.2: request smuggling).

use crate::http_server::{HttpServer, Settings};

/// A request that must never be answered: it hides in what comes before.
const HIDDEN: &str = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_request_that_two_readers_would_cut_differently_is_not_answered_twice() {
    let server = HttpServer::start(Settings::default());
    let post = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let shapes = [
        // Two lengths.
        format!("{post}Content-Length: 5\r\nContent-Length: 0\r\n\r\n"),
        format!("{post}Content-Length: 5, 0\r\n\r\n"),
        format!("{post}Content-Length: +0\r\n\r\n"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 0x0\r\n\r\n"),
        format!("{post}Content-Length:\r\n\r\n"),
        format!("{post}Content-Length: 18446744073709551616\r\n\r\n"),
        // An encoding that one of them does not know.
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        // Lines that one of them ends elsewhere.
        format!("{post}X: a\r\n Content-Length: 40\r\n\r\n"),
        format!("{post}X: a\rContent-Length: 40\r\n\r\n"),
        format!("{post}X: a\0b\r\n\r\n"),
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n: x\r\n\r\n".to_owned(),
        // Chunks whose sizes lie.
        format!("{post}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
    ];
    for shape in shapes {
        let before = server.reached();
        let answer = server.exchange(format!("{shape}{HIDDEN}").as_bytes());
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1 && !answer.contains("waited"), "{shape:?}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{shape:?}: {answer}");
        assert!(server.reached() <= before + 1, "{shape:?} reached two routes");
    }
    server.still_serves();
}

#[test]
fn where_both_a_length_and_chunks_are_told_the_connection_ends_with_the_answer() {
    let server = HttpServer::start(Settings::default());
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
    );
    let answer = server.exchange(request.as_bytes());
    assert!(!answer.contains("waited"), "{answer}");
    server.still_serves();
}

#[test]
fn bytes_that_are_no_http_are_refused() {
    let server = HttpServer::start(Settings::default());
    for bytes in [
        &b"\x04\0\0\0\x05\0\0\0\0"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n\r\n\r\n\r\nnonsense\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no SETTINGS frame at all",
    ] {
        let answer = server.exchange(bytes);
        assert!(!answer.contains(" 200 ") && answer.matches("HTTP/1.1 ").count() <= 1, "{bytes:?}: {answer}");
    }
    assert_eq!(server.reached(), 0);
    server.still_serves();
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let server = HttpServer::start(Settings::default());
    let one = "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let last = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(format!("{one}{post}{last}").as_bytes());
    let bodies: Vec<&str> = answer.split("\r\n\r\n").collect();
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 3, "{answer}");
    assert!(bodies[1].starts_with("here") && bodies[2].starts_with("{}") && bodies[3] == "here", "{answer}");
}
