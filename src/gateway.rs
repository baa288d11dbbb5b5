//! `ilium gateway`: every API in front of a running cluster.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ilium_cluster::{
    ClusterStore, Credentials, Options as ClusterOptions, StoreOptions, TlsConfigs, Upstream,
};
use ilium_console::Options as ConsoleOptions;
use ilium_native::{Options, Service};
use ilium_server::metrics::{Nodes, Requests};
use ilium_server::{
    Check, Checks, CqlListener, Forwarded, HttpListener, HttpOptions, Limited, ListenOptions, Oversight,
    PasswordFile, SpanKind, Tls, TlsFiles, UpstreamTls,
};
use ilium_store::{DataStore as _, Forward as _, Login as _};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::VERSION;
use crate::config::ORIGINS_NEED_LOG_INS;
use crate::config::gateway::{Settings, UpstreamCompression};
use crate::config::variables::warn_of_misspelled;
use crate::exit::Failure;
use crate::security::Guards;
use crate::traces::Traces;
use crate::{figures, front, logging, open_files};

pub fn run(settings: Settings) -> Result<(), Failure> {
    let started = Instant::now();
    logging::start(true)?;
    warn_of_misspelled();
    let files = open_files::raise();
    // A gateway holds many small buffers of many clients, and pages of 2 MiB made it twice as large (32 MB with 500 busy
    // connections instead of 53). A kernel without them has nothing to refuse.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start threads: {error}")))?;
    let served = runtime.block_on(serve(settings, started, files));
    // A name that is being looked up has nobody to answer to, and a name server that is away would hold up the end.
    runtime.shutdown_background();
    served
}

/// `open_files` is how many files it may open, where that is bounded.
async fn serve(settings: Settings, started: Instant, open_files: Option<u64>) -> Result<(), Failure> {
    // Before anything is announced: whoever reads the first line may answer it with a signal.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io)?;

    let files = settings.tls.map(|(certificate, key)| TlsFiles {
        certificate,
        key,
        client_ca: settings.tls_client_ca,
    });
    let tls = files.map(Tls::new).transpose().map_err(Failure::config)?;
    let mut options = ClusterOptions::new(settings.contact_points);
    let user = settings.user.map(|(name, file)| PasswordFile::read(&name, &file));
    let user = user.transpose().map_err(Failure::config)?;
    options.user = user.as_ref().map(|user| Credentials::new(user.role(), user.password()));
    options.local_dc = settings.local_dc;
    options.local_rack = settings.local_rack;
    options.compresses = settings.upstream_compression == UpstreamCompression::Lz4;
    // The rest is for clients, of which there may be as many on either port.
    let files = open_files.and_then(|files| usize::try_from(files / 4).ok()).unwrap_or(usize::MAX);
    options.max_links = options.max_links.min(files).max(1);
    let upstream_tls = settings.upstream_tls.map(UpstreamTls::new).transpose().map_err(Failure::config)?;
    options.tls = upstream_tls.as_ref().map(|tls| TlsConfigs {
        own: tls.own(),
        nameless: tls.nameless(),
        roles: tls.roles(),
    });
    let upstream = tokio::select! {
        upstream = Upstream::connect(options) => upstream?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };

    let authenticated = upstream.is_required();
    if !authenticated && (settings.security.jwt.is_some() || !settings.security.certificates.is_empty()) {
        return Err(Failure::config(
            "jwt and certificates stand for roles, and this cluster asks nobody to log in: whoever reaches it may do \
             everything, whatever they show; turn on its authentication",
        ));
    }
    if !authenticated && !settings.cors_origins.is_empty() {
        return Err(Failure::config(ORIGINS_NEED_LOG_INS));
    }
    let not_listening =
        |error| Failure::listening(&error, "have the cluster ask for log-ins (its `authenticator`)");
    let listen_on = |address| ListenOptions { authenticated, ..ListenOptions::new(address) };
    let cql = CqlListener::bind(listen_on(settings.cql), tls.as_ref().map(Tls::for_cql)).await;
    let cql = cql.map_err(not_listening)?;
    let http = HttpListener::bind(listen_on(settings.http), tls.as_ref().map(Tls::for_http)).await;
    let http = http.map_err(not_listening)?;
    let (cql_at, http_at) = (cql.address().map_err(Failure::io)?, http.address().map_err(Failure::io)?);

    upstream.appear_as(settings.advertise.unwrap_or(cql_at), settings.peers).await;

    // Readiness goes first: whoever sends clients here is to notice before any is sent away.
    let (leave, leaving) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let is_alone = settings.security.token_keys.is_none();
    let mut guards = Guards::open(settings.security, Arc::new(upstream.clone()), None, &stopping).await?;
    if authenticated && is_alone {
        tracing::warn!(
            "tokens are good on this gateway alone, until it ends; give all gateways the same keys with --token-keys"
        );
    }
    let service = Service::forwarding(
        Limited::around(Arc::new(upstream.clone()), guards.limits.clone()),
        Arc::clone(&guards.login),
        Options::default(),
    );
    let of_cql = Arc::<Requests>::default();
    let traces = Traces::open(settings.traces)?;
    let nodes = Arc::<Nodes>::default();
    let over = Oversight {
        api: "cql",
        requests: Arc::clone(&of_cql),
        nodes: Some(Arc::clone(&nodes)),
        // They stand before the service.
        limits: None,
        spans: traces.statements("cql", SpanKind::Server),
        slow: settings.slow,
    };
    upstream.watch(Arc::new(Forwarded::new(over)));
    // Weak: metrics must not keep the service from going.
    let counted = Arc::downgrade(&service);
    // Frames need nothing of what the other APIs have to read first.
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(cql.serve(service, stopping.clone()));
    let access = Arc::clone(&guards.access);
    let options = StoreOptions { speculate_after: settings.speculate_after, ..StoreOptions::default() };
    let store = ClusterStore::open(&upstream, options, Arc::clone(&access) as _).await;
    let store = store.map_err(|error| Failure::in_store("the cluster's schema cannot be read", &error))?;
    let speaks_tls = tls.is_some();
    let parts = front::Parts {
        checks: checks(upstream.clone(), store.clone()),
        figures: figures::of_gateway(upstream.clone(), store.clone(), counted),
        of_cql,
        nodes: Some(nodes),
        slow: settings.slow,
        limits: guards.limits.clone(),
        traces: &traces,
        statements: SpanKind::Client,
        access,
        console: ConsoleOptions {
            started,
            facts: vec![
                ("Ilium", VERSION.to_owned()),
                ("In front of", store.capabilities().to_string()),
                ("CQL", cql_at.to_string()),
                ("HTTP", http_at.to_string()),
                ("TLS", if speaks_tls { "on both ports" } else { "off" }.to_owned()),
                ("Log in", if authenticated { "at the cluster" } else { "not needed" }.to_owned()),
            ],
            speaks_tls,
        },
        cors_origins: settings.cors_origins,
        stopping: leaving,
        store: Arc::new(store),
    };
    let front = front::of(parts)?;

    serving.spawn(http.serve(front, HttpOptions::default(), stopping.clone()));
    guards.keep_up(&mut serving);
    if let Some(user) = user {
        let (stopping, upstream) = (stopping.clone(), upstream.clone());
        serving.spawn(async move {
            let give = |password: Arc<str>| {
                let upstream = upstream.clone();
                async move { upstream.change_password(&password).await }
            };
            user.renew(stopping, give).await;
        });
    }
    if let Some(tls) = upstream_tls {
        let stopping = stopping.clone();
        serving.spawn(async move { tls.renew(stopping).await });
    }
    if let Some(tls) = tls {
        serving.spawn(async move { tls.renew(stopping).await });
    }
    if let Err(error) = announce(upstream.name(), cql_at, http_at, started) {
        // Nobody reads; that is no reason not to serve.
        tracing::warn!(%error, "cannot say where it listens");
    }
    let mut told = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    told().await;
    let asked = Instant::now();
    leave.send_replace(true);
    let seconds = settings.drain_wait.as_secs();
    tracing::info!(drain_wait = seconds, "told to stop: /health/ready answers 503 from now on");
    tokio::select! {
        () = tokio::time::sleep(settings.drain_wait) => {}
        () = told() => tracing::info!("told again: connections are drained now"),
    }
    stop.send_replace(true);
    loop {
        let ended = tokio::select! {
            ended = serving.join_next() => ended,
            () = told() => {
                tracing::warn!("told again: connections are cut");
                serving.shutdown().await;
                break;
            }
        };
        let Some(ended) = ended else { break };
        ended.map_err(Failure::io)?;
    }
    traces.end().await;
    tracing::info!(milliseconds = asked.elapsed().as_millis() as u64, "stopped");
    Ok(())
}

/// Whether there is a cluster to ask, and what it is and can do.
fn checks(upstream: Upstream, store: ClusterStore) -> Checks {
    Arc::new(move || {
        let reachable = upstream.check();
        let passes = reachable.is_ok();
        let capabilities = store.capabilities();
        let reason = match reachable {
            Ok(reachable) => format!("{reachable}: {capabilities}"),
            Err(error) => error.message,
        };
        vec![Check { name: "cluster", passes, reason }]
    })
}

/// Says where it listens. Whoever starts it as a child reads the first two lines.
fn announce(cluster: &str, cql: SocketAddr, http: SocketAddr, started: Instant) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "CQL on {cql} after {} ms, in front of the cluster {cluster}",
        started.elapsed().as_millis()
    )?;
    writeln!(out, "HTTP on {http}: console, REST, health, metrics")?;
    out.flush()
}
