//! What a server says of itself: the contents of the system keyspaces, and DESCRIBE.

pub mod definitions;
