//! The servers that are compared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ilium_testbed::cassandra;
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::client::{Call, Client, StatementIds, Tally};
use crate::measure;
use crate::workload::{self, RANGE_ROWS};

#[derive(Debug, Clone)]
pub struct Statements {
    pub insert: StatementIds,
    pub read: StatementIds,
    pub scan: StatementIds,
    pub range: StatementIds,
    pub range_insert: StatementIds,
}

enum Process {
    Ilium { server: Ilium, _folder: Folder },
    Cassandra(Box<Cassandra>),
}

pub struct Server {
    pub name: &'static str,
    process: Process,
    statements: Option<Arc<Statements>>,
}

pub fn start(flags: &Flags) -> Result<Vec<Server>> {
    let folder = Folder::new()?;
    let binary = std::path::absolute(&flags.ilium)?;
    let ilium = Ilium::start(&binary, &folder, &["--durability", &flags.durability])
        .with_context(|| format!("starting {}; build it with cargo build --release", binary.display()))?;
    let mut servers = vec![Server {
        name: "ilium",
        process: Process::Ilium { server: ilium, _folder: folder },
        statements: None,
    }];
    if !flags.alone {
        let cassandra = Cassandra::start(&cassandra_options(flags.durability == "group"))?;
        servers.push(Server {
            name: "cassandra",
            process: Process::Cassandra(Box::new(cassandra)),
            statements: None,
        });
    }
    Ok(servers)
}

/// As shipped but for the heap: G1, both compilers, 1 GiB.
fn cassandra_options(group: bool) -> cassandra::Options {
    cassandra::Options {
        heap: 1024,
        quick: false,
        throwaway: false,
        yaml: if group { "commitlog_sync: batch\n".to_owned() } else { String::new() },
        java: Vec::new(),
        ..cassandra::Options::default()
    }
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        match &self.process {
            Process::Ilium { server, .. } => server.address(),
            Process::Cassandra(server) => server.address(),
        }
    }

    pub fn id(&self) -> u32 {
        match &self.process {
            Process::Ilium { server, .. } => server.id(),
            Process::Cassandra(server) => server.id(),
        }
    }

    pub fn cpu(&self) -> f64 {
        measure::cpu_of(self.id())
    }

    pub fn settle(&self) {
        measure::settle(self.id());
    }

    /// Resident memory that is not a file's, in MiB (RssAnon and RssShmem).
    pub fn memory(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
        };
        (field("RssAnon:") + field("RssShmem:")) / 1024.0
    }

    #[expect(clippy::expect_used, reason = "the main program prepares every server before it measures one")]
    pub fn statements(&self) -> &Arc<Statements> {
        self.statements.as_ref().expect("prepared")
    }

    /// Makes the schema, loads the rows, and warms the server up.
    pub fn prepare(&mut self, runtime: &Runtime, flags: &Flags) -> Result<()> {
        let address = self.address();
        let statements = runtime.block_on(async {
            let mut client = Client::connect(address).await?;
            for statement in workload::SCHEMA {
                client.query(statement).await?;
            }
            anyhow::Ok(Statements {
                insert: client.prepare(workload::INSERT).await?,
                read: client.prepare(workload::READ).await?,
                scan: client.prepare(workload::SCAN).await?,
                range: client.prepare(workload::RANGE).await?,
                range_insert: client.prepare(workload::RANGE_INSERT).await?,
            })
        })?;
        self.statements = Some(Arc::new(statements));
        runtime.block_on(self.load(flags))?;
        let until = Instant::now() + Duration::from_secs(flags.warm_up);
        while Instant::now() < until {
            for workload in workload::all(flags) {
                measure::run(runtime, self, &workload, flags, 0)?;
            }
        }
        Ok(())
    }

    async fn load(&self, flags: &Flags) -> Result<()> {
        let ranges = (flags.rows / RANGE_ROWS).max(1);
        let total = flags.rows + ranges * RANGE_ROWS;
        let counter = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for _ in 0..flags.connections {
            let mut client = Client::connect(self.address()).await?;
            let (statements, counter) = (Arc::clone(self.statements()), Arc::clone(&counter));
            let (rows, value, window) = (flags.rows, flags.value, flags.in_flight);
            tasks.push(tokio::spawn(async move {
                let next = || {
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return None;
                    }
                    let (statement, values) = match number.checked_sub(rows) {
                        None => (&statements.insert, workload::row(workload::scatter(number), value)),
                        Some(cell) => {
                            let row = workload::range_row(cell / RANGE_ROWS, cell % RANGE_ROWS, value);
                            (&statements.range_insert, row)
                        }
                    };
                    Some(Call::Execute { statement, values, page_size: None, state: None })
                };
                client.run(window, next, &mut Tally::default()).await
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    }

    pub fn stop(self) -> Result<()> {
        match self.process {
            Process::Ilium { server, .. } => server.stop(),
            Process::Cassandra(server) => server.stop(),
        }
    }
}
