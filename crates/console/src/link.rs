//! Links to pages of the console.

use form_urlencoded::Serializer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The page of a keyspace.
pub fn keyspace(name: &str) -> String {
    format!("/console/keyspaces/{}", segment(name))
}

/// The first rows of a table.
pub fn table(keyspace: &str, name: &str) -> String {
    format!("/console/keyspaces/{}/{}", segment(keyspace), segment(name))
}

/// The statement page, with a statement that reads the table.
pub fn query(keyspace: &str, table: &str) -> String {
    with("/console/statement", [("keyspace", keyspace), ("table", table)])
}

/// The login page, which leads on to another.
pub fn login(next: &str) -> String {
    with("/console/login", [("next", next)])
}

/// A link with a query.
pub fn with<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// Where a login leads on to: a page of the console, wherever the link was made. Others could make the login page lead
/// its user to a page of theirs.
pub fn safe_next(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if plain && next.starts_with("/console/") && !next.starts_with("/console/log") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_links() {
        assert_eq!(table("a b", "c/d?é"), "/console/keyspaces/a%20b/c%2Fd%3F%C3%A9");
        assert_eq!(query("k&x", "t"), "/console/statement?keyspace=k%26x&table=t");
    }

    #[test]
    fn a_login_leads_on_to_the_console_alone() {
        assert_eq!(safe_next("/console/keyspaces/a?page=2"), "/console/keyspaces/a?page=2");
        for other in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/console/",
            "/v2/x",
            "",
            "/console/login",
        ] {
            assert_eq!(safe_next(other), "/", "{other}");
        }
    }
}
