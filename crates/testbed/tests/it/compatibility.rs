use std::collections::BTreeSet;

use ilium_testbed::cases::table::{self, State};
use ilium_testbed::cases::{self, suite};

/// What has to be there; a lower number says that cases were lost.
const CASES: usize = 1200;

#[test]
fn each_row_that_says_works_names_three_cases_and_one_of_them_is_an_error() {
    let rows = table::rows(&std::fs::read_to_string(table::path()).unwrap()).unwrap();
    let files = table::by_name(cases::all("").unwrap());
    let mut errors = BTreeSet::new();
    let mut all = 0;
    for file in files.values() {
        for case in suite::read_goldens(file).unwrap().cases {
            all += usize::from(case.name != cases::golden::SETUP);
            if case.has_error() {
                errors.insert(format!("{}: {}", file.name, case.name));
            }
        }
    }
    assert!(all >= CASES, "{all} cases");
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in &rows {
        match row.cases(&files) {
            Err(e) => wrong.push(format!("{e:#}")),
            Ok(cases) => {
                let enough = cases.len() >= 3 && cases.iter().any(|case| errors.contains(case));
                if row.state == State::Works && !enough {
                    wrong.push(format!(
                        "{}: not three cases with an error among them: {cases:#?}",
                        row.feature
                    ));
                }
                named.extend(cases);
            }
        }
        if row.state == State::Differs && row.note.is_empty() {
            wrong.push(format!("{}: differs without saying how and why", row.feature));
        }
    }
    for file in files.values() {
        for case in &file.cases {
            let name = format!("{}: {}", file.name, case.name);
            if !named.contains(&name) {
                wrong.push(format!("no row names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
