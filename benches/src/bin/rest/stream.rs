//! A whole table as JSON lines and as CSV: bytes per server CPU second, and the server's memory meanwhile.

use anyhow::{Result, ensure};
use ilium_benches::process::settle;
use ilium_benches::stream::{LOOK_EVERY, Streamed, stream};
use ilium_testbed::ilium::Ilium;
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Connection, Outcome, Settings};

use crate::IDLE;
use crate::customers::{INSERT, values};

/// Cells of a row.
const COLUMNS: u64 = 5;

pub fn run(ilium: &Ilium, cells: u64) -> Result<()> {
    let rows = cells / COLUMNS;
    load(ilium, rows)?;
    for form in ["application/x-ndjson", "text/csv"] {
        settle(&[ilium.id()], IDLE);
        let streamed = stream(ilium.http(), ilium.id(), "/v2/keyspaces/shop/customers/rows", form)?;
        // CSV begins with a line of names.
        let expected = rows + u64::from(form == "text/csv");
        ensure!(
            streamed.lines == expected,
            "{form}: {} lines of {expected}, the run is void",
            streamed.lines
        );
        report(form, cells, &streamed);
    }
    Ok(())
}

fn load(ilium: &Ilium, rows: u64) -> Result<()> {
    // Far below the limit of a batch's values.
    const BATCH: u64 = 100;
    let mut connection = Connection::open(ilium.address(), 5)?;
    let Outcome::Prepared(prepared) = connection.prepare(INSERT, None)?.outcome else {
        anyhow::bail!("the INSERT could not be prepared");
    };
    for first in (0..rows).step_by(BATCH as usize) {
        let items = (first..(first + BATCH).min(rows)).map(|id| {
            BatchItem::Prepared(prepared.id.clone(), values(id).into_iter().map(Bind::Bytes).collect())
        });
        let answer =
            connection.batch(BatchKind::Unlogged, &items.collect::<Vec<_>>(), &Settings::default())?;
        ensure!(answer.outcome == Outcome::Void, "{answer:?}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(form: &str, cells: u64, streamed: &Streamed) {
    let mb = streamed.bytes as f64 / 1e6;
    println!(
        "\n{form}: {cells} cells, {mb:.0} MB in {:.1} s, {:.0} MB per server CPU second, memory {:.0} MiB before, {:.0} at most",
        streamed.seconds,
        mb / streamed.cpu.max(0.01),
        streamed.before,
        streamed.peak()
    );
    let memory: Vec<String> = streamed.memory.iter().map(|mib| format!("{mib:.0}")).collect();
    println!("memory every {} ms (MiB): {}", LOOK_EVERY.as_millis(), memory.join(" "));
}
