//! Clusters that may take the gateway's certificate for a log-in; a control link that is lost.

use std::io::{Read as _, pipe};
use std::sync::atomic::{AtomicBool, Ordering};

use ilium_protocol::{ErrorDetail, Opcode};
use ilium_store::{ErrorKind, Login as _};

use super::*;
use crate::scripted::{Asked, Says, ScriptedNode, Wanted, certified, until};
use crate::{Options, Upstream};

const BY_PASSWORD: &str = "org.apache.cassandra.auth.PasswordAuthenticator";
const BY_EITHER: &str = "org.apache.cassandra.auth.MutualTlsWithPasswordFallbackAuthenticator";
/// READY to whoever shows a certificate.
const AT_STARTUP: &str = "com.scylladb.auth.CertificateAuthenticator";

/// The words of `ClientState.ensureNotAnonymous`.
const ANONYMOUS: &str = "You have to be logged in and not anonymous to perform this request";

/// A node with roles, one of which is known by the gateway's certificate. It takes the password `right` of any name, and where
/// its authenticator looks at certificates, that before anything else.
fn with_roles(asked: &Asked, authenticator: &'static str) -> Says {
    let counts = asked.certificate && authenticator != BY_PASSWORD;
    match asked.opcode {
        Opcode::Startup if counts && authenticator == AT_STARTUP => Says::AsUsual,
        Opcode::Startup => Says::this(asked, &Response::Authenticate(authenticator)),
        Opcode::AuthResponse if counts || asked.token.ends_with(b"\0right") => Says::AsUsual,
        Opcode::AuthResponse => Says::error(
            asked,
            "Provided username anna and/or password are incorrect",
            ErrorDetail::BadCredentials,
        ),
        Opcode::Query if asked.text.starts_with("LIST ROLES") => {
            Says::error(asked, "<role anonymous> doesn't exist", ErrorDetail::Invalid)
        }
        _ => Says::AsUsual,
    }
}

/// A node that asks nobody to log in.
fn open_to_all(asked: &Asked) -> Says {
    match asked.opcode {
        Opcode::Query if asked.text.starts_with("LIST ROLES") => {
            Says::error(asked, ANONYMOUS, ErrorDetail::Unauthorized)
        }
        _ => Says::AsUsual,
    }
}

async fn in_front_of(
    wanted: Wanted,
    user: Option<Credentials>,
    script: impl Fn(&Asked) -> Says + Send + Sync + 'static,
) -> (ScriptedNode, Upstream) {
    let (nodes, gateway) = certified(wanted);
    let node = ScriptedNode::start_over(Some(nodes), script).await;
    let options = Options { tls: Some(gateway), user, ..Options::new(vec![node.address.to_string()]) };
    let upstream = Upstream::connect(options).await.unwrap();
    (node, upstream)
}

fn shown(node: &ScriptedNode, opcode: Opcode) -> Vec<bool> {
    node.heard(opcode).iter().map(|asked| asked.certificate).collect()
}

#[tokio::test]
async fn a_cluster_that_logs_the_gateway_in_by_its_certificate_is_not_taken_for_open() {
    for authenticator in [AT_STARTUP, BY_EITHER] {
        let (node, upstream) =
            in_front_of(Wanted::Either, None, move |asked| with_roles(asked, authenticator)).await;
        assert!(upstream.is_required(), "{authenticator}");
        // The gateway is known by its certificate, others are by their passwords.
        assert!(shown(&node, Opcode::Register).iter().all(|shown| *shown));
        let cluster = upstream.cluster();
        let before = node.heard(Opcode::AuthResponse).len();
        let refused = cluster.log_in(Credentials::new("anna", "wrong")).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadCredentials, "{refused:?}");
        cluster.log_in(Credentials::new("anna", "right")).await.unwrap();
        assert!(shown(&node, Opcode::AuthResponse).iter().skip(before).any(|shown| !shown));
    }
}

#[tokio::test]
async fn where_no_connection_goes_without_a_certificate_one_that_logs_in_is_told_from_one_that_does_not() {
    let (node, upstream) =
        in_front_of(Wanted::Certificate, None, |asked| with_roles(asked, AT_STARTUP)).await;
    assert!(upstream.is_required());
    let refused = upstream.cluster().log_in(Credentials::new("anna", "right")).await.unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::Unavailable { .. }), "{refused:?}");
    assert!(node.heard(Opcode::AuthResponse).is_empty());

    let (node, upstream) = in_front_of(Wanted::Certificate, None, open_to_all).await;
    assert!(!upstream.is_required());
    let cluster = upstream.cluster();
    cluster.open_session(cluster.own_key()).await.unwrap();
    // Only the first is tried without.
    until("all that was opened has begun", || node.taken() == 1 + shown(&node, Opcode::Startup).len()).await;
}

#[tokio::test]
async fn an_open_cluster_is_shown_no_certificate_that_it_does_not_want() {
    let (node, upstream) = in_front_of(Wanted::Either, None, open_to_all).await;
    assert!(!upstream.is_required());
    let cluster = upstream.cluster();
    cluster.open_session(cluster.own_key()).await.unwrap();
    assert!(shown(&node, Opcode::Startup).iter().all(|shown| !shown));
}

#[tokio::test]
async fn a_cluster_that_begins_to_log_in_by_certificate_logs_no_password_in_by_that_of_the_gateway() {
    for after in [BY_EITHER, AT_STARTUP] {
        let changed = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&changed);
        let user = Some(Credentials::new("gateway", "right"));
        let (node, upstream) = in_front_of(Wanted::Either, user, move |asked| {
            with_roles(asked, if now.load(Ordering::SeqCst) { after } else { BY_PASSWORD })
        })
        .await;
        let cluster = upstream.cluster();
        let log_in = async |password: &str| cluster.log_in(Credentials::new("anna", password)).await;
        log_in("right").await.unwrap();
        until("the gateway has its own link", || cluster.own_links().len() == 1).await;
        // Before, the certificate meant nothing.
        assert!(shown(&node, Opcode::AuthResponse).iter().all(|shown| *shown));
        let before = node.heard(Opcode::AuthResponse).len();

        changed.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(log_in("wrong").await.is_err(), "{after}");
        }
        // The node is believed once it has looked at the password.
        let refused = log_in("wrong").await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadCredentials, "{refused:?}");
        let key = cluster.key_of(Some(Credentials::new("anna", "right")), 4);
        cluster.prove(key).await.unwrap();
        assert!(shown(&node, Opcode::AuthResponse).iter().skip(before).all(|shown| !shown), "{after}");
    }
}

#[tokio::test]
async fn one_node_that_is_open_to_all_keeps_no_certificate_from_those_that_want_one() {
    let opens = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&opens);
    let user = Some(Credentials::new("gateway", "right"));
    let (_node, upstream) = in_front_of(Wanted::Certificate, user, move |asked| {
        if now.load(Ordering::SeqCst) { open_to_all(asked) } else { with_roles(asked, BY_PASSWORD) }
    })
    .await;
    let cluster = upstream.cluster();
    let prove = async || {
        let key = cluster.key_of(Some(Credentials::new("anna", "right")), 4);
        cluster.prove(key).await.map(|_| ())
    };
    for is_open in [true, false] {
        opens.store(is_open, Ordering::SeqCst);
        prove().await.unwrap();
    }
}

#[tokio::test]
async fn the_return_of_the_control_link_is_told_as_loudly_as_its_loss() {
    let (mut told, tells) = pipe().unwrap();
    let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    let logs = logs.with_writer(move || tells.try_clone().unwrap()).finish();
    let logging = tracing::subscriber::set_default(logs);
    let node = ScriptedNode::start(open_to_all).await;
    let upstream = Upstream::connect(Options::new(vec![node.address.to_string()])).await.unwrap();
    let cluster = upstream.cluster();
    let first = cluster.control().unwrap();
    first.close();
    until("there is another", || cluster.control().is_some_and(|now| !Arc::ptr_eq(&now, &first))).await;
    drop(logging);
    let mut log = String::new();
    told.read_to_string(&mut log).unwrap();
    let (_, after) = log.split_once("the control link is lost").unwrap();
    assert!(after.contains("the control link is there again"), "{log}");
}

#[tokio::test]
async fn where_only_one_side_speaks_tls_the_gateway_says_what_to_look_at() {
    let (nodes, gateway) = certified(Wanted::Either);
    let guarded = ScriptedNode::start_over(Some(nodes), open_to_all).await;
    let plain = ScriptedNode::start(open_to_all).await;
    for (node, tls, words) in
        [(guarded, None, "it may speak TLS alone"), (plain, Some(gateway), "cannot speak TLS with")]
    {
        let options = Options { tls, ..Options::new(vec![node.address.to_string()]) };
        let error = Upstream::connect(options).await.err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("--upstream-tls-ca"), "{error}");
    }
}
