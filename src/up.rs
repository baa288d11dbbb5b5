//! `ilium up`: the embedded engine behind the CQL API.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_embedded::{Engine, EngineOptions, storage};
use ilium_native::{Options, Service};
use ilium_server::{CqlListener, ListenOptions, TlsFiles};
use ilium_store::DataStore;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Durability, Settings};
use crate::exit::Failure;
use crate::node::Node;
use crate::{logging, script, settings_table};

/// Cassandra's `commitlog_sync_period`.
const SYNC_EVERY: Duration = Duration::from_secs(10);

pub fn run(settings: Settings) -> Result<(), Failure> {
    let started = Instant::now();
    logging::start();
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

    let speaks_tls = settings.tls.is_some();
    let tls = settings
        .tls
        .map(|(certificate, key)| ilium_server::server_config(&TlsFiles { certificate, key }))
        .transpose()
        .map_err(Failure::config)?;
    let (listen, limits) = (ListenOptions::new(settings.cql), Options::default());
    let listener = CqlListener::bind(listen.clone(), tls).await.map_err(Failure::unavailable)?;
    let address = listener.address().map_err(Failure::io)?;

    let mut options = EngineOptions::new(settings.data.clone(), Box::new(()), Handle::current());
    options.datacenter = settings.dc;
    options.storage.durability = match settings.durability {
        Durability::Group => storage::Durability::Group,
        Durability::Periodic => storage::Durability::Periodic { every: SYNC_EVERY },
    };
    let node = Node::at(address, settings_table::settings(&options, &listen, &limits, speaks_tls));
    options.live = Box::new(node.clone());
    let opened = tokio::task::spawn_blocking(move || Engine::open(options)).await;
    let engine = opened.map_err(Failure::io)?.map_err(Failure::io)?;
    let store: Arc<dyn DataStore> = Arc::new(engine.clone());
    if let Some(path) = &settings.init
        && engine.is_new()
    {
        script::run(&*store, path).await?;
    }

    let (stop, stopping) = watch::channel(false);
    let service = Service::new(store, limits);
    node.serves(&service);
    let serving = tokio::spawn(listener.serve(service, stopping));
    if let Err(error) = announce(&settings.data, address, speaks_tls, started) {
        // Nobody reads; that is no reason not to serve.
        tracing::warn!(%error, "cannot say where it listens");
    }

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.send_replace(true);
    serving.await.map_err(Failure::io)?;
    Ok(())
}

/// Says where it listens and what to try. Whoever starts it as a child reads the first line.
fn announce(
    data: &Option<std::path::PathBuf>,
    address: std::net::SocketAddr,
    speaks_tls: bool,
    started: Instant,
) -> io::Result<()> {
    let kept = match data {
        Some(folder) => format!("data in {}", folder.display()),
        None => "data in memory, gone at the end".to_owned(),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "CQL on {address} after {} ms, {kept}", started.elapsed().as_millis())?;
    let how = if speaks_tls { "--ssl " } else { "" };
    writeln!(out, "Try:  cqlsh {how}{} {}        Stop: Ctrl-C", address.ip(), address.port())?;
    out.flush()
}
