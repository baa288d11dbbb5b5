//! A whole table as JSON lines and as CSV: bytes per server CPU second, and the server's memory meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ilium_benches::process::{cpu_of, memory_of, settle};
use ilium_testbed::ilium::Ilium;
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Connection, Outcome, Settings};

use crate::IDLE;
use crate::customers::{INSERT, values};

/// Cells of a row.
const COLUMNS: u64 = 5;

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub fn run(ilium: &Ilium, cells: u64) -> Result<()> {
    let rows = cells / COLUMNS;
    load(ilium, rows)?;
    settle(ilium.id(), IDLE);
    for form in ["application/x-ndjson", "text/csv"] {
        let streamed = stream(ilium.http(), ilium.id(), form)?;
        // CSV begins with a line of names.
        let expected = rows + u64::from(form == "text/csv");
        ensure!(
            streamed.lines == expected,
            "{form}: {} lines of {expected}, the run is void",
            streamed.lines
        );
        report(form, cells, &streamed);
    }
    Ok(())
}

fn load(ilium: &Ilium, rows: u64) -> Result<()> {
    // Far below the limit of a batch's values.
    const BATCH: u64 = 100;
    let mut connection = Connection::open(ilium.address(), 5)?;
    let Outcome::Prepared(prepared) = connection.prepare(INSERT, None)?.outcome else {
        anyhow::bail!("the INSERT could not be prepared");
    };
    for first in (0..rows).step_by(BATCH as usize) {
        let items = (first..(first + BATCH).min(rows)).map(|id| {
            BatchItem::Prepared(prepared.id.clone(), values(id).into_iter().map(Bind::Bytes).collect())
        });
        let answer =
            connection.batch(BatchKind::Unlogged, &items.collect::<Vec<_>>(), &Settings::default())?;
        ensure!(answer.outcome == Outcome::Void, "{answer:?}");
    }
    Ok(())
}

struct Streamed {
    bytes: u64,
    lines: u64,
    seconds: f64,
    cpu: f64,
    /// MiB, before and then at every look.
    before: f64,
    memory: Vec<f64>,
}

fn stream(address: SocketAddr, process: u32, form: &str) -> Result<Streamed> {
    settle(process, IDLE);
    let (cpu, before) = (cpu_of(process), memory_of(process));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut memory = Vec::new();
            while !done.load(Ordering::Relaxed) {
                memory.push(memory_of(process));
                std::thread::sleep(LOOK_EVERY);
            }
            memory
        });
        let started = Instant::now();
        let read = read(address, form);
        let seconds = started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let memory = looking.join().unwrap_or_default();
        let (bytes, lines) = read?;
        Ok(Streamed { bytes, lines, seconds, cpu: cpu_of(process) - cpu, before, memory })
    })
}

/// Bytes of the body and its lines. HTTP/1.0 has no chunks: the body is what follows the head, to the end.
fn read(address: SocketAddr, form: &str) -> Result<(u64, u64)> {
    let mut socket = TcpStream::connect(address)?;
    let request = format!(
        "GET /v2/keyspaces/shop/customers/rows HTTP/1.0\r\nHost: localhost\r\nAccept: {form}\r\n\r\n"
    );
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

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(form: &str, cells: u64, streamed: &Streamed) {
    let mb = streamed.bytes as f64 / 1e6;
    let peak = streamed.memory.iter().copied().fold(0.0, f64::max);
    println!(
        "\n{form}: {cells} cells, {mb:.0} MB in {:.1} s, {:.0} MB per server CPU second, memory {:.0} MiB before, {peak:.0} at most",
        streamed.seconds,
        mb / streamed.cpu.max(0.01),
        streamed.before
    );
    let memory: Vec<String> = streamed.memory.iter().map(|mib| format!("{mib:.0}")).collect();
    println!("memory every {} ms (MiB): {}", LOOK_EVERY.as_millis(), memory.join(" "));
}
