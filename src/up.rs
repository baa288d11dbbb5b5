//! `ilium up`: the embedded engine behind every API.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_console::Options as ConsoleOptions;
use ilium_embedded::{Engine, EngineOptions, storage};
use ilium_native::{Options, Service};
use ilium_server::metrics::Requests;
use ilium_server::{
    CqlListener, HttpListener, HttpOptions, ListenOptions, Measured, Oversight, SpanKind, Tls, TlsFiles,
};
use ilium_store::DataStore;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::VERSION;
use crate::config::up::{Durability, Settings};
use crate::config::variables::warn_of_misspelled;
use crate::exit::Failure;
use crate::node::Node;
use crate::security::Guards;
use crate::superuser_file::SuperuserFile;
use crate::traces::Traces;
use crate::{figures, front, logging, open_files, script, settings_table};

/// Cassandra's `commitlog_sync_period`.
const SYNC_EVERY: Duration = Duration::from_secs(10);

pub fn run(settings: Settings) -> Result<(), Failure> {
    let started = Instant::now();
    logging::start(settings.auth)?;
    warn_of_misspelled();
    open_files::raise();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start threads: {error}")))?;
    let served = runtime.block_on(serve(settings, started));
    // Work that outlived its connection has nobody to answer to.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serve(settings: Settings, started: Instant) -> Result<(), Failure> {
    // Before anything is announced: whoever reads the first line may answer it with a signal.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io)?;

    let client_ca = settings.tls_client_ca.clone();
    let files = settings.tls.clone().map(|(certificate, key)| TlsFiles { certificate, key, client_ca });
    let tls = files.map(Tls::new);
    let tls = tls.transpose().map_err(Failure::config)?;
    let not_listening = |error| Failure::listening(&error, "use --auth");
    let listen_on = |address| ListenOptions { authenticated: settings.auth, ..ListenOptions::new(address) };
    let (listen, limits) = (listen_on(settings.cql), Options::default());
    let cql = CqlListener::bind(listen.clone(), tls.as_ref().map(Tls::for_cql)).await;
    let cql = cql.map_err(not_listening)?;
    let http = HttpListener::bind(listen_on(settings.http), tls.as_ref().map(Tls::for_http)).await;
    let http = http.map_err(not_listening)?;
    let addresses = Addresses {
        cql: cql.address().map_err(Failure::io)?,
        http: http.address().map_err(Failure::io)?,
        speaks_tls: tls.is_some(),
    };

    let mut options = EngineOptions::new(settings.data.clone(), Box::new(()), Handle::current());
    let facts = facts(&settings, &addresses);
    options.datacenter = settings.dc;
    options.storage.durability = match settings.durability {
        Durability::Group => storage::Durability::Group,
        Durability::Periodic => storage::Durability::Periodic { every: SYNC_EVERY },
    };
    let superuser = settings.auth.then(|| SuperuserFile::of(settings.data.as_deref())).transpose();
    let superuser = superuser.map_err(Failure::io)?;
    options.login = superuser.as_ref().map(SuperuserFile::login);
    let node =
        Node::at(addresses.cql, settings_table::settings(&options, &listen, &limits, addresses.speaks_tls));
    options.live = Box::new(node.clone());
    let opened = tokio::task::spawn_blocking(move || Engine::open(options)).await;
    let engine = opened.map_err(Failure::io)??;
    let made_superuser = engine.made_superuser();
    let store: Arc<dyn DataStore> = Arc::new(engine.clone());
    if let Some(path) = &settings.init
        && engine.is_new()
    {
        script::run(&*store, path).await?;
    }

    let (stop, stopping) = watch::channel(false);
    let of_cql = Arc::<Requests>::default();
    let key_file = settings.data.as_ref().map(|folder| folder.join("tokens.key"));
    let login = Arc::new(engine.clone());
    let mut guards = Guards::open(settings.security, login, key_file, &stopping).await?;
    let traces = Traces::open(settings.traces)?;
    let over = Oversight {
        api: "cql",
        requests: Arc::clone(&of_cql),
        nodes: None,
        limits: guards.limits.clone(),
        spans: traces.statements("cql", SpanKind::Server),
        slow: settings.slow,
    };
    let measured = Arc::new(Measured::new(Arc::clone(&store), over));
    let service = Service::new(measured, Arc::clone(&guards.login), limits);
    node.serves(&service);

    let parts = front::Parts {
        store,
        access: Arc::clone(&guards.access),
        of_cql,
        nodes: None,
        slow: settings.slow,
        limits: guards.limits.clone(),
        traces: &traces,
        statements: SpanKind::Internal,
        figures: figures::of(engine.clone(), &service),
        checks: figures::checks(engine),
        console: ConsoleOptions { started, facts, speaks_tls: addresses.speaks_tls },
        cors_origins: settings.cors_origins,
        stopping: stopping.clone(),
    };
    let front = front::of(parts)?;

    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(cql.serve(service, stopping.clone()));
    serving.spawn(http.serve(front, HttpOptions::default(), stopping.clone()));
    guards.keep_up(&mut serving);
    if let Some(tls) = tls {
        serving.spawn(async move { tls.renew(stopping).await });
    }
    let hint = superuser.as_ref().map(|superuser| made_superuser.then_some(superuser.path()));
    if let Err(error) = announce(&settings.data, &addresses, hint, started) {
        // Nobody reads; that is no reason not to serve.
        tracing::warn!(%error, "cannot say where it listens");
    }

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let asked = Instant::now();
    stop.send_replace(true);
    tracing::info!("told to stop: /health/ready answers 503 from now on");
    while let Some(ended) = serving.join_next().await {
        ended.map_err(Failure::io)?;
    }
    traces.end().await;
    tracing::info!(milliseconds = asked.elapsed().as_millis() as u64, "stopped");
    Ok(())
}

/// Where it listens.
struct Addresses {
    cql: SocketAddr,
    http: SocketAddr,
    speaks_tls: bool,
}

/// What the console shows of this process.
fn facts(settings: &Settings, addresses: &Addresses) -> Vec<(&'static str, String)> {
    let durability = match settings.durability {
        Durability::Group => "group: on disk before it is acknowledged".to_owned(),
        Durability::Periodic => format!("periodic: synced every {} s", SYNC_EVERY.as_secs()),
    };
    let (data, durability) = match &settings.data {
        Some(folder) => (folder.display().to_string(), durability),
        None => ("in memory, gone at the end".to_owned(), "none: in memory".to_owned()),
    };
    let tls = if addresses.speaks_tls { "on both ports" } else { "off" };
    let log_in = if settings.auth { "needed" } else { "not needed: this machine alone is served" };
    vec![
        ("Ilium", VERSION.to_owned()),
        ("Data centre", settings.dc.clone()),
        ("CQL", addresses.cql.to_string()),
        ("HTTP", addresses.http.to_string()),
        ("TLS", tls.to_owned()),
        ("Log in", log_in.to_owned()),
        ("Data", data),
        ("Durability", durability),
    ]
}

/// Says where it listens and what to try. Whoever starts it as a child reads the first two lines. Where callers log in,
/// `superuser` has the file of the first superuser, if this start made it: later the password may be another.
fn announce(
    data: &Option<PathBuf>,
    addresses: &Addresses,
    superuser: Option<Option<&Path>>,
    started: Instant,
) -> io::Result<()> {
    let kept = match data {
        Some(folder) => format!("data in {}", folder.display()),
        None => "data in memory, gone at the end".to_owned(),
    };
    let Addresses { cql, http, speaks_tls } = addresses;
    let (ssl, scheme) = if *speaks_tls { ("--ssl ", "https") } else { ("", "http") };
    let mut out = io::stdout().lock();
    writeln!(out, "CQL on {cql} after {} ms, {kept}", started.elapsed().as_millis())?;
    writeln!(out, "HTTP on {http}: console, REST, health, metrics")?;
    let (login, user) = match superuser {
        Some(None) => ("-u NAME ".to_owned(), "-u NAME "),
        Some(Some(file)) => {
            writeln!(out, "The first superuser and its password are in {}", file.display())?;
            // curl asks for the password.
            (format!("--credentials {} ", file.display()), "-u cassandra ")
        }
        None => (String::new(), ""),
    };
    writeln!(out, "Try:  cqlsh {ssl}{login}{} {}", cql.ip(), cql.port())?;
    writeln!(out, "      curl {user}{scheme}://{http}/v2/schemas/keyspaces        Stop: Ctrl-C")?;
    out.flush()
}
