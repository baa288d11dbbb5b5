//! The one node of the ring.

use std::net::SocketAddr;

use ilium_cql::schema::UuidBytes;

use super::live::Live;
use crate::catalog::Catalog;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub host_id: UuidBytes,
    pub cluster_name: String,
    pub datacenter: String,
    /// Where clients reach the CQL port.
    pub cql: SocketAddr,
    /// Seconds since the epoch at which the server started.
    pub started: i64,
}

impl Node {
    pub fn of(catalog: &Catalog, live: &dyn Live) -> Node {
        Node {
            host_id: catalog.host_id(),
            cluster_name: live.cluster_name(),
            datacenter: catalog.datacenter().to_owned(),
            cql: live.cql_address(),
            started: live.started(),
        }
    }
}
