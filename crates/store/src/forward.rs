//! The seam for frames: how the CQL API hands a client's messages to a cluster without reading more of them than it
//! must.
//!
//! Vocabulary: a [`Frame`] is one message of the native protocol, undecoded. A [`Channel`] is one client's way to the
//! cluster; what comes back on it goes to that client's [`Answers`].

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::{Answer, Error, Principal, Result, SchemaChange, Shown};

/// One message without its stream, its body not compressed. The numbers are those of the header (native protocol v5,
/// section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub version: u8,
    pub flags: u8,
    pub opcode: u8,
    pub body: Bytes,
}

/// Takes what comes back for one client. Called from the threads that read from the cluster, so it must be quick.
pub trait Answers: Send + Sync {
    /// Called once for each frame that was sent.
    fn answer(&self, stream: i16, answer: Result<Frame>);

    /// The answers that came together have all been given: time to let them out.
    fn flush(&self);
}

/// A cluster that frames are forwarded to.
pub trait Forward: Send + Sync + 'static {
    /// The protocol versions it speaks, oldest first.
    fn versions(&self) -> Vec<u8>;

    /// The newest version of the language it speaks, such as `3.4.7`.
    fn cql_version(&self) -> String;

    /// Opens the way of a client that has logged in. It may take a first connection to the cluster as that role, so it
    /// comes later.
    fn open(&self, caller: Caller, answers: Arc<dyn Answers>) -> Answer<Box<dyn Channel>>;

    /// From now on tells `watcher` of every statement. There is one; a second call changes nothing.
    fn watch(&self, watcher: Arc<dyn Watcher>);

    /// Calls `listener` for what clients are told unasked, in order, as long as the cluster is served. It must be quick.
    fn listen(&self, listener: ClusterListener);
}

/// A client that has logged in.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub address: SocketAddr,
    /// Of the protocol.
    pub version: u8,
}

/// Told of statements that are forwarded, by the threads that serve clients and cluster: it must be quick.
pub trait Watcher: Send + Sync {
    fn begins(&self);

    /// It has its answer.
    fn ends(&self, seen: &Seen<'_>);
}

/// A statement that has its answer.
#[derive(Debug)]
pub struct Seen<'a> {
    pub caller: &'a Caller,
    /// QUERY, PREPARE, EXECUTE or BATCH (native protocol v5, section 2.4).
    pub opcode: u8,
    /// As the client wrote it; of a batch that of its first statement. `None`: it is not known here.
    pub text: Option<&'a str>,
    /// Where what is shown of it is kept, if it was prepared: it is worked out once.
    pub shown: Option<&'a OnceLock<Shown>>,
    /// What unqualified names are in, in CQL's spelling: of a statement that was prepared, when it was.
    pub keyspace: Option<&'a str>,
    /// Who answered; `None`: no node did.
    pub node: Option<SocketAddr>,
    pub took: Duration,
    pub error: Option<&'a Error>,
    pub frames: &'a dyn Frames,
}

impl Seen<'_> {
    /// What is shown of its text. `None`: that is not known.
    pub fn to_show(&self) -> Option<Cow<'_, Shown>> {
        let text = self.text?;
        Some(match self.shown {
            Some(kept) => Cow::Borrowed(kept.get_or_init(|| Shown::of_text(text))),
            None => Cow::Owned(Shown::of_text(text)),
        })
    }
}

/// A statement's frames, for what few want to know of them: it is read when it is asked for.
pub trait Frames: fmt::Debug {
    /// The value of the request's custom payload under this key.
    fn payload(&self, key: &str) -> Option<&[u8]>;

    /// What the request asks for beside its text.
    fn asked(&self) -> Asked;

    /// The keyspace that the request names for itself, bare (native protocol v5, section 4.1.4).
    fn keyspace(&self) -> Option<String>;

    /// The id under which the cluster keeps its own trace of the statement (native protocol v5, section 2.2), a UUID.
    fn tracing_id(&self) -> Option<[u8; 16]>;
}

/// What a request asks for beside its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Cassandra's name of the consistency level; a PREPARE has none.
    pub consistency: Option<&'static str>,
    /// How many statements a BATCH has.
    pub batch_size: Option<usize>,
}

/// One client's way to the cluster.
pub trait Channel: Send {
    /// Sends a QUERY, PREPARE, EXECUTE or BATCH. What comes of it, good or bad, goes to the client's [`Answers`], at once
    /// or later.
    fn send(&mut self, stream: i16, frame: Frame);

    /// Lets out what was sent.
    fn flush(&mut self);
}

pub type ClusterListener = Box<dyn Fn(&ClusterEvent) + Send + Sync>;

/// What clients that registered for it are told (native protocol v5, section 4.2.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterEvent {
    Schema(SchemaChange),
    /// A server of clients came or went for good.
    Topology {
        is_new: bool,
        address: SocketAddr,
    },
    /// A server of clients can be reached again, or no more.
    Status {
        is_up: bool,
        address: SocketAddr,
    },
}
