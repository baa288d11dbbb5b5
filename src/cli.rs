//! The command line as it is written; `config` makes settings of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::gateway::UpstreamCompression;
use crate::config::up::Durability;

/// Of the package, and the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("ILIUM_COMMIT"), ")");

/// Apache Cassandra's data model and APIs, on a laptop and in front of a cluster.
#[derive(Debug, Parser)]
#[command(name = "ilium", version = VERSION, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an embedded database with the CQL and REST APIs, on this machine alone
    Up(Box<UpFlags>),
    /// Serve the same APIs in front of a running Cassandra or ScyllaDB cluster
    Gateway(Box<GatewayFlags>),
}

/// Every flag may also be an environment variable or a key of the configuration file; a flag wins over a variable, a
/// variable over the file.
#[derive(Debug, Default, Args)]
pub struct UpFlags {
    /// Folder that keeps the data; made if absent [default: ./ilium-data]
    #[arg(long, value_name = "DIR", env = "ILIUM_DATA")]
    pub data: Option<PathBuf>,
    /// Keep everything in memory, and nothing after the end
    #[arg(long, env = "ILIUM_IN_MEMORY", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub in_memory: Option<bool>,
    /// Clients must log in, with a password or a certificate; the first start makes a superuser and says where its password is
    #[arg(long, env = "ILIUM_AUTH", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub auth: Option<bool>,
    #[command(flatten)]
    pub shared: SharedFlags,
    /// When a write is acknowledged: after it is on disk (group), or before, synced every 10 s (periodic) [default: group]
    #[arg(long, value_name = "WHEN", env = "ILIUM_DURABILITY")]
    pub durability: Option<Durability>,
    /// Name of the data centre that drivers see [default: datacenter1]
    #[arg(long, value_name = "NAME", env = "ILIUM_DC")]
    pub dc: Option<String>,
    /// CQL statements to run at the first start of a folder
    #[arg(long, value_name = "FILE.cql", env = "ILIUM_INIT")]
    pub init: Option<PathBuf>,
}

/// Every flag may also be an environment variable or a key of the configuration file; a flag wins over a variable, a
/// variable over the file.
#[derive(Debug, Default, Args)]
pub struct GatewayFlags {
    /// Nodes of the cluster to find it by, comma-separated; one that answers is enough [default port: 9042]
    #[arg(long, value_name = "HOST[:PORT],...", env = "ILIUM_CONTACT_POINTS", value_delimiter = ',')]
    pub contact_points: Option<Vec<String>>,
    #[command(flatten)]
    pub shared: SharedFlags,
    /// Under which address clients reach this gateway, and drivers find it in system.local [default: that of --cql]
    #[arg(long, value_name = "ADDR:PORT", env = "ILIUM_ADVERTISE")]
    pub advertise: Option<SocketAddr>,
    /// The gateways beside this one, which drivers find in system.peers, comma-separated; a name may stand for several, as
    /// that of a headless service does [default port: 9042]
    #[arg(long, value_name = "HOST[:PORT],...", env = "ILIUM_PEERS", value_delimiter = ',')]
    pub peers: Option<Vec<String>>,
    /// The gateway's own role, where the cluster asks for a log-in; clients log in as themselves
    #[arg(long, value_name = "NAME", env = "ILIUM_USER")]
    pub user: Option<String>,
    /// File with that role's password
    #[arg(long, value_name = "FILE", env = "ILIUM_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// The data centre whose nodes are asked; others only when none of it can be reached [default: the contact point's]
    #[arg(long, value_name = "NAME", env = "ILIUM_LOCAL_DC")]
    pub local_dc: Option<String>,
    /// The rack whose replicas are asked first
    #[arg(long, value_name = "NAME", env = "ILIUM_LOCAL_RACK")]
    pub local_rack: Option<String>,
    /// How long to serve on after SIGTERM, while /health/ready says no, before connections are drained [default: 0]
    #[arg(long, value_name = "SECONDS", env = "ILIUM_DRAIN_WAIT")]
    pub drain_wait: Option<u64>,
    /// Ask a second node for what REST or the console waits for, after so many milliseconds; only what gives the same when
    /// it is done twice [default: never]
    #[arg(long, value_name = "MILLISECONDS", env = "ILIUM_SPECULATE_AFTER")]
    pub speculate_after: Option<u64>,
    /// Whether what goes to the nodes and comes from them is compressed: none or lz4 [default: none]
    #[arg(long, value_name = "METHOD", env = "ILIUM_UPSTREAM_COMPRESSION")]
    pub upstream_compression: Option<UpstreamCompression>,
    /// PEM file with the authorities of the nodes' certificates: the cluster is spoken to over TLS
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_UPSTREAM_TLS_CA")]
    pub upstream_tls_ca: Option<PathBuf>,
    /// PEM file with the certificate chain the gateway shows to the nodes; needs --upstream-tls-key
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_UPSTREAM_TLS_CERTIFICATE")]
    pub upstream_tls_certificate: Option<PathBuf>,
    /// PEM file with that certificate's private key
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_UPSTREAM_TLS_KEY")]
    pub upstream_tls_key: Option<PathBuf>,
    /// The name every node's certificate must be for [default: each its own address]
    #[arg(long, value_name = "NAME", env = "ILIUM_UPSTREAM_TLS_NAME")]
    pub upstream_tls_name: Option<String>,
}

/// What every command has that serves the APIs.
#[derive(Debug, Default, Args)]
pub struct SharedFlags {
    /// Where the CQL API listens; port 0 takes a free one [default: 127.0.0.1:9042]
    #[arg(long, value_name = "ADDR:PORT", env = "ILIUM_CQL")]
    pub cql: Option<SocketAddr>,
    /// Where the HTTP APIs listen: console, REST, health, metrics; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT", env = "ILIUM_HTTP")]
    pub http: Option<SocketAddr>,
    /// PEM file with the certificate chain for TLS on both ports; needs --tls-key
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key for TLS
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// PEM file with the authorities whose client certificates are accepted; a certificate's identity stands for a role, by the
    /// configuration file's `certificates` (of `up` by ADD IDENTITY, too). Needs --tls-certificate, and callers that log in
    #[arg(long, value_name = "FILE.pem", env = "ILIUM_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Web origins whose pages may call the HTTP APIs, as https://app.example, comma-separated; * for any. Needs callers that
    /// log in
    #[arg(long, value_name = "ORIGIN,...", env = "ILIUM_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// File with the keys that seal tokens, one of 64 hexadecimal digits a line; the first seals, any opens. Read again when it
    /// changes. Gateways side by side need the same [default: keys of its own]
    #[arg(long, value_name = "FILE", env = "ILIUM_TOKEN_KEYS")]
    pub token_keys: Option<PathBuf>,
    /// Log statements that take so many milliseconds or more, without their values [default: none is logged]
    #[arg(long, value_name = "MILLISECONDS", env = "ILIUM_SLOW")]
    pub slow: Option<u64>,
    /// Send traces to this OpenTelemetry collector, as http://collector:4318; OpenTelemetry's own variables
    /// (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, ...) say the rest [default: nothing is traced]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Configuration file (YAML)
    #[arg(long, value_name = "FILE", env = "ILIUM_CONFIG")]
    pub config: Option<PathBuf>,
}
