//! Times moved by durations, and rounded down to multiples of them, in UTC.
//!
//! The calendar is Gregorian at all times. Java's is Julian before 15 October 1582, so that months count differently
//! there.

use ilium_cql::value::text::{Duration, civil_from_days, days_from_civil};

use super::arguments::DAY_MILLIS;

pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;
const HOUR_NANOS: i64 = 3_600_000_000_000;

/// The last day of a month that every month has.
fn month_len(year: i64, month: u32) -> u32 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (days_from_civil(next_year, next, 1) - days_from_civil(year, month, 1)) as u32
}

/// The same day of the month so many months on, or the month's last where it has no such day.
fn add_months(millis: i64, months: i64) -> i64 {
    let (days, rest) = (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS));
    let (year, month, day) = civil_from_days(days);
    let index = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) as u32 + 1);
    let days = days_from_civil(year, month, day.min(month_len(year, month)));
    days.wrapping_mul(DAY_MILLIS).wrapping_add(rest)
}

pub(super) fn negate(duration: Duration) -> Duration {
    Duration {
        months: duration.months.wrapping_neg(),
        days: duration.days.wrapping_neg(),
        nanos: duration.nanos.wrapping_neg(),
    }
}

/// Days and below, in milliseconds.
fn part_below_months(duration: Duration) -> i64 {
    (i64::from(duration.days) * DAY_MILLIS).wrapping_add(duration.nanos / NANOS_PER_MILLI)
}

/// Months first, then days, then the rest.
pub(super) fn add(millis: i64, duration: Duration) -> i64 {
    if duration.months == 0 {
        return millis.wrapping_add(part_below_months(duration));
    }
    // With months Java's calendar takes the milliseconds as an int.
    let rest = i64::from((duration.nanos / NANOS_PER_MILLI) as i32);
    add_months(millis, i64::from(duration.months))
        .wrapping_add(i64::from(duration.days) * DAY_MILLIS)
        .wrapping_add(rest)
}

/// The last time no later than `millis` that is a whole number of durations after `start`.
pub(super) fn floor(millis: i64, duration: Duration, start: i64) -> Result<i64, String> {
    if start > millis {
        return Err("The floor function starting time is greater than the provided time".to_owned());
    }
    if duration.is_negative() {
        return Err("Negative durations are not supported by the floor function".to_owned());
    }
    let step = part_below_months(duration);
    if duration.months == 0 {
        return Ok(match step {
            0 => millis,
            step => millis.wrapping_sub(millis.wrapping_sub(start).wrapping_rem(step)),
        });
    }
    let months = i64::from(duration.months);
    let after = |count: i64| add_months(start, count * months).saturating_add(count.saturating_mul(step));
    let month_of = |millis: i64| {
        let (year, month, _) = civil_from_days(millis.div_euclid(DAY_MILLIS));
        year * 12 + i64::from(month)
    };
    // As many as the months alone allow are enough, and none may be; in between, time only goes forward.
    let (mut low, mut high) = (0, (month_of(millis) - month_of(start)) / months);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if after(middle) <= millis {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(after(low).max(start))
}

/// A time of day, in nanoseconds, rounded down.
pub(super) fn floor_time(nanos: i64, duration: Duration) -> Result<i64, String> {
    if duration.is_negative() {
        return Err("Negative durations are not supported by the floor function".to_owned());
    }
    if duration.months != 0 || duration.days != 0 || duration.nanos > HOUR_NANOS * 24 {
        return Err(
            "For time values, the floor can only be computed for durations smaller that a day".to_owned()
        );
    }
    Ok(if duration.nanos == 0 { nanos } else { nanos - nanos % duration.nanos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn months(months: i32) -> Duration {
        Duration { months, days: 0, nanos: 0 }
    }

    #[test]
    fn a_month_on_from_its_last_day_is_the_next_ones_last_day() {
        let day = |year, month, day| days_from_civil(year, month, day) * DAY_MILLIS;
        assert_eq!(add(day(2020, 1, 31), months(1)), day(2020, 2, 29));
        assert_eq!(add(day(2021, 1, 31), months(1)), day(2021, 2, 28));
        assert_eq!(add(day(2020, 3, 31), months(-1)), day(2020, 2, 29));
        assert_eq!(add(day(2020, 1, 31), months(-2)), day(2019, 11, 30));
        assert_eq!(add(day(1969, 12, 31), months(14)), day(1971, 2, 28));
    }

    proptest! {
        #[test]
        fn a_floor_is_the_last_multiple_that_is_not_later(
            millis in 0i64..4_000_000_000_000,
            start in 0i64..2_000_000_000_000,
            months in 0i32..30,
            days in 0i32..40,
            hours in 0i64..50,
        ) {
            let duration = Duration { months, days, nanos: hours * HOUR_NANOS };
            prop_assume!(start <= millis && duration != Duration::default());
            let floor = floor(millis, duration, start).unwrap();
            let at = |count: i32| {
                let below = Duration { months: 0, days: days * count, nanos: 0 };
                add(add(start, Duration { months: months * count, days: 0, nanos: 0 }), below)
                    + i64::from(count) * hours * 3_600_000
            };
            let mut count = 0;
            while at(count + 1) <= millis {
                count += 1;
            }
            prop_assert_eq!(floor, at(count));
        }

        #[test]
        fn no_time_or_duration_is_too_large(
            millis in any::<i64>(), start in any::<i64>(), months in 0i32.., days in 0i32.., nanos in 0i64..,
        ) {
            let duration = Duration { months, days, nanos };
            let _ = floor(millis, duration, start);
            let _ = floor(i64::MAX, duration, i64::MIN);
            let _ = add(millis, duration);
            let _ = add(millis, negate(duration));
        }
    }
}
