//! Any body as any response: it decodes to a message that encodes to one of the same kind, or is refused.
#![no_main]

use bytes::Bytes;
use ilium_protocol::{
    Direction, Envelope, Flags, FrameReader, FrameWriter, Header, Limits, Opcode, ProtocolVersion,
    QueryResult, Response,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [version, flags, opcode, body @ ..] = input else { return };
    let Ok(version) = ProtocolVersion::from_number(3 + version % 3) else { return };
    let Ok(opcode) = Opcode::from_byte(opcode % 0x11) else { return };
    let header = Header { version, flags: Flags::from_bits(*flags), stream: 1, opcode };
    let envelope = Envelope { header, body: Bytes::copy_from_slice(body) };
    let Ok((mut extras, response)) = Response::decode(&envelope) else { return };
    if let Response::Result(QueryResult::Rows(rows)) = &response {
        let walked = rows.cells().take(10_000).filter(Result::is_ok).count();
        // Each cell is four bytes at least.
        assert!(walked <= body.len() / 4);
    }

    if version == ProtocolVersion::V3 {
        // Read, and not written: version 3 has none.
        extras.warnings.clear();
    }
    let mut writer = FrameWriter::new(version);
    // A class name can outgrow its length field when it is written in full.
    if writer.response(1, &extras, &response).is_err() {
        return;
    }
    let mut reader = FrameReader::new(Direction::Response, Limits::CLIENT);
    let again = reader.next(writer.ready().unwrap()).unwrap().unwrap();
    let (extras_again, response_again) = Response::decode(&again).unwrap();
    assert_eq!(extras_again, extras);
    assert_eq!(response_again.opcode(), response.opcode());
});
