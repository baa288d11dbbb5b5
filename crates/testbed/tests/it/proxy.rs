use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ilium_testbed::proxy::{Fault, Proxy, Way};

use crate::processes::soon;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// How long a test listens for what must not come.
const QUIET: Duration = Duration::from_millis(200);

/// A server that says back what it is told, and a proxy before it.
fn echo() -> Proxy {
    let listener = TcpListener::bind(NOWHERE).unwrap();
    let target = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    Proxy::start(NOWHERE, target).unwrap()
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A connection that has passed through: it is open on both sides.
fn connected(proxy: &Proxy) -> TcpStream {
    let stream = connect(proxy);
    say(&stream, b"?");
    assert_eq!(hear(&stream, 1), b"?");
    stream
}

fn say(mut stream: &TcpStream, words: &[u8]) {
    stream.write_all(words).unwrap();
}

fn hear(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut heard = vec![0; count];
    stream.read_exact(&mut heard).unwrap();
    heard
}

/// Nothing comes, and the connection stays open.
fn silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(QUIET)).unwrap();
    let heard = stream.read(&mut [0]);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    heard.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// What comes until the connection ends.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut heard);
    heard
}

#[test]
fn a_proxy_forwards_until_told_otherwise() {
    let proxy = echo();
    let stream = connect(&proxy);
    let much = vec![7; 300_000];
    let (sender, words) = (stream.try_clone().unwrap(), much.clone());
    let sending = std::thread::spawn(move || say(&sender, &words));
    assert_eq!(hear(&stream, much.len()), much);
    sending.join().unwrap();
    assert_eq!((proxy.connections(), proxy.taken()), (1, 1));
    drop(proxy);
    assert_eq!(rest(&stream), b"");
}

#[test]
fn a_delay_holds_up_one_way() {
    let proxy = echo();
    let stream = connect(&proxy);
    proxy.set(Fault::Delay(Way::Down, Duration::from_millis(300))).unwrap();
    let begun = Instant::now();
    say(&stream, b"late");
    assert_eq!(hear(&stream, 4), b"late");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn dropped_bytes_never_arrive_and_later_ones_do() {
    for way in [Way::Up, Way::Down] {
        let proxy = echo();
        let stream = connected(&proxy);
        proxy.set(Fault::Drop(way)).unwrap();
        say(&stream, b"lost");
        soon("four bytes are swallowed", || proxy.dropped() == 4);
        proxy.set(Fault::None).unwrap();
        say(&stream, b"b");
        assert_eq!(hear(&stream, 1), b"b", "{way:?}");
    }
}

#[test]
fn a_cut_ends_one_connection_after_so_many_bytes() {
    let proxy = echo();
    let (first, second) = (connect(&proxy), connect(&proxy));
    proxy.set(Fault::Cut(Way::Down, 7)).unwrap();
    say(&first, b"12345");
    assert_eq!(hear(&first, 5), b"12345");
    say(&first, b"67890");
    assert_eq!(rest(&first), b"67");
    say(&second, b"whole again");
    assert_eq!(hear(&second, 11), b"whole again");
}

#[test]
fn refused_connections_are_taken_again_later_and_open_ones_stay() {
    let proxy = echo();
    let open = connected(&proxy);
    proxy.set(Fault::Refuse).unwrap();
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    say(&open, b"still");
    assert_eq!(hear(&open, 5), b"still");
    proxy.sever();
    assert_eq!(rest(&open), b"");
    proxy.set(Fault::None).unwrap();
    let again = connect(&proxy);
    say(&again, b"back");
    assert_eq!(hear(&again, 4), b"back");
}

#[test]
fn a_half_open_connection_is_taken_and_never_answered() {
    let proxy = echo();
    proxy.set(Fault::HalfOpen).unwrap();
    let held = connect(&proxy);
    soon("the connection is taken", || proxy.connections() == 1);
    say(&held, b"anyone?");
    assert!(silent(&held));
    proxy.set(Fault::None).unwrap();
    assert!(silent(&held));
    proxy.sever();
    assert_eq!(rest(&held), b"");
}
