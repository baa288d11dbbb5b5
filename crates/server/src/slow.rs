//! The log of slow statements: a line each with the target `slow`, its values left out.

use std::net::SocketAddr;
use std::time::Duration;

use ilium_store::{Error, Principal, Shown, TraceId};

/// A statement that has its answer.
pub(crate) struct Timed<'a> {
    pub api: &'static str,
    /// Of a batch that of its first statement. `None`: it is not known.
    pub shown: Option<&'a Shown>,
    pub took: Duration,
    /// `None`: preparing does not know who asks.
    pub principal: Option<&'a Principal>,
    pub client: Option<SocketAddr>,
    /// Who answered; `None`: no node of a cluster did.
    pub node: Option<SocketAddr>,
    pub error: Option<&'a Error>,
    pub trace: Option<TraceId>,
}

impl Timed<'_> {
    /// Writes its line.
    pub fn tell(&self) {
        let role = self.principal.and_then(Principal::role_name);
        tracing::warn!(
            target: "slow",
            api = self.api,
            statement = self.shown.map_or("", |shown| shown.text.as_str()),
            milliseconds = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            role = role.map(|name| &**name),
            client = self.client.map(tracing::field::display),
            node = self.node.map(tracing::field::display),
            error = self.error.map(Error::for_logs),
            trace_id = self.trace.map(tracing::field::display),
            "a statement took long"
        );
    }
}
