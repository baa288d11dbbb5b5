//! What is printed reads back.

use ilium_cql::ast::Statement;
use ilium_cql::parse;
use proptest::prelude::*;

use crate::statements::statement;

/// A tree as text without what the parser adds: places and the numbers of markers.
fn shape(statement: &Statement) -> String {
    let debug = format!("{statement:?}");
    let mut shape = String::new();
    let mut rest = debug.as_str();
    while let Some(at) =
        ["start: ", "end: ", "index: "].iter().filter_map(|key| rest.find(key).map(|i| i + key.len())).min()
    {
        let (before, after) = rest.split_at(at);
        shape.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    shape + rest
}

proptest! {

    #[test]
    fn a_printed_tree_reads_back_as_itself(tree in statement()) {
        let text = tree.to_string();
        let read = parse(&text);
        prop_assert!(read.is_ok(), "{text}\n{}", read.unwrap_err());
        let read = read.unwrap();
        prop_assert_eq!(shape(&read), shape(&tree), "{}", text);
        if tree.bind_markers().is_empty() {
            prop_assert_eq!(&read, &tree, "{}", text);
        }
        // Printing once more changes nothing, and keeps the numbers of the markers.
        let again = read.to_string();
        prop_assert_eq!(&again, &text);
        prop_assert_eq!(parse(&again).unwrap(), read);
    }
}
