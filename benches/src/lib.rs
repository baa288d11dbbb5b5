//! What the benchmarks share: the clients, the work they do, and what is measured of it.

pub mod client;
pub mod measure;
mod open_loop;
pub mod process;
pub mod proxy;
pub mod results;
mod rival;
pub mod stream;
pub mod workload;
