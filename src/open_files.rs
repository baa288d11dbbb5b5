//! How many files and sockets this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What the listeners and the connections to a cluster take at their limits, about.
const WANTED: u64 = 16 * 1024;

/// Raises the soft limit to the hard one, as Go's and Java's runtimes do: shells and systemd leave it at 1,024 for programs that
/// use `select`. How many it is now; `None`: as many as the machine can.
pub fn raise() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if allowed.is_some_and(|allowed| allowed < WANTED) {
        tracing::warn!(
            allowed,
            WANTED,
            "few open files are allowed: connections past that will fail; raise the hard limit"
        );
    }
    allowed
}
