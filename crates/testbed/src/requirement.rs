//! What a test does where a component it needs cannot be had: it says so and is left out, and with
//! `ILIUM_REQUIRE=all` it fails, so that a machine meant to run everything cannot pass by running little.

use std::io::Write as _;

/// Gives the component, or says why the test was left out and gives nothing.
///
/// # Panics
/// Under `ILIUM_REQUIRE=all` a component that cannot be had is a failure of the test.
#[expect(clippy::panic, reason = "called by tests, whose way to fail is a panic")]
pub fn require<T>(what: &str, had: anyhow::Result<T>) -> Option<T> {
    match had {
        Ok(component) => Some(component),
        Err(reason) if std::env::var_os("ILIUM_REQUIRE").is_some_and(|v| v == "all") => {
            panic!("ILIUM_REQUIRE=all, and {what} cannot be had: {reason:#}")
        }
        Err(reason) => {
            // Straight to the file, not by eprintln: the note must be seen although the test passes.
            let _ = writeln!(std::io::stderr(), "LEFT OUT, {what} cannot be had: {reason:#}");
            None
        }
    }
}
