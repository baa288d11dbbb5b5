//! The servers that are compared.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ilium_benches::client::Client;
use ilium_benches::measure::Target;
use ilium_benches::process::{self, Idle};
use ilium_benches::workload::{self, Statements};
use ilium_protocol::ProtocolVersion;
use ilium_testbed::cassandra;
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::cgroup::MemoryGroup;

/// Both speak it.
pub const VERSION: ProtocolVersion = ProtocolVersion::V5;

enum Process {
    Ilium { server: Ilium, folder: Folder },
    Cassandra(Box<Cassandra>),
}

pub struct Server {
    pub name: &'static str,
    process: Process,
    statements: Option<Arc<Statements>>,
    idle: Idle,
    /// After the process, which must have left it before it is removed.
    pub group: Option<MemoryGroup>,
}

/// The servers named by the flags, each in a memory group of so many bytes if given.
pub fn start(flags: &Flags, memory: Option<u64>) -> Result<Vec<Server>> {
    let idle = match memory {
        // What compaction has to do after a load of gigabytes takes minutes, with pauses.
        Some(_) => Idle { looks: 10, limit: Duration::from_secs(3600) },
        None => Idle { looks: 2, limit: Duration::from_secs(120) },
    };
    let group = |name| memory.map(|bytes| MemoryGroup::new(name, bytes)).transpose();
    let mut servers = Vec::new();
    let (name, group_of_ilium) = ("ilium", group("ilium")?);
    let process = within(group_of_ilium.as_ref(), || {
        let folder = Folder::new()?;
        let binary = std::path::absolute(&flags.ilium)?;
        let server = Ilium::start(&binary, &folder, &["--durability", &flags.durability])
            .with_context(|| format!("starting {}; build it with cargo build --release", binary.display()))?;
        Ok(Process::Ilium { server, folder })
    })?;
    servers.push(Server { name, process, statements: None, idle, group: group_of_ilium });
    if !flags.alone {
        let (name, group) = ("cassandra", group("cassandra")?);
        let options = cassandra_options(&flags.durability, memory.is_some());
        let process = within(group.as_ref(), || Cassandra::start(&options))?;
        servers.push(Server {
            name,
            process: Process::Cassandra(Box::new(process)),
            statements: None,
            idle,
            group,
        });
    }
    Ok(servers)
}

fn within<T>(group: Option<&MemoryGroup>, start: impl FnOnce() -> Result<T>) -> Result<T> {
    match group {
        Some(group) => group.holding(start),
        None => start(),
    }
}

/// As shipped but for the heap: G1, both compilers, 1 GiB. A set that is read from disk may keep a request waiting for
/// longer than the shipped time-outs of 2 and 5 s, which would end the run instead of being measured.
pub fn cassandra_options(durability: &str, patient: bool) -> cassandra::Options {
    let patience = "write_request_timeout: 60s\nread_request_timeout: 60s\n";
    cassandra::Options {
        heap: 1024,
        quick: false,
        throwaway: false,
        batch_sync: durability == "group",
        yaml: if patient { patience.to_owned() } else { String::new() },
        ..cassandra::Options::default()
    }
}

/// Stops all of the servers' processes but one, so that it has the machine to itself.
pub fn let_run(servers: &[Server], one: usize) -> Result<()> {
    for (at, server) in servers.iter().enumerate() {
        server.signal(if at == one { "CONT" } else { "STOP" })?;
    }
    Ok(())
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        match &self.process {
            Process::Ilium { server, .. } => server.address(),
            Process::Cassandra(server) => server.address(),
        }
    }

    fn id(&self) -> u32 {
        match &self.process {
            Process::Ilium { server, .. } => server.id(),
            Process::Cassandra(server) => server.id(),
        }
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("sh")
            .args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &self.id().to_string()])
            .status()?;
        ensure!(sent.success(), "cannot send {signal} to {}", self.name);
        Ok(())
    }

    /// Where its data is.
    pub fn data(&self) -> std::path::PathBuf {
        match &self.process {
            Process::Ilium { folder, .. } => folder.data(),
            Process::Cassandra(server) => server.folder().join("data"),
        }
    }

    /// Resident memory that is not a file's, in MiB (RssAnon and RssShmem).
    pub fn memory(&self) -> f64 {
        process::memory_of(self.id())
    }

    #[expect(clippy::expect_used, reason = "the main program prepares every server before it measures one")]
    pub fn target(&self) -> Target {
        Target {
            name: self.name,
            addresses: vec![self.address()],
            version: VERSION,
            statements: Arc::clone(self.statements.as_ref().expect("prepared")),
            servers: vec![self.id()],
            proxy: None,
            idle: self.idle,
        }
    }

    /// Makes the schema and prepares the statements.
    pub fn prepare(&mut self, runtime: &Runtime, flags: &Flags) -> Result<()> {
        let address = self.address();
        let statements = runtime.block_on(async {
            let mut client = Client::connect(address, VERSION).await?;
            if let Process::Cassandra(_) = &self.process {
                check_sync(&mut client, &flags.durability).await?;
            }
            for statement in std::iter::once(workload::KEYSPACE).chain(workload::TABLES) {
                client.query(statement).await?;
            }
            Statements::prepare(&mut client).await
        })?;
        self.statements = Some(Arc::new(statements));
        Ok(())
    }

    pub fn stop(self) -> Result<()> {
        self.signal("CONT")?;
        match self.process {
            Process::Ilium { server, .. } => server.stop(),
            Process::Cassandra(server) => server.stop(),
        }
    }
}

/// Cassandra must say itself that it syncs its log as the comparison claims.
async fn check_sync(client: &mut Client, durability: &str) -> Result<()> {
    let wanted = if durability == "group" { "batch" } else { "periodic" };
    let setting = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'";
    let said = client.query(setting).await?.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    if said != wanted {
        bail!("Cassandra runs with commitlog_sync {said}, not {wanted}");
    }
    Ok(())
}
