//! Sessions and log-ins in front of nodes that do what seldom happens.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use ilium_protocol::{ErrorDetail, Opcode, Response};
use ilium_store::Principal;
use tokio::time::{advance, pause, resume, sleep, timeout};

use super::*;
use crate::Upstream;
use crate::scripted::{Asked, CLUSTER, NEAR, SOON, Says, ScriptedNode, cluster_of, rows, until};

fn options() -> Options {
    Options::new(Vec::new())
}

fn key(cluster: &Cluster, role: &str, keyspace: Option<&str>) -> SessionKey {
    let role = Some(Credentials::new(role, "password"));
    SessionKey { keyspace: keyspace.map(Arc::from), ..cluster.key_of(role, 4) }
}

/// Asks who logs in, as a node with roles does.
fn asks_for_login(asked: &Asked) -> Says {
    match asked.opcode {
        Opcode::Startup => {
            Says::this(asked, &Response::Authenticate("org.apache.cassandra.auth.PasswordAuthenticator"))
        }
        _ => Says::AsUsual,
    }
}

#[tokio::test]
async fn the_gateways_own_session_is_not_closed_for_others() {
    let cluster = cluster_of(Options { max_sessions: 2, ..options() }, &[], true);
    cluster.session(cluster.own_key()).unwrap();
    for role in ["anna", "bert", "carl"] {
        cluster.session(key(&cluster, role, None)).unwrap();
    }
    assert_eq!(cluster.stats().sessions, 2);
    assert!(cluster.own_session().is_some());
    // Nor when it was not used for long.
    let _held = cluster.session(key(&cluster, "dora", None)).unwrap();
    let refused = cluster.session(key(&cluster, "emil", None)).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Overloaded);
}

#[tokio::test]
async fn a_keyspace_that_is_not_there_leaves_no_session_and_no_connection() {
    let node = ScriptedNode::start(|asked| match asked.text.as_str() {
        "USE typo" => Says::error(asked, "Keyspace 'typo' does not exist", ErrorDetail::Invalid),
        _ => Says::AsUsual,
    })
    .await;
    let cluster = cluster_of(options(), &[(node.address, NEAR)], false);
    let refused = cluster.open_session(key(&cluster, "anna", Some("typo"))).await.map(|_| ()).unwrap_err();
    assert_eq!((refused.kind, &*refused.message), (ErrorKind::Invalid, "Keyspace 'typo' does not exist"));
    cluster.reach_out();
    until("its connection is closed", || node.open() == 0).await;
    assert_eq!((cluster.stats().sessions, node.taken()), (0, 1));
    assert!(cluster.opening.lock().is_empty());
}

#[tokio::test]
async fn a_node_that_hangs_holds_up_no_log_in() {
    let hanging = ScriptedNode::start(|_| Says::Nothing).await;
    let well = ScriptedNode::start(asks_for_login).await;
    let cluster = cluster_of(options(), &[(hanging.address, NEAR), (well.address, NEAR)], true);
    // Whichever of the two is asked first.
    for role in ["anna", "bert", "carl"] {
        let logged_in = timeout(SOON, cluster.log_in(Credentials::new(role, "password"))).await;
        assert!(matches!(logged_in, Ok(Ok(Principal::Role(_)))), "{logged_in:?}");
    }
    assert!(hanging.taken() > 0);
}

/// A node that says nothing at all while it is told so, and a cluster of it to which the gateway itself is connected.
async fn that_falls_silent() -> (ScriptedNode, Arc<AtomicBool>, Arc<Cluster>) {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&is_silent);
    let node = ScriptedNode::start(move |asked| match silent.load(Ordering::SeqCst) {
        true => Says::Nothing,
        false => asks_for_login(asked),
    })
    .await;
    let user = Some(Credentials::new("gateway", "password"));
    let cluster = cluster_of(Options { user, ..options() }, &[(node.address, NEAR)], true);
    cluster.session(cluster.own_key()).unwrap();
    cluster.reach_out();
    // One that just starts is not cut off.
    cluster.look_for_loss();
    assert!(!cluster.is_lost());
    until("the gateway is connected", || cluster.check().is_ok()).await;
    cluster.look_for_loss();
    (node, is_silent, cluster)
}

#[tokio::test]
async fn while_no_node_can_be_reached_one_log_in_tries_for_a_moment_and_the_others_are_told_at_once() {
    let (node, is_silent, cluster) = that_falls_silent().await;
    let log_in = |role: &str| {
        let (cluster, role) = (Arc::clone(&cluster), Credentials::new(role, "password"));
        async move { cluster.log_in(role).await.map(|_| ()).map_err(|error| error.kind) }
    };
    is_silent.store(true, Ordering::SeqCst);
    node.sever(0);
    until("its connection is gone", || cluster.check().is_err()).await;
    cluster.look_for_loss();
    let trying = tokio::spawn(log_in("anna"));
    until("one tries", || node.heard(Opcode::Startup).len() > 1).await;
    for number in 0..5 {
        let told = log_in(&format!("role{number}")).await;
        assert!(matches!(told, Err(ErrorKind::Unavailable { .. })), "{told:?}");
    }
    assert!(matches!(trying.await.unwrap(), Err(ErrorKind::Unavailable { .. })));
    // The gateway's own, and those of the one that tried, and of another if that took so long.
    assert!(node.heard(Opcode::Startup).len() <= 4, "{:?}", node.heard(Opcode::Startup));
    // It is back: who tries next is let in, and with that the gateway and all others.
    is_silent.store(false, Ordering::SeqCst);
    assert_eq!(log_in("bert").await, Ok(()));
    assert_eq!(log_in("carl").await, Ok(()));
    until("the gateway is connected again", || cluster.check().is_ok()).await;
}

#[tokio::test]
async fn an_idle_connection_to_a_node_in_doubt_is_kept_only_if_the_node_proves_alive() {
    let (node, is_silent, cluster) = that_falls_silent().await;
    cluster.doubt(node.address);
    until("it is asked", || !node.heard(Opcode::Options).is_empty()).await;
    until("it has answered", || node.open() == 1).await;
    assert!(cluster.check().is_ok());
    // An answer stands for a moment.
    later(Duration::from_secs(2)).await;
    is_silent.store(true, Ordering::SeqCst);
    cluster.doubt(node.address);
    until("the gateway knows", || cluster.check().is_err()).await;
}

#[tokio::test]
async fn a_log_in_that_nobody_waits_for_any_more_leaves_nothing() {
    let hanging = ScriptedNode::start(|_| Says::Nothing).await;
    let cluster = cluster_of(options(), &[(hanging.address, NEAR)], true);
    let log_in = || cluster.log_in(Credentials::new("anna", "password"));
    let mut first = Box::pin(log_in());
    let short = Duration::from_millis(50);
    assert!(timeout(short, &mut first).await.is_err());
    assert!(timeout(short, log_in()).await.is_err());
    // Somebody waits still.
    assert_eq!(cluster.opening.lock().len(), 1);
    drop(first);
    assert!(cluster.opening.lock().is_empty());
}

#[tokio::test]
async fn those_who_come_together_ask_the_cluster_once() {
    let node = ScriptedNode::start(|asked| match asked.opcode {
        Opcode::AuthResponse => Says::later(asked, Duration::from_millis(200), &Response::AuthSuccess(None)),
        _ => asks_for_login(asked),
    })
    .await;
    let cluster = cluster_of(options(), &[(node.address, NEAR)], true);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let cluster = Arc::clone(&cluster);
        all.spawn(async move { cluster.log_in(Credentials::new("anna", "password")).await.map(|_| ()) });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!(node.heard(Opcode::AuthResponse).len(), 1);
    // A session of another version is another's connection: one, too.
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (cluster, key) = (Arc::clone(&cluster), key(&cluster, "anna", Some("ks")));
        all.spawn(async move { cluster.open_session(key).await.map(|_| ()) });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!(node.heard(Opcode::AuthResponse).len(), 2);
}

#[tokio::test]
async fn sessions_of_any_version_are_opened_so_many_at_a_time() {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&under_way), Arc::clone(&most));
    let takes = Duration::from_millis(50);
    let node = ScriptedNode::start(move |asked| match asked.opcode {
        Opcode::AuthResponse => {
            let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
            highest.fetch_max(now, Ordering::SeqCst);
            let counted = Arc::clone(&counted);
            // Before the answer, or the next might come first.
            tokio::spawn(async move {
                sleep(takes / 2).await;
                counted.fetch_sub(1, Ordering::SeqCst);
            });
            Says::later(asked, takes, &Response::AuthSuccess(None))
        }
        _ => asks_for_login(asked),
    })
    .await;
    let cluster = cluster_of(options(), &[(node.address, NEAR)], true);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (cluster, key) = (Arc::clone(&cluster), key(&cluster, &format!("role{number}"), None));
        all.spawn(async move { cluster.open_session(key).await.map(|_| ()) });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    let most = most.load(Ordering::SeqCst);
    assert!((2..=LOG_INS).contains(&most), "{most} at a time");
}

/// Lets time go by, for those who look at the clock.
async fn later(by: Duration) {
    pause();
    advance(by).await;
    resume();
}

#[tokio::test]
async fn a_role_that_is_refused_is_tried_seldom_and_forgotten_once_nobody_needs_it() {
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let node = ScriptedNode::start(move |asked| match asked.opcode {
        Opcode::AuthResponse if gone.load(Ordering::SeqCst) => Says::error(
            asked,
            "Provided username anna and/or password are incorrect",
            ErrorDetail::BadCredentials,
        ),
        _ => asks_for_login(asked),
    })
    .await;
    let log_ins = || node.heard(Opcode::AuthResponse).len();
    let cluster = cluster_of(options(), &[(node.address, NEAR)], true);
    let session = cluster.open_session(key(&cluster, "anna", None)).await.unwrap();
    is_gone.store(true, Ordering::SeqCst);
    node.sever(0);
    until("the link is lost", || !session.is_open()).await;
    cluster.reach_out();
    until("it is refused", || session.is_refused()).await;
    assert_eq!(log_ins(), 2);

    // A client that asks for nothing has nobody try again, however long it stays.
    later(Duration::from_secs(7200)).await;
    cluster.reach_out();
    assert_eq!(cluster.dialler.left(), cluster.options.max_links, "none is being opened");
    // One that does is tried for after a minute, after two more, and so on.
    let ask = || assert!(session.pick(&cluster.ring(), &[], &[]).is_none());
    ask();
    until("it is tried", || log_ins() == 3).await;
    until("it is refused again", || session.refused_times() == 2).await;
    later(Duration::from_secs(119)).await;
    ask();
    later(Duration::from_secs(2)).await;
    ask();
    until("it is tried once more", || session.refused_times() == 3).await;
    assert_eq!(log_ins(), 4);

    drop(session);
    cluster.expire_sessions();
    assert_eq!(cluster.stats().sessions, 0);
}

#[tokio::test]
async fn connections_are_bounded_and_those_that_nobody_needs_go_first() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(ScriptedNode::start(|_| Says::AsUsual).await);
    }
    let addresses: Vec<(SocketAddr, &str)> = nodes.iter().map(|node| (node.address, NEAR)).collect();
    // Two are kept for first links of sessions.
    let cluster = cluster_of(Options { max_links: 8, ..options() }, &addresses, false);
    let open = async |keyspace: &str| cluster.open_session(key(&cluster, "anna", Some(keyspace))).await;
    let links = || cluster.stats().links;
    let mut held = vec![open("a").await.unwrap()];
    until("the first has one to each node", || links() == 3).await;
    held.push(open("b").await.unwrap());
    until("so has the second", || links() == 6).await;
    for keyspace in ["c", "d"] {
        held.push(open(keyspace).await.unwrap());
    }
    assert_eq!(links(), 8);
    // Nothing waits on the others' second and third: they make room.
    for keyspace in ["e", "f", "g", "h"] {
        held.push(open(keyspace).await.unwrap());
        until("none is being opened", || links() + cluster.dialler.left() == 8).await;
        assert!(held.iter().all(|session| session.is_open()), "{keyspace}");
    }
    until("each has one", || held.iter().all(|session| session.loads().len() == 1)).await;
    let refused = open("i").await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Overloaded);
    assert_eq!(refused.message, "8 connections to the cluster are in use at once, the limit of this gateway");
    // One whose clients are gone makes room, too.
    held.remove(0);
    held.push(open("i").await.unwrap());
    until("no more are open than may be", || nodes.iter().map(ScriptedNode::open).sum::<usize>() == 8).await;
}

#[tokio::test]
async fn a_session_that_is_asked_for_nothing_keeps_one_link_where_connections_are_scarce() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(ScriptedNode::start(|_| Says::AsUsual).await);
    }
    let addresses: Vec<(SocketAddr, &str)> = nodes.iter().map(|node| (node.address, NEAR)).collect();
    let cluster = cluster_of(Options { max_links: 12, ..options() }, &addresses, false);
    let mut held = Vec::new();
    for keyspace in ["a", "b"] {
        held.push(cluster.open_session(key(&cluster, "anna", Some(keyspace))).await.unwrap());
    }
    until("both have one to each node", || cluster.stats().links == 6).await;
    later(IDLE_LINKS).await;
    // One of them is asked for something.
    held[1].pick(&cluster.ring(), &[], &[]).unwrap();
    for _ in 0..2 {
        cluster.reach_out();
        assert_eq!(held.iter().map(|session| session.loads().len()).collect::<Vec<_>>(), [1, 3]);
        until("four are open and none is being opened", || cluster.dialler.left() == 8).await;
    }
    // And then the other.
    held[0].pick(&cluster.ring(), &[], &[]).unwrap();
    until("it has one to each node again", || cluster.stats().links == 6).await;
}

#[tokio::test]
async fn nodes_of_other_data_centres_are_asked_only_while_no_near_one_can_be() {
    let near = ScriptedNode::start(|_| Says::AsUsual).await;
    let far = ScriptedNode::start(|_| Says::AsUsual).await;
    let cluster = cluster_of(options(), &[(near.address, NEAR), (far.address, "far")], false);
    let session = cluster.open_session(key(&cluster, "anna", None)).await.unwrap();
    let asked = || session.pick(&cluster.ring(), &[], &[]).map(|(_, link)| link.address);
    cluster.reach_out();
    assert_eq!(asked(), Some(near.address));
    assert_eq!(far.taken(), 0);
    drop(near);
    until("the far one is asked", || asked() == Some(far.address)).await;
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused() {
    let node = ScriptedNode::start(|asked| match asked.text.contains("system.local") {
        true => {
            let name = Some(b"another".to_vec());
            Says::This(rows(asked.version, &[("cluster_name", ilium_cql::CqlType::Text, name)]))
        }
        false => Says::AsUsual,
    })
    .await;
    let cluster = cluster_of(options(), &[(node.address, NEAR)], false);
    let refused = cluster.open_session(key(&cluster, "anna", None)).await.map(|_| ()).unwrap_err();
    let expected = format!("{} is a node of the cluster `another`, not of `{CLUSTER}`", node.address);
    assert!(refused.message.contains(&expected), "{refused:?}");
    assert_eq!(cluster.stats().links, 0);
}

#[tokio::test]
async fn a_ring_that_could_not_be_read_is_read_again_soon() {
    let is_ill = Arc::new(AtomicBool::new(false));
    let ill = Arc::clone(&is_ill);
    let node = ScriptedNode::start(move |asked| match asked.text.contains("system.peers") {
        true if ill.load(Ordering::SeqCst) => {
            Says::error(asked, "something is wrong with this node", ErrorDetail::Server)
        }
        _ => Says::AsUsual,
    })
    .await;
    let options = Options::new(vec![node.address.to_string()]);
    let _upstream = Upstream::connect(options).await.unwrap();
    let control = node.heard(Opcode::Register).first().unwrap().connection;
    let asked =
        || node.heard(Opcode::Query).iter().filter(|asked| asked.text.contains("system.peers")).count();
    let before = asked();
    is_ill.store(true, Ordering::SeqCst);
    node.sever(control);
    // Under its new name, and then under its old one.
    until("it is found again, and cannot be read", || asked() >= before + 2).await;
    is_ill.store(false, Ordering::SeqCst);
    let keyspaces =
        || node.heard(Opcode::Query).iter().filter(|asked| asked.text.contains("keyspaces")).count();
    let before = keyspaces();
    until("it is read again", || keyspaces() > before).await;
}
