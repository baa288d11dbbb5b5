//! One flipped byte in a log or in a table file: an error, or rows that are silently gone or wrong?

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::contender::Contender;
use crate::{files, rows, work};

const ROWS: u64 = 20_000;
/// Rows of them written after the flush: they are in the log, where there is one.
const IN_LOG: u64 = 5_000;
/// Bytes flipped, one at a time, at even distances over what is used of a file.
const FLIPS: u64 = 31;

/// What a flip came to, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Came {
    /// All rows are there and right: the byte was not in use.
    Right,
    /// An error, at opening or at reading.
    Error,
    /// A panic or a signal ended the process.
    Crash,
    Lost,
    Wrong,
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Came::Right => "no effect",
            Came::Error => "error",
            Came::Crash => "crash",
            Came::Lost => "rows silently lost",
            Came::Wrong => "wrong rows",
        })
    }
}

/// What came of the flips in each kind of file: `file NAME: COUNTS`.
pub fn trial(name: &str, folder: &Path) -> Result<()> {
    let image = files::fresh(&folder.join("image"))?;
    let live = files::fresh(&folder.join("live"))?;
    let store = Contender::open(name, &live)?;
    write(&store, 0..ROWS - IN_LOG)?;
    store.flush()?;
    write(&store, ROWS - IN_LOG..ROWS)?;
    // As a crash at this moment leaves it: all of it is synced, and nothing is closed. Stores make files ahead of time.
    work::settle();
    files::copy(&live, &image)?;
    drop(store);
    let trial = folder.join("trial");
    flip(name, "as a crash leaves it", &image, &trial)?;
    flip(name, "closed", &live, &trial)
}

/// Flips bytes in the log and a table of copies of the image, one a copy.
fn flip(name: &str, state: &str, image: &Path, trial: &Path) -> Result<()> {
    files::copy(image, &files::fresh(trial)?)?;
    let undamaged = check_in_process_of_its_own(name, trial)?;
    anyhow::ensure!(undamaged == Came::Right, "{name}, {state}: without damage: {undamaged}");
    for (kind, file) in targets(image)? {
        let bytes = std::fs::read(image.join(&file))?;
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        let mut counts: BTreeMap<Came, u64> = BTreeMap::new();
        for flip in 1..=FLIPS {
            files::copy(image, &files::fresh(trial)?)?;
            let mut damaged = bytes.clone();
            if let Some(byte) = damaged.get_mut((used * flip / (FLIPS + 1)) as usize) {
                *byte ^= 0xff;
            }
            std::fs::write(trial.join(&file), damaged)?;
            *counts.entry(check_in_process_of_its_own(name, trial)?).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(came, count)| format!("{came} {count}")).collect();
        println!("damage\t{name}\t{state}\t{kind}\t{}", counts.join(", "));
    }
    Ok(())
}

fn write(store: &Contender, range: std::ops::Range<u64>) -> Result<()> {
    let all: Vec<u64> = range.collect();
    for chunk in all.chunks(250) {
        store.write(chunk.iter().map(|&row| (rows::key(row), rows::whole(row, 1))).collect(), true)?;
    }
    Ok(())
}

/// The newest log with anything in it, and the largest other file.
fn targets(image: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut logs = Vec::new();
    let mut tables = Vec::new();
    for file in files::below(image)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let relative = file.strip_prefix(image)?.to_path_buf();
        if name.starts_with("log-") || name.ends_with(".jnl") || name.ends_with("-wal") {
            if std::fs::read(&file)?.iter().skip(64).any(|byte| *byte != 0) {
                logs.push(relative);
            }
        } else if !name.ends_with("-shm") && name != "lock.mdb" {
            tables.push((file.metadata()?.len(), relative));
        }
    }
    let log = logs.pop().map(|file| ("log", file));
    let table = tables.into_iter().max().map(|(_, file)| ("table", file));
    Ok(log.into_iter().chain(table).collect())
}

/// A damaged map may end the process that reads it, so another one does.
fn check_in_process_of_its_own(name: &str, folder: &Path) -> Result<Came> {
    let run = Command::new(std::env::current_exe()?)
        .args(["check", name])
        .arg(folder)
        .output()
        .context("starting the check")?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    Ok(match said.trim() {
        _ if run.status.signal().is_some() || run.status.code() == Some(101) => Came::Crash,
        "right" => Came::Right,
        "lost" => Came::Lost,
        "wrong" => Came::Wrong,
        _ => Came::Error,
    })
}

/// Opens the folder and reads all rows, by scan and by key.
pub fn check(name: &str, folder: &Path) -> Result<Came> {
    let store = Contender::open(name, folder)?;
    let expected: BTreeMap<Vec<u8>, Vec<u8>> =
        (0..ROWS).map(|row| (rows::key(row), rows::whole(row, 1))).collect();
    let (mut found, mut wrong) = (0, false);
    store.range(&[0], &[0xff], &mut |key, value| {
        found += 1;
        wrong |= expected.get(key).is_none_or(|expected| expected != value);
        Ok(())
    })?;
    let mut lost = found != ROWS;
    let mut out = Vec::new();
    for (key, value) in &expected {
        if !store.get(key, &mut out)? {
            lost = true;
        } else {
            wrong |= &out != value;
        }
    }
    Ok(if wrong {
        Came::Wrong
    } else if lost {
        Came::Lost
    } else {
        Came::Right
    })
}
