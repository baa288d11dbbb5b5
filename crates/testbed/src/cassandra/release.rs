//! The releases of Cassandra that can be run, and what their configurations call the same thing.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

/// A release of Apache Cassandra. Jars and loaded classes are kept apart, so all can run beside each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// What Ilium is compared with.
    #[default]
    V5_0,
    V4_1,
    V4_0,
}

impl Release {
    /// All of them, newest first.
    pub const ALL: [Release; 3] = [Release::V5_0, Release::V4_1, Release::V4_0];

    /// The version on Maven Central.
    pub const fn version(self) -> &'static str {
        match self {
            Release::V5_0 => "5.0.9",
            Release::V4_1 => "4.1.10",
            Release::V4_0 => "4.0.18",
        }
    }

    /// Until 4.1 a setting's name began with what it does (`enable_`) and ended in its unit (`_in_ms`).
    pub(super) fn old_names(self) -> bool {
        self == Release::V4_0
    }

    /// The setting that turns a feature on which is off as shipped.
    pub(super) fn enabled(self, feature: &str) -> String {
        if self.old_names() { format!("enable_{feature}: true") } else { format!("{feature}_enabled: true") }
    }

    /// A setting of a length of time.
    pub(super) fn milliseconds(self, setting: &str, value: u32) -> String {
        if self.old_names() { format!("{setting}_in_ms: {value}") } else { format!("{setting}: {value}ms") }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}

impl FromStr for Release {
    type Err = Error;

    /// From `5.0` or `5.0.9`.
    fn from_str(text: &str) -> Result<Release, Error> {
        let known = |release: &Release| {
            let version = release.version();
            text == version || version.rsplit_once('.').is_some_and(|(line, _)| text == line)
        };
        match Release::ALL.into_iter().find(known) {
            Some(release) => Ok(release),
            None => {
                let all = Release::ALL.map(Release::version).join(", ");
                bail!("no release of Cassandra here is called {text}; there are {all}")
            }
        }
    }
}
