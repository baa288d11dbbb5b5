//! An engine in memory with a clock that stands still, spoken to in CQL.

use std::path::PathBuf;
use std::sync::Arc;

use ilium_cql::{json, parser};
use ilium_embedded::clock::ManualClock;
use ilium_embedded::{Engine, EngineOptions, storage};
use ilium_store::{
    Bind, Binds, Context, DataStore, Error, Outcome, PageState, Prepared, Principal, ResultKind, Rows,
};

pub const NOW: i64 = 1_700_000_000;

pub struct Db {
    pub engine: Engine,
    pub clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
}

/// Rows as JSON values, by column in order.
pub type Table = Vec<Vec<String>>;

impl Db {
    pub fn new() -> Db {
        Db::open(None)
    }

    pub fn open(folder: Option<PathBuf>) -> Db {
        Db::open_with(folder, storage::Options::default())
    }

    pub fn open_with(folder: Option<PathBuf>, storage: storage::Options) -> Db {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = Arc::new(ManualClock::at_seconds(NOW));
        let mut options = EngineOptions::new(folder, Box::new(()), runtime.handle().clone());
        options.clock = Arc::clone(&clock) as _;
        options.storage = storage;
        let engine = Engine::open(options).unwrap();
        let db = Db { engine, clock, runtime };
        db.run(
            "CREATE KEYSPACE IF NOT EXISTS ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        );
        db
    }

    /// With these statements run.
    pub fn with(statements: &[&str]) -> Db {
        let db = Db::new();
        for statement in statements {
            db.run(statement);
        }
        db
    }

    pub fn context() -> Context {
        Context { keyspace: Some("ks".into()), ..Context::new(Principal::Anonymous) }
    }

    pub fn wait<T>(&self, answer: ilium_store::Answer<T>) -> Result<T, Error> {
        self.runtime.block_on(answer.wait())
    }

    pub fn prepare(&self, text: &str) -> Result<Arc<Prepared>, Error> {
        let statement = parser::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        self.runtime.block_on(self.engine.prepare(Arc::new(statement), Some("ks")).wait())
    }

    pub fn execute(&self, text: &str, binds: Binds, context: &Context) -> Result<Outcome, Error> {
        let prepared = self.prepare(text)?;
        self.runtime.block_on(self.engine.execute(&prepared, binds, context).wait())
    }

    pub fn run(&self, text: &str) {
        self.execute(text, Binds::default(), &Db::context()).unwrap_or_else(|e| panic!("{text}: {e}"));
    }

    pub fn error(&self, text: &str) -> Error {
        match self.execute(text, Binds::default(), &Db::context()) {
            Ok(_) => panic!("{text} was not refused"),
            Err(error) => error,
        }
    }

    fn page(&self, text: &str, binds: &[Bind<'_>], context: &Context) -> Rows {
        let binds = Binds::from_values(binds.iter().copied());
        match self.execute(text, binds, context).unwrap_or_else(|e| panic!("{text}: {e}")).result {
            ResultKind::Rows(rows) => rows,
            other => panic!("{text} gave {other:?}"),
        }
    }

    pub fn rows(&self, text: &str) -> Table {
        table(&self.page(text, &[], &Db::context()))
    }

    pub fn bound(&self, text: &str, binds: &[Bind<'_>]) -> Table {
        table(&self.page(text, binds, &Db::context()))
    }

    /// One page, and the state to ask for the next with.
    pub fn first_page(&self, text: &str, size: u32) -> (Table, Option<PageState>) {
        let rows = self.page(text, &[], &Context { page_size: Some(size), ..Db::context() });
        (table(&rows), rows.next)
    }

    pub fn next_page(&self, text: &str, size: u32, state: PageState) -> (Table, Option<PageState>) {
        let context = Context { page_size: Some(size), page_state: Some(state), ..Db::context() };
        let rows = self.page(text, &[], &context);
        (table(&rows), rows.next)
    }

    /// Every page of this many rows; each but the last is full.
    pub fn pages(&self, text: &str, size: u32) -> Vec<Table> {
        let (first, mut state) = self.first_page(text, size);
        let mut pages = vec![first];
        while let Some(at) = state {
            assert!(pages.len() < 10_000, "{text} has no end");
            let (page, next) = self.next_page(text, size, at);
            pages.push(page);
            state = next;
        }
        for page in pages.iter().rev().skip(1) {
            assert_eq!(
                page.len(),
                size as usize,
                "{text} by {size}: a page that is not the last is not full"
            );
        }
        pages
    }
}

pub fn table(rows: &Rows) -> Table {
    let mut at = &rows.data[..];
    let mut take = |length: usize| {
        let (taken, rest) = at.split_at(length);
        at = rest;
        taken
    };
    let mut table = Table::new();
    for _ in 0..rows.count {
        let mut row = Vec::new();
        for column in &rows.metadata.columns {
            let length = i32::from_be_bytes(take(4).try_into().unwrap());
            let mut text = String::new();
            match usize::try_from(length) {
                Ok(length) => json::to_json(&column.column_type, take(length), &mut text).unwrap(),
                Err(_) => text.push_str("null"),
            }
            row.push(text);
        }
        table.push(row);
    }
    assert!(at.is_empty(), "bytes behind the last row");
    table
}

/// `[[1, 2], [3, null]]` as [`Db::rows`] gives it.
pub fn ints(rows: &[&[i64]]) -> Table {
    rows.iter().map(|row| row.iter().map(i64::to_string).collect()).collect()
}
