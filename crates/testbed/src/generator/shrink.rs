//! Sending the same statements to all servers, and leaving out what a difference does not need.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Plan;
use crate::cases::compare::{agree, agree_but_for_order, agree_by_code};
use crate::cases::file::{How, Step, Values};
use crate::cases::run::{self, Answers, Server};
use crate::cases::suite::may_differ_in_bytes;
use crate::value::Literal;

/// Enough to get small; more would keep the servers busy for little.
const TRIES: usize = 400;

/// The same for a difference whose every try takes long: that of a server that goes silent.
const TIME: Duration = Duration::from_secs(180);

/// Cassandra's answers where an exception that nobody expected ended a request, or where it does not know the page
/// state that it gave itself (after the last group of a GROUP BY that filled a page).
const FAILURES: [&str; 5] = ["error 0000", "error 000a", "error 1200", "error 1300", "error 1500"];

/// What the Cassandra behind the gateway, or the gateway for it, says when it was too slow: OVERLOADED and the two time-outs.
const TOO_SLOW: [&str; 3] = ["error 1001", "error 1100", "error 1200"];

/// How a line begins that stands for an answer that never came.
const NO_ANSWER: &str = "no answer: ";

/// The servers that are asked the same.
#[derive(Debug)]
pub struct Servers {
    cassandra: Server,
    ilium: Server,
    gateway: Option<Server>,
    strict: bool,
    keyspace: String,
}

/// What is had of each server.
#[derive(Debug, Clone)]
pub struct Each<T> {
    pub cassandra: T,
    /// The embedded engine.
    pub ilium: T,
    /// A Cassandra, through a gateway.
    pub gateway: Option<T>,
}

/// Whose answer is not that of Cassandra.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    Embedded,
    Gateway,
}

/// An answer that is not Cassandra's.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The place of its step.
    pub at: usize,
    pub other: Other,
    pub answers: Each<Answers>,
}

/// How a round went.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    pub statements: u64,
    /// Statements that Cassandra refused.
    pub errors: u64,
    /// Statements at which Cassandra failed inside of itself.
    pub failures: u64,
    /// What ended it early.
    pub difference: Option<Difference>,
}

/// A difference, shrunk.
#[derive(Debug, Clone)]
pub struct Found {
    pub seed: u64,
    pub other: Other,
    /// Whether it came again when the same was sent a second time. If not it is not shrunk.
    pub again: bool,
    pub steps: Vec<Step>,
    /// To the last step.
    pub answers: Each<Answers>,
}

impl Servers {
    pub fn new(plan: &Plan) -> Servers {
        Servers {
            cassandra: Server::at(plan.cassandra),
            ilium: Server::at(plan.ilium),
            gateway: plan.gateway.map(Server::at),
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
            let answers = self.ask(step);
            let direct = &answers.cassandra.lines;
            ran.statements += 1;
            ran.errors += u64::from(direct.iter().any(|line| line.starts_with("error ")));
            let is_lost = direct.iter().any(|line| line.starts_with(NO_ANSWER));
            if is_lost || direct.iter().any(|line| FAILURES.iter().any(|failure| line.starts_with(failure))) {
                ran.failures += 1;
                if step.text.starts_with("SELECT") && !is_lost {
                    continue;
                }
                break;
            }
            if let Some(other) = self.other(step, &answers) {
                ran.difference = Some(Difference { at, other, answers });
                break;
            }
        }
        Ok(ran)
    }

    fn fresh(&mut self) -> Result<()> {
        // A keyspace that Cassandra cannot drop any more (it failed to flush it) is left behind.
        if self.make_keyspace().is_err() {
            self.keyspace += "_";
            self.make_keyspace()?;
        }
        Ok(())
    }

    fn make_keyspace(&mut self) -> Result<()> {
        let keyspace = self.keyspace.clone();
        let made = self.each(|server| server.fresh(&keyspace, &[]));
        made.cassandra.and(made.ilium).and(made.gateway.unwrap_or(Ok(())))
    }

    fn ask(&mut self, step: &Step) -> Each<Answers> {
        let keyspace = self.keyspace.clone();
        // A connection that was closed or went silent says something, too: the round ends, and the next has others.
        let none = |e| Answers { lines: vec![format!("{NO_ANSWER}{e:#}")], frames: Vec::new() };
        self.each(|server| run::step(server, &keyspace, step).unwrap_or_else(none))
    }

    /// Has all servers do something at the same time.
    fn each<T: Send>(&mut self, ask: impl Fn(&mut Server) -> T + Sync) -> Each<T> {
        let Servers { cassandra, ilium, gateway, .. } = self;
        let ask = &ask;
        std::thread::scope(|scope| {
            let cassandra = scope.spawn(move || ask(cassandra));
            let gateway = gateway.as_mut().map(|server| scope.spawn(move || ask(server)));
            let ilium = ask(ilium);
            let joined = |asked: std::thread::ScopedJoinHandle<'_, T>| {
                asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            Each { cassandra: joined(cassandra), ilium, gateway: gateway.map(joined) }
        })
    }

    /// Whose answer does not agree with Cassandra's: that of the embedded engine but for words, the gateway's to the byte.
    fn other(&self, step: &Step, answers: &Each<Answers>) -> Option<Other> {
        let Each { cassandra, ilium, gateway } = answers;
        let embedded = match self.strict {
            true => agree(step, &cassandra.lines, &ilium.lines),
            false => agree_by_code(&cassandra.lines, &ilium.lines),
        };
        let forwarded = gateway.as_ref().is_none_or(|gateway| match gateway.lines == cassandra.lines {
            true => {
                gateway.frames == cassandra.frames
                    || may_differ_in_bytes(step, &cassandra.lines)
                    || has_cell_in_page_state(step, &cassandra.lines)
            }
            false => agree_but_for_order(&cassandra.lines, &gateway.lines),
        });
        match (embedded, forwarded) {
            (_, false) => Some(Other::Gateway),
            (false, true) => Some(Other::Embedded),
            (true, true) => None,
        }
    }

    /// Leaves out statements, in ever smaller groups, as long as the answers to the last one differ.
    pub fn shrink(&mut self, seed: u64, mut steps: Vec<Step>, difference: Difference) -> Result<Found> {
        let Difference { at, other, mut answers } = difference;
        steps.truncate(at + 1);
        let begun = Instant::now();
        let again = match self.differs_at_the_end(&steps, other)? {
            Some(answered) => {
                answers = answered;
                true
            }
            None => false,
        };
        let mut group = if again { steps.len() / 2 } else { 0 };
        let mut tries = 0;
        while group > 0 && tries < TRIES {
            let mut at = 0;
            let mut left_out = false;
            while at + 1 < steps.len() && tries < TRIES && begun.elapsed() < TIME {
                let mut fewer = steps.clone();
                fewer.drain(at..(at + group).min(steps.len() - 1));
                tries += 1;
                if let Some(answered) = self.differs_at_the_end(&fewer, other)? {
                    (steps, answers) = (fewer, answered);
                    left_out = true;
                } else {
                    at += group;
                }
            }
            // At single statements it goes on until nothing more can be left out.
            group = if group == 1 && left_out { 1 } else { group / 2 };
        }
        Ok(Found { seed, other, again, steps, answers })
    }

    /// The answers to the last step if they differ as they did, and those before do not.
    fn differs_at_the_end(&mut self, steps: &[Step], other: Other) -> Result<Option<Each<Answers>>> {
        let difference = self.run(steps)?.difference;
        let same = difference.filter(|found| found.other == other && found.at + 1 == steps.len());
        Ok(same.map(|found| found.answers))
    }
}

/// In version 3 a page state names the last cell of a row, and the cell of a list has an id that its node made up.
fn has_cell_in_page_state(step: &Step, lines: &[String]) -> bool {
    step.protocol == Some(3) && lines.iter().any(|line| line.ends_with("more follow"))
}

impl Found {
    /// Whether it shows nothing but that the Cassandra behind the gateway had no time for a moment.
    pub(super) fn is_of_a_busy_cluster(&self) -> bool {
        let lines = self.answers.gateway.iter().flat_map(|gateway| &gateway.lines);
        let mut too_slow = lines
            .filter(|line| line.starts_with(NO_ANSWER) || TOO_SLOW.iter().any(|slow| line.starts_with(slow)));
        !self.again && self.other == Other::Gateway && too_slow.next().is_some()
    }

    /// A case file, which runs as it stands.
    pub fn case_file(&self) -> String {
        let mut out =
            format!("-- Found by the generator, seed {}.\n\n-- case: seed {}\n", self.seed, self.seed);
        for step in &self.steps {
            out += &directives(step);
        }
        if !self.again {
            out += "\n-- It did not come again when the same was sent a second time.\n";
        }
        let Each { cassandra, ilium, gateway } = &self.answers;
        let mut say = |who: &str, answers: &Answers| {
            out += &format!("-- {who}:\n");
            answers.lines.iter().for_each(|line| out += &format!("--   {line}\n"));
            // Alike to the eye.
            if self.other == Other::Gateway && gateway.as_ref().is_some_and(|g| g.lines == cassandra.lines) {
                answers.frames.iter().for_each(|frame| out += &format!("--   {}\n", hex(frame)));
            }
        };
        say("Cassandra", cassandra);
        match (self.other, gateway) {
            (Other::Gateway, Some(gateway)) => say("Through the gateway", gateway),
            _ => say("Ilium", ilium),
        }
        out
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
