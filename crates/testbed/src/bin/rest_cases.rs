//! Runs the cases of `tests/rest` and says what is not as they want it.
//!
//! `rest_cases --ilium PROGRAM [--filter x] [--case x] [--quiet]` starts an Ilium for them, with `--gateway` one in front of
//! a Cassandra; `rest_cases --http HOST:PORT --cql HOST:PORT [--gateway]` uses one that runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ilium_testbed::ilium::Folder;
use ilium_testbed::rest_cases::{self, FileResult, Store, Target};
use ilium_testbed::{Cassandra, Ilium, loopback};

#[derive(Default)]
struct Flags {
    ilium: Option<PathBuf>,
    http: Option<SocketAddr>,
    cql: Option<SocketAddr>,
    filter: String,
    case: String,
    quiet: bool,
    gateway: bool,
}

fn flags() -> Result<Flags> {
    let mut flags = Flags::default();
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--ilium" => flags.ilium = Some(PathBuf::from(value()?)),
            "--http" => flags.http = Some(loopback::named(&value()?)?),
            "--cql" => flags.cql = Some(loopback::named(&value()?)?),
            "--filter" => flags.filter = value()?,
            "--case" => flags.case = value()?,
            "--quiet" => flags.quiet = true,
            "--gateway" => flags.gateway = true,
            other => {
                bail!(
                    "{other} is no flag; there are --ilium, --gateway, --http, --cql, --filter, --case and --quiet"
                )
            }
        }
    }
    Ok(flags)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("rest_cases: {e:#}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<bool> {
    let flags = flags()?;
    let mut files = rest_cases::all(&flags.filter)?;
    if !flags.case.is_empty() {
        files.iter_mut().for_each(|f| f.cases.retain(|c| c.name.contains(&flags.case)));
        files.retain(|f| !f.cases.is_empty());
    }
    let store = if flags.gateway { Store::Cluster } else { Store::Embedded };
    let folder = Folder::new()?;
    let own;
    let (http, cql) = match (&flags.ilium, flags.http, flags.cql) {
        (Some(program), None, None) => {
            let program = program.canonicalize()?;
            own = match flags.gateway {
                true => Ilium::gateway(&program, &folder, &[Cassandra::shared()?.address()], &[])?,
                false => Ilium::start(&program, &folder, &[])?,
            };
            (own.http(), own.address())
        }
        (None, Some(http), Some(cql)) => (http, cql),
        _ => bail!("give either --ilium, or --http and --cql"),
    };
    let results = rest_cases::run(&Target::new(http, cql, store)?, files)?;
    let (mut passed, mut all) = (0, 0);
    for result in &results {
        if !flags.quiet {
            print!("{}", result.details);
        }
    }
    for result in &results {
        println!("{result}");
        passed += result.passed;
        all += result.cases;
    }
    println!("{passed} of {all} cases in {} files", results.len());
    Ok(results.iter().all(FileResult::well))
}
