//! What is known of statements that go on to a cluster: counts and times by kind and by node, spans, the audit log, and the
//! log of the slow ones.

use ilium_cql::identifier::unquoted;
use ilium_cql::lexer::without_passwords;
use ilium_protocol::Opcode;
use ilium_store::{ErrorKind, Seen, TraceId, Watcher, audit};

use crate::Oversight;
use crate::audited::is_audited;
use crate::metrics::{Kind, RoleClass};
use crate::slow::Timed;

/// Watches what the CQL API forwards.
pub struct Forwarded(Oversight);

impl Forwarded {
    /// The limits of `over` are not looked at here.
    pub fn new(over: Oversight) -> Forwarded {
        Forwarded(over)
    }
}

impl Watcher for Forwarded {
    fn begins(&self) {
        self.0.requests.begins();
    }

    fn ends(&self, seen: &Seen<'_>) {
        let over = &self.0;
        let kind = match (Opcode::from_byte(seen.opcode), seen.text) {
            (Ok(Opcode::Batch), _) => Kind::Batch,
            (Ok(Opcode::Prepare), _) | (_, None) => Kind::Other,
            (_, Some(text)) => Kind::of_text(text),
        };
        let class = RoleClass::of(&seen.caller.principal);
        over.requests.ends(kind, class, seen.took, seen.error.map(|error| &error.kind));
        over.node_answered(seen.node, seen.took, seen.error.is_some());
        let trace = over.spans.as_ref().and_then(|spans| spans.record(seen, kind));
        audit(over.api, seen, trace);
        if over.is_slow(seen.took) {
            let shown = seen.to_show();
            let timed = Timed {
                api: over.api,
                shown: shown.as_deref(),
                took: seen.took,
                principal: Some(&seen.caller.principal),
                client: Some(seen.caller.address),
                node: seen.node,
                error: seen.error,
                trace,
            };
            timed.tell();
        }
    }
}

/// A line of the audit log, for a statement that belongs there or was not permitted.
fn audit(api: &str, seen: &Seen<'_>, trace: Option<TraceId>) {
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
    audit::statement(api, from, principal, text.as_deref(), keyspace, seen.error, trace);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let forwarded = Forwarded::new(Oversight { api: "cql", ..Oversight::default() });
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
