//! Medians, as a table.

use std::collections::HashMap;

use anyhow::{Result, bail};

#[derive(Default)]
pub struct Figures {
    /// Kinds of work and amounts, in the order first seen.
    kinds: Vec<String>,
    /// Of a name and a kind.
    rounds: HashMap<(String, String), Vec<Figure>>,
}

struct Figure {
    /// Operations a second, or an amount.
    value: f64,
    /// Microseconds of CPU an operation.
    cpu: Option<f64>,
}

impl Figures {
    /// Takes a line in which a run reports.
    pub fn add(&mut self, name: &str, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        let (kind, figure) = match fields.as_slice() {
            ["phase", kind, operations, seconds, cpu] => {
                let (operations, seconds, cpu): (f64, f64, f64) =
                    (operations.parse()?, seconds.parse()?, cpu.parse()?);
                (kind, Figure { value: operations / seconds, cpu: Some(cpu * 1e6 / operations) })
            }
            ["amount", kind, amount] => (kind, Figure { value: amount.parse()?, cpu: None }),
            _ => bail!("a run reported what is no figure: {line}"),
        };
        if !self.kinds.iter().any(|known| known == kind) {
            self.kinds.push((*kind).to_owned());
        }
        self.rounds.entry((name.to_owned(), (*kind).to_owned())).or_default().push(figure);
        Ok(())
    }

    pub fn print(&self, names: &[&str]) {
        println!("| operations a second (CPU us each) | {} |", names.join(" | "));
        println!("|---|{}", "---:|".repeat(names.len()));
        for kind in &self.kinds {
            let cells: Vec<String> = names.iter().map(|name| self.cell(name, kind)).collect();
            println!("| {kind} | {} |", cells.join(" | "));
        }
    }

    fn cell(&self, name: &str, kind: &str) -> String {
        let rounds = self.rounds.get(&(name.to_owned(), kind.to_owned())).map_or(&[][..], Vec::as_slice);
        let value = median(rounds.iter().map(|figure| figure.value));
        if rounds.iter().all(|figure| figure.cpu.is_none()) {
            return format!("{value:.0}");
        }
        format!("{value:.0} ({:.2})", median(rounds.iter().filter_map(|figure| figure.cpu)))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
