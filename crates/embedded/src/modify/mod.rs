//! INSERT, UPDATE, DELETE and BATCH: planned once, turned into deltas at each execution.
//!
//! Vocabulary: a *modification* is one planned statement; its *operations* change columns; a *write set* gathers the
//! deltas of everything that must become durable and visible together. A modification that *reads* (a condition, a
//! list index, a counter) runs under the lock of its partitions; all others read nothing.

mod batch;
mod cells;
mod condition;
mod conditional;
mod elements;
mod execute;
mod json;
mod locks;
mod operation;
mod plan;
mod target;
mod write_set;

pub use batch::{BatchPlan, check as check_batch, plan_batch};
pub use conditional::applied;
pub use execute::{Run, Writer};
pub use locks::PartitionLocks;
pub use plan::{Modification, plan};
pub use write_set::WriteSet;
