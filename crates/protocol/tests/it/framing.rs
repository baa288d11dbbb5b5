//! Envelopes and segments: how they are packed, cut over several reads, and refused.

use bytes::{Buf, BufMut, BytesMut};
use ilium_protocol::*;
use proptest::prelude::*;

use crate::round_trip::pair;

/// A response whose envelope has exactly `size` bytes.
fn sized(size: usize) -> Envelope {
    let header =
        Header { version: ProtocolVersion::V5, flags: Flags::NONE, stream: 3, opcode: Opcode::Result };
    // A body that LZ4 cannot shorten much, so that lengths are what they seem.
    let body =
        (0..size - HEADER_LENGTH).map(|i| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]);
    Envelope { header, body: body.collect::<Vec<u8>>().into() }
}

fn segments(lz4: bool, mut bytes: BytesMut) -> Vec<(bool, usize)> {
    let decoder = SegmentDecoder::new(lz4);
    let mut seen = Vec::new();
    while let Some(segment) = decoder.decode(&mut bytes).unwrap() {
        seen.push((segment.self_contained, segment.payload.len()));
    }
    assert!(bytes.is_empty());
    seen
}

#[test]
fn small_answers_of_one_write_share_a_segment() {
    for (compression, overhead) in [(None, 10), (Some(Compression::Lz4), 12)] {
        let (mut writer, _) = pair(Direction::Response, ProtocolVersion::V5, compression);
        for stream in 0..32 {
            let void = Response::Result(QueryResult::Void);
            writer.response(stream, &ResponseExtras::default(), &void).unwrap();
        }
        let bytes = writer.ready().unwrap().split();
        assert!(bytes.len() <= 32 * 13 + overhead, "{}", bytes.len());
        assert_eq!(segments(compression.is_some(), bytes), [(true, 32 * 13)]);
    }
}

/// The sizes of envelopes, and whether each segment that holds them is self-contained, with its payload's length.
type Packing = (&'static [usize], &'static [(bool, usize)]);

#[test]
fn envelopes_fill_a_segment_to_its_last_byte_and_no_further() {
    const FULL: usize = MAX_PAYLOAD;
    let cases: &[Packing] = &[
        (&[FULL], &[(true, FULL)]),
        (&[FULL + 1], &[(false, FULL), (false, 1)]),
        (&[2 * FULL], &[(false, FULL), (false, FULL)]),
        (&[2 * FULL + 5], &[(false, FULL), (false, FULL), (false, 5)]),
        (&[100, FULL - 100], &[(true, FULL)]),
        (&[100, FULL - 99], &[(true, 100), (true, FULL - 99)]),
        (&[100, FULL + 1, 100], &[(true, 100), (false, FULL), (false, 1), (true, 100)]),
        (&[100, FULL, 100, 50], &[(true, 100), (true, FULL), (true, 150)]),
        (&[FULL - 50, 100, FULL - 100], &[(true, FULL - 50), (true, FULL)]),
        (&[FULL, FULL, FULL], &[(true, FULL), (true, FULL), (true, FULL)]),
    ];
    for compression in [None, Some(Compression::Lz4)] {
        for (sizes, expected) in cases {
            let (mut writer, mut reader) = pair(Direction::Response, ProtocolVersion::V5, compression);
            let envelopes: Vec<Envelope> = sizes.iter().map(|size| sized(*size)).collect();
            for envelope in &envelopes {
                writer.envelope(envelope).unwrap();
            }
            let mut bytes = writer.ready().unwrap().split();
            assert_eq!(segments(compression.is_some(), bytes.clone()), *expected, "{sizes:?}");
            for envelope in &envelopes {
                assert_eq!(reader.next(&mut bytes).unwrap().as_ref(), Some(envelope));
            }
            assert_eq!(reader.next(&mut bytes).unwrap(), None);
            assert!(writer.ready().unwrap().is_empty());
        }
    }
}

#[test]
fn a_message_that_cannot_be_encoded_leaves_no_trace() {
    let long = "x".repeat(70_000);
    let bad = Response::Result(QueryResult::SetKeyspace(&long));
    let good = Response::Result(QueryResult::SetKeyspace("short"));
    let cases = [
        (ProtocolVersion::V4, None),
        (ProtocolVersion::V4, Some(Compression::Snappy)),
        (ProtocolVersion::V5, None),
        (ProtocolVersion::V5, Some(Compression::Lz4)),
    ];
    for (version, compression) in cases {
        for order in [[true, false, true], [false, true, false], [true, true, false]] {
            let (mut writer, mut reader) = pair(Direction::Response, version, compression);
            for is_good in order {
                let response = if is_good { &good } else { &bad };
                let written = writer.response(1, &ResponseExtras::default(), response);
                assert_eq!(written.is_ok(), is_good);
            }
            let input = writer.ready().unwrap();
            for _ in order.iter().filter(|is_good| **is_good) {
                let envelope = reader.next(input).unwrap().unwrap();
                assert_eq!(Response::decode(&envelope).unwrap().1, good);
            }
            assert_eq!(reader.next(input).unwrap(), None);
            assert!(input.is_empty());
        }
    }
}

#[test]
fn what_is_written_while_earlier_bytes_wait_follows_them() {
    let (mut writer, mut reader) = pair(Direction::Response, ProtocolVersion::V5, None);
    let mut received = BytesMut::new();
    for stream in 0..50i16 {
        writer.envelope(&Envelope { header: Header { stream, ..sized(9).header }, ..sized(300) }).unwrap();
        // A socket that takes a few bytes at a time.
        let ready = writer.ready().unwrap();
        let taken = ready.len().min(200);
        received.put_slice(&ready[..taken]);
        ready.advance(taken);
    }
    received.put_slice(writer.ready().unwrap());
    for stream in 0..50i16 {
        assert_eq!(reader.next(&mut received).unwrap().unwrap().header.stream, stream);
    }
}

#[test]
fn one_large_answer_does_not_leave_a_large_buffer_behind() {
    let (mut writer, _) = pair(Direction::Response, ProtocolVersion::V5, None);
    writer.envelope(&sized(5 << 20)).unwrap();
    let ready = writer.ready().unwrap();
    assert!(ready.len() > 5 << 20);
    ready.clear();
    writer.envelope(&sized(100)).unwrap();
    assert!(writer.ready().unwrap().capacity() < 1 << 20);
}

#[test]
fn startup_is_never_compressed_and_short_bodies_are_left_plain() {
    let (mut writer, mut reader) = pair(Direction::Request, ProtocolVersion::V4, Some(Compression::Lz4));
    let long = "x".repeat(500);
    let startup = Request::Startup(Startup { options: vec![("CQL_VERSION", "3.0.0"), ("X", &long)] });
    let query = |query| {
        let parameters = QueryParameters::new(Consistency::One);
        Request::Query(QueryRequest { query, parameters })
    };
    let mut flags = Vec::new();
    for request in [startup, query("SELECT 1"), query(&long)] {
        writer.request(0, &RequestExtras::default(), &request).unwrap();
        let input = writer.ready().unwrap();
        flags.push(Flags::from_bits(input[1]));
        let envelope = reader.next(input).unwrap().unwrap();
        assert_eq!(Request::decode(&envelope).unwrap().1, request);
    }
    assert_eq!(flags, [Flags::NONE, Flags::NONE, Flags::COMPRESSED]);
}

#[test]
fn a_connection_is_opened_in_every_version_and_compression() {
    let both = Some(Compression::Lz4);
    let snappy = Some(Compression::Snappy);
    let cases = [
        (ProtocolVersion::V3, None),
        (ProtocolVersion::V3, both),
        (ProtocolVersion::V4, None),
        (ProtocolVersion::V4, both),
        (ProtocolVersion::V4, snappy),
        (ProtocolVersion::V5, None),
        (ProtocolVersion::V5, both),
    ];
    for (version, compression) in cases {
        let name = compression.map(|compression| compression.to_string()).unwrap_or_default();
        let mut options = vec![("CQL_VERSION", "3.0.0")];
        if compression.is_some() {
            options.push(("COMPRESSION", &name));
        }
        let mut client_out = FrameWriter::new(version);
        let mut client_in = FrameReader::new(Direction::Response, Limits::CLIENT);
        let mut server_out = FrameWriter::new(ProtocolVersion::V5);
        let mut server_in = FrameReader::new(Direction::Request, Limits::SERVER);

        let startup = Request::Startup(Startup { options });
        client_out.request(0, &RequestExtras::default(), &startup).unwrap();
        client_in.startup_sent(version, compression).unwrap();
        let envelope = server_in.next(client_out.ready().unwrap()).unwrap().unwrap();
        let Request::Startup(startup) = Request::decode(&envelope).unwrap().1 else { panic!() };
        assert_eq!(startup.compression(version).unwrap(), compression);
        server_out.set_version(version);
        // An answer long enough to be compressed where a server does that already.
        let class = "com.example.".repeat(20);
        if version < ProtocolVersion::V5 {
            server_out.negotiated(version, compression).unwrap();
        }
        let answer = Response::Authenticate(&class);
        server_out.response(0, &ResponseExtras::default(), &answer).unwrap();
        server_in.negotiated(version, compression).unwrap();
        server_out.negotiated(version, compression).unwrap();
        let envelope = client_in.next(server_out.ready().unwrap()).unwrap().unwrap();
        assert_eq!(Response::decode(&envelope).unwrap().1, answer);
        client_in.negotiated(version, compression).unwrap();
        client_out.negotiated(version, compression).unwrap();

        let token = Request::AuthResponse(Some(b"\0user\0password"));
        client_out.request(1, &RequestExtras::default(), &token).unwrap();
        let envelope = server_in.next(client_out.ready().unwrap()).unwrap().unwrap();
        assert_eq!(Request::decode(&envelope).unwrap().1, token);
        let success = Response::AuthSuccess(None);
        server_out.response(1, &ResponseExtras::default(), &success).unwrap();
        let envelope = client_in.next(server_out.ready().unwrap()).unwrap().unwrap();
        assert_eq!(Response::decode(&envelope).unwrap().1, success);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn however_the_bytes_are_cut_the_same_envelopes_arrive(
        v5 in any::<bool>(),
        lz4 in any::<bool>(),
        sizes in prop::collection::vec(prop_oneof![4 => 9usize..2000, 1 => 100_000usize..300_000], 1..6),
        cuts in prop::collection::vec(1usize..60_000, 1..50),
    ) {
        let version = if v5 { ProtocolVersion::V5 } else { ProtocolVersion::V4 };
        let compression = lz4.then_some(Compression::Lz4);
        let (mut writer, mut reader) = pair(Direction::Response, version, compression);
        let envelopes: Vec<Envelope> = sizes
            .iter()
            .map(|size| {
                let envelope = sized(*size);
                Envelope { header: Header { version, ..envelope.header }, ..envelope }
            })
            .collect();
        for envelope in &envelopes {
            writer.envelope(envelope).unwrap();
        }
        let bytes = writer.ready().unwrap().split();
        let mut input = BytesMut::new();
        let mut arrived = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*cut));
            input.put_slice(now);
            rest = later;
            while let Some(envelope) = reader.next(&mut input).unwrap() {
                arrived.push(envelope);
            }
        }
        prop_assert_eq!(arrived, envelopes);
    }
}
