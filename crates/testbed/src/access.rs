//! Who may do what: tables of statements, grants and verdicts (`tests/access/*.txt`) that hold on Ilium and on a real
//! Cassandra, each with a superuser to log in as.
//!
//! ```text
//! # What this file is about.
//!
//! SELECT ON k.t          | SELECT * FROM k.t            | yes
//! -                      | SELECT * FROM k.t            | no SELECT on <table k.t>
//! ```
//! A row is tried by the role `me`, made anew for it, on a connection of its own.
//!
//! Grants, with `;` between them: `-` for none; `SELECT ON k.t` is granted to `me`; `mine: SELECT ON k.t` to the role
//! `mine`, which is granted to `me`; `superuser` and `mine: superuser`; `admin: STATEMENT` is a statement that the
//! superuser runs first.
//!
//! Statements: as text; `prepared: ...` is prepared and executed; `batch: ...` is one message of statements with `;;`
//! between them.
//!
//! Verdicts: `yes`; `no SELECT on <table k.t>`, the refusal for want of that permission there or above;
//! `no: words`, refused with these words; `invalid: words` and `config: words`, errors of those classes;
//! `warned: words`; `rows: a,b; c,d`, all rows with their cells, in order, `none` for no row; `N rows`.
//!
//! What is there before each row is at the head of `access/run.rs`; what a row changes of it is made anew.

mod run;
mod table;

pub use run::{Credentials, Target, run};
pub use table::{Row, Table, Verdict, all};
