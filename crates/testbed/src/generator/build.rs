//! Putting a statement together, its values written in it or bound to it.

use super::random::Random;
use crate::cases::file::{How, Step};
use crate::value::Literal;

pub(super) struct Build {
    text: String,
    /// The values so far, where they are bound.
    bound: Option<Vec<(Option<String>, Literal)>>,
}

impl Build {
    pub(super) fn new(random: &mut Random) -> Build {
        let bound = if random.one_in(3) { Some(Vec::new()) } else { None };
        Build { text: String::new(), bound }
    }

    /// Within a batch values are written.
    pub(super) fn unbound() -> Build {
        Build { text: String::new(), bound: None }
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Build {
        self.text += text;
        self
    }

    /// A value: its literal, or a marker and the value.
    pub(super) fn value(&mut self, literal: &str) -> &mut Build {
        // A set or a map is bound as it stands. Drivers sort it; Cassandra finds no key that was not sorted.
        let unsorted = literal.contains('{') && literal.contains(',');
        let parsed = Literal::list(literal).ok().filter(|all| all.len() == 1).and_then(|mut all| all.pop());
        match (&mut self.bound, parsed) {
            (Some(bound), Some((None, value))) if !unsorted => {
                bound.push((None, value));
                self.text += "?";
            }
            _ => self.text += literal,
        }
        self
    }

    /// Values with commas between.
    pub(super) fn values(&mut self, literals: &[String]) -> &mut Build {
        for (n, literal) in literals.iter().enumerate() {
            self.text(if n == 0 { "" } else { ", " }).value(literal);
        }
        self
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn step(self) -> Step {
        let values = match self.bound {
            Some(bound) => How::Executed(vec![bound]),
            None => How::Text,
        };
        Step { text: self.text, values, ..Step::default() }
    }
}
