//! Requests of clients on nodes that do what seldom happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ilium_protocol::{
    BatchRequest, BatchStatement, BatchType, BatchedStatement, BindMetadata, ColumnList, Consistency,
    ExecuteRequest, FrameWriter, HEADER_LENGTH, Payload, PrepareRequest, Prepared, QueryParameters,
    QueryRequest, QueryResult, RequestExtras, ResponseExtras, RowsMetadata, Value, Values, ValuesBuilder,
};
use ilium_store::{Principal, Seen, Shown, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::Options;
use crate::control::Control;
use crate::scripted::racks::{self, Racks};
use crate::scripted::{Asked, NEAR, SOON, Says, ScriptedNode, cluster_of, rows, until};
use crate::session::SessionKey;

const VERSION: ProtocolVersion = ProtocolVersion::V4;

/// What a client is given.
struct Given(mpsc::UnboundedSender<(i16, Result<Frame, Error>)>);

impl Answers for Given {
    fn answer(&self, stream: i16, answer: Result<Frame, Error>) {
        let _ = self.0.send((stream, answer));
    }

    fn flush(&self) {}
}

struct Client {
    channel: ClientChannel,
    given: mpsc::UnboundedReceiver<(i16, Result<Frame, Error>)>,
}

impl Client {
    async fn of(cluster: &Arc<Cluster>, keyspace: Option<&str>) -> Client {
        let key = SessionKey { role: None, version: VERSION.number(), keyspace: keyspace.map(Arc::from) };
        let session = cluster.open_session(key).await.unwrap();
        let (sender, given) = mpsc::unbounded_channel();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let caller = Caller { principal: Principal::Anonymous, address, version: VERSION.number() };
        let answers = Arc::new(Given(sender));
        let channel = ClientChannel::new(Arc::clone(cluster), session, VERSION, caller, answers);
        Client { channel, given }
    }

    fn send(&mut self, stream: i16, request: &Request<'_>) {
        let frame = own::frame(VERSION, &RequestExtras::default(), request).unwrap();
        self.channel.send(stream, frame);
        self.channel.flush();
    }

    fn query(&mut self, stream: i16, query: &str) {
        let parameters = QueryParameters::new(Consistency::One);
        self.send(stream, &Request::Query(QueryRequest { query, parameters }));
    }

    /// The next answer's stream, and whether it is a RESULT.
    async fn next(&mut self) -> (i16, bool) {
        let (stream, answer) = timeout(SOON, self.given.recv()).await.unwrap().unwrap();
        (stream, answer.unwrap().opcode == Opcode::Result.byte())
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_goes_to_the_keyspace_in_which_it_was_asked() {
    let is_first = Arc::new(AtomicBool::new(true));
    let script = || {
        let is_first = Arc::clone(&is_first);
        move |asked: &Asked| match asked.text.as_str() {
            "SELECT v FROM t" if is_first.swap(false, Ordering::SeqCst) => Says::Nothing,
            _ => Says::AsUsual,
        }
    };
    let nodes = [ScriptedNode::start(script()).await, ScriptedNode::start(script()).await];
    let cluster = cluster_of(
        Options { newest_version: VERSION, ..Options::new(Vec::new()) },
        &[(nodes[0].address, NEAR), (nodes[1].address, NEAR)],
        false,
    );
    let mut client = Client::of(&cluster, Some("before")).await;
    until("both nodes have a link", || cluster.stats().links == 2).await;
    client.query(1, "SELECT v FROM t");
    let selects = |node: &ScriptedNode| {
        let asked = node.heard(Opcode::Query).into_iter();
        asked.filter(|asked| asked.text == "SELECT v FROM t").collect::<Vec<_>>()
    };
    until("one is asked", || nodes.iter().any(|node| !selects(node).is_empty())).await;
    client.query(2, "USE after");
    assert_eq!(client.next().await, (2, true));
    // The node that has it goes without a word, and the other is asked: in the keyspace it was meant for.
    let (holds, other) = match selects(&nodes[0]).is_empty() {
        true => (&nodes[1], &nodes[0]),
        false => (&nodes[0], &nodes[1]),
    };
    holds.sever(selects(holds)[0].connection);
    assert_eq!(client.next().await, (1, true));
    assert_eq!(selects(other)[0].keyspace.as_deref(), Some("before"));
    // What is asked from now on is in the new one.
    client.query(3, "SELECT v FROM t");
    assert_eq!(client.next().await, (3, true));
    let all: Vec<_> = nodes.iter().flat_map(selects).filter_map(|asked| asked.keyspace).collect();
    assert!(all.contains(&"after".to_owned()), "{all:?}");
}

#[tokio::test]
async fn what_a_node_has_forgotten_is_prepared_once_for_all_who_ask() {
    let prepares = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&prepares);
    let node = ScriptedNode::start(move |asked| match asked.opcode {
        Opcode::Prepare => {
            counted.fetch_add(1, Ordering::SeqCst);
            let prepared = Prepared {
                id: b"the id",
                result_metadata_id: None,
                bind: BindMetadata { columns: ColumnList::specs(&[]), partition_key: Default::default() },
                result: RowsMetadata::none(),
            };
            let response = Response::Result(QueryResult::Prepared(prepared));
            Says::later(asked, Duration::from_millis(200), &response)
        }
        Opcode::Execute if counted.load(Ordering::SeqCst) < 2 => {
            Says::error(asked, "it has forgotten", ErrorDetail::Unprepared { id: b"the id" })
        }
        _ => Says::AsUsual,
    })
    .await;
    let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
    let cluster = cluster_of(options, &[(node.address, NEAR)], false);
    // Prepared in one keyspace, executed by a client in another.
    let mut first = Client::of(&cluster, Some("ks")).await;
    first.send(1, &Request::Prepare(PrepareRequest { query: "SELECT v FROM ks.t", keyspace: None }));
    assert_eq!(first.next().await, (1, true));
    let mut client = Client::of(&cluster, None).await;
    let taken = node.taken();
    let parameters = QueryParameters::new(Consistency::One);
    let execute = ExecuteRequest { id: b"the id", result_metadata_id: None, parameters };
    for stream in 0..500 {
        let frame =
            own::frame(VERSION, &RequestExtras::default(), &Request::Execute(execute.clone())).unwrap();
        client.channel.send(stream, frame);
    }
    client.channel.flush();
    for _ in 0..500 {
        assert!(client.next().await.1);
    }
    assert_eq!(prepares.load(Ordering::SeqCst), 2);
    // A second link may have been opened for so many; none for each of them.
    assert!(node.taken() <= taken + 1, "{} connections more", node.taken() - taken);
}

/// Works out what is to be shown of each statement, and notes whether that was done before (`None`: there is no place for it),
/// and its keyspace.
#[derive(Default)]
struct Shows(Mutex<Vec<(Option<bool>, String)>>);

impl Watcher for Shows {
    fn begins(&self) {}

    fn ends(&self, seen: &Seen<'_>) {
        let was_known = seen.shown.map(|shown| {
            let was_known = shown.get().is_some();
            shown.get_or_init(|| Shown::of_text(seen.text.unwrap()));
            was_known
        });
        self.0.lock().push((was_known, seen.keyspace.unwrap().to_owned()));
    }
}

#[tokio::test]
async fn what_is_shown_of_a_prepared_statement_is_worked_out_once_and_its_keyspace_is_that_it_was_prepared_in()
 {
    let prepared = Prepared {
        id: b"the id",
        result_metadata_id: None,
        bind: BindMetadata { columns: ColumnList::specs(&[]), partition_key: Default::default() },
        result: RowsMetadata::none(),
    };
    let node = ScriptedNode::start(move |asked| match asked.opcode {
        Opcode::Prepare => Says::this(asked, &Response::Result(QueryResult::Prepared(prepared.clone()))),
        _ => Says::AsUsual,
    })
    .await;
    let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
    let cluster = cluster_of(options, &[(node.address, NEAR)], false);
    let shows = Arc::<Shows>::default();
    assert!(cluster.watcher.set(Arc::clone(&shows) as _).is_ok());
    let text = "SELECT v FROM t";
    let mut clients = [Client::of(&cluster, Some("one")).await, Client::of(&cluster, Some("two")).await];
    clients[0].send(1, &Request::Prepare(PrepareRequest { query: text, keyspace: None }));
    assert_eq!(clients[0].next().await, (1, true));
    let parameters = QueryParameters::new(Consistency::One);
    let execute = ExecuteRequest { id: b"the id", result_metadata_id: None, parameters };
    for client in &mut clients {
        client.send(2, &Request::Execute(execute.clone()));
        assert_eq!(client.next().await, (2, true));
    }
    clients[1].query(3, text);
    assert_eq!(clients[1].next().await, (3, true));
    let shown = [(None, "one"), (Some(false), "one"), (Some(true), "one"), (None, "two")];
    assert_eq!(*shows.0.lock(), shown.map(|(was_known, keyspace)| (was_known, keyspace.to_owned())));
}

#[tokio::test]
async fn drivers_start_while_the_node_hangs_by_which_the_ring_is_watched() {
    let hangs = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&hangs);
    let watched = ScriptedNode::start(move |_| match held.load(Ordering::SeqCst) {
        true => Says::Nothing,
        false => Says::AsUsual,
    })
    .await;
    let other = ScriptedNode::start(|_| Says::AsUsual).await;
    let nodes = [(watched.address, NEAR), (other.address, NEAR)];
    let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
    let cluster = cluster_of(options, &nodes, false);
    cluster.gateways.set(([127, 0, 0, 1], 9042).into(), []);
    let (control, _events) = Control::open(&cluster.dialler, watched.address, VERSION, None).await.unwrap();
    cluster.set_control(Some(Arc::clone(&control.link)));
    let mut client = Client::of(&cluster, None).await;
    until("both nodes have a link", || cluster.own_links().len() == 2).await;
    hangs.store(true, Ordering::SeqCst);
    client.query(1, "SELECT * FROM system.local WHERE key='local'");
    assert_eq!(client.next().await, (1, true));
}

#[tokio::test]
async fn a_write_that_one_node_may_have_done_is_not_said_to_be_undone_because_another_did_nothing() {
    let said = [
        ErrorDetail::Unavailable { consistency: Consistency::Quorum, required: 2, alive: 1 },
        ErrorDetail::Overloaded,
        ErrorDetail::IsBootstrapping,
    ];
    let changes = "UPDATE t USING TIMESTAMP 1 SET v = 1 WHERE k = 1";
    for (text, detail) in said.iter().flat_map(|detail| [(changes, detail), ("SELECT v FROM t", detail)]) {
        // The first that is asked says nothing, and goes; whoever is asked from then on refuses.
        let is_first = Arc::new(AtomicBool::new(true));
        let script = || {
            let (is_first, detail) = (Arc::clone(&is_first), detail.clone());
            move |asked: &Asked| match asked.text == text {
                true if is_first.swap(false, Ordering::SeqCst) => Says::Nothing,
                true => Says::error(asked, "nothing was done", detail.clone()),
                false => Says::AsUsual,
            }
        };
        let nodes = [ScriptedNode::start(script()).await, ScriptedNode::start(script()).await];
        let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
        let cluster = cluster_of(options, &[(nodes[0].address, NEAR), (nodes[1].address, NEAR)], false);
        let mut client = Client::of(&cluster, None).await;
        until("both nodes have a link", || cluster.stats().links == 2).await;
        client.query(1, text);
        let asked =
            |node: &ScriptedNode| node.heard(Opcode::Query).into_iter().find(|asked| asked.text == text);
        until("one is asked", || nodes.iter().any(|node| asked(node).is_some())).await;
        let holds = nodes.iter().find(|node| asked(node).is_some()).unwrap();
        holds.sever(asked(holds).unwrap().connection);
        let (_, answer) = timeout(SOON, client.given.recv()).await.unwrap().unwrap();
        match text == changes {
            true => assert!(matches!(answer.unwrap_err().kind, ErrorKind::WriteTimeout { .. }), "{detail:?}"),
            // What changes nothing can be asked again by who asked.
            false => assert_eq!(refusal(VERSION, &answer.unwrap()).unwrap().message, "nothing was done"),
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_longer_than_all_that_a_client_may_leave_unread() {
    // The limit of the CQL API is 64 MiB (`max_unread_per_connection`); one answer alone may go past it, there as here.
    const LONG: usize = 71 << 20;
    let node = ScriptedNode::start(|asked| match asked.text.as_str() {
        "SELECT v FROM t" => {
            Says::This(rows(asked.version, &[("v", ilium_cql::CqlType::Blob, Some(vec![7; LONG]))]))
        }
        _ => Says::AsUsual,
    })
    .await;
    let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
    let cluster = cluster_of(options, &[(node.address, NEAR)], false);
    let mut client = Client::of(&cluster, None).await;
    client.query(1, "SELECT v FROM t");
    let (_, answer) = timeout(SOON * 10, client.given.recv()).await.unwrap().unwrap();
    assert!(answer.unwrap().body.ends_with(&vec![7; LONG]));
    client.query(2, "SELECT k FROM t");
    assert_eq!(client.next().await, (2, true));
}

/// What a node answers to a statement that it knows and we do not: what it chose is chosen for all who share the connection.
fn chooses(asked: &Asked) -> Says {
    let prepared = Prepared {
        id: b"a choice",
        result_metadata_id: None,
        bind: BindMetadata { columns: ColumnList::specs(&[]), partition_key: Default::default() },
        result: RowsMetadata::none(),
    };
    match (asked.opcode, asked.text.as_str()) {
        (Opcode::Prepare, _) => Says::this(asked, &Response::Result(QueryResult::Prepared(prepared))),
        (Opcode::Execute, _) | (Opcode::Query, "CHOOSE after") => {
            Says::this(asked, &Response::Result(QueryResult::SetKeyspace("after")))
        }
        _ => Says::AsUsual,
    }
}

#[tokio::test]
async fn what_was_not_seen_to_be_a_use_moves_who_asked_and_nobody_else() {
    for is_prepared in [false, true] {
        let node = ScriptedNode::start(chooses).await;
        let options = Options { newest_version: VERSION, links_per_node: 1, ..Options::new(Vec::new()) };
        let cluster = cluster_of(options, &[(node.address, NEAR)], false);
        let mut client = Client::of(&cluster, Some("before")).await;
        let mut other = Client::of(&cluster, Some("before")).await;
        let execute = |id| {
            let parameters = QueryParameters::new(Consistency::One);
            Request::Execute(ExecuteRequest { id, result_metadata_id: None, parameters })
        };
        // Of an id that it never gave out the gateway does not know what it does: no node is asked.
        client.send(1, &execute(b"a choice"));
        let (_, answer) = client.given.recv().await.unwrap();
        let refused = is_unprepared(&answer.unwrap());
        assert!(refused && node.heard(Opcode::Execute).is_empty());

        if is_prepared {
            client.send(2, &Request::Prepare(PrepareRequest { query: "CHOOSE after", keyspace: None }));
            assert_eq!(client.next().await, (2, true));
            client.send(3, &execute(b"a choice"));
        } else {
            client.query(3, "CHOOSE after");
        }
        assert_eq!(client.next().await, (3, true));
        let chosen = match is_prepared {
            true => node.heard(Opcode::Execute),
            false => {
                node.heard(Opcode::Query).into_iter().filter(|asked| asked.text == "CHOOSE after").collect()
            }
        };
        // The others' link is opened anew.
        let reopened = || {
            cluster.reach_out();
            other.channel.way.session().is_open()
        };
        until("the other has a link", reopened).await;
        for (stream, client) in [(4, &mut client), (5, &mut other)] {
            client.query(stream, &format!("SELECT {stream} FROM t"));
            assert_eq!(client.next().await, (stream, true));
        }
        let selects = node.heard(Opcode::Query).into_iter().filter(|asked| asked.text.starts_with("SELECT "));
        let selects: Vec<_> = selects.filter(|asked| asked.text.ends_with(" FROM t")).collect();
        let keyspaces: Vec<_> = selects.iter().map(|asked| asked.keyspace.as_deref()).collect();
        assert_eq!(keyspaces, [Some("after"), Some("before")]);
        assert!(selects.iter().all(|asked| asked.connection != chosen[0].connection));
    }
}

#[tokio::test]
async fn an_execute_goes_to_the_nearest_node_that_has_its_partition() {
    for rack in [Some("a"), None] {
        let mut racks = Racks::start(rack).await;
        let mut client = Client::of(&racks.cluster, None).await;
        let query = "INSERT INTO ks.t (k) VALUES (?)";
        client.send(1, &Request::Prepare(PrepareRequest { query, keyspace: None }));
        assert_eq!(client.next().await, (1, true));
        let client = tokio::sync::Mutex::new(client);
        let ask = async |key: i32| {
            let mut values = ValuesBuilder::with_capacity(8);
            values.push(Value::Bytes(&key.to_be_bytes())).unwrap();
            let parameters = QueryParameters::new(Consistency::One).with_values(values.finish());
            let mut client = client.lock().await;
            let execute = ExecuteRequest { id: racks::ID, result_metadata_id: None, parameters };
            client.send(2, &Request::Execute(execute));
            assert_eq!(client.next().await, (2, true));
        };
        racks.check(ask).await;
    }
}

#[tokio::test]
async fn a_custom_payload_arrives_at_the_node_and_the_nodes_at_the_client() {
    let said: Payload<'_> = vec![("proxy", Some(b"ada")), ("nothing", None)];
    let told: Payload<'_> = vec![("cost", Some(&[0, 7]))];
    let answer = {
        let mut writer = FrameWriter::new(VERSION);
        let extras = ResponseExtras { payload: told.clone(), warnings: vec!["dear"], ..Default::default() };
        writer.response(0, &extras, &Response::Result(QueryResult::Void)).unwrap();
        let written = writer.ready().unwrap().split().freeze();
        let body = written.slice(HEADER_LENGTH..);
        Frame { version: VERSION.number(), flags: written[1], opcode: Opcode::Result.byte(), body }
    };
    let payload_of = |asked: &Asked| !asked.payload.is_empty() && asked.opcode != Opcode::Prepare;
    let told_by_node = answer.clone();
    let node = ScriptedNode::start(move |asked| match asked.opcode {
        Opcode::Prepare => {
            let prepared = Prepared {
                id: b"the id",
                result_metadata_id: None,
                bind: BindMetadata { columns: ColumnList::specs(&[]), partition_key: Default::default() },
                result: RowsMetadata::none(),
            };
            Says::this(asked, &Response::Result(QueryResult::Prepared(prepared)))
        }
        _ if payload_of(asked) => Says::This(told_by_node.clone()),
        _ => Says::AsUsual,
    })
    .await;
    let options = Options { newest_version: VERSION, ..Options::new(Vec::new()) };
    let cluster = cluster_of(options, &[(node.address, NEAR)], false);
    let mut client = Client::of(&cluster, None).await;
    let parameters = || QueryParameters::new(Consistency::One);
    let batch = BatchRequest {
        kind: BatchType::Logged,
        statements: vec![BatchStatement {
            statement: BatchedStatement::Prepared(b"the id"),
            values: Values::none(),
        }],
        parameters: parameters(),
    };
    for (stream, request) in (1..).zip([
        Request::Prepare(PrepareRequest { query: "SELECT v FROM ks.t", keyspace: None }),
        Request::Query(QueryRequest { query: "SELECT v FROM ks.t", parameters: parameters() }),
        Request::Execute(ExecuteRequest {
            id: b"the id",
            result_metadata_id: None,
            parameters: parameters(),
        }),
        Request::Batch(batch),
    ]) {
        let extras = RequestExtras { payload: said.clone(), ..RequestExtras::default() };
        let frame = own::frame(VERSION, &extras, &request).unwrap();
        client.channel.send(stream, frame);
        client.channel.flush();
        let (of, given) = timeout(SOON, client.given.recv()).await.unwrap().unwrap();
        let given = given.unwrap();
        assert_eq!(of, stream);
        let asked = node.heard(request.opcode()).pop().unwrap();
        let expected = said.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec)));
        assert_eq!(asked.payload, expected.collect::<Vec<_>>(), "{:?}", request.opcode());
        if request.opcode() != Opcode::Prepare {
            assert_eq!((given.flags, &given.body), (answer.flags, &answer.body), "{:?}", request.opcode());
        }
    }
}

fn is_unprepared(answer: &Frame) -> bool {
    refusal(VERSION, answer).is_some_and(|error| matches!(error.kind, ErrorKind::Unprepared { .. }))
}
