//! Starts a real Cassandra, or a ring of them, prints where each node answers CQL, and ends it when its input ends.
//!
//! `cassandra [--nodes 1..3] [--release 5.0|4.1|4.0] [--login] [--tls] [--heap MIB] [--rack DC/RACK,...]`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::io::BufRead as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ilium_testbed::cassandra::{Place, Tls};
use ilium_testbed::{Ring, RingOptions};

const VERBS: &str = "stop, kill, pause, resume or restart, and a node's number from 1";

fn options() -> Result<RingOptions> {
    let mut options = RingOptions { nodes: 1, ..RingOptions::default() };
    options.node.heap = 512;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--nodes" => options.nodes = value()?.parse()?,
            "--release" => options.node.release = value()?.parse()?,
            "--heap" => options.node.heap = value()?.parse()?,
            "--login" => options.node.login = true,
            "--tls" => options.node.tls = Tls::On,
            "--rack" => options.places = value()?.split(',').map(place).collect::<Result<_>>()?,
            other => bail!(
                "{other} is no flag; there are --nodes, --release, --heap, --login, --tls and --rack DC/RACK,..."
            ),
        }
    }
    Ok(options)
}

fn place(text: &str) -> Result<Place> {
    let (datacenter, rack) = text.split_once('/').with_context(|| format!("{text} is no DC/RACK"))?;
    Ok(Place { datacenter: datacenter.to_owned(), rack: rack.to_owned() })
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("cassandra: {e:#}");
            ExitCode::from(69)
        }
    }
}

fn run(options: &RingOptions) -> Result<()> {
    let mut ring = Ring::start(options)?;
    for number in 0..ring.count() {
        println!("{}", ring.address(number)?);
    }
    for number in 0..ring.count() {
        let id = ring.id(number)?.unwrap_or_default();
        println!("node {}: process {id}, folder {}", number + 1, ring.folder(number)?.display());
    }
    if let Some(certificates) = ring.certificates() {
        println!("authority: {}", certificates.authority().display());
    }
    println!("ends with this command's input; takes {VERBS}");
    for line in std::io::stdin().lock().lines() {
        match act(&mut ring, &line?) {
            Ok(()) => println!("done"),
            Err(e) => println!("{e:#}"),
        }
    }
    Ok(())
}

fn act(ring: &mut Ring, line: &str) -> Result<()> {
    let wrong = || format!("{line} is neither of {VERBS}");
    let (verb, number) = line.split_once(' ').with_context(wrong)?;
    let number = number.trim().parse::<usize>().ok().and_then(|n| n.checked_sub(1)).with_context(wrong)?;
    match verb {
        "stop" => ring.stop(number),
        "kill" => ring.kill(number),
        "pause" => ring.pause(number),
        "resume" => ring.resume(number),
        "restart" => ring.restart(number),
        _ => bail!(wrong()),
    }
}
