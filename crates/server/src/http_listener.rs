//! The HTTP listener: HTTP/1.1 and HTTP/2 on one address, with or without TLS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::IntoResponse as _;
use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ilium_http::{Front, Peer, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accept::{Door, Origin, Speak};
use crate::activity::Activity;
use crate::patient::Patient;
use crate::{ListenError, ListenOptions, PortTls};

/// The limits of one HTTP connection.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// How long a client may keep the server waiting: for a head, counted from the connection's beginning or the last answer,
    /// so it bounds idleness too; and by not taking what was made for it. Past it: closed. 30 s, as the CQL API has.
    pub patience: Duration,
    /// Bytes of a request's head. Past it: 431. 64 KiB: a long `where`, and cookies of other servers on localhost.
    pub max_head: usize,
    /// Requests under way on one HTTP/2 connection. 256: RFC 9113, section 6.5.2, advises no less than 100.
    pub max_streams: u32,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions { patience: Duration::from_secs(30), max_head: 64 << 10, max_streams: 256 }
    }
}

/// A bound address, not yet serving.
pub struct HttpListener {
    door: Door,
}

impl HttpListener {
    pub async fn bind(options: ListenOptions, tls: Option<PortTls>) -> Result<HttpListener, ListenError> {
        Ok(HttpListener { door: Door::bind(options, tls).await? })
    }

    /// Where it listens, the port chosen if 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.door.address()
    }

    /// Serves until `stopping` turns true, then drains.
    pub async fn serve(self, front: Arc<Front>, options: HttpOptions, stopping: watch::Receiver<bool>) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(options.patience)
            .max_buf_size(options.max_head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(options.max_streams)
            .max_header_list_size(u32::try_from(options.max_head).unwrap_or(u32::MAX))
            // A client that is gone without a word is found out.
            .keep_alive_interval(options.patience)
            .keep_alive_timeout(options.patience);
        self.door.serve(Arc::new(Http { front, builder, patience: options.patience }), stopping).await;
    }
}

/// Why the server ends a connection.
enum Why {
    Stopping,
    Silent,
}

/// How long a connection past the limit may take to ask and to take its answer: as long as Kubernetes lets a probe take unless
/// it is told otherwise.
const HURRY: Duration = Duration::from_secs(1);

/// How long a client that was silent may take to read that the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

struct Http {
    front: Arc<Front>,
    builder: auto::Builder<TokioExecutor>,
    patience: Duration,
}

impl Speak for Http {
    /// Who watches this process may ask over TLS.
    const TELLS_OVER_TLS: bool = true;

    async fn serve<S>(
        self: Arc<Self>,
        socket: S,
        from: Origin,
        mut stopping: watch::Receiver<bool>,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(&self.front);
        let activity = Activity::new();
        let of_requests = Arc::clone(&activity);
        let identity = from.tls.and_then(|tls| tls.identity).map(Arc::from);
        let peer = Peer { address: Some(from.peer), identity, ..Peer::default() };
        let service = service_fn(move |request: Request<Incoming>| {
            let (front, activity, peer) = (Arc::clone(&front), Arc::clone(&of_requests), peer.clone());
            async move {
                let handling = activity.begin();
                let (response, place) = front.answer(peer, request.map(Body::new)).await;
                let response = response.map(|body| activity.watch(body, place));
                drop(handling);
                Ok::<_, Infallible>(response)
            }
        });
        let socket = TokioIo::new(Patient::new(socket, self.patience));
        let mut connection = pin!(self.builder.serve_connection(socket, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            // The value it gives is a lock, which must not be held while the connection is drained.
            _ = async { stopping.wait_for(|stop| *stop).await.map(drop) } => Why::Stopping,
            () = activity.client_is_silent(self.patience) => Why::Silent,
        };
        connection.as_mut().graceful_shutdown();
        match ended {
            Why::Stopping => connection.await.map_err(io::Error::other),
            // An idle one ends at once. One that takes nothing is cut.
            Why::Silent => match timeout(FAREWELL, connection).await {
                Ok(ended) => ended.map_err(io::Error::other),
                Err(_) => {
                    Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer"))
                }
            },
        }
    }

    fn under_way(&self) -> usize {
        self.front.in_flight()
    }

    /// What comes after an answer is not read.
    fn unheard(&self) -> Option<u64> {
        None
    }

    async fn turn_away<S>(&self, socket: S, from: Origin, reason: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = &self.front;
        let peer = Peer { address: Some(from.peer), ..Peer::default() };
        let service = service_fn(|request: Request<Incoming>| {
            let peer = peer.clone();
            async move {
                let mut response = match front.is_watched(&request) {
                    // It takes no place.
                    true => front.answer(peer, request.map(Body::new)).await.0,
                    false => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
                };
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                Ok::<_, Infallible>(response)
            }
        });
        let one_answer = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(socket), service)
            .without_shutdown();
        let parts = timeout(HURRY, one_answer).await?.map_err(io::Error::other)?;
        ilium_native::close_in_order(&mut parts.io.into_inner(), &mut BytesMut::new()).await
    }
}
