//! Frames on a socket: plain up to version 4, within checked segments from version 5 on.

use std::io::{Read, Write};

use anyhow::{Context as _, Result, bail};

/// One message: its operation code, header flags and body.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) flags: u8,
    pub(super) opcode: u8,
    pub(super) body: Vec<u8>,
}

/// Version, flags, stream (2), operation code, length (4).
const HEADER: usize = 9;
/// The most that a segment's 17-bit length can say.
const SEGMENT: usize = 131_071;

pub(super) fn encode(version: u8, flags: u8, opcode: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut frame = vec![version, flags, 0, 0, opcode];
    frame.extend(u32::try_from(body.len())?.to_be_bytes());
    frame.extend(body);
    Ok(frame)
}

/// Reads a plain frame. `None` for the version means that any is fine (the server's answer to STARTUP).
pub(super) fn read(from: &mut impl Read) -> Result<Frame> {
    let mut header = [0u8; HEADER];
    from.read_exact(&mut header).context("the server closed the connection")?;
    let [_, flags, _, _, opcode, a, b, c, d] = header;
    let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
    from.read_exact(&mut body).context("the server closed the connection within a frame")?;
    Ok(Frame { flags, opcode, body })
}

/// Wraps a frame into segments.
pub(super) fn write_segments(frame: &[u8], to: &mut impl Write) -> Result<()> {
    let whole = frame.len() <= SEGMENT;
    let mut out = Vec::with_capacity(frame.len() + 16);
    for part in frame.chunks(SEGMENT) {
        let header = part.len() as u32 | if whole { 1 << 17 } else { 0 };
        let [a, b, c, _] = header.to_le_bytes();
        out.extend([a, b, c]);
        let [x, y, z, _] = crc24(&[a, b, c]).to_le_bytes();
        out.extend([x, y, z]);
        out.extend(part);
        out.extend(crc32(part).to_le_bytes());
    }
    to.write_all(&out)?;
    Ok(())
}

/// Reads one frame out of one or more segments, checking each. What follows it in the last segment is kept in
/// `rest` for the next call.
pub(super) fn read_segments(from: &mut impl Read, rest: &mut Vec<u8>) -> Result<Frame> {
    loop {
        if let Some(frame) = take(rest)? {
            return Ok(frame);
        }
        let mut header = [0u8; 6];
        from.read_exact(&mut header).context("the server closed the connection")?;
        let [a, b, c, x, y, z] = header;
        if crc24(&[a, b, c]).to_le_bytes() != [x, y, z, 0] {
            bail!("a segment's header does not match its CRC");
        }
        let length = u32::from_le_bytes([a, b, c, 0]) as usize & SEGMENT;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).context("the server closed the connection within a segment")?;
        let mut sum = [0; 4];
        from.read_exact(&mut sum)?;
        if crc32(&payload).to_le_bytes() != sum {
            bail!("a segment's payload does not match its CRC");
        }
        rest.extend(payload);
    }
}

fn take(bytes: &mut Vec<u8>) -> Result<Option<Frame>> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [_, _, _, _, _, a, b, c, d] = *header;
    let end = HEADER + u32::from_be_bytes([a, b, c, d]) as usize;
    if bytes.len() < end {
        return Ok(None);
    }
    let whole: Vec<u8> = bytes.drain(..end).collect();
    Ok(Some(read(&mut whole.as_slice())?))
}

/// The header's sum: CRC-24 of the specification (polynomial 0x1974F0B, seed 0x875060), low byte first.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc: u32 = 0x0087_5060;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0197_4F0B;
            }
        }
    }
    crc
}

/// The payload's sum: CRC-32 over the specification's four seed bytes and the payload.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in [0xFA, 0x2D, 0x55, 0xCA].iter().chain(bytes) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
