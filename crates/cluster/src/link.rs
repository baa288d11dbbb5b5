//! One connection to a node, shared by the requests of many clients.
//!
//! Every request gets a stream of its own; what waits for the answer is kept under it. Requests are gathered in the
//! link's writer and leave together when the link is woken; answers that arrive together are handed out together.

mod open;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod outside;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use ilium_protocol::{
    Consistency, Envelope, FrameReader, FrameWriter, Header, Opcode, ProtocolVersion, QueryParameters,
    QueryRequest, Request, RequestExtras,
};
use ilium_store::{Error, Frame};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

pub(crate) use open::Purpose;

use crate::dial::{Dialler, Permit};
use crate::error::unreachable;
use crate::exchange::{Exchange, Flushes};
use crate::table::Table;

use self::watch::{CONTROL_PULSES, IDLE_PULSES};

/// Read at a time: some hundred small answers.
const READ: usize = 64 * 1024;

/// Requests that wait on a link at most: as many as the protocol has streams (native protocol v5, section 2.3) but the first.
/// What clients may have under way is limited where they ask (`max_waiting_per_connection`, `max_waiting`); a burst of many
/// must not be refused here while another link is being opened.
const STREAMS: usize = i16::MAX as usize;

/// Requests that wait on a link from which on it lets others be written before it sends.
const SHARED: usize = 8;

/// Answers handed out at once: what several clients have under way, and little enough to be kept ready.
const TOGETHER: usize = 256;

/// A request that is not answered because its link is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nothing of it left this process: it can be sent again wherever.
    Unsent,
    /// The node may have done it.
    Sent,
}

/// A byte stream to a node, plain or TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) struct Link {
    pub address: SocketAddr,
    pub version: ProtocolVersion,
    state: Mutex<State>,
    wake: Notify,
    /// Requests that wait on it.
    load: AtomicUsize,
    /// As in the state, to be seen without its lock.
    closed: AtomicBool,
    /// Reads so far: what shows that the node lives.
    reads: AtomicU64,
}

struct State {
    writer: FrameWriter,
    /// By stream. The first is left alone: on it Cassandra refuses bytes that it cannot read, whosever they are.
    waiting: Vec<Option<Waiting>>,
    free: Vec<i16>,
    /// How many requests were written so far, and how many of them have been handed to the socket.
    written: u64,
    taken: u64,
    /// Takes no more requests.
    leaving: bool,
    closed: bool,
    /// Held while it is open.
    permit: Option<Permit>,
}

struct Waiting {
    exchange: Exchange,
    /// Its place among the requests written.
    at: u64,
}

/// What an opened connection consists of.
struct Opened {
    socket: Box<dyn Stream>,
    reader: FrameReader,
    writer: FrameWriter,
    input: BytesMut,
    version: ProtocolVersion,
}

impl Link {
    /// Starts serving a connection. `events` gets what the node tells unasked.
    fn start(
        address: SocketAddr,
        opened: Opened,
        dialler: Arc<Dialler>,
        events: Option<mpsc::UnboundedSender<Envelope>>,
    ) -> Arc<Link> {
        let Opened { socket, reader, writer, input, version } = opened;
        let state = State {
            writer,
            waiting: vec![None],
            free: Vec::new(),
            written: 0,
            taken: 0,
            leaving: false,
            closed: false,
            permit: None,
        };
        let heartbeat = if events.is_some() { CONTROL_PULSES } else { IDLE_PULSES };
        let link = Arc::new(Link {
            address,
            version,
            state: Mutex::new(state),
            wake: Notify::new(),
            load: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            reads: AtomicU64::new(0),
        });
        let (receiving, sending) = tokio::io::split(socket);
        let served = Arc::clone(&link);
        tokio::spawn(async move {
            let why = tokio::select! {
                why = served.receive(receiving, reader, input, events) => why,
                why = served.send(sending) => why,
                why = served.watch(&dialler, heartbeat) => why,
            };
            tracing::debug!(node = %served.address, why, "a connection to a node ended");
            served.close();
        });
        link
    }

    /// Gives it the permit it goes by, to hold as long as it is open.
    pub fn hold(&self, permit: Permit) {
        let mut state = self.state.lock();
        state.permit = Some(permit).filter(|_| !state.closed);
    }

    /// Requests that wait on it.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes a request; it leaves with the next [`wake`](Self::wake). Gives the exchange back if the link is gone or full.
    pub fn submit(&self, frame: Frame, exchange: Exchange) -> Result<(), Exchange> {
        let Ok(opcode) = Opcode::from_byte(frame.opcode) else { return Err(exchange) };
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.closed || state.leaving {
            return Err(exchange);
        }
        let stream = match state.free.pop() {
            Some(stream) => stream,
            None if state.waiting.len() <= STREAMS => {
                state.waiting.push(None);
                (state.waiting.len() - 1) as i16
            }
            None => return Err(exchange),
        };
        let flags = ilium_protocol::Flags::from_bits(frame.flags);
        let header = Header { version: self.version, flags, stream, opcode };
        let begun = if exchange.stands_apart() { state.writer.end_segment() } else { Ok(()) };
        let written = begun.and_then(|()| state.writer.envelope(&Envelope { header, body: frame.body }));
        match (written, state.waiting.get_mut(stream as usize)) {
            (Ok(()), Some(slot)) => {
                state.written += 1;
                *slot = Some(Waiting { exchange, at: state.written });
                self.load.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            _ => {
                state.free.push(stream);
                Err(exchange)
            }
        }
    }

    /// Lets out what was written.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Asks something of our own and waits for the answer.
    pub async fn ask(&self, request: &Request<'_>) -> Result<Envelope, Lost> {
        self.ask_with(&RequestExtras::default(), request).await
    }

    pub async fn ask_with(
        &self,
        extras: &RequestExtras<'_>,
        request: &Request<'_>,
    ) -> Result<Envelope, Lost> {
        let frame = crate::own::frame(self.version, extras, request);
        let Ok(frame) = frame else { return Err(Lost::Unsent) };
        let (sender, receiver) = oneshot::channel();
        self.submit(frame, Exchange::Own(sender)).map_err(|_| Lost::Unsent)?;
        self.wake();
        receiver.await.unwrap_or(Err(Lost::Sent))
    }

    /// Runs a statement of our own at consistency ONE.
    pub async fn query(&self, text: &str) -> Result<Table, Error> {
        let parameters = QueryParameters::new(Consistency::One);
        let request = Request::Query(QueryRequest { query: text, parameters });
        let answer = self.ask(&request).await;
        let answer = answer.map_err(|_| unreachable("the node that was asked is gone"))?;
        Table::decode(&answer)
    }

    /// Takes no more requests, and ends once those that wait are answered, or after `patience`.
    pub fn leave(self: &Arc<Self>, patience: Duration) {
        self.state.lock().leaving = true;
        self.closed.store(true, Ordering::Relaxed);
        tokio::spawn(retire(Arc::clone(self), patience));
    }

    /// Ends it; what waits is told.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.permit = None;
        self.closed.store(true, Ordering::Relaxed);
        let taken = state.taken;
        let waiting: Vec<Waiting> = state.waiting.iter_mut().filter_map(Option::take).collect();
        drop(state);
        self.wake.notify_one();
        self.load.fetch_sub(waiting.len(), Ordering::Relaxed);
        let mut flushes = Flushes::default();
        for Waiting { exchange, at } in waiting {
            exchange.lost(if at > taken { Lost::Unsent } else { Lost::Sent }, self.address, &mut flushes);
        }
        flushes.flush();
    }

    async fn receive(
        self: &Arc<Self>,
        mut socket: ReadHalf<Box<dyn Stream>>,
        mut reader: FrameReader,
        mut input: BytesMut,
        events: Option<mpsc::UnboundedSender<Envelope>>,
    ) -> &'static str {
        let (mut arrived, mut answered) = (Vec::with_capacity(TOGETHER), Vec::with_capacity(TOGETHER));
        loop {
            let (mut more, mut sound) = (true, true);
            while more {
                while more && arrived.len() < TOGETHER {
                    match reader.next(&mut input) {
                        Ok(Some(envelope)) => arrived.push(envelope),
                        Ok(None) => more = false,
                        Err(failure) => {
                            tracing::warn!(node = %self.address, %failure, "a node sent what makes no sense");
                            (more, sound) = (false, false);
                        }
                    }
                }
                self.hand_out(&mut arrived, &mut answered, events.as_ref());
            }
            if !sound {
                return "the node sent what makes no sense";
            }
            if input.capacity() - input.len() < READ / 4 {
                input.reserve(READ);
            }
            match socket.read_buf(&mut input).await {
                Ok(0) => return "the node closed it",
                Ok(_) => self.reads.fetch_add(1, Ordering::Relaxed),
                Err(_) => return "it broke",
            };
        }
    }

    /// Gives answers that arrived together to those who wait for them.
    fn hand_out(
        self: &Arc<Self>,
        arrived: &mut Vec<Envelope>,
        answered: &mut Vec<(Exchange, Envelope)>,
        events: Option<&mpsc::UnboundedSender<Envelope>>,
    ) {
        if arrived.is_empty() {
            return;
        }
        let mut is_refused = false;
        let mut state = self.state.lock();
        for envelope in arrived.drain(..) {
            let stream = envelope.header.stream;
            let slot = usize::try_from(stream).ok().and_then(|stream| state.waiting.get_mut(stream));
            match slot.and_then(Option::take) {
                Some(waiting) => {
                    state.free.push(stream);
                    answered.push((waiting.exchange, envelope));
                }
                None if envelope.header.opcode == Opcode::Error => is_refused = true,
                None => {
                    if let Some(events) = events {
                        // Whoever listens is gone: so will this link be.
                        let _ = events.send(envelope);
                    }
                }
            }
        }
        drop(state);
        if is_refused {
            tracing::warn!(node = %self.address, "a node cannot read what it was sent");
            self.close();
        }
        self.load.fetch_sub(answered.len(), Ordering::Relaxed);
        let mut flushes = Flushes::default();
        for (exchange, envelope) in answered.drain(..) {
            exchange.answered(envelope, self, &mut flushes);
        }
        flushes.flush();
    }

    async fn send(&self, mut socket: WriteHalf<Box<dyn Stream>>) -> &'static str {
        loop {
            self.wake.notified().await;
            // Callers that are answered together ask again together, each in a task of its own: they share a write then.
            if self.load() > SHARED {
                tokio::task::yield_now().await;
            }
            loop {
                let mut out = {
                    let mut state = self.state.lock();
                    if state.closed {
                        return "it was closed";
                    }
                    state.taken = state.written;
                    match state.writer.ready() {
                        Ok(out) if out.is_empty() => break,
                        Ok(out) => out.split(),
                        Err(_) => return "its requests could not be framed",
                    }
                };
                // TLS may hold a last part back that the socket had no room for.
                if socket.write_all_buf(&mut out).await.is_err() || socket.flush().await.is_err() {
                    return "it broke";
                }
            }
        }
    }
}

/// Closes a link that is not needed once its requests are answered, or after `patience`.
pub(crate) async fn retire(link: Arc<Link>, patience: Duration) {
    let drained = async {
        while link.load() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(patience, drained).await;
    link.close();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::outside::{linked, linked_over};
    use super::*;
    use crate::Options;

    const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    fn patient() -> Arc<Dialler> {
        Dialler::new(Options { silence: Duration::from_secs(60), ..Options::new(Vec::new()) })
    }

    /// What a request hears on a link whose other side sends these bytes and closes.
    async fn hears(version: ProtocolVersion, bytes: &[u8]) -> Result<Envelope, Lost> {
        let (link, mut far) = linked(version, NOBODY, &patient(), None);
        let asking = Arc::clone(&link);
        let asked = tokio::spawn(async move { asking.ask(&Request::Options).await });
        // It is answered, if at all, after it was asked.
        far.read_u8().await.unwrap();
        far.write_all(bytes).await.unwrap();
        drop(far);
        let heard = asked.await.unwrap();
        assert_eq!(link.load(), 0);
        heard
    }

    #[tokio::test]
    async fn a_link_that_nobody_holds_ends() {
        let (link, mut far) = linked(ProtocolVersion::V5, NOBODY, &patient(), None);
        drop(link);
        let ended = timeout(Duration::from_secs(10), far.read(&mut [0])).await;
        assert_eq!(ended.unwrap().unwrap(), 0);
    }

    /// TLS is one, where the socket has no room.
    #[tokio::test]
    async fn a_request_leaves_a_stream_that_holds_back_what_is_not_flushed() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let holding = Box::new(tokio::io::BufStream::new(near));
        let link = linked_over(holding, ProtocolVersion::V5, NOBODY, &patient(), None);
        tokio::spawn(async move { link.ask(&Request::Options).await });
        timeout(Duration::from_secs(10), far.read_u8()).await.unwrap().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn whatever_a_node_sends_a_request_ends_and_nothing_waits_for_ever(
            newest in any::<bool>(),
            header in prop_oneof![Just(vec![]), Just(vec![0x84, 0, 0, 0, 0x08, 0, 0, 0, 4]), Just(vec![0x84, 1, 0, 0])],
            rest in vec(any::<u8>(), 0..200),
        ) {
            let version = if newest { ProtocolVersion::V5 } else { ProtocolVersion::V4 };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let heard = runtime.block_on(hears(version, &[header, rest].concat()));
            // By version 4 whole frames can come about by chance; by version 5 none without its checksums.
            prop_assert!(!newest || heard == Err(Lost::Sent));
        }
    }
}
