//! Rows: `/v2/keyspaces/{keyspace}/{table}`.

mod add;
mod by_key;
mod change;
mod condition;
mod fields;
mod filter;
mod find;
mod read;
mod refused;
mod sort;
mod stream;

pub use add::add;
pub use by_key::{all, by_key};
pub use change::{change, delete};
pub use find::find;
pub use read::rows as rows_of;
