//! The web page: what runs here, which tables there are, their rows, and a place to run a statement.
//!
//! Vocabulary: a *page* is an HTML document, rendered here from `templates/`; a *grid* is a page of rows on its way into
//! one; a [`Place`](place::Place) is where in a result a grid stands, carried by links; a *caller* is who asks, told by a
//! cookie where callers log in.
//!
//! A GET reads and may be repeated, bookmarked and linked to; what a user typed runs by POST alone, and only from a page
//! of this server. Everything works without JavaScript, which adds Ctrl+Enter and puts the cursor at an error.

mod assets;
mod caller;
mod cell;
mod figure;
mod form;
mod grid;
mod link;
mod login;
mod overview;
mod page;
mod place;
mod select;
mod sizes;
mod statement;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::caller::Caller;
use axum::routing::{get, post};
use axum::{Router, middleware};
use ilium_http::Access;
use ilium_store::{Cancellation, Context, DataStore};

/// Rows of a page: more than a screen shows, few enough to be there at once.
pub const PAGE_ROWS: u32 = 50;

/// Bytes of rows a page ends at, once it has one row: cells are shown whole on demand, so all of it is sent.
pub const PAGE_BYTES: usize = 1 << 20;

/// How long a statement may take. Half of what the CQL API gives: somebody waits in front of it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What the console says of the server around it, which the seam does not know.
#[derive(Debug, Clone)]
pub struct Options {
    /// When the server started, for the time it is up.
    pub started: Instant,
    /// Names and values to show in this order, such as the addresses it listens at.
    pub facts: Vec<(&'static str, String)>,
    /// Whether callers come by TLS: the cookie is then sent by no other way.
    pub speaks_tls: bool,
}

/// Why the store cannot be used now, in sentences for a person; none while it can. Asked for each first page, so it is quick.
pub type Troubles = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// What all pages share.
pub(crate) struct Console {
    store: Arc<dyn DataStore>,
    access: Arc<Access>,
    options: Options,
    troubles: Troubles,
}

/// The routes: `/`, and what is below `/console/`.
pub fn routes(
    store: Arc<dyn DataStore>,
    access: Arc<Access>,
    options: Options,
    troubles: Troubles,
) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/console", get(page::to_overview))
        .route("/console/", get(page::to_overview))
        .route("/console/keyspaces/{keyspace}", get(overview::show_keyspace))
        .route("/console/keyspaces/{keyspace}/{table}", get(table::show))
        .route("/console/statement", get(statement::show).post(statement::run))
        .route("/console/login", get(login::show).post(login::log_in))
        .route("/console/logout", post(login::log_out))
        .route("/console/console.css", get(assets::style))
        .route("/console/console.js", get(assets::script))
        .route("/console/icon.svg", get(assets::icon))
        .route("/console/{*rest}", get(page::nothing_here))
        .layer(middleware::map_response(page::guarded))
        .with_state(Arc::new(Console { store, access, options, troubles }))
}

/// The circumstances of a statement on behalf of a caller, and what stops it when nobody waits any more.
fn context(caller: &Caller) -> (Context, StopWhenDropped) {
    let mut context = Context::new(caller.principal.clone());
    context.client = caller.address;
    context.trace = caller.trace;
    context.page_size = Some(PAGE_ROWS);
    context.page_bytes = Some(PAGE_BYTES);
    context.deadline = Instant::now().checked_add(DEADLINE);
    context.cancellation = Cancellation::new();
    let stop = StopWhenDropped(context.cancellation.clone());
    (context, stop)
}

/// A browser that goes away drops the request's future, and this with it.
struct StopWhenDropped(Cancellation);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
