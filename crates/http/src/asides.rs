//! What the store says beside an answer or an error, as headers: its warnings, and the ids of its own traces.
//!
//! The header `Warning` of HTTP is obsolete (RFC 9111, section 5.5), so these have names of their own.

use std::fmt::Write;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ilium_cql::value::text::uuid_to_text;

/// One for each warning; percent-encoded where it is not printable ASCII, as gRPC encodes its messages.
pub static WARNING: HeaderName = HeaderName::from_static("cassandra-warning");

/// One for each statement that the store traced; the `session_id` of `system_traces`.
pub static TRACING_ID: HeaderName = HeaderName::from_static("cassandra-tracing-id");

/// Bytes of all warnings of an answer, with their names. Proxies give all headers together 4 to 8 KiB (nginx, `proxy_buffer_size`).
const ROOM: usize = 2048;

/// Adds warnings to an answer: those for which there is room, the last of them cut, and how many more there are.
pub fn push_warnings(headers: &mut HeaderMap, warnings: &[String]) {
    let mut room = ROOM;
    for (at, warning) in warnings.iter().enumerate() {
        if room == 0 {
            let more = format!("and {} more", warnings.len() - at);
            headers.extend(HeaderValue::try_from(more).map(|more| (WARNING.clone(), more)));
            return;
        }
        let (value, is_whole) = encoded(warning, room);
        room = if is_whole { room.saturating_sub(value.len() + WARNING.as_str().len()) } else { 0 };
        headers.extend(HeaderValue::try_from(value).map(|value| (WARNING.clone(), value)));
    }
}

/// Adds the ids of the store's traces to an answer.
pub fn push_tracing_ids(headers: &mut HeaderMap, ids: &[[u8; 16]]) {
    for id in ids {
        let value = HeaderValue::try_from(uuid_to_text(*id));
        headers.extend(value.map(|value| (TRACING_ID.clone(), value)));
    }
}

/// The text, or as much of it as `room` bytes hold with dots behind, and whether that is all.
fn encoded(text: &str, room: usize) -> (String, bool) {
    let mut out = String::new();
    for byte in text.bytes() {
        let is_plain = matches!(byte, b' '..=b'~') && byte != b'%';
        let length = if is_plain { 1 } else { 3 };
        if out.len() + length > room {
            return (out + "...", false);
        }
        match is_plain {
            true => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            false => _ = write!(out, "%{byte:02X}"),
        }
    }
    (out, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(warnings: &[String]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        push_warnings(&mut headers, warnings);
        headers.get_all(&WARNING).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_warning_is_a_header_whatever_is_in_it() {
        let warnings = ["table 'a\tb' has 100 % of \u{e9}\r\nset-cookie: x=y".to_owned(), "two".to_owned()];
        assert_eq!(pushed(&warnings), ["table 'a%09b' has 100 %25 of %C3%A9%0D%0Aset-cookie: x=y", "two"]);
    }

    #[test]
    fn warnings_take_no_more_room_than_a_proxy_gives_headers() {
        let warnings = vec!["\u{e9}".repeat(300); 5];
        let said = pushed(&warnings);
        assert_eq!(said.iter().map(String::len).collect::<Vec<_>>(), [1800, 234, 10]);
        assert_eq!(said[2], "and 3 more");
    }

    #[test]
    fn an_id_is_as_system_traces_shows_it() {
        let mut headers = HeaderMap::new();
        push_tracing_ids(&mut headers, &[[0x7d; 16]]);
        assert_eq!(headers[&TRACING_ID], "7d7d7d7d-7d7d-7d7d-7d7d-7d7d7d7d7d7d");
    }
}
