//! What is known of statements that go on to a cluster: counts and times by kind and by node, spans, the audit log, and a
//! log of the slow ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ilium_cql::identifier::unquoted;
use ilium_cql::lexer::{without_passwords, without_values};
use ilium_protocol::Opcode;
use ilium_store::{Error, ErrorKind, Seen, TraceId, Watcher, audit};
use parking_lot::RwLock;

use crate::StatementSpans;
use crate::audited::is_audited;
use crate::metrics::{Kind, Latency, Requests};

/// Texts are shown up to so many bytes: a log line is for people.
const SHOWN: usize = 1024;

/// Watches what the CQL API forwards.
pub struct Forwarded {
    requests: Arc<Requests>,
    nodes: RwLock<BTreeMap<SocketAddr, Arc<NodeFigures>>>,
    slow: Option<Duration>,
    spans: Option<StatementSpans>,
}

/// One node of the cluster, as its answers show it.
#[derive(Debug, Default)]
pub struct NodeFigures {
    pub latency: Latency,
    errors: AtomicU64,
}

impl NodeFigures {
    /// Statements that failed, for whatever reason.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

impl Forwarded {
    /// Statements that take longer than `slow` are logged; without `spans` none is traced.
    pub fn new(requests: Arc<Requests>, slow: Option<Duration>, spans: Option<StatementSpans>) -> Forwarded {
        Forwarded { requests, nodes: RwLock::default(), slow, spans }
    }

    /// Each node that answered.
    pub fn nodes(&self) -> Vec<(SocketAddr, Arc<NodeFigures>)> {
        self.nodes.read().iter().map(|(address, figures)| (*address, Arc::clone(figures))).collect()
    }

    fn of_node(&self, address: SocketAddr) -> Arc<NodeFigures> {
        if let Some(figures) = self.nodes.read().get(&address) {
            return Arc::clone(figures);
        }
        Arc::clone(self.nodes.write().entry(address).or_default())
    }
}

impl Watcher for Forwarded {
    fn begins(&self) {
        self.requests.begins();
    }

    fn ends(&self, seen: &Seen<'_>) {
        let kind = match (Opcode::from_byte(seen.opcode), seen.text) {
            (Ok(Opcode::Batch), _) => Kind::Batch,
            (Ok(Opcode::Prepare), _) | (_, None) => Kind::Other,
            (_, Some(text)) => Kind::of_text(text),
        };
        self.requests.ends(kind, seen.took, seen.error.map(|error| &error.kind));
        if let Some(address) = seen.node {
            let node = self.of_node(address);
            node.latency.add(seen.took);
            if seen.error.is_some() {
                node.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        let trace = self.spans.as_ref().and_then(|spans| spans.record(seen, kind));
        audit(seen, trace);
        if self.slow.is_some_and(|slow| seen.took >= slow) {
            tell(seen, trace);
        }
    }
}

/// A line of the audit log, for a statement that belongs there or was not permitted.
fn audit(seen: &Seen<'_>, trace: Option<TraceId>) {
    let is_run_alone = !matches!(Opcode::from_byte(seen.opcode), Ok(Opcode::Prepare | Opcode::Batch));
    let shown = seen.text.filter(|text| is_run_alone && is_audited(text));
    let is_refused = seen.error.is_some_and(|error| error.kind == ErrorKind::Unauthorized);
    if (shown.is_none() && !is_refused) || !audit::is_on() {
        return;
    }
    let text = shown.map(without_passwords);
    let from = Some(seen.caller.address);
    let keyspace = seen.frames.keyspace().or_else(|| seen.keyspace.map(|name| unquoted(name).into_owned()));
    let (principal, keyspace) = (&seen.caller.principal, keyspace.as_deref());
    audit::statement("cql", from, principal, text.as_deref(), keyspace, seen.error, trace);
}

/// A line of the log of slow statements, its values left out.
fn tell(seen: &Seen<'_>, trace: Option<TraceId>) {
    // What stands for a password may be no value, but a name in quotes.
    let text = seen.text.map(|text| without_values(&without_passwords(text))).unwrap_or_default();
    let end = text.floor_char_boundary(SHOWN);
    tracing::warn!(
        target: "slow",
        statement = text.get(..end).unwrap_or_default(),
        milliseconds = u64::try_from(seen.took.as_millis()).unwrap_or(u64::MAX),
        role = seen.caller.principal.role_name().map(|name| &**name),
        client = %seen.caller.address,
        node = seen.node.map(tracing::field::display),
        error = seen.error.map(Error::for_logs),
        trace_id = trace.map(tracing::field::display),
        "a statement took long"
    );
}

#[cfg(test)]
mod tests {
    use ilium_store::{Asked, Caller, Frames, Principal};

    use super::*;
    use crate::logged;

    /// Of a request that names this keyspace for itself.
    #[derive(Debug)]
    struct Naming(Option<&'static str>);

    impl Frames for Naming {
        fn payload(&self, _: &str) -> Option<&[u8]> {
            None
        }
        fn asked(&self) -> Asked {
            Asked::default()
        }
        fn keyspace(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }
        fn tracing_id(&self) -> Option<[u8; 16]> {
            None
        }
    }

    #[test]
    fn an_audited_statement_tells_in_which_keyspace_its_names_are() {
        let forwarded = Forwarded::new(Arc::default(), None, None);
        let principal = Principal::Anonymous;
        let caller = Caller { principal, address: "127.0.0.1:1".parse().unwrap(), version: 5 };
        let line = |of_session, named| {
            logged::while_running(|| {
                forwarded.ends(&Seen {
                    caller: &caller,
                    opcode: Opcode::Query.byte(),
                    text: Some("TRUNCATE t"),
                    shown: None,
                    keyspace: of_session,
                    node: None,
                    took: Duration::ZERO,
                    error: None,
                    frames: &Naming(named),
                });
            })
        };
        for (of_session, named, expected) in [
            (Some("shop"), None, Some("shop")),
            (Some("\"Shop\""), None, Some("Shop")),
            (Some("shop"), Some("other"), Some("other")),
            (None, None, None),
        ] {
            let line = line(of_session, named);
            let expected = expected.map(|name| format!("keyspace=\"{name}\"")).unwrap_or_default();
            assert!(line.contains("TRUNCATE t") && line.contains(&expected), "{line}");
            assert_eq!(line.contains("keyspace="), !expected.is_empty(), "{line}");
        }
    }
}
