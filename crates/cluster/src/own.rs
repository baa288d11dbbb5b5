//! Requests and answers of our own as frames.

use ilium_protocol::{
    FrameWriter, HEADER_LENGTH, Opcode, ProtocolError, ProtocolVersion, Request, RequestExtras, Response,
    ResponseExtras,
};
use ilium_store::Frame;

pub(crate) fn frame(
    version: ProtocolVersion,
    extras: &RequestExtras<'_>,
    request: &Request<'_>,
) -> Result<Frame, ProtocolError> {
    let mut writer = FrameWriter::new(version);
    writer.request(0, extras, request)?;
    written(writer, request.opcode())
}

pub(crate) fn answer(version: ProtocolVersion, response: &Response<'_>) -> Result<Frame, ProtocolError> {
    let mut writer = FrameWriter::new(version);
    writer.response(0, &ResponseExtras::default(), response)?;
    written(writer, response.opcode())
}

fn written(mut writer: FrameWriter, opcode: Opcode) -> Result<Frame, ProtocolError> {
    let mut written = writer.ready()?.split();
    let header = written.split_to(HEADER_LENGTH.min(written.len()));
    Ok(Frame {
        version: writer.version().number(),
        // The second byte of a header (native protocol v5, section 2).
        flags: header.get(1).copied().unwrap_or_default(),
        opcode: opcode.byte(),
        body: written.freeze(),
    })
}
