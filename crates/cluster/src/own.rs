//! Requests of our own as frames.

use ilium_protocol::{FrameWriter, HEADER_LENGTH, ProtocolError, ProtocolVersion, Request, RequestExtras};
use ilium_store::Frame;

pub(crate) fn frame(
    version: ProtocolVersion,
    extras: &RequestExtras<'_>,
    request: &Request<'_>,
) -> Result<Frame, ProtocolError> {
    let mut writer = FrameWriter::new(version);
    writer.request(0, extras, request)?;
    let mut written = writer.ready()?.split();
    let header = written.split_to(HEADER_LENGTH.min(written.len()));
    Ok(Frame {
        version: version.number(),
        // The second byte of a header (native protocol v5, section 2).
        flags: header.get(1).copied().unwrap_or_default(),
        opcode: request.opcode().byte(),
        body: written.freeze(),
    })
}
