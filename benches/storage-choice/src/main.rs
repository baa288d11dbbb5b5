//! Why a store of our own, and why rows lie in it as they do: the engine's own work on Ilium's store, fjall 3, redb 4,
//! LMDB (heed) and SQLite (rusqlite), what a flipped byte does to each, and three layouts of a row on Ilium's store.
//!
//! ```text
//! cargo run --release -- compare [ROWS] [ROUNDS] [NAME,...]
//! cargo run --release -- layouts [ROWS] [ROUNDS]
//! cargo run --release -- damage [NAME,...]
//! ```
//! Each piece of work runs in a process of its own, in a folder under `target/`; rounds are interleaved, and what is
//! printed are medians.

mod contender;
mod damage;
mod files;
mod fjall_store;
mod ilium_store;
mod layouts;
mod lmdb_store;
mod redb_store;
mod report;
mod rows;
mod sqlite_store;
mod work;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 3;
/// fjall can also keep a key a delta and leave the merging to readers; for B-trees, which find the leaf to write to
/// anyway, that takes more CPU both ways (measured with `redb-deltas`, `lmdb-deltas`, `sqlite-deltas`).
const COMPARED: [&str; 6] = ["ilium", "fjall", "fjall-deltas", "redb", "lmdb", "sqlite"];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["compare", rest @ ..] => {
            let names = rest.get(2).map_or(COMPARED.to_vec(), |names| names.split(',').collect());
            rounds("one", &names, &rest[..rest.len().min(2)])
        }
        ["layouts", rest @ ..] => rounds("layout", &layouts::NAMES, rest),
        ["damage", rest @ ..] => {
            let names = rest.first().map_or(contender::NAMES.to_vec(), |names| names.split(',').collect());
            let folder = folder()?;
            names.into_iter().try_for_each(|name| damage::trial(name, &folder.join(format!("damage-{name}"))))
        }
        ["one", name, folder, rows] => work::run(name, Path::new(folder), rows.parse()?),
        ["layout", name, folder, rows] => layouts::run(name, Path::new(folder), rows.parse()?),
        ["check", name, folder] => {
            println!(
                "{}",
                match damage::check(name, Path::new(folder))? {
                    damage::Came::Right => "right",
                    damage::Came::Wrong => "wrong",
                    _ => "lost",
                }
            );
            Ok(())
        }
        _ => bail!("compare [ROWS] [ROUNDS] [NAME,...] | layouts [ROWS] [ROUNDS] | damage [NAME,...]"),
    }
}

/// On the disk the program was built on.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = target.context("the program is not in Cargo's target folder")?.join("storage-choice");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs `job` for each name in turn, as often as asked for, each in a process and a new folder of its own.
fn rounds(job: &str, names: &[&str], options: &[&str]) -> Result<()> {
    let rows: u64 = options.first().map_or(Ok(ROWS), |text| text.parse())?;
    let count: usize = options.get(1).map_or(Ok(ROUNDS), |text| text.parse())?;
    let mut figures = report::Figures::default();
    for round in 1..=count {
        for name in names {
            let folder = files::fresh(&folder()?.join(name.replace(' ', "-")))?;
            let run = Command::new(std::env::current_exe()?)
                .args([job, name])
                .arg(&folder)
                .arg(rows.to_string())
                .output()?;
            let said = String::from_utf8_lossy(&run.stdout);
            ensure!(run.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&run.stderr));
            for line in said.lines() {
                eprintln!("round {round}\t{name}\t{line}");
                figures.add(name, line)?;
            }
            files::fresh(&folder)?;
        }
        println!("\n{rows} rows, medians of {round} rounds\n");
        figures.print(names);
    }
    Ok(())
}
