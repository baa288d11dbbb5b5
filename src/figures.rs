//! What `/metrics` and `/health/ready` say of the engine and the CQL API.

use std::sync::{Arc, Weak};

use ilium_cluster::{ClusterStore, Stats, Upstream};
use ilium_embedded::Engine;
use ilium_native::Service;
use ilium_server::metrics::{Figure, FigureUnit, FigureValue, Figures};
use ilium_server::{Check, Checks, Limits};

/// Of storage, cache and the CQL API.
pub fn of(engine: Engine, service: &Arc<Service>) -> Figures {
    // Weak: metrics must not keep the service from going.
    let service = Arc::downgrade(service);
    Box::new(move || {
        let mut figures = of_storage(&engine);
        if let Some(service) = service.upgrade() {
            let value = FigureValue::Gauge(service.prepared_count() as f64);
            let (name, help) = ("cql_prepared_statements", "Statements kept prepared");
            figures.push(Figure { name, help, unit: None, value });
        }
        figures.extend(of_cql(&service));
        figures
    })
}

/// Of the cluster and the CQL API in front of it.
pub fn of_gateway(upstream: Upstream, store: ClusterStore, service: Weak<Service>) -> Figures {
    Box::new(move || {
        let mut figures = of_upstream(upstream.stats(), store.prepared_count());
        if let Some(service) = service.upgrade() {
            let (name, help) = ("cql_unread", "Bytes that the cluster answered and clients have not read");
            let value = FigureValue::Gauge(service.bytes_unread() as f64);
            figures.push(Figure { name, help, unit: Some(FigureUnit::Bytes), value });
        }
        figures.extend(of_cql(&service));
        figures
    })
}

/// Of what REST keeps, and of the limits of all APIs.
pub fn of_http(rest: &ilium_rest::Api, limits: Option<&Limits>) -> [Figure; 4] {
    let figure = |name, help, value| Figure { name, help, unit: None, value };
    let gauge = |name, help, value: usize| figure(name, help, FigureValue::Gauge(value as f64));
    let refused = FigureValue::Counter(limits.map_or(0, Limits::refused));
    [
        gauge("rest_prepared_statements", "Shapes of calls kept with their statement", rest.prepared_count()),
        gauge(
            "limits_accounts",
            "Roles and addresses that are remembered",
            limits.map_or(0, Limits::accounts),
        ),
        gauge(
            "limits_in_flight",
            "Requests that may be in flight over all roles at this moment",
            limits.and_then(Limits::shared_limit).unwrap_or_default(),
        ),
        figure("limits_refused", "Requests and log-ins that a limit refused", refused),
    ]
}

fn of_upstream(stats: Stats, own_prepared: usize) -> Vec<Figure> {
    let gauge =
        |name, help, value: usize| Figure { name, help, unit: None, value: FigureValue::Gauge(value as f64) };
    vec![
        gauge("upstream_nodes", "Nodes of the cluster, as it tells", stats.nodes),
        gauge(
            "upstream_nodes_connected",
            "Nodes that the gateway's own session has connections to",
            stats.connected,
        ),
        gauge(
            "upstream_sessions",
            "Roles, versions and keyspaces that connections are kept for",
            stats.sessions,
        ),
        gauge("upstream_connections", "Connections to nodes", stats.links),
        gauge("upstream_in_flight", "Requests that wait on connections to nodes", stats.in_flight),
        gauge("upstream_prepared_statements", "Statements remembered, to be prepared again", stats.prepared),
        gauge(
            "upstream_own_prepared_statements",
            "Statements of REST and the console that are kept prepared",
            own_prepared,
        ),
        gauge("upstream_logins", "Log-ins that the cluster accepted and that are remembered", stats.logins),
    ]
}

fn of_storage(engine: &Engine) -> Vec<Figure> {
    let stats = engine.storage_stats();
    let bytes = |name, help, value: u64| Figure {
        name,
        help,
        unit: Some(FigureUnit::Bytes),
        value: FigureValue::Gauge(value as f64),
    };
    let gauge =
        |name, help, value: u64| Figure { name, help, unit: None, value: FigureValue::Gauge(value as f64) };
    let counter =
        |name, help, value: u64| Figure { name, help, unit: None, value: FigureValue::Counter(value) };
    vec![
        bytes("storage_memory", "New writes in memory, those being flushed included", stats.memory_bytes),
        gauge("storage_memory_entries", "Entries among the new writes in memory", stats.memory_entries),
        bytes("storage_queued", "Batches that wait for the committer", stats.queued_bytes),
        gauge("storage_runs", "Sorted runs a read may have to look into", stats.runs),
        gauge("storage_tables", "Table files", stats.tables),
        bytes("storage_tables", "Bytes of the table files", stats.table_bytes),
        gauge("storage_table_entries", "Entries in the table files", stats.table_entries),
        bytes("storage_cache", "Blocks of table files in memory", stats.cache_bytes),
        counter("storage_cache_hits", "Blocks that were found in memory", stats.cache_hits),
        counter("storage_cache_misses", "Blocks that had to be read", stats.cache_misses),
    ]
}

fn of_cql(service: &Weak<Service>) -> Vec<Figure> {
    let Some(service) = service.upgrade() else { return Vec::new() };
    let bytes = |name, help, value: u64| Figure {
        name,
        help,
        unit: Some(FigureUnit::Bytes),
        value: FigureValue::Counter(value),
    };
    let gauge =
        |name, help, value: usize| Figure { name, help, unit: None, value: FigureValue::Gauge(value as f64) };
    vec![
        gauge("cql_connections", "Clients of the CQL API", service.clients().list().len()),
        Figure {
            name: "cql_requests",
            help: "Messages of the CQL API, of every kind",
            unit: None,
            value: FigureValue::Counter(service.clients().requests()),
        },
        bytes("cql_received", "Bytes of frames that came in", service.bytes_received()),
        bytes("cql_sent", "Bytes of frames that went out", service.bytes_sent()),
        Figure {
            name: "cql_arriving",
            help: "Bytes of CQL messages that are arriving",
            unit: Some(FigureUnit::Bytes),
            value: FigureValue::Gauge(service.bytes_arriving() as f64),
        },
    ]
}

/// What must hold for the engine to take requests.
pub fn checks(engine: Engine) -> Checks {
    Arc::new(move || {
        let writable = engine.check_writable();
        let reason = match &writable {
            Ok(()) => "reads and writes are taken".to_owned(),
            Err(error) => error.to_string(),
        };
        vec![Check { name: "storage", passes: writable.is_ok(), reason }]
    })
}
