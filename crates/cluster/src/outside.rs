//! What comes from outside, as a fuzzer makes it up: any bytes as a client's message on its way to the cluster, and any bytes
//! as a node's answer. Neither may panic, and what is read of a message must be what decoding it gives.
//!
//! The fuzz targets call these functions, and so do tests, which damage messages that are whole.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::schema::Schema;
use ilium_cql::{Token, partition_key};
use ilium_protocol::{
    BatchedStatement, ColumnList, ColumnSpec, Envelope, Event, Flags, Header, Opcode, ProtocolVersion,
    QueryParameters, QueryResult, Request, Response, Rows, RowsMetadata, Value, Values,
};
use ilium_store::Frame;

use crate::control::{node, of_wire};
use crate::error::of_response;
use crate::forward::{SCHEMA_CHANGE, SET_KEYSPACE, is_result, refusal};
use crate::gateways::{Gateways, RingQuestion};
use crate::prepared::{KeyMarkers, Statement, used_keyspace};
use crate::ring::{Home, Replication, Ring};
use crate::snapshot;
use crate::table::Table;
use crate::{effect, link, own, route, schema};

/// A message's header and body from a fuzzer's bytes: version, flags and operation code take one each.
fn envelope(input: &[u8]) -> Option<Envelope> {
    let [version, flags, opcode, body @ ..] = input else { return None };
    let header = Header {
        version: ProtocolVersion::from_number(3 + version % 3).ok()?,
        flags: Flags::from_bits(*flags),
        stream: 1,
        opcode: Opcode::from_byte(opcode % 0x11).ok()?,
    };
    Some(Envelope { header, body: Bytes::copy_from_slice(body) })
}

/// A client's QUERY, PREPARE, EXECUTE or BATCH: a message that is let through without being decoded can be decoded, and
/// what is read in passing is what it says.
pub fn from_client(input: &[u8]) {
    let Some(envelope) = envelope(input) else { return };
    let Header { version, flags, opcode, .. } = envelope.header;
    let (flags, body) = (flags.bits(), &envelope.body);
    let decoded = Request::decode(&envelope).map(|(_, request)| request);
    if opcode == Opcode::Execute && route::is_execute(version, flags, body) {
        assert!(decoded.is_ok(), "let through, although {decoded:?}");
    }
    let text = route::text(flags, body);
    let executed = route::executed(flags, body);
    let first = route::first_of_batch(flags, body);
    let asking = route::with_columns(flags, body);
    let tokens = |of: &dyn Fn(&KeyMarkers) -> Option<Token>| {
        [&[0][..], &[1], &[1, 0], &[0, 300]].map(|markers| of(&key_of(markers)))
    };
    let of_execute = tokens(&|key| route::token(version, flags, body, key));
    let of_batch = tokens(&|key| route::batch_token(flags, body, &key.markers));
    match &decoded {
        Ok(Request::Query(query)) => {
            assert_eq!(text, Some(query.query));
            statement(query.query, version, &query.parameters);
        }
        Ok(Request::Prepare(prepare)) => {
            assert_eq!(text, Some(prepare.query));
            statement(prepare.query, version, &QueryParameters::default());
        }
        Ok(Request::Execute(execute)) => {
            assert_eq!(executed, Some(execute.id));
            let values = &execute.parameters.values;
            let expected = tokens(&|key| token(values, key, values.is_named()));
            assert_eq!(of_execute, expected);
            if version < ProtocolVersion::V5 {
                assert_eq!(asking.is_some(), execute.parameters.skip_metadata);
            }
            if let Some(asking) = asking.filter(|_| version < ProtocolVersion::V5) {
                let again = Envelope { body: asking, ..envelope.clone() };
                let mut expected = execute.clone();
                expected.parameters.skip_metadata = false;
                assert_eq!(Request::decode(&again).map(|(_, again)| again), Ok(Request::Execute(expected)));
            }
        }
        Ok(Request::Batch(batch)) => {
            let Some(entry) = batch.statements.first() else { return };
            let prepared = match entry.statement {
                BatchedStatement::Prepared(id) => Some(id),
                BatchedStatement::Query(_) => None,
            };
            assert_eq!(first, prepared);
            if prepared.is_some() {
                assert_eq!(of_batch, tokens(&|key| token(&entry.values, key, false)));
            }
        }
        _ => {}
    }
}

/// What a statement's text is looked at for.
fn statement(text: &str, version: ProtocolVersion, parameters: &QueryParameters<'_>) {
    let _ = used_keyspace(text);
    if let Ok(parsed) = ilium_cql::parse(text) {
        let _ = (effect::of(&parsed), effect::has_timestamp(&parsed));
    }
    if let Some(question) = RingQuestion::of(text, Some("system"))
        && let Some(local) = local()
        && let Ok(answer) = question.answer(&gateways(), "Test Cluster", &local, &local, version, parameters)
    {
        let header = Header {
            version,
            flags: Flags::NONE,
            stream: 1,
            opcode: Opcode::from_byte(answer.opcode).unwrap_or(Opcode::Error),
        };
        let answer = Envelope { header, body: answer.body };
        assert!(matches!(Response::decode(&answer), Ok((_, Response::Result(QueryResult::Rows(_))))));
    }
}

/// The values at these places, or of these names: `0`, `1` and so on.
fn key_of(markers: &[u16]) -> KeyMarkers {
    let names = markers.iter().map(|marker| marker.to_string().into()).collect();
    KeyMarkers { keyspace: "ks".into(), markers: markers.into(), names }
}

/// The token of the values that are the key.
fn token(values: &Values, key: &KeyMarkers, are_named: bool) -> Option<Token> {
    let bytes = |value| match value {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    };
    let components = match are_named {
        true => key.names.iter().map(|name| bytes(values.named(name))).collect::<Option<Vec<&[u8]>>>()?,
        false => {
            let of_marker = |marker: &u16| bytes(values.get(usize::from(*marker)));
            key.markers.iter().map(of_marker).collect::<Option<Vec<&[u8]>>>()?
        }
    };
    if let [only] = components.as_slice() {
        return Some(Token::of(only));
    }
    let mut key = Vec::new();
    partition_key::encode(&components, &mut key).ok()?;
    Some(Token::of(&key))
}

fn gateways() -> Gateways {
    let gateways = Gateways::default();
    let _ = gateways.set(address(1), [address(2)]);
    gateways
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 9042))
}

/// A node's answer: whatever is in it, all who read it end, and agree on what it is.
pub fn from_node(input: &[u8]) {
    let Some(envelope) = envelope(input) else { return };
    let Header { version, flags, opcode, .. } = envelope.header;
    let frame = Frame {
        version: version.number(),
        flags: flags.bits(),
        opcode: opcode.byte(),
        body: envelope.body.clone(),
    };
    let refused = refusal(version, &frame);
    let changes_schema = is_result(&envelope, SCHEMA_CHANGE);
    let changes_keyspace = is_result(&envelope, SET_KEYSPACE);
    let decoded = Response::decode(&envelope).map(|(_, response)| response);
    if let Ok(response) = &decoded {
        assert_eq!(refused.is_some(), matches!(response, Response::Error(_)));
    }
    match &decoded {
        Ok(Response::Error(error)) => drop(of_response(error)),
        Ok(Response::Event(Event::SchemaChange(change))) => drop(of_wire(change)),
        Ok(Response::Result(result)) => {
            assert_eq!(changes_schema, matches!(result, QueryResult::SchemaChange(_)));
            assert_eq!(changes_keyspace, matches!(result, QueryResult::SetKeyspace(_)));
            if let QueryResult::Prepared(prepared) = result {
                let text = "SELECT * FROM system.peers WHERE peer = ?";
                let statement = Statement::new(prepared, text, None, Some(&Schema::default()));
                statement.prepared_again(prepared);
                assert!(!statement.has_changed());
            }
        }
        _ => {}
    }
    if let Ok(table) = Table::decode(&envelope) {
        of_ring(&table);
    }
    if let Ok(rows) = snapshot::rows(&envelope) {
        let whole = schema::read([0; 16], &std::array::from_fn(|_| rows.clone()));
        if let Ok(schema) = whole {
            assert!(schema::changes(&schema, &schema).is_empty());
            let _ = schema::changes(&Schema::default(), &schema);
        }
    }
}

/// Whatever bytes a node sends on a link on which requests wait: each of them ends.
pub fn from_link(input: &[u8]) {
    link::outside::answers(input);
}

/// A table as if it were `system.local`, `system.peers` and the keyspaces in one.
fn of_ring(table: &Table) {
    let nodes = table.rows().filter_map(|row| node(&row, address(1)));
    let nodes: Vec<_> = nodes
        .enumerate()
        .map(|(place, mut node)| {
            node.place = place as u32;
            Arc::new(node)
        })
        .collect();
    let replication = table.rows().map(|row| {
        let options: Replication = row
            .text_map("replication")
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        (Arc::from(row.text("keyspace_name").unwrap_or("ks")), options)
    });
    let home = Home { datacenter: "dc1".to_owned(), rack: None };
    let ring = Ring::new(nodes, &home, &replication.collect());
    for token in [i64::MIN, 0, i64::MAX] {
        let replicas = ring.replicas("ks", Token(token));
        assert!(replicas.iter().all(|place| (*place as usize) < ring.nodes.len()));
    }
    for text in
        ["SELECT * FROM system.local", "SELECT peer, host_id FROM system.peers WHERE peer = '127.0.0.2'"]
    {
        let Some(question) = RingQuestion::of(text, None) else { continue };
        let parameters = QueryParameters::default();
        let _ = question.answer(&gateways(), "Test Cluster", table, table, ProtocolVersion::V4, &parameters);
    }
}

/// A row as `system.local` has it, as far as drivers ask.
pub(crate) fn local() -> Option<Table> {
    use ilium_cql::CqlType;
    let column = |name: &str, ty| ColumnSpec {
        keyspace: "system".into(),
        table: "local".into(),
        name: name.into(),
        ty,
    };
    let columns = [
        column("key", CqlType::Text),
        column("data_center", CqlType::Text),
        column("host_id", CqlType::Uuid),
        column("peer", CqlType::Inet),
        column("tokens", CqlType::Set { element: Arc::new(CqlType::Text), frozen: false }),
    ];
    let mut cells = bytes::BytesMut::new();
    for cell in [Some(&b"local"[..]), Some(b"dc1"), Some(&[7; 16]), Some(&[127, 0, 0, 1]), None] {
        ilium_protocol::put_bytes(&mut cells, cell).ok()?;
    }
    let metadata = RowsMetadata::new(ColumnList::specs(&columns));
    let rows = Response::Result(QueryResult::Rows(Rows { metadata, row_count: 1, cells: &cells }));
    let version = ProtocolVersion::V4;
    let body = own::answer(version, &rows).ok()?.body;
    let header = Header { version, flags: Flags::NONE, stream: 1, opcode: Opcode::Result };
    Table::decode(&Envelope { header, body }).ok()
}

#[cfg(test)]
mod tests {
    use ilium_protocol::{
        BatchRequest, BatchStatement, BatchType, BindMetadata, ChangeType, Consistency, ErrorDetail,
        ErrorResponse, ExecuteRequest, PrepareRequest, Prepared, QueryRequest, RequestExtras, SchemaChange,
        SchemaTarget,
    };
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    /// A message as the functions above want it.
    fn input(version: ProtocolVersion, frame: &Frame) -> Vec<u8> {
        [&[version.number() - 3, frame.flags, frame.opcode][..], &frame.body].concat()
    }

    fn requests() -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for version in ProtocolVersion::ALL {
            let values = Values::positional([Some(&b"key"[..]), None, Some(b"")]).unwrap();
            let mut parameters = QueryParameters::new(Consistency::Quorum).with_values(values.clone());
            (parameters.page_size, parameters.timestamp) = (Some(5000), Some(1));
            (parameters.skip_metadata, parameters.serial_consistency) = (true, Some(Consistency::Serial));
            let query = "SELECT peer AS p FROM system.peers WHERE peer = ?";
            let result_metadata_id = (version >= ProtocolVersion::V5).then_some(&b"columns"[..]);
            let entry = |statement| BatchStatement { statement, values: values.clone() };
            let statements = vec![
                entry(BatchedStatement::Prepared(b"id")),
                entry(BatchedStatement::Query("INSERT INTO t (k) VALUES (?)")),
            ];
            for request in [
                Request::Query(QueryRequest { query, parameters: parameters.clone() }),
                Request::Query(QueryRequest { query: "USE \"Ks\"", parameters: QueryParameters::default() }),
                Request::Prepare(PrepareRequest { query, keyspace: None }),
                Request::Execute(ExecuteRequest {
                    id: b"id",
                    result_metadata_id,
                    parameters: parameters.clone(),
                }),
                Request::Batch(BatchRequest { kind: BatchType::Logged, statements, parameters }),
            ] {
                all.push(input(version, &own::frame(version, &RequestExtras::default(), &request).unwrap()));
            }
        }
        all
    }

    fn responses() -> Vec<Vec<u8>> {
        let local = local().unwrap();
        let mut cells = bytes::BytesMut::new();
        for cell in [
            Some(&b"local"[..]),
            Some(b"dc1"),
            Some(&[7; 16]),
            Some(&[127, 0, 0, 1]),
            Some(b"\0\0\0\x01\0\0\0\x0142"),
        ] {
            ilium_protocol::put_bytes(&mut cells, cell).unwrap();
        }
        let columns = ColumnList::specs(&local.columns);
        let mut all = Vec::new();
        for version in ProtocolVersion::ALL {
            let change = SchemaChange {
                change: ChangeType::Created,
                keyspace: "ks",
                target: SchemaTarget::Table("t"),
            };
            let prepared = Prepared {
                id: b"id",
                result_metadata_id: (version >= ProtocolVersion::V5).then_some(&b"columns"[..]),
                bind: BindMetadata { columns: columns.clone(), partition_key: Default::default() },
                result: RowsMetadata::new(columns.clone()),
            };
            let metadata = RowsMetadata::new(columns.clone());
            let gone = ErrorDetail::Unprepared { id: b"id" };
            for response in [
                Response::Result(QueryResult::Rows(Rows { metadata, row_count: 1, cells: &cells })),
                Response::Result(QueryResult::Prepared(prepared)),
                Response::Result(QueryResult::SchemaChange(change.clone())),
                Response::Result(QueryResult::SetKeyspace("ks")),
                Response::Event(Event::SchemaChange(change)),
                Response::Error(ErrorResponse::new("gone", gone)),
            ] {
                all.push(input(version, &own::answer(version, &response).unwrap()));
            }
        }
        all
    }

    /// One of these with some bytes changed, often to lengths that are none, and perhaps cut.
    fn damaged(all: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![select(&[0, 1, 2, 4, 0x20, 0x7f, 0x80, 0xfd, 0xff][..]), any::<u8>()];
        (select(all), vec((any::<Index>(), byte), 0..5), option::weighted(0.2, any::<Index>())).prop_map(
            |(mut bytes, changes, cut)| {
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                bytes
            },
        )
    }

    #[test]
    fn whole_messages_are_what_they_are_made_of() {
        requests().iter().for_each(|request| from_client(request));
        responses().iter().for_each(|response| from_node(response));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_read_of_a_clients_message_is_what_it_says(message in damaged(requests())) {
            from_client(&message);
        }

        #[test]
        fn whatever_comes_on_a_link_every_request_ends(
            mode in 0u8..4,
            stream in 0u8..4,
            answer in damaged(responses()),
            rest in vec(any::<u8>(), 0..20),
        ) {
            let [version, flags, opcode, body @ ..] = answer.as_slice() else { return Ok(()) };
            let length = (body.len() as u32).to_be_bytes();
            let frame = [&[0x83 + version % 3, *flags, 0, stream, *opcode][..], &length, body, &rest].concat();
            let segment = if mode == 3 { ((frame.len() as u16) << 1).to_le_bytes().to_vec() } else { Vec::new() };
            from_link(&[&[mode][..], &segment, &frame].concat());
        }

        #[test]
        fn whatever_a_node_answers_is_read_to_its_end(answer in damaged(responses())) {
            from_node(&answer);
        }
    }
}
