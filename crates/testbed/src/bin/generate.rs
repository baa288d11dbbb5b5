//! Sends made-up statements to a real Cassandra and to a running Ilium, and prints what they answer differently.
//!
//! `generate --ilium PROGRAM --minutes M [--gateway] [--seed N] [--statements K] [--strict] [--keep DIR]`. Without
//! `--keep` it ends at the first difference; with it each is written into a file of the folder and it goes on.
//! `--gateway` starts the program a second time, as a gateway in front of a Cassandra of its own.
//! `--against HOST:PORT` uses a running Ilium instead of starting one, `--cassandra HOST:PORT` a running Cassandra.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ilium_testbed::generator::{self, Count, Plan};
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium, loopback};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("generate: {e:#}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<bool> {
    let (mut against, mut program, mut cassandra, mut keep) = (None, None, None, None::<PathBuf>);
    let (mut seed, mut minutes, mut statements, mut strict, mut gateway) = (1, 5.0, 200, false, false);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--against" => against = Some(loopback::named(&value()?)?),
            "--ilium" => program = Some(PathBuf::from(value()?)),
            "--cassandra" => cassandra = Some(loopback::named(&value()?)?),
            "--seed" => seed = value()?.parse().context("--seed wants a whole number")?,
            "--minutes" => minutes = value()?.parse().context("--minutes wants a number")?,
            "--statements" => statements = value()?.parse().context("--statements wants a whole number")?,
            "--strict" => strict = true,
            "--gateway" => gateway = true,
            "--keep" => keep = Some(PathBuf::from(value()?)),
            other => bail!(
                "{other} is no flag; there are --ilium, --against, --cassandra, --seed, --minutes, --statements, --strict, --gateway and --keep"
            ),
        }
    }
    let started;
    let folder = Folder::new()?;
    let behind;
    let before;
    let folder_of_gateway = Folder::new()?;
    let gateway = match (&program, gateway) {
        (_, false) => None,
        (Some(program), true) => {
            behind = Cassandra::start(&Default::default())?;
            before = Ilium::gateway(&program.canonicalize()?, &folder_of_gateway, &[behind.address()], &[])?;
            Some(before.address())
        }
        (None, true) => bail!("--gateway goes with --ilium PROGRAM"),
    };
    let ilium = match (against, program) {
        (Some(address), _) => address,
        (None, Some(program)) => {
            started = Ilium::start(&program.canonicalize()?, &folder, &[])?;
            started.address()
        }
        (None, None) => bail!("--ilium PROGRAM or --against HOST:PORT says where Ilium is"),
    };
    let own;
    let cassandra = match cassandra {
        Some(address) => address,
        None => {
            own = Cassandra::start(&Default::default())?;
            own.address()
        }
    };
    if let Some(folder) = &keep {
        std::fs::create_dir_all(folder)?;
    }
    let time = Duration::from_secs_f64(f64::max(minutes, 0.0) * 60.0);
    let plan = Plan { cassandra, ilium, gateway, seed, time, statements, strict };
    let progress = |time: Duration, count: &Count| println!("{:>5} s: {}", time.as_secs(), summary(count));
    let count = generator::run(&plan, progress, |found| {
        match &keep {
            Some(folder) => {
                let file = folder.join(format!("seed_{}.cql", found.seed));
                std::fs::write(&file, found.case_file())?;
                println!("a difference, kept in {}", file.display());
            }
            None => println!("{}", found.case_file()),
        }
        Ok(keep.is_some())
    })?;
    println!("from seed {seed}: {}", summary(&count));
    Ok(count.differences == 0)
}

fn summary(count: &Count) -> String {
    format!(
        "{} rounds, {} statements, {} of them refused by all, {} failures of Cassandra, {} differences, {} of them the gateway's",
        count.rounds, count.statements, count.errors, count.failures, count.differences, count.of_gateway
    )
}
