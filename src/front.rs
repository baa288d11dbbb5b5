//! Everything the HTTP port serves, behind one front.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use ilium_console::Options as ConsoleOptions;
use ilium_http::{Access, BodyLimits, Front, FrontOptions, Routes, auth_routes};
use ilium_server::metrics::{Figures, HttpRequests, Metrics, Nodes, Requests, RoleClass, metrics_routes};
use ilium_server::{Checks, Limits, Measured, Oversight, SpanKind, health_routes, trace_figures};
use ilium_store::DataStore;
use tokio::sync::watch;

use crate::exit::Failure;
use crate::figures;
use crate::traces::Traces;

pub struct Parts<'t> {
    pub store: Arc<dyn DataStore>,
    pub access: Arc<Access>,
    /// What the CQL API asked of the store or the cluster.
    pub of_cql: Arc<Requests>,
    /// What the nodes of a cluster answered, where there is one.
    pub nodes: Option<Arc<Nodes>>,
    /// Statements that take as long are logged.
    pub slow: Option<Duration>,
    pub limits: Option<Arc<Limits>>,
    pub traces: &'t Traces,
    /// What a statement is for the HTTP request that it is a part of.
    pub statements: SpanKind,
    pub figures: Figures,
    pub checks: Checks,
    pub console: ConsoleOptions,
    pub cors_origins: Vec<String>,
    pub stopping: watch::Receiver<bool>,
}

pub fn of(parts: Parts<'_>) -> Result<Arc<Front>, Failure> {
    let Parts { store, access, of_cql, nodes, slow, limits, traces, statements, .. } = parts;
    let Parts { figures, checks, console, cors_origins, stopping, .. } = parts;
    let (observer, speaks_tls) = (Arc::<HttpRequests>::default(), console.speaks_tls);
    let [of_rest, of_console]: [Arc<Requests>; 2] = Default::default();
    let counted = |api, requests: &Arc<Requests>| -> Arc<dyn DataStore> {
        let over = Oversight {
            api,
            requests: Arc::clone(requests),
            nodes: nodes.clone(),
            limits: limits.clone(),
            spans: traces.statements(api, statements),
            slow,
        };
        Arc::new(Measured::new(Arc::clone(&store), over))
    };
    let (rest, console_store) = (counted("rest", &of_rest), counted("console", &of_console));
    let apis = vec![("cql", of_cql), ("rest", of_rest), ("console", of_console)];
    let of_traces = traces.figures();
    let rest = ilium_rest::api(rest, Arc::clone(&access), BodyLimits::default());
    let counted = Arc::clone(&rest);
    let figures: Figures = Box::new(move || {
        let mut all = figures();
        all.extend(figures::of_http(&counted, limits.as_deref()));
        all.extend(trace_figures(of_traces.as_ref()));
        all
    });
    let asked = Arc::clone(&checks);
    let troubles =
        move || asked().into_iter().filter(|check| !check.passes).map(|check| check.reason).collect();
    let callers = if access.is_required() { RoleClass::Role } else { RoleClass::Anonymous };
    let metrics = Metrics { apis, callers, http: Arc::clone(&observer) as _, nodes, figures };
    let single = auth_routes(Arc::clone(&access))
        .merge(health_routes(checks, stopping))
        .merge(metrics_routes(Arc::new(metrics)))
        .merge(ilium_console::routes(console_store, Arc::clone(&access), console, Box::new(troubles)));
    let routes = Routes::from(single).under(ilium_rest::PREFIX, rest);
    let mut options = FrontOptions::new(access.is_required(), observer);
    options.tracer = traces.http(speaks_tls);
    let origins = cors_origins.iter().map(|origin| HeaderValue::from_str(origin).map_err(Failure::config));
    options.cors_origins = origins.collect::<Result<_, _>>()?;
    Ok(Arc::new(Front::new(routes, options)))
}
