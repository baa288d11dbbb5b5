//! SELECT: planned once, run page by page.
//!
//! Vocabulary: a [`SelectPlan`] is a checked statement, ready to run with any binds; a *reader* gives rows in order,
//! from the store, by an index or made by `system`; a *page* takes of them what the client is to have; a *position*,
//! sealed as page state, says where the next page starts.

mod execute;
mod grouping;
mod limit;
mod made;
mod ordering;
mod page;
mod page_state;
mod plan;
mod point;
mod reader;
pub mod restrictions;
mod selection;

pub use execute::{Read, Selection};
pub use made::MadeRow;
pub use plan::{SelectPlan, find_table};
pub use reader::Stale;
pub use selection::metadata_id;
