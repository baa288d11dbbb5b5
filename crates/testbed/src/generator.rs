//! Statements made up from a seed, sent to Cassandra and to Ilium, whose answers must agree.
//!
//! A *round* is a schema and some hundred statements on it. Where answers differ, the round is *shrunk*: statements
//! are left out as long as the last answers still differ. What is left is a case file that can be run as it stands.

mod build;
mod random;
mod read;
mod schema;
mod shrink;
mod value;
mod write;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cases::file::Step;
use random::Random;
use schema::Schema;
pub use shrink::{Found, Pair};

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub cassandra: SocketAddr,
    pub ilium: SocketAddr,
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
    pub errors: u64,
    pub differences: u64,
}

/// Runs rounds until the time is over. Each difference, shrunk, is given to `found`, which says whether to go on.
pub fn run(plan: &Plan, mut found: impl FnMut(&Found) -> Result<bool>) -> Result<Count> {
    let started = Instant::now();
    let mut pair = Pair::new(plan);
    let mut count = Count::default();
    while started.elapsed() < plan.time {
        let seed = plan.seed.wrapping_add(count.rounds);
        count.rounds += 1;
        let steps = round(seed, plan.statements);
        let (ran, errors, difference) = pair.run(&steps)?;
        count.statements += ran;
        count.errors += errors;
        if let Some(at) = difference {
            count.differences += 1;
            let shrunk = pair.shrink(seed, steps.into_iter().take(at + 1).collect())?;
            if !found(&shrunk)? {
                break;
            }
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
        let step = match random.below(10) {
            0..=5 => write::statement(&mut random, &mut schema),
            _ => read::statement(&mut random, &schema),
        };
        steps.extend(step);
    }
    steps.extend(schema.tables.iter().map(|table| text(format!("SELECT * FROM {}", table.name))));
    steps
}

fn text(text: String) -> Step {
    Step { text, ..Step::default() }
}
