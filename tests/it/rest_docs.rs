//! The examples of docs/rest.md, run as they stand, in order, with what each is said to answer.

use serde_json::Value;

use crate::alone;

/// Each answer on a line of its own.
const CURL: &str = r#"curl() { command curl --silent --show-error --write-out '\n' "$@"; }"#;

const MARK: &str = "--8<--";

/// Each example with the JSON said below it.
fn examples() -> Vec<(String, Option<String>)> {
    let text = include_str!("../../docs/rest.md");
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap();
        match language {
            "sh" => found.push((body.to_owned(), None)),
            "json" => found.last_mut().unwrap().1 = Some(body.to_owned()),
            other => panic!("a block of {other}"),
        }
    }
    found
}

#[test]
fn the_examples_run_as_they_stand() {
    let examples = examples();
    let script: Vec<String> = examples.iter().map(|(shell, _)| format!("{shell}\necho '{MARK}'\n")).collect();
    let output = alone::run(&format!("{CURL}\n{}", script.join("\n")), &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = said.split(MARK).collect();
    assert_eq!(answers.len(), examples.len() + 1, "{said}");
    for ((shell, expected), answer) in examples.iter().zip(answers) {
        let answer = answer.trim();
        let Some(expected) = expected else {
            assert!(!answer.contains("\"code\":4") && !answer.contains("\"code\":5"), "{shell}\n{answer}");
            continue;
        };
        let last = answer.lines().last().unwrap_or_default();
        let parse = |text: &str| -> Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}\nof {shell}"))
        };
        assert_eq!(parse(last), parse(expected), "{shell}");
    }
    let document = said.lines().find(|line| line.contains("\"title\":\"Ilium REST API\"")).unwrap();
    every_endpoint_has_an_example(&serde_json::from_str(document).unwrap(), &examples);
}

#[test]
fn the_examples_leave_the_keyspace_of_readmes_tour_alone() {
    let (_, tour) = include_str!("../../README.md").split_once("CREATE KEYSPACE ").unwrap();
    let (keyspace, _) = tour.split_once(' ').unwrap();
    let is_word_of = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == keyspace);
    for (shell, _) in examples() {
        assert!(!is_word_of(&shell), "{keyspace} in\n{shell}");
    }
}

/// The page cannot fall behind the endpoints: each has an example, and each parameter a word.
fn every_endpoint_has_an_example(document: &Value, examples: &[(String, Option<String>)]) {
    let commands: Vec<&str> = examples.iter().flat_map(|(shell, _)| shell.split("curl ")).skip(1).collect();
    let asked: Vec<(&str, Vec<&str>)> = commands.iter().filter_map(|command| request(command)).collect();
    for (template, methods) in document["paths"].as_object().unwrap() {
        let template: Vec<&str> = template.split('/').skip(1).collect();
        for (method, operation) in methods.as_object().unwrap() {
            let asked =
                asked.iter().any(|(by, path)| *by == method.to_uppercase() && is_like(path, &template));
            assert!(asked, "no example of {method} {template:?}");
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let told = parameter["in"] == "path" || include_str!("../../docs/rest.md").contains(name);
                assert!(told, "no word of {name}");
            }
        }
    }
}

/// The method and path that a command asks for.
fn request(command: &str) -> Option<(&str, Vec<&str>)> {
    let (_, rest) = command.split_once("localhost:8080/")?;
    let path = rest.split(['?', '\'', ' ', '\n']).next()?;
    let method = match command.split_once("-X ") {
        Some((_, method)) => method.split(' ').next()?,
        None if command.contains("--json") => "POST",
        None => "GET",
    };
    Some((method, path.split('/').collect()))
}

fn is_like(path: &[&str], template: &[&str]) -> bool {
    let whole = template.last() == Some(&"{primaryKey}") && path.len() >= template.len();
    (whole || path.len() == template.len())
        && path.iter().zip(template).all(|(part, like)| like.starts_with('{') || part == like)
}
