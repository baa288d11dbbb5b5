//! What the rounds gave, and whether all servers gave the same rows.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::measure::Measured;

#[derive(Debug, Default)]
pub struct Results {
    by_work: Vec<(String, BTreeMap<&'static str, Vec<Measured>>)>,
}

impl Results {
    pub fn add(&mut self, server: &'static str, work: &str, measured: Measured) {
        let at = self.by_work.iter().position(|(label, _)| label == work);
        let at = at.unwrap_or_else(|| {
            self.by_work.push((work.to_owned(), BTreeMap::new()));
            self.by_work.len() - 1
        });
        if let Some((_, servers)) = self.by_work.get_mut(at) {
            servers.entry(server).or_default().push(measured);
        }
    }

    /// The work's label, in the order run, and what came of it by server.
    pub fn by_work(&self) -> &[(String, BTreeMap<&'static str, Vec<Measured>>)] {
        &self.by_work
    }

    /// Every server must have given the same number of rows with the same digest in each round.
    pub fn check(&self) -> Result<()> {
        for (work, servers) in &self.by_work {
            let mut answers = servers.iter().map(|(name, rounds)| {
                let sums: Vec<(u64, u64)> = rounds.iter().map(|round| (round.rows, round.digest)).collect();
                (name, sums)
            });
            let Some((first, expected)) = answers.next() else { continue };
            for (name, sums) in answers {
                if sums != expected {
                    bail!(
                        "{work}: {first} gave {expected:?} rows and digests, {name} {sums:?}: the run is void"
                    );
                }
            }
        }
        Ok(())
    }
}

/// The middle of a value over the rounds.
pub fn median<T>(rounds: &[T], value: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
