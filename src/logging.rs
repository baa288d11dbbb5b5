//! Logs: structured, on standard error, quiet unless something is wrong.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// `ILIUM_LOG` says how much (as `warn`, `info`, `ilium_embedded=debug`); `ILIUM_LOG_FORMAT=json` gives JSON lines. With
/// `audited` the audit log is a part of it, unless `ILIUM_LOG` says otherwise of `audit`.
pub fn start(audited: bool) {
    let wanted = std::env::var("ILIUM_LOG").unwrap_or_else(|_| "warn".to_owned());
    let wanted = match audited && !wanted.contains("audit") {
        true => format!("{wanted},audit=info"),
        false => wanted,
    };
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("warn,audit=info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if std::env::var("ILIUM_LOG_FORMAT").is_ok_and(|format| format == "json") {
        logs.json().try_init()
    } else {
        logs.try_init()
    };
    // Only a test that starts two servers in one process has set one already.
    let _ = started;
}
