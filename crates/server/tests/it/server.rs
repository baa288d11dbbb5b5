//! A server in this process: the listener, the CQL API and an engine in memory, with limits of the test's choice.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_embedded::{Engine, EngineOptions, LoginOptions};
use ilium_native::{Options, Service};
use ilium_server::{CqlListener, ListenOptions};
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Outcome, Prepared, Principal,
    SchemaListener, TokenSplit,
};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber as _;

use crate::client::Client;

/// Long enough for whatever must happen; a test that waits so long has failed.
pub const LONG: Duration = Duration::from_secs(60);

/// Servers of this process, so that each has a file of its own.
static SERVERS: AtomicUsize = AtomicUsize::new(0);

pub struct Server {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    engine: Engine,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    gate: watch::Sender<bool>,
    plans: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    /// What the listener logged.
    log: Log,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Server {
    pub fn start(options: Options) -> Server {
        Server::with(options, |_| {})
    }

    /// A server whose listener is changed by `listen`.
    pub fn with(options: Options, listen: impl FnOnce(&mut ListenOptions)) -> Server {
        Server::open(options, listen, |_| {})
    }

    /// A server where one must log in; it has run these statements.
    pub fn guarded(options: Options, statements: &[&str]) -> Server {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ilium-login-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let login = LoginOptions { superuser_file: folder.join("superuser.txt") };
        let server = Server::open(options, |_| {}, |engine| engine.login = Some(login));
        std::fs::remove_dir_all(folder).unwrap();
        let context = Context::new(Principal::System);
        for text in statements {
            let statement = Arc::new(ilium_cql::parse(text).unwrap());
            let prepared = server.runtime.block_on(server.engine.prepare(statement, None).wait()).unwrap();
            let answer = server.engine.execute(&prepared, Binds::default(), &context);
            server.runtime.block_on(answer.wait()).unwrap();
        }
        server
    }

    fn open(
        options: Options,
        listen: impl FnOnce(&mut ListenOptions),
        configure: impl FnOnce(&mut EngineOptions),
    ) -> Server {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut opened = EngineOptions::new(None, Box::new(()), runtime.handle().clone());
        configure(&mut opened);
        let engine = Engine::open(opened).unwrap();
        let (gate, open) = watch::channel(true);
        let (plans, planning) = watch::channel(true);
        let store = Gated { engine: engine.clone(), open, planning };
        let service = Service::new(Arc::new(store), Arc::new(engine.clone()), options);
        let (stop, stopping) = watch::channel(false);
        let mut listening = ListenOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        listen(&mut listening);
        let listener = runtime.block_on(CqlListener::bind(listening, None)).unwrap();
        let address = listener.address().unwrap();
        let log = Log::default();
        let writer = log.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let serving = listener.serve(Arc::clone(&service), stopping).with_subscriber(logs);
        let serving = Some(runtime.spawn(serving));
        Server { address, service, engine, runtime, stop, gate, plans, serving, log }
    }

    /// A connection that said STARTUP in version 4.
    pub fn client(&self) -> Client {
        Client::started(self.address, 4)
    }

    /// Makes the keyspace `k` and its table `t`.
    pub fn make_table(&self) {
        let mut client = self.client();
        client
            .ok("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
        client.ok("CREATE TABLE k.t (p int, c int, v text, PRIMARY KEY (p, c))");
    }

    /// Proves that requests are still answered, on a new connection.
    pub fn still_serves(&self) {
        self.client().ok("SELECT key FROM system.local");
    }

    /// Statements wait from now on until [`open_gate`](Self::open_gate).
    pub fn close_gate(&self) {
        self.gate.send_replace(false);
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Plans come later from now on, and none before [`make_plans`](Self::make_plans).
    pub fn hold_plans(&self) {
        self.plans.send_replace(false);
    }

    pub fn make_plans(&self) {
        self.plans.send_replace(true);
    }

    /// Waits until `holds`.
    pub fn until(&self, what: &str, holds: impl Fn(&Service) -> bool) {
        let reached = async {
            while !holds(&self.service) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reached = self.runtime.block_on(async { tokio::time::timeout(LONG, reached).await });
        assert!(reached.is_ok(), "waited in vain for {what}");
    }

    /// Tells the server to end.
    pub fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end of the drain, and gives the listener's log.
    pub fn ended(mut self) -> String {
        let serving = self.serving.take().unwrap();
        self.runtime.block_on(async { tokio::time::timeout(LONG, serving).await.unwrap().unwrap() });
        self.log()
    }

    /// What the listener logged so far.
    pub fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().clone()).unwrap()
    }
}

/// The engine behind a gate: while it is closed, statements wait in front of it and nothing of them is done.
struct Gated {
    engine: Engine,
    open: watch::Receiver<bool>,
    /// While it is closed, plans wait.
    planning: watch::Receiver<bool>,
}

impl Gated {
    fn pass(&self, run: impl FnOnce(&Engine) -> Answer<Outcome> + Send + 'static) -> Answer<Outcome> {
        if *self.open.borrow() {
            return run(&self.engine);
        }
        let (engine, mut open) = (self.engine.clone(), self.open.clone());
        Answer::Later(Box::pin(async move {
            open.wait_for(|open| *open).await.unwrap();
            run(&engine).wait().await
        }))
    }
}

impl DataStore for Gated {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        if *self.planning.borrow() {
            return self.engine.prepare(statement, keyspace);
        }
        let (engine, mut planning) = (self.engine.clone(), self.planning.clone());
        let keyspace = keyspace.map(str::to_owned);
        Answer::Later(Box::pin(async move {
            planning.wait_for(|open| *open).await.unwrap();
            engine.prepare(statement, keyspace.as_deref()).wait().await
        }))
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let (prepared, context) = (Arc::clone(prepared), context.clone());
        self.pass(move |engine| engine.execute(&prepared, binds, &context))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        let context = context.clone();
        self.pass(move |engine| engine.execute_batch(kind, entries, &context))
    }

    fn schema(&self) -> Arc<Schema> {
        self.engine.schema()
    }

    fn listen(&self, listener: SchemaListener) {
        self.engine.listen(listener);
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        self.engine.token_splits(keyspace, table, at_least)
    }
}
