//! The cases of `tests/cluster` through a gateway.

use std::sync::Arc;

use ilium_testbed::cases::compare::Side;
use ilium_testbed::cases::nodes::{LONG, RingUnderCases};
use ilium_testbed::cases::{self, on_ring, suite};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::require;

use crate::clients::dialogue::binary;

/// Those in which no node is held, as each of the others waits for a time-out, and one at most is stopped, as each change takes
/// seconds. All of them: `cargo run -p ilium-testbed --bin cluster -- --gateway PROGRAM`.
fn is_quick(name: &str) -> bool {
    !name.contains("held") && !name.contains("2 stopped, 3 stopped")
}

#[test]
fn a_gateway_answers_as_the_node_behind_it_while_others_are_lost() {
    let Some(ring) = require("a ring of Cassandra", RingUnderCases::start(LONG)) else { return };
    let ring = Arc::new(ring);
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, ring.addresses(), &["--local-dc", "a"]).unwrap();
    let (mut wrong, mut count) = (String::new(), 0);
    for mut file in cases::of_rings("").unwrap() {
        file.cases.retain(|case| is_quick(&case.name));
        count += file.cases.len();
        let answered = on_ring::run_file(gateway.address(), &ring, &file);
        wrong += &suite::judge(&file, answered.as_ref(), Side::Before).details();
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{wrong}");
}
