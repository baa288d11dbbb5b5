//! The limits of the CQL API. Past each the client gets an error that names it, or waits; `docs/limits.md` has them
//! as a table, and the tests of `crates/server` go past each.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of one message, header included. Past it: an invalid request; the message is dropped as it arrives, and
    /// the connection goes on. Cassandra's `native_transport_max_frame_size`, 16 MiB.
    pub max_frame: u32,
    /// Bytes of messages that are arriving, over all connections; those that fit one read do not count. Past it:
    /// OVERLOADED for the message that grows, which is dropped as it arrives. 256 MiB: 16 of the largest at once
    /// (Cassandra's `native_transport_max_request_data_in_flight` is a tenth of its heap).
    pub max_arriving: usize,
    /// Requests of one connection that wait for the store; more are not read until some are answered.
    /// Drivers send at most 2,048 (Java, gocql) before they open another connection.
    pub max_waiting_per_connection: usize,
    /// Requests that wait for the store over all connections, give or take one a thread. Past it: OVERLOADED, and
    /// nothing was done. 64 connections with a full window of 1,024 each.
    pub max_waiting: usize,
    /// Statements kept prepared, the least recently prepared forgotten first; a client that uses a forgotten one gets
    /// UNPREPARED and prepares it again. Cassandra keeps a 256th of its heap; at about 4 KiB each, 10,000 are 40 MiB.
    pub max_prepared_statements: usize,
    /// Bytes of the texts of statements kept prepared, for the same end: what a statement takes in memory grows with
    /// its text. 16 MiB: 10,000 of 1.6 KiB, which is longer than almost any that is written.
    pub max_prepared_text: usize,
    /// Bytes of a statement's text. Past it: an invalid request. 1 MiB: no person and few generators write more.
    pub max_statement: usize,
    /// Statements of one batch. Past it: an invalid request. The protocol's count has 16 bits.
    pub max_batch_statements: usize,
    /// Bytes of a batch's values. Past it: an invalid request. Cassandra fails batches past
    /// `batch_size_fail_threshold`, 50 KiB by default; here a batch may fill a frame.
    pub max_batch_bytes: usize,
    /// Bytes of requests of 4 KiB and more that a cluster has not answered: of one connection, past which it is read no
    /// further until some are; and of all, past which a request is answered by OVERLOADED. 64 MiB are four frames of the
    /// longest; 512 MiB are eight such connections.
    pub max_asked_per_connection: usize,
    pub max_asked: usize,
    /// Bytes that a cluster answered and one client has not read, or all clients together. Past it the connection is closed:
    /// it asks for more than it reads, and nothing can be held back at the cluster for one client alone. 64 MiB: four pages
    /// of 16 MiB for a client that asks for several at once.
    pub max_unread_per_connection: usize,
    pub max_unread: usize,
    /// Bytes of rows in one page; a page ends early at it, and says that more follow. A driver gives one frame room
    /// for 256 MiB.
    pub max_page_bytes: usize,
    /// Bytes one request may gather in memory for sorting, grouping and results without pages. Past it: an invalid
    /// request. 64 MiB: a few hundred thousand small rows, far below what would hurt a laptop.
    pub memory_budget: usize,
    /// Log-ins of one connection that may fail. With the last the connection is closed. 3: a person's typing errors;
    /// drivers give up after one.
    pub max_failed_logins: u32,
    /// How long a connection may take from its beginning to having logged in, from the first byte of a frame to its last, and
    /// to read an answer. Past it: closed. 30 s: the largest frame at half a megabyte a second.
    pub patience: Duration,
    /// How long a request may take. Cassandra's longest stock time-outs are 10 s; a scan on a laptop takes longer.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_frame: 16 << 20,
            max_arriving: 256 << 20,
            max_waiting_per_connection: 2048,
            max_waiting: 64 * 1024,
            max_prepared_statements: 10_000,
            max_prepared_text: 16 << 20,
            max_statement: 1 << 20,
            max_batch_statements: 65_535,
            max_batch_bytes: 16 << 20,
            max_asked_per_connection: 64 << 20,
            max_asked: 512 << 20,
            max_unread_per_connection: 64 << 20,
            max_unread: 512 << 20,
            max_page_bytes: 16 << 20,
            memory_budget: 64 << 20,
            max_failed_logins: 3,
            patience: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
        }
    }
}
