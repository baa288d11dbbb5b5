//! A small blocking client of the native protocol, versions 3 to 5, that hides nothing: rows as raw bytes, column
//! types, page states, warnings, error codes with their details.
//!
//! It is written from the protocol's specification and apart from `ilium-protocol`, so that a mistake there cannot
//! hide by being on both sides of the wire.

mod answer;
mod connection;
mod frame;
mod read;
mod request;
mod tls;

pub use answer::{Answer, BindSpec, Change, Column, Outcome, Prepared, Rows, ServerError, error_name};
pub use connection::Connection;
pub use request::{BatchItem, BatchKind, Bind, Binds, Consistency, Settings};
pub use tls::TlsFiles;
