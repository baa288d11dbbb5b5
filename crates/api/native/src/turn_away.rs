//! Connections there is no place for.

use std::io;

use bytes::BytesMut;
use ilium_protocol::{
    Direction, ErrorDetail, ErrorResponse, FrameReader, FrameWriter, Limits, ProtocolVersion, Response,
    ResponseExtras,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::{Service, connection};

/// The first message of a client is OPTIONS or STARTUP, some hundred bytes: no more than this is read of it.
const FIRST_MESSAGE: u32 = 4096;

/// Answers the client's first message with OVERLOADED and the reason, so that its user reads it, and closes.
pub async fn turn_away<S>(service: &Service, mut socket: S, reason: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answered = timeout(service.options.patience, answer(&mut socket, reason)).await;
    answered.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client did not say a word"))??;
    connection::close_in_order(&mut socket, &mut BytesMut::new()).await
}

async fn answer<S>(socket: &mut S, reason: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut reader = FrameReader::new(Direction::Request, Limits { max_envelope: FIRST_MESSAGE });
    let mut writer = FrameWriter::new(ProtocolVersion::V5);
    let mut input = BytesMut::with_capacity(FIRST_MESSAGE as usize);
    let stream = loop {
        match reader.next(&mut input) {
            Ok(Some(envelope)) => {
                writer.set_version(envelope.header.version);
                break envelope.header.stream;
            }
            Err(failure) => break failure.stream.unwrap_or(0),
            Ok(None) if socket.read_buf(&mut input).await? == 0 => return Ok(()),
            Ok(None) => {}
        }
    };
    let error = Response::Error(ErrorResponse::new(reason, ErrorDetail::Overloaded));
    writer.response(stream, &ResponseExtras::default(), &error).map_err(io::Error::other)?;
    socket.write_all_buf(writer.ready().map_err(io::Error::other)?).await?;
    socket.flush().await
}
