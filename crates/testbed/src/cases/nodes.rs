//! The state of a ring that a case is about, and the ring that is brought there.
//!
//! A *stopped* node has ended cleanly and the others know it: who needs it is told so (unavailable). A *held* node is
//! taken for alive and says nothing: who needs it waits (time-out). Node 1 always answers: it is the one that is asked.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail};

use crate::cassandra::{Place, Ring, RingOptions};

/// A node that is held for 37 s is taken for dead. It is let go for a moment long before that.
const HELD: Duration = Duration::from_secs(15);

/// As short as a busy machine bears, since many cases wait for a time-out.
pub const SHORT: Duration = Duration::from_secs(2);

/// For cases that wait for none: whatever else the machine does, none comes.
pub const LONG: Duration = Duration::from_secs(30);

/// Which nodes do not answer, by their numbers from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nodes {
    held: BTreeSet<usize>,
    stopped: BTreeSet<usize>,
}

impl Nodes {
    /// Whether some are taken for alive that are not.
    pub fn are_held(&self) -> bool {
        !self.held.is_empty()
    }
}

impl FromStr for Nodes {
    type Err = Error;

    /// From `up`, `3 stopped` or `2 held, 3 stopped`.
    fn from_str(text: &str) -> Result<Nodes> {
        let mut nodes = Nodes::default();
        if text == "up" {
            return Ok(nodes);
        }
        for one in text.split(',') {
            let (number, state) = one.trim().split_once(' ').context("nodes: 3 stopped")?;
            let number: usize = number.parse()?;
            if !(2..=3).contains(&number) {
                bail!("of a ring of three, nodes 2 and 3 are stopped and held, not {number}");
            }
            match state {
                "held" => nodes.held.insert(number),
                "stopped" => nodes.stopped.insert(number),
                other => bail!("a node is held or stopped, not {other}"),
            };
        }
        Ok(nodes)
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held.iter().map(|n| format!("{n} held"));
        let stopped = self.stopped.iter().map(|n| format!("{n} stopped"));
        let all: Vec<String> = held.chain(stopped).collect();
        f.write_str(if all.is_empty() { "up" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

/// A ring of three that cases bring from one state to another.
#[derive(Debug)]
pub struct RingUnderCases {
    at: Mutex<State>,
    addresses: Vec<SocketAddr>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    nodes: Nodes,
    since: Instant,
}

impl RingUnderCases {
    /// Starts it: each node is a data centre of its own, `a`, `b` and `c`. So a client of `a` asks node 1 and no other, and
    /// what is answered does not hang on who was asked; and node 1 sends to both others itself, where within a data
    /// centre it would send to one, at random, to pass it on.
    ///
    /// A few limits are low, so that a case can pass them; writes to the keyspace `fails` fail on node 3. Requests time out
    /// after `patience`: see [`SHORT`] and [`LONG`].
    pub fn start(patience: Duration) -> Result<RingUnderCases> {
        let mut options = RingOptions::default();
        let place = |dc: &str| Place { datacenter: dc.to_owned(), ..Place::default() };
        options.places = ["a", "b", "c"].map(place).to_vec();
        options.node.heap = 256;
        let patience = patience.as_millis();
        let times =
            ["read_request", "range_request", "write_request", "counter_write_request", "cas_contention"]
                .map(|of| format!("{of}_timeout: {patience}ms\n"));
        // It is longer by default, too: it waits for syncs.
        options.node.yaml = times.concat() + &format!("truncate_request_timeout: {}ms\n", patience + 500);
        // Hints stay where they are written: delivered some time after a node is back, they would change what is read, and
        // meet the drop of their keyspace (see `Server::drop_one_by_one`).
        options.node.yaml += "hints_flush_period: 1d\n\
                              phi_convict_threshold: 16\n\
                              dynamic_snitch: false\n\
                              tombstone_warn_threshold: 10\n\
                              tombstone_failure_threshold: 20\n\
                              max_mutation_size: 256KiB\n";
        options.last_java = vec!["-Dcassandra.test.fail_writes_ks=fails".to_owned()];
        let ring = Ring::start(&options)?;
        let addresses = ring.addresses();
        let at = State { ring, nodes: Nodes::default(), since: Instant::now() };
        Ok(RingUnderCases { at: Mutex::new(at), addresses })
    }

    /// Where its nodes answer CQL.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Brings the ring there, and waits until the nodes that answer know it.
    pub fn reach(&self, wanted: &Nodes) -> Result<()> {
        self.lock().reach(wanted).with_context(|| format!("the ring cannot be brought to: {wanted}"))
    }

    /// Lets held nodes go and holds them again, if they were held for long.
    pub fn refresh(&self) -> Result<()> {
        let mut at = self.lock();
        if at.nodes.are_held() && at.since.elapsed() > HELD {
            let nodes = at.nodes.clone();
            at.reach(&Nodes { held: BTreeSet::new(), ..nodes.clone() })?;
            at.reach(&nodes)?;
        }
        Ok(())
    }

    /// Waits until the nodes have one schema.
    pub fn agree(&self) -> Result<()> {
        let at = self.lock();
        if at.nodes.are_held() {
            bail!("a schema cannot be agreed on while a node is held");
        }
        at.ring.until_agreed()
    }

    /// The text with `node N` in the place of a node's address, which is another in each run.
    pub fn unnamed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (number, address) in (1..).zip(&self.addresses) {
            let ip = address.ip().to_string();
            while let Some(at) = text.find(&ip) {
                let (before, after) = (text.get(..at), text.get(at + ip.len()..));
                let after = after.unwrap_or_default();
                let port =
                    after.strip_prefix(':').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
                text = format!("{}node {number}{}", before.unwrap_or_default(), port.unwrap_or(after));
            }
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // After a panic amid a change the next one fails by itself.
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reach(&mut self, wanted: &Nodes) -> Result<()> {
        if self.nodes == *wanted {
            return Ok(());
        }
        for number in self.nodes.held.difference(&wanted.held) {
            self.ring.resume(number - 1)?;
        }
        for number in self.nodes.stopped.difference(&wanted.stopped) {
            self.ring.restart(number - 1)?;
        }
        for number in wanted.stopped.difference(&self.nodes.stopped) {
            self.ring.stop(number - 1)?;
        }
        let held_still: Vec<usize> = self.nodes.held.intersection(&wanted.held).copied().collect();
        if held_still.is_empty() {
            let running: Vec<usize> = self.ring.running().collect();
            for number in &running {
                self.ring.until_alive(*number, running.len())?;
            }
            self.ring.until_agreed()?;
        }
        for number in wanted.held.difference(&self.nodes.held) {
            self.ring.pause(number - 1)?;
        }
        self.nodes = wanted.clone();
        self.since = Instant::now();
        Ok(())
    }
}
