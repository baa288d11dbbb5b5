//! Real clients against the built binary: what each does is in `tests/clients/<client>/`.
//!
//! Vocabulary: a *program* is what we wrote with a client's library; it is run by the client's *toolchain* (Python,
//! Go, ...) on what was *obtained* for it from a package registry, once, into the testbed's cache.

pub(crate) mod dialogue;
pub(crate) mod obtained;
pub(crate) mod python;

use dialogue::converse;
use ilium_testbed::require;

#[test]
fn the_python_driver_does_all_that_applications_do() {
    let Some(python) = require("the Python driver", python::driver()) else { return };
    let program = obtained::source("python/client.py");
    converse(|address| python.command(&program, address)).unwrap();
}

#[test]
fn cqlsh_describes_everything_and_copies_to_and_from_files() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let program = obtained::source("cqlsh/client.py");
    converse(|address| python.command(&program, address)).unwrap();
}
