//! Any bytes through a connection's reader, in pieces: plain and compressed envelopes, segments as they are, and
//! segments whose checksums were made right so that what is inside them is reached.
#![no_main]

use bytes::{BufMut, BytesMut};
use ilium_protocol::{
    Compression, Direction, FrameReader, Limits, MAX_PAYLOAD, ProtocolVersion, Request, Response,
    encode_segment,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [mode, piece, bytes @ ..] = input else { return };
    let direction = if mode & 0x80 == 0 { Direction::Request } else { Direction::Response };
    let (version, compression) = match mode & 7 {
        0 => (None, None),
        1 => (Some(ProtocolVersion::V3), None),
        2 => (Some(ProtocolVersion::V4), Some(Compression::Lz4)),
        3 => (Some(ProtocolVersion::V4), Some(Compression::Snappy)),
        4 | 5 => (Some(ProtocolVersion::V5), None),
        _ => (Some(ProtocolVersion::V5), Some(Compression::Lz4)),
    };
    let mut reader = FrameReader::new(direction, Limits { max_envelope: 1 << 20 });
    if let Some(version) = version {
        reader.negotiated(version, compression).unwrap();
    }

    let mut wire = BytesMut::new();
    if mode & 7 == 5 {
        // Each segment's length and kind come before it.
        let mut rest = bytes;
        while let [low, high, payload @ ..] = rest {
            let length =
                usize::from(u16::from_le_bytes([*low, *high]) >> 1).min(payload.len()).min(MAX_PAYLOAD);
            let (payload, later) = payload.split_at(length);
            encode_segment(payload, low & 1 == 0, &mut wire).unwrap();
            rest = later;
        }
    } else {
        wire.put_slice(bytes);
    }

    let mut received = BytesMut::new();
    for piece in wire.chunks(usize::from(*piece) + 1) {
        received.put_slice(piece);
        loop {
            match reader.next(&mut received) {
                Ok(None) => break,
                Ok(Some(envelope)) => match direction {
                    Direction::Request => drop(Request::decode(&envelope)),
                    Direction::Response => drop(Response::decode(&envelope)),
                },
                Err(failure) if failure.fatal => return,
                Err(_) => {}
            }
        }
    }
});
