//! The limits of the CQL API. Past each the client gets an error that names it, or waits.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of one frame's body. Past it: a protocol error, and the connection is closed.
    /// Cassandra's `native_transport_max_frame_size`, 16 MiB.
    pub max_frame: u32,
    /// Requests of one connection that wait for the store; more are not read until some are answered.
    /// Drivers send at most 2,048 (Java, gocql) before they open another connection.
    pub max_waiting_per_connection: usize,
    /// Requests that wait for the store over all connections. Past it: OVERLOADED.
    /// 64 connections with a full window of 1,024 each.
    pub max_waiting: usize,
    /// Statements kept prepared, the least recently prepared forgotten first; a client that uses a forgotten one gets
    /// UNPREPARED and prepares it again. Cassandra keeps a 256th of its heap; at about 4 KiB each, 10,000 are 40 MiB.
    pub max_prepared_statements: usize,
    /// Bytes of a statement's text. Past it: an invalid request. 1 MiB: no person and few generators write more.
    pub max_statement: usize,
    /// Statements of one batch. Past it: an invalid request. The protocol's count has 16 bits.
    pub max_batch_statements: usize,
    /// Bytes of a batch's values. Past it: an invalid request. Cassandra fails batches past
    /// `batch_size_fail_threshold`, 50 KiB by default; here a batch may fill a frame.
    pub max_batch_bytes: usize,
    /// Bytes of rows in one page; a page ends early at it. A driver gives one frame room for 256 MiB.
    pub max_page_bytes: usize,
    /// Bytes one request may gather in memory for sorting, grouping and unpaged results.
    pub memory_budget: usize,
    /// How long a connection may take to send STARTUP, or the rest of a frame it began, or to read an answer.
    pub patience: Duration,
    /// How long a request may take. Cassandra's longest stock time-outs are 10 s; a scan on a laptop takes longer.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_frame: 16 << 20,
            max_waiting_per_connection: 2048,
            max_waiting: 64 * 1024,
            max_prepared_statements: 10_000,
            max_statement: 1 << 20,
            max_batch_statements: 65_535,
            max_batch_bytes: 16 << 20,
            max_page_bytes: 16 << 20,
            memory_budget: 64 << 20,
            patience: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
        }
    }
}
