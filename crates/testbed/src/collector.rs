//! A collector of traces: an HTTP server that takes spans as OTLP's protobuf messages and keeps them. Its reading is made
//! from opentelemetry-proto's files and apart from what writes them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// Spans are sent every five seconds; a machine that is busy with other things may take longer.
const SOON: Duration = Duration::from_secs(60);

/// A span as it arrived. Ids are hexadecimal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty: none.
    pub parent: String,
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since the epoch.
    pub begins: u64,
    pub ends: u64,
    pub attributes: BTreeMap<String, String>,
    /// What the status says, where that is of an error.
    pub error: Option<String>,
    /// The attributes of who sent it.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute, or nothing.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A running collector. It serves as long as the process is there.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
}

#[derive(Debug, Default)]
struct Got {
    spans: Vec<Span>,
    /// The heads of requests.
    heads: Vec<String>,
    /// What makes no sense.
    failures: Vec<String>,
    /// Statuses to be answered instead of 200, the first first.
    statuses: Vec<u16>,
    /// Spans that the next 200 says were not taken.
    rejects: Option<u8>,
}

impl Collector {
    pub fn start() -> Result<Collector> {
        Collector::refusing(&[])
    }

    /// One that answers its first requests with these statuses and keeps nothing of them.
    pub fn refusing(statuses: &[u16]) -> Result<Collector> {
        let statuses = statuses.iter().rev().copied().collect();
        Collector::with(Got { statuses, ..Got::default() })
    }

    /// One that says of the first request that it did not take so many of its spans, below 128 or none, and why.
    pub fn rejecting(spans: u8) -> Result<Collector> {
        Collector::with(Got { rejects: Some(spans), ..Got::default() })
    }

    fn with(got: Got) -> Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let got = Arc::new(Mutex::new(got));
        let shared = Arc::clone(&got);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let got = Arc::clone(&shared);
                thread::spawn(move || {
                    if let Err(failure) = serve(socket, &got) {
                        lock(&got).failures.push(format!("{failure:#}"));
                    }
                });
            }
        });
        Ok(Collector { address, got })
    }

    /// Its base, for `--otlp-endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived so far; an error if any of it made no sense.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let got = lock(&self.got);
        ensure!(got.failures.is_empty(), "{:?}", got.failures);
        Ok(got.spans.clone())
    }

    /// The heads of the requests that came.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.got).heads.clone()
    }

    /// Waits for a span.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Result<Span> {
        let deadline = Instant::now() + SOON;
        loop {
            let spans = self.spans()?;
            if let Some(span) = spans.iter().find(|span| is_it(span)) {
                return Ok(span.clone());
            }
            if Instant::now() >= deadline {
                bail!("no span of {what} within {SOON:?}, only {spans:#?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock(got: &Mutex<Got>) -> std::sync::MutexGuard<'_, Got> {
    got.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes requests from one connection.
fn serve(socket: TcpStream, got: &Mutex<Got>) -> Result<()> {
    let mut from = BufReader::new(socket.try_clone()?);
    let mut to = socket;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                ensure!(head.is_empty(), "a connection ends within a head: {head}");
                return Ok(());
            }
        }
        let header = |name: &str| {
            let of_line = |line: &str| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            };
            head.lines().find_map(of_line)
        };
        ensure!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "no export: {head}");
        ensure!(header("content-type").as_deref() == Some("application/x-protobuf"), "no protobuf: {head}");
        let length = header("content-length").context("no length")?.parse()?;
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let mut got = lock(got);
        got.heads.push(head);
        let status = got.statuses.pop().unwrap_or(200);
        let mut answer = Vec::new();
        if status == 200 {
            got.spans.extend(request(&body)?);
            answer = match got.rejects.take() {
                None => Vec::new(),
                // An ExportTraceServiceResponse with the field partial_success: rejected_spans, error_message.
                Some(spans) => [&[0x0a, 9, 0x08, spans, 0x12, 5][..], b"quota"].concat(),
            };
        }
        drop(got);
        write!(
            to,
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        )?;
        to.write_all(&answer)?;
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn number(&self) -> Result<u64> {
        match self {
            Field::Number(number) => Ok(*number),
            Field::Bytes(_) => bail!("bytes where a number was due"),
        }
    }

    fn bytes(&self) -> Result<&'a [u8]> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            Field::Number(_) => bail!("a number where bytes were due"),
        }
    }

    fn text(&self) -> Result<String> {
        Ok(String::from_utf8(self.bytes()?.to_vec())?)
    }

    fn hex(&self) -> Result<String> {
        Ok(self.bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A message's fields with their numbers.
fn fields(mut message: &[u8]) -> Result<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => Field::Number(u64::from_le_bytes(taken(&mut message, 8)?.try_into()?)),
            2 => {
                let length = usize::try_from(varint(&mut message)?)?;
                Field::Bytes(taken(&mut message, length)?)
            }
            5 => Field::Number(u32::from_le_bytes(taken(&mut message, 4)?.try_into()?).into()),
            other => bail!("no wire type is {other}"),
        };
        fields.push((tag >> 3, field));
    }
    Ok(fields)
}

fn taken<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count).context("a message breaks off")?;
    *from = rest;
    Ok(taken)
}

fn varint(from: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(from, 1)?.first().copied().unwrap_or_default();
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number has no end")
}

/// The spans of an ExportTraceServiceRequest.
fn request(body: &[u8]) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    for (_, of_resource) in fields(body)?.iter().filter(|(number, _)| *number == 1) {
        let of_resource = fields(of_resource.bytes()?)?;
        let mut resource = BTreeMap::new();
        for (number, field) in &of_resource {
            match number {
                1 => {
                    for (_, attribute) in fields(field.bytes()?)? {
                        resource.extend([key_value(attribute.bytes()?)?]);
                    }
                }
                2 => {
                    let of_scope = fields(field.bytes()?)?;
                    for (_, of_span) in of_scope.iter().filter(|(number, _)| *number == 2) {
                        spans.push(Span { resource: resource.clone(), ..span(of_span.bytes()?)? });
                    }
                }
                other => bail!("ResourceSpans has a field {other}"),
            }
        }
    }
    Ok(spans)
}

fn span(message: &[u8]) -> Result<Span> {
    let mut span = Span::default();
    for (number, field) in fields(message)? {
        match number {
            1 => span.trace = field.hex()?,
            2 => span.id = field.hex()?,
            4 => span.parent = field.hex()?,
            5 => span.name = field.text()?,
            6 => span.kind = field.number()?,
            7 => span.begins = field.number()?,
            8 => span.ends = field.number()?,
            9 => span.attributes.extend([key_value(field.bytes()?)?]),
            15 => {
                let status = fields(field.bytes()?)?;
                let message = status.iter().find(|(number, _)| *number == 2);
                let text = message.map(|(_, text)| text.text()).transpose()?.unwrap_or_default();
                let code = status.iter().find(|(number, _)| *number == 3).map(|(_, code)| code.number());
                ensure!(matches!(code, Some(Ok(2))), "a status that is no error's");
                span.error = Some(text);
            }
            16 => ensure!(field.number()? & 1 == 1, "a span that is not sampled"),
            other => bail!("a span has a field {other}"),
        }
    }
    ensure!(span.trace.len() == 32 && span.id.len() == 16, "an id of the wrong length: {span:?}");
    ensure!(span.begins <= span.ends, "a span ends before it begins: {span:?}");
    Ok(span)
}

fn key_value(message: &[u8]) -> Result<(String, String)> {
    let (mut key, mut value) = (None, None);
    for (number, field) in fields(message)? {
        match number {
            1 => key = Some(field.text()?),
            2 => {
                let any = fields(field.bytes()?)?;
                let [(number, field)] = any.as_slice() else { bail!("no single value") };
                value = Some(match number {
                    1 => field.text()?,
                    3 => field.number()?.cast_signed().to_string(),
                    other => bail!("a value of the kind {other}"),
                });
            }
            other => bail!("a KeyValue has a field {other}"),
        }
    }
    Ok((key.context("no key")?, value.context("no value")?))
}
