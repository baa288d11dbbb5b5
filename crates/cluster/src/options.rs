//! How a cluster is reached, and the limits of the connections to it.

use std::time::Duration;

use ilium_protocol::ProtocolVersion;

use crate::{Credentials, TlsConfigs};

#[derive(Debug, Clone)]
pub struct Options {
    /// Where the cluster is first looked for, as `HOST` or `HOST:PORT`; the rest of it is learned from there.
    pub contact_points: Vec<String>,
    /// The gateway's own role, for what it asks for itself: topology, schema, preparing again. `None`: the one that its
    /// certificate is of, where the cluster asks for a log-in and takes certificates.
    pub user: Option<Credentials>,
    /// Requests go to this data centre's nodes; to others only when none of it can be reached. `None`: that of the contact
    /// point which answered.
    pub local_dc: Option<String>,
    /// Replicas in this rack are asked first.
    pub local_rack: Option<String>,
    /// The newest version of the protocol that is tried.
    pub newest_version: ProtocolVersion,
    /// TLS towards the nodes.
    pub tls: Option<TlsConfigs>,
    /// Whether what goes to nodes and comes from them is compressed, by LZ4, which every version of the protocol knows and every
    /// release takes. It costs CPU on either side and saves traffic, which some pay for between zones.
    pub compresses: bool,
    /// How long a connection may take to open, log-in included. Cassandra's drivers give it 5 s.
    pub connect_timeout: Duration,
    /// A link on which requests wait and nothing comes back for so long is given up, and what waits on it with it, unless the
    /// node answers a new connection. A collection of garbage that stops a healthy node is shorter; drivers wait for 2 to
    /// 12 s for an answer.
    pub silence: Duration,
    /// One whose node does answer new connections is given up after so long without a word. Cassandra holds a request up for
    /// 12 s at most (`native_transport_timeout`): by then threads that were held have come free twice. Drivers have
    /// stopped waiting.
    pub busy: Duration,
    /// One on which bytes were sent and not even the node's kernel has acknowledged them, or taken more of them in, for so long is
    /// given up whatever the node says elsewhere: what was on the way is lost. A node that reads nothing at all from a
    /// connection does so while its threads are held, 12 s at most (see `busy`).
    pub unacknowledged: Duration,
    /// Links of a session to a node, at most. One is opened at once, the others as requests pile up. Cassandra serves a
    /// connection on one thread, so a few let it use more of them.
    pub links_per_node: usize,
    /// Connections to nodes, of all sessions together; the control link is not among them. As many as clients may open, each a
    /// file here and some 40 KiB on either side. A quarter is left for first links of sessions; past half, sessions that ask
    /// for nothing keep one link. A process that may open few files is to have fewer, a quarter of them.
    pub max_links: usize,
    /// Sessions kept, those of roles and keyspaces that nobody used longest closed first. Each holds a connection to a
    /// node or more, at about 40 KiB here and a little more in Cassandra.
    pub max_sessions: usize,
    /// A session nobody uses is closed after so long: shorter than the idle time-outs of load balancers and firewalls.
    pub session_idle: Duration,
    /// How long a change of the schema waits for all nodes to know it: the drivers' own `max_schema_agreement_wait`.
    pub agreement: Duration,
    /// How long a log-in that the cluster accepted stands for others with the same name and password: Cassandra's own
    /// `credentials_validity`.
    pub login_validity: Duration,
    /// Statements remembered by their id, to be prepared again where a node does not know them; the least used are
    /// forgotten first, and a client that uses one hears UNPREPARED and prepares it again.
    pub max_prepared_statements: usize,
    /// Bytes of their texts, together, and of what is shown of each (2 KiB at most): 6 KiB for each of the 10,000. A program that writes its values out prepares many long ones.
    pub max_prepared_text: u64,
}

impl Options {
    pub fn new(contact_points: Vec<String>) -> Options {
        Options {
            contact_points,
            newest_version: ProtocolVersion::V5,
            user: None,
            local_dc: None,
            local_rack: None,
            tls: None,
            compresses: false,
            connect_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            busy: Duration::from_secs(30),
            unacknowledged: Duration::from_secs(15),
            links_per_node: 2,
            max_links: 4096,
            max_sessions: 1024,
            session_idle: Duration::from_secs(300),
            agreement: Duration::from_secs(10),
            login_validity: Duration::from_secs(2),
            max_prepared_statements: 10_000,
            max_prepared_text: 64 << 20,
        }
    }
}
