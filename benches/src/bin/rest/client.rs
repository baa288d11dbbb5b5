//! Clients that each have one request under way on a connection that stays open, as an application's pool has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// Microseconds.
    pub latencies: Vec<u32>,
    /// A sum over the bodies' bytes that their order does not change.
    pub digest: u64,
}

/// Sends `count` requests over `connections` connections.
pub async fn run(
    address: SocketAddr,
    connections: usize,
    count: u64,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Result<Tally> {
    let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
    let mut tasks = Vec::with_capacity(connections);
    for _ in 0..connections {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        tasks.push(tokio::spawn(async move { one(socket, count, &next, &*request).await }));
    }
    let mut all = Tally::default();
    for task in tasks {
        let tally = task.await??;
        all.latencies.extend(tally.latencies);
        all.digest = all.digest.wrapping_add(tally.digest);
    }
    Ok(all)
}

async fn one(
    mut socket: TcpStream,
    count: u64,
    next: &AtomicU64,
    request: &(impl Fn(u64) -> Vec<u8> + Send + Sync),
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut input = Vec::with_capacity(4096);
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count {
            return Ok(tally);
        }
        let bytes = request(at);
        let started = Instant::now();
        socket.write_all(&bytes).await?;
        let body = answer(&mut socket, &mut input).await?;
        tally.latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        let sum = input.get(body).unwrap_or_default().iter();
        tally.digest = sum.fold(tally.digest, |digest, byte| digest.wrapping_add(u64::from(*byte) * 31));
    }
}

/// Reads one answer of 2xx; gives the place of its body.
async fn answer(socket: &mut TcpStream, input: &mut Vec<u8>) -> Result<std::ops::Range<usize>> {
    input.clear();
    loop {
        if socket.read_buf(input).await? == 0 {
            bail!("the server closed: {:?}", String::from_utf8_lossy(input));
        }
        let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(input.get(..end).unwrap_or_default())?;
        if !head.starts_with("HTTP/1.1 2") {
            bail!("not answered: {}", String::from_utf8_lossy(input));
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.with_context(|| format!("an answer without a length: {head}"))?;
        let start = end + 4;
        while input.len() < start + length {
            if socket.read_buf(input).await? == 0 {
                bail!("the server closed within a body");
            }
        }
        return Ok(start..start + length);
    }
}
