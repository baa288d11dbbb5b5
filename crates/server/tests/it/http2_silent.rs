//! HTTP/2 clients that answer every ping and do nothing else (RFC 9113). The frames are written out here: a library's client
//! would be better behaved.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ilium_server::HttpOptions;

use crate::http_server::{HttpServer, Settings};

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 0x1 | 0x4;

/// A setting: 4 is the window that each stream begins with.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn server() -> HttpServer {
    let http = HttpOptions { patience: Duration::from_millis(300), ..HttpOptions::default() };
    HttpServer::start(Settings { http, ..Settings::default() })
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn greet(server: &HttpServer, settings: &[u8]) -> TcpStream {
    let mut socket = server.connect();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, settings)).unwrap();
    socket
}

/// A GET on a stream, in HPACK's static names (RFC 7541, appendix A) and plain literals.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend(path.bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

/// Reads frames and answers pings until the server ends the connection; the kinds of what came.
fn answer_pings(mut socket: TcpStream) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if socket.read_exact(&mut payload).is_err() {
            break;
        }
        if head[3] == PING && head[4] & ACK == 0 {
            let _ = socket.write_all(&frame(PING, ACK, 0, &payload));
        }
        kinds.push(head[3]);
    }
    kinds
}

#[test]
fn an_idle_client_is_told_that_the_connection_ends() {
    let server = server();
    let kinds = answer_pings(greet(&server, &[]));
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    server.still_serves();
}

#[test]
fn a_client_that_grants_no_window_does_not_keep_its_answers() {
    let server = server();
    let mut socket = greet(&server, &NO_WINDOW);
    for stream in [1, 3, 5] {
        socket.write_all(&get(stream, "/big")).unwrap();
    }
    let kinds = answer_pings(socket);
    assert_eq!(kinds.iter().filter(|kind| **kind == HEADERS).count(), 3, "{kinds:?}");
    server.still_serves();
}
