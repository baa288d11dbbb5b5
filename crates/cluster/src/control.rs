//! The control link: where the cluster is first met, and what watches its ring and its schema from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ilium_protocol::{ChangeType, Envelope, Event, ProtocolVersion, Response, SchemaTarget};
use ilium_store::{ClusterEvent, Error, SchemaChange, SchemaChangeKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::address::host_and_port;
use crate::cluster::{Cluster, Facts, keep_up};
use crate::dial::Dialler;
use crate::error::ConnectError;
use crate::link::{Link, Purpose};
use crate::race;
use crate::ring::{Home, Node, Replication};
use crate::schema::changes;
use crate::table::{Row, Table};
use crate::tls::certificates_log_in;
use crate::{Credentials, Options};

/// Cassandra's own port, where a contact point names none.
const PORT: u16 = 9042;

/// Events of the ring come in flocks; it is read once they pause for so long.
const SETTLED: Duration = Duration::from_millis(200);

/// The ring is read this often even when nothing was told: events may be lost.
const REFRESH: Duration = Duration::from_secs(60);

/// Between two tries to find the cluster again, or to read the ring when that failed: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A link by which the cluster is watched.
pub(crate) struct Control {
    pub link: Arc<Link>,
}

/// The first meeting: a link, what was learned on it, and what it is told from then on.
struct FirstContact {
    facts: Facts,
    /// Whom the gateway is logged in as.
    user: Option<Credentials>,
    /// What looks at log-ins, where a certificate of the gateway's may count for one.
    counts_certificates: Option<String>,
    control: Control,
    events: mpsc::UnboundedReceiver<Envelope>,
}

impl Control {
    pub async fn open(
        dialler: &Arc<Dialler>,
        address: SocketAddr,
        version: ProtocolVersion,
        credentials: Option<&Credentials>,
    ) -> Result<(Control, mpsc::UnboundedReceiver<Envelope>), ConnectError> {
        let (sender, events) = mpsc::unbounded_channel();
        let purpose = Purpose { version, credentials, keyspace: None, events: Some(sender) };
        let link = Link::open(dialler, address, purpose).await?;
        Ok((Control { link }, events))
    }

    /// Runs a statement of our own at consistency ONE.
    pub async fn query(&self, text: &str) -> Result<Table, Error> {
        self.link.query(text).await
    }

    /// The nodes, as this one knows them.
    async fn nodes(&self) -> Result<Vec<Node>, Error> {
        let local = self.query("SELECT * FROM system.local WHERE key = 'local'").await?;
        let port = self.link.address.port();
        // Before Cassandra 4.0, and in ScyllaDB, there is but one port for all.
        let (peers, address, port_of) = match self.query("SELECT * FROM system.peers_v2").await {
            Ok(peers) => (peers, "native_address", Some("native_port")),
            Err(_) => (self.query("SELECT * FROM system.peers").await?, "rpc_address", None),
        };
        let address = |row: &Row<'_>| {
            let own = port_of.and_then(|column| row.int(column)).and_then(|port| u16::try_from(port).ok());
            Some(SocketAddr::new(row.address(address)?, own.unwrap_or(port)))
        };
        let mut nodes = Vec::new();
        // Where it was reached is where it serves us, whatever it says of itself.
        nodes.extend(local.rows().next().and_then(|row| node(&row, self.link.address)));
        nodes.extend(peers.rows().filter_map(|row| node(&row, reachable(address(&row)?, &row))));
        Ok(nodes)
    }

    async fn keyspaces(&self) -> Result<BTreeMap<Arc<str>, Replication>, Error> {
        let table = self.query("SELECT keyspace_name, replication FROM system_schema.keyspaces").await?;
        let keyspace = |row: Row<'_>| {
            let replication = row.text_map("replication").into_iter();
            let replication = replication.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            Some((Arc::from(row.text("keyspace_name")?), replication))
        };
        Ok(table.rows().filter_map(keyspace).collect())
    }
}

/// A node that says it serves clients on any address is reached where its peers reach it.
fn reachable(said: SocketAddr, row: &Row<'_>) -> SocketAddr {
    match row.address("peer") {
        Some(peer) if said.ip().is_unspecified() => SocketAddr::new(peer, said.port()),
        _ => said,
    }
}

/// `None`: a row that is not whole yet, of a node that is just joining.
pub(crate) fn node(row: &Row<'_>, address: SocketAddr) -> Option<Node> {
    let tokens: Vec<i64> = row.texts("tokens").into_iter().filter_map(|token| token.parse().ok()).collect();
    Some(Node {
        place: 0,
        host_id: row.uuid("host_id")?,
        address,
        datacenter: row.text("data_center")?.to_owned(),
        rack: row.text("rack")?.to_owned(),
        release: row.text("release_version").unwrap_or_default().to_owned(),
        tokens: if tokens.is_empty() { return None } else { tokens },
    })
}

/// The addresses that names stand for, `HOST` or `HOST:PORT` each, in the order given; and what is wrong with the others.
pub(crate) async fn addresses_of(names: &[String]) -> (Vec<SocketAddr>, Vec<ConnectError>) {
    let (mut addresses, mut failures) = (Vec::new(), Vec::new());
    for point in names {
        let found = match host_and_port(point) {
            Ok((host, port)) => tokio::net::lookup_host((host, port.unwrap_or(PORT))).await,
            Err(error) => {
                failures.push(ConnectError::Address(error));
                continue;
            }
        };
        match found {
            Ok(found) => addresses.extend(found),
            Err(error) => failures.push(ConnectError::Unknown(point.clone(), error)),
        }
    }
    (addresses, failures)
}

/// Meets the cluster at the first contact point that answers.
async fn first_contact(dialler: &Arc<Dialler>) -> Result<FirstContact, ConnectError> {
    let (addresses, mut failures) = addresses_of(&dialler.options.contact_points).await;
    for address in addresses {
        match meet(address, dialler).await {
            Ok(first) => return Ok(first),
            Err(error) => failures.push(error),
        }
    }
    Err(ConnectError::NoContactPoint(failures))
}

async fn meet(address: SocketAddr, dialler: &Arc<Dialler>) -> Result<FirstContact, ConnectError> {
    let options = &dialler.options;
    let (mut asks_for_login, mut user, mut counts_certificates) = (false, None, None);
    let versions = ProtocolVersion::ALL.iter().rev().copied();
    let mut newest_first = versions.filter(|version| *version <= options.newest_version);
    let (control, events) = loop {
        let Some(version) = newest_first.next() else {
            return Err(ConnectError::Version { address, version: ProtocolVersion::V3 });
        };
        // Whether it asks for a log-in, and what it takes for one, shows when none is offered.
        let opened = match Control::open(dialler, address, version, None).await {
            Err(ConnectError::LoginNeeded { address, authenticator }) => {
                asks_for_login = true;
                let has_one = options.tls.as_ref().is_some_and(|tls| tls.own.is_some());
                let may_show_one = has_one && certificates_log_in(&authenticator);
                let by_certificate = may_show_one.then(|| Credentials::by_certificate(""));
                counts_certificates = may_show_one.then(|| authenticator.clone());
                user = options.user.clone().or(by_certificate);
                match &user {
                    Some(user) => Control::open(dialler, address, version, Some(user)).await,
                    None => Err(ConnectError::LoginNeeded { address, authenticator }),
                }
            }
            // It takes no connection without a certificate, so no password either.
            Err(ConnectError::LoggedIn { address }) => {
                asks_for_login = true;
                counts_certificates = Some("not named: STARTUP is answered by READY".to_owned());
                user = Some(Credentials::by_certificate(""));
                Control::open(dialler, address, version, user.as_ref()).await
            }
            other => other,
        };
        match opened {
            Err(ConnectError::Version { .. }) => {}
            other => break other?,
        }
    };
    let newest = control.link.version;
    let refused = |error| ConnectError::Refused { address, error: Box::new(error) };
    let local = control.query("SELECT * FROM system.local WHERE key = 'local'").await.map_err(refused)?;
    let row = local.rows().next();
    let text = |column| row.as_ref().and_then(|row| row.text(column)).unwrap_or_default().to_owned();
    let home = Home {
        datacenter: options.local_dc.clone().unwrap_or_else(|| text("data_center")),
        rack: options.local_rack.clone(),
    };
    let facts = Facts {
        newest,
        cql_version: text("cql_version"),
        asks_for_login,
        cluster_name: text("cluster_name"),
        home,
    };
    Ok(FirstContact { facts, user, counts_certificates, control, events })
}

/// Finds the cluster by its contact points, learns its ring, and watches it from then on.
pub(crate) async fn connect(options: Options) -> Result<Arc<Cluster>, ConnectError> {
    let dialler = Dialler::new(options);
    let first = first_contact(&dialler).await?;
    if let Some(authenticator) = &first.counts_certificates {
        tracing::warn!(
            authenticator,
            "a certificate may count for a log-in here: clients that give a password are logged in on connections that \
             show none, which the nodes must take"
        );
    }
    if dialler.options.user.is_some() && first.user != dialler.options.user {
        let why = match first.facts.asks_for_login {
            true => "the cluster knows the gateway by its certificate",
            false => {
                "the cluster asks nobody to log in: whoever reaches it, or this gateway, may do everything"
            }
        };
        tracing::warn!(why, "the gateway's own role is not used");
    }
    let cluster = Cluster::new(dialler, first.facts.clone());
    cluster.set_user(first.user.clone());
    take_over(&cluster, first).await?;
    // A limit of no session at all is the only thing that can be wrong here.
    let session = cluster.session(cluster.own_key()).map_err(|_| ConnectError::NoNode)?;
    session.reach_out(&cluster.ring());
    tokio::spawn(keep_up(Arc::downgrade(&cluster)));
    Ok(cluster)
}

/// Reads the ring for the first time and begins to watch.
async fn take_over(cluster: &Arc<Cluster>, first: FirstContact) -> Result<(), ConnectError> {
    let FirstContact { control, events, .. } = first;
    let address = control.link.address;
    refresh(cluster, &control)
        .await
        .map_err(|error| ConnectError::Refused { address, error: Box::new(error) })?;
    if let Some(name) = &cluster.options.local_dc {
        let known: BTreeSet<String> =
            cluster.ring().nodes.iter().map(|node| node.datacenter.clone()).collect();
        if !known.contains(name) {
            let known = Vec::from_iter(known).join(", ");
            return Err(ConnectError::NoDatacenter { name: name.clone(), known });
        }
    }
    if let Home { datacenter, rack: Some(rack) } = &cluster.facts.home {
        let known: BTreeSet<String> = cluster.with_ring(|ring| {
            let near = ring.nodes.iter().filter(|node| node.datacenter == *datacenter);
            near.map(|node| node.rack.clone()).collect()
        });
        if !known.contains(rack) {
            let known = Vec::from_iter(known).join(", ");
            tracing::warn!(
                rack,
                datacenter,
                known,
                "no node of the local data centre is in the local rack: none is asked first"
            );
        }
    }
    cluster.set_control(Some(Arc::clone(&control.link)));
    tokio::spawn(keep_watch(Arc::downgrade(cluster), control, events));
    Ok(())
}

async fn refresh(cluster: &Arc<Cluster>, control: &Control) -> Result<(), Error> {
    let nodes = control.nodes().await?;
    let keyspaces = control.keyspaces().await?;
    cluster.set_ring(nodes, &keyspaces);
    cluster.reach_out();
    Ok(())
}

/// Reads the ring; when that is to be done next. `failed` counts the times in a row that it could not be.
async fn read_ring(cluster: &Arc<Cluster>, control: &Control, failed: &mut u32) -> Instant {
    match refresh(cluster, control).await {
        Ok(()) => {
            *failed = 0;
            Instant::now() + REFRESH
        }
        Err(error) => {
            tracing::warn!(%error, "the ring cannot be read");
            let pause = FIRST_PAUSE.saturating_mul(1 << (*failed).min(10)).min(LONGEST_PAUSE);
            *failed += 1;
            Instant::now() + pause
        }
    }
}

/// Watches as long as the cluster is served; finds it again when the link is lost.
async fn keep_watch(
    cluster: Weak<Cluster>,
    mut control: Control,
    mut events: mpsc::UnboundedReceiver<Envelope>,
) {
    let (mut failed, mut read_at) = (0, Instant::now() + REFRESH);
    loop {
        watch(&cluster, &control, &mut events, &mut failed, read_at).await;
        control.link.close();
        let Some(strong) = cluster.upgrade() else { return };
        tracing::warn!(node = %control.link.address, "the control link is lost");
        strong.set_control(None);
        strong.doubt(control.link.address);
        (control, events) = find_again(&strong, control.link.address).await;
        // As loud as its loss: who reads of that would else take it for lost for good.
        tracing::warn!(node = %control.link.address, "the control link is there again");
        strong.set_control(Some(Arc::clone(&control.link)));
        strong.is_found();
        // What happened meanwhile was told to nobody.
        read_at = read_ring(&strong, &control, &mut failed).await;
        let before = strong.schema();
        strong.settle(&control.link).await;
        for change in before.zip(strong.schema()).iter().flat_map(|(before, now)| changes(before, now)) {
            strong.tell(&ClusterEvent::Schema(change));
        }
    }
}

/// Ends when the link does, or nobody serves the cluster any more.
async fn watch(
    cluster: &Weak<Cluster>,
    control: &Control,
    events: &mut mpsc::UnboundedReceiver<Envelope>,
    failed: &mut u32,
    mut read_at: Instant,
) {
    loop {
        let told = tokio::select! {
            told = events.recv() => told,
            () = tokio::time::sleep_until(read_at) => {
                let Some(cluster) = cluster.upgrade() else { return };
                read_at = read_ring(&cluster, control, failed).await;
                continue;
            }
        };
        let (Some(envelope), Some(cluster)) = (told, cluster.upgrade()) else { return };
        match Response::decode(&envelope) {
            Ok((_, Response::Event(Event::SchemaChange(change)))) => {
                if change.target == SchemaTarget::Keyspace {
                    read_at = read_at.min(Instant::now() + SETTLED);
                }
                cluster.tell(&ClusterEvent::Schema(of_wire(&change)));
            }
            Ok((_, Response::Event(_))) => read_at = read_at.min(Instant::now() + SETTLED),
            _ => {}
        }
    }
}

/// `lost` is where the last link led to: others are tried first.
async fn find_again(
    cluster: &Arc<Cluster>,
    lost: SocketAddr,
) -> (Control, mpsc::UnboundedReceiver<Envelope>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let ring = cluster.ring();
        let rank = |address, distance| (address == lost, distance, address);
        let mut ranked: BTreeSet<(bool, u8, SocketAddr)> =
            ring.nodes.iter().map(|node| rank(node.address, ring.distance(node.place))).collect();
        // All nodes may have got other addresses.
        let points = addresses_of(&cluster.options.contact_points).await.0;
        ranked.extend(points.into_iter().map(|address| rank(address, u8::MAX)));
        let dial = |(_, _, address)| {
            let cluster = Arc::clone(cluster);
            async move {
                let user = cluster.user();
                Control::open(&cluster.dialler, address, cluster.facts.newest, user.as_ref()).await
            }
        };
        if let Ok(found) = race::first_of(ranked, dial, |_| false, ConnectError::NoNode).await {
            return found;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

pub(crate) fn of_wire(change: &ilium_protocol::SchemaChange<'_>) -> SchemaChange {
    let owned = |arguments: &[&str]| arguments.iter().map(|argument| (*argument).to_owned()).collect();
    SchemaChange {
        kind: match change.change {
            ChangeType::Created => SchemaChangeKind::Created,
            ChangeType::Updated => SchemaChangeKind::Updated,
            ChangeType::Dropped => SchemaChangeKind::Dropped,
        },
        keyspace: Arc::from(change.keyspace),
        target: match &change.target {
            SchemaTarget::Keyspace => ilium_store::SchemaTarget::Keyspace,
            SchemaTarget::Table(name) => ilium_store::SchemaTarget::Table(Arc::from(*name)),
            SchemaTarget::Type(name) => ilium_store::SchemaTarget::Type(Arc::from(*name)),
            SchemaTarget::Function { name, arguments } => {
                ilium_store::SchemaTarget::Function { name: Arc::from(*name), arguments: owned(arguments) }
            }
            SchemaTarget::Aggregate { name, arguments } => {
                ilium_store::SchemaTarget::Aggregate { name: Arc::from(*name), arguments: owned(arguments) }
            }
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
