//! What is held for clients of a cluster that does not answer yet: bounded, for each client and for all.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ilium_native::{Options, Service};
use ilium_server::{CqlListener, ListenOptions};
use ilium_store::{Answer, Answers, Caller, Channel, ClusterListener, Forward, Frame, NoLogin, Watcher};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::client::{Client, OPTIONS, OVERLOADED, RESULT, SUPPORTED};
use crate::server::LONG;

/// A cluster that answers when it is told to.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<Waiting>>>);

/// Of one request: whom it is of, its stream, its bytes.
struct Waiting {
    answers: Arc<dyn Answers>,
    stream: i16,
    bytes: usize,
}

struct HeldChannel {
    held: Held,
    answers: Arc<dyn Answers>,
}

impl Channel for HeldChannel {
    fn send(&mut self, stream: i16, frame: Frame) {
        let answers = Arc::clone(&self.answers);
        self.held.0.lock().push(Waiting { answers, stream, bytes: frame.body.len() });
    }

    fn flush(&mut self) {}
}

impl Forward for Held {
    fn versions(&self) -> Vec<u8> {
        vec![3, 4, 5]
    }

    fn cql_version(&self) -> String {
        "3.4.7".to_owned()
    }

    fn open(&self, _: Caller, answers: Arc<dyn Answers>) -> Answer<Box<dyn Channel>> {
        Answer::Ready(Ok(Box::new(HeldChannel { held: self.clone(), answers })))
    }

    fn watch(&self, _: Arc<dyn Watcher>) {}

    fn listen(&self, _: ClusterListener) {}
}

impl Held {
    /// Requests that wait, and their bytes.
    fn waiting(&self) -> (usize, usize) {
        let waiting = self.0.lock();
        (waiting.len(), waiting.iter().map(|waiting| waiting.bytes).sum())
    }

    /// Answers the oldest by a RESULT of so many bytes.
    fn answer(&self, bytes: usize) {
        let Waiting { answers, stream, .. } = self.0.lock().remove(0);
        let body = Bytes::from([vec![0, 0, 0, 1], vec![7; bytes]].concat());
        answers.answer(stream, Ok(Frame { version: 4, flags: 0, opcode: RESULT, body }));
        answers.flush();
    }
}

struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    held: Held,
    runtime: Runtime,
    _stop: watch::Sender<bool>,
}

impl Server {
    fn start(options: Options) -> Server {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let held = Held::default();
        let service = Service::forwarding(Arc::new(held.clone()), Arc::new(NoLogin), options);
        let (stop, stopping) = watch::channel(false);
        let listening = ListenOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = runtime.block_on(CqlListener::bind(listening, None)).unwrap();
        let address = listener.address().unwrap();
        runtime.spawn(listener.serve(Arc::clone(&service), stopping));
        Server { address, service, held, runtime, _stop: stop }
    }

    fn until(&self, what: &str, holds: impl Fn(&Held) -> bool) {
        let reached = async {
            while !holds(&self.held) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        let reached = self.runtime.block_on(async { tokio::time::timeout(LONG, reached).await });
        assert!(reached.is_ok(), "waited in vain for {what}: {:?}", self.held.waiting());
    }

    /// Gives what a client sent every chance to be read: another is answered again and again meanwhile.
    fn pause(&self) {
        let mut other = Client::started(self.address, 4);
        for _ in 0..50 {
            other.send(1, OPTIONS, &[]);
            assert_eq!(other.receive().opcode, SUPPORTED);
        }
    }
}

/// A long statement; what is around it in a body is less than a hundred bytes.
fn long() -> String {
    "x".repeat(100_000)
}

#[test]
fn a_client_is_read_no_further_while_as_many_bytes_of_it_wait_as_one_may_have_there() {
    // Each on a stream of its own, or all on the same.
    for streams in [1000, 1] {
        let server = Server::start(Options { max_asked_per_connection: 300_000, ..Options::default() });
        let mut client = Client::started(server.address, 4);
        for number in 0..10 {
            client.send_query(number % streams, &long());
        }
        server.until("three requests", |held| held.waiting().0 >= 3);
        for answered in 0..7 {
            server.pause();
            assert_eq!(server.held.waiting().0, 3, "after {answered} answers");
            server.held.answer(0);
            assert_eq!(client.receive().opcode, RESULT);
            server.until("the next", |held| held.waiting().0 == 3);
        }
        // Short ones are bounded by their number.
        let mut other = Client::started(server.address, 4);
        (0..500).for_each(|stream| other.send_query(stream, "short"));
        server.until("short ones", |held| held.waiting().0 == 503);
    }
}

#[test]
fn a_short_request_does_not_end_a_long_one_on_the_same_stream() {
    let server = Server::start(Options::default());
    let mut client = Client::started(server.address, 4);
    client.send_query(0, &long());
    client.send_query(0, "short");
    server.until("both", |held| held.waiting().0 == 2);
    let both = server.held.waiting().1;
    server.held.0.lock().swap(0, 1);
    server.held.answer(0);
    assert_eq!(client.receive().opcode, RESULT);
    assert_eq!(server.service.bytes_asked(), server.held.waiting().1);
    assert!(server.held.waiting().1 < both);
    server.held.answer(0);
    assert_eq!(client.receive().opcode, RESULT);
    assert_eq!(server.service.bytes_asked(), 0);
}

#[test]
fn past_the_bytes_of_all_long_requests_are_overloaded_and_short_ones_are_taken() {
    let server = Server::start(Options { max_asked: 250_000, ..Options::default() });
    let (mut one, mut other) = (Client::started(server.address, 4), Client::started(server.address, 4));
    one.send_query(1, &long());
    server.until("one request", |held| held.waiting().0 == 1);
    other.send_query(2, &long());
    server.until("two requests", |held| held.waiting().0 == 2);
    one.send_query(3, &long());
    one.expect_error(3, OVERLOADED, "250000 bytes of requests wait for the cluster already");
    other.send_query(4, "short");
    server.until("the short one", |held| held.waiting().0 == 3);
    server.held.answer(0);
    assert_eq!(one.receive().opcode, RESULT);
    one.send_query(3, &long());
    server.until("room", |held| held.waiting().0 == 3);
}

#[test]
fn one_answer_may_be_longer_than_all_that_may_be_left_unread_and_two_may_not() {
    const LONG_ANSWER: usize = 8 << 20;
    let options = Options { max_unread_per_connection: 1 << 20, ..Options::default() };
    let server = Server::start(options);
    let mut client = Client::started(server.address, 4);
    for _ in 0..3 {
        client.send_query(1, "short");
        server.until("the request", |held| held.waiting().0 == 1);
        server.held.answer(LONG_ANSWER);
        assert_eq!(client.receive().body.len(), LONG_ANSWER + 4);
    }
    // More than sockets hold between them, and the client reads none of it.
    for stream in 0..10 {
        client.send_query(stream, "short");
    }
    server.until("all requests", |held| held.waiting().0 == 10);
    (0..10).for_each(|_| server.held.answer(LONG_ANSWER));
    let mut held = true;
    while held {
        held = client.try_receive().is_ok();
    }
    let mut other = Client::started(server.address, 4);
    other.send_query(1, "short");
    server.until("the other's request", |held| held.waiting().0 == 1);
    server.held.answer(0);
    assert_eq!(other.receive().opcode, RESULT);
}

/// TLS is one, where the socket has no room.
#[test]
fn answers_leave_a_stream_that_holds_back_what_is_not_flushed() {
    let server = Server::start(Options::default());
    let (near, mut client) = tokio::io::duplex(1 << 20);
    let holding = tokio::io::BufStream::new(near);
    let (_stop, stopping) = watch::channel(false);
    let address = SocketAddr::from(([127, 0, 0, 1], 9042));
    let service = Arc::clone(&server.service);
    server.runtime.spawn(async move { ilium_native::serve(service, holding, address, None, stopping).await });
    server.runtime.block_on(async {
        client.write_all(b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0").await.unwrap();
        let mut ready = [0; 9];
        tokio::time::timeout(LONG, client.read_exact(&mut ready)).await.unwrap().unwrap();
        assert_eq!(ready, *b"\x84\0\0\0\x02\0\0\0\0");
    });
}

#[test]
fn where_all_leave_too_much_unread_those_go_that_have_a_good_part_in_it() {
    const ALL: usize = 64 << 20;
    let server =
        Server::start(Options { max_unread_per_connection: 2 * ALL, max_unread: ALL, ..Options::default() });
    let ask = |client: &mut Client, requests: i16| {
        (0..requests).for_each(|stream| client.send_query(stream, "short"));
        server.until("the requests", |held| held.waiting().0 == requests as usize);
    };
    let [mut one, mut other, mut modest] = [0; 3].map(|_| Client::started(server.address, 4));
    // Two leave almost as much as all may, far more than sockets hold between them.
    ask(&mut one, 1);
    server.held.answer(ALL / 2);
    ask(&mut other, 2);
    server.held.answer(ALL / 2 - 100_000);
    // With this it is too much, and that is not this one's fault.
    modest.send_query(1, "short");
    server.until("the modest request", |held| held.waiting().0 == 2);
    server.held.0.lock().swap(0, 1);
    server.held.answer(200_000);
    assert_eq!(modest.receive().body.len(), 200_004);
    server.held.answer(2_000_000);
    assert_eq!(one.receive().body.len(), ALL / 2 + 4);
    let read = (0..2).filter(|_| other.try_receive().is_ok()).count();
    assert!(read < 2, "nobody was cut off");
    ask(&mut one, 1);
    server.held.answer(10);
    assert_eq!(one.receive().body.len(), 14);
}

#[test]
fn a_client_that_is_gone_leaves_nothing_behind() {
    let server = Server::start(Options::default());
    let mut client = Client::started(server.address, 4);
    (0..2).for_each(|stream| client.send_query(stream, "short"));
    server.until("the requests", |held| held.waiting().0 == 2);
    // More than sockets hold between them, and the client reads none of it.
    server.held.answer(32 << 20);
    assert!(server.service.bytes_unread() > 0);
    drop(client);
    server.until("the end of it", |_| server.service.bytes_unread() == 0);
    // Nobody will read this.
    server.held.answer(1_000_000);
    assert_eq!(server.service.bytes_unread(), 0);
}
