//! One connection from its first byte to its last.
//!
//! A single task reads, answers what is ready, waits for what is not, and writes all answers that are there in one
//! go. It reads no further while too many requests wait, so a client that floods slows down itself alone.
//! What a client began to send it must finish in time, however many bytes it sends meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ilium_protocol::{
    Direction, ErrorResponse, FrameReader, FrameWriter, Limits, ProtocolError, ProtocolVersion, Response,
    ResponseExtras,
};
use ilium_store::ClusterEvent;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::clients::TlsSession;
use crate::dispatch::{Peer, Pending};
use crate::events::type_of;
use crate::forwarded::Outbox;
use crate::session::Session;
use crate::{Service, reply};

/// Read at a time at most: holds a few hundred small requests.
const READ: usize = 64 * 1024;

/// Read at a time at first, and by connections that have little under way: what a thousand idle clients cost is theirs.
const FIRST_READ: usize = 4 * 1024;

/// Answers beyond this are written before more requests are looked at.
const FLUSH: usize = 256 * 1024;

const ASKS_TOO_MUCH: &str = "the client asks for more than it reads";

/// How long a connection that was closed waits for the client to close it too. On a loopback address a client that
/// reads does so within a millisecond.
const LINGER: Duration = Duration::from_millis(500);

/// Serves a connection until the client leaves, breaks the protocol or is too slow, or `stopping` turns true; then
/// what was read is answered first.
pub async fn serve<S>(
    service: Arc<Service>,
    socket: S,
    address: SocketAddr,
    tls: Option<TlsSession>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = Limits { max_envelope: service.options.max_frame };
    let (number, client) = service.clients.connect(address, tls);
    let mut connection = Connection {
        number,
        peer: Peer {
            client,
            session: Session::of(address),
            reader: FrameReader::new(Direction::Request, limits),
            writer: FrameWriter::new(ProtocolVersion::V5),
            outbox: service.forward.is_some().then(|| Outbox::new(Arc::clone(&service))),
            channel: None,
        },
        pending: FuturesUnordered::new(),
        events: None,
        input: BytesMut::with_capacity(FIRST_READ),
        largest_read: 0,
        arriving: 0,
        deadline: Some(Instant::now() + service.options.patience),
        reading: true,
        open: true,
        service,
    };
    connection.run(socket, &mut stopping).await
}

struct Connection {
    /// Among the service's clients.
    number: u64,
    service: Arc<Service>,
    peer: Peer,
    pending: FuturesUnordered<Pending>,
    events: Option<broadcast::Receiver<ClusterEvent>>,
    input: BytesMut,
    /// Of those since room was made for more.
    largest_read: usize,
    /// What the service counts of the message that is arriving.
    arriving: usize,
    /// When the client must have logged in, or the rest of the frame that began must be there.
    deadline: Option<Instant>,
    /// Whether more bytes are read: not once the client sent its last, nor once the server stops.
    reading: bool,
    /// Whether requests are taken from what was read: not past bytes that make no sense.
    open: bool,
}

/// What a connection woke up for.
enum Woken {
    Received(usize),
    Finished(<Pending as Future>::Output),
    Told(ClusterEvent),
    /// The cluster answered something.
    Answered,
    Missed,
    Stop,
    TooSlow,
}

impl Connection {
    async fn run<S>(&mut self, mut socket: S, stopping: &mut watch::Receiver<bool>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            // A client that never pauses must not keep the server from stopping.
            if self.reading && stopping.has_changed().is_ok_and(|changed| changed) {
                self.reading = !*stopping.borrow_and_update();
            }
            let more = self.take_requests();
            if let Some(channel) = &mut self.peer.channel {
                channel.flush();
            }
            self.flush(&mut socket).await?;
            if more {
                continue;
            }
            if !(self.open && self.reading) && self.waiting() == 0 {
                // The last answers may have come since.
                self.flush(&mut socket).await?;
                let thrown_away = close(&mut socket, &mut self.input).await?;
                if self.open && thrown_away > 0 {
                    self.service.unheard.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(());
            }
            match self.wait(&mut socket, stopping).await? {
                Woken::Received(0) => {
                    // The client sends no more; it may still read what it asked for.
                    self.reading = false;
                    if !self.input.is_empty() {
                        tracing::debug!("a connection ended in the middle of a frame");
                    }
                }
                Woken::Received(bytes) => {
                    self.largest_read = self.largest_read.max(bytes);
                    self.service.received.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                Woken::Finished(answer) => {
                    self.resume(answer)?;
                    while let Some(Some(answer)) = self.next_finished() {
                        self.resume(answer)?;
                    }
                }
                Woken::Told(event) => self.tell(&event)?,
                Woken::Answered => {}
                Woken::Missed => {}
                Woken::Stop => self.reading = false,
                Woken::TooSlow => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the client did not send STARTUP, log in, or send the rest of what it began, in time",
                    ));
                }
            }
        }
    }

    /// Answers the requests that were received, as many as may wait; true if it stopped only to let answers out.
    fn take_requests(&mut self) -> bool {
        while self.open && !self.is_full() {
            if self.peer.writer.pending() >= FLUSH {
                return true;
            }
            match self.peer.reader.next(&mut self.input) {
                Ok(None) => {
                    self.expect_rest();
                    if self.has_room() {
                        return false;
                    }
                }
                Ok(Some(envelope)) => {
                    let was_ready = self.peer.session.is_ready;
                    match self.service.handle(&mut self.peer, &envelope) {
                        Ok(Some(pending)) => self.pending.push(pending),
                        Ok(None) => {}
                        Err(failure) => self.refuse(Some(envelope.header.stream), &failure),
                    }
                    self.frame_ended();
                    self.open &= !self.peer.session.login.gave_up();
                    if was_ready && self.events.is_none() && !self.peer.session.events.is_empty() {
                        self.events = Some(self.service.events.subscribe());
                    }
                }
                Err(failure) => {
                    self.refuse(failure.stream, &failure.error);
                    self.frame_ended();
                    self.open &= !failure.fatal;
                }
            }
        }
        false
    }

    /// Gives the rest of a frame that began its time, once.
    fn expect_rest(&mut self) {
        let began = !self.input.is_empty() || self.peer.reader.is_within_envelope();
        if began && self.deadline.is_none() {
            self.deadline = Some(Instant::now() + self.service.options.patience);
        }
    }

    /// Counts what has arrived of a message against what all connections may hold; `false` if that was too much and the
    /// message is given up.
    fn has_room(&mut self) -> bool {
        let held = self.input.len() + self.peer.reader.held();
        let arriving = if held > READ { held } else { 0 };
        if arriving == 0 && self.arriving == 0 {
            return true;
        }
        self.count_arriving(arriving);
        let limit = self.service.options.max_arriving;
        let error = ProtocolError::NoRoom { limit: limit as u64 };
        arriving == 0
            || self.service.bytes_arriving() <= limit
            || !self.peer.reader.give_up(&self.input, error)
    }

    fn count_arriving(&mut self, bytes: usize) {
        self.service.arriving.fetch_add(bytes, Ordering::Relaxed);
        self.service.arriving.fetch_sub(self.arriving, Ordering::Relaxed);
        self.arriving = bytes;
    }

    fn frame_ended(&mut self) {
        if self.peer.session.is_ready {
            self.deadline = None;
        }
    }

    fn refuse(&mut self, stream: Option<i16>, failure: &ProtocolError) {
        tracing::debug!(%failure, "a message could not be understood");
        let stream = stream.unwrap_or(0);
        let written = match failure {
            ProtocolError::UnsupportedVersion(claimed) => self.peer.writer.refuse_version(*claimed, stream),
            _ => {
                let error = Response::Error(ErrorResponse::from_protocol_error(failure));
                self.peer.writer.response(stream, &ResponseExtras::default(), &error)
            }
        };
        if written.is_err() {
            self.open = false;
        }
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, socket: &mut S) -> io::Result<()> {
        self.send(socket, None).await?;
        let Some(outbox) = &self.peer.outbox else { return Ok(()) };
        match outbox.take().map_err(io::Error::other)? {
            Some(out) if out.is_empty() => Ok(()),
            Some(out) => {
                self.send(socket, Some(out)).await?;
                if let Some(outbox) = &self.peer.outbox {
                    outbox.sent();
                }
                Ok(())
            }
            None => Err(io::Error::new(io::ErrorKind::TimedOut, ASKS_TOO_MUCH)),
        }
    }

    /// Writes what the cluster answered, or what this side has to say.
    async fn send<S: AsyncWrite + Unpin>(&mut self, socket: &mut S, out: Option<BytesMut>) -> io::Result<()> {
        let mut answered = out;
        let out = match &mut answered {
            Some(out) => out,
            None => self.peer.writer.ready().map_err(io::Error::other)?,
        };
        if out.is_empty() {
            return Ok(());
        }
        let (patience, bytes) = (self.service.options.patience, out.len() as u64);
        self.service.sent.fetch_add(bytes, Ordering::Relaxed);
        let outbox = self.peer.outbox.as_deref();
        let does_not_read = |why| Err(io::Error::new(io::ErrorKind::TimedOut, why));
        let writing = async {
            socket.write_all_buf(out).await?;
            // TLS may hold a last part back that the socket had no room for.
            socket.flush().await
        };
        tokio::select! {
            biased;
            written = timeout(patience, writing) => match written {
                Ok(written) => written,
                Err(_) => does_not_read("the client does not read its answers"),
            },
            () = overflowed(outbox) => does_not_read(ASKS_TOO_MUCH),
        }
    }

    /// Whether no more requests are read until some are answered.
    fn is_full(&self) -> bool {
        self.waiting() >= self.service.options.max_waiting_per_connection
            || self.peer.outbox.as_ref().is_some_and(|outbox| outbox.is_full())
    }

    /// Requests that are not answered.
    fn waiting(&self) -> usize {
        self.pending.len() + self.peer.outbox.as_ref().map_or(0, |outbox| outbox.waiting())
    }

    async fn wait<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        stopping: &mut watch::Receiver<bool>,
    ) -> io::Result<Woken> {
        let full = self.is_full();
        let outbox = self.peer.outbox.as_deref();
        let serving = self.open && self.reading;
        let deadline = self.deadline;
        if self.input.capacity() - self.input.len() < FIRST_READ / 4 {
            // Twice what came at once lately: who fills the room gets more, up to the most.
            self.input.reserve((2 * self.largest_read).clamp(FIRST_READ, READ));
            self.largest_read = 0;
        }
        let input = &mut self.input;
        let events = &mut self.events;
        tokio::select! {
            biased;
            Some(answer) = self.pending.next(), if !self.pending.is_empty() => Ok(Woken::Finished(answer)),
            received = read(socket, input, deadline), if serving && !full => received,
            event = next_event(events), if serving => Ok(event),
            () = answered(outbox) => Ok(Woken::Answered),
            () = stop(stopping), if serving => Ok(Woken::Stop),
        }
    }

    fn next_finished(&mut self) -> Option<Option<<Pending as Future>::Output>> {
        use futures_util::FutureExt;
        self.pending.next().now_or_never()
    }

    fn resume(&mut self, answer: <Pending as Future>::Output) -> io::Result<()> {
        let was_ready = self.peer.session.is_ready;
        if let Some(pending) = self.service.resume(&mut self.peer, answer).map_err(io::Error::other)? {
            self.pending.push(pending);
        }
        self.open &= !self.peer.session.login.gave_up();
        if !was_ready {
            self.frame_ended();
        }
        Ok(())
    }

    fn tell(&mut self, event: &ClusterEvent) -> io::Result<()> {
        if !self.peer.session.events.contains(&type_of(event)) {
            return Ok(());
        }
        reply::write_event(&mut self.peer.writer, event).map_err(io::Error::other)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.service.abandon(self.pending.len());
        self.count_arriving(0);
        if let Some(outbox) = &self.peer.outbox {
            outbox.close();
        }
        self.service.clients.disconnect(self.number);
    }
}

/// Closes the connection so that the client gets all that was written: were it closed with input unread, the system
/// would reset it, and what the client has not read yet would be lost. What still comes is thrown away.
pub async fn close_in_order<S>(socket: &mut S, input: &mut BytesMut) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    close(socket, input).await.map(|_| ())
}

/// The same; how many bytes were thrown away.
async fn close<S>(socket: &mut S, input: &mut BytesMut) -> io::Result<usize>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.shutdown().await?;
    input.reserve(READ);
    let mut thrown_away = 0;
    let drained = async {
        loop {
            input.clear();
            match socket.read_buf(input).await? {
                0 => return Ok::<_, io::Error>(()),
                bytes => thrown_away += bytes,
            }
        }
    };
    timeout(LINGER, drained).await.unwrap_or(Ok(()))?;
    Ok(thrown_away)
}

async fn read<S: AsyncRead + Unpin>(
    socket: &mut S,
    input: &mut BytesMut,
    deadline: Option<Instant>,
) -> io::Result<Woken> {
    let Some(deadline) = deadline else { return Ok(Woken::Received(socket.read_buf(input).await?)) };
    match timeout_at(deadline, socket.read_buf(input)).await {
        Ok(received) => Ok(Woken::Received(received?)),
        Err(_) => Ok(Woken::TooSlow),
    }
}

async fn overflowed(outbox: Option<&Outbox>) {
    match outbox {
        Some(outbox) => outbox.has_overflowed().await,
        None => std::future::pending().await,
    }
}

async fn answered(outbox: Option<&Outbox>) {
    match outbox {
        Some(outbox) => outbox.woken().await,
        None => std::future::pending().await,
    }
}

async fn next_event(events: &mut Option<broadcast::Receiver<ClusterEvent>>) -> Woken {
    let Some(events) = events else { return std::future::pending().await };
    match events.recv().await {
        Ok(event) => Woken::Told(event),
        Err(broadcast::error::RecvError::Lagged(_)) => Woken::Missed,
        // The service holds the sender as long as this connection lives.
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}

async fn stop(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        // Whoever could stop us is gone without saying so: serve on.
        std::future::pending().await
    }
}
