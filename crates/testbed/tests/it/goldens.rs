use ilium_testbed::cases::{self, compare::Side, suite};
use ilium_testbed::{Cassandra, require};

#[test]
fn every_case_has_a_recorded_answer_to_each_of_its_statements() {
    for file in cases::all("").unwrap().into_iter().chain(cases::of_rings("").unwrap()) {
        let goldens = suite::read_goldens(&file).unwrap();
        for case in &file.cases {
            let golden = goldens.case(&case.name).unwrap_or_else(|| panic!("{}: {}", file.name, case.name));
            assert_eq!(golden.steps.len(), case.steps.len(), "{}: {}", file.name, case.name);
        }
        assert_eq!(goldens.cases.len(), file.cases.len() + 1, "{}: a golden without a case", file.name);
    }
}

#[test]
fn cassandra_answers_what_the_goldens_say() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let results = suite::run(cassandra.address(), cases::all("").unwrap(), Side::Cassandra).unwrap();
    let wrong: String = results.iter().map(suite::FileResult::details).collect();
    assert!(wrong.is_empty(), "{wrong}");
}
