//! The protocol by hand, as the specification has it: a client that may do wrong on purpose.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::server::LONG;

pub const ERROR: u8 = 0x00;
pub const STARTUP: u8 = 0x01;
pub const READY: u8 = 0x02;
pub const AUTHENTICATE: u8 = 0x03;
pub const OPTIONS: u8 = 0x05;
pub const SUPPORTED: u8 = 0x06;
pub const QUERY: u8 = 0x07;
pub const RESULT: u8 = 0x08;
pub const PREPARE: u8 = 0x09;
pub const EXECUTE: u8 = 0x0a;
pub const REGISTER: u8 = 0x0b;
pub const BATCH: u8 = 0x0d;
pub const AUTH_RESPONSE: u8 = 0x0f;
pub const AUTH_SUCCESS: u8 = 0x10;

pub const PROTOCOL: i32 = 0x000a;
pub const BAD_CREDENTIALS: i32 = 0x0100;
pub const OVERLOADED: i32 = 0x1001;
pub const SYNTAX: i32 = 0x2000;
pub const INVALID: i32 = 0x2200;
pub const UNPREPARED: i32 = 0x2500;

/// A message from the server.
#[derive(Debug)]
pub struct Frame {
    pub version: u8,
    pub stream: i16,
    pub opcode: u8,
    pub body: Vec<u8>,
}

pub struct Client {
    pub socket: TcpStream,
    version: u8,
}

impl Client {
    /// A connection on which nothing was said.
    pub fn silent(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Client { socket, version: 4 }
    }

    pub fn started(address: SocketAddr, version: u8) -> Client {
        let mut client = Client { version, ..Client::silent(address) };
        client.send(0, STARTUP, &startup());
        let ready = client.receive();
        assert_eq!(ready.opcode, READY, "{ready:?}");
        client
    }

    /// A connection that said STARTUP in version 4 and was asked to log in.
    pub fn asked(address: SocketAddr) -> Client {
        let mut client = Client::silent(address);
        client.send(0, STARTUP, &startup());
        let asked = client.receive();
        assert_eq!(asked.opcode, AUTHENTICATE, "{asked:?}");
        assert_eq!(asked.body, string("org.apache.cassandra.auth.PasswordAuthenticator"));
        client
    }

    /// Sends a name and a password (SASL PLAIN).
    pub fn send_login(&mut self, stream: i16, name: &str, password: &str) {
        let token = format!("\0{name}\0{password}");
        self.send(stream, AUTH_RESPONSE, &long_string(&token));
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn send(&mut self, stream: i16, opcode: u8, body: &[u8]) {
        let frame = frame(self.version, stream, opcode, body);
        self.send_bytes(&frame);
    }

    pub fn send_query(&mut self, stream: i16, text: &str) {
        self.send(stream, QUERY, &query(text));
    }

    /// The next message; not within segments.
    pub fn receive(&mut self) -> Frame {
        self.try_receive().unwrap()
    }

    /// The one message of the next segment, plain as version 5 has it without compression.
    pub fn receive_in_segment(&mut self) -> Frame {
        let mut header = [0; 6];
        self.socket.read_exact(&mut header).unwrap();
        let frame = self.receive();
        let mut checksum = [0; 4];
        self.socket.read_exact(&mut checksum).unwrap();
        frame
    }

    pub fn try_receive(&mut self) -> io::Result<Frame> {
        let mut header = [0; 9];
        self.socket.read_exact(&mut header)?;
        let [version, _, s0, s1, opcode, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut body)?;
        Ok(Frame { version, stream: i16::from_be_bytes([s0, s1]), opcode, body })
    }

    /// Sends a statement and wants it to succeed.
    pub fn ok(&mut self, text: &str) -> Frame {
        self.send_query(1, text);
        let answer = self.receive();
        assert_eq!(answer.opcode, RESULT, "{text}: {}", answer.message());
        answer
    }

    /// Wants the next message to be this error on this stream.
    pub fn expect_error(&mut self, stream: i16, code: i32, words: &str) {
        let answer = self.receive();
        assert_eq!(answer.opcode, ERROR, "{answer:?}");
        assert_eq!((answer.stream, answer.code()), (stream, code), "{}", answer.message());
        assert!(answer.message().contains(words), "{:?} without {words:?}", answer.message());
    }

    /// Wants the server to have closed the connection in good order: an end, no reset.
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("the connection was reset");
        assert!(rest.is_empty(), "before the end came {rest:?}");
    }

    /// Wants the server to have closed the connection, in whatever way.
    pub fn expect_cut(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.socket.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the server did not close the connection: {error}"),
            }
        }
    }
}

impl Frame {
    /// The code of an ERROR.
    pub fn code(&self) -> i32 {
        i32::from_be_bytes(*self.body.first_chunk().unwrap())
    }

    /// The message of an ERROR; nothing for other messages.
    pub fn message(&self) -> String {
        if self.opcode != ERROR {
            return String::new();
        }
        let length = u16::from_be_bytes([self.body[4], self.body[5]]) as usize;
        String::from_utf8(self.body[6..6 + length].to_vec()).unwrap()
    }
}

pub fn frame(version: u8, stream: i16, opcode: u8, body: &[u8]) -> Vec<u8> {
    let [s0, s1] = stream.to_be_bytes();
    let mut frame = vec![version, 0, s0, s1, opcode];
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    frame
}

pub fn startup() -> Vec<u8> {
    [&[0, 1][..], &string("CQL_VERSION"), &string("3.0.0")].concat()
}

pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

pub fn long_string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
}

/// The body of a QUERY at consistency ONE, without options (versions 3 and 4).
pub fn query(text: &str) -> Vec<u8> {
    [&long_string(text)[..], &[0, 1, 0]].concat()
}

/// The body of a QUERY with a page size, and what the page before gave.
pub fn paged_query(text: &str, page_size: i32, state: Option<&[u8]>) -> Vec<u8> {
    let mut body = long_string(text);
    body.extend([0, 1, if state.is_some() { 0x0c } else { 0x04 }]);
    body.extend(page_size.to_be_bytes());
    if let Some(state) = state {
        body.extend((state.len() as u32).to_be_bytes());
        body.extend(state);
    }
    body
}
