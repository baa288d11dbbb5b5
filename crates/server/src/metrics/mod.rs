//! `/metrics`: what this process does, in the OpenMetrics text format that Prometheus reads.
//!
//! docs/metrics.md lists every metric with its type and unit; a test holds the list against what is served.

mod http;
mod latency;
mod nodes;
mod process;
mod requests;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

pub use http::HttpRequests;
pub use latency::Latency;
pub use nodes::{NodeFigures, Nodes};
pub(crate) use requests::class;
pub use requests::{Kind, Requests, RoleClass};

use process::Process;

/// A figure that somebody else keeps, asked for when metrics are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Without the prefix `ilium_` and the unit at the end.
    pub name: &'static str,
    pub help: &'static str,
    pub unit: Option<FigureUnit>,
    pub value: FigureValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureUnit {
    Bytes,
    Seconds,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FigureValue {
    /// Only grows.
    Counter(u64),
    Gauge(f64),
}

/// Gives the figures of the engine and the APIs; quick, and without the disk.
pub type Figures = Box<dyn Fn() -> Vec<Figure> + Send + Sync>;

/// Everything that is counted.
pub struct Metrics {
    /// Each API's name with its statements.
    pub apis: Vec<(&'static str, Arc<Requests>)>,
    /// What callers are: its series are there from the start, so that the first statement is a step from 0.
    pub callers: RoleClass,
    pub http: Arc<HttpRequests>,
    /// What the nodes of a cluster answered, where there is one.
    pub nodes: Option<Arc<Nodes>>,
    pub figures: Figures,
}

/// `GET /metrics`.
pub fn metrics_routes(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(serve)).with_state(metrics)
}

async fn serve(State(metrics): State<Arc<Metrics>>) -> Response {
    match text_of(metrics) {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn text_of(metrics: Arc<Metrics>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("ilium");
    registry.register_collector(Box::new(Reading(metrics)));
    let mut text = String::new();
    text::encode_registry(&mut text, &registry)?;
    let mut process = Registry::with_prefix("process");
    process.register_collector(Box::new(ProcessReading(Process::now())));
    let mut of_process = String::new();
    text::encode_registry(&mut of_process, &process)?;
    text::encode_eof(&mut of_process)?;
    Ok(text + &of_process)
}

struct Reading(Arc<Metrics>);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Collector for Reading {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &*self.0;
        let mut family = out.encode_descriptor(
            "statement_duration",
            "Time to a statement's answer",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (api, requests) in &metrics.apis {
            for (role, kind, latency) in requests.latencies(metrics.callers) {
                let labels = [("api", *api), ("kind", kind.name()), ("role_class", role.name())];
                encode_latency(family.encode_family(&labels)?, latency)?;
            }
        }
        let mut family = out.encode_descriptor(
            "statement_errors",
            "Statements that failed, by class",
            None,
            MetricType::Counter,
        )?;
        for (api, requests) in &metrics.apis {
            for (role, class, count) in requests.errors(metrics.callers) {
                let labels = [("api", *api), ("class", class), ("role_class", role.name())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = out.encode_descriptor(
            "statements_in_flight",
            "Statements that wait for their answer",
            None,
            MetricType::Gauge,
        )?;
        for (api, requests) in &metrics.apis {
            ConstGauge::new(requests.in_flight()).encode(family.encode_family(&[("api", *api)])?)?;
        }
        if let Some(nodes) = &metrics.nodes {
            encode_nodes(&mut out, nodes)?;
        }
        let http = &metrics.http;
        let mut family = out.encode_descriptor(
            "http_request_duration",
            "Time to the head of a response",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (method, latency) in http.latencies() {
            encode_latency(family.encode_family(&[("method", method)])?, latency)?;
        }
        let mut family = out.encode_descriptor(
            "http_responses",
            "Responses by class of status",
            None,
            MetricType::Counter,
        )?;
        for (status, count) in http.statuses() {
            ConstCounter::new(count).encode(family.encode_family(&[("status", status)])?)?;
        }
        let in_flight = Figure {
            name: "http_requests_in_flight",
            help: "Requests whose response has not begun",
            unit: None,
            value: FigureValue::Gauge(http.in_flight() as f64),
        };
        let bytes = |name, help, count| Figure {
            name,
            help,
            unit: Some(FigureUnit::Bytes),
            value: FigureValue::Counter(count),
        };
        let own = [
            in_flight,
            bytes("http_request", "Bytes of request bodies whose length was told", http.request_bytes()),
            bytes("http_response", "Bytes of response bodies that were made whole", http.response_bytes()),
        ];
        for figure in own.into_iter().chain((metrics.figures)()) {
            encode_figure(&mut out, &figure)?;
        }
        Ok(())
    }
}

/// What the nodes of a cluster answered.
fn encode_nodes(out: &mut DescriptorEncoder<'_>, nodes: &Nodes) -> fmt::Result {
    let nodes = nodes.list();
    let mut family = out.encode_descriptor(
        "upstream_statement_duration",
        "Time to the answer of a node of the cluster",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for (address, figures) in &nodes {
        encode_latency(family.encode_family(&[("node", address.to_string())])?, &figures.latency)?;
    }
    let mut family = out.encode_descriptor(
        "upstream_statement_errors",
        "Statements that a node of the cluster failed",
        None,
        MetricType::Counter,
    )?;
    for (address, figures) in &nodes {
        let labels = [("node", address.to_string())];
        ConstCounter::new(figures.errors()).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_latency(
    mut encoder: prometheus_client::encoding::MetricEncoder<'_>,
    latency: &Latency,
) -> fmt::Result {
    encoder.encode_histogram::<NoLabelSet>(latency.total(), latency.count(), &latency.buckets(), None)
}

fn encode_figure(out: &mut DescriptorEncoder<'_>, figure: &Figure) -> fmt::Result {
    let unit = figure.unit.map(|unit| match unit {
        FigureUnit::Bytes => Unit::Bytes,
        FigureUnit::Seconds => Unit::Seconds,
    });
    match figure.value {
        FigureValue::Counter(count) => {
            let counter = ConstCounter::new(count);
            counter.encode(out.encode_descriptor(
                figure.name,
                figure.help,
                unit.as_ref(),
                MetricType::Counter,
            )?)
        }
        FigureValue::Gauge(value) => {
            let gauge = ConstGauge::new(value);
            gauge.encode(out.encode_descriptor(figure.name, figure.help, unit.as_ref(), MetricType::Gauge)?)
        }
    }
}

#[derive(Debug)]
struct ProcessReading(Process);

impl Collector for ProcessReading {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let process = &self.0;
        if let Some(seconds) = process.cpu_seconds {
            let help = "CPU time of user and system";
            let family = out.encode_descriptor("cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
            ConstCounter::new(seconds).encode(family)?;
        }
        let gauges = [
            ("resident_memory", "Memory in RAM", Some(Unit::Bytes), process.resident_bytes),
            ("open_fds", "Open file descriptors", None, process.open_files),
            ("threads", "Threads", None, process.threads),
        ];
        for (name, help, unit, value) in gauges {
            if let Some(value) = value {
                let family = out.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
                ConstGauge::new(value).encode(family)?;
            }
        }
        Ok(())
    }
}
