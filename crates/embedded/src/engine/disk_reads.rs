//! Reads that met a block which is not in memory, on threads that may block.
//!
//! A thread for each such read would cost more than the read: waking it, and putting it to sleep on the disk. But the
//! refused attempt has made the kernel begin reading (`preadv2` with `RWF_NOWAIT` on a file that is not in the page
//! cache starts its readahead), so by the time a thread has come through a short queue most blocks are there.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ilium_store::{Error, Outcome, Result};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Reads that wait for each thread before another is taken. With 256 in flight 50 threads share them; four at a time
/// still wait for at most five blocks one after the other.
const WAITING_EACH: usize = 4;
/// Threads at most: the queue depth at which disks give all they have.
const THREADS: usize = 64;

type Read = Box<dyn FnOnce() -> Result<Outcome> + Send>;

/// The queue and who works on it.
#[derive(Default)]
pub(super) struct DiskReads {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Read, oneshot::Sender<Result<Outcome>>)>,
    threads: usize,
}

impl DiskReads {
    /// Has a read done; the answer comes by the channel.
    pub fn submit(self: &Arc<Self>, runtime: &Handle, read: Read) -> oneshot::Receiver<Result<Outcome>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        state.waiting.push_back((read, answer));
        let wanted = state.waiting.len() > state.threads * WAITING_EACH && state.threads < THREADS;
        if wanted {
            state.threads += 1;
        }
        drop(state);
        if wanted {
            let reads = Arc::clone(self);
            runtime.spawn_blocking(move || reads.work());
        }
        receiver
    }

    fn work(&self) {
        while let Some((read, answer)) = self.next() {
            // The thread is counted: it must live on to be taken off.
            let done = catch_unwind(AssertUnwindSafe(read));
            let done = done.unwrap_or_else(|_| Err(Error::internal("a read was cut off by a panic")));
            // Who does not wait any more has lost interest.
            let _ = answer.send(done);
        }
    }

    fn next(&self) -> Option<(Read, oneshot::Sender<Result<Outcome>>)> {
        let mut state = self.state.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use ilium_store::ResultKind;
    use tokio::runtime::Builder;

    use super::*;

    fn done() -> Result<Outcome> {
        Ok(Outcome::of(ResultKind::Void))
    }

    #[test]
    fn every_read_is_answered_by_few_threads_and_a_panic_costs_its_own_only() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let reads = Arc::new(DiskReads::default());
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let at_work = Arc::new(AtomicUsize::new(0));
        let submit = |number: usize| {
            let (gate, at_work) = (Arc::clone(&gate), Arc::clone(&at_work));
            reads.submit(
                runtime.handle(),
                Box::new(move || {
                    at_work.fetch_add(1, Ordering::SeqCst);
                    gate.lock().recv().unwrap();
                    assert!(number != 7, "the seventh fails");
                    done()
                }),
            )
        };
        let answers: Vec<_> = (0..100).map(submit).collect();
        let threads = reads.state.lock().threads;
        assert!((100 / (WAITING_EACH + 1)..=100 / WAITING_EACH).contains(&threads), "{threads}");
        for _ in 0..100 {
            release.send(()).unwrap();
        }
        let answered = answers.into_iter().map(|answer| runtime.block_on(answer).unwrap());
        let failed: Vec<_> =
            answered.enumerate().filter(|(_, answer)| answer.is_err()).map(|(number, _)| number).collect();
        assert_eq!(failed, [7]);
        assert_eq!(at_work.load(Ordering::SeqCst), 100);
    }
}
