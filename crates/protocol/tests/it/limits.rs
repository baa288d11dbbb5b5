//! Lengths that lie, bodies that are too long, and bombs.

use bytes::{BufMut, Bytes, BytesMut};
use ilium_protocol::*;

use crate::round_trip::pair;

fn header(version: u8, flags: u8, opcode: u8, length: i32) -> BytesMut {
    let mut bytes = BytesMut::from(&[version, flags, 0, 5, opcode][..]);
    bytes.put_i32(length);
    bytes
}

fn next(input: &mut BytesMut) -> Result<Option<Envelope>, FrameError> {
    FrameReader::new(Direction::Request, Limits { max_envelope: 1000 }).next(input)
}

#[test]
fn an_envelope_past_the_limit_is_dropped_as_it_arrives_and_the_next_is_read() {
    let mut reader = FrameReader::new(Direction::Request, Limits { max_envelope: 1000 });
    let mut input = header(4, 0, 7, 100_000);
    for _ in 0..100 {
        assert_eq!(reader.next(&mut input).unwrap(), None);
        assert!(input.is_empty(), "what is dropped is not kept");
        input.put_bytes(0, 1000);
    }
    input.extend_from_slice(&header(4, 0, 5, 0));
    let failure = reader.next(&mut input).unwrap_err();
    assert_eq!(failure.to_string(), "Request is too big: length 100009 exceeds maximum allowed length 1000.");
    assert_eq!((failure.stream, failure.fatal), (Some(5), false));
    assert_eq!(failure.error.code(), ErrorCode::Invalid);
    assert_eq!(reader.next(&mut input).unwrap().unwrap().header.opcode, Opcode::Options);
}

#[test]
fn the_limit_itself_is_allowed_and_nothing_is_reserved_for_what_is_announced() {
    let mut input = header(4, 0, 7, 991);
    input.put_bytes(0, 990);
    assert_eq!(next(&mut input).unwrap(), None);
    input.put_u8(0);
    assert_eq!(next(&mut input).unwrap().unwrap().body.len(), 991);

    let mut reader = FrameReader::new(Direction::Request, Limits { max_envelope: u32::MAX });
    let mut input = header(4, 0, 7, i32::MAX);
    let capacity = input.capacity();
    assert_eq!(reader.next(&mut input).unwrap(), None);
    assert_eq!(input.capacity(), capacity);
}

#[test]
fn headers_that_make_no_sense_are_named_and_where_their_length_is_known_skipped() {
    let mut input = header(4, 0, 7, -1);
    let failure = next(&mut input).unwrap_err();
    assert_eq!(failure.to_string(), "Invalid value for envelope header body length field: -1");
    assert!(failure.fatal && input.is_empty());

    let cases = [
        (4, 0x04, "Unknown opcode 4"),
        (4, 0xff, "Unknown opcode 255"),
        (4, 0x08, "Wrong protocol direction (expected REQUEST, got REQUEST) for opcode 8 (RESULT)"),
        (0x84, 0x07, "Wrong protocol direction (expected REQUEST, got RESPONSE) for opcode 7 (QUERY)"),
        (0x84, 0x08, "Wrong protocol direction (expected REQUEST, got RESPONSE) for opcode 8 (RESULT)"),
    ];
    for (version, opcode, message) in cases {
        let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
        let mut input = header(version, 0, opcode, 3);
        input.extend_from_slice(b"abc");
        input.extend_from_slice(&header(4, 0, 5, 0));
        let failure = reader.next(&mut input).unwrap_err();
        assert_eq!(failure.to_string(), message);
        assert_eq!((failure.stream, failure.fatal), (Some(5), false));
        assert!(reader.next(&mut input).unwrap().is_some());
    }
}

#[test]
fn a_connection_keeps_its_version() {
    let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
    reader.negotiated(ProtocolVersion::V4, None).unwrap();
    let mut input = header(3, 0, 5, 0);
    input.extend_from_slice(&header(4, 0, 5, 0));
    assert_eq!(
        reader.next(&mut input).unwrap_err().to_string(),
        "Invalid message version. Got 3/v3 but previous messages on this connection had version 4/v4"
    );
    assert!(reader.next(&mut input).unwrap().is_some());
}

#[test]
fn a_short_header_of_an_unknown_version_does_not_wait_for_more() {
    let mut input = BytesMut::from(&[1u8, 0, 0, 5][..]);
    let failure = next(&mut input).unwrap_err();
    assert_eq!((failure.error, failure.stream), (ProtocolError::UnsupportedVersion(1), None));
}

fn compressed(version: ProtocolVersion, body: Vec<u8>) -> Envelope {
    let header = Header { version, flags: Flags::COMPRESSED, stream: 1, opcode: Opcode::Query };
    Envelope { header, body: Bytes::from(body) }
}

#[test]
fn a_compressed_body_that_claims_more_than_it_can_hold_is_refused_unread() {
    let limits = Limits { max_envelope: 1 << 20 };
    let check = |body, compression| {
        decompress(compressed(ProtocolVersion::V4, body), compression, limits).unwrap_err().to_string()
    };
    let lz4 = |claimed: u32, block: &[u8]| [&claimed.to_be_bytes(), block].concat();
    let lz4_bomb = check(lz4(u32::MAX, &[0; 8]), Some(Compression::Lz4));
    assert!(lz4_bomb.contains("claims 4294967295 bytes, more than 2040"), "{lz4_bomb}");
    // A Snappy stream begins with its length as a varint.
    let snappy_bomb = check(vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], Some(Compression::Snappy));
    assert!(snappy_bomb.contains("claims 4294967295 bytes, more than 154"), "{snappy_bomb}");

    // Claims that are possible, and wrong.
    assert!(check(lz4(9, &[0x10, b'a']), Some(Compression::Lz4)).contains("LZ4"));
    assert!(check(lz4(0, &[0x10, b'a']), Some(Compression::Lz4)).contains("LZ4"));
    assert!(check(vec![1, 2], Some(Compression::Lz4)).contains("LZ4"));
    assert!(check(vec![3, 0xff, 0xff], Some(Compression::Snappy)).contains("Snappy"));
    assert!(check(vec![], Some(Compression::Snappy)).contains("Snappy"));
    assert!(check(vec![1], None).contains("STARTUP chose no compression"));
}

#[test]
fn a_compressed_message_past_the_limit_is_refused_as_a_plain_one_is_and_the_next_is_read() {
    for version in [ProtocolVersion::V3, ProtocolVersion::V4] {
        for compression in [Compression::Lz4, Compression::Snappy] {
            let (mut writer, mut reader) = pair(Direction::Request, version, Some(compression));
            // What is within the limit by itself is past it together with its header.
            for (number, length) in [(8, 1 << 22), (9, (1 << 20) - 14)] {
                reader.set_limits(Limits { max_envelope: 1 << 20 });
                let query = "x".repeat(length);
                let parameters = QueryParameters::new(Consistency::One);
                let large = Request::Query(QueryRequest { query: &query, parameters });
                writer.request(number, &RequestExtras::default(), &large).unwrap();
                writer.request(10, &RequestExtras::default(), &Request::Options).unwrap();
                let input = writer.ready().unwrap();
                assert!(input.len() < length / 15);
                let failure = reader.next(input).unwrap_err();
                // The text has its length before it, consistency and flags behind, and the header goes before all.
                let whole = 9 + 4 + length + 3;
                let words =
                    format!("Request is too big: length {whole} exceeds maximum allowed length 1048576.");
                assert_eq!(failure.to_string(), words);
                assert_eq!((failure.stream, failure.fatal), (Some(number), false));
                assert_eq!(failure.error.code(), ErrorCode::Invalid);
                assert_eq!(reader.next(input).unwrap().unwrap().header.stream, 10);
            }
        }
    }
}

#[test]
fn the_best_that_each_compression_can_do_is_not_taken_for_a_bomb() {
    for compression in [Compression::Lz4, Compression::Snappy] {
        let (mut writer, mut reader) = pair(Direction::Request, ProtocolVersion::V4, Some(compression));
        let query = "\0".repeat(8 << 20);
        let parameters = QueryParameters::new(Consistency::One);
        let request = Request::Query(QueryRequest { query: &query, parameters });
        writer.request(1, &RequestExtras::default(), &request).unwrap();
        let input = writer.ready().unwrap();
        assert!(input.len() < query.len() / 15);
        let envelope = reader.next(input).unwrap().unwrap();
        assert_eq!(Request::decode(&envelope).unwrap().1, request);
    }
}

#[test]
fn a_message_over_many_segments_past_the_limit_is_dropped_and_the_next_is_read() {
    for compression in [None, Some(Compression::Lz4)] {
        let (mut writer, mut reader) = pair(Direction::Request, ProtocolVersion::V5, compression);
        reader.set_limits(Limits { max_envelope: 200_000 });
        let query = "x".repeat(500_000);
        let parameters = QueryParameters::new(Consistency::One);
        let large = Request::Query(QueryRequest { query: &query, parameters });
        writer.request(8, &RequestExtras::default(), &large).unwrap();
        writer.request(9, &RequestExtras::default(), &Request::Options).unwrap();
        let input = writer.ready().unwrap();
        let failure = reader.next(input).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "CQL Message of size 500010 bytes exceeds allowed maximum of 200000 bytes"
        );
        assert_eq!((failure.stream, failure.fatal), (Some(8), false));
        assert_eq!(reader.next(input).unwrap().unwrap().header.stream, 9);
    }
}

/// A decoder of segments and the segments it is given.
fn read_segments(segments: &[(&[u8], bool)]) -> Result<Option<Envelope>, FrameError> {
    let mut input = BytesMut::new();
    for (payload, self_contained) in segments {
        encode_segment(payload, *self_contained, &mut input).unwrap();
    }
    let (_, mut reader) = pair(Direction::Request, ProtocolVersion::V5, None);
    reader.next(&mut input)
}

/// Payloads, each with whether it calls itself self-contained, and the error they give.
type Misfit<'a> = (&'a [(&'a [u8], bool)], &'a str);

#[test]
fn segments_that_do_not_add_up_are_fatal() {
    let options = header(5, 0, 5, 0);
    let long = [&header(5, 0, 7, 100)[..], &[0; 60]].concat();
    let cases: &[Misfit] = &[
        (&[(&options[..8], true)], "it needs 9 bytes, 8 are left"),
        (&[(&long, true)], "it needs 100 bytes, 60 are left"),
        (&[(&options[..8], false)], "too short for its header"),
        (&[(&long, false), (&options, true)], "is self-contained"),
        (&[(&long, false), (&[0; 41], false)], "with more bytes than it has"),
        (&[(&header(5, 0, 4, 100), false)], "Unknown opcode 4"),
    ];
    for (segments, expected) in cases {
        let failure = read_segments(segments).unwrap_err();
        assert!(failure.to_string().contains(expected), "{failure}");
        assert!(failure.fatal);
    }
    let whole = read_segments(&[(&long, false), (&[0; 40], false)]).unwrap().unwrap();
    assert_eq!(whole.body.len(), 100);
    // An envelope that would have fitted one segment may come in parts.
    assert!(read_segments(&[(&options, false)]).unwrap().is_some());
    assert_eq!(read_segments(&[(&[], true)]).unwrap(), None);
    assert_eq!(
        encode_segment(&vec![0; MAX_PAYLOAD + 1], true, &mut BytesMut::new()).unwrap_err().to_string(),
        "a segment's payload of 131072 bytes or elements does not fit its length field, which holds at most \
         131071"
    );
}

#[test]
fn an_envelope_that_is_refused_inside_a_segment_does_not_cost_the_others() {
    let mut payload = header(5, 0, 5, 0);
    payload.extend_from_slice(&header(5, 0, 0x55, 3));
    payload.extend_from_slice(b"abc");
    payload.extend_from_slice(&header(4, 0, 5, 0));
    payload.extend_from_slice(&header(5, 0, 5, 0));
    let mut input = BytesMut::new();
    encode_segment(&payload, true, &mut input).unwrap();
    let (_, mut reader) = pair(Direction::Request, ProtocolVersion::V5, None);
    let mut outcomes = Vec::new();
    loop {
        match reader.next(&mut input) {
            Ok(None) => break,
            Ok(Some(_)) => outcomes.push("envelope".to_owned()),
            Err(failure) => {
                assert!(!failure.fatal);
                outcomes.push(failure.to_string());
            }
        }
    }
    let other_version =
        "Invalid message version. Got 4/v4 but previous messages on this connection had version 5/v5";
    assert_eq!(outcomes, ["envelope", "Unknown opcode 85", other_version, "envelope"]);
}

/// Decodes a request body of version 5.
fn decode(opcode: Opcode, body: &[u8]) -> String {
    let header = Header { version: ProtocolVersion::V5, flags: Flags::NONE, stream: 1, opcode };
    let envelope = Envelope { header, body: Bytes::copy_from_slice(body) };
    match opcode.direction() {
        Direction::Request => Request::decode(&envelope).map(|_| ()).unwrap_err().to_string(),
        Direction::Response => Response::decode(&envelope).map(|_| ()).unwrap_err().to_string(),
    }
}

#[test]
fn bodies_that_lie_get_cassandras_words_where_it_has_some() {
    let query = |rest: &[u8]| [&[0, 0, 0, 1, b'q'], rest].concat();
    let cases: &[(Opcode, Vec<u8>, &str)] = &[
        (Opcode::Query, query(&[0, 99, 0, 0, 0, 0]), "Unknown code 99 for a consistency level"),
        (
            Opcode::Query,
            query(&[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, b'a']),
            "Cannot read value of length 9, only 1 bytes remaining in the message",
        ),
        (
            Opcode::Query,
            query(&[0, 1, 0, 0, 0, 1, 0, 1, 0xff, 0xff, 0xff, 0xfd]),
            "Invalid ByteBuf length -3",
        ),
        (Opcode::Query, query(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 0]), "The page size cannot be 0"),
        (Opcode::Query, query(&[0, 1, 0, 0, 0, 1, 0xff, 0xff]), "262140 needed, 0 left in the message"),
        (Opcode::Query, vec![0xff, 0xff, 0xff, 0xff], "Invalid ByteBuf length -1"),
        (Opcode::Query, vec![0, 0, 0, 2, 0xff, 0xfe], "Cannot decode string as UTF8: 'fffe'"),
        (Opcode::Startup, vec![0, 1, 0, 9, b'x', 0, 0], "2 bytes length: 9 needed, 3 left in the message"),
        (Opcode::Startup, vec![0xff, 0xff], "STARTUP options: 262140 needed, 0 left in the message"),
        (Opcode::Batch, vec![3, 0, 0, 0, 1, 0, 0, 0, 0], "Invalid BATCH message type 3"),
        (
            Opcode::Batch,
            vec![0, 0, 1, 7, 0, 0, 0, 0],
            "Invalid query kind in BATCH messages. Must be 0 or 1 but got 7",
        ),
        (Opcode::Register, vec![0, 1, 0, 1, b'x'], "Invalid value 'x' for Type"),
        (Opcode::Result, vec![0, 0, 0, 9], "Unknown kind id 9 in RESULT message"),
        (Opcode::Result, [[0, 0, 0, 2], [0; 4], [0xff; 4]].concat(), "a result claims -1 columns or rows"),
        (
            Opcode::Result,
            [[0, 0, 0, 2], [0; 4], [0x7f, 0xff, 0xff, 0xff]].concat(),
            "column specifications: 8589934588 needed, 0 left in the message",
        ),
        (
            Opcode::Result,
            [[0, 0, 0, 2], [0; 4], [0; 4], [0x7f, 0xff, 0xff, 0xff]].concat(),
            "the rows of a page: 8589934588 needed, 0 left in the message",
        ),
        (Opcode::Event, vec![0, 1, b'x'], "Invalid value 'x' for Type"),
        (Opcode::Query, query(&[0, 1]), "the flags of a query: 4 needed, 0 left in the message"),
    ];
    for (opcode, body, expected) in cases {
        let message = decode(*opcode, body);
        assert!(message.contains(expected), "{opcode}: {message}");
    }
    let timestamp = [&query(&[0, 1, 0, 0, 0, 0x20])[..], &i64::MIN.to_be_bytes()].concat();
    assert!(decode(Opcode::Query, &timestamp).starts_with("Out of bound timestamp, must be in ["));
}

#[test]
fn a_type_that_nests_without_end_is_refused() {
    let mut body = BytesMut::new();
    body.put_i32(2); // rows
    body.put_i32(0);
    body.put_i32(1); // column
    for text in ["k", "t", "c"] {
        body.put_u16(text.len() as u16);
        body.put_slice(text.as_bytes());
    }
    let lists = |depth: usize| {
        let mut body = body.clone();
        (0..depth).for_each(|_| body.put_u16(0x20));
        body.put_u16(9);
        body.put_i32(0);
        body
    };
    assert_eq!(decode(Opcode::Result, &lists(100_000)), "a column type nests deeper than 64 levels");
    let header =
        Header { version: ProtocolVersion::V5, flags: Flags::NONE, stream: 1, opcode: Opcode::Result };
    Response::decode(&Envelope { header, body: lists(64).freeze() }).unwrap();

    // The same inside a class name, which then stands for itself.
    let name = "FrozenType(".repeat(5000);
    assert!(matches!(parse_class_name(&name), ilium_cql::CqlType::Custom(text) if *text == *name));
}

#[test]
fn an_envelope_that_is_given_up_is_dropped_as_it_arrives_and_the_next_is_read() {
    let query = "x".repeat(500_000);
    let parameters = QueryParameters::new(Consistency::One);
    let large = Request::Query(QueryRequest { query: &query, parameters });
    for (version, compression) in [
        (ProtocolVersion::V4, None),
        (ProtocolVersion::V5, None),
        (ProtocolVersion::V5, Some(Compression::Lz4)),
    ] {
        let (mut writer, mut reader) = pair(Direction::Request, version, compression);
        writer.request(8, &RequestExtras::default(), &large).unwrap();
        writer.request(9, &RequestExtras::default(), &Request::Options).unwrap();
        let all = writer.ready().unwrap().split();
        let (begun, rest) = all.split_at(all.len() * 2 / 3);
        let mut input = BytesMut::from(begun);
        assert!(!reader.give_up(&BytesMut::new(), ProtocolError::NoRoom { limit: 1 }), "nothing began");
        assert_eq!(reader.next(&mut input).unwrap(), None);
        let held = reader.held();
        assert!(reader.give_up(&input, ProtocolError::NoRoom { limit: 1 }));
        assert!(reader.is_within_envelope());
        assert_eq!(reader.next(&mut input).unwrap(), None);
        assert_eq!(reader.held(), 0, "of {held}");
        input.extend_from_slice(rest);
        let failure = reader.next(&mut input).unwrap_err();
        assert_eq!((failure.stream, failure.fatal), (Some(8), false));
        assert_eq!(failure.error.code(), ErrorCode::Overloaded);
        assert_eq!(reader.next(&mut input).unwrap().unwrap().header.stream, 9);
    }
}
