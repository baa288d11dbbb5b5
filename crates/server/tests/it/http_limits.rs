//! HTTP clients that ask too much, are too slow, or do not read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ilium_http::BodyLimits;
use ilium_server::HttpOptions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http_server::{BIG, ECHO, HttpServer, Settings, rest};
use crate::server::LONG;

fn impatient(patience: Duration) -> HttpOptions {
    HttpOptions { patience, ..HttpOptions::default() }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Slow clients and as many of the server's own files as it may open; each connection counts twice in one process.
const SLOW: u64 = 10_000;

#[test]
fn ten_thousand_clients_that_never_finish_a_head_do_not_keep_others_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let places = 4096;
    let files = limit.maximum.unwrap_or(u64::MAX);
    assert!(files > SLOW + places as u64 + 1000, "{files} open files are too few for this test");

    let settings = Settings {
        http: impatient(Duration::from_secs(3)),
        max_connections: Some(places),
        ..Settings::default()
    };
    let server = HttpServer::start(settings);
    let mut slow: Vec<TcpStream> = (0..SLOW)
        .map(|_| {
            let mut socket = server.connect();
            // One that was turned away already may be closed.
            let _ = socket.write_all(b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
            socket
        })
        .collect();
    // While they hold all places the next is told so, and as soon as patience ends it is served.
    let deadline = Instant::now() + crate::server::LONG;
    loop {
        let answer = server.exchange(&get("/echo"));
        if answer.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(Instant::now() < deadline, "nobody is served any more");
    }
    for socket in &mut slow {
        let answer = rest(socket);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    server.still_serves();
}

#[test]
fn a_client_that_never_says_which_http_it_speaks_is_closed() {
    let server =
        HttpServer::start(Settings { http: impatient(Duration::from_millis(300)), ..Settings::default() });
    for beginning in [&b""[..], b"PRI * HT", b"G"] {
        let mut socket = server.connect();
        socket.write_all(beginning).unwrap();
        // The test's own patience is a minute.
        assert_eq!(rest(&mut socket), "", "{beginning:?}");
    }
}

#[test]
fn bodies_past_what_may_be_under_way_are_refused() {
    let server = HttpServer::start(Settings { max_body_bytes: Some(1 << 20), ..Settings::default() });
    let post = |length: usize| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let mut first = server.connect();
    first.write_all(post(700_000).as_bytes()).unwrap();
    let deadline = Instant::now() + crate::server::LONG;
    while server.reached() < 1 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let second = server.exchange(post(700_000).as_bytes());
    assert!(second.starts_with("HTTP/1.1 429 ") && second.contains("nothing was done"), "{second}");
    // Small ones are not counted.
    let small = server.exchange(format!("{}{}", post(1000), "x".repeat(1000)).as_bytes());
    assert!(small.starts_with("HTTP/1.1 200 "), "{small}");
    first.write_all(&vec![b'x'; 700_000]).unwrap();
    assert!(rest(&mut first).starts_with("HTTP/1.1 200 "));
    let after = server.exchange(format!("{}{}", post(700_000), "x".repeat(700_000)).as_bytes());
    assert!(after.starts_with("HTTP/1.1 200 "), "{}", after.len());
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let http = impatient(Duration::from_millis(300));
    let server = HttpServer::start(Settings { http, max_connections: Some(1), ..Settings::default() });
    let mut socket = server.connect();
    socket.write_all(&get("/big")).unwrap();
    // It has been given up once there is room for another. What sockets held arrives then, the rest does not.
    let deadline = Instant::now() + LONG;
    while !server.exchange(ECHO).starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < deadline, "it is still open");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut arrived = 0;
    let mut piece = vec![0; 1 << 20];
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        arrived += read;
    }
    assert!(arrived < BIG, "all {arrived} bytes arrived");
    server.still_serves();
}

#[test]
fn a_slow_reader_that_does_read_gets_everything() {
    let server =
        HttpServer::start(Settings { http: impatient(Duration::from_millis(500)), ..Settings::default() });
    let mut socket = server.connect();
    socket.write_all(&get("/big")).unwrap();
    let mut arrived = 0;
    let mut piece = vec![0; 4 << 20];
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        arrived += read;
        // Slower than the server could be, never as slow as its patience.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(arrived > BIG, "only {arrived} bytes arrived");
}

#[test]
fn a_body_past_the_limit_is_refused_before_it_is_read_where_its_length_is_known() {
    let body = BodyLimits { bytes: 1000, ..BodyLimits::default() };
    let server = HttpServer::start(Settings { body, ..Settings::default() });
    let head =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let told = server.exchange(format!("{head}Content-Length: 1001\r\n\r\n").as_bytes());
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("1000 bytes"), "{told}");
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
    let counted = server.exchange(chunks.as_bytes());
    assert!(counted.starts_with("HTTP/1.1 413 "), "{counted}");
    let whole = server.exchange(format!("{head}Content-Length: 1000\r\n\r\n{}", "x".repeat(1000)).as_bytes());
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
}

#[test]
fn a_body_that_stops_arriving_is_given_up() {
    let body = BodyLimits { patience: Duration::from_millis(200), ..BodyLimits::default() };
    let server = HttpServer::start(Settings { body, ..Settings::default() });
    let answer = server.exchange(
        b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
    );
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.still_serves();
}

#[test]
fn a_head_past_the_limit_is_refused() {
    let http = HttpOptions { max_head: 16 << 10, ..HttpOptions::default() };
    let server = HttpServer::start(Settings { http, ..Settings::default() });
    let answer = server.exchange(
        format!("GET /echo HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000)).as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(server.reached(), 0);
    server.still_serves();
}

#[test]
fn a_request_past_those_that_may_be_under_way_is_told_so() {
    let server = HttpServer::start(Settings { max_in_flight: Some(2), ..Settings::default() });
    server.close_gate();
    let mut waiting: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut socket = server.connect();
            socket.write_all(&get("/wait")).unwrap();
            socket
        })
        .collect();
    let deadline = Instant::now() + crate::server::LONG;
    while server.reached() < 2 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let refused = server.exchange(&get("/echo"));
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: 1"), "{refused}");
    // Who watches the process is let in: were it refused it would end the process when there is most to do.
    let watched = server.exchange(&get("/health/ready"));
    assert!(watched.starts_with("HTTP/1.1 200 ") && watched.ends_with("ready"), "{watched}");
    server.open_gate();
    for socket in &mut waiting {
        assert!(rest(socket).ends_with("waited"));
    }
    server.still_serves();
}

#[test]
fn a_connection_past_the_limit_is_told_so_unless_it_is_of_who_watches_the_process() {
    let server = HttpServer::start(Settings { max_connections: Some(2), ..Settings::default() });
    let held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut socket = server.connect();
            socket.write_all(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut first = [0; 12];
            socket.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            socket
        })
        .collect();
    let refused = server.exchange(&get("/echo"));
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("2 connections are open"), "{refused}");
    assert!(refused.contains("retry-after: 1") && refused.contains("connection: close"), "{refused}");
    let watched = server.exchange(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(watched.starts_with("HTTP/1.1 200 ") && watched.ends_with("ready"), "{watched}");
    // Nor is it kept, whatever it asks for next, and who says nothing is not waited for.
    assert!(watched.contains("connection: close"), "{watched}");
    assert_eq!(rest(&mut server.connect()), "");
    drop(held);
    let deadline = Instant::now() + crate::server::LONG;
    while !server.exchange(&get("/echo")).starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn what_is_in_flight_is_answered_before_the_connection_closes() {
    let server = HttpServer::start(Settings::default());
    server.close_gate();
    let (mut idle, mut busy) = (server.connect(), server.connect());
    idle.write_all(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let deadline = Instant::now() + crate::server::LONG;
    while server.reached() < 2 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    server.begin_stop();
    rest(&mut idle);
    server.open_gate();
    let answer = rest(&mut busy);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("waited"), "{answer}");
    let address = server.address;
    server.ended();
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
}
