//! Timestamps: the many forms Cassandra reads (`TimestampSerializer`), and the two it prints.
//!
//! A form without a zone is in the server's zone in Cassandra; here it is always UTC. Zone names other than `UTC`,
//! `UT` and `GMT` are not known here: that needs a time zone database.

use super::super::ValueError;
use super::calendar::{civil_from_days, days_from_civil, days_in_month};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const MILLIS_PER_DAY: i64 = 86_400_000;
/// Offsets from UTC reach this far in `java.time`.
const MAX_OFFSET_SECONDS: i64 = 18 * 3600;

/// Milliseconds since 1970 of a timestamp's text.
#[expect(
    clippy::disallowed_methods,
    reason = "the word `now` means the moment at which it is read, as in Cassandra"
)]
pub fn parse_timestamp(source: &str) -> Result<i64, ValueError> {
    if source.eq_ignore_ascii_case("now") {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    }
    if is_raw_number(source) {
        return source
            .parse()
            .map_err(|_| ValueError::new(format!("Unable to make long (for date) from: '{source}'")));
    }
    date_and_time(source)
        .or_else(|| date_alone(source))
        .ok_or_else(|| ValueError::new(format!("Unable to parse a date/time from '{source}'")))
}

/// `^-?\d+$`
pub(super) fn is_raw_number(source: &str) -> bool {
    let digits = source.strip_prefix('-').unwrap_or(source);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `y-M-d'T'H:m[:s][.fraction]` or with a blank for the `T`, then perhaps a zone. Numbers may have any width.
fn date_and_time(source: &str) -> Option<i64> {
    let mut input = Input(source);
    // Year of era: 1 and later.
    let year = i64::try_from(input.number(1, 18)?).ok().filter(|year| (1..=999_999_999).contains(year))?;
    input.symbol('-')?;
    let month = u32::try_from(input.number(1, 18)?).ok()?;
    input.symbol('-')?;
    let day = u32::try_from(input.number(1, 18)?).ok()?;
    input.symbol('T').or_else(|| input.symbol(' '))?;
    let hour = input.number(1, 18)?;
    input.symbol(':')?;
    let minute = input.number(1, 18).filter(|minute| *minute < 60)?;
    let mut second = None;
    let before = input;
    if input.symbol(':').is_some() {
        match input.number(1, 18) {
            Some(value) => second = Some(value).filter(|second| *second < 60),
            None => input = before,
        }
        if input.0.len() != before.0.len() && second.is_none() {
            return None;
        }
    }
    let mut millis = 0;
    if input.symbol('.').is_some() {
        // A fraction is one of a second, which must be there.
        second?;
        millis = input.fraction_millis();
    }
    // 24:00 is midnight of the next day, and nothing else of hour 24 exists.
    if hour > 24 || hour == 24 && (minute, second.unwrap_or(0), millis) != (0, 0, 0) {
        return None;
    }
    let seconds_of_day = (hour * 3600 + minute * 60 + second.unwrap_or(0)) as i64;
    let offset = if input.0.is_empty() { 0 } else { input.zone(false)? };
    let days = clamped_days(year, month, day)?;
    to_millis(days, seconds_of_day - offset, millis as i64)
}

/// `yyyy-MM-dd`, then perhaps a zone.
fn date_alone(source: &str) -> Option<i64> {
    let mut input = Input(source);
    let year = input.padded_year()?;
    input.symbol('-')?;
    let month = u32::try_from(input.number(2, 2)?).ok()?;
    input.symbol('-')?;
    let day = u32::try_from(input.number(2, 2)?).ok()?;
    let offset = if input.0.is_empty() { 0 } else { input.zone(true)? };
    to_millis(clamped_days(year, month, day)?, -offset, 0)
}

/// Days since 1970. A day that exists in no such month counts as the month's last, as Java's default resolver has it.
fn clamped_days(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_from_civil(year, month, day.min(days_in_month(year, month))))
}

fn to_millis(days: i64, seconds: i64, millis: i64) -> Option<i64> {
    days.checked_mul(MILLIS_PER_DAY)?.checked_add(seconds * 1000 + millis)
}

/// What is left of a text being read; each method takes what it names off the front, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a str);

impl Input<'_> {
    pub(super) fn symbol(&mut self, symbol: char) -> Option<()> {
        self.0 = self.0.strip_prefix(symbol)?;
        Some(())
    }

    /// Between `min` and `max` digits, as many as there are; `max` at most 18.
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<u64> {
        let len = self.0.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if len < min {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        digits.parse().ok()
    }

    /// A year of at least four digits; with more it has a sign.
    pub(super) fn padded_year(&mut self) -> Option<i64> {
        let negative = self.symbol('-').is_some();
        let positive = !negative && self.symbol('+').is_some();
        let before = self.0.len();
        let year = i64::try_from(self.number(4, 10)?).ok()?;
        let long = before - self.0.len() > 4;
        if positive != long && !negative || negative && year == 0 || year > 999_999_999 {
            return None;
        }
        Some(if negative { -year } else { year })
    }

    /// Digits after the decimal point of a second, up to nine, as whole milliseconds.
    fn fraction_millis(&mut self) -> u64 {
        let before = self.0.len();
        let digits = self.number(0, 9).unwrap_or(0);
        let len = before - self.0.len();
        (0..len).try_fold(1000u64, |power, _| power.checked_mul(10)).map_or(0, |power| {
            // power is 1000 * 10^len, so this is digits / 10^len in thousandths, rounded down.
            digits * 1_000_000 / power
        })
    }

    /// The rest as a zone, in seconds east of UTC: `Z`, or an offset `+HH`, `+HHmm` or `+HH:mm`; after a blank also
    /// `+HH:mm:ss` and a name, which `+HH:mm[:ss]` may follow. A date alone takes `seconds` without the blank too.
    fn zone(&mut self, seconds: bool) -> Option<i64> {
        let blank = self.symbol(' ').is_some();
        if self.0 == "Z" {
            return Some(0);
        }
        if !blank {
            return self.offset(true, seconds);
        }
        match ["UTC", "UT", "GMT"].iter().find_map(|name| Some((name, self.0.strip_prefix(name)?))) {
            Some((_, "")) | Some((&"GMT", "0")) => Some(0),
            Some((_, offset)) => Input(offset).offset(false, true),
            None => self.offset(true, true),
        }
    }

    /// The rest as an offset: `+HH:mm`; if `compact` also `+HH` and `+HHmm`, if `seconds` also `+HH:mm:ss`.
    fn offset(&mut self, compact: bool, seconds: bool) -> Option<i64> {
        let sign = if self.symbol('+').is_some() {
            1
        } else {
            self.symbol('-')?;
            -1
        };
        let mut parts = [self.number(2, 2)?, 0, 0];
        if self.symbol(':').is_some() {
            parts[1] = self.number(2, 2)?;
            if seconds && self.symbol(':').is_some() {
                parts[2] = self.number(2, 2)?;
            }
        } else if !compact {
            return None;
        } else if !self.0.is_empty() {
            parts[1] = self.number(2, 2)?;
        }
        let [hours, minutes, seconds] = parts;
        let total = i64::try_from(hours * 3600 + minutes * 60 + seconds).ok()?;
        let valid = self.0.is_empty() && minutes < 60 && seconds < 60 && total <= MAX_OFFSET_SECONDS;
        valid.then_some(sign * total)
    }
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSZ`, as CQL literals have it.
pub fn timestamp_to_text(millis: i64) -> String {
    let mut out = String::new();
    push_timestamp(&mut out, millis, 'T');
    out
}

/// `yyyy-MM-dd HH:mm:ss.SSSZ`, as JSON has it.
pub fn timestamp_to_text_spaced(millis: i64) -> String {
    let mut out = String::new();
    push_timestamp(&mut out, millis, ' ');
    out
}

pub(crate) fn push_timestamp(out: &mut String, millis: i64, separator: char) {
    let (year, month, day) = civil_from_days(millis.div_euclid(MILLIS_PER_DAY));
    let of_day = millis.rem_euclid(MILLIS_PER_DAY);
    // The pattern counts years of their era, so there is no year 0 and no sign before Christ.
    let year = if year >= 1 { year } else { 1 - year };
    push_year(out, year);
    let (second, milli) = (of_day / 1000, of_day % 1000);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "-{month:02}-{day:02}{separator}{:02}:{:02}:{:02}.{milli:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
}

/// A year of at least four digits, with a sign where it has more or is negative.
pub(super) fn push_year(out: &mut String, year: i64) {
    let sign = if year < 0 {
        "-"
    } else if year > 9999 {
        "+"
    } else {
        ""
    };
    let _ = write!(out, "{sign}{:04}", year.unsigned_abs());
}
