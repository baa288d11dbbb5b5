//! The routes over an engine, asked without a socket.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_embedded::{Engine, EngineOptions};
use ilium_http::{Access, Api, BodyLimits};
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Cancellation, Capabilities, Context, DataStore, Login, NoLogin,
    Outcome, Prepared, Principal, SchemaListener, TokenSplit, Tokens,
};
use serde_json::Value;

pub struct Rest {
    runtime: tokio::runtime::Runtime,
    pub store: Arc<Counting>,
    api: Arc<dyn Api>,
}

/// An engine that counts what it is asked.
pub struct Counting {
    engine: Engine,
    pub prepared: AtomicUsize,
    pub executed: AtomicUsize,
    /// While set, nothing that is executed is ever answered.
    pub hangs: AtomicBool,
    /// Of what was executed last.
    pub cancellation: Mutex<Cancellation>,
}

impl DataStore for Counting {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        self.engine.prepare(statement, keyspace)
    }
    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        self.executed.fetch_add(1, Ordering::Relaxed);
        *self.cancellation.lock().unwrap() = context.cancellation.clone();
        if self.hangs.load(Ordering::Relaxed) {
            return Answer::Later(Box::pin(std::future::pending()));
        }
        self.engine.execute(prepared, binds, context)
    }
    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        self.engine.execute_batch(kind, entries, context)
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

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The description of an error, whose code must be the status.
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let json = self.json();
        assert_eq!(json["code"], status, "{}", self.text);
        json["description"].as_str().unwrap().to_owned()
    }

    /// The text of an answer of this status.
    pub fn ok(&self, status: u16) -> &str {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        &self.text
    }
}

impl Rest {
    /// With the keyspace `ks`, and these statements run.
    pub fn with(statements: &[&str]) -> Rest {
        Rest::behind(Arc::new(NoLogin), statements)
    }

    /// The same, where callers log in so.
    pub fn behind(login: Arc<dyn Login>, statements: &[&str]) -> Rest {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = EngineOptions::new(None, Box::new(()), runtime.handle().clone());
        let engine = Engine::open(options).unwrap();
        let store = Arc::new(Counting {
            engine,
            prepared: AtomicUsize::new(0),
            executed: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            cancellation: Mutex::default(),
        });
        let tokens = Tokens::new(&[[7; 32]], Duration::from_secs(60)).unwrap();
        let access = Access::new(login, tokens, || 0);
        let api = ilium_rest::api(Arc::clone(&store) as _, Arc::new(access), BodyLimits::default());
        let rest = Rest { runtime, store, api };
        rest.cql(
            "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        );
        for statement in statements {
            rest.cql(statement);
        }
        rest
    }

    /// Runs a statement as the CQL API would.
    pub fn cql(&self, text: &str) {
        let statement = ilium_cql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let planned = self.store.prepare(Arc::new(statement), Some("ks"));
        let prepared = self.runtime.block_on(planned.wait()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let context = Context::new(Principal::Anonymous);
        let answer = self.store.execute(&prepared, Default::default(), &context);
        self.runtime.block_on(answer.wait()).unwrap_or_else(|e| panic!("{text}: {e}"));
    }

    pub fn send(&self, request: Request<Body>) -> Reply {
        self.runtime.block_on(async {
            let response = Arc::clone(&self.api).answer(request).await;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Reply { status: head.status, headers: head.headers, text }
        })
    }

    /// The first part of an answer, whose rest nobody waits for.
    pub fn begin(&self, request: Request<Body>) -> String {
        self.runtime.block_on(async {
            let mut body = Arc::clone(&self.api).answer(request).await.into_body();
            let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
            String::from_utf8(part.to_vec()).unwrap()
        })
    }

    /// Sends a request and goes away while the store still works for it; says whether the store was told before and
    /// after.
    pub fn leave(&self, request: Request<Body>) -> (bool, bool) {
        self.store.hangs.store(true, Ordering::Relaxed);
        let told = || self.store.cancellation.lock().unwrap().is_cancelled();
        let before = self.runtime.block_on(async {
            let mut call = Arc::clone(&self.api).answer(request);
            std::future::poll_fn(|context| {
                assert!(call.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            told()
        });
        self.store.hangs.store(false, Ordering::Relaxed);
        (before, told())
    }

    /// Whether an answer ends in an error, its connection cut; `meanwhile` is run after its first part.
    pub fn cut_after(&self, request: Request<Body>, meanwhile: &str) -> bool {
        let mut body = self.runtime.block_on(async {
            let mut body = Arc::clone(&self.api).answer(request).await.into_body();
            body.frame().await.unwrap().unwrap();
            body
        });
        self.cql(meanwhile);
        self.runtime.block_on(async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return true;
                }
            }
            false
        })
    }

    pub fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap())
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, Body::empty())
    }

    pub fn get_as(&self, path: &str, accept: &str) -> Reply {
        self.send(Request::builder().uri(path).header("accept", accept).body(Body::empty()).unwrap())
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(Method::POST, path, body.to_owned())
    }

    pub fn put(&self, path: &str, body: &str) -> Reply {
        self.ask(Method::PUT, path, body.to_owned())
    }

    pub fn patch(&self, path: &str, body: &str) -> Reply {
        self.ask(Method::PATCH, path, body.to_owned())
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.ask(Method::DELETE, path, Body::empty())
    }

    /// Rows by a filter, raw.
    pub fn find(&self, table: &str, filter: &str, more: &str) -> Reply {
        self.get(&format!("/v2/keyspaces/ks/{table}?raw=true&where={}{more}", encoded(filter)))
    }
}

/// A text as it stands in an address.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
