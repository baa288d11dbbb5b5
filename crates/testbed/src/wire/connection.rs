//! One connection, one request at a time.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::answer::{self, Answer, Prepared};
use super::frame::{self, Frame};
use super::request::{self, BatchItem, BatchKind, Binds, Settings};
use super::tls::{self, Stream, TlsFiles};

const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const QUERY: u8 = 0x07;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0A;
const REGISTER: u8 = 0x0B;
const EVENT: u8 = 0x0C;
const BATCH: u8 = 0x0D;
const AUTH_RESPONSE: u8 = 0x0F;
const AUTH_SUCCESS: u8 = 0x10;

/// Longer than any server's own time-outs: a silent server is a failed test, not a hung one.
const SILENCE: Duration = Duration::from_secs(60);

/// A connection that is ready for statements.
#[derive(Debug)]
pub struct Connection {
    stream: Box<dyn Stream>,
    version: u8,
    rest: Vec<u8>,
}

impl Connection {
    /// Connects with a protocol version of 3 to 5, where nobody logs in.
    pub fn open(address: SocketAddr, version: u8) -> Result<Connection> {
        Connection::open_as(address, version, None)
    }

    /// Connects, and logs in with this name and password where the server asks for it.
    pub fn open_as(address: SocketAddr, version: u8, login: Option<(&str, &str)>) -> Result<Connection> {
        Connection::start(Box::new(dial(address)?), version, login, &[])
    }

    /// As [`Connection::open`], with further options of STARTUP.
    pub fn open_with(address: SocketAddr, version: u8, options: &[(String, String)]) -> Result<Connection> {
        Connection::start(Box::new(dial(address)?), version, None, options)
    }

    /// As [`Connection::open_as`], over TLS.
    pub fn open_tls(
        address: SocketAddr,
        version: u8,
        login: Option<(&str, &str)>,
        files: &TlsFiles<'_>,
    ) -> Result<Connection> {
        Connection::start(tls::wrap(dial(address)?, address, files)?, version, login, &[])
    }

    fn start(
        stream: Box<dyn Stream>,
        version: u8,
        login: Option<(&str, &str)>,
        options: &[(String, String)],
    ) -> Result<Connection> {
        let mut connection = Connection { stream, version, rest: Vec::new() };
        let mut body = u16::try_from(1 + options.len())?.to_be_bytes().to_vec();
        let always = ("CQL_VERSION".to_owned(), "3.0.0".to_owned());
        for (name, value) in [&always].into_iter().chain(options) {
            request::string(&mut body, name)?;
            request::string(&mut body, value)?;
        }
        // STARTUP and its answer are plain frames in every version.
        connection.stream.write_all(&frame::encode(version, 0, STARTUP, &body)?)?;
        let ready = frame::read(&mut connection.stream)?;
        match (ready.opcode, login) {
            (READY, _) => {}
            (AUTHENTICATE, Some((name, password))) => {
                let token = format!("\0{name}\0{password}");
                let mut body = Vec::new();
                request::long_string(&mut body, &token)?;
                let answered = connection.exchange(AUTH_RESPONSE, 0, &body)?;
                if answered.opcode != AUTH_SUCCESS {
                    bail!("{name} cannot log in: {:?}", answer::decode(version, &answered));
                }
            }
            _ => bail!("STARTUP was answered by {:?}", answer::decode(version, &ready)),
        }
        Ok(connection)
    }

    /// Sends a statement as text.
    pub fn query(&mut self, text: &str, values: &Binds, with: &Settings) -> Result<Answer> {
        let mut body = Vec::new();
        request::long_string(&mut body, text)?;
        request::parameters(&mut body, self.version, values, with)?;
        self.ask(QUERY, &body, with)
    }

    /// Prepares a statement; the outcome is `Prepared` or an error.
    pub fn prepare(&mut self, text: &str, keyspace: Option<&str>) -> Result<Answer> {
        let mut body = Vec::new();
        request::long_string(&mut body, text)?;
        if self.version >= 5 {
            body.extend(u32::from(keyspace.is_some()).to_be_bytes());
            if let Some(keyspace) = keyspace {
                request::string(&mut body, keyspace)?;
            }
        }
        self.ask(PREPARE, &body, &Settings::default())
    }

    /// Executes a prepared statement.
    pub fn execute(&mut self, prepared: &Prepared, values: &Binds, with: &Settings) -> Result<Answer> {
        let mut body = Vec::new();
        request::short_bytes(&mut body, &prepared.id)?;
        if self.version >= 5 {
            request::short_bytes(&mut body, &prepared.result_id)?;
        }
        request::parameters(&mut body, self.version, values, with)?;
        self.ask(EXECUTE, &body, with)
    }

    /// Sends a batch as one message.
    pub fn batch(&mut self, kind: BatchKind, items: &[BatchItem], with: &Settings) -> Result<Answer> {
        let body = request::batch(self.version, kind, items, with)?;
        self.ask(BATCH, &body, with)
    }

    /// Asks to be told of events of these kinds. From then on it is for [`Connection::event`] alone.
    pub fn register(&mut self, kinds: &[&str]) -> Result<()> {
        let mut body = u16::try_from(kinds.len())?.to_be_bytes().to_vec();
        for kind in kinds {
            request::string(&mut body, kind)?;
        }
        let answered = self.exchange(REGISTER, 0, &body)?;
        if answered.opcode != READY {
            bail!("REGISTER was answered by {:?}", answer::decode(self.version, &answered));
        }
        Ok(())
    }

    /// Waits for the next event; its body as it came.
    pub fn event(&mut self) -> Result<Vec<u8>> {
        let told = self.receive()?;
        if told.opcode != EVENT {
            bail!("an event was due, not {:?}", answer::decode(self.version, &told));
        }
        Ok(told.body)
    }

    /// Sends a message with this body, whether or not it is one.
    pub fn message(&mut self, opcode: u8, body: &[u8]) -> Result<Answer> {
        self.ask(opcode, body, &Settings::default())
    }

    fn ask(&mut self, opcode: u8, body: &[u8], with: &Settings) -> Result<Answer> {
        let (flags, mut whole) = request::extras(with)?;
        whole.extend(body);
        let answered = self.exchange(opcode, flags, &whole)?;
        answer::decode(self.version, &answered)
    }

    fn exchange(&mut self, opcode: u8, flags: u8, body: &[u8]) -> Result<Frame> {
        let frame = frame::encode(self.version, flags, opcode, body)?;
        if self.version >= 5 {
            frame::write_segments(&frame, &mut self.stream)?;
        } else {
            self.stream.write_all(&frame)?;
        }
        self.receive()
    }

    fn receive(&mut self) -> Result<Frame> {
        if self.version >= 5 {
            frame::read_segments(&mut self.stream, &mut self.rest)
        } else {
            frame::read(&mut self.stream)
        }
    }
}

fn dial(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}
