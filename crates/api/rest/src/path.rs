//! Paths: cut at slashes first, decoded after, so that a key may hold a slash.

use std::borrow::Cow;

use ilium_http::Refusal;
use smallvec::SmallVec;

/// The parts of a path as they were sent.
pub type Segments<'p> = SmallVec<[&'p str; 12]>;

/// The parts between slashes. One slash at the end means nothing.
pub fn split(path: &str) -> Segments<'_> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mut segments, mut from) = (Segments::new(), 0);
    // `split` searches anew for each slash, which takes several times as long for so short parts.
    for (at, _) in path.bytes().enumerate().filter(|(_, byte)| *byte == b'/') {
        segments.push(path.get(from..at).unwrap_or_default());
        from = at + 1;
    }
    segments.push(path.get(from..).unwrap_or_default());
    segments
}

/// A part of a path, or of a query without its `+`, as it was meant.
pub fn decode(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let malformed = || {
        Refusal::bad_request(format!(
            "'{text}' in the address is no percent-encoded text: after % come two hexadecimal digits"
        ))
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
        let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
        bytes.push((high << 4 | low) as u8);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => {
            Err(Refusal::bad_request(format!("'{text}' in the address is not UTF-8 once it is decoded")))
        }
    }
}

/// A name as a part of a path.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit =
                |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase();
            out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_slash_is_part_of_a_key_and_a_plain_one_is_not() {
        let segments = split("/v2/keyspaces/ks/t/a%2Fb//c/");
        assert_eq!(segments.as_slice(), ["v2", "keyspaces", "ks", "t", "a%2Fb", "", "c"]);
        assert_eq!(decode("a%2Fb").unwrap(), "a/b");
        assert_eq!(decode("%E2%82%ac+x").unwrap(), "€+x");
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let name = "a/b %€\u{1}";
        assert_eq!(encode(name), "a%2Fb%20%25%E2%82%AC%01");
        assert_eq!(decode(&encode(name)).unwrap(), name);
    }

    #[test]
    fn what_is_no_percent_encoding_or_no_utf_8_is_refused() {
        for text in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
