//! Opening a link: the connection, the log-in, whose node it is, the keyspace, what it is to be told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use ilium_protocol::{
    Compression, Consistency, Direction, Envelope, ErrorDetail, EventType, FrameReader, FrameWriter, Limits,
    Opcode, ProtocolError, ProtocolVersion, QueryParameters, QueryRequest, QueryResult, Request,
    RequestExtras, Response, Startup,
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Link, Opened, READ, Stream};
use crate::dial::Dialler;
use crate::error::{ConnectError, of_response};
use crate::table::Table;
use crate::tls::certificates_log_in;
use crate::{Credentials, Options};

/// Shown in `system_views.clients`.
const DRIVER: &str = "Ilium gateway";

/// What those are told who have not logged in and ask for what needs that; a few words follow.
const NOT_LOGGED_IN: &str = "You have to be logged in and not anonymous";

/// What a link is opened for.
pub(crate) struct Purpose<'a> {
    pub version: ProtocolVersion,
    pub credentials: Option<&'a Credentials>,
    /// In CQL's own spelling, quoted where it must be.
    pub keyspace: Option<&'a str>,
    /// Gets what the node tells unasked: changes of the schema, of the ring, of nodes.
    pub events: Option<mpsc::UnboundedSender<Envelope>>,
}

impl Link {
    pub async fn open(
        dialler: &Arc<Dialler>,
        address: SocketAddr,
        purpose: Purpose<'_>,
    ) -> Result<Arc<Link>, ConnectError> {
        let limit = dialler.options.connect_timeout;
        let opening = handshake(address, &purpose, dialler);
        let opened = timeout(limit, opening).await.map_err(|_| ConnectError::Silent { address, limit })??;
        Ok(Link::start(address, opened, Arc::clone(dialler), purpose.events))
    }
}

/// Whether a node answers OPTIONS, the one question that may come before STARTUP.
pub(super) async fn says_anything(
    address: SocketAddr,
    version: ProtocolVersion,
    options: &Options,
) -> Result<(), ConnectError> {
    // Whose certificate it is matters only from STARTUP on.
    let tls = options.tls.as_ref().map(|tls| tls.own.as_ref().unwrap_or(&tls.nameless));
    let mut talk = Talk::connect(address, version, tls, options).await?;
    let answer = talk.ask(&Request::Options).await?;
    match talk.decode(&answer)? {
        Response::Supported(_) => Ok(()),
        other => Err(talk.unexpected(&other, "SUPPORTED")),
    }
}

async fn handshake(
    address: SocketAddr,
    purpose: &Purpose<'_>,
    dialler: &Dialler,
) -> Result<Opened, ConnectError> {
    let mut talk = started(address, purpose, dialler).await?;
    if let Some(cluster) = dialler.cluster.get() {
        talk.is_of(cluster).await?;
    }
    if let Some(keyspace) = purpose.keyspace {
        talk.use_keyspace(keyspace).await?;
    }
    if purpose.events.is_some() {
        let types = vec![EventType::TopologyChange, EventType::StatusChange, EventType::SchemaChange];
        let answer = talk.ask(&Request::Register(types)).await?;
        match talk.decode(&answer)? {
            Response::Ready => {}
            other => return Err(talk.unexpected(&other, "READY")),
        }
    }
    Ok(talk.opened)
}

/// A connection that was let in, showing the certificate that it must.
async fn started(
    address: SocketAddr,
    purpose: &Purpose<'_>,
    dialler: &Dialler,
) -> Result<Talk, ConnectError> {
    let Purpose { version, credentials, .. } = *purpose;
    let withholds = dialler.certificates_log_in.load(Ordering::Relaxed);
    let tls = dialler.options.tls.as_ref();
    let shown = tls.and_then(|tls| tls.shown_for(credentials, withholds));
    let dial = async |shown: Option<&Arc<ClientConfig>>| {
        let config = shown.or(tls.map(|tls| &tls.nameless));
        let mut talk = Talk::connect(address, version, config, &dialler.options).await?;
        talk.start(credentials, shown.is_some(), dialler).await?;
        Ok(talk)
    };
    if credentials.is_some() || shown.is_none() {
        return dial(shown).await;
    }
    // Nobody is to log in, and the certificate could do it unasked: it is shown only where nodes want one from everybody.
    if !dialler.certificates_wanted.load(Ordering::Relaxed) {
        match dial(None).await {
            // By TLS 1.3 a certificate is missed only after the handshake.
            Err(ConnectError::Connect { .. } | ConnectError::NoTls { .. } | ConnectError::Lost { .. }) => {}
            other => return other,
        }
    }
    let mut talk = dial(shown).await?;
    if !talk.is_nobodys().await? {
        dialler.certificates_log_in.store(true, Ordering::Relaxed);
        return Err(ConnectError::LoggedIn { address });
    }
    dialler.certificates_wanted.store(true, Ordering::Relaxed);
    Ok(talk)
}

/// What a record of TLS begins with that is an alert (RFC 8446, section 5.1). No message of ours begins so.
const TLS_ALERT: u8 = 21;

/// Whether what came back to the beginning of TLS was something else, or nothing.
fn is_no_tls(error: &std::io::Error) -> bool {
    let said = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(said, Some(rustls::Error::InvalidMessage(_)))
        || matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset)
}

/// A connection before it serves requests: one question, one answer.
struct Talk {
    address: SocketAddr,
    opened: Opened,
    /// It is without TLS, and nothing was heard on it yet.
    may_want_tls: bool,
}

impl Talk {
    async fn connect(
        address: SocketAddr,
        version: ProtocolVersion,
        tls: Option<&Arc<ClientConfig>>,
        options: &Options,
    ) -> Result<Talk, ConnectError> {
        let cannot = |source| ConnectError::Connect { address, source };
        let plain = TcpStream::connect(address).await.map_err(cannot)?;
        // Requests are gathered before they are written, so waiting for more would only delay them.
        plain.set_nodelay(true).map_err(cannot)?;
        SockRef::from(&plain).set_tcp_user_timeout(Some(options.unacknowledged)).map_err(cannot)?;
        let socket: Box<dyn Stream> = match tls {
            None => Box::new(plain),
            Some(config) => {
                let name = ServerName::IpAddress(address.ip().into());
                let connector = TlsConnector::from(Arc::clone(config));
                let failed = |source: std::io::Error| match is_no_tls(&source) {
                    true => ConnectError::NoTls { address, source },
                    false => cannot(source),
                };
                Box::new(connector.connect(name, plain).await.map_err(failed)?)
            }
        };
        let opened = Opened {
            socket,
            reader: FrameReader::new(Direction::Response, Limits::CLIENT),
            writer: FrameWriter::new(version),
            input: BytesMut::with_capacity(READ),
            version,
        };
        Ok(Talk { address, opened, may_want_tls: tls.is_none() })
    }

    /// STARTUP, and the log-in where the node asks for one. `shows_one` tells whether a certificate is shown.
    async fn start(
        &mut self,
        credentials: Option<&Credentials>,
        shows_one: bool,
        dialler: &Dialler,
    ) -> Result<(), ConnectError> {
        let version = self.opened.version;
        let compression = dialler.options.compresses.then_some(Compression::Lz4);
        let mut options = vec![
            ("CQL_VERSION", "3.0.0"),
            ("DRIVER_NAME", DRIVER),
            ("DRIVER_VERSION", env!("CARGO_PKG_VERSION")),
        ];
        options.extend(compression.map(|_| ("COMPRESSION", "lz4")));
        self.opened.reader.startup_sent(version, compression).map_err(|e| self.nonsense(e))?;
        let answer = self.ask(&Request::Startup(Startup { options })).await?;
        let authenticator = match self.decode(&answer)? {
            Response::Ready => None,
            Response::Authenticate(authenticator) => Some(authenticator.to_owned()),
            Response::Error(error) if error.message.contains("unsupported protocol version") => {
                return Err(ConnectError::Version { address: self.address, version });
            }
            other => return Err(self.unexpected(&other, "READY or AUTHENTICATE")),
        };
        self.opened.reader.negotiated(version, compression).map_err(|e| self.nonsense(e))?;
        self.opened.writer.negotiated(version, compression).map_err(|e| self.nonsense(e))?;
        let is_beside = shows_one && credentials.is_some_and(|credentials| !credentials.is_by_certificate());
        let Some(authenticator) = authenticator else {
            // Nobody is asked to log in here, or the certificate has done it.
            if !is_beside || self.is_nobodys().await? {
                return Ok(());
            }
            return Err(self.beside_a_certificate(Opcode::Ready.to_string(), dialler));
        };
        if certificates_log_in(&authenticator) {
            dialler.certificates_log_in.store(true, Ordering::Relaxed);
            if is_beside {
                return Err(self.beside_a_certificate(authenticator, dialler));
            }
        }
        let Some(credentials) = credentials else {
            return Err(ConnectError::LoginNeeded { address: self.address, authenticator });
        };
        let answer = self.ask(&Request::AuthResponse(Some(&credentials.response()))).await?;
        match self.decode(&answer)? {
            Response::AuthSuccess(_) => Ok(()),
            other => Err(self.unexpected(&other, "AUTH_SUCCESS")),
        }
    }

    /// A password was to be given, and the certificate that was shown would count instead: the node was set up otherwise when its
    /// like was met. The next connection shows none.
    fn beside_a_certificate(&self, got: String, dialler: &Dialler) -> ConnectError {
        dialler.certificates_log_in.store(true, Ordering::Relaxed);
        let expected = "the authenticator that looks at a password";
        ConnectError::Unexpected { address: self.address, got, expected }
    }

    /// Whether the node knows it to be of nobody. Cassandra and ScyllaDB refuse this to callers who have not logged in, before they
    /// look at anything else (`ClientState.ensureNotAnonymous`); whatever else is answered proves nothing.
    async fn is_nobodys(&mut self) -> Result<bool, ConnectError> {
        let query = "LIST ROLES OF anonymous NORECURSIVE";
        let parameters = QueryParameters::new(Consistency::One);
        let answer = self.ask(&Request::Query(QueryRequest { query, parameters })).await?;
        let answer = self.decode(&answer)?;
        match &answer {
            Response::Error(error) => match error.detail {
                ErrorDetail::Unauthorized => Ok(error.message.starts_with(NOT_LOGGED_IN)),
                // As to one who may ask, of a role that is not there.
                ErrorDetail::Invalid => Ok(false),
                // Overloaded, starting: that tells nothing, and passes.
                _ => Err(self.unexpected(&answer, "roles")),
            },
            _ => Ok(false),
        }
    }

    /// Makes sure that this is a node of the cluster of this name: an address that was one's may have become another's.
    async fn is_of(&mut self, cluster: &str) -> Result<(), ConnectError> {
        let query = "SELECT cluster_name FROM system.local WHERE key = 'local'";
        let parameters = QueryParameters::new(Consistency::One);
        let answer = self.ask(&Request::Query(QueryRequest { query, parameters })).await?;
        let address = self.address;
        let local = Table::decode(&answer)
            .map_err(|error| ConnectError::Refused { address, error: Box::new(error) })?;
        let row = local.rows().next();
        match row.and_then(|row| row.text("cluster_name")) {
            Some(said) if said == cluster => Ok(()),
            said => {
                let said = said.unwrap_or_default().to_owned();
                Err(ConnectError::OtherCluster { address, said, expected: cluster.to_owned() })
            }
        }
    }

    async fn use_keyspace(&mut self, keyspace: &str) -> Result<(), ConnectError> {
        let query = format!("USE {keyspace}");
        let parameters = QueryParameters::new(Consistency::One);
        let answer = self.ask(&Request::Query(QueryRequest { query: &query, parameters })).await?;
        match self.decode(&answer)? {
            Response::Result(QueryResult::SetKeyspace(_)) => Ok(()),
            other => Err(self.unexpected(&other, "SET_KEYSPACE")),
        }
    }

    async fn ask(&mut self, request: &Request<'_>) -> Result<Envelope, ConnectError> {
        let (address, may_want_tls) = (self.address, self.may_want_tls);
        let lost = |source| match may_want_tls {
            true => ConnectError::Mute { address, source },
            false => ConnectError::Lost { address, source },
        };
        let nonsense = |source: ProtocolError| ConnectError::Nonsense { address, source };
        let Opened { socket, reader, writer, input, .. } = &mut self.opened;
        writer.request(0, &RequestExtras::default(), request).map_err(nonsense)?;
        socket.write_all_buf(writer.ready().map_err(nonsense)?).await.map_err(lost)?;
        socket.flush().await.map_err(lost)?;
        loop {
            match reader.next(input) {
                Ok(Some(envelope)) => {
                    self.may_want_tls = false;
                    return Ok(envelope);
                }
                Ok(None) => {}
                Err(failure) => return Err(nonsense(failure.error)),
            }
            if socket.read_buf(input).await.map_err(lost)? == 0 {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
            if may_want_tls && input.first() == Some(&TLS_ALERT) {
                return Err(lost(std::io::Error::other("it sent an alert of TLS")));
            }
        }
    }

    fn decode<'e>(&self, answer: &'e Envelope) -> Result<Response<'e>, ConnectError> {
        Response::decode(answer).map(|(_, response)| response).map_err(|source| self.nonsense(source))
    }

    fn nonsense(&self, source: ProtocolError) -> ConnectError {
        ConnectError::Nonsense { address: self.address, source }
    }

    fn unexpected(&self, got: &Response<'_>, expected: &'static str) -> ConnectError {
        match got {
            Response::Error(error) => {
                ConnectError::Refused { address: self.address, error: Box::new(of_response(error)) }
            }
            other => {
                ConnectError::Unexpected { address: self.address, got: other.opcode().to_string(), expected }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpListener;

    use super::*;
    use crate::scripted::SOON;

    #[tokio::test]
    async fn a_connection_whose_bytes_the_other_side_does_not_take_breaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let unacknowledged = std::time::Duration::from_millis(500);
        let options = Options { unacknowledged, ..Options::new(Vec::new()) };
        let mut talk = Talk::connect(address, ProtocolVersion::V5, None, &options).await.unwrap();
        let _silent = listener.accept().await.unwrap();
        // More than sockets hold between them.
        let sent = timeout(SOON * 10, talk.opened.socket.write_all(&vec![0; 64 << 20])).await;
        assert_eq!(sent.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
