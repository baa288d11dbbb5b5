//! Any text is a statement or an error; a statement reads back from its own text.
#![no_main]

use ilium_cql::{parse, parse_script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(statement) = parse(text) {
        let printed = statement.to_string();
        match parse(&printed) {
            Ok(again) => {
                assert_eq!(again, statement, "{printed}");
                assert_eq!(again.to_string(), printed);
                assert_eq!(again.bind_markers(), statement.bind_markers());
            }
            Err(error) => panic!("{printed}: {error}"),
        }
    }
    let _ = parse_script(text);
});
