//! Logs: structured, on standard error, quiet unless something is wrong.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

/// What says how much is logged, and in which form.
pub const VARIABLES: [&str; 2] = ["ILIUM_LOG", "ILIUM_LOG_FORMAT"];

/// `ILIUM_LOG` says how much (as `warn`, `info`, `ilium_embedded=debug`); `ILIUM_LOG_FORMAT=json` gives JSON lines. With
/// `audited` the audit log is a part of it, unless `ILIUM_LOG` says otherwise of `audit`.
pub fn start(audited: bool) -> Result<(), Failure> {
    let wanted = std::env::var("ILIUM_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = filter(wanted, audited)?;
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
    Ok(())
}

fn filter(wanted: String, audited: bool) -> Result<EnvFilter, Failure> {
    let all = match audited && !wanted.contains("audit") {
        true => format!("{wanted},audit=info"),
        false => wanted.clone(),
    };
    EnvFilter::try_new(all).map_err(|error| {
        Failure::config(format!(
            "ILIUM_LOG is `{wanted}`: {error}; write it as warn, info, or warn,ilium_cluster=debug"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_of_a_log_is_refused() {
        for good in ["warn", "info", "warn,ilium_cluster=debug", "warn,audit=off", "off", ""] {
            assert!(filter(good.to_owned(), true).is_ok(), "{good}");
        }
        for bad in ["garbage===", "warn,ilium_http=loud"] {
            let error = filter(bad.to_owned(), true).unwrap_err().to_string();
            assert!(error.contains("ILIUM_LOG") && error.contains(bad), "{error}");
        }
    }
}
