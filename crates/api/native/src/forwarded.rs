//! Messages that go on to a cluster as they are, and the answers to them on their way back to the client.
//!
//! What comes back is written by whoever read it from the cluster, into the client's [`Outbox`]; the client's connection
//! sends it from there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::BytesMut;
use ilium_protocol::{
    Compression, Envelope, Flags, FrameWriter, Header, Opcode, ProtocolError, ProtocolVersion, Response,
    ResponseExtras,
};
use ilium_store::{Answer, Answers, Caller, Channel, Error, Frame, Principal, Result};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::dispatch::Peer;
use crate::{Service, errors};

/// A client that leaves more than this part of all that may be unread is among those that are cut off when it is too much.
const FAIR_SHARES: usize = 64;

/// A request of so many bytes is counted by them.
const LONG: usize = 4096;

/// A client that has logged in, and its way to the cluster where there is one.
pub struct Admitted {
    pub principal: Principal,
    pub channel: Option<Box<dyn Channel>>,
}

/// The answers of the cluster to one client, ready for its socket.
pub struct Outbox {
    service: Arc<Service>,
    unread: Mutex<Unread>,
    /// Requests of this client that the cluster has not answered.
    waiting: AtomicUsize,
    /// Bytes of the long ones of them.
    asking: AtomicUsize,
    /// Bytes that were taken for the socket and are not written yet; the service counts them, too.
    sending: AtomicUsize,
    /// Whether more was answered than the client may leave unread.
    overflowed: AtomicBool,
    /// Woken by that.
    overflow: Notify,
    wake: Notify,
}

/// What the client has not read.
struct Unread {
    writer: FrameWriter,
    /// Its bytes as the service counts them: segments grow by some more when they are closed.
    counted: usize,
    /// Bytes of the long requests that are not answered, by stream: of each, where a client uses one twice at once.
    asked: HashMap<i16, SmallVec<[usize; 1]>>,
}

impl Outbox {
    pub fn new(service: Arc<Service>) -> Arc<Outbox> {
        Arc::new(Outbox {
            service,
            unread: Mutex::new(Unread {
                writer: FrameWriter::new(ProtocolVersion::V5),
                counted: 0,
                asked: HashMap::new(),
            }),
            waiting: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            overflow: Notify::new(),
            wake: Notify::new(),
        })
    }

    /// Changes to what STARTUP negotiated.
    pub fn negotiated(
        &self,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> std::result::Result<(), ProtocolError> {
        self.unread.lock().writer.negotiated(version, compression)
    }

    /// Requests that the cluster has not answered.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the requests that the cluster has not answered are as many bytes as one client may have there.
    pub fn is_full(&self) -> bool {
        self.asking.load(Ordering::Relaxed) >= self.service.options.max_asked_per_connection
    }

    /// Counts a request that goes to the cluster. Short ones are bounded by their number.
    fn asks(&self, stream: i16, bytes: usize) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if bytes < LONG {
            // Where it shares its stream with a long one, its answer must not end that.
            if self.asking.load(Ordering::Relaxed) > 0
                && let Some(asked) = self.unread.lock().asked.get_mut(&stream)
            {
                asked.push(0);
            }
            return;
        }
        self.asking.fetch_add(bytes, Ordering::Relaxed);
        self.service.asked.fetch_add(bytes, Ordering::Relaxed);
        let mut unread = self.unread.lock();
        let asked = unread.asked.entry(stream).or_default();
        asked.push(bytes);
        // The longest is taken for the last to be answered.
        asked.sort_unstable_by_key(|bytes| Reverse(*bytes));
    }

    /// Resolves once there may be answers to let out.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Resolves once more was answered than the client may leave unread.
    pub async fn has_overflowed(&self) {
        while !self.overflowed.load(Ordering::Relaxed) {
            self.overflow.notified().await;
        }
    }

    /// All that is there, for the socket; `None` if the client left too much unread. To be followed by [`sent`](Self::sent).
    pub fn take(&self) -> std::result::Result<Option<BytesMut>, ProtocolError> {
        if self.overflowed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut unread = self.unread.lock();
        let out = unread.writer.ready()?.split();
        self.sending.fetch_add(std::mem::take(&mut unread.counted), Ordering::Relaxed);
        Ok(Some(out))
    }

    /// The client is gone: what it has not read goes, and what is still answered is not kept.
    pub fn close(&self) {
        self.overflowed.store(true, Ordering::Relaxed);
        let mut unread = self.unread.lock();
        unread.writer = FrameWriter::new(unread.writer.version());
        let counted = std::mem::take(&mut unread.counted);
        drop(unread);
        self.service.unread.fetch_sub(counted, Ordering::Relaxed);
        self.sent();
    }

    /// What was taken is written.
    pub fn sent(&self) {
        let sending = self.sending.swap(0, Ordering::Relaxed);
        self.service.unread.fetch_sub(sending, Ordering::Relaxed);
    }
}

impl Outbox {
    fn add(&self, unread: &mut Unread, stream: i16, answer: Result<Frame>) {
        let Unread { writer, counted, .. } = unread;
        let before = writer.pending();
        if let Err(failure) = write(writer, stream, answer) {
            let error = Error::internal(format!("the cluster's answer cannot be passed on: {failure}"));
            let response = Response::Error(errors::response(&error));
            if writer.response(stream, &ResponseExtras::default(), &response).is_err() {
                self.overflowed.store(true, Ordering::Relaxed);
            }
        }
        let (held, options) = (writer.pending(), &self.service.options);
        let more = held.saturating_sub(before);
        *counted += more;
        let unread = self.service.unread.fetch_add(more, Ordering::Relaxed) + more;
        // One answer alone may be as large as it likes: who reads gets it. Where all together leave too much unread, those go
        // that have a good part in it.
        let too_much = before > 0 && held > options.max_unread_per_connection;
        let has_its_share = held + self.sending.load(Ordering::Relaxed) > options.max_unread / FAIR_SHARES;
        if too_much || unread > options.max_unread && has_its_share {
            self.overflowed.store(true, Ordering::Relaxed);
            self.overflow.notify_one();
        }
    }
}

impl Answers for Outbox {
    fn answer(&self, stream: i16, answer: Result<Frame>) {
        let mut guard = self.unread.lock();
        if !self.overflowed.load(Ordering::Relaxed) {
            self.add(&mut guard, stream, answer);
        }
        if !guard.asked.is_empty()
            && let Entry::Occupied(mut asked) = guard.asked.entry(stream)
        {
            let bytes = asked.get_mut().pop().unwrap_or_default();
            if asked.get().is_empty() {
                asked.remove();
            }
            self.asking.fetch_sub(bytes, Ordering::Relaxed);
            self.service.asked.fetch_sub(bytes, Ordering::Relaxed);
        }
        // After the answer is there: a connection that drains goes once nothing waits, and takes what is there along.
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        drop(guard);
        self.service.abandon(1);
    }

    fn flush(&self) {
        self.wake.notify_one();
    }
}

fn write(
    writer: &mut FrameWriter,
    stream: i16,
    answer: Result<Frame>,
) -> std::result::Result<(), ProtocolError> {
    let frame = match answer {
        Ok(frame) => frame,
        Err(error) => {
            let response = Response::Error(errors::response(&error));
            return writer.response(stream, &ResponseExtras::default(), &response);
        }
    };
    let header = Header {
        version: writer.version(),
        flags: Flags::from_bits(frame.flags),
        stream,
        opcode: Opcode::from_byte(frame.opcode)?,
    };
    writer.envelope(&Envelope { header, body: frame.body })
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.sent();
        let counted = self.unread.get_mut().counted;
        self.service.unread.fetch_sub(counted, Ordering::Relaxed);
    }
}

impl Service {
    /// What a client that has logged in needs to be served.
    pub(crate) fn admit_client(
        &self,
        peer: &Peer,
        version: ProtocolVersion,
        principal: Answer<Principal>,
    ) -> Answer<Admitted> {
        match (&self.forward, &peer.outbox) {
            (Some(forward), Some(outbox)) => {
                let (forward, answers) = (Arc::clone(forward), Arc::clone(outbox) as Arc<dyn Answers>);
                let (address, version) = (peer.client.address, version.number());
                Answer::Later(Box::pin(async move {
                    let principal = principal.wait().await?;
                    let caller = Caller { principal: principal.clone(), address, version };
                    let channel = forward.open(caller, answers).wait().await?;
                    Ok(Admitted { principal, channel: Some(channel) })
                }))
            }
            _ => match principal {
                Answer::Ready(principal) => {
                    Answer::Ready(principal.map(|principal| Admitted { principal, channel: None }))
                }
                Answer::Later(principal) => Answer::Later(Box::pin(async move {
                    Ok(Admitted { principal: principal.await?, channel: None })
                })),
            },
        }
    }

    /// Refuses a long message where all clients together have as many bytes at the cluster as they may.
    fn admit_bytes(&self, bytes: usize) -> Result<()> {
        let limit = self.options.max_asked;
        if bytes < LONG || self.asked.load(Ordering::Relaxed) + bytes <= limit {
            return Ok(());
        }
        Err(Error::overloaded(format!(
            "{limit} bytes of requests wait for the cluster already, the limit of this server; send fewer at once"
        )))
    }

    /// Sends a statement's message on to the cluster; `false` if that is not where it goes.
    pub(crate) fn forward(
        &self,
        peer: &mut Peer,
        envelope: &Envelope,
    ) -> std::result::Result<bool, ProtocolError> {
        let header = envelope.header;
        let is_statement =
            matches!(header.opcode, Opcode::Execute | Opcode::Query | Opcode::Prepare | Opcode::Batch);
        let (Some(channel), Some(outbox), true) = (&mut peer.channel, &peer.outbox, is_statement) else {
            return Ok(false);
        };
        if let Err(error) = self.admit().and_then(|()| self.admit_bytes(envelope.body.len())) {
            let response = Response::Error(errors::response(&error));
            peer.writer.response(header.stream, &ResponseExtras::default(), &response)?;
            return Ok(true);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        outbox.asks(header.stream, envelope.body.len());
        let frame = Frame {
            version: header.version.number(),
            flags: header.flags.bits(),
            opcode: header.opcode.byte(),
            body: envelope.body.clone(),
        };
        channel.send(header.stream, frame);
        Ok(true)
    }
}
