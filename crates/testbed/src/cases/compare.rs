//! Whether two answers agree.
//!
//! Everything must be the same but the words of errors and warnings, of which the essence must be: letters, digits
//! and their order, without regard to case, spaces and punctuation; Ilium may say more. Of a syntax error only the code
//! is compared: Cassandra's messages there speak of its parser generator. A step may name the essence itself.

use super::file::{Case, Step};
use super::golden::CaseTranscript;

/// Two answers that do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub case: String,
    pub statement: String,
    pub expected: Vec<String>,
    pub answered: Vec<String>,
}

/// Which server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Its answers must be the goldens, to the letter.
    Cassandra,
    /// Its answers must agree with the goldens, or be what the case says where it differs.
    Ilium,
    /// Something before a Cassandra: to the letter, too, but where the case says that it differs.
    Before,
}

/// The steps of a case whose answers do not agree with the goldens.
pub fn compare(
    case: &Case,
    golden: Option<&CaseTranscript>,
    answered: &CaseTranscript,
    side: Side,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        let nothing = Vec::new();
        let statement = answered.steps.get(number).map_or(step.text.clone(), |s| s.statement.clone());
        let expected = match golden.and_then(|g| g.steps.get(number)) {
            Some(golden) if golden.statement == statement => golden.lines.clone(),
            _ => vec!["(no golden: record them)".to_owned()],
        };
        let answer = answered.steps.get(number).map_or(&nothing, |s| &s.lines);
        let agree = match side {
            Side::Cassandra => expected == *answer,
            Side::Ilium | Side::Before if !step.ilium.is_empty() => declared(&step.ilium, answer),
            Side::Before => expected == *answer,
            Side::Ilium => agree(step, &expected, answer),
        };
        if !agree {
            let expected = match (side, step.ilium.is_empty()) {
                (Side::Ilium | Side::Before, false) => step.ilium.clone(),
                _ => expected,
            };
            differences.push(Difference {
                case: case.name.clone(),
                statement,
                expected,
                answered: answer.clone(),
            });
        }
    }
    differences
}

/// Whether they agree, but for the words of errors and warnings beyond their essence.
pub(crate) fn agree(step: &Step, expected: &[String], answered: &[String]) -> bool {
    expected.len() == answered.len()
        && expected.iter().zip(answered).all(|(e, a)| match (spoken(e), spoken(a)) {
            (Some((head, words)), Some((other, others))) => {
                head == other
                    && (head.contains(" 2000 ")
                        || match step.essence.as_slice() {
                            [] => contains(others, words),
                            named => named.iter().all(|w| contains(words, w) && contains(others, w)),
                        })
            }
            _ => e == a,
        })
}

/// Whether they agree, but for all words of errors and warnings.
pub(crate) fn agree_by_code(expected: &[String], answered: &[String]) -> bool {
    expected.len() == answered.len()
        && expected.iter().zip(answered).all(|(e, a)| match (spoken(e), spoken(a)) {
            (Some((head, _)), Some((other, _))) => head == other,
            _ => e == a,
        })
}

/// Whether they agree to the letter, but for the order of the words of errors: some of Cassandra's name columns in that of a
/// hash table, which is another in each process.
pub(crate) fn agree_but_for_order(expected: &[String], answered: &[String]) -> bool {
    let sorted = |words: &str| {
        let mut words: Vec<String> = words.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
        words.sort();
        words
    };
    expected.len() == answered.len()
        && expected.iter().zip(answered).all(|(e, a)| match (spoken(e), spoken(a)) {
            (Some((head, words)), Some((other, others))) => head == other && sorted(words) == sorted(others),
            _ => e == a,
        })
}

/// Ilium's own answer: lines to the letter, but of an error the code and some words.
fn declared(declared: &[String], answered: &[String]) -> bool {
    declared.len() == answered.len()
        && declared.iter().zip(answered).all(|(d, a)| match spoken(a) {
            Some((head, words)) => {
                let (code, wanted) = d.split_once(": ").unwrap_or((d, ""));
                head.starts_with(code) && wanted.split(" ... ").all(|w| contains(words, w))
            }
            None => d.trim() == a.trim(),
        })
}

/// A line that ends in words for a person: its head and those words.
fn spoken(line: &str) -> Option<(&str, &str)> {
    if line.starts_with("error ") || line.starts_with("warning: ") { line.split_once(": ") } else { None }
}

fn essence(words: &str) -> String {
    words.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn contains(words: &str, wanted: &str) -> bool {
    essence(words).contains(&essence(wanted))
}
