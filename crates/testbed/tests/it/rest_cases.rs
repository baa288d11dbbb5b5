use std::collections::BTreeMap;

use ilium_testbed::rest_cases::file::{Rows, Step};
use ilium_testbed::rest_cases::{self, CaseFile};

/// What has to be there; a lower number says that cases were lost.
const CASES: usize = 840;

#[test]
fn there_are_as_many_cases_as_were_written() {
    let files = rest_cases::all("").unwrap();
    let all: usize = files.iter().map(|file| file.cases.len()).sum();
    assert!(all >= CASES, "{all} cases");
}

#[test]
fn each_case_that_writes_a_row_reads_it_through_cql() {
    let mut silent = Vec::new();
    for file in rest_cases::all("").unwrap() {
        for case in &file.cases {
            let mut unread = false;
            for step in &case.steps {
                match step {
                    Step::Request(r)
                        if r.target.starts_with("/v2/keyspaces/")
                            && !matches!(r.method.as_str(), "GET" | "HEAD") =>
                    {
                        unread |= r.answer.status < 300;
                    }
                    Step::Request(_) => {}
                    Step::Cql { wanted, .. } => unread &= *wanted == Rows::Done,
                }
            }
            if unread {
                silent.push(format!("{}: {}", file.name, case.name));
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// The endpoints of Stargate's REST v2, as method and path with `*` for names and `**` for keys.
const ENDPOINTS: [(&str, &str); 31] = [
    ("POST", "v1/auth"),
    ("POST", "v2/cql"),
    ("GET", "v2/keyspaces/*/*"),
    ("POST", "v2/keyspaces/*/*"),
    ("GET", "v2/keyspaces/*/*/rows"),
    ("GET", "v2/keyspaces/*/*/**"),
    ("PUT", "v2/keyspaces/*/*/**"),
    ("PATCH", "v2/keyspaces/*/*/**"),
    ("DELETE", "v2/keyspaces/*/*/**"),
    ("GET", "v2/schemas/keyspaces"),
    ("POST", "v2/schemas/keyspaces"),
    ("GET", "v2/schemas/keyspaces/*"),
    ("DELETE", "v2/schemas/keyspaces/*"),
    ("GET", "v2/schemas/keyspaces/*/tables"),
    ("POST", "v2/schemas/keyspaces/*/tables"),
    ("GET", "v2/schemas/keyspaces/*/tables/*"),
    ("PUT", "v2/schemas/keyspaces/*/tables/*"),
    ("DELETE", "v2/schemas/keyspaces/*/tables/*"),
    ("GET", "v2/schemas/keyspaces/*/tables/*/columns"),
    ("POST", "v2/schemas/keyspaces/*/tables/*/columns"),
    ("GET", "v2/schemas/keyspaces/*/tables/*/columns/*"),
    ("PUT", "v2/schemas/keyspaces/*/tables/*/columns/*"),
    ("DELETE", "v2/schemas/keyspaces/*/tables/*/columns/*"),
    ("GET", "v2/schemas/keyspaces/*/tables/*/indexes"),
    ("POST", "v2/schemas/keyspaces/*/tables/*/indexes"),
    ("DELETE", "v2/schemas/keyspaces/*/tables/*/indexes/*"),
    ("GET", "v2/schemas/keyspaces/*/types"),
    ("POST", "v2/schemas/keyspaces/*/types"),
    ("PUT", "v2/schemas/keyspaces/*/types"),
    ("GET", "v2/schemas/keyspaces/*/types/*"),
    ("DELETE", "v2/schemas/keyspaces/*/types/*"),
];

#[test]
fn each_endpoint_has_a_success_and_errors() {
    let files = rest_cases::all("").unwrap();
    let mut seen: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for request in files.iter().flat_map(requests) {
        for (method, path) in ENDPOINTS {
            if method == request.0 && is_at(&request.1, path) {
                let (good, bad) = seen.entry((method, path)).or_default();
                *good += usize::from(request.2 < 300);
                *bad += usize::from(request.2 >= 400);
            }
        }
    }
    let mut wanting = Vec::new();
    for (method, path) in ENDPOINTS {
        let (good, bad) = seen.get(&(method, path)).copied().unwrap_or_default();
        // One that takes a body has one of the wrong type, one that lacks something, one that is malformed.
        let enough = match method {
            "POST" | "PUT" | "PATCH" => 3,
            _ => 1,
        };
        if good == 0 || bad < enough {
            wanting.push(format!("{method} {path}: {good} successes, {bad} errors"));
        }
    }
    assert!(wanting.is_empty(), "{}", wanting.join("\n"));
}

fn requests(file: &CaseFile) -> Vec<(String, String, u16)> {
    let steps = file.cases.iter().flat_map(|case| &case.steps);
    steps
        .filter_map(|step| match step {
            Step::Request(r) => Some((r.method.clone(), r.target.clone(), r.answer.status)),
            Step::Cql { .. } => None,
        })
        .collect()
}

fn is_at(target: &str, path: &str) -> bool {
    let target = target.split('?').next().unwrap_or_default();
    let mut parts = target.trim_start_matches('/').split('/');
    for wanted in path.split('/') {
        match (wanted, parts.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(part)) if !part.is_empty() => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}
