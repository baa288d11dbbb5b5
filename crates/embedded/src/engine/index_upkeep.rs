//! When indexes are swept, off the threads that serve requests: at once where a read met entries that lead nowhere, and
//! all of them from time to time after writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ilium_store::Result;
use parking_lot::{Condvar, Mutex};

use super::index_sweep::{Sweep, Swept};
use crate::select::Stale;

/// The least time between two passes over all indexes: what a pass leaves behind is at most what a minute's writes
/// and deletions make stale.
const PASS_EVERY: Duration = Duration::from_secs(60);
/// A pass that took long is followed by so many times as much time without one: sweeping takes a tenth of a thread.
const REST: u32 = 9;
/// After each step, so many times as long for others.
const GIVE_WAY: u32 = 3;
/// Findings of reads that wait. One that finds no room is met again by the next read, or by the next pass.
const FINDINGS: usize = 256;

/// The thread that sweeps, and what it is told.
pub struct IndexUpkeep {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    sweep: Sweep,
    state: Mutex<State>,
    changed: Condvar,
    /// Writes to tables with an index since the start.
    writes: AtomicU64,
}

struct State {
    findings: VecDeque<Stale>,
    closing: bool,
    /// As many writes the last pass knew of; `None`: a pass is due whatever was written.
    passed: Option<u64>,
}

impl IndexUpkeep {
    pub fn start(sweep: Sweep) -> IndexUpkeep {
        let state = State { findings: VecDeque::new(), closing: false, passed: None };
        let shared = Arc::new(Shared {
            sweep,
            state: Mutex::new(state),
            changed: Condvar::new(),
            writes: AtomicU64::new(0),
        });
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("index-sweep".into()).spawn(move || ours.run());
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to sweep indexes: entries of overwritten values stay until asked for");
        }
        IndexUpkeep { shared, thread: thread.ok() }
    }

    /// Counts a write to a table with an index.
    pub fn wrote(&self) {
        self.shared.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what a read found.
    pub fn found(&self, stale: Stale) {
        let mut state = self.shared.state.lock();
        if state.findings.len() < FINDINGS && !state.findings.contains(&stale) {
            state.findings.push_back(stale);
            self.shared.changed.notify_all();
        }
    }

    /// Sweeps every index at full speed. Blocks.
    pub fn sweep_all(&self) -> Result<Swept> {
        self.shared.pass(&mut || true)
    }

    /// Held while the data of tables and indexes is dropped.
    pub fn turn(&self) -> &Mutex<()> {
        &self.shared.sweep.turn
    }
}

impl Drop for IndexUpkeep {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        // Those who wait for an answer go first; should the system refuse, they share the processor evenly.
        let _ = rustix::process::setpriority_process(None, 5);
        let mut next_pass = Instant::now() + PASS_EVERY;
        loop {
            let finding = {
                let mut state = self.state.lock();
                while state.findings.is_empty() && !state.closing {
                    if self.changed.wait_until(&mut state, next_pass).timed_out() {
                        break;
                    }
                }
                if state.closing {
                    return;
                }
                state.findings.pop_front()
            };
            let mut pause = self.pause();
            let done = match finding {
                Some(stale) => {
                    self.sweep.range(stale.index, (&stale.from, &stale.to), &mut pause).map(|_| ())
                }
                None => {
                    let started = Instant::now();
                    let passed = self.pass_if_due(&mut pause);
                    next_pass = Instant::now() + PASS_EVERY.max(started.elapsed().saturating_mul(REST));
                    passed
                }
            };
            if let Err(error) = done
                && !self.state.lock().closing
            {
                tracing::error!(%error, "an index could not be swept; it is tried again in a while");
            }
        }
    }

    fn pass_if_due(&self, pause: &mut dyn FnMut() -> bool) -> Result<()> {
        let writes = self.writes.load(Ordering::Relaxed);
        if self.state.lock().passed == Some(writes) {
            return Ok(());
        }
        let swept = self.pass(pause)?;
        // What waits for its grace is due again though nothing is written.
        self.state.lock().passed = (swept.waiting == 0).then_some(writes);
        Ok(())
    }

    fn pass(&self, pause: &mut dyn FnMut() -> bool) -> Result<Swept> {
        let mut all = Swept::default();
        for index in self.sweep.indexes() {
            let bounds = (&index.to_be_bytes()[..], &index.saturating_add(1).to_be_bytes()[..]);
            let swept = self.sweep.range(index, bounds, pause)?;
            all.removed += swept.removed;
            all.waiting += swept.waiting;
        }
        Ok(all)
    }

    /// Leaves the processor to others for a while after each step; false once the engine closes.
    fn pause(&self) -> impl FnMut() -> bool + '_ {
        let mut since = Instant::now();
        move || {
            let until = Instant::now() + since.elapsed().saturating_mul(GIVE_WAY);
            let mut state = self.state.lock();
            while !state.closing && !self.changed.wait_until(&mut state, until).timed_out() {}
            since = Instant::now();
            !state.closing
        }
    }
}
