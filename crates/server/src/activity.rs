//! Whose turn it is on one HTTP connection, so that a client that keeps the server waiting for too long is let go:
//! one that sends nothing, and one that takes nothing of an answer. A socket does not tell: an HTTP/2 client that grants no
//! window answers pings all the while.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use ilium_http::Place;
use parking_lot::Mutex;
use tokio::time::sleep;

/// Answers leave in pieces of at most so many bytes: a piece is taken when the one before it has gone, and that shows that
/// the client reads. What one write of HTTP/1.1 gathers at most by default.
const PIECE: usize = 64 << 10;

/// One connection.
pub struct Activity {
    state: Mutex<State>,
}

struct State {
    /// Requests whose answer has not begun: the server's turn.
    handling: usize,
    /// Answers on their way, by number. Since when it is the client's turn to take a piece; `None`: the server makes one.
    answers: Vec<(u64, Option<Instant>)>,
    next: u64,
    /// When the last answer ended.
    idle_since: Instant,
}

impl Activity {
    pub fn new() -> Arc<Activity> {
        let state = State { handling: 0, answers: Vec::new(), next: 0, idle_since: Instant::now() };
        Arc::new(Activity { state: Mutex::new(state) })
    }

    /// A request has come. Its answer has begun, or it was given up, once what this gives is dropped.
    pub fn begin(self: &Arc<Self>) -> Handling {
        self.state.lock().handling += 1;
        Handling(Arc::clone(self))
    }

    /// The body of an answer, watched to its end. The place is kept as long. One of a single piece is not worth the watching:
    /// with all of its streams a connection holds a few MiB of them, and soon counts as idle.
    pub fn watch(self: &Arc<Self>, body: Body, place: Option<Place>) -> Body {
        if body.size_hint().exact().is_some_and(|bytes| bytes <= PIECE as u64) {
            return body;
        }
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.answers.push((number, Some(Instant::now())));
        drop(state);
        Body::new(Watched { body, rest: Bytes::new(), number, activity: Arc::clone(self), _place: place })
    }

    /// Resolves once the client has kept the server waiting for so long.
    pub async fn client_is_silent(&self, patience: Duration) {
        loop {
            match self.waiting_since().map(|since| since.elapsed()) {
                Some(waited) if waited >= patience => return,
                Some(waited) => sleep(patience - waited).await,
                None => sleep(patience).await,
            }
        }
    }

    fn waiting_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        let oldest = state.answers.iter().filter_map(|(_, since)| *since).min();
        oldest.or_else(|| (state.handling == 0 && state.answers.is_empty()).then_some(state.idle_since))
    }

    fn turn(&self, number: u64, since: Option<Instant>) {
        let mut state = self.state.lock();
        if let Some((_, turn)) = state.answers.iter_mut().find(|(other, _)| *other == number) {
            *turn = since;
        }
    }
}

/// A request whose answer has not begun.
pub struct Handling(Arc<Activity>);

impl Drop for Handling {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.handling = state.handling.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

struct Watched {
    body: Body,
    /// What is left of a piece that was too large.
    rest: Bytes,
    number: u64,
    activity: Arc<Activity>,
    _place: Option<Place>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            self.activity.turn(self.number, None);
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        self.activity.turn(self.number, Some(Instant::now()));
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        state.answers.retain(|(number, _)| *number != self.number);
        state.idle_since = Instant::now();
    }
}
