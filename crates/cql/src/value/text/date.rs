//! Dates and times of day.

use super::super::ValueError;
use super::calendar::{civil_from_days, days_from_civil, days_in_month};
use super::timestamp::{Input, is_raw_number, push_year};
use std::fmt::Write;

/// The stored form of 1970-01-01; earlier days are below it, so that the unsigned bytes order.
const EPOCH_DAY: i64 = 1 << 31;

/// The stored form of a date's text: `yyyy-mm-dd`, or the stored number itself.
pub fn parse_date(source: &str) -> Result<u32, ValueError> {
    if is_raw_number(source) {
        return source.parse().map_err(|_| {
            ValueError::new(format!("Unable to make unsigned int (for date) from: '{source}'"))
        });
    }
    let malformed = || ValueError::new(format!("Unable to coerce '{source}' to a formatted date (long)"));
    // Java counts milliseconds, whose range ends before its calendar's.
    let days =
        iso_date(source).filter(|days| days.checked_mul(86_400_000).is_some()).ok_or_else(malformed)?;
    if days < i64::from(i32::MIN) {
        return Err(ValueError::new(format!(
            "Input date {source} is less than min supported date -5877641-06-23T00:00Z"
        )));
    }
    u32::try_from(days + EPOCH_DAY).map_err(|_| {
        ValueError::new(format!(
            "Input date {source} is greater than max supported date +5881580-07-11T00:00Z"
        ))
    })
}

fn iso_date(source: &str) -> Option<i64> {
    let mut input = Input(source);
    let year = input.padded_year()?;
    input.symbol('-')?;
    let month = u32::try_from(input.number(2, 2)?).ok().filter(|month| (1..=12).contains(month))?;
    input.symbol('-')?;
    let day = u32::try_from(input.number(2, 2)?).ok()?;
    let exists = (1..=days_in_month(year, month)).contains(&day);
    (exists && input.0.is_empty()).then(|| days_from_civil(year, month, day))
}

/// A date as `yyyy-mm-dd`, given in its stored form.
pub fn date_to_text(stored: u32) -> String {
    let (year, month, day) = civil_from_days(i64::from(stored) - EPOCH_DAY);
    let mut out = String::new();
    push_year(&mut out, year);
    let _ = write!(out, "-{month:02}-{day:02}");
    out
}

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// Nanoseconds since midnight of a time's text: `hh:mm:ss[.fffffffff]`, or the number itself.
pub fn parse_time(source: &str) -> Result<i64, ValueError> {
    if is_raw_number(source) {
        return source
            .parse()
            .ok()
            .filter(|nanos| (0..NANOS_PER_DAY).contains(nanos))
            .ok_or_else(|| ValueError::new(format!("Unable to make long (for time) from: '{source}'")));
    }
    time_of_day(source).ok_or_else(|| {
        ValueError::new(format!("(TimeType) Unable to coerce '{source}' to a formatted time (long)"))
    })
}

fn time_of_day(source: &str) -> Option<i64> {
    let source = source.trim_matches(|c: char| c <= ' ');
    let (hour, rest) = source.split_once(':')?;
    let (minute, rest) = rest.split_once(':')?;
    let (second, fraction) = match rest.split_once('.') {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (rest, None),
    };
    // As Java's Integer.parseInt, which takes a sign.
    let part =
        |text: &str, below: i64| text.parse::<i32>().ok().map(i64::from).filter(|n| (0..below).contains(n));
    let (hour, minute, second) = (part(hour, 24)?, part(minute, 60)?, part(second, 60)?);
    let nanos = match fraction {
        None => 0,
        Some(digits) => {
            let valid = (1..=9).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            if !valid {
                return None;
            }
            format!("{digits:0<9}").parse::<i64>().ok()?
        }
    };
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

/// A time of day as `hh:mm:ss.fffffffff`. A number that is no time of day prints as an hour beyond 23 or, below 0,
/// as the number.
pub fn time_to_text(nanos: i64) -> String {
    if nanos < 0 {
        return nanos.to_string();
    }
    let seconds = nanos / 1_000_000_000;
    format!("{:02}:{:02}:{:02}.{:09}", seconds / 3600, seconds / 60 % 60, seconds % 60, nanos % 1_000_000_000)
}
