//! What the engine's system tables report of the server around it.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ilium_embedded::system::Live;

pub struct Node {
    address: SocketAddr,
    started: i64,
}

impl Node {
    #[expect(clippy::disallowed_methods, reason = "when the process started, for `system_views`")]
    pub fn at(address: SocketAddr) -> Node {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Node { address, started }
    }
}

impl Live for Node {
    fn cql_address(&self) -> SocketAddr {
        self.address
    }

    fn started(&self) -> i64 {
        self.started
    }
}
