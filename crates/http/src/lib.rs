//! What HTTP APIs share, whichever they are.
//!
//! Vocabulary: a *caller* is who a request is from ([`Access`] tells); a [`Refusal`] is an error on its way out, the one
//! JSON shape that all APIs answer with; the [`Front`] is what every request passes on its way to an API's routes and
//! every response on its way back: request ids, the defence against browsers, limits, compression, the access log.
//!
//! Nothing here knows an API.

mod access;
mod asides;
mod auth_routes;
mod body;
mod etag;
mod front;
mod guard;
mod json;
pub mod jwt;
mod peer;
mod refusal;
mod request_id;
mod routes;

pub use access::{Access, Bearers, Credentials};
pub use asides::{push_tracing_ids, push_warnings};
pub use auth_routes::auth_routes;
pub use body::{BodyLimits, read_body, read_json};
pub use etag::with_etag;
pub use front::{Front, FrontOptions, Observer, Place, RequestSpan, RequestTracer, Route, Seen};
pub use json::{JsonFault, parse_json};
pub use peer::Peer;
pub use refusal::{Refusal, status_of};
pub use routes::{Answering, Api, Routes};
