//! The same from many connections at once, and what is sure of the answers.

use std::collections::BTreeMap;
use std::sync::Barrier;

use anyhow::{Result, anyhow};

/// Calls `one` on so many threads, which begin together once each has waited at the barrier, and tells what was answered.
///
/// Answers are counted by what they say. Of conditions only one thing is sure: one may be told that it applied, and each
/// other that it did not or, in the words of the errors of contention, that nobody knows.
pub(super) fn ask(count: usize, one: impl Fn(&Barrier) -> Result<Vec<String>> + Sync) -> Result<Vec<String>> {
    let start = Barrier::new(count);
    let answers: Vec<Result<Vec<String>>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..count).map(|_| scope.spawn(|| one(&start))).collect();
        let ended =
            running.into_iter().map(|one| one.join().map_err(|_| anyhow!("a connection panicked"))?);
        ended.collect()
    });
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(match answers.iter().map(|answer| verdict(answer)).collect::<Option<Vec<_>>>() {
        Some(verdicts) => match verdicts.iter().filter(|verdict| **verdict == Verdict::Applied).count() {
            0 | 1 => vec![format!("of {count} one applied at most")],
            more => vec![format!("of {count} applied {more}")],
        },
        None => counted(answers),
    })
}

fn counted(answers: Vec<Vec<String>>) -> Vec<String> {
    let mut counts: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer).or_default() += 1;
    }
    counts.into_iter().flat_map(|(lines, count)| [vec![format!("{count} times:")], lines].concat()).collect()
}

/// What a condition was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Applied,
    NotApplied,
    Unknown,
}

/// Nothing, where the answer is none that a condition gets.
fn verdict(answer: &[String]) -> Option<Verdict> {
    let has = |begin: &str| answer.iter().any(|line| line.starts_with(begin));
    let condition = answer.iter().any(|line| line.contains(": [applied] boolean"));
    if condition && has("| true") {
        Some(Verdict::Applied)
    } else if condition && has("| false") {
        Some(Verdict::NotApplied)
    } else if has("error 1700 ") || has("  write=CAS") || has("error 1200 ") {
        Some(Verdict::Unknown)
    } else {
        None
    }
}
