//! The same statements to the built binary, whose answers must be those recorded from a real Cassandra. (That the
//! records are true is the testbed's own test.)

use std::path::Path;

use ilium_testbed::Ilium;
use ilium_testbed::cases::{self, compare::Side, suite, table};
use ilium_testbed::ilium::Folder;

#[test]
fn it_answers_as_cassandra_does_and_each_row_that_says_works_is_true() {
    let folder = Folder::new().unwrap();
    let ilium = Ilium::start(Path::new(env!("CARGO_BIN_EXE_ilium")), &folder, &[]).unwrap();
    let results = suite::run(ilium.address(), cases::all("").unwrap(), Side::Ilium).unwrap();
    let wrong = table::wrong_rows(&results).unwrap();
    let details: String = results.iter().map(suite::FileResult::details).collect();
    assert!(wrong.is_empty() && details.is_empty(), "{details}\n{}", wrong.join("\n"));
    ilium.stop().unwrap();
}
