//! Which texts are statements, and where the others go wrong.
//!
//! The tables in `fixtures/parse` hold a statement a line and, before a tab, what the parser of Cassandra 5.0.9 itself
//! answers to it (`CqlParser.query()` of its jar): `ok`, with the names of the bind markers in their order; the place of
//! a syntax error, `end` being the end of the text; `words` for a syntax error that names no place; or `invalid`
//! for an `InvalidRequestException`. Ours must answer the same; where it does not, `differences.tsv` says why.

use ilium_cql::ast::*;
use ilium_cql::{SyntaxErrorKind, parse, parse_script};

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Our answer in the form of the tables.
fn answer(text: &str) -> String {
    let error = match parse(text) {
        Ok(statement) => {
            let name =
                |marker: Option<&Name>| marker.map_or("?".to_owned(), |name| format!(":{}", name.text));
            let mut words = vec!["ok".to_owned()];
            words.extend(statement.bind_markers().into_iter().map(name));
            return words.join(" ");
        }
        Err(error) => error,
    };
    if error.kind == SyntaxErrorKind::Invalid {
        return "invalid".to_owned();
    }
    match error.message.strip_prefix("line ") {
        None => "words".to_owned(),
        Some(place) if place.starts_with("0:-1 ") => "end".to_owned(),
        Some(place) => {
            let place = place.split(' ').next().unwrap().to_owned();
            assert_eq!(place, format!("{}:{}", error.line, error.column), "{text}");
            place
        }
    }
}

fn agrees(table: &str) {
    for row in rows(table) {
        let [cassandra, text] = row[..] else { panic!("two columns: {row:?}") };
        assert_eq!(answer(text), cassandra, "{text}");
    }
}

#[test]
fn tokens_begin_and_end_where_cassandra_ends_them() {
    agrees(include_str!("fixtures/parse/lexical.tsv"));
}

#[test]
fn selects_are_accepted_and_refused_as_by_cassandra() {
    agrees(include_str!("fixtures/parse/select.tsv"));
}

#[test]
fn modifications_are_accepted_and_refused_as_by_cassandra() {
    agrees(include_str!("fixtures/parse/modification.tsv"));
}

#[test]
fn schema_statements_are_accepted_and_refused_as_by_cassandra() {
    agrees(include_str!("fixtures/parse/schema.tsv"));
}

#[test]
fn security_statements_are_accepted_and_refused_as_by_cassandra() {
    agrees(include_str!("fixtures/parse/security.tsv"));
}

#[test]
fn describe_statements_are_accepted_and_refused_as_by_cassandra() {
    agrees(include_str!("fixtures/parse/describe.tsv"));
}

#[test]
fn what_differs_from_cassandra_differs_as_it_is_written_down() {
    for row in rows(include_str!("fixtures/parse/differences.tsv")) {
        let [cassandra, ours, text] = row[..] else { panic!("three columns: {row:?}") };
        assert_ne!(cassandra, ours, "{text}");
        assert_eq!(answer(text), ours, "{text}");
    }
}

fn select(text: &str) -> Select {
    match parse(text) {
        Ok(Statement::Select(select)) => select,
        other => panic!("{text}: {other:?}"),
    }
}

fn selected(text: &str) -> String {
    let select = select(text);
    format!(
        "{}{}{}",
        if select.json { "JSON " } else { "" },
        if select.distinct { "DISTINCT " } else { "" },
        {
            let Selection::Items(items) = select.selection else { panic!("{text}") };
            let items: Vec<String> = items.iter().map(|item| shape(&item.value)).collect();
            items.join(", ")
        }
    )
}

/// An expression with its structure in brackets.
fn shape(expr: &Expr) -> String {
    let all = |items: &[Expr]| items.iter().map(shape).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        ExprKind::Column(name) => name.text.clone(),
        ExprKind::Literal(literal) => literal.text.clone(),
        ExprKind::Bind { index, .. } => format!("?{index}"),
        ExprKind::Binary { operator, left, right } => {
            format!("[{} {operator} {}]", shape(left), shape(right))
        }
        ExprKind::Negate(of) => format!("[- {}]", shape(of)),
        ExprKind::Tuple(items) => format!("tuple[{}]", all(items)),
        ExprKind::List(items) => format!("list[{}]", all(items)),
        ExprKind::Set(items) => format!("set[{}]", all(items)),
        ExprKind::Udt(fields) => format!("udt[{}]", fields.len()),
        ExprKind::Map(entries) => format!("map[{}]", entries.len()),
        ExprKind::TypeHint { to, value } => format!("[({to}) {}]", shape(value)),
        ExprKind::Field { of, field } => format!("[{} . {field}]", shape(of)),
        ExprKind::Element { of, key } => format!("[{} at {}]", shape(of), shape(key)),
        ExprKind::Slice { of, .. } => format!("[{} slice]", shape(of)),
        ExprKind::CountRows => "rows".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn operators_group_by_precedence_and_to_the_left() {
    assert_eq!(selected("SELECT a + b * c - d / e % f FROM t"), "[[a + [b * c]] - [[d / e] % f]]");
    assert_eq!(selected("SELECT - a.b * - - c FROM t"), "[[- [a . b]] * [- [- c]]]");
    assert_eq!(selected("SELECT (a + b) * c FROM t"), "[tuple[[a + b]] * c]");
    assert_eq!(selected("SELECT -1, - 1, 1 - 1 FROM t"), "-1, [- 1], [1 - 1]");
}

#[test]
fn ambiguous_selections_mean_what_cassandra_takes_them_for() {
    assert_eq!(selected("SELECT json FROM t"), "json");
    assert_eq!(selected("SELECT json, a FROM t"), "json, a");
    assert_eq!(selected("SELECT json AS a FROM t"), "json");
    assert_eq!(selected("SELECT json a FROM t"), "JSON a");
    assert_eq!(selected("SELECT json - json FROM t"), "JSON [- json]");
    assert_eq!(selected("SELECT json[0] FROM t"), "JSON list[0]");
    assert_eq!(selected("SELECT json[0..1] FROM t"), "[json slice]");
    assert_eq!(selected("SELECT json distinct a FROM t"), "JSON DISTINCT a");
    assert_eq!(selected("SELECT distinct.a FROM t"), "[distinct . a]");
    assert_eq!(selected("SELECT (a) b, (a) + b, (a) AS b FROM t"), "[(a) b], [tuple[a] + b], tuple[a]");
    assert_eq!(
        selected("SELECT (a)[0], (a)[0..1], (a, b)[0] FROM t"),
        "[(a) list[0]], [tuple[a] slice], [tuple[a b] at 0]"
    );
    assert_eq!(
        selected("SELECT {a: 1}, {a: 1, 'b': 2}, {a, b}, {} FROM t"),
        "udt[1], map[2], set[a b], set[]"
    );
    assert_eq!(selected("SELECT count(*), count(1), count(a) FROM t").matches("rows").count(), 2);
}

#[test]
fn an_assignment_is_told_from_arithmetic() {
    let changes = |text: &str| match parse(text) {
        Ok(Statement::Update(update)) => update.assignments.into_iter().map(|a| a.change).collect::<Vec<_>>(),
        other => panic!("{text}: {other:?}"),
    };
    let shapes: Vec<String> =
        changes("UPDATE t SET a = a + 1, b = 1 + b, c = c -1, d = 1 + 2, e += 1, f -= 1 WHERE k = 1")
            .iter()
            .map(|change| match change {
                Change::Set(value) => format!("set {}", shape(value)),
                Change::Add(value) => format!("add {}", shape(value)),
                Change::Prepend(value) => format!("prepend {}", shape(value)),
                Change::Subtract(value) => format!("subtract {}", shape(value)),
                other => panic!("{other:?}"),
            })
            .collect();
    assert_eq!(shapes, ["add 1", "prepend 1", "add -1", "set [1 + 2]", "add 1", "subtract 1"]);
}

#[test]
fn names_fold_to_lower_case_unless_quoted_and_users_keep_theirs() {
    let select = select("SELECT Foo, \"Foo\", \"a\"\"b\" FROM Ks.\"T\"");
    let Selection::Items(items) = select.selection else { panic!() };
    let names: Vec<String> = items.iter().map(|item| shape(&item.value)).collect();
    assert_eq!(names, ["foo", "Foo", "a\"b"]);
    assert_eq!(select.from, QualifiedName { keyspace: Some(Name::new("ks")), name: Name::new("T") });
    assert_eq!(
        parse("DROP ROLE Foo"),
        Ok(Statement::DropRole { name: RoleName { text: "foo".into() }, if_exists: false })
    );
    assert_eq!(
        parse("DROP USER Foo"),
        Ok(Statement::DropUser { name: RoleName { text: "Foo".into() }, if_exists: false })
    );
}

#[test]
fn markers_are_numbered_in_the_order_of_the_text() {
    let text = "BEGIN BATCH USING TIMESTAMP ? INSERT INTO t (a) VALUES (:x) USING TTL ? AND TIMESTAMP :y; \
                UPDATE t USING TTL ? SET a[?] = :x WHERE k IN ? IF b = ?; APPLY BATCH";
    let statement = parse(text).unwrap();
    let names: Vec<&str> = statement.bind_markers().iter().map(|m| m.map_or("?", |n| n.as_str())).collect();
    assert_eq!(names, ["?", "x", "?", "y", "?", "?", "x", "?", "?"]);
    assert_eq!(parse(&statement.to_string()).unwrap(), statement, "TTL stays before TIMESTAMP");
    assert!(statement.to_string().contains("USING TTL ? AND TIMESTAMP :y"));
}

#[test]
fn an_error_says_where_it_is_and_what_was_expected() {
    let error = parse("SELECT *\nFROM t\nWHERE a ~ 1").unwrap_err();
    assert_eq!(error.message, "line 3:8 no viable alternative at character '~'");
    let error = parse("SELECT * FOO t").unwrap_err();
    assert_eq!(error.message, "line 1:9 mismatched input 'FOO' expecting K_FROM (SELECT * [FOO]...)");
    assert_eq!((error.line, error.column, error.span.start, error.span.end), (1, 9, 9, 12));
    let error = parse("SELECT a FROM t ORDER BY").unwrap_err();
    assert_eq!(error.message, "line 0:-1 no viable alternative at input '<EOF>'; expected a column");
    assert_eq!((error.line, error.column, error.span.start), (1, 24, 24));
    // Columns count as Java counts characters.
    let error = parse("SELECT '😀é' FOO t").unwrap_err();
    assert_eq!((error.line, error.column), (1, 13));
}

#[test]
fn a_password_is_in_no_message() {
    for text in [
        "CREATE ROLE r WITH PASSWORD 'secret'",
        "CREATE ROLE r WITH PASSWORD = secret",
        "ALTER ROLE r WITH PASSWORD = 'secret' AND",
        "ALTER ROLE r WITH PASSWORD = 'secret' AND LOGIN = 'secret'",
        "CREATE USER u WITH PASSWORD = 'secret'",
        "CREATE USER u PASSWORD \"secret\"",
        "CREATE ROLE r WITH OPTIONS = {'secret': 1e999}",
        "CREATE ROLE r WITH PASSWORD = 'secret",
    ] {
        let message = parse(text).unwrap_err().message;
        assert!(!message.contains("secret"), "{message}");
    }
    assert!(!format!("{:?}", parse("CREATE ROLE r WITH PASSWORD = 'secret'").unwrap()).contains("secret"));
}

#[test]
fn a_script_is_split_by_its_statements_and_not_by_its_semicolons() {
    let script = "-- two tables\nUSE k; ;\nINSERT INTO t (a) VALUES ('x;y'); // more\n\
                  BEGIN BATCH DELETE FROM t WHERE a = ?; DELETE FROM t WHERE a = ?; APPLY BATCH;\n\
                  /* the last */ SELECT ? FROM t -- no line break at the end";
    let statements = parse_script(script).unwrap();
    let texts: Vec<&str> =
        statements.iter().map(|(_, span)| &script[span.start as usize..span.end as usize]).collect();
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[1], "INSERT INTO t (a) VALUES ('x;y')");
    assert_eq!(texts[3], "SELECT ? FROM t");
    assert_eq!(statements[3].0.bind_markers().len(), 1);
    assert!(matches!(&statements[3].0, Statement::Select(s) if matches!(&s.selection,
        Selection::Items(i) if matches!(i[0].value.kind, ExprKind::Bind { index: 0, .. }))));

    let error = parse_script("USE k;\nSELECT * FROM t\nSELECT").unwrap_err();
    assert_eq!(
        error.message,
        "line 3:0 mismatched input 'SELECT' expecting ';' (...;SELECT * FROM t[SELECT])"
    );
    assert_eq!(parse_script(" -- nothing").unwrap(), []);
}
