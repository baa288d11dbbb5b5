//! Runs the cases of `tests/cases` and says what does not agree.
//!
//! `cases --against HOST:PORT [--filter x] [--case x] [--quiet]` compares a running Ilium with the goldens,
//! `cases --ilium PROGRAM` one that it starts.
//! `cases --record [--filter x]` writes the goldens anew from a real Cassandra; `cases --check` verifies them.
//! `cases --cassandra HOST:PORT` uses a running Cassandra for these instead of starting one.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ilium_testbed::cases::compare::Side;
use ilium_testbed::cases::{self, suite};
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium, loopback};

struct Flags {
    against: Option<SocketAddr>,
    ilium: Option<PathBuf>,
    cassandra: Option<SocketAddr>,
    record: bool,
    check: bool,
    filter: String,
    case: String,
    quiet: bool,
}

fn flags() -> Result<Flags> {
    let mut flags = Flags {
        against: None,
        ilium: None,
        cassandra: None,
        record: false,
        check: false,
        filter: String::new(),
        case: String::new(),
        quiet: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--against" => flags.against = Some(loopback::named(&value()?)?),
            "--ilium" => flags.ilium = Some(PathBuf::from(value()?)),
            "--cassandra" => flags.cassandra = Some(loopback::named(&value()?)?),
            "--record" => flags.record = true,
            "--check" => flags.check = true,
            "--filter" => flags.filter = value()?,
            "--case" => flags.case = value()?,
            "--quiet" => flags.quiet = true,
            other => bail!(
                "{other} is no flag; there are --against, --ilium, --record, --check, --cassandra, --filter, --case and --quiet"
            ),
        }
    }
    Ok(flags)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("cases: {e:#}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<bool> {
    let flags = flags()?;
    let mut files = cases::all(&flags.filter)?;
    if !flags.case.is_empty() {
        files.iter_mut().for_each(|f| f.cases.retain(|c| c.name.contains(&flags.case)));
        files.retain(|f| !f.cases.is_empty());
    }
    let mut well = true;
    if flags.record || flags.check {
        let own;
        let cassandra = match flags.cassandra {
            Some(address) => address,
            None => {
                own = Cassandra::start(&Default::default())?;
                own.address()
            }
        };
        if flags.record {
            if !flags.case.is_empty() {
                bail!("goldens are recorded by whole files, so --record goes without --case");
            }
            for report in suite::record(cassandra, files.clone())? {
                println!("recorded {report}");
            }
        }
        if flags.check {
            well &= report(&suite::run(cassandra, files.clone(), Side::Cassandra)?, &flags);
        }
    }
    if let Some(program) = &flags.ilium {
        let folder = Folder::new()?;
        let ilium = Ilium::start(&program.canonicalize()?, &folder, &[])?;
        well &= report(&suite::run(ilium.address(), files.clone(), Side::Ilium)?, &flags);
    }
    if let Some(ilium) = flags.against {
        well &= report(&suite::run(ilium, files, Side::Ilium)?, &flags);
    }
    Ok(well)
}

fn report(results: &[suite::FileResult], flags: &Flags) -> bool {
    let (mut passed, mut all) = (0, 0);
    for result in results {
        if !flags.quiet {
            print!("{}", result.details());
        }
    }
    for result in results {
        println!("{result}");
        passed += result.passed;
        all += result.cases;
    }
    println!("{passed} of {all} cases in {} files", results.len());
    results.iter().all(suite::FileResult::well)
}
