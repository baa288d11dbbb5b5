//! Putting a statement together, its values written in it or bound to it.

use super::random::Random;
use crate::cases::file::{How, Step, Values};
use crate::value::Literal;

pub(super) struct Build {
    text: String,
    how: Bound,
    /// The values so far, where they are bound.
    values: Values,
    unset: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Written,
    ByPosition,
    ByName,
}

impl Build {
    fn with(how: Bound) -> Build {
        Build { text: String::new(), how, values: Vec::new(), unset: false }
    }

    pub(super) fn new(random: &mut Random) -> Build {
        Build::with(match random.below(9) {
            0 | 1 => Bound::ByPosition,
            2 => Bound::ByName,
            _ => Bound::Written,
        })
    }

    /// A statement within a batch's text.
    pub(super) fn written() -> Build {
        Build::with(Bound::Written)
    }

    /// A statement of a batch message.
    pub(super) fn item(random: &mut Random) -> Build {
        Build::with(if random.one_in(2) { Bound::ByPosition } else { Bound::Written })
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Build {
        self.text += text;
        self
    }

    /// A value: its literal, or a marker and the value.
    pub(super) fn value(&mut self, literal: &str) -> &mut Build {
        match one(literal) {
            Some(value) if self.how != Bound::Written => self.bind(value),
            _ => self.text += literal,
        }
        self
    }

    fn bind(&mut self, value: Literal) {
        let name = format!("b{}", self.values.len());
        if self.how == Bound::ByName {
            self.text += &format!(":{name}");
            self.values.push((Some(name), value));
        } else {
            self.text.push('?');
            self.values.push((None, value));
        }
    }

    /// A value that leaves what is there, where values are bound; otherwise the literal.
    pub(super) fn unset_or(&mut self, literal: &str) -> &mut Build {
        if self.how == Bound::Written {
            return self.value(literal);
        }
        self.unset = true;
        self.bind(Literal::Unset);
        self
    }

    /// Values with commas between.
    pub(super) fn values(&mut self, literals: &[String]) -> &mut Build {
        for (n, literal) in literals.iter().enumerate() {
            self.text(if n == 0 { "" } else { ", " }).value(literal);
        }
        self
    }

    /// ` IN` and a list: its values, or a marker for all of them.
    pub(super) fn is_in(&mut self, random: &mut Random, literals: &[String]) -> &mut Build {
        let parsed: Option<Vec<Literal>> = literals.iter().map(|literal| one(literal)).collect();
        match parsed {
            Some(all) if self.how != Bound::Written && random.one_in(3) => {
                self.text(" IN ").bind(Literal::List(all));
                self
            }
            _ => self.text(" IN (").values(literals).text(")"),
        }
    }

    /// Values of several columns: in brackets, or a marker for all of them.
    pub(super) fn tuple(&mut self, random: &mut Random, literals: &[String]) -> &mut Build {
        let parsed: Option<Vec<Literal>> = literals.iter().map(|literal| one(literal)).collect();
        match parsed {
            Some(all) if self.how != Bound::Written && random.one_in(3) => {
                self.bind(Literal::Tuple(all));
                self
            }
            _ => self.text("(").values(literals).text(")"),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// For a batch message.
    pub(super) fn into_item(self) -> (String, Values) {
        (self.text, self.values)
    }

    /// Whether a value is unset, which protocol 3 does not know.
    pub(super) fn has_unset(&self) -> bool {
        self.unset
    }

    pub(super) fn step(self) -> Step {
        let values = match self.how {
            Bound::Written => How::Text,
            Bound::ByPosition | Bound::ByName => How::Executed(vec![self.values]),
        };
        Step { text: self.text, values, ..Step::default() }
    }
}

/// A literal as a value to bind. Not a set or a map of several: it would be bound as it stands. Drivers sort it;
/// Cassandra finds no key that was not sorted.
fn one(literal: &str) -> Option<Literal> {
    let unsorted = literal.starts_with(['{', '[', '(']) && literal.contains('{') && literal.contains(',');
    let parsed = Literal::list(literal).ok().filter(|all| all.len() == 1).and_then(|mut all| all.pop());
    parsed.filter(|(name, _)| name.is_none() && !unsorted).map(|(_, value)| value)
}
