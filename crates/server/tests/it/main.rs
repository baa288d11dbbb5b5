//! The CQL API through real sockets: each limit passed, frames that make no sense, clients that are slow or silent,
//! and the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic: that is how they fail"
)]

mod client;
mod forwarding;
mod http2_silent;
mod http_limits;
mod http_malformed;
mod http_server;
mod limits;
mod login;
mod malformed;
mod planning;
mod running;
mod server;
mod shutdown;
mod slow;
