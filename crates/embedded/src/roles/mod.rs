//! Who may do what: roles, what was granted to them, passwords.
//!
//! Vocabulary: a [`Resource`] is what permissions are granted on, each but the roots with a parent; [`Rights`] are what
//! a role may do through everything granted to it and to the roles it is a member of; a [`Performer`] is the principal
//! of a statement, looked up. [`Roles`] is one immutable state of all of it, a part of the schema's snapshot: it changes
//! with the schema, in one batch, and DROP and CREATE take back and grant with what they drop and create.

mod change;
pub mod first;
mod grant;
mod list;
pub mod password;
mod performer;
mod permission;
mod resource;
mod state;
pub mod stored;

pub use change::{Changed, Given, apply, check, new_password};
pub use list::{is_list, list};
pub use performer::{Performer, lacks, rights_to_act, unauthorized};
pub use permission::PermissionSet;
pub use resource::{Resource, keyspace_of};
pub use state::{Rights, Role, Roles, Touched};
