//! Durations: months, days and nanoseconds, which do not convert into one another.

use super::super::{ValueError, vint};
use std::fmt;

/// A span of time; the three parts never have different signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Duration {
    pub months: i32,
    pub days: i32,
    pub nanos: i64,
}

const MICRO: i64 = 1000;
const MILLI: i64 = 1000 * MICRO;
const SECOND: i64 = 1000 * MILLI;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

impl Duration {
    /// Reads wire form. The bytes must be valid for the type.
    pub fn from_wire(bytes: &[u8]) -> Option<Duration> {
        let (months, rest) = vint::read_signed(bytes)?;
        let (days, rest) = vint::read_signed(rest)?;
        let (nanos, _) = vint::read_signed(rest)?;
        Some(Duration { months: months.try_into().ok()?, days: days.try_into().ok()?, nanos })
    }

    pub fn to_wire(self) -> Vec<u8> {
        let mut out = Vec::new();
        vint::write_signed(i64::from(self.months), &mut out);
        vint::write_signed(i64::from(self.days), &mut out);
        vint::write_signed(self.nanos, &mut out);
        out
    }

    pub fn is_negative(self) -> bool {
        self.months < 0 || self.days < 0 || self.nanos < 0
    }

    /// Reads `1y2mo3w4d5h6m7s8ms9us10ns`, ISO 8601 `P1Y2M3DT4H5M6S`, `P1W` or `P0001-02-03T04:05:06`, each with an
    /// optional minus sign in front.
    pub fn parse(input: &str) -> Result<Duration, ValueError> {
        let (negative, source) = match input.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, input),
        };
        let mut sum = Sum::default();
        match source.strip_prefix('P') {
            None => sum.standard(source),
            Some(iso) if iso.ends_with('W') => sum.iso_weeks(iso),
            Some(iso) if iso.contains('-') => sum.iso_alternative(iso),
            Some(iso) => sum.iso(iso),
        }
        .map_err(|e| match e {
            Failure::Malformed => ValueError::new(format!("Unable to convert '{source}' to a duration")),
            Failure::Message(message) => ValueError::new(message),
        })?;
        let Duration { months, days, nanos } = sum.total;
        Ok(if negative { Duration { months: -months, days: -days, nanos: -nanos } } else { sum.total })
    }
}

enum Failure {
    Malformed,
    Message(String),
}

/// Units in the order in which they may follow one another: symbol, name, and what one of them counts.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Months(i64),
    Days(i64),
    Nanos(i64),
}

const UNITS: [(&str, &str, Unit); 10] = [
    ("y", "years", Unit::Months(12)),
    ("mo", "months", Unit::Months(1)),
    ("w", "weeks", Unit::Days(7)),
    ("d", "days", Unit::Days(1)),
    ("h", "hours", Unit::Nanos(HOUR)),
    ("m", "minutes", Unit::Nanos(MINUTE)),
    ("s", "seconds", Unit::Nanos(SECOND)),
    ("ms", "milliseconds", Unit::Nanos(MILLI)),
    ("us", "microseconds", Unit::Nanos(MICRO)),
    ("ns", "nanoseconds", Unit::Nanos(1)),
];

/// The parts added so far; the last unit decides which may follow.
#[derive(Default)]
struct Sum {
    total: Duration,
    last: Option<usize>,
}

impl Sum {
    fn add(&mut self, number: i64, symbol: &str) -> Result<(), Failure> {
        let at = UNITS.iter().position(|(unit, ..)| *unit == symbol).ok_or(Failure::Malformed)?;
        let Some((_, name, unit)) = UNITS.get(at) else { return Err(Failure::Malformed) };
        if let Some((_, last, _)) = self.last.filter(|last| *last >= at).and_then(|last| UNITS.get(last)) {
            return Err(Failure::Message(if last == name {
                format!("Invalid duration. The {name} are specified multiple times")
            } else {
                format!("Invalid duration. The {last} should be after {name}")
            }));
        }
        self.last = Some(at);
        let (total, each, limit, part) = match *unit {
            Unit::Months(each) => (i64::from(self.total.months), each, i64::from(i32::MAX), "months"),
            Unit::Days(each) => (i64::from(self.total.days), each, i64::from(i32::MAX), "days"),
            Unit::Nanos(each) => (self.total.nanos, each, i64::MAX, "nanoseconds"),
        };
        let sum = number.checked_mul(each).and_then(|n| n.checked_add(total)).filter(|sum| *sum <= limit);
        let Some(sum) = sum else {
            // Cassandra names the limit of an int for nanoseconds too.
            return Err(Failure::Message(format!(
                "Invalid duration. The total number of {part} must be less or equal to {}",
                i32::MAX
            )));
        };
        match *unit {
            Unit::Months(_) => self.total.months = sum as i32,
            Unit::Days(_) => self.total.days = sum as i32,
            Unit::Nanos(_) => self.total.nanos = sum,
        }
        Ok(())
    }

    fn standard(&mut self, mut rest: &str) -> Result<(), Failure> {
        if rest.is_empty() {
            return Err(Failure::Malformed);
        }
        while !rest.is_empty() {
            let number = take_number(&mut rest)?;
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (symbol, after) = rest.split_at_checked(end).ok_or(Failure::Malformed)?;
            // The micro sign is the one letter beyond ASCII.
            let symbol = symbol.to_ascii_lowercase().replace('µ', "u");
            self.add(number, &symbol)?;
            rest = after;
        }
        Ok(())
    }

    /// `nYnMnDTnHnMnS`, each part optional.
    fn iso(&mut self, source: &str) -> Result<(), Failure> {
        let (date, time) = match source.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (source, None),
        };
        let halves = [
            (date, &[('Y', "y"), ('M', "mo"), ('D', "d")]),
            (time.unwrap_or(""), &[('H', "h"), ('M', "m"), ('S', "s")]),
        ];
        for (mut rest, letters) in halves {
            let mut allowed = letters.iter();
            while !rest.is_empty() {
                let number = take_number(&mut rest)?;
                let letter = rest.chars().next().ok_or(Failure::Malformed)?;
                let (_, symbol) =
                    allowed.find(|(allowed, _)| *allowed == letter).ok_or(Failure::Malformed)?;
                rest = rest.get(1..).ok_or(Failure::Malformed)?;
                self.add(number, symbol)?;
            }
        }
        Ok(())
    }

    fn iso_weeks(&mut self, source: &str) -> Result<(), Failure> {
        let mut rest = source;
        let number = take_number(&mut rest)?;
        if rest != "W" {
            return Err(Failure::Malformed);
        }
        self.add(number, "w")
    }

    /// `yyyy-mm-ddThh:mm:ss`
    fn iso_alternative(&mut self, source: &str) -> Result<(), Failure> {
        let shape = b"0000-00-00T00:00:00";
        let fits = source.len() == shape.len()
            && source.bytes().zip(shape).all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                like => byte == *like,
            });
        if !fits {
            return Err(Failure::Malformed);
        }
        let numbers = source.split(['-', 'T', ':']);
        for (number, symbol) in numbers.zip(["y", "mo", "d", "h", "m", "s"]) {
            self.add(number.parse().map_err(|_| Failure::Malformed)?, symbol)?;
        }
        Ok(())
    }
}

fn take_number(rest: &mut &str) -> Result<i64, Failure> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at_checked(end).ok_or(Failure::Malformed)?;
    *rest = after;
    digits.parse().map_err(|_| Failure::Malformed)
}

impl fmt::Display for Duration {
    /// As Cassandra prints it: `1y2mo3d4h5m6s7ms8us9ns`, nothing at all for zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            f.write_str("-")?;
        }
        let months = self.months.unsigned_abs();
        let mut nanos = self.nanos.unsigned_abs();
        for (number, symbol) in [(months / 12, "y"), (months % 12, "mo"), (self.days.unsigned_abs(), "d")] {
            if number > 0 {
                write!(f, "{number}{symbol}")?;
            }
        }
        for (_, (symbol, _, unit)) in UNITS.iter().enumerate().skip(4) {
            let Unit::Nanos(each) = unit else { continue };
            let number = nanos / each.unsigned_abs();
            nanos %= each.unsigned_abs();
            if number > 0 {
                write!(f, "{number}{symbol}")?;
            }
        }
        Ok(())
    }
}
