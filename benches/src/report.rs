//! Medians and ratios, and whether both servers gave the same rows.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::measure::Measured;
use crate::servers::Server;

#[derive(Debug, Default)]
pub struct Results {
    /// By the work's label, in the order run, then by server.
    by_work: Vec<(String, BTreeMap<&'static str, Vec<Measured>>)>,
}

impl Results {
    pub fn add(&mut self, server: &'static str, work: &str, measured: Measured) {
        let at = self.by_work.iter().position(|(label, _)| label == work);
        let at = at.unwrap_or_else(|| {
            self.by_work.push((work.to_owned(), BTreeMap::new()));
            self.by_work.len() - 1
        });
        if let Some((_, servers)) = self.by_work.get_mut(at) {
            servers.entry(server).or_default().push(measured);
        }
    }

    /// Every server must have given the same number of rows with the same digest in each round.
    pub fn check(&self) -> Result<()> {
        for (work, servers) in &self.by_work {
            let mut answers = servers.iter().map(|(name, rounds)| {
                let sums: Vec<(u64, u64)> = rounds.iter().map(|round| (round.rows, round.digest)).collect();
                (name, sums)
            });
            let Some((first, expected)) = answers.next() else { continue };
            for (name, sums) in answers {
                if sums != expected {
                    bail!(
                        "{work}: {first} gave {expected:?} rows and digests, {name} {sums:?}: the run is void"
                    );
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a benchmark shows where it is")]
pub fn progress(server: &str, work: &str, round: usize, measured: &Measured) {
    eprintln!(
        "round {:>2}  {:<10} {:<18} {:>9.0}/s  {:>9.0} per CPU second  p50 {:>6} us  p99 {:>7} us  p99.9 {:>7} us",
        round + 1,
        server,
        work,
        measured.per_second(),
        measured.per_cpu_second(),
        measured.p50,
        measured.p99,
        measured.p999
    );
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub fn print(results: &Results, title: &str) {
    println!("\n{title}; medians\n");
    println!(
        "| workload | server | per second | per server CPU second | p50 (us) | p99 (us) | p99.9 (us) | client CPU (s) |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    for (work, by_server) in &results.by_work {
        for (server, rounds) in by_server {
            println!(
                "| {work} | {server} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} |",
                median(rounds, Measured::per_second),
                median(rounds, Measured::per_cpu_second),
                median(rounds, |m| f64::from(m.p50)),
                median(rounds, |m| f64::from(m.p99)),
                median(rounds, |m| f64::from(m.p999)),
                median(rounds, |m| m.client_cpu),
            );
        }
        if let (Some(ours), Some(theirs)) = (by_server.get("ilium"), by_server.get("cassandra")) {
            let ratio = |value: fn(&Measured) -> f64| median(ours, value) / median(theirs, value).max(1e-9);
            println!(
                "| {work} | **ratio** | **{:.1}** | **{:.1}** | {:.2} | {:.2} | {:.2} | |",
                ratio(Measured::per_second),
                ratio(Measured::per_cpu_second),
                ratio(|m| f64::from(m.p50)),
                ratio(|m| f64::from(m.p99)),
                ratio(|m| f64::from(m.p999)),
            );
        }
    }
    println!();
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub fn print_memory(servers: &[Server]) {
    for server in servers {
        println!("{}: {:.0} MiB resident (RssAnon and RssShmem) at the end", server.name, server.memory());
        if let Some(usage) = server.group.as_ref().map(|group| group.usage()) {
            println!(
                "{}: of {} MiB of its memory group {} are of processes, {} of files",
                server.name, usage.limit, usage.anonymous, usage.files
            );
        }
    }
}

fn median(rounds: &[Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
