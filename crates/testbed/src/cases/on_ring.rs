//! Running cases that stop and hold the nodes of a ring.
//!
//! Bringing a ring to another state takes seconds, so cases that begin in the same state run together, side by side; a
//! case that changes the state itself runs alone.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::file::{Case, CaseFile};
use super::golden::{CaseTranscript, SETUP, Transcript};
use super::nodes::{Nodes, RingUnderCases};
use super::run::{Server, run_steps};
use super::suite::{LANES, lanes};

/// Cases between two looks at how long nodes were held.
const TOGETHER: usize = 60;

/// Most cases with a held node do nothing but wait for a time-out, so many of them wait at once.
const WAITING: usize = 24;

/// Runs a file through the address, which is a node's or that of something before the ring.
pub fn run_file(address: SocketAddr, ring: &Arc<RingUnderCases>, file: &CaseFile) -> Result<Transcript> {
    ring.reach(&Nodes::default())?;
    let mut server = Server::before(address, Arc::clone(ring));
    let context = || format!("cannot make the keyspace of {}", file.name);
    server.fresh(&file.keyspace, &file.keyspaces).with_context(context)?;
    ring.agree()?;
    let setup = Case { name: SETUP.to_owned(), differs: None, steps: file.setup.clone() };
    let setup = run_steps(&mut server, file, &setup)?;

    let mut order: Vec<(usize, &Case)> = file.cases.iter().enumerate().collect();
    order.sort_by_key(|(number, case)| (begins(case), moves(case), *number));
    let mut answered: Vec<(usize, CaseTranscript)> = Vec::new();
    let alike = |one: &(usize, &Case), other: &(usize, &Case)| {
        begins(one.1) == begins(other.1) && !moves(one.1) && !moves(other.1)
    };
    for group in order.chunk_by(alike) {
        for some in group.chunks(TOGETHER) {
            if let Some((_, first)) = some.first() {
                ring.reach(&begins(first))?;
            }
            ring.refresh()?;
            let held = some.first().is_some_and(|(_, first)| begins(first).are_held());
            answered.extend(lanes(if held { WAITING } else { LANES }, some.to_vec(), |(number, case)| {
                Ok((*number, run_steps(&mut server.after(), file, case)?))
            })?);
        }
    }
    ring.reach(&Nodes::default())?;
    server.drop_one_by_one(file)?;
    ring.agree()?;
    answered.sort_by_key(|(number, _)| *number);
    let cases = [setup].into_iter().chain(answered.into_iter().map(|(_, case)| case)).collect();
    Ok(Transcript { cases })
}

/// The state that a case begins in.
fn begins(case: &Case) -> Nodes {
    case.steps.first().and_then(|step| step.nodes.clone()).unwrap_or_default()
}

/// Whether a case changes the state after it has begun.
fn moves(case: &Case) -> bool {
    case.steps.iter().skip(1).any(|step| step.nodes.is_some())
}
