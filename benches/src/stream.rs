//! A whole table read through the REST API in one answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::process::{cpu_of, memory_of, watched};

/// How often memory is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What came, and what it cost the process that sent it.
#[derive(Debug)]
pub struct Streamed {
    pub bytes: u64,
    pub lines: u64,
    pub seconds: f64,
    pub cpu: f64,
    /// MiB, before and then at every look.
    pub before: f64,
    pub memory: Vec<f64>,
}

impl Streamed {
    pub fn peak(&self) -> f64 {
        self.memory.iter().copied().fold(self.before, f64::max)
    }
}

/// Reads the path in the form that the media type `form` names.
pub fn stream(address: SocketAddr, process: u32, path: &str, form: &str) -> Result<Streamed> {
    let (cpu, before) = (cpu_of(process), memory_of(process));
    let started = Instant::now();
    let (read, memory) = watched(LOOK_EVERY, || memory_of(process), || read(address, path, form));
    let seconds = started.elapsed().as_secs_f64();
    let (bytes, lines) = read?;
    Ok(Streamed { bytes, lines, seconds, cpu: cpu_of(process) - cpu, before, memory })
}

/// Bytes of the body and its lines. HTTP/1.0 has no chunks: the body is what follows the head, to the end.
fn read(address: SocketAddr, path: &str, form: &str) -> Result<(u64, u64)> {
    let mut socket = TcpStream::connect(address)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {form}\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut reader = BufReader::with_capacity(256 << 10, socket);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.contains(" 200 "), "not answered: {line}");
    while !line.trim_end().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let (mut bytes, mut lines) = (0, 0);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok((bytes, lines));
        }
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += piece.len() as u64;
        let read = piece.len();
        reader.consume(read);
    }
}
