//! A node that says what a test has it say, for what a real one does too seldom or at no set time: it hangs, it forgets, it
//! turns somebody away. What the test leaves to it is answered as Cassandra does.

mod certified;
pub(crate) mod racks;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ilium_cql::CqlType;
use ilium_protocol::{
    ColumnList, ColumnSpec, Direction, Envelope, ErrorDetail, ErrorResponse, Flags, FrameReader, FrameWriter,
    Header, Limits, Opcode, ProtocolVersion, QueryResult, Request, Response, Rows, RowsMetadata, Supported,
    put_bytes,
};
use ilium_store::Frame;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

pub(crate) use certified::{Wanted, certified};

use crate::Options;
use crate::cluster::{Cluster, Facts};
use crate::dial::Dialler;
use crate::link::Stream;
use crate::own;
use crate::ring::{Home, Node};

/// The cluster that these nodes are of.
pub(crate) const CLUSTER: &str = "scripted";

/// The data centre that is near.
pub(crate) const NEAR: &str = "near";

/// Longer than anything takes that does not wait for something in vain.
pub(crate) const SOON: Duration = Duration::from_secs(4);

/// Waits until it holds, and not for ever.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"));
}

/// Something that was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its number among those to this node.
    pub connection: usize,
    pub version: ProtocolVersion,
    /// Whether a certificate is shown on the connection.
    pub certificate: bool,
    /// Of the connection.
    pub keyspace: Option<String>,
    pub opcode: Opcode,
    /// Of a QUERY or PREPARE.
    pub text: String,
    /// Of an AUTH_RESPONSE.
    pub token: Vec<u8>,
    /// The custom payload.
    pub payload: Vec<(String, Option<Vec<u8>>)>,
}

pub(crate) enum Says {
    AsUsual,
    This(Frame),
    Later(Duration, Frame),
    Nothing,
}

impl Says {
    pub fn this(asked: &Asked, response: &Response<'_>) -> Says {
        Says::This(own::answer(asked.version, response).unwrap())
    }

    pub fn later(asked: &Asked, after: Duration, response: &Response<'_>) -> Says {
        Says::Later(after, own::answer(asked.version, response).unwrap())
    }

    pub fn error(asked: &Asked, message: &'static str, detail: ErrorDetail<'_>) -> Says {
        Says::this(asked, &Response::Error(ErrorResponse::new(message, detail)))
    }
}

type Script = dyn Fn(&Asked) -> Says + Send + Sync;

/// Dropping it closes all of its connections.
pub(crate) struct ScriptedNode {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    script: Box<Script>,
    heard: Mutex<Vec<Asked>>,
    serving: Mutex<Vec<AbortHandle>>,
}

impl ScriptedNode {
    pub async fn start(script: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> ScriptedNode {
        ScriptedNode::start_over(None, script).await
    }

    /// One that speaks TLS, if told how.
    pub async fn start_over(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Asked) -> Says + Send + Sync + 'static,
    ) -> ScriptedNode {
        let acceptor = tls.map(TlsAcceptor::from);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { script: Box::new(script), heard: Mutex::default(), serving: Mutex::default() });
        let all = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                // As Cassandra: a second answer is not to wait until the first is acknowledged.
                socket.set_nodelay(true).unwrap();
                let (shared, acceptor) = (Arc::clone(&all), acceptor.clone());
                let serving = tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        return serve(Box::new(socket), address, connection, false, shared).await;
                    };
                    // Who is refused hears it from TLS.
                    let Ok(socket) = acceptor.accept(socket).await else { return };
                    let certificate = socket.get_ref().1.peer_certificates().is_some();
                    serve(Box::new(socket), address, connection, certificate, shared).await;
                });
                all.serving.lock().push(serving.abort_handle());
            }
        });
        ScriptedNode { address, shared, accepting: accepting.abort_handle() }
    }

    /// What was asked of it so far by messages of this kind.
    pub fn heard(&self, opcode: Opcode) -> Vec<Asked> {
        self.shared.heard.lock().iter().filter(|asked| asked.opcode == opcode).cloned().collect()
    }

    /// How many connections it has taken.
    pub fn taken(&self) -> usize {
        self.shared.serving.lock().len()
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.shared.serving.lock().iter().filter(|serving| !serving.is_finished()).count()
    }

    /// Closes one of its connections.
    pub fn sever(&self, connection: usize) {
        self.shared.serving.lock()[connection].abort();
    }
}

impl Drop for ScriptedNode {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.serving.lock().iter().for_each(AbortHandle::abort);
    }
}

async fn serve(
    mut socket: Box<dyn Stream>,
    address: SocketAddr,
    connection: usize,
    certificate: bool,
    shared: Arc<Shared>,
) {
    let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
    let mut writer = FrameWriter::new(ProtocolVersion::V5);
    let mut input = BytesMut::new();
    let mut keyspace = None;
    let (answers, mut due) = mpsc::unbounded_channel::<(i16, Frame)>();
    loop {
        while let Some(envelope) = reader.next(&mut input).unwrap() {
            let Header { version, stream, opcode, .. } = envelope.header;
            writer.set_version(version);
            let (extras, request) = Request::decode(&envelope).unwrap();
            let (text, token) = match request {
                Request::Query(query) => (query.query.to_owned(), Vec::new()),
                Request::Prepare(prepare) => (prepare.query.to_owned(), Vec::new()),
                Request::AuthResponse(token) => (String::new(), token.unwrap_or_default().to_vec()),
                _ => (String::new(), Vec::new()),
            };
            if opcode == Opcode::Startup {
                reader.negotiated(version, None).unwrap();
            }
            let keyspace_now = keyspace.clone();
            let owned = |(key, value): (&str, Option<&[u8]>)| (key.to_owned(), value.map(<[u8]>::to_vec));
            let payload = extras.payload.into_iter().map(owned).collect();
            let asked = Asked {
                connection,
                version,
                certificate,
                keyspace: keyspace_now,
                opcode,
                text,
                token,
                payload,
            };
            shared.heard.lock().push(asked.clone());
            let (after, answer) = match (shared.script)(&asked) {
                Says::Nothing => continue,
                Says::This(answer) => (Duration::ZERO, answer),
                Says::Later(after, answer) => (after, answer),
                Says::AsUsual => {
                    if let Some(chosen) = asked.text.strip_prefix("USE ") {
                        keyspace = Some(chosen.to_owned());
                    }
                    (Duration::ZERO, usual(&asked, address))
                }
            };
            let answers = answers.clone();
            tokio::spawn(async move {
                sleep(after).await;
                // The connection may be gone by then.
                let _ = answers.send((stream, answer));
            });
        }
        tokio::select! {
            read = socket.read_buf(&mut input) => if !read.is_ok_and(|count| count > 0) {
                return;
            },
            Some((stream, Frame { flags, opcode, body, .. })) = due.recv() => {
                let (version, opcode) = (writer.version(), Opcode::from_byte(opcode).unwrap());
                let header = Header { version, flags: Flags::from_bits(flags), stream, opcode };
                writer.envelope(&Envelope { header, body }).unwrap();
                if socket.write_all_buf(writer.ready().unwrap()).await.is_err() || socket.flush().await.is_err() {
                    return;
                }
                if matches!(opcode, Opcode::Ready | Opcode::Authenticate) {
                    writer.negotiated(version, None).unwrap();
                }
            }
        }
    }
}

fn usual(asked: &Asked, at: SocketAddr) -> Frame {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let response = match asked.opcode {
        Opcode::Options => Response::Supported(Supported { options: Vec::new() }),
        Opcode::Startup | Opcode::Register => Response::Ready,
        Opcode::AuthResponse => Response::AuthSuccess(None),
        Opcode::Query if asked.text.starts_with("USE ") => {
            Response::Result(QueryResult::SetKeyspace(asked.text.trim_start_matches("USE ")))
        }
        Opcode::Query if asked.text.contains("system.local") => {
            let id = u128::from(at.port()).to_be_bytes().to_vec();
            let tokens = [1i32.to_be_bytes().as_slice(), &1i32.to_be_bytes(), b"0"].concat();
            return rows(
                asked.version,
                &[
                    ("cluster_name", CqlType::Text, text(CLUSTER)),
                    ("data_center", CqlType::Text, text(NEAR)),
                    ("rack", CqlType::Text, text("rack")),
                    ("release_version", CqlType::Text, text("5.0.9")),
                    ("cql_version", CqlType::Text, text("3.4.7")),
                    ("host_id", CqlType::Uuid, Some(id.clone())),
                    ("schema_version", CqlType::Uuid, Some(id)),
                    (
                        "tokens",
                        CqlType::Set { element: Arc::new(CqlType::Text), frozen: false },
                        Some(tokens),
                    ),
                ],
            );
        }
        // Nobody beside it, and no keyspaces.
        Opcode::Query if asked.text.contains("system") => return rows(asked.version, &[]),
        _ => Response::Result(QueryResult::Void),
    };
    own::answer(asked.version, &response).unwrap()
}

/// One row of a table of `system`, or none where there are no columns.
pub(crate) fn rows(version: ProtocolVersion, columns: &[(&str, CqlType, Option<Vec<u8>>)]) -> Frame {
    let spec = |(name, ty, _): &(&str, CqlType, _)| ColumnSpec {
        keyspace: "system".into(),
        table: "local".into(),
        name: (*name).into(),
        ty: ty.clone(),
    };
    let specs: Vec<ColumnSpec> = columns.iter().map(spec).collect();
    let mut cells = BytesMut::new();
    for (_, _, cell) in columns {
        put_bytes(&mut cells, cell.as_deref()).unwrap();
    }
    let metadata = RowsMetadata::new(ColumnList::specs(&specs));
    let rows = Rows { metadata, row_count: u32::from(!columns.is_empty()), cells: &cells };
    own::answer(version, &Response::Result(QueryResult::Rows(rows))).unwrap()
}

/// A cluster of nodes at these addresses, each in its data centre, as if it had been met and nothing were open yet.
pub(crate) fn cluster_of(
    options: Options,
    nodes: &[(SocketAddr, &str)],
    asks_for_login: bool,
) -> Arc<Cluster> {
    let facts = Facts {
        newest: options.newest_version,
        cql_version: "3.4.7".to_owned(),
        asks_for_login,
        cluster_name: CLUSTER.to_owned(),
        home: Home { datacenter: NEAR.to_owned(), rack: options.local_rack.clone() },
    };
    let cluster = Cluster::new(Dialler::new(options), facts);
    let node = |(number, (address, datacenter)): (usize, &(SocketAddr, &str))| Node {
        place: 0,
        host_id: (number as u128).to_be_bytes(),
        address: *address,
        datacenter: (*datacenter).to_owned(),
        rack: "rack".to_owned(),
        release: "5.0.9".to_owned(),
        tokens: vec![number as i64],
    };
    cluster.set_ring(nodes.iter().enumerate().map(node).collect(), &Default::default());
    cluster
}
