//! A listening socket: takes connections, as many as allowed, and drains them. What a connection speaks is not its
//! affair.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ilium_native::TlsSession;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::tls::{self, PortTls};

#[derive(Debug, Clone)]
pub struct ListenOptions {
    pub address: SocketAddr,
    /// Whether callers log in. Where they do not, only a loopback address is listened on.
    pub authenticated: bool,
    /// Connections at a time; past it the first message of a new one is answered by an error of overload, and it is
    /// closed. Each costs about 70 KiB when idle, so the default of 4,096 stays below 300 MiB.
    pub max_connections: usize,
    /// How long a drain waits for requests that were taken.
    pub drain: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
}

impl ListenOptions {
    pub fn new(address: SocketAddr) -> ListenOptions {
        ListenOptions {
            address,
            authenticated: false,
            max_connections: 4096,
            drain: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
        }
    }
}

/// Connections past the limit that may be told so at a time; more are closed without a word.
const TURNED_AWAY: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "will not listen on {0}: without authentication anyone who can reach it could read and change everything; \
         listen on a loopback address such as 127.0.0.1:{port}", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}; another server may use it, port 0 takes a free one")]
    Bind { address: SocketAddr, source: io::Error },
}

/// How long the handshake of a connection past the limit may take: there are few places for those, and who is slow keeps one.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// What connections of one socket speak.
pub(crate) trait Speak: Send + Sync + 'static {
    /// Whether connections past the limit are told so over TLS, too: a handshake costs more than most of them are worth.
    const TELLS_OVER_TLS: bool;

    /// Serves one connection until its end, or until `stopping` turns true and it is drained.
    fn serve<S>(
        self: Arc<Self>,
        socket: S,
        from: Origin,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = io::Result<()>> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Requests that are not answered at this moment, over all connections.
    fn under_way(&self) -> usize;

    /// Connections that were closed for the stop while requests of theirs were on the way here. `None`: nobody knows.
    fn unheard(&self) -> Option<u64>;

    /// Tells a connection past the limit why it is closed.
    fn turn_away<S>(
        &self,
        socket: S,
        from: Origin,
        reason: &str,
    ) -> impl Future<Output = io::Result<()>> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

/// Where a connection comes from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub peer: SocketAddr,
    pub tls: Option<TlsSession>,
}

/// A bound address, not yet serving.
pub(crate) struct Door {
    socket: TcpListener,
    options: ListenOptions,
    tls: Option<PortTls>,
}

impl Door {
    pub async fn bind(options: ListenOptions, tls: Option<PortTls>) -> Result<Door, ListenError> {
        let address = options.address;
        if !address.ip().is_loopback() {
            if !options.authenticated {
                return Err(ListenError::NotLoopback(address));
            }
            if tls.is_none() {
                tracing::warn!(
                    %address,
                    "others reach this address and there is no TLS: passwords and data can be read on their way"
                );
            }
        }
        let socket =
            TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })?;
        Ok(Door { socket, options, tls })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stopping` turns true, then drains.
    pub async fn serve<P: Speak>(self, protocol: Arc<P>, mut stopping: watch::Receiver<bool>) {
        let limit = self.options.max_connections;
        let places = Arc::new(Semaphore::new(limit));
        let told = Arc::new(Semaphore::new(TURNED_AWAY));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                stop = stopping.wait_for(|stop| *stop) => {
                    let _ = stop;
                    break;
                }
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: taking no more for a moment lets some come back.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (protocol, mut stopping) = (Arc::clone(&protocol), stopping.clone());
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(%peer, limit, "a connection past the limit was closed");
                if (self.tls.is_none() || P::TELLS_OVER_TLS)
                    && let Ok(place) = Arc::clone(&told).try_acquire_owned()
                {
                    let (tls, handshake) = (self.tls.clone(), self.options.handshake.min(TOLD_WITHIN));
                    connections.spawn(async move {
                        let reason = format!(
                            "{limit} connections are open, the limit of this server; close some, or use fewer"
                        );
                        let telling = turn_away(&*protocol, (socket, peer), tls, handshake, &reason);
                        tokio::select! {
                            told = telling => if let Err(error) = told {
                                tracing::debug!(%peer, %error, "a connection was not told why it was closed");
                            },
                            _ = stopping.wait_for(|stop| *stop) => {}
                        }
                        drop(place);
                    });
                }
                continue;
            };
            let (tls, handshake) = (self.tls.clone(), self.options.handshake);
            connections.spawn(async move {
                if let Err(error) = serve_one(protocol, (socket, peer), tls, handshake, stopping).await {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                drop(place);
            });
        }
        let address = self.address().unwrap_or(self.options.address);
        drop(self.socket);
        tracing::info!(
            %address,
            connections = connections.len(),
            requests = protocol.under_way(),
            "no more connections and requests are taken here"
        );
        let drained =
            timeout(self.options.drain, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(
                %address,
                connections = connections.len(),
                requests = protocol.under_way(),
                "connections were cut: their requests took too long"
            );
            connections.shutdown().await;
        }
        tracing::info!(%address, unheard = protocol.unheard(), "all connections are closed");
    }
}

async fn turn_away<P: Speak>(
    protocol: &P,
    (socket, peer): (TcpStream, SocketAddr),
    tls: Option<PortTls>,
    handshake: Duration,
    reason: &str,
) -> io::Result<()> {
    let Some(tls) = tls else {
        return protocol.turn_away(socket, Origin { peer, tls: None }, reason).await;
    };
    // One answer in HTTP/1.1 is all there is, and who offers HTTP/2 offers that, too.
    let mut config = (*tls.config()).clone();
    config.alpn_protocols.retain(|name| name != b"h2");
    let socket = timeout(handshake, TlsAcceptor::from(Arc::new(config)).accept(socket)).await??;
    let from = Origin { peer, tls: tls::session(socket.get_ref().1) };
    protocol.turn_away(socket, from, reason).await
}

async fn serve_one<P: Speak>(
    protocol: Arc<P>,
    (socket, peer): (TcpStream, SocketAddr),
    tls: Option<PortTls>,
    handshake: Duration,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    // Answers are gathered before they are written, so waiting for more would only delay them.
    socket.set_nodelay(true)?;
    let Some(tls) = tls else {
        return protocol.serve(socket, Origin { peer, tls: None }, stopping).await;
    };
    let accepted = tokio::select! {
        accepted = timeout(handshake, TlsAcceptor::from(tls.config()).accept(socket).into_fallible()) => accepted,
        // There is no request yet to be answered.
        _ = stopping.wait_for(|stop| *stop) => return Ok(()),
    };
    let shaken =
        accepted.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))?;
    match shaken {
        Ok(socket) => {
            let from = Origin { peer, tls: tls::session(socket.get_ref().1) };
            protocol.serve(socket, from, stopping).await
        }
        Err((error, mut socket)) => {
            // It was told by an alert.
            ilium_native::close_in_order(&mut socket, &mut BytesMut::new()).await?;
            Err(error)
        }
    }
}
