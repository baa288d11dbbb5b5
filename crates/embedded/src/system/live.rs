//! What only the running server and its storage know, for the tables that report it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ilium_store::Result;

use super::CLUSTER_NAME;
use crate::catalog::TableEntry;

/// Asked when a system table is read. What is not answered is reported as nothing.
pub trait Live: Send + Sync {
    /// Where clients reach the CQL port.
    fn cql_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9042)
    }

    /// Seconds since the epoch at which the server started.
    fn started(&self) -> i64 {
        0
    }

    fn cluster_name(&self) -> String {
        CLUSTER_NAME.to_owned()
    }

    /// Connections of clients.
    fn clients(&self) -> Vec<Client> {
        Vec::new()
    }

    /// Settings beyond those that follow from the above, by Cassandra's names where it has one.
    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn thread_pools(&self) -> Vec<ThreadPool> {
        Vec::new()
    }

    /// Requests being answered.
    fn queries(&self) -> Vec<Query> {
        Vec::new()
    }

    fn prepared_statements(&self) -> Vec<PreparedStatement> {
        Vec::new()
    }
}

/// What only the storage knows.
pub trait Stored {
    /// How large a stored table is, estimated. May read the disk.
    fn size_of(&self, table: &TableEntry) -> Result<TableSize>;

    fn caches(&self) -> Vec<Cache>;
}

/// A server around the engine that has nothing to say: tools and tests.
impl Live for () {}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub address: SocketAddr,
    /// What STARTUP said.
    pub options: BTreeMap<String, String>,
    /// `startup`, `authenticating`, `ready`.
    pub stage: String,
    pub keyspace: Option<String>,
    pub protocol_version: i32,
    pub requests: u64,
    pub user: String,
    /// Cipher suite and protocol version.
    pub tls: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Bytes of its rows, uncompressed.
    pub bytes: u64,
    /// Bytes of its files.
    pub disk_bytes: u64,
    pub partitions: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub name: String,
    pub capacity_bytes: u64,
    pub size_bytes: u64,
    /// `None`: they are not counted.
    pub entries: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadPool {
    pub name: String,
    pub active: u32,
    pub limit: u32,
    pub pending: u32,
    pub completed: u64,
    pub blocked: u64,
    pub blocked_ever: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Names the request among those that run.
    pub id: String,
    pub queued_micros: u64,
    pub running_micros: u64,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedStatement {
    pub id: [u8; 16],
    pub keyspace: Option<String>,
    pub text: String,
}
