//! Sends spans to the collector, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Request, StatusCode};
use ilium_http::{BodyLimits, read_body};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::span::Span;
use super::{TraceOptions, otlp};
use crate::remote::{Connection, Remote};

/// How often spans are sent (`OTEL_BSP_SCHEDULE_DELAY`'s default), or sooner where a batch is full.
const EVERY: Duration = Duration::from_secs(5);

/// Spans of one request to the collector (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`'s default).
const BATCH: usize = 512;

/// Spans that wait; past it they are dropped (`OTEL_BSP_MAX_QUEUE_SIZE`'s default). 1 to 2 MiB, or
/// 6 where every text is as long as it is shown at most.
const WAITING: usize = 2048;

/// Times a batch is sent, where the collector cannot be reached or asks to come again; the pause between doubles.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How often the log says that spans are lost.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What may be spent at the end for the last spans, and for those under way: an orchestrator waits 30 s before it kills
/// (Kubernetes' `terminationGracePeriodSeconds`), and requests have had ten of them.
const AT_THE_END: Duration = Duration::from_secs(5);

/// An answer says nothing, or in some words why not.
const MAX_ANSWER: usize = 64 << 10;

/// Characters of what a collector says of spans that it did not take.
const SHOWN: usize = 200;

/// Ended spans that wait.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Span>>,
    /// There is a batch.
    enough: Notify,
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Queue {
    pub fn push(&self, span: Span) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.push(span);
        if waiting.len() == BATCH {
            self.enough.notify_one();
        }
    }

    /// The oldest, as many as go together.
    fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(BATCH);
        waiting.drain(..count).collect()
    }

    fn has_batch(&self) -> bool {
        self.waiting.lock().len() >= BATCH
    }
}

/// What has become of spans.
#[derive(Clone)]
pub struct TraceFigures(pub(super) Arc<Queue>);

impl TraceFigures {
    /// Those that the collector took.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Those that were not sent: too many came, or the collector did not take them.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// Why a batch was not taken.
struct Refused {
    why: String,
    may_try_again: bool,
}

/// Sends what is in the queue.
pub struct Exporter {
    queue: Arc<Queue>,
    remote: Remote,
    options: TraceOptions,
    /// Kept for the next batch.
    connection: Option<Connection>,
    /// Spans of the batch that is being sent.
    under_way: u64,
    /// What was wrong last, and when the log last said so.
    trouble: Option<String>,
    told: Option<(Instant, u64)>,
    /// When the log last said what the collector advises.
    advised: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(queue: Arc<Queue>, remote: Remote, options: TraceOptions) -> Exporter {
        Exporter {
            queue,
            remote,
            options,
            connection: None,
            under_way: 0,
            trouble: None,
            told: None,
            advised: None,
        }
    }

    /// Sends spans until `ended` turns true, and then those that are left.
    pub async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut over = ended.clone();
        let too_late = async {
            is_over(&mut over).await;
            sleep(AT_THE_END).await;
        };
        tokio::select! {
            () = self.deliver_all(&mut ended) => {}
            () = too_late => {}
        }
        // What is left now goes nowhere.
        let left = self.queue.waiting.lock().len() as u64 + self.under_way;
        self.queue.dropped.fetch_add(left, Ordering::Relaxed);
        self.tell();
    }

    async fn deliver_all(&mut self, ended: &mut watch::Receiver<bool>) {
        let queue = Arc::clone(&self.queue);
        while !*ended.borrow() {
            if !queue.has_batch() {
                tokio::select! {
                    () = sleep(EVERY) => {}
                    () = queue.enough.notified() => {}
                    () = is_over(ended) => break,
                }
            }
            let spans = queue.take();
            if !spans.is_empty() {
                self.deliver(&spans, ended).await;
            }
            self.tell();
        }
        loop {
            let spans = queue.take();
            if spans.is_empty() {
                return;
            }
            self.deliver(&spans, ended).await;
        }
    }

    /// Sends a batch, more than once if need be; at the end once.
    async fn deliver(&mut self, spans: &[Span], ended: &mut watch::Receiver<bool>) {
        let count = spans.len() as u64;
        self.under_way = count;
        let body = otlp::request(&self.options.resource, spans);
        let mut pause = FIRST_PAUSE;
        for tried in 1..=TRIES {
            let refused = match timeout(self.options.timeout, self.send(body.clone())).await {
                Ok(Ok((rejected, why))) => {
                    let rejected = rejected.min(count);
                    self.under_way = 0;
                    self.queue.sent.fetch_add(count - rejected, Ordering::Relaxed);
                    self.queue.dropped.fetch_add(rejected, Ordering::Relaxed);
                    let why: String = why.chars().take(SHOWN).collect();
                    if rejected > 0 {
                        self.trouble =
                            Some(format!("it took all but {rejected} of {count}, and said {why:?}"));
                    } else if !why.is_empty() {
                        self.pass_on(&why);
                    }
                    return;
                }
                Ok(Err(refused)) => refused,
                Err(_) => Refused {
                    why: format!("there was no whole answer within {:?}", self.options.timeout),
                    may_try_again: true,
                },
            };
            let is_last = tried == TRIES || !refused.may_try_again || *ended.borrow();
            self.trouble = Some(refused.why);
            if is_last {
                break;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = is_over(ended) => {}
            }
            pause *= 2;
        }
        self.under_way = 0;
        self.queue.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// How many spans the collector says it did not take though it took the others (OTLP 1, "Partial Success"), and why.
    async fn send(&mut self, body: Vec<u8>) -> Result<(u64, String), Refused> {
        let lost = |why: String| Refused { why, may_try_again: true };
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => self.remote.connect().await.map_err(lost)?,
        };
        let mut request =
            Request::post("/").body(Body::from(body)).map_err(|error| lost(error.to_string()))?;
        request.headers_mut().extend(self.options.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let answer = self.remote.ask(&mut connection, request).await.map_err(lost)?;
        let status = answer.status();
        let limits = BodyLimits { bytes: MAX_ANSWER, patience: self.options.timeout };
        // Until it is read the connection takes nothing more.
        let said = read_body(Body::new(answer.into_body()), &limits).await;
        if said.is_ok() {
            self.connection = Some(connection);
        }
        match status.is_success() {
            true => Ok(said.map_or_else(|_| Default::default(), |said| otlp::rejected(&said))),
            false => Err(Refused { why: format!("it answered {status}"), may_try_again: is_passing(status) }),
        }
    }

    /// Says in the log that spans are lost, now and then.
    fn tell(&mut self) {
        let dropped = self.queue.dropped.load(Ordering::Relaxed);
        let (at, known) = self.told.unzip();
        if dropped == known.unwrap_or_default() || at.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            return;
        }
        self.told = Some((Instant::now(), dropped));
        let why = self.trouble.take().unwrap_or_else(|| "more come than are sent".to_owned());
        tracing::warn!(collector = self.collector(), why, dropped, "spans are lost");
    }

    /// Says in the log, now and then, what a collector says that took all spans (OTLP 1, "Partial Success": a warning or advice).
    fn pass_on(&mut self, advice: &str) {
        if self.advised.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            self.advised = Some(Instant::now());
            tracing::warn!(
                collector = self.collector(),
                advice,
                "the collector took all spans and has something to say"
            );
        }
    }

    /// Its address without its keys, which some have behind the `?`.
    fn collector(&self) -> Option<&str> {
        self.options.endpoint.split('?').next()
    }
}

/// Resolves at the end.
async fn is_over(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Whether an answer of this status says to come again (OTLP 1, "Retryable Response Codes").
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
