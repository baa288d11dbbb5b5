//! Medians and ratios, and whether both servers gave the same rows.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::Flags;
use crate::measure::Measured;
use crate::servers::Server;
use crate::workload::Workload;

#[derive(Debug, Default)]
pub struct Results {
    /// By workload, in the order run, then by server.
    by_workload: Vec<(&'static str, BTreeMap<&'static str, Vec<Measured>>)>,
}

impl Results {
    pub fn add(&mut self, server: &'static str, workload: &Workload, measured: Measured) {
        let at = self.by_workload.iter().position(|(name, _)| *name == workload.name);
        let at = at.unwrap_or_else(|| {
            self.by_workload.push((workload.name, BTreeMap::new()));
            self.by_workload.len() - 1
        });
        if let Some((_, servers)) = self.by_workload.get_mut(at) {
            servers.entry(server).or_default().push(measured);
        }
    }

    /// Every server must have given the same number of rows with the same digest in each round.
    pub fn check(&self) -> Result<()> {
        for (workload, servers) in &self.by_workload {
            let mut answers = servers.iter().map(|(name, rounds)| {
                let sums: Vec<(u64, u64)> = rounds.iter().map(|round| (round.rows, round.digest)).collect();
                (name, sums)
            });
            let Some((first, expected)) = answers.next() else { continue };
            for (name, sums) in answers {
                if sums != expected {
                    bail!(
                        "{workload}: {first} gave {expected:?} rows and digests, {name} {sums:?}: the run is void"
                    );
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a benchmark shows where it is")]
pub fn progress(server: &str, workload: &Workload, round: usize, measured: &Measured) {
    let rate = measured.operations as f64 / measured.seconds;
    eprintln!(
        "round {:>2}  {:<10} {:<18} {:>9.0}/s  {:>9.0} per CPU second  p50 {:>6} us  p99 {:>7} us",
        round + 1,
        server,
        workload.name,
        rate,
        measured.operations as f64 / measured.server_cpu.max(0.01),
        measured.p50,
        measured.p99
    );
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub fn print(results: &Results, servers: &[Server], flags: &Flags) {
    println!(
        "\n{} rounds, {} rows, {} connections of {} requests, {}; medians\n",
        flags.rounds, flags.rows, flags.connections, flags.in_flight, flags.durability
    );
    println!(
        "| workload | server | per second | per server CPU second | p50 (us) | p99 (us) | client CPU (s) |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|");
    for (workload, by_server) in &results.by_workload {
        for (server, rounds) in by_server {
            println!(
                "| {workload} | {server} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} |",
                median(rounds, |m| m.operations as f64 / m.seconds),
                median(rounds, |m| m.operations as f64 / m.server_cpu.max(0.01)),
                median(rounds, |m| f64::from(m.p50)),
                median(rounds, |m| f64::from(m.p99)),
                median(rounds, |m| m.client_cpu),
            );
        }
        if let (Some(ours), Some(theirs)) = (by_server.get("ilium"), by_server.get("cassandra")) {
            let ratio = |value: fn(&Measured) -> f64| median(ours, value) / median(theirs, value).max(1e-9);
            println!(
                "| {workload} | **ratio** | **{:.1}** | **{:.1}** | {:.2} | {:.2} | |",
                ratio(|m| m.operations as f64 / m.seconds),
                ratio(|m| m.operations as f64 / m.server_cpu.max(0.01)),
                ratio(|m| f64::from(m.p50)),
                ratio(|m| f64::from(m.p99)),
            );
        }
    }
    println!();
    for server in servers {
        println!("{}: {:.0} MiB resident (RssAnon and RssShmem) at the end", server.name, server.memory());
    }
}

fn median(rounds: &[Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
