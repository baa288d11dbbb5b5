//! The tables of throughput, CPU and latency.

use ilium_benches::measure::Measured;
use ilium_benches::results::{Results, median};

use crate::Flags;

/// Microseconds of one process's CPU a request.
fn micros(seconds: f64, measured: &Measured) -> f64 {
    seconds * 1e6 / measured.operations as f64
}

#[expect(clippy::print_stderr, reason = "a benchmark shows where it is")]
pub fn progress(way: &str, work: &str, round: usize, measured: &Measured) {
    eprintln!(
        "round {:>2}  {way:<10} {work:<26} {:>7.0}/s  CPU us: proxy {:>5.1} servers {:>5.1} client {:>4.1}  p50 {:>6} us  p99 {:>7} us",
        round + 1,
        measured.per_second(),
        micros(measured.proxy_cpu, measured),
        micros(measured.server_cpu, measured),
        micros(measured.client_cpu, measured),
        measured.p50,
        measured.p99,
    );
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub fn print(flags: &Flags, saturated: &Results, paced: &Results, rates: &[u64]) {
    println!(
        "\n{} rounds, {} rows, protocol v{}, {} connections; medians\n",
        flags.rounds, flags.rows, flags.protocol, flags.connections
    );
    println!(
        "| at saturation, {} in flight a connection | way | per second | of direct | proxy CPU (us) | Cassandra CPU (us) | client CPU (us) | per proxy CPU second | p50 (us) | p99 (us) |",
        flags.in_flight
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    each(flags, saturated, |work, way, rounds, direct| {
        let share = paired(rounds, direct, |way, direct| way.per_second() / direct.per_second());
        let proxy = median(rounds, |m| micros(m.proxy_cpu, m));
        println!(
            "| {work} | {way} | {:.0} | {:.0} % | {proxy:.1} | {:.1} | {:.1} | {} | {:.0} | {:.0} |",
            median(rounds, Measured::per_second),
            share * 100.0,
            median(rounds, |m| micros(m.server_cpu, m)),
            median(rounds, |m| micros(m.client_cpu, m)),
            if proxy > 0.0 { format!("{:.0}", 1e6 / proxy) } else { String::new() },
            median(rounds, |m| f64::from(m.p50)),
            median(rounds, |m| f64::from(m.p99)),
        );
    });
    println!(
        "\n| at the rate | way | per second | p50 (us) | added to direct | p99 (us) | times direct | p99.9 (us) | proxy CPU (us) |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut rates = rates.iter();
    let mut last = String::new();
    let mut rate = 0;
    each(flags, paced, |work, way, rounds, direct| {
        if last != work {
            last = work.to_owned();
            rate = rates.next().copied().unwrap_or(0);
        }
        println!(
            "| {work} | {way} | {rate} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} | {:.1} |",
            median(rounds, |m| f64::from(m.p50)),
            paired(rounds, direct, |way, direct| f64::from(way.p50) - f64::from(direct.p50)),
            median(rounds, |m| f64::from(m.p99)),
            paired(rounds, direct, |way, direct| f64::from(way.p99) / f64::from(direct.p99).max(1.0)),
            median(rounds, |m| f64::from(m.p999)),
            median(rounds, |m| micros(m.proxy_cpu, m)),
        );
    });
    println!();
}

/// Each workload on each way, with what the direct one gave in the same rounds.
fn each(flags: &Flags, results: &Results, mut row: impl FnMut(&str, &str, &[Measured], &[Measured])) {
    for (work, by_way) in results.by_work() {
        let Some(direct) = by_way.get("direct") else { continue };
        for way in std::iter::once("direct").chain(flags.proxies.iter().map(|kind| kind.name())) {
            if let Some(rounds) = by_way.get(way) {
                row(work, way, rounds, direct);
            }
        }
    }
}

/// The median of what two ways gave in the same round, so that what slowed a round down slowed both.
fn paired(way: &[Measured], direct: &[Measured], value: impl Fn(&Measured, &Measured) -> f64) -> f64 {
    let pairs: Vec<f64> = way.iter().zip(direct).map(|(way, direct)| value(way, direct)).collect();
    median(&pairs, |pair| *pair)
}
