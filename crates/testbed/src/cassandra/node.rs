//! One node: its place, its folder, and the process while there is one.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::flags::{self, Seat};
use super::jars::Jars;
use super::{Certificates, Options, START};
use crate::guarded::{Guarded, Signal};
use crate::{folders, loopback};

/// A clean end takes about 2 s; on a machine that is busy with other things it may take this long.
const END: Duration = Duration::from_secs(60);

/// A node. Dropping it kills its process and removes its folder.
#[derive(Debug)]
pub(super) struct Node {
    jars: Jars,
    options: Options,
    seat: Seat,
    folder: PathBuf,
    process: Option<Guarded>,
}

impl Node {
    /// A ring of itself.
    pub(super) fn alone(jars: &Jars, options: Options) -> Result<Node> {
        let ip = loopback::address();
        let ports = loopback::free_ports(ip, 2)?;
        let [cql, gossip] = *ports.as_slice() else { bail!("two ports were asked for") };
        let seat = Seat { ip, advertised: None, cql, gossip, seeds: vec![ip], token: 0, place: None };
        Node::new(jars, options, seat, None)
    }

    /// One that is not started yet.
    pub(super) fn new(
        jars: &Jars,
        options: Options,
        seat: Seat,
        certificates: Option<&Certificates>,
    ) -> Result<Node> {
        let folder = folders::scratch("cassandra")?;
        for inner in ["data", "log", "tmp"] {
            std::fs::create_dir_all(folder.join(inner))?;
        }
        std::fs::write(folder.join("cassandra.yaml"), flags::yaml(&options, &seat, certificates))?;
        std::fs::write(folder.join("logback.xml"), flags::LOGBACK)?;
        if let Some(place) = &seat.place {
            std::fs::write(folder.join("rackdc.properties"), flags::rackdc(place))?;
        }
        Ok(Node { jars: jars.clone(), options, seat, folder, process: None })
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.seat.ip, self.seat.cql)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn jars(&self) -> &Jars {
        &self.jars
    }

    /// Its process id, while it has one.
    pub(super) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Guarded::id)
    }

    /// Starts the process; it does not answer yet.
    pub(super) fn launch(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the node at {} runs already", self.address());
        }
        let log = File::options().create(true).append(true).open(self.folder.join("log/output.log"))?;
        let (program, mut args) = flags::program(&self.jars, &self.options, &self.folder);
        args.extend(flags::main_class(&self.jars));
        let process = Guarded::start(&program, &args, &[], &self.folder, log, Some(&self.folder))
            .with_context(|| format!("cannot start Cassandra {}", self.options.release))?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until it takes connections.
    pub(super) fn wait(&mut self) -> Result<()> {
        let address = self.address();
        let deadline = Instant::now() + START;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.running()?.ended()? {
                bail!("Cassandra ended while it started ({status}):\n{}", self.last_words());
            }
            if Instant::now() >= deadline {
                bail!("Cassandra did not answer within {START:?}:\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it cleanly: it tells the others and drains. Its folder stays.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.end(Signal::Term)
    }

    /// Ends it as a crash would. Its folder stays.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.end(Signal::Kill)
    }

    fn end(&mut self, by: Signal) -> Result<()> {
        let process = self.running()?;
        process.signal(by)?;
        process.wait(END)?;
        process.keep_folder();
        self.process = None;
        Ok(())
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.running()?.signal(signal)
    }

    /// The last errors it logged, each with the line below it, which names the exception, and the end of what it printed.
    pub(super) fn last_words(&self) -> String {
        let read =
            |name: &str| std::fs::read_to_string(self.folder.join("log").join(name)).unwrap_or_default();
        let output = read("output.log");
        let log = read("system.log");
        let lines: Vec<&str> = log.lines().collect();
        let errors: Vec<&[&str]> =
            lines.windows(2).filter(|two| two.first().is_some_and(|l| l.starts_with("ERROR"))).collect();
        let errors = errors.iter().skip(errors.len().saturating_sub(3)).copied().flatten().copied();
        let tail = output.lines().skip(output.lines().count().saturating_sub(15));
        errors.chain(tail).collect::<Vec<_>>().join("\n")
    }

    fn running(&mut self) -> Result<&mut Guarded> {
        let address = self.address();
        self.process.as_mut().with_context(|| format!("the node at {address} does not run"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.process.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
