//! Any body as any request: it decodes to a message that encodes and decodes to itself, or is refused.
#![no_main]

use bytes::Bytes;
use ilium_protocol::{
    Direction, Envelope, Flags, FrameReader, FrameWriter, Header, Limits, Opcode, ProtocolError,
    ProtocolVersion, Request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [version, flags, opcode, body @ ..] = input else { return };
    let Ok(version) = ProtocolVersion::from_number(3 + version % 3) else { return };
    let Ok(opcode) = Opcode::from_byte(opcode % 0x11) else { return };
    let header = Header { version, flags: Flags::from_bits(*flags), stream: 1, opcode };
    let envelope = Envelope { header, body: Bytes::copy_from_slice(body) };
    let Ok((extras, request)) = Request::decode(&envelope) else { return };

    let mut writer = FrameWriter::new(version);
    match writer.request(1, &extras, &request) {
        Ok(()) => {}
        // A keyspace in version 4 is read, as Cassandra does, and not written.
        Err(ProtocolError::NeedsVersion { .. }) => return,
        Err(error) => panic!("{error}: {request:?}"),
    }
    let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
    let again = reader.next(writer.ready().unwrap()).unwrap().unwrap();
    assert_eq!(Request::decode(&again).unwrap(), (extras, request));
});
