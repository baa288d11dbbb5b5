//! A link whose node is played: by a test, or by what a fuzzer makes up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ilium_protocol::{
    Direction, Envelope, FrameReader, FrameWriter, Limits, MAX_PAYLOAD, ProtocolVersion, Request, Response,
    encode_segment,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::{Link, Opened, Stream};
use crate::Options;
use crate::dial::Dialler;

/// Requests that wait when it comes.
const ASKED: usize = 3;

/// More than a test or a fuzzer sends at once, so that nothing waits to be written.
const ROOM: usize = 1 << 20;

thread_local! {
    static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
}

/// Any bytes on a link on which requests wait, then its end: each request gets an answer or hears that there is none, and
/// nothing is left. The first byte chooses the version, and whether the rest is put into sound segments, whose lengths it
/// brings along.
pub(crate) fn answers(input: &[u8]) {
    let [mode, bytes @ ..] = input else { return };
    let version = if mode & 1 == 0 { ProtocolVersion::V4 } else { ProtocolVersion::V5 };
    let sent = if mode & 3 == 3 { in_segments(bytes) } else { BytesMut::from(bytes) };
    RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(hear(version, &sent))));
}

/// Each segment's length, and whether it is whole, precede it in two bytes.
fn in_segments(mut bytes: &[u8]) -> BytesMut {
    let mut sent = BytesMut::new();
    while let [low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high]) >> 1).min(rest.len()).min(MAX_PAYLOAD);
        let (payload, later) = rest.split_at(length);
        if encode_segment(payload, low & 1 == 0, &mut sent).is_err() {
            break;
        }
        bytes = later;
    }
    sent
}

/// A link to a node at this address, and the node's end of it. `events` gets what the node tells unasked.
pub(super) fn linked(
    version: ProtocolVersion,
    address: SocketAddr,
    dialler: &Arc<Dialler>,
    events: Option<mpsc::UnboundedSender<Envelope>>,
) -> (Arc<Link>, DuplexStream) {
    let (near, far) = duplex(ROOM);
    (linked_over(Box::new(near), version, address, dialler, events), far)
}

/// A link over a connection to a node that has been opened.
pub(super) fn linked_over(
    socket: Box<dyn Stream>,
    version: ProtocolVersion,
    address: SocketAddr,
    dialler: &Arc<Dialler>,
    events: Option<mpsc::UnboundedSender<Envelope>>,
) -> Arc<Link> {
    let mut opened = Opened {
        socket,
        reader: FrameReader::new(Direction::Response, Limits::CLIENT),
        writer: FrameWriter::new(version),
        input: BytesMut::new(),
        version,
    };
    let (reader, writer) = (opened.reader.negotiated(version, None), opened.writer.negotiated(version, None));
    assert!(reader.is_ok() && writer.is_ok());
    Link::start(address, opened, Arc::clone(dialler), events)
}

async fn hear(version: ProtocolVersion, sent: &[u8]) {
    let (events, mut told) = mpsc::unbounded_channel();
    let address = SocketAddr::from(([127, 0, 0, 1], 9042));
    let options = Options { silence: Duration::from_secs(60), ..Options::new(Vec::new()) };
    let (link, mut far) = linked(version, address, &Dialler::new(options), Some(events));
    let ask = || {
        let link = Arc::clone(&link);
        tokio::spawn(async move { link.ask(&Request::Options).await })
    };
    let asked: Vec<_> = (0..ASKED).map(|_| ask()).collect();
    // They are answered, if at all, after they were asked.
    while link.load() < ASKED {
        tokio::task::yield_now().await;
    }
    assert!(far.read_u8().await.is_ok());
    let _ = far.write_all(sent).await;
    drop(far);
    for asked in asked {
        if let Ok(Ok(answer)) = asked.await {
            let _ = Response::decode(&answer);
        }
    }
    while !link.is_closed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(link.load(), 0);
    while let Ok(event) = told.try_recv() {
        let _ = Response::decode(&event);
    }
}
