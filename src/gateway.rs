//! `ilium gateway`: every API in front of a running cluster.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ilium_cluster::{Options as ClusterOptions, Upstream};
use ilium_http::{Front, FrontOptions};
use ilium_native::{Options, Service};
use ilium_server::metrics::{HttpRequests, Metrics, metrics_routes};
use ilium_server::{
    Check, CqlListener, HttpListener, HttpOptions, ListenOptions, Tls, TlsFiles, health_routes,
};
use ilium_store::Login as _;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::gateway::Settings;
use crate::exit::Failure;
use crate::{figures, logging};

pub fn run(settings: Settings) -> Result<(), Failure> {
    let started = Instant::now();
    logging::start();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start threads: {error}")))?;
    runtime.block_on(serve(settings, started))
}

async fn serve(settings: Settings, started: Instant) -> Result<(), Failure> {
    // Before anything is announced: whoever reads the first line may answer it with a signal.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io)?;

    let files = settings.tls.map(|(certificate, key)| TlsFiles { certificate, key, client_ca: None });
    let tls = files.map(Tls::new).transpose().map_err(Failure::config)?;
    let mut options = ClusterOptions::new(settings.contact_points);
    options.user = settings.user;
    options.local_dc = settings.local_dc;
    options.local_rack = settings.local_rack;
    let upstream = Upstream::connect(options).await.map_err(Failure::unavailable)?;

    let authenticated = upstream.is_required();
    let listen_on = |address| ListenOptions { authenticated, ..ListenOptions::new(address) };
    let cql = CqlListener::bind(listen_on(settings.cql), tls.as_ref().map(Tls::for_cql)).await;
    let cql = cql.map_err(Failure::unavailable)?;
    let http = HttpListener::bind(listen_on(settings.http), tls.as_ref().map(Tls::for_http)).await;
    let http = http.map_err(Failure::unavailable)?;
    let (cql_at, http_at) = (cql.address().map_err(Failure::io)?, http.address().map_err(Failure::io)?);

    upstream.appear_as(settings.advertise.unwrap_or(cql_at), settings.peers).await;

    let (stop, stopping) = watch::channel(false);
    let service =
        Service::forwarding(Arc::new(upstream.clone()), Arc::new(upstream.clone()), Options::default());
    let observer = Arc::<HttpRequests>::default();
    let metrics = Metrics {
        apis: Vec::new(),
        http: Arc::clone(&observer) as _,
        figures: figures::of_gateway(&service),
    };
    let checked = upstream.clone();
    let checks = Box::new(move || {
        let reachable = checked.check();
        let passes = reachable.is_ok();
        let reason = reachable.unwrap_or_else(|error| error.message);
        vec![Check { name: "cluster", passes, reason }]
    });
    let routes = health_routes(checks, stopping.clone()).merge(metrics_routes(Arc::new(metrics)));
    let front = Arc::new(Front::new(routes, FrontOptions::new(authenticated, observer)));

    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(cql.serve(service, stopping.clone()));
    serving.spawn(http.serve(front, HttpOptions::default(), stopping.clone()));
    if let Some(tls) = tls {
        serving.spawn(async move { tls.renew(stopping).await });
    }
    if let Err(error) = announce(upstream.name(), cql_at, http_at, started) {
        // Nobody reads; that is no reason not to serve.
        tracing::warn!(%error, "cannot say where it listens");
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.send_replace(true);
    while let Some(ended) = serving.join_next().await {
        ended.map_err(Failure::io)?;
    }
    Ok(())
}

/// Says where it listens. Whoever starts it as a child reads the first two lines.
fn announce(cluster: &str, cql: SocketAddr, http: SocketAddr, started: Instant) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "CQL on {cql} after {} ms, in front of the cluster {cluster}",
        started.elapsed().as_millis()
    )?;
    writeln!(out, "HTTP on {http}: health, metrics")?;
    out.flush()
}
