//! Messages of clients that share a link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ilium_cluster::{Options, Upstream};
use ilium_protocol::{
    Consistency, Envelope, ErrorDetail, Flags, FrameWriter, HEADER_LENGTH, Header, Opcode, ProtocolVersion,
    QueryParameters, QueryRequest, QueryResult, Request, RequestExtras, Response,
};
use ilium_store::{Answers, Caller, Forward, Frame, Principal, Result};
use ilium_testbed::{Cassandra, require};

use crate::described::Upstream as Client;

const VERSION: ProtocolVersion = ProtocolVersion::V5;

struct Inbox(Sender<(i16, Result<Frame>)>);

impl Answers for Inbox {
    fn answer(&self, stream: i16, answer: Result<Frame>) {
        self.0.send((stream, answer)).unwrap();
    }

    fn flush(&self) {}
}

fn query(text: &str, page_state: Option<&[u8]>) -> Frame {
    let mut parameters = QueryParameters::new(Consistency::One);
    parameters.paging_state = page_state;
    let mut writer = FrameWriter::new(VERSION);
    let request = Request::Query(QueryRequest { query: text, parameters });
    writer.request(0, &RequestExtras::default(), &request).unwrap();
    let mut body = writer.ready().unwrap().split();
    let _header = body.split_to(HEADER_LENGTH);
    Frame { version: VERSION.number(), flags: 0, opcode: Opcode::Query.byte(), body: body.freeze() }
}

/// The next answers, by stream.
fn answers(inbox: &Receiver<(i16, Result<Frame>)>, count: usize) -> Vec<(i16, Result<Frame>)> {
    let next = |_| inbox.recv_timeout(Duration::from_secs(30)).unwrap();
    let mut all: Vec<_> = (0..count).map(next).collect();
    all.sort_by_key(|(stream, _)| *stream);
    all
}

/// Cassandra looks into a page state while it reads the message, and closes a connection on which a second message in a row
/// of the same segment cannot be read.
#[test]
fn page_states_that_make_no_sense_cost_nobody_else_the_link() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let mut other = Client::connect(cassandra.address());
    other.run(
        "CREATE KEYSPACE linked WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    );
    other.run("CREATE TABLE linked.t (k int PRIMARY KEY)");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (sender, inbox) = channel();
    let mut client = runtime.block_on(async {
        let options = Options { links_per_node: 1, ..Options::new(vec![cassandra.address().to_string()]) };
        let upstream = Upstream::connect(options).await.unwrap();
        let caller = Caller {
            principal: Principal::Anonymous,
            address: cassandra.address(),
            version: VERSION.number(),
        };
        upstream.open(caller, Arc::new(Inbox(sender))).wait().await.unwrap()
    });
    // What nobody may repeat, between two lots of what cannot be read.
    let nonsense = query("SELECT * FROM linked.t", Some(b"nonsense"));
    for stream in 0..9 {
        let insert = || query(&format!("INSERT INTO linked.t (k) VALUES ({stream})"), None);
        client.send(stream, if stream % 4 == 0 { insert() } else { nonsense.clone() });
    }
    client.flush();
    for (stream, answer) in answers(&inbox, 9) {
        let frame = answer.unwrap_or_else(|error| panic!("{stream}: {error:?}"));
        let header = Header {
            version: VERSION,
            flags: Flags::from_bits(frame.flags),
            stream,
            opcode: Opcode::from_byte(frame.opcode).unwrap(),
        };
        let envelope = Envelope { header, body: frame.body };
        match Response::decode(&envelope).unwrap().1 {
            Response::Result(QueryResult::Void) => assert_eq!(stream % 4, 0),
            Response::Error(error) => {
                assert_eq!((error.detail, stream % 4 > 0), (ErrorDetail::Protocol, true), "{stream}");
            }
            other => panic!("{stream}: {other:?}"),
        }
    }
}
