//! Sending the same statements to both servers, and leaving out what a difference does not need.

use anyhow::Result;

use super::Plan;
use crate::cases::compare::{agree, agree_by_code};
use crate::cases::file::{How, Step, Values};
use crate::cases::run::{self, Server};
use crate::value::Literal;

/// Enough to get small; more would keep two servers busy for little.
const TRIES: usize = 400;

/// Cassandra's answers where an exception that nobody expected ended a request, or where it does not know the page
/// state that it gave itself (after the last group of a GROUP BY that filled a page).
const FAILURES: [&str; 5] = ["error 0000", "error 000a", "error 1200", "error 1300", "error 1500"];

/// The two servers.
#[derive(Debug)]
pub struct Pair {
    cassandra: Server,
    ilium: Server,
    strict: bool,
    keyspace: String,
}

/// How a round went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ran {
    pub statements: u64,
    /// Statements that Cassandra refused.
    pub errors: u64,
    /// Statements at which Cassandra failed inside of itself.
    pub failures: u64,
    /// The step whose answers differed.
    pub difference: Option<usize>,
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

    /// Sends the statements until answers differ.
    ///
    /// Where Cassandra fails inside of itself (a null pointer, say) in a write the rows may differ from there on: it
    /// ends there. A failed read says nothing, and changes nothing.
    pub fn run(&mut self, steps: &[Step]) -> Result<Ran> {
        let mut ran = Ran::default();
        self.fresh()?;
        for (at, step) in steps.iter().enumerate() {
            let (cassandra, ilium) = self.both(step)?;
            ran.statements += 1;
            ran.errors += u64::from(cassandra.iter().any(|line| line.starts_with("error ")));
            if cassandra.iter().any(|line| FAILURES.iter().any(|failure| line.starts_with(failure))) {
                ran.failures += 1;
                if step.text.starts_with("SELECT") {
                    continue;
                }
                return Ok(ran);
            }
            if !self.agree(step, &cassandra, &ilium) {
                ran.difference = Some(at);
                return Ok(ran);
            }
        }
        Ok(ran)
    }

    fn fresh(&mut self) -> Result<()> {
        // A keyspace that Cassandra cannot drop any more (it failed to flush it) is left behind.
        if self.cassandra.fresh(&self.keyspace, &[]).is_err() {
            self.keyspace += "_";
            self.cassandra.fresh(&self.keyspace, &[])?;
        }
        self.ilium.fresh(&self.keyspace, &[])
    }

    fn both(&mut self, step: &Step) -> Result<(Vec<String>, Vec<String>)> {
        let cassandra = run::step(&mut self.cassandra, &self.keyspace, step)?.lines;
        Ok((cassandra, run::step(&mut self.ilium, &self.keyspace, step)?.lines))
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
        Ok(self.run(steps)?.difference.is_some_and(|at| at + 1 == steps.len()))
    }
}

impl Found {
    /// A case file, which runs as it stands.
    pub fn case_file(&self) -> String {
        let mut out =
            format!("-- Found by the generator, seed {}.\n\n-- case: seed {}\n", self.seed, self.seed);
        for step in &self.steps {
            out += &directives(step);
        }
        out += "\n-- Cassandra:\n";
        self.cassandra.iter().for_each(|line| out += &format!("--   {line}\n"));
        out += "-- Ilium:\n";
        self.ilium.iter().for_each(|line| out += &format!("--   {line}\n"));
        out
    }
}

/// A step as a case file has it.
fn directives(step: &Step) -> String {
    let mut out = String::new();
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            out += &format!("-- {word}: {value}\n");
        }
    };
    say("page", step.page.map(|page| page.to_string()));
    say("now", step.now.map(|now| now.to_string()));
    say("timestamp", step.timestamp.map(|time| time.to_string()));
    say("protocol", step.protocol.map(|version| version.to_string()));
    if let How::Executed(all) = &step.values {
        all.iter().for_each(|values| say("bind", Some(list(values))));
    }
    let Some((_, items)) = &step.batch else { return out + &format!("{};\n", step.text) };
    out += &format!("-- batch: {}\n", step.text.trim_start_matches("BATCH "));
    for (text, values) in items {
        if !values.is_empty() {
            out += &format!("-- bind: {}\n", list(values));
        }
        out += &format!("{text};\n");
    }
    out + "-- apply\n"
}

fn list(values: &Values) -> String {
    let one = |(name, value): &(Option<String>, Literal)| match name {
        Some(name) => format!("{name} = {value}"),
        None => format!("{value}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}
