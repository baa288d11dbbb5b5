//! Watching a link: whether its node still lives, and whether anybody still needs it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ilium_protocol::Request;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Link;
use super::open::says_anything;
use crate::dial::{Dialler, PROBE};

/// How often a link looks whether its node still answers.
const PULSE: Duration = Duration::from_secs(1);

/// Pulses without a word after which an idle link asks for one, so that nothing on the way forgets the connection and a node
/// that is gone is noticed. The drivers' heartbeat, 30 s.
pub(super) const IDLE_PULSES: u32 = 30;

/// The same for the one link by which the cluster is watched: there may be no other sign that nodes are gone.
pub(super) const CONTROL_PULSES: u32 = 5;

impl Link {
    /// Ends when requests wait and the node is dead, or silent for too long. After `heartbeat` pulses without a word an idle
    /// link asks for one.
    pub(super) async fn watch(self: &Arc<Self>, dialler: &Dialler, heartbeat: u32) -> &'static str {
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = dialler.options.silence.max(PULSE);
        // Since when requests wait without a word from the node; and pulses in which none did.
        let (mut seen, mut silent, mut idle) = (0, None, 0);
        loop {
            pulse.tick().await;
            if self.state.lock().closed {
                return "it was closed";
            }
            // A log-in whose client has left, or a second that came too late, leaves one behind.
            if Arc::strong_count(self) == 1 && self.load() == 0 {
                return "nobody holds it";
            }
            let reads = self.reads.load(Ordering::Relaxed);
            let waits = self.load() > 0;
            if reads != seen {
                (seen, silent, idle) = (reads, None, 0);
                continue;
            }
            if !waits {
                (silent, idle) = (None, idle + 1);
                if idle == heartbeat {
                    self.ask_for_a_word();
                }
                continue;
            }
            let since = match silent {
                Some(since) => since,
                None => {
                    self.ask_for_a_word();
                    *silent.insert(Instant::now())
                }
            };
            idle = 0;
            // The answer of a node that is dead is awaited in vain; it is to have come to nothing by the end of the patience.
            if since.elapsed() + PROBE < patience {
                continue;
            }
            let asked = says_anything(self.address, self.version, &dialler.options);
            let is_alive = dialler.is_alive(self.address, asked).await;
            if self.reads.load(Ordering::Relaxed) != seen {
                continue;
            }
            match since.elapsed() {
                waited if waited >= dialler.options.busy => {
                    return "the node answers nothing, though it is alive";
                }
                // By little too early is better than a whole probe too late.
                waited if waited + PULSE / 2 >= patience && !is_alive => {
                    return "requests wait and the node is silent";
                }
                _ => {}
            }
        }
    }

    /// Ends it where its node does not answer a new connection either. What waits on it is watched already.
    pub(crate) async fn end_if_dead(&self, dialler: &Dialler) {
        let seen = self.reads.load(Ordering::Relaxed);
        let asked = says_anything(self.address, self.version, &dialler.options);
        let is_alive = dialler.is_alive(self.address, asked).await;
        if !is_alive && self.load() == 0 && self.reads.load(Ordering::Relaxed) == seen {
            self.close();
        }
    }

    /// Has the node say something, where nothing else may be answered soon. This waits for a thread of Cassandra, as requests
    /// do (`Dispatcher.dispatch`): that no answer comes says nothing.
    fn ask_for_a_word(self: &Arc<Self>) {
        let link = Arc::clone(self);
        tokio::spawn(async move { link.ask(&Request::Options).await.is_ok() });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::SocketAddr;

    use bytes::BytesMut;
    use ilium_protocol::{
        Direction, FrameReader, FrameWriter, Limits, Opcode, ProtocolVersion, Response, ResponseExtras,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{sleep, timeout};

    use super::super::outside::linked;
    use super::*;
    use crate::Options;
    use crate::link::Lost;
    use crate::scripted::{Says, ScriptedNode};

    const VERSION: ProtocolVersion = ProtocolVersion::V4;

    /// The far side of a link: it answers each request after so long.
    async fn answer(far: DuplexStream, after: Duration) {
        let (mut receiving, sending) = tokio::io::split(far);
        let sending = Arc::new(tokio::sync::Mutex::new((FrameWriter::new(VERSION), sending)));
        let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
        let mut input = BytesMut::new();
        while receiving.read_buf(&mut input).await.is_ok_and(|count| count > 0) {
            while let Some(asked) = reader.next(&mut input).unwrap() {
                let sending = Arc::clone(&sending);
                tokio::spawn(async move {
                    sleep(after).await;
                    let (writer, socket) = &mut *sending.lock().await;
                    let extras = ResponseExtras::default();
                    writer.response(asked.header.stream, &extras, &Response::Ready).unwrap();
                    // The link may be gone.
                    let _ = socket.write_all_buf(writer.ready().unwrap()).await;
                });
            }
        }
    }

    fn dialler(silence: Duration, busy: Duration) -> Arc<Dialler> {
        Dialler::new(Options { silence, busy, ..Options::new(Vec::new()) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_was_idle_may_take_its_time_for_the_next_answer() {
        // An address where nobody answers: an answer in time needs no other proof that the node lives.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let (link, far) =
            linked(VERSION, nobody, &dialler(Duration::from_secs(5), Duration::from_secs(30)), None);
        tokio::spawn(answer(far, Duration::from_secs(4)));
        for pause in [0, 7, 20, 45] {
            sleep(Duration::from_secs(pause)).await;
            let answered = link.ask(&Request::Options).await;
            assert!(answered.is_ok(), "after {pause} s: {answered:?}");
        }
        assert!(!link.is_closed());
    }

    #[tokio::test]
    async fn a_node_that_answers_new_connections_is_busy_and_one_that_does_not_is_dead() {
        let (silence, busy) = (Duration::from_secs(3), Duration::from_secs(10));
        let alive = ScriptedNode::start(|_| Says::AsUsual).await;
        let dead = ScriptedNode::start(|_| Says::Nothing).await;
        let dialler = dialler(silence, busy);
        let begun = Instant::now();
        // Two links to each, whose requests nobody answers.
        let mut asked = Vec::new();
        for address in [alive.address, alive.address, dead.address, dead.address] {
            let (link, far) = linked(VERSION, address, &dialler, None);
            asked.push(tokio::spawn(async move {
                let heard = timeout(busy * 3, link.ask(&Request::Options)).await;
                drop(far);
                (heard, begun.elapsed())
            }));
        }
        let mut ended = Vec::new();
        for asked in asked {
            let (heard, took) = asked.await.unwrap();
            assert_eq!(heard.unwrap().map(|answer| answer.header.opcode), Err(Lost::Sent));
            ended.push(took);
        }
        assert!(ended.iter().take(2).all(|took| *took >= busy), "{ended:?}");
        assert!(ended.iter().skip(2).all(|took| *took + PULSE >= silence && *took < busy), "{ended:?}");
        // Links to a node ask together, about once a second.
        let probes = alive.heard(Opcode::Options).len();
        assert!((1..=12).contains(&probes), "{probes} probes");
    }

    #[tokio::test]
    async fn a_busy_node_that_answers_at_last_keeps_its_link() {
        let alive = ScriptedNode::start(|_| Says::AsUsual).await;
        let dialler = dialler(Duration::from_secs(3), Duration::from_secs(30));
        let (link, far) = linked(VERSION, alive.address, &dialler, None);
        tokio::spawn(answer(far, Duration::from_secs(6)));
        assert!(link.ask(&Request::Options).await.is_ok());
        assert!(!link.is_closed());
        assert!(!alive.heard(Opcode::Options).is_empty());
    }
}
