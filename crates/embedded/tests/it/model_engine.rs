//! An engine under test: a clock that is set by hand, statements as text, answers as plain rows.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ilium_embedded::clock::Clock;
use ilium_embedded::storage::{self, Durability};
use ilium_embedded::{Engine, EngineOptions};
use ilium_store::{Bind, Binds, Context, DataStore, Error, Principal, ResultKind};

use crate::storage_folder::Folder;

/// Each value in wire form, or null.
pub type Row = Vec<Option<Vec<u8>>>;

/// Stands still: what a statement was given as its time can be foretold.
pub struct SetClock(pub AtomicI64);

impl Clock for SetClock {
    fn micros(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub struct Database {
    pub clock: Arc<SetClock>,
    pub engine: Option<Engine>,
    runtime: tokio::runtime::Runtime,
    /// `None`: in memory.
    pub folder: Option<Folder>,
}

impl Database {
    pub fn new(in_memory: bool, second: i64) -> Database {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(second * 1_000_000)));
        let folder = (!in_memory).then(Folder::new);
        let mut database = Database { clock, engine: None, runtime, folder };
        database.open();
        database
    }

    pub fn open(&mut self) {
        let folder = self.folder.as_ref().map(|folder| folder.path().to_path_buf());
        let mut options = EngineOptions::new(folder, Box::new(()), self.runtime.handle().clone());
        options.clock = Arc::clone(&self.clock) as _;
        options.storage = storage::Options {
            // A test loses no power: what the operating system has is kept.
            durability: Durability::Periodic { every: Duration::from_secs(3600) },
            segment_bytes: 4 << 20,
            cache_bytes: 8 << 20,
            reserve_bytes: 0,
            ..storage::Options::default()
        };
        self.engine = Some(Engine::open(options).unwrap());
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Ends the engine without a flush and opens its folder again.
    pub fn restart(&mut self) {
        if self.folder.is_some() {
            self.engine = None;
            self.open();
        }
    }

    /// Goes on with a copy of the folder, taken as a crash would leave it, while the engine still runs.
    pub fn crash(&mut self) {
        let Some(folder) = &self.folder else { return };
        let copy = Folder::new();
        let manifest = || std::fs::read(folder.path().join("manifest")).unwrap_or_default();
        loop {
            let before = manifest();
            let copied = files(folder.path().to_path_buf())
                .into_iter()
                .all(|file| std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).is_ok());
            // Otherwise a compaction came between: no crash sees half of each.
            if copied && before == manifest() {
                break;
            }
            files(copy.path().to_path_buf()).into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
        }
        self.engine = None;
        self.folder = Some(copy);
        self.open();
    }

    /// Goes on with a checkpoint.
    pub fn checkpoint(&mut self) {
        if self.folder.is_none() {
            return;
        }
        let copy = Folder::new();
        self.engine().checkpoint(copy.path()).unwrap();
        self.engine = None;
        self.folder = Some(copy);
        self.open();
    }

    /// Runs one statement; `time` is what a driver would send. The rows of all pages.
    pub fn run(
        &self,
        text: &str,
        unset: usize,
        time: Option<i64>,
        page_size: Option<u32>,
    ) -> Result<Vec<Row>, Error> {
        let statement = ilium_cql::parser::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let prepared =
            self.runtime.block_on(self.engine().prepare(Arc::new(statement), Some("ks")).wait())?;
        let mut context = Context::new(Principal::System);
        context.keyspace = Some(Arc::from("ks"));
        context.timestamp = time;
        context.page_size = page_size;
        let mut rows = Vec::new();
        loop {
            let binds = Binds::from_values(std::iter::repeat_n(Bind::Unset, unset));
            let answer = self.engine().execute(&prepared, binds, &context);
            let ResultKind::Rows(page) = self.runtime.block_on(answer.wait())?.result else {
                return Ok(rows);
            };
            let mut data = &page.data[..];
            for _ in 0..page.count {
                let row = (0..page.metadata.columns.len()).map(|_| {
                    let (length, rest) = data.split_first_chunk::<4>().unwrap();
                    let length = i32::from_be_bytes(*length);
                    let (value, rest) = rest.split_at(length.max(0) as usize);
                    data = rest;
                    (length >= 0).then(|| value.to_vec())
                });
                rows.push(row.collect());
            }
            match page.next {
                Some(next) => context.page_state = Some(next),
                None => return Ok(rows),
            }
        }
    }

    /// Runs one blind write many times with int binds, many at a time.
    pub fn many(&self, text: &str, binds: impl Iterator<Item = Vec<i32>>) {
        let statement = Arc::new(ilium_cql::parser::parse(text).unwrap());
        let prepared = self.runtime.block_on(self.engine().prepare(statement, Some("ks")).wait()).unwrap();
        let mut context = Context::new(Principal::System);
        context.keyspace = Some(Arc::from("ks"));
        let mut waiting = Vec::new();
        let settle = |waiting: &mut Vec<ilium_store::Answer<ilium_store::Outcome>>| {
            waiting.drain(..).for_each(|answer| {
                self.runtime.block_on(answer.wait()).unwrap();
            });
        };
        for values in binds {
            let values: Vec<[u8; 4]> = values.iter().map(|value| value.to_be_bytes()).collect();
            let binds = Binds::from_values(values.iter().map(|value| Bind::Value(value)));
            waiting.push(self.engine().execute(&prepared, binds, &context));
            if waiting.len() == 500 {
                settle(&mut waiting);
            }
        }
        settle(&mut waiting);
    }

    /// Runs what must succeed.
    pub fn do_it(&self, text: &str) -> Vec<Row> {
        self.run(text, 0, None, None).unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// The files of a folder. A folder of the engine has none within.
pub fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}
