//! Counts, sizes and times as people read them.

use std::time::Duration;

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `512 B`, `1.5 KiB`. Here as below no line breaks between a number and its unit.
pub fn bytes(number: u64) -> String {
    if number < 1024 {
        return format!("{number}\u{a0}B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = "KiB";
    for larger in ["MiB", "GiB", "TiB", "PiB"] {
        // What would be rounded to 1,024.0 is one of the next.
        if size < 1023.95 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.1}\u{a0}{unit}")
}

/// The two largest units: `3 d 4 h`, `5 min 2 s`, `12 s`.
pub fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}\u{a0}s"),
        (0, 0, _) => format!("{minutes}\u{a0}min {}\u{a0}s", seconds % 60),
        (0, ..) => format!("{hours}\u{a0}h {minutes}\u{a0}min"),
        _ => format!("{}\u{a0}d {hours}\u{a0}h", count(days)),
    }
}

/// `0.42 ms`, `37 ms`, `2.1 s`.
pub fn took(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..10.0 => format!("{millis:.2}\u{a0}ms"),
        ..1000.0 => format!("{millis:.0}\u{a0}ms"),
        _ => format!("{:.1}\u{a0}s", millis / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(text: String) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn counts_sizes_and_times_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let sizes = [0, 1023, 1024, 1536, (1 << 20) - 1, 5 << 30, u64::MAX];
        assert_eq!(
            sizes.map(bytes).map(spaced),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 GiB", "16384.0 PiB"]
        );
        let times = [0, 61, 3700, 90_000].map(|seconds| spaced(uptime(Duration::from_secs(seconds))));
        assert_eq!(times, ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        let times = [420, 37_400, 2_100_000].map(|micros| spaced(took(Duration::from_micros(micros))));
        assert_eq!(times, ["0.42 ms", "37 ms", "2.1 s"]);
    }
}
