//! Sending the same statements to both servers, and leaving out what a difference does not need.

use anyhow::Result;

use super::Plan;
use crate::cases::compare::{agree, agree_by_code};
use crate::cases::file::{How, Step, Values};
use crate::cases::run::{self, Server};

/// Enough to get small; more would keep two servers busy for little.
const TRIES: usize = 400;

/// Cassandra's answers where an exception that nobody expected ended a request, or where it does not know the page
/// state that it gave itself (after the last group of a GROUP BY that filled a page).
const FAILURES: [&str; 4] = ["error 0000", "error 000a", "error 1300", "error 1500"];

/// The two servers.
#[derive(Debug)]
pub struct Pair {
    cassandra: Server,
    ilium: Server,
    strict: bool,
    keyspace: String,
}

/// A difference, shrunk.
#[derive(Debug, Clone)]
pub struct Found {
    pub seed: u64,
    pub steps: Vec<Step>,
    pub cassandra: Vec<String>,
    pub ilium: Vec<String>,
}

impl Pair {
    pub fn new(plan: &Plan) -> Pair {
        Pair {
            cassandra: Server::at(plan.cassandra),
            ilium: Server::at(plan.ilium),
            strict: plan.strict,
            keyspace: format!("generated_{}", std::process::id()),
        }
    }

    /// Sends the statements until answers differ: how many ran, how many were errors, and where they differed.
    ///
    /// Where Cassandra fails inside of itself (a null pointer, say) the rows may differ from there on: it ends there.
    pub fn run(&mut self, steps: &[Step]) -> Result<(u64, u64, Option<usize>)> {
        let (mut ran, mut errors) = (0, 0);
        self.fresh()?;
        for (at, step) in steps.iter().enumerate() {
            let (cassandra, ilium) = self.both(step)?;
            ran += 1;
            errors += u64::from(cassandra.iter().any(|line| line.starts_with("error ")));
            if cassandra.iter().any(|line| FAILURES.iter().any(|failure| line.starts_with(failure))) {
                return Ok((ran, errors, None));
            }
            if !self.agree(step, &cassandra, &ilium) {
                return Ok((ran, errors, Some(at)));
            }
        }
        Ok((ran, errors, None))
    }

    fn fresh(&mut self) -> Result<()> {
        self.cassandra.fresh(&self.keyspace, &[])?;
        self.ilium.fresh(&self.keyspace, &[])
    }

    fn both(&mut self, step: &Step) -> Result<(Vec<String>, Vec<String>)> {
        let cassandra = run::step(&mut self.cassandra, &self.keyspace, step)?;
        Ok((cassandra, run::step(&mut self.ilium, &self.keyspace, step)?))
    }

    fn agree(&self, step: &Step, cassandra: &[String], ilium: &[String]) -> bool {
        if self.strict { agree(step, cassandra, ilium) } else { agree_by_code(cassandra, ilium) }
    }

    /// Leaves out statements, in ever smaller groups, as long as the answers to the last one differ.
    pub fn shrink(&mut self, seed: u64, mut steps: Vec<Step>) -> Result<Found> {
        let mut group = steps.len() / 2;
        let mut tries = 0;
        while group > 0 && tries < TRIES {
            let mut at = 0;
            let mut left_out = false;
            while at + 1 < steps.len() && tries < TRIES {
                let mut fewer = steps.clone();
                fewer.drain(at..(at + group).min(steps.len() - 1));
                tries += 1;
                if self.differs_at_the_end(&fewer)? {
                    steps = fewer;
                    left_out = true;
                } else {
                    at += group;
                }
            }
            // At single statements it goes on until nothing more can be left out.
            group = if group == 1 && left_out { 1 } else { group / 2 };
        }
        self.fresh()?;
        let (mut cassandra, mut ilium) = (Vec::new(), Vec::new());
        for step in &steps {
            (cassandra, ilium) = self.both(step)?;
        }
        Ok(Found { seed, steps, cassandra, ilium })
    }

    fn differs_at_the_end(&mut self, steps: &[Step]) -> Result<bool> {
        let (_, _, difference) = self.run(steps)?;
        Ok(difference.is_some_and(|at| at + 1 == steps.len()))
    }
}

impl Found {
    /// A case file, which runs as it stands.
    pub fn case_file(&self) -> String {
        let mut out =
            format!("-- Found by the generator, seed {}.\n\n-- case: seed {}\n", self.seed, self.seed);
        for step in &self.steps {
            if let How::Executed(all) = &step.values {
                for values in all {
                    out += &format!("-- bind: {}\n", list(values));
                }
            }
            if let Some(page) = step.page {
                out += &format!("-- page: {page}\n");
            }
            out += &format!("{};\n", step.text);
        }
        out += "\n-- Cassandra:\n";
        self.cassandra.iter().for_each(|line| out += &format!("--   {line}\n"));
        out += "-- Ilium:\n";
        self.ilium.iter().for_each(|line| out += &format!("--   {line}\n"));
        out
    }
}

fn list(values: &Values) -> String {
    values.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(", ")
}
