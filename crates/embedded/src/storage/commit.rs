//! The answer to a commit: a future that needs no runtime, and can be waited for on a thread as well.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::Mutex;

use super::StorageError;

type Outcome = Result<(), StorageError>;

/// Resolves when the batch is durable at the store's level and visible to every later view, or was refused. Dropping
/// it does not withdraw the batch.
#[must_use = "a batch is acknowledged by this future, not by the call that made it"]
pub struct Commit(State);

enum State {
    Ready(Outcome),
    Waiting(Arc<Mutex<Slot>>),
}

#[derive(Default)]
struct Slot {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

/// The committer's end of a [`Commit`]. Dropped unanswered, it answers that the store is closed.
pub(crate) struct Acknowledge(Arc<Mutex<Slot>>);

impl Commit {
    pub(crate) fn ready(outcome: Outcome) -> Self {
        Self(State::Ready(outcome))
    }

    pub(crate) fn pending() -> (Acknowledge, Self) {
        let slot = Arc::new(Mutex::new(Slot::default()));
        (Acknowledge(Arc::clone(&slot)), Self(State::Waiting(slot)))
    }

    /// Blocks the thread until the answer is there. Not for asynchronous callers.
    pub fn wait(mut self) -> Outcome {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        if let State::Ready(outcome) = self.0 {
            return outcome;
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Commit {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match &self.0 {
            State::Ready(outcome) => Poll::Ready(outcome.clone()),
            State::Waiting(slot) => {
                let mut slot = slot.lock();
                if let Some(outcome) = &slot.outcome {
                    return Poll::Ready(outcome.clone());
                }
                if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    slot.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Acknowledge {
    pub fn answer(self, outcome: Outcome) {
        self.resolve(outcome);
    }

    fn resolve(&self, outcome: Outcome) {
        let waker = {
            let mut slot = self.0.lock();
            if slot.outcome.is_some() {
                return;
            }
            slot.outcome = Some(outcome);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Acknowledge {
    fn drop(&mut self) {
        self.resolve(Err(StorageError::Closed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_gets_the_answer_given_by_another() {
        let (acknowledge, commit) = Commit::pending();
        let other = std::thread::spawn(move || acknowledge.answer(Ok(())));
        assert!(commit.wait().is_ok());
        other.join().unwrap();
    }

    #[test]
    fn an_unanswered_commit_says_the_store_is_closed() {
        let (acknowledge, commit) = Commit::pending();
        drop(acknowledge);
        assert!(matches!(commit.wait(), Err(StorageError::Closed)));
    }
}
