//! What a real Cassandra 5.0.9 sent and took, byte by byte (`fixtures/capture.py` records it).

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use ilium_cql::CqlType;
use ilium_protocol::*;

const RECORDING: &str = include_str!("../fixtures/cassandra-5.0.9.txt");

struct Line {
    mode: &'static str,
    direction: &'static str,
    label: &'static str,
    bytes: BytesMut,
}

fn lines() -> Vec<Line> {
    let parse = |line: &'static str| {
        let mut parts = line.split(' ');
        let mut part = || parts.next().unwrap();
        let (mode, direction, label) = (part(), part(), part());
        let (pairs, rest) = part().as_bytes().as_chunks::<2>();
        assert!(rest.is_empty());
        let bytes =
            pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        Line { mode, direction, label, bytes }
    };
    RECORDING.lines().map(parse).collect()
}

fn of(direction: &str) -> impl Iterator<Item = Line> {
    lines().into_iter().filter(move |line| line.direction == direction && line.label != "refused")
}

fn envelope(direction: Direction, line: &Line) -> Envelope {
    let mut input = line.bytes.clone();
    let mut decoder = EnvelopeDecoder::new(direction, Limits::CLIENT);
    let envelope = decoder.decode(&mut input).unwrap().unwrap();
    assert!(input.is_empty(), "{} {}", line.mode, line.label);
    let compression = match line.mode.split_once('-') {
        Some((_, "lz4")) => Some(Compression::Lz4),
        Some(_) => Some(Compression::Snappy),
        None => None,
    };
    decompress(envelope, compression, Limits::CLIENT).unwrap()
}

fn response_of(mode: &str, label: &str) -> Envelope {
    let line = of("response").find(|line| line.mode == mode && line.label == label).unwrap();
    envelope(Direction::Response, &line)
}

#[test]
fn every_request_that_cassandra_took_decodes_and_encodes_to_the_same_bytes() {
    let mut seen = 0;
    for line in of("request") {
        let envelope = envelope(Direction::Request, &line);
        let (extras, request) = Request::decode(&envelope).unwrap();
        let mut writer = FrameWriter::new(envelope.header.version);
        writer.request(envelope.header.stream, &extras, &request).unwrap();
        assert_eq!(*writer.ready().unwrap(), line.bytes, "{} {}", line.mode, line.label);
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn every_answer_of_cassandra_decodes_and_encodes_to_the_same_bytes() {
    // Where this crate sends something else, and why that is as good.
    let differs = HashMap::from([
        // Cassandra says GLOBAL_TABLES_SPEC beside NO_METADATA, and then sends no table.
        ("select-skip-metadata", 1),
        // Version 3 learns of a function as an updated keyspace; Cassandra then adds an empty name, which the
        // specification does not have.
        ("create-function", 2),
        ("create-function-event", 2),
        // Among those of all that was in it.
        ("drop-keyspace-event", 3),
    ]);
    let mut seen = 0;
    for line in of("response") {
        let envelope = envelope(Direction::Response, &line);
        let (extras, response) = Response::decode(&envelope).unwrap();
        let mut writer = FrameWriter::new(envelope.header.version);
        writer.response(envelope.header.stream, &extras, &response).unwrap();
        let ours = writer.ready().unwrap().clone();
        match differs.get(line.label) {
            Some(1) => {
                let changed = ours.iter().zip(&line.bytes).filter(|(ours, theirs)| ours != theirs);
                assert_eq!(changed.collect::<Vec<_>>(), [(&4, &5)], "{} {}", line.mode, line.label);
            }
            Some(2) if line.mode == "v3" => {
                assert_eq!(ours[9..], line.bytes[9..line.bytes.len() - 2]);
            }
            Some(3) if line.mode == "v3" && line.bytes.ends_with(b"\0\x04p_v3\0\0") => {
                assert_eq!(ours[9..], line.bytes[9..line.bytes.len() - 2]);
            }
            // The recording has the compressed body.
            _ if line.mode.contains('-') => assert_eq!(ours[9..], envelope.body),
            _ => assert_eq!(ours, line.bytes, "{} {}", line.mode, line.label),
        }
        seen += 1;
    }
    assert!(seen > 130, "{seen}");
}

#[test]
fn segments_have_cassandras_checksums() {
    let mut compressed = 0;
    for line in of("segment") {
        let lz4 = line.mode == "v5-lz4";
        let mut input = line.bytes.clone();
        let segment = SegmentDecoder::new(lz4).decode(&mut input).unwrap().unwrap();
        assert!(input.is_empty() && segment.self_contained);
        if lz4 {
            compressed += usize::from(segment.payload.len() + 12 != line.bytes.len());
        } else {
            let mut ours = BytesMut::new();
            encode_segment(&segment.payload, true, &mut ours).unwrap();
            assert_eq!(ours, line.bytes, "{}", line.label);
        }

        let compression = lz4.then_some(Compression::Lz4);
        let mut reader = FrameReader::new(Direction::Response, Limits::CLIENT);
        reader.negotiated(ProtocolVersion::V5, compression).unwrap();
        let mut writer = FrameWriter::new(ProtocolVersion::V5);
        writer.negotiated(ProtocolVersion::V5, compression).unwrap();
        let mut input = line.bytes.clone();
        let mut again = Vec::new();
        while let Some(envelope) = reader.next(&mut input).unwrap() {
            let (extras, response) = Response::decode(&envelope).unwrap();
            writer.response(envelope.header.stream, &extras, &response).unwrap();
            again.push(envelope);
        }
        assert!(!again.is_empty());
        let mut reader = FrameReader::new(Direction::Response, Limits::CLIENT);
        reader.negotiated(ProtocolVersion::V5, compression).unwrap();
        for envelope in again {
            let ours = reader.next(writer.ready().unwrap()).unwrap().unwrap();
            assert_eq!(ours.header, envelope.header);
        }
    }
    assert!(compressed > 5, "the recording must hold segments that LZ4 made shorter: {compressed}");
}

#[test]
fn compressed_answers_of_cassandra_are_understood() {
    let mut compressed = 0;
    for line in of("response").filter(|line| line.mode.contains('-') && line.label == "rows") {
        compressed += usize::from(Flags::from_bits(line.bytes[1]).contains(Flags::COMPRESSED));
        let envelope = envelope(Direction::Response, &line);
        let Response::Result(QueryResult::Rows(rows)) = Response::decode(&envelope).unwrap().1 else {
            panic!("{} gave no rows", line.mode)
        };
        let cells: Vec<Bytes> =
            rows.cells().map(|cell| envelope.body.slice_ref(cell.unwrap().unwrap())).collect();
        assert!(cells.windows(2).any(|pair| pair == ["system_schema", "tables"]));
    }
    assert_eq!(compressed, 4);
}

#[test]
fn every_type_is_told_as_cassandra_tells_it() {
    let columns = |mode| {
        let envelope = response_of(mode, "prepare-insert");
        let Response::Result(QueryResult::Prepared(prepared)) = Response::decode(&envelope).unwrap().1 else {
            panic!("not prepared")
        };
        assert_eq!(prepared.bind.partition_key.len(), usize::from(mode != "v3"));
        assert_eq!(prepared.result, RowsMetadata::none());
        prepared.bind.columns.as_specs().unwrap().to_vec()
    };
    let v5 = columns("v5");
    assert_eq!(v5.len(), 32);
    let ty = |name: &str| &v5.iter().find(|column| &*column.name == name).unwrap().ty;
    assert_eq!(*ty("h"), CqlType::Duration);
    let CqlType::Vector { element, dimension: 2 } = ty("aa") else { panic!("{:?}", ty("aa")) };
    assert!(matches!(&**element, CqlType::List { element, frozen: true } if **element == CqlType::Text));
    let CqlType::Vector { element, dimension: 1 } = ty("ad") else { panic!("{:?}", ty("ad")) };
    let CqlType::Udt { definition, frozen: true } = &**element else { panic!("{element:?}") };
    assert_eq!((&*definition.keyspace, &*definition.name), ("p_v5", "address"));
    assert_eq!(definition.fields.len(), 2);
    // Older versions are told class names, and mean the same.
    for mode in ["v3", "v4"] {
        let renamed = columns(mode).into_iter().map(|column| format!("{:?}", column.ty).replace(mode, "v5"));
        assert!(renamed.eq(v5.iter().map(|column| format!("{:?}", column.ty))), "{mode}");
    }
}

#[test]
fn errors_and_extras_of_cassandra_are_understood() {
    for mode in ["v3", "v4", "v5"] {
        let keyspace = format!("p_{mode}");
        let error = |label: &str| match Response::decode(&response_of(mode, label)).unwrap().1 {
            Response::Error(error) => format!("{:?}", error.detail),
            other => panic!("{other:?}"),
        };
        assert_eq!(error("syntax-error"), "Syntax");
        assert_eq!(error("invalid"), "Invalid");
        let exists = |table| format!("AlreadyExists {{ keyspace: {keyspace:?}, table: {table:?} }}");
        assert_eq!(error("already-exists"), exists("every_type"));
        assert_eq!(error("keyspace-exists"), exists(""));
        assert_eq!(error("unprepared"), format!("Unprepared {{ id: {:?} }}", [17; 16]));
        assert_eq!(error("unavailable"), "Unavailable { consistency: Quorum, required: 2, alive: 1 }");
        let function =
            format!("FunctionFailure {{ keyspace: {keyspace:?}, function: \"fail\", arguments: [\"int\"] }}");
        assert_eq!(error("function-failure"), if mode == "v3" { "Invalid" } else { &function });

        let traced = response_of(mode, "tracing");
        assert!(Response::decode(&traced).unwrap().0.tracing_id.is_some());
        let warned = response_of(mode, "warning");
        let warnings = Response::decode(&warned).unwrap().0.warnings;
        assert_eq!(warnings.len(), usize::from(mode != "v3"), "{warnings:?}");

        let page = response_of(mode, "page");
        let Response::Result(QueryResult::Rows(rows)) = Response::decode(&page).unwrap().1 else {
            panic!("no rows")
        };
        assert_eq!(rows.row_count, 1);
        assert!(rows.metadata.paging_state.is_some());
    }
    let changed = response_of("v5", "metadata-changed");
    let Response::Result(QueryResult::Rows(rows)) = Response::decode(&changed).unwrap().1 else {
        panic!("no rows")
    };
    assert!(rows.metadata.new_metadata_id.is_some());
    assert_eq!(rows.metadata.columns.count(), 33);
}

#[test]
fn a_version_not_spoken_is_refused_in_cassandras_layout() {
    let recorded: Vec<Line> = lines().into_iter().filter(|line| line.label == "refused").collect();
    let (requests, answers): (Vec<_>, Vec<_>) =
        recorded.into_iter().partition(|line| line.direction == "request");
    for (mut request, answer) in requests.into_iter().zip(answers) {
        let claimed = request.bytes[0];
        if claimed < 3 {
            // Its eight bytes are one too few for a header of today.
            request.bytes.extend_from_slice(b"\0");
        }
        let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
        let failure = reader.next(&mut request.bytes).unwrap_err();
        assert_eq!(failure.error, ProtocolError::UnsupportedVersion(claimed));
        assert_eq!((failure.stream, failure.fatal), (Some(7), true));
        let mut writer = FrameWriter::new(ProtocolVersion::V5);
        writer.refuse_version(claimed, 7).unwrap();
        let ours = writer.ready().unwrap().split();
        // Cassandra speaks a beta of version 6 and says so; that aside the header and the text agree.
        let beta: &[u8] = b", 6/v6-beta";
        if claimed == 6 {
            assert_eq!(ours[0], 0x85);
            continue;
        }
        let header = if claimed < 3 { 8 } else { 9 };
        assert_eq!(ours[..header - 4], answer.bytes[..header - 4]);
        assert_eq!(ours[header..header + 4], answer.bytes[header..header + 4]);
        assert_eq!(ours.len() + beta.len(), answer.bytes.len());
        let text = |bytes: &[u8]| String::from_utf8(bytes[header + 6..].to_vec()).unwrap();
        assert_eq!(text(&ours), text(&answer.bytes).replace(", 6/v6-beta", ""));
    }
}
