//! Runs the cases of `tests/cluster` on a ring of three that it starts, and says what does not agree.
//!
//! `cluster --record [--filter x]` writes the goldens anew; `cluster --check` asks node 1 and compares with them.
//! `cluster --gateway PROGRAM` asks node 1 and a gateway that it starts before the ring, compares both with the goldens and
//! with each other to the byte. `cluster --against HOST:PORT` does so with anything else: it prints the nodes, and waits
//! until somebody started something there.
//! With `--single` the cases of `tests/cases` run, on a ring of one, but for those about a warning that Cassandra gives once a
//! connection: behind a gateway connections are shared.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ilium_testbed::cases::compare::Side;
use ilium_testbed::cases::nodes::{RingUnderCases, SHORT};
use ilium_testbed::cases::run::{Server, run_file};
use ilium_testbed::cases::{self, CaseFile, Transcript, on_ring, suite};
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Ilium, Ring, RingOptions, loopback};

/// For a person to start what is to be asked.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Default)]
struct Flags {
    record: bool,
    check: bool,
    single: bool,
    gateway: Option<PathBuf>,
    against: Option<SocketAddr>,
    filter: String,
    case: String,
    quiet: bool,
}

fn flags() -> Result<Flags> {
    let mut flags = Flags::default();
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--record" => flags.record = true,
            "--check" => flags.check = true,
            "--single" => flags.single = true,
            "--gateway" => flags.gateway = Some(PathBuf::from(value()?)),
            "--against" => flags.against = Some(loopback::named(&value()?)?),
            "--filter" => flags.filter = value()?,
            "--case" => flags.case = value()?,
            "--quiet" => flags.quiet = true,
            other => bail!(
                "{other} is no flag; there are --record, --check, --gateway, --against, --single, --filter, --case and --quiet"
            ),
        }
    }
    if flags.record && (flags.single || !flags.case.is_empty()) {
        bail!("--record is for whole files of tests/cluster: it goes without --single and --case");
    }
    Ok(flags)
}

fn main() -> ExitCode {
    match flags().and_then(|flags| run(&flags)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("cluster: {e:#}");
            ExitCode::from(64)
        }
    }
}

/// What the cases run on.
enum Bed {
    Three(Arc<RingUnderCases>),
    One(Ring),
}

impl Bed {
    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Bed::Three(ring) => ring.addresses().to_vec(),
            Bed::One(ring) => ring.addresses(),
        }
    }

    fn ask(&self, address: SocketAddr, file: &CaseFile) -> Result<Transcript> {
        match self {
            Bed::Three(ring) => on_ring::run_file(address, ring, file),
            Bed::One(_) => run_file(&mut Server::at(address), file),
        }
    }
}

fn run(flags: &Flags) -> Result<bool> {
    let mut files = if flags.single { cases::all(&flags.filter)? } else { cases::of_rings(&flags.filter)? };
    if !flags.case.is_empty() {
        files.iter_mut().for_each(|f| f.cases.retain(|c| c.name.contains(&flags.case)));
        files.retain(|f| !f.cases.is_empty());
    }
    let bed = if flags.single {
        files.iter_mut().for_each(|f| f.cases.retain(|c| !c.steps.iter().any(|s| s.loud)));
        // Where these say that they differ they mean the embedded engine.
        let cases =
            files.iter_mut().flat_map(|f| f.cases.iter_mut().flat_map(|c| &mut c.steps).chain(&mut f.setup));
        cases.for_each(|step| step.ilium.clear());
        let mut options = RingOptions { nodes: 1, ..RingOptions::default() };
        options.node.heap = 512;
        options.node.throwaway = true;
        Bed::One(Ring::start(&options)?)
    } else {
        Bed::Three(Arc::new(RingUnderCases::start(SHORT)?))
    };
    let nodes = bed.addresses();
    let node = *nodes.first().context("a ring has a node")?;
    let folder = Folder::new()?;
    let (_gateway, before) = match (&flags.gateway, flags.against) {
        (Some(program), _) => {
            let more: &[&str] = if flags.single { &[] } else { &["--local-dc", "a"] };
            let gateway = Ilium::gateway(&program.canonicalize()?, &folder, &nodes, more)?;
            let address = gateway.address();
            (Some(gateway), Some(address))
        }
        (None, Some(address)) => {
            let listed: Vec<String> = nodes.iter().map(SocketAddr::to_string).collect();
            println!("the nodes are {}; waiting for {address}", listed.join(","));
            wait_for(address)?;
            (None, Some(address))
        }
        (None, None) => (None, None),
    };
    let mut well = true;
    let mut all = Vec::new();
    for file in &files {
        let begun = Instant::now();
        let direct = bed.ask(node, file);
        if flags.record {
            println!(
                "recorded {} ({:.0?})",
                suite::keep(file, direct.as_ref().map_err(said)?)?,
                begun.elapsed()
            );
        }
        all.push(report(Side::Cassandra, file, &direct, flags));
        if let Some(address) = before {
            let answered = bed.ask(address, file);
            all.push(report(Side::Before, file, &answered, flags));
            if let (Ok(direct), Ok(answered)) = (&direct, &answered) {
                // What is not even the same twice from Cassandra cannot be the same from another.
                let again = if flags.single { bed.ask(node, file).ok() } else { None };
                let unstable = again.map_or(Vec::new(), |again| suite::unlike_bytes(file, direct, &again));
                let mut unlike = suite::unlike_bytes(file, direct, answered);
                unlike.retain(|step| !unstable.contains(step));
                unlike.iter().for_each(|step| println!("other bytes: {step}"));
                well &= unlike.is_empty();
            }
        }
    }
    let (passed, cases) = all.iter().fold((0, 0), |(p, c), r| (p + r.passed, c + r.cases));
    println!("{passed} of {cases} cases in {} files", files.len());
    Ok(well && all.iter().all(suite::FileResult::well))
}

fn said(e: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{e:#}")
}

fn report(side: Side, file: &CaseFile, answered: &Result<Transcript>, flags: &Flags) -> suite::FileResult {
    let result = suite::judge(file, answered.as_ref(), side);
    if !flags.quiet {
        print!("{}", result.details());
    }
    println!("{} {result}", if side == Side::Before { "before" } else { "direct" });
    result
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() >= deadline {
            bail!("nothing answered at {address} within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
