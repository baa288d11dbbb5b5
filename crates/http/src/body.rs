//! Request bodies, read whole within limits.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::{Refusal, parse_json};

/// What a request's body may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Past it: 413.
    pub bytes: usize,
    /// From the end of the head to the body's last byte. Past it: 408.
    pub patience: Duration,
}

impl Default for BodyLimits {
    /// 16 MiB as a message of the CQL API may have, at no less than half a megabyte a second.
    fn default() -> BodyLimits {
        BodyLimits { bytes: 16 << 20, patience: Duration::from_secs(30) }
    }
}

/// The whole body.
pub async fn read_body(body: Body, limits: &BodyLimits) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body has more than {} bytes, the limit of this server; send less at a time",
                limits.bytes
            ),
        )
    };
    // Refused before it is read where its length is known.
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(too_large());
    }
    match timeout(limits.patience, gather(body, limits.bytes)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::bad_request(format!("the body ended before it was whole: {error}"))),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s", limits.patience.as_secs()),
        )),
    }
}

/// `None`: there is more than `limit`.
async fn gather(mut body: Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Ok(None);
        }
        // Most bodies are one piece, which is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(Some(if rest.is_empty() { first } else { rest.freeze() }))
}

/// The body as JSON; see [`parse_json`] for what is refused.
pub async fn read_json(body: Body, limits: &BodyLimits) -> Result<Value, Refusal> {
    let bytes = read_body(body, limits).await?;
    parse_json(&bytes).map_err(|fault| Refusal::bad_request(format!("the body is not usable JSON: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn pieces(pieces: &'static [&'static str]) -> Body {
        let frames = pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes())));
        Body::from_stream(Frames(frames.collect::<Vec<_>>().into_iter()))
    }

    /// An iterator as a stream that is always ready.
    struct Frames(std::vec::IntoIter<Result<Bytes, Infallible>>);

    impl futures_core::Stream for Frames {
        type Item = Result<Bytes, Infallible>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(self.0.next())
        }
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_read_whole_up_to_the_limit() {
        let limits = BodyLimits { bytes: 6, ..BodyLimits::default() };
        assert_eq!(read_body(pieces(&["ab", "", "cd", "ef"]), &limits).await.unwrap(), "abcdef");
        let refusal = read_body(pieces(&["ab", "cdefg"]), &limits).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
        let refusal = read_body(Body::from("abcdefg"), &limits).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        struct Never;
        impl futures_core::Stream for Never {
            type Item = Result<Bytes, Infallible>;
            fn poll_next(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                std::task::Poll::Pending
            }
        }
        let refusal = read_body(Body::from_stream(Never), &BodyLimits::default()).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
    }
}
