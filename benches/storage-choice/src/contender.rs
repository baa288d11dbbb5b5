//! What a library must do for the engine, and how what it lacks is put around it.
//!
//! None of the libraries merges values. *Read-modify-write*: the one that writes reads the old value in the same
//! transaction, merges by the engine's rules, and writes the result. *A key a delta*: a delta is put under the row's key
//! with its time stamp behind it, and readers merge what they find.
//!
//! None merges the commits of several writers, either, so a *committer* as the engine has one stands before each: a
//! thread that takes what all writers wait for, writes it as one batch and syncs once.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::storage::Merge;

use crate::{fjall_store, ilium_store, lmdb_store, redb_store, rows, sqlite_store};

/// Memory for caches and tables in memory, in all, as Ilium's defaults have it: it must load a million rows in 150 MB.
pub const MEMORY: u64 = 64 << 20;

/// A key and what was written for it, to be merged with what is there.
pub type Delta = (Vec<u8>, Vec<u8>);

/// Sees a key and its value.
pub type Each<'e> = &'e mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// A library's tables.
pub trait Raw: Send + Sync {
    /// Writes all of it as one durable batch. `merge`: what is there is to be read and merged with, by `policy`;
    /// otherwise the values replace what is there.
    fn write(&self, deltas: &[Delta], merge: Option<&RowPolicy>) -> Result<()>;
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool>;
    fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()>;
    /// Brings what is in a log to tables, where the library can be asked to.
    fn flush(&self) -> Result<()>;
}

pub const NAMES: [&str; 5] = ["ilium", "fjall", "redb", "lmdb", "sqlite"];

pub enum Contender {
    Ilium(ilium_store::IliumStore),
    Library { raw: Arc<dyn Raw>, committer: Committer, deltas: bool, policy: RowPolicy },
}

impl Contender {
    /// A name of [`NAMES`], with `-deltas` for a key a delta.
    pub fn open(name: &str, folder: &Path) -> Result<Contender> {
        std::fs::create_dir_all(folder)?;
        let (library, deltas) = name.strip_suffix("-deltas").map_or((name, false), |name| (name, true));
        let raw: Arc<dyn Raw> = match library {
            "ilium" => return Ok(Contender::Ilium(ilium_store::IliumStore::open(folder)?)),
            "fjall" => Arc::new(fjall_store::FjallStore::open(folder)?),
            "redb" => Arc::new(redb_store::RedbStore::open(folder)?),
            "lmdb" => Arc::new(lmdb_store::LmdbStore::open(folder)?),
            "sqlite" => Arc::new(sqlite_store::SqliteStore::open(folder)?),
            _ => bail!("{name} is none of {NAMES:?}"),
        };
        let committer = Committer::start(Arc::clone(&raw), deltas);
        Ok(Contender::Library { raw, committer, deltas, policy: rows::policy() })
    }

    /// Writes each as a write of its own, all of them under way at once, and waits until all are durable. `blind`: no
    /// row has been written before, so there is nothing to merge with.
    pub fn write(&self, deltas: Vec<Delta>, blind: bool) -> Result<()> {
        match self {
            Contender::Ilium(store) => store.write(deltas),
            Contender::Library { committer, .. } => committer.write(deltas, blind),
        }
    }

    pub fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        match self {
            Contender::Ilium(store) => store.get(key, out),
            Contender::Library { raw, deltas: false, .. } => raw.get(key, out),
            Contender::Library { .. } => {
                let mut end = key.to_vec();
                end.extend_from_slice(&[0xff; 9]);
                let mut found = false;
                out.clear();
                self.range(key, &end, &mut |_, value| {
                    found = true;
                    out.extend_from_slice(value);
                    Ok(())
                })?;
                Ok(found)
            }
        }
    }

    /// All rows from one key on and below another, merged.
    pub fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        match self {
            Contender::Ilium(store) => store.range(from, to, each),
            Contender::Library { raw, deltas: false, .. } => raw.range(from, to, each),
            Contender::Library { raw, policy, .. } => {
                let mut held: Option<Delta> = None;
                raw.range(from, to, &mut |key, value| {
                    let row = key.get(..key.len().saturating_sub(8)).unwrap_or_default();
                    match &mut held {
                        Some((of, so_far)) if of == row => {
                            let mut merged = Vec::with_capacity(value.len());
                            policy.merge(row, so_far, value, &mut merged);
                            *so_far = merged;
                        }
                        _ => {
                            if let Some((key, value)) = held.replace((row.to_vec(), value.to_vec())) {
                                each(&key, &value)?;
                            }
                        }
                    }
                    Ok(())
                })?;
                held.map_or(Ok(()), |(key, value)| each(&key, &value))
            }
        }
    }

    pub fn flush(&self) -> Result<()> {
        match self {
            Contender::Ilium(store) => store.flush(),
            Contender::Library { raw, .. } => raw.flush(),
        }
    }
}

struct Waiting {
    deltas: Vec<Delta>,
    blind: bool,
    done: SyncSender<Result<(), String>>,
}

pub struct Committer {
    queue: Option<Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    fn start(raw: Arc<dyn Raw>, deltas: bool) -> Committer {
        let (queue, waiting) = channel();
        let thread = std::thread::spawn(move || serve(&*raw, deltas, &waiting));
        Committer { queue: Some(queue), thread: Some(thread) }
    }

    fn write(&self, deltas: Vec<Delta>, blind: bool) -> Result<()> {
        let (done, answer) = sync_channel(1);
        let queue = self.queue.as_ref().context("the committer runs until it is dropped")?;
        queue.send(Waiting { deltas, blind, done })?;
        answer.recv()?.map_err(anyhow::Error::msg)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(raw: &dyn Raw, deltas: bool, waiting: &Receiver<Waiting>) {
    let policy = rows::policy();
    while let Ok(first) = waiting.recv() {
        let mut blind = first.blind;
        let (mut all, mut answers) = (first.deltas, vec![first.done]);
        for next in waiting.try_iter() {
            blind &= next.blind;
            all.extend(next.deltas);
            answers.push(next.done);
        }
        if deltas {
            for (key, value) in &mut all {
                // A record begins with its flags, then its time stamp.
                key.extend(value.get(1..9).unwrap_or_default().iter().rev());
            }
        }
        let merge = (!blind && !deltas).then_some(&policy);
        let written = raw.write(&all, merge).map_err(|error| format!("{error:#}"));
        for answer in answers {
            let _ = answer.send(written.clone());
        }
    }
}
