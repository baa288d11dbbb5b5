//! An HTTP server in this process, with routes that show what reaches an API, and limits of the test's choice.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use ilium_http::{BodyLimits, Front, FrontOptions, read_body};
use ilium_server::metrics::HttpRequests;
use ilium_server::{HttpListener, HttpOptions, ListenOptions};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::LONG;

/// Bytes of the answer to `/big`: more than sockets hold between them.
pub const BIG: usize = 64 << 20;

/// A request that is answered at once.
pub const ECHO: &[u8] = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[derive(Default)]
pub struct Settings {
    pub http: HttpOptions,
    pub body: BodyLimits,
    pub max_in_flight: Option<usize>,
    pub max_body_bytes: Option<usize>,
    pub max_connections: Option<usize>,
}

pub struct HttpServer {
    pub address: SocketAddr,
    /// Requests that reached a route.
    pub reached: Arc<AtomicUsize>,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    gate: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl HttpServer {
    pub fn start(settings: Settings) -> HttpServer {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (gate, open) = watch::channel(true);
        let reached = Arc::<AtomicUsize>::default();
        let routes = routes(settings.body, &reached, open);
        let mut options = FrontOptions::new(false, Arc::<HttpRequests>::default());
        options.max_in_flight = settings.max_in_flight.unwrap_or(options.max_in_flight);
        options.max_body_bytes = settings.max_body_bytes.unwrap_or(options.max_body_bytes);
        let front = Arc::new(Front::new(routes, options));
        let mut listening = ListenOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        listening.max_connections = settings.max_connections.unwrap_or(listening.max_connections);
        let listener = runtime.block_on(HttpListener::bind(listening, None)).unwrap();
        let address = listener.address().unwrap();
        let (stop, stopping) = watch::channel(false);
        let serving = runtime.spawn(listener.serve(front, settings.http, stopping));
        HttpServer { address, reached, runtime, stop, gate, serving }
    }

    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// Requests to `/wait` wait from now on until [`open_gate`](Self::open_gate).
    pub fn close_gate(&self) {
        self.gate.send_replace(false);
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    pub fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end of the drain.
    pub fn ended(self) {
        self.runtime.block_on(async { tokio::time::timeout(LONG, self.serving).await.unwrap().unwrap() });
    }

    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket.set_write_timeout(Some(LONG)).unwrap();
        socket
    }

    /// Sends the bytes on a new connection and reads until the server closes it.
    pub fn exchange(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect();
        // The server may refuse and close before it has read everything.
        let _ = socket.write_all(bytes);
        rest(&mut socket)
    }

    /// Proves that requests are still answered, on a new connection.
    pub fn still_serves(&self) {
        let answer = self.exchange(ECHO);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// All that still comes, until the server closes; a reset ends it, too.
pub fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 64 << 10];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn routes(limits: BodyLimits, reached: &Arc<AtomicUsize>, open: watch::Receiver<bool>) -> Router {
    let count = |reached: &Arc<AtomicUsize>| {
        let reached = Arc::clone(reached);
        move || reached.fetch_add(1, Ordering::SeqCst)
    };
    let (of_get, of_post, of_wait) = (count(reached), count(reached), count(reached));
    let echo = post(move |request: Request| async move {
        of_post();
        read_body(request.into_body(), &limits).await.map(Body::from)
    });
    let wait = get(move || async move {
        of_wait();
        let mut open = open;
        open.wait_for(|open| *open).await.unwrap();
        "waited"
    });
    Router::new()
        .route(
            "/echo",
            echo.get(move || async move {
                of_get();
                "here"
            }),
        )
        .route("/wait", wait)
        .route("/health/ready", get(|| async { "ready" }))
        .route("/big", get(|| async { vec![b'x'; BIG] }))
}
