//! Medians and ratios.

use ilium_benches::measure::Measured;
use ilium_benches::results::{Results, median};

use crate::servers::Server;

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
    for (work, by_server) in results.by_work() {
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
