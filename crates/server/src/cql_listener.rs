//! The CQL listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ilium_native::Service;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::accept::{Door, Origin, Speak};
use crate::{ListenError, ListenOptions, PortTls};

/// A bound address, not yet serving.
pub struct CqlListener {
    door: Door,
}

impl CqlListener {
    pub async fn bind(options: ListenOptions, tls: Option<PortTls>) -> Result<CqlListener, ListenError> {
        Ok(CqlListener { door: Door::bind(options, tls).await? })
    }

    /// Where it listens, the port chosen if 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.door.address()
    }

    /// Serves until `stopping` turns true, then drains.
    pub async fn serve(self, service: Arc<Service>, stopping: watch::Receiver<bool>) {
        self.door.serve(Arc::new(Cql(service)), stopping).await;
    }
}

struct Cql(Arc<Service>);

impl Speak for Cql {
    const TELLS_OVER_TLS: bool = false;

    async fn serve<S>(
        self: Arc<Self>,
        socket: S,
        from: Origin,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        ilium_native::serve(Arc::clone(&self.0), socket, from.peer, from.tls, stopping).await
    }

    fn under_way(&self) -> usize {
        self.0.requests_waiting()
    }

    fn unheard(&self) -> Option<u64> {
        Some(self.0.unheard())
    }

    async fn turn_away<S>(&self, socket: S, _from: Origin, reason: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        ilium_native::turn_away(&self.0, socket, reason).await
    }
}
