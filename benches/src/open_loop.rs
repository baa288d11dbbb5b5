//! Requests at a rate that no answer holds up: each has a moment at which it is to be sent, and its latency counts from
//! that moment, however late it went out. (A client that waits for answers before it sends the next request measures
//! one slow answer where its users would have met many.)

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use ilium_protocol::{FrameReader, FrameWriter};

use crate::client::{self, Client, Tally};
use crate::workload::Source;

/// One connection's share of the requests: every `of`th, from `first` on.
#[derive(Clone, Copy)]
struct Share<'s> {
    source: &'s Source,
    first: u64,
    of: u64,
    start: Instant,
    rate: u64,
    /// The most unanswered requests of a connection. Past it requests wait in the client, and the wait counts.
    window: i16,
}

impl Share<'_> {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        (self.first..self.source.workload.operations).step_by(self.of as usize)
    }

    /// When a request is to be sent, in nanoseconds from the start.
    fn due(&self, number: u64) -> u64 {
        (u128::from(number) * 1_000_000_000 / u128::from(self.rate)) as u64
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// Sends all requests of the source over these connections, `rate` of them a second in all.
pub fn run(clients: Vec<Client>, source: &Source, rate: u64, window: usize) -> Result<Tally> {
    let window = i16::try_from(window).context("a connection has 32,768 streams")?;
    let parts = clients.into_iter().map(Client::into_parts).collect::<Result<Vec<_>>>()?;
    let of = parts.len() as u64;
    let start = Instant::now();
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let connections: Vec<_> = parts
            .into_iter()
            .zip(0..)
            .map(|((socket, reader, writer), first)| {
                let share = Share { source, first, of, start, rate, window };
                scope.spawn(move || connection(share, socket, reader, writer))
            })
            .collect();
        for connection in connections {
            all.add(connection.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))??);
        }
        Ok(all)
    })
}

fn connection(
    share: Share<'_>,
    socket: TcpStream,
    reader: FrameReader,
    writer: FrameWriter,
) -> Result<Tally> {
    let due: Vec<AtomicU64> = (0..share.window).map(|_| AtomicU64::new(0)).collect();
    let (give_back, free) = mpsc::channel();
    for stream in 0..share.window {
        give_back.send(stream)?;
    }
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(share, &socket, reader, &due, give_back));
        let sent = send(share, &socket, writer, &due, &free);
        if sent.is_err() {
            socket.shutdown(Shutdown::Both)?; // or the receiver would wait for ever
        }
        let received = receiver.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))?;
        match (sent, received) {
            // The sender stops because the receiver did: what the receiver met is the cause.
            (_, Err(error)) => Err(error),
            (sent, Ok(tally)) => sent.map(|()| tally),
        }
    })
}

fn send(
    share: Share<'_>,
    mut socket: &TcpStream,
    mut writer: FrameWriter,
    due: &[AtomicU64],
    free: &Receiver<i16>,
) -> Result<()> {
    let mut flush = |writer: &mut FrameWriter| -> Result<()> {
        let out = writer.ready()?;
        socket.write_all(out)?;
        out.clear();
        Ok(())
    };
    for number in share.numbers() {
        let at = share.due(number);
        // What is due by now goes in one write.
        if let Some(early) = at.checked_sub(share.now()).filter(|&early| early > 0) {
            flush(&mut writer)?;
            std::thread::sleep(Duration::from_nanos(early));
        }
        let stream = match free.try_recv() {
            Ok(stream) => stream,
            Err(_) => {
                flush(&mut writer)?;
                free.recv().context("the connection's other half ended")?
            }
        };
        if let Some(slot) = due.get(stream as usize) {
            slot.store(at, Ordering::Release);
        }
        if let Some(call) = share.source.call(number) {
            client::write(&mut writer, stream, &call)?;
        }
    }
    flush(&mut writer)
}

fn receive(
    share: Share<'_>,
    mut socket: &TcpStream,
    mut reader: FrameReader,
    due: &[AtomicU64],
    free: Sender<i16>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut input = BytesMut::new();
    let mut buffer = vec![0; 1 << 16];
    let mut left = share.numbers().count();
    while left > 0 {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        input.extend_from_slice(buffer.get(..read).unwrap_or_default());
        while let Some(envelope) = reader.next(&mut input).context("reading an answer")? {
            let page = client::page(&envelope)?;
            let stream = envelope.header.stream;
            let was_due = due.get(stream as usize).map_or(0, |slot| slot.load(Ordering::Acquire));
            let micros = share.now().saturating_sub(was_due) / 1000;
            tally.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            tally.rows += page.rows;
            tally.digest = tally.digest.wrapping_add(page.digest);
            left -= 1;
            // The sender may have ended: all is sent.
            let _ = free.send(stream);
        }
    }
    Ok(tally)
}
