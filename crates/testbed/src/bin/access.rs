//! Tries the tables of `tests/access` and says which rows do not hold.
//!
//! `access --ilium PROGRAM` on an Ilium that it starts, `--cassandra` on a real Cassandra that it starts,
//! `--against HOST:PORT --credentials FILE` on a server that runs, as the superuser in the file (which is written as
//! for `cqlsh --credentials`). `--filter x` takes the tables whose name contains x.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ilium_testbed::access::{self, Credentials, Target};
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium};

fn main() -> ExitCode {
    match tried() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("access: {e:#}");
            ExitCode::from(64)
        }
    }
}

fn tried() -> Result<bool> {
    let (mut ilium, mut cassandra, mut against, mut credentials) = (None, false, None, None);
    let mut filter = String::new();
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--ilium" => ilium = Some(PathBuf::from(value()?)),
            "--cassandra" => cassandra = true,
            "--against" => against = value()?.to_socket_addrs()?.next(),
            "--credentials" => credentials = Some(PathBuf::from(value()?)),
            "--filter" => filter = value()?,
            other => bail!(
                "{other} is no flag; there are --ilium, --cassandra, --against, --credentials and --filter"
            ),
        }
    }
    let tables = access::all(&filter)?;
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    let mut well = true;
    let mut on = |what: &str, target: &Target| -> Result<()> {
        let wrong = access::run(target, &tables)?;
        wrong.iter().for_each(|row| println!("{row}"));
        println!("{what}: {} of {rows} rows hold", rows - wrong.len());
        well &= wrong.is_empty();
        Ok(())
    };
    if let Some(program) = ilium {
        let folder = Folder::new()?;
        let server = Ilium::start(&program.canonicalize()?, &folder, &["--auth"])?;
        let superuser = Credentials::read(&folder.data().join("superuser.txt"))?;
        on("Ilium", &Target { address: server.address(), superuser })?;
    }
    if cassandra {
        let server = Cassandra::with_login()?;
        on("Cassandra", &server.target())?;
    }
    if let Some(address) = against {
        let file = credentials.context("--against wants --credentials")?;
        on("the server", &Target { address, superuser: Credentials::read(&file)? })?;
    }
    Ok(well)
}
