//! Tokens that start with a digit, and durations in the ISO 8601 forms.

use super::{LexError, LexErrorKind, Scan, Scanner, Token, TokenKind};

/// The lengths of the groups of hexadecimal digits in a UUID.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

impl Scanner<'_> {
    /// Whether what is next can only be a UUID: eight hexadecimal digits and a hyphen.
    pub(super) fn uuid_starts(&self) -> bool {
        self.byte(self.at + 8) == Some(b'-') && self.run(self.at, |b| b.is_ascii_hexdigit()) == 8
    }

    pub(super) fn uuid(&mut self) -> Scan<Token> {
        let mut at = self.at;
        for (i, length) in UUID_GROUPS.into_iter().enumerate() {
            if i > 0 {
                if self.byte(at) != Some(b'-') {
                    return self.mismatched(at, "'-'");
                }
                at += 1;
            }
            let digits = self.run(at, |b| b.is_ascii_hexdigit());
            if digits < length {
                return self.mismatched(at + digits, "set null");
            }
            at += length;
        }
        self.take(TokenKind::Uuid, at)
    }

    /// An integer, a float, a duration, a UUID or a hexadecimal number; starts with a digit, or a minus and a digit.
    pub(super) fn number(&mut self) -> Scan<Token> {
        let start = self.at;
        let negative = self.byte(start) == Some(b'-');
        let first = start + usize::from(negative);
        let digits = self.run(first, |b| b.is_ascii_digit());
        let end = first + digits;
        if !negative {
            if self.byte(start) == Some(b'0') && digits == 1 && matches!(self.byte(end), Some(b'x' | b'X')) {
                let hex = self.run(end + 1, |b| b.is_ascii_hexdigit());
                return self.take(TokenKind::Hex, end + 1 + hex);
            }
            if self.uuid_starts() || self.is_hex_word(end) {
                return self.uuid();
            }
        }
        match self.byte(end) {
            Some(b'.') => self.fraction(end),
            Some(b'e' | b'E') => self.exponent(end),
            Some(b'y' | b'Y' | b'm' | b'M' | b'w' | b'W' | b'd' | b'D' | b'h' | b'H') => self.duration(end),
            Some(b's' | b'S' | b'u' | b'U' | b'n' | b'N' | 0xC2) => self.duration(end),
            _ => self.take(TokenKind::Integer, end),
        }
    }

    /// Whether the digits up to `end` go on with letters in a way that only a UUID can: within its first eight
    /// digits, a letter that neither a duration nor an exponent could have there.
    fn is_hex_word(&self, end: usize) -> bool {
        let start = self.at;
        let word = self.run(start, |b| b.is_ascii_hexdigit()).min(8);
        let Some(tail) = self.bytes.get(end..start + word) else { return false };
        let mut previous_was_digit = true;
        let mut exponent = false;
        let mut duration = false;
        for byte in tail {
            match byte {
                b'0'..=b'9' => previous_was_digit = true,
                b'd' | b'D' if previous_was_digit && !exponent => {
                    previous_was_digit = false;
                    duration = true;
                }
                b'e' | b'E' if previous_was_digit && !exponent && !duration => {
                    previous_was_digit = false;
                    exponent = true;
                }
                _ => return true,
            }
        }
        false
    }

    /// What follows an integer that ends at `dot`, where a `.` stands.
    fn fraction(&mut self, dot: usize) -> Scan<Token> {
        let range_at = |at: usize| self.byte(at) == Some(b'.') && self.byte(at + 1) == Some(b'.');
        if range_at(dot + 1) {
            return self.take(TokenKind::Float, dot + 1);
        }
        if range_at(dot) {
            return self.take(TokenKind::Integer, dot);
        }
        let end = dot + 1 + self.run(dot + 1, |b| b.is_ascii_digit());
        match self.byte(end) {
            Some(b'e' | b'E') => self.exponent(end),
            _ => self.take(TokenKind::Float, end),
        }
    }

    /// `e`, which stands at `at`, a sign and digits.
    fn exponent(&mut self, at: usize) -> Scan<Token> {
        let digits = at + 1 + usize::from(matches!(self.byte(at + 1), Some(b'+' | b'-')));
        let length = self.run(digits, |b| b.is_ascii_digit());
        if length == 0 {
            return Err(LexError { kind: LexErrorKind::NoDigit, at: digits as u32 });
        }
        self.take(TokenKind::Float, digits + length)
    }

    /// Pairs of a number and a unit; the first unit stands at `unit`.
    fn duration(&mut self, mut unit: usize) -> Scan<Token> {
        loop {
            let length = self.unit(unit)?;
            let digits = self.run(unit + length, |b| b.is_ascii_digit());
            if digits == 0 {
                return self.take(TokenKind::Duration, unit + length);
            }
            unit += length + digits;
        }
    }

    /// The length in bytes of the unit at `at`.
    fn unit(&self, at: usize) -> Scan<usize> {
        let next = self.byte(at + 1).map(|b| b.to_ascii_lowercase());
        match self.byte(at).map(|b| b.to_ascii_lowercase()) {
            Some(b'y' | b'w' | b'd' | b'h' | b's') => Ok(1),
            Some(b'm') => Ok(if matches!(next, Some(b'o' | b's')) { 2 } else { 1 }),
            Some(b'u' | b'n') if next == Some(b's') => Ok(2),
            Some(b'u' | b'n') => self.mismatched(at + 1, "set null"),
            // µ (U+00B5) takes two bytes.
            Some(0xC2) if next == Some(0xB5) => match self.byte(at + 2) {
                Some(b's' | b'S') => Ok(3),
                _ => self.mismatched(at + 2, "set null"),
            },
            _ => self.no_viable(at),
        }
    }

    /// Whether `P`, four digits and a hyphen stand here, which can only go on as `P2001-02-03T04:05:06`.
    pub(super) fn alternative_duration_starts(&self) -> bool {
        self.matches(self.at, b"P0000-").is_some()
    }

    /// `-P...`, which nothing but a duration starts with.
    pub(super) fn negative_period(&mut self) -> Scan<Token> {
        match self.iso_duration(self.at + 1) {
            Some(end) => self.take(TokenKind::Duration, end),
            None => self.no_viable(self.at + 2),
        }
    }

    /// The end of the ISO 8601 duration whose `P` stands at `period`, unless it is an identifier or less.
    pub(super) fn iso_duration(&self, period: usize) -> Option<usize> {
        let body = period + 1;
        if let Some(end) = self.matches(body, b"0000-00-00T00:00:00") {
            return Some(end);
        }
        let end = match self.designated(body, b"W") {
            Some(end) if end > body => end,
            _ => {
                let date = self.designated(body, b"YMD")?;
                match self.byte(date) {
                    Some(b'T') => self.designated(date + 1, b"HMS").filter(|&end| end > date + 1)?,
                    _ if date > body => date,
                    _ => return None,
                }
            }
        };
        // A letter, digit or underscore more and it is an identifier.
        match self.byte(end) {
            Some(b) if b.is_ascii_alphanumeric() || b == b'_' => None,
            _ => Some(end),
        }
    }

    /// Reads numbers, each followed by one of `designators` in that order, and gives where they end; `None` when a
    /// number has no designator.
    fn designated(&self, mut at: usize, designators: &[u8]) -> Option<usize> {
        let mut left = designators;
        loop {
            let digits = self.run(at, |b| b.is_ascii_digit());
            if digits == 0 {
                return Some(at);
            }
            let designator = self.byte(at + digits)?;
            let index = left.iter().position(|&d| d == designator)?;
            left = left.get(index + 1..)?;
            at += digits + 1;
        }
    }

    /// The end of the text at `at` when it has the shape of `pattern`, where `0` stands for any digit.
    fn matches(&self, at: usize, pattern: &[u8]) -> Option<usize> {
        let text = self.bytes.get(at..at + pattern.len())?;
        let fits = |(b, p): (&u8, &u8)| if *p == b'0' { b.is_ascii_digit() } else { b == p };
        text.iter().zip(pattern).all(fits).then_some(at + pattern.len())
    }
}
