//! Statements made up from a seed, sent to Cassandra and to Ilium, whose answers must agree: those of the embedded engine but
//! for words, and those of a second Cassandra through a gateway to the byte.
//!
//! A *round* is a schema and some hundred statements on it. Where answers differ, the round is *shrunk*: statements
//! are left out as long as the last answers still differ. What is left is a case file that can be run as it stands.

mod alter;
mod assign;
mod batch;
mod build;
mod condition;
mod json;
mod random;
mod read;
mod restrict;
mod schema;
mod selection;
mod shrink;
mod value;
mod write;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cases::file::Step;
use random::Random;
use schema::Schema;
pub use shrink::{Found, Other, Servers};

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub cassandra: SocketAddr,
    pub ilium: SocketAddr,
    /// A gateway in front of another Cassandra: there the same statements give the same rows, ids and page states.
    pub gateway: Option<SocketAddr>,
    pub seed: u64,
    pub time: Duration,
    /// Statements a round, after the schema.
    pub statements: usize,
    /// Wants the same words in errors, not only the same codes. A statement made up at random often has more than
    /// one thing wrong, and which of them is named first is of little interest.
    pub strict: bool,
}

/// What was run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    pub rounds: u64,
    pub statements: u64,
    /// Statements that both refused.
    pub errors: u64,
    /// Statements at which Cassandra failed inside of itself; a round ends early if they are writes.
    pub failures: u64,
    pub differences: u64,
    /// Those of them that the gateway made.
    pub of_gateway: u64,
}

/// How often a run says how far it is.
const PROGRESS: Duration = Duration::from_secs(30);

/// Runs rounds until the time is over, telling `progress` now and then. Each difference, shrunk, is given to `found`,
/// which says whether to go on.
pub fn run(
    plan: &Plan,
    mut progress: impl FnMut(Duration, &Count),
    mut found: impl FnMut(&Found) -> Result<bool>,
) -> Result<Count> {
    let started = Instant::now();
    let mut told = started;
    let mut servers = Servers::new(plan);
    let mut count = Count::default();
    while started.elapsed() < plan.time {
        let seed = plan.seed.wrapping_add(count.rounds);
        count.rounds += 1;
        let steps = round(seed, plan.statements);
        let ran = servers.run(&steps)?;
        count.statements += ran.statements;
        count.errors += ran.errors;
        count.failures += ran.failures;
        if let Some(difference) = ran.difference {
            let shrunk = servers.shrink(seed, steps, difference)?;
            if shrunk.is_of_a_busy_cluster() {
                count.failures += 1;
            } else {
                count.differences += 1;
                count.of_gateway += u64::from(shrunk.other == Other::Gateway);
                if !found(&shrunk)? {
                    break;
                }
            }
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress(started.elapsed(), &count);
        }
    }
    Ok(count)
}

/// The statements of a round: its schema, then writes with reads among them, at last all of each table.
fn round(seed: u64, statements: usize) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut schema = Schema::new(&mut random);
    let mut steps = schema.statements();
    for _ in 0..statements {
        let at = random.below(schema.tables.len());
        let Some(table) = schema.tables.get(at) else { continue };
        let step = match random.below(100) {
            0..=2 => alter::statement(&mut random, &mut schema, at),
            3..=9 => batch::statement(&mut random, &schema, at),
            10..=54 => Some(write::statement(&mut random, table)),
            _ => Some(read::statement(&mut random, table)),
        };
        steps.extend(step);
    }
    for table in &schema.tables {
        let all = text(format!("SELECT * FROM {}", table.name));
        steps.push(Step { now: table.aged.then_some(schema::NOW), ..all });
    }
    steps
}

fn text(text: String) -> Step {
    Step { text, ..Step::default() }
}
