//! From the start of a proxy's process to its first answer from the cluster, which is up.

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::Flags;
use crate::cassandra::Cluster;

/// Starts of each, in turn.
const STARTS: usize = 9;

pub fn run(runtime: &Runtime, cluster: &Cluster, flags: &Flags) -> Result<()> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); flags.proxies.len()];
    for _ in 0..STARTS {
        for (&kind, times) in flags.proxies.iter().zip(&mut times) {
            let proxy = cluster.proxy(kind, runtime, flags)?;
            times.push(proxy.took.as_secs_f64() * 1000.0);
        }
    }
    report(flags, &mut times);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(flags: &Flags, times: &mut [Vec<f64>]) {
    println!("| start to first answered query | median (ms) | least | most |\n|---|---:|---:|---:|");
    for (kind, times) in flags.proxies.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().unwrap_or(0.0);
        println!(
            "| {} | {:.1} | {:.1} | {:.1} |",
            kind.name(),
            at(times.len() / 2),
            at(0),
            at(times.len().saturating_sub(1))
        );
    }
    println!();
}
