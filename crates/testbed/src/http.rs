//! A small HTTP/1.1 client: one request a connection, sent byte for byte as a case has it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A silent server is a failed test, not a hung one.
const SILENCE: Duration = Duration::from_secs(60);

/// What is sent; headers as they stand.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query, encoded.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Sends the request and reads the whole answer.
pub fn ask(address: SocketAddr, request: &Request) -> Result<Response> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    // A server may refuse a body and close before it has read all of it; its answer is what counts.
    let _ = stream.write_all(&request.body);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset && !answer.is_empty() => {}
        Err(e) => return Err(e).context("the answer breaks off"),
    }
    parse(&answer, request.method == "HEAD")
}

/// An answer to HEAD tells the length of a body that it does not have.
fn parse(answer: &[u8], is_head: bool) -> Result<Response> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("an answer without a head")?;
    let (head, body) = answer.split_at_checked(end).context("an answer without a head")?;
    let body = body.get(4..).unwrap_or_default();
    let head = std::str::from_utf8(head).context("a head that is no UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).context("no status line")?;
    let status = status.split(' ').next().unwrap_or_default().parse()?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("no header: {line}"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: body.to_vec() };
    if is_head && response.body.is_empty() {
        return Ok(response);
    }
    if response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        response.body = unchunked(body)?;
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.parse()?;
        if response.body.len() != length {
            bail!("{} bytes of body, and Content-Length says {length}", response.body.len());
        }
    }
    Ok(response)
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").context("a chunk without a size")?;
        let (size, after) = rest.split_at_checked(end).context("a chunk without a size")?;
        let size = std::str::from_utf8(size)?.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).with_context(|| format!("no chunk size: {size}"))?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = after.get(2..2 + size).context("a chunk breaks off")?;
        body.extend_from_slice(chunk);
        rest = after.get(2 + size + 2..).context("a chunk breaks off")?;
    }
}

/// A path and query as a person writes them, with what a URL cannot hold percent-encoded; `%` stays.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            _ if b"-._~!$&'()*+,;=:@/?%".contains(&byte) => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// One value within a path or query, with everything encoded that could mean something there.
pub fn component(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            _ if b"-._~".contains(&byte) => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}
