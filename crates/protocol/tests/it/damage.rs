//! Every cut and every flipped bit: an error or a wait, never a panic, and in version 5 never another message.

use bytes::{Bytes, BytesMut};
use ilium_protocol::*;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    any_message::{request, request_extras, response, response_extras},
    round_trip::pair,
};

/// Some messages of every kind, the same in every run.
fn envelopes(version: ProtocolVersion) -> Vec<Envelope> {
    let mut runner = TestRunner::deterministic();
    let mut envelopes = Vec::new();
    for _ in 0..150 {
        let extras = request_extras(version).new_tree(&mut runner).unwrap().current();
        let request = request(version).new_tree(&mut runner).unwrap().current();
        let (mut writer, mut reader) = pair(Direction::Request, version, None);
        writer.request(1, &extras, &request).unwrap();
        envelopes.push(reader.next(writer.ready().unwrap()).unwrap().unwrap());

        let extras = response_extras(version).new_tree(&mut runner).unwrap().current();
        let response = response(version).new_tree(&mut runner).unwrap().current();
        let (mut writer, mut reader) = pair(Direction::Response, version, None);
        writer.response(1, &extras, &response).unwrap();
        envelopes.push(reader.next(writer.ready().unwrap()).unwrap().unwrap());
    }
    envelopes
}

/// Decodes as far as there is anything to decode.
fn decode(envelope: &Envelope) -> Result<(), ProtocolError> {
    match envelope.header.opcode.direction() {
        Direction::Request => Request::decode(envelope).map(|_| ()),
        Direction::Response => match Response::decode(envelope)?.1 {
            Response::Result(QueryResult::Rows(rows)) => rows.cells().try_for_each(|cell| cell.map(|_| ())),
            _ => Ok(()),
        },
    }
}

#[test]
fn a_body_cut_anywhere_or_with_any_byte_flipped_never_panics() {
    for version in ProtocolVersion::ALL {
        for envelope in envelopes(version) {
            for cut in 0..envelope.body.len() {
                let _ = decode(&Envelope { body: envelope.body.slice(..cut), ..envelope.clone() });
                for bit in [0x01, 0x80, 0xff] {
                    let mut body = envelope.body.to_vec();
                    body[cut] ^= bit;
                    let _ = decode(&Envelope { body: Bytes::from(body), ..envelope.clone() });
                }
            }
            for flags in 0..=0x1f {
                let header = Header { flags: Flags::from_bits(flags), ..envelope.header };
                let _ = decode(&Envelope { header, ..envelope.clone() });
            }
        }
    }
}

#[test]
fn bytes_past_the_end_of_a_message_are_ignored() {
    for version in ProtocolVersion::ALL {
        for envelope in envelopes(version).iter().filter(|envelope| {
            // What follows rows is cells, and a CAS timeout of version 5 may have a count more.
            !matches!(envelope.header.opcode, Opcode::Result | Opcode::Error)
        }) {
            let longer =
                Envelope { body: [&envelope.body, &b"more"[..]].concat().into(), ..envelope.clone() };
            match envelope.header.opcode.direction() {
                Direction::Request => {
                    assert_eq!(Request::decode(&longer), Request::decode(envelope));
                }
                Direction::Response => {
                    assert_eq!(Response::decode(&longer), Response::decode(envelope));
                }
            }
        }
    }
}

#[test]
fn a_segment_cut_anywhere_waits_and_any_flipped_bit_is_found() {
    for compression in [None, Some(Compression::Lz4)] {
        let (mut writer, _) = pair(Direction::Request, ProtocolVersion::V5, compression);
        let query = "SELECT a, a, a, a, a, a, a, a, a, a, a, a, a FROM t WHERE k = 1";
        let parameters = QueryParameters::new(Consistency::One);
        let request = Request::Query(QueryRequest { query, parameters });
        writer.request(1, &RequestExtras::default(), &request).unwrap();
        writer.request(2, &RequestExtras::default(), &Request::Options).unwrap();
        let whole = writer.ready().unwrap().split();

        for cut in 0..whole.len() {
            let (_, mut reader) = pair(Direction::Request, ProtocolVersion::V5, compression);
            let mut input = BytesMut::from(&whole[..cut]);
            assert_eq!(reader.next(&mut input).unwrap(), None);
            input.extend_from_slice(&whole[cut..]);
            assert_eq!(reader.next(&mut input).unwrap().unwrap().header.stream, 1);
            assert_eq!(reader.next(&mut input).unwrap().unwrap().header.stream, 2);
        }
        for bit in 0..whole.len() * 8 {
            let (_, mut reader) = pair(Direction::Request, ProtocolVersion::V5, compression);
            let mut input = whole.clone();
            input[bit / 8] ^= 1 << (bit % 8);
            let failure = reader.next(&mut input).unwrap_err();
            assert!(failure.fatal);
            assert!(matches!(failure.error, ProtocolError::CrcMismatch { .. }), "bit {bit}: {failure}");
            assert!(input.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        v5 in any::<bool>(),
        compressed in any::<bool>(),
        negotiated in any::<bool>(),
    ) {
        let version = if v5 { ProtocolVersion::V5 } else { ProtocolVersion::V4 };
        for direction in [Direction::Request, Direction::Response] {
            let mut reader = FrameReader::new(direction, Limits::SERVER);
            if negotiated {
                reader.negotiated(version, compressed.then_some(Compression::Lz4)).unwrap();
            }
            let mut input = BytesMut::from(&bytes[..]);
            // Each call takes something, fails or waits; a refused header takes nine bytes at least.
            for _ in 0..bytes.len() + 1 {
                match reader.next(&mut input) {
                    Ok(None) => break,
                    Ok(Some(envelope)) => drop(decode(&envelope)),
                    Err(failure) if failure.fatal => break,
                    Err(_) => {}
                }
            }
        }
    }
}
