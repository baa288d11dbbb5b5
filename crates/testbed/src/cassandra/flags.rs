//! The configuration and the command line of a Cassandra on Java 17.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::jars::Jars;
use super::{Certificates, Options, Tls};

/// Where in a ring a node is, and where it listens.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) ip: IpAddr,
    /// Where clients are told to find it, if that is not the same.
    pub(super) advertised: Option<IpAddr>,
    pub(super) cql: u16,
    pub(super) gossip: u16,
    /// Every node of the ring: none waits for another to begin.
    pub(super) seeds: Vec<IpAddr>,
    pub(super) token: i64,
    /// Its data centre and rack, unless the snitch is to be the one that knows neither.
    pub(super) place: Option<Place>,
}

/// A data centre and a rack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub datacenter: String,
    pub rack: String,
}

impl Default for Place {
    /// As Cassandra calls them where nobody names them.
    fn default() -> Place {
        Place { datacenter: "datacenter1".to_owned(), rack: "rack1".to_owned() }
    }
}

/// Errors and warnings to a file; the rest would only cost time.
pub(super) const LOGBACK: &str = r#"<configuration>
 <appender name="F" class="ch.qos.logback.core.FileAppender">
  <file>${cassandra.logdir}/system.log</file>
  <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
 </appender>
 <root level="WARN"><appender-ref ref="F"/></root>
</configuration>
"#;

/// Needed by Cassandra 5.0 on Java 17 (its `jvm17-server.options`).
const EXPORTS: [&str; 10] = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
    "jdk.attach/sun.tools.attach",
];

const OPENS: [&str; 17] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
];

/// An archive of loaded classes made with a Java agent needs these when it is made and when it is used.
pub(super) const ARCHIVE_WITH_AGENT: [&str; 2] =
    ["-XX:+UnlockDiagnosticVMOptions", "-XX:+AllowArchivingWithJavaAgent"];

/// cassandra.yaml: the four settings that Cassandra refuses to start without, the addresses, the options.
pub(super) fn yaml(options: &Options, seat: &Seat, certificates: Option<&Certificates>) -> String {
    let release = options.release;
    let Seat { ip, cql, gossip, token, .. } = seat;
    let seeds: Vec<String> = seat.seeds.iter().map(|ip| format!("{ip}:{gossip}")).collect();
    let snitch = if seat.place.is_some() { "GossipingPropertyFileSnitch" } else { "SimpleSnitch" };
    let mut lines = vec![
        "cluster_name: Test Cluster".to_owned(),
        "partitioner: org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
        format!("endpoint_snitch: {snitch}"),
        "seed_provider:".to_owned(),
        "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider".to_owned(),
        format!("    parameters: [{{seeds: \"{}\"}}]", seeds.join(",")),
        format!("listen_address: {ip}"),
        format!("storage_port: {gossip}"),
        format!("rpc_address: {ip}"),
        format!("native_transport_port: {cql}"),
        "num_tokens: 1".to_owned(),
        format!("initial_token: \"{token}\""),
        // A snapshot before each DROP and TRUNCATE is of no use here and takes most of their time.
        "auto_snapshot: false".to_owned(),
    ];
    // Cassandra refuses to start with a period beside `batch`.
    lines.push(if options.batch_sync {
        "commitlog_sync: batch".to_owned()
    } else {
        format!("commitlog_sync: periodic\n{}", release.milliseconds("commitlog_sync_period", 10_000))
    });
    if options.quick {
        lines.push("auto_bootstrap: false".to_owned());
    }
    if options.views {
        lines.push(release.enabled("materialized_views"));
    }
    if options.functions {
        lines.push(release.enabled("user_defined_functions"));
    }
    if options.sasi {
        lines.push(release.enabled("sasi_indexes"));
    }
    if options.login {
        lines.push(match options.identities {
            false => "authenticator: PasswordAuthenticator".to_owned(),
            true => "authenticator:\n  class_name: MutualTlsWithPasswordFallbackAuthenticator\n  parameters:\n    \
                     validator_class_name: org.apache.cassandra.auth.SpiffeCertificateValidator"
                .to_owned(),
        });
        lines.push("authorizer: CassandraAuthorizer".to_owned());
        // Each time anew: nothing is kept in a cache.
        let kept = ["permissions_validity", "roles_validity", "credentials_validity"];
        lines.extend(kept.map(|setting| release.milliseconds(setting, 0)));
    }
    if let Some(certificates) = certificates {
        let mutual = options.tls == Tls::Mutual || options.identities;
        lines.extend([
            "client_encryption_options:".to_owned(),
            "  enabled: true".to_owned(),
            // Then clients without TLS are served, too.
            format!("  optional: {}", options.identities),
            format!("  require_client_auth: {mutual}"),
            format!("  keystore: {}", certificates.keystore().display()),
            format!("  truststore: {}", certificates.authority().display()),
            "  ssl_context_factory:".to_owned(),
            "    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory".to_owned(),
        ]);
    }
    if let Some(advertised) = seat.advertised {
        lines.push(format!("broadcast_rpc_address: {advertised}"));
    }
    lines.push(options.yaml.clone());
    lines.join("\n") + "\n"
}

/// What the snitch reads of a node's place.
pub(super) fn rackdc(place: &Place) -> String {
    format!("dc={}\nrack={}\n", place.datacenter, place.rack)
}

/// The program and its flags, all but the class path and main class.
pub(super) fn program(jars: &Jars, options: &Options, folder: &Path) -> (PathBuf, Vec<String>) {
    let mut args: Vec<String> = Vec::new();
    args.extend(modules());
    let heap = options.heap;
    args.extend([format!("-Xms{heap}M"), format!("-Xmx{heap}M"), "-Xss256k".to_owned()]);
    let properties = [
        ("java.io.tmpdir", folder.join("tmp").display().to_string()),
        ("cassandra.config", format!("file://{}", folder.join("cassandra.yaml").display())),
        ("cassandra.storagedir", folder.join("data").display().to_string()),
        ("cassandra.logdir", folder.join("log").display().to_string()),
        ("logback.configurationFile", format!("file://{}", folder.join("logback.xml").display())),
        ("cassandra-rackdc.properties", format!("file://{}", folder.join("rackdc.properties").display())),
        ("jdk.attach.allowAttachSelf", "true".to_owned()),
        ("io.netty.tryReflectionSetAccessible", "true".to_owned()),
        ("java.net.preferIPv4Stack", "true".to_owned()),
        ("cassandra-foreground", "yes".to_owned()),
    ];
    args.extend(properties.iter().map(|(key, value)| format!("-D{key}={value}")));
    args.push(format!("-javaagent:{}", jars.agent.display()));
    args.push("-XX:+ExitOnOutOfMemoryError".to_owned());
    if options.quick {
        let quick = [
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dcassandra.ring_delay_ms=1000",
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-Dcassandra.shutdown_announce_in_ms=0",
            // Otherwise measured at every start, which takes most of a second.
            "-Dcassandra.memtable.row_overhead_size=180",
        ];
        args.extend(quick.map(str::to_owned));
    } else {
        args.push("-XX:+UseG1GC".to_owned());
    }
    if options.throwaway {
        args.push("-Dcassandra.unsafesystem=true".to_owned());
        args.push("-Dcassandra.skip_sync=true".to_owned());
    }
    if options.login {
        // Passwords are hashed, compared and changed again and again: with the fewest rounds, and without a pause.
        args.push("-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4".to_owned());
        args.push("-Dcassandra.role_password_update_min_interval_in_ms=0".to_owned());
    }
    if let (Some(archive), true) = (&jars.archive, options.quick) {
        args.push(format!("-XX:SharedArchiveFile={}", archive.display()));
        args.extend(ARCHIVE_WITH_AGENT.map(str::to_owned));
    }
    args.extend(options.java.iter().cloned());
    // As root Cassandra locks all of its heap into memory; without the capability it cannot.
    match &jars.setpriv {
        Some(setpriv) => {
            let mut wrapped = vec!["--bounding-set=-ipc_lock".to_owned(), jars.java.display().to_string()];
            wrapped.extend(args);
            (setpriv.clone(), wrapped)
        }
        None => (jars.java.clone(), args),
    }
}

/// The class path and the main class. Every jar by name and in order: an archive of loaded classes is used only
/// where the class path is the one it was made with.
pub(super) fn main_class(jars: &Jars) -> Vec<String> {
    vec!["-cp".to_owned(), class_path(jars), "org.apache.cassandra.service.CassandraDaemon".to_owned()]
}

/// Java's arguments for nodetool, short of the command it is to send to the JMX port.
pub(super) fn nodetool(jars: &Jars, folder: &Path, port: u16) -> Vec<String> {
    let args = [
        "-Xmx128M".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        // It writes a history there.
        format!("-Duser.home={}", folder.display()),
        format!("-Dlogback.configurationFile=file://{}", folder.join("logback.xml").display()),
        format!("-Dcassandra.logdir={}", folder.join("tmp").display()),
        "-cp".to_owned(),
        class_path(jars),
        "org.apache.cassandra.tools.NodeTool".to_owned(),
        "-p".to_owned(),
        port.to_string(),
    ];
    modules().chain(args).collect()
}

/// What Cassandra's classes use of Java's own.
fn modules() -> impl Iterator<Item = String> {
    let exports = EXPORTS.iter().map(|m| format!("--add-exports={m}=ALL-UNNAMED"));
    exports.chain(OPENS.iter().map(|m| format!("--add-opens={m}=ALL-UNNAMED")))
}

fn class_path(jars: &Jars) -> String {
    jars.jars.iter().map(|j| j.display().to_string()).collect::<Vec<_>>().join(":")
}
