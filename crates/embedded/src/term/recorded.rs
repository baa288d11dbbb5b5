//! Expressions held against what a real Cassandra 5.0.9 answered to them.
//!
//! `recorded/values.txt` has lines `column <- expression`, answered with the value that was stored;
//! `recorded/selectors.txt` has selections on the one row of [`ROW`]; `recorded/aggregates.txt` has a type and the
//! values of a column in as many rows. Below each line, indented: `=` and the answer (for selections
//! `name | type | value`, a line an item), or `!` and the error. `~` stands before what Ilium answers where it differs
//! on purpose. Bound values follow a line after `!!`, in hexadecimal.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::ast::{InsertValues, Selection, Statement};
use ilium_cql::schema::{Column, ColumnKind, Keyspace, Schema, Table, TableFlags, TableOptions};
use ilium_cql::value::list_elements;
use ilium_cql::{CqlType, UserType};
use ilium_store::{Bind, Binds, Result};

use super::{Compiler, ElementTimes, Env, Markers, Receiver, RowValues, Term, Value};

const COLUMNS: &str = "k int; i int; t tinyint; s smallint; b bigint; f float; d double; v varint; c decimal; \
    x text; y ascii; l list<int>; st set<int>; m map<text, int>; fl frozen<list<int>>; fs frozen<set<int>>; \
    fm frozen<map<text, int>>; u u; fu frozen<u>; tp tuple<int, text>; ve vector<float, 3>; ts timestamp; da date; \
    ti time; tu timeuuid; uu uuid; bl blob; bo boolean; ip inet; du duration; n int; lt list<text>; \
    ml map<int, frozen<list<int>>>; vt vector<text, 2>; sd set<decimal>";

/// The row that was selected from, written with the time stamp 1000 and no TTL.
const ROW: &str = "INSERT INTO t (k, i, t, s, b, f, d, v, c, x, y, l, st, m, fl, fs, fm, u, fu, tp, ve, ts, da, ti, \
    tu, uu, bl, bo, ip, du) VALUES (1, 7, 3, 5, 9, 1.5, 2.5, 100, 10.50, 'abc', 'xyz', [3, 1, 2], {3, 1, 2}, \
    {'b': 2, 'a': 1}, [1, 2], {2, 1}, {'b': 2, 'a': 1}, {a: 1, b: 'x'}, {a: 1, b: 'x'}, (1, 'a'), [1, 2, 3], \
    '2020-01-31T10:11:12.345Z', '2020-01-31', '10:11:12', bc9ec57e-e58c-11f1-851f-ab6215af3064, \
    c095ae39-695f-4cfe-a94a-94de0612a232, 0x0102, true, '127.0.0.1', 1mo2d3h)";

/// 2020-09-13, after everything in the row.
const NOW_MICROS: i64 = 1_600_000_000_000_000;

pub(super) struct Fixture {
    pub schema: Schema,
    pub table: Table,
}

pub(super) fn fixture() -> Fixture {
    let columns: Vec<(&str, &str)> =
        COLUMNS.split(';').map(|column| column.trim().split_once(' ').unwrap()).collect();
    fixture_of(&columns)
}

fn fixture_of(columns: &[(&str, &str)]) -> Fixture {
    let user = Arc::new(UserType {
        keyspace: "fix".into(),
        name: "u".into(),
        fields: vec![("a".into(), CqlType::Int), ("b".into(), CqlType::Text)],
    });
    let table = table(columns, &user);
    let keyspace = Keyspace {
        name: "fix".into(),
        durable_writes: true,
        replication: BTreeMap::new(),
        is_virtual: false,
        tables: BTreeMap::new(),
        types: BTreeMap::from([("u".into(), user)]),
    };
    let keyspaces = BTreeMap::from([("fix".into(), Arc::new(keyspace))]);
    Fixture { schema: Schema { version: [0; 16], keyspaces }, table }
}

/// One row with the write time 1000 in every cell.
struct TestRow<'a> {
    table: &'a Table,
    values: Vec<Option<Vec<u8>>>,
}

impl RowValues for TestRow<'_> {
    fn value(&self, column: usize) -> Option<&[u8]> {
        self.values[column].as_deref()
    }

    fn write_time(&self, column: usize) -> Option<i64> {
        self.values[column].as_ref().map(|_| 1000)
    }

    fn expires_at(&self, _: usize) -> Option<u32> {
        None
    }

    fn element(&self, column: usize, position: usize) -> Option<ElementTimes> {
        let count = match &self.table.columns[column].column_type {
            CqlType::Udt { definition, .. } => definition.fields.len(),
            // The count is written first, of entries in a map.
            _ => list_elements(self.value(column)?).unwrap().remaining(),
        };
        let field = position as u16;
        (position < count).then_some(ElementTimes { write_time: 1000, expires_at: None, field })
    }
}

/// A table `t` of those columns, the first its key.
pub(super) fn table(columns: &[(&str, &str)], user: &Arc<UserType>) -> Table {
    let columns = columns.iter().enumerate().map(|(i, (name, ty))| Column {
        name: (*name).into(),
        column_type: CqlType::parse(ty, &|_: &str| Some(Arc::clone(user))).unwrap(),
        kind: if i == 0 { ColumnKind::PartitionKey } else { ColumnKind::Regular },
        position: 0,
        descending: false,
    });
    Table {
        keyspace: "fix".into(),
        name: "t".into(),
        id: [0; 16],
        columns: columns.collect(),
        indexes: Vec::new(),
        dropped_columns: BTreeMap::new(),
        options: TableOptions::default(),
        flags: TableFlags::default(),
    }
}

fn insert(fixture: &Fixture, text: &str, binds: &Binds) -> Result<Vec<(usize, Option<Vec<u8>>)>> {
    let statement = ilium_cql::parse(text).map_err(|e| ilium_store::Error::syntax(e.to_string()))?;
    let Statement::Insert(insert) = statement else { panic!("{text} is no INSERT") };
    let InsertValues::Columns { columns, values } = insert.values else { panic!("{text} has no columns") };
    let mut markers = Markers::new();
    let mut compiler = Compiler::new(&fixture.schema, &fixture.table, &mut markers);
    let mut row = Vec::new();
    for (name, value) in columns.iter().zip(&values) {
        let index = fixture.table.column_index(&name.text).unwrap();
        let term = compiler.term(value, &Receiver::of(&fixture.table, &fixture.table.columns[index]))?;
        let env = Env { binds, row: None, aggregates: &[], now_micros: NOW_MICROS };
        let bytes = match term.evaluate(&env)? {
            Value::Bytes(bytes) => Some(bytes.into_owned()),
            Value::Null | Value::Unset => None,
        };
        row.push((index, bytes));
    }
    Ok(row)
}

fn stored_row(fixture: &Fixture) -> TestRow<'_> {
    let mut values = vec![None; fixture.table.columns.len()];
    for (index, bytes) in insert(fixture, ROW, &Binds::default()).unwrap() {
        values[index] = bytes;
    }
    TestRow { table: &fixture.table, values }
}

/// A selection over rows, without their groups: one line `name | type | value` an item.
fn select(fixture: &Fixture, rows: &[TestRow<'_>], text: &str, binds: &Binds) -> Result<Vec<String>> {
    let statement = ilium_cql::parse(&format!("SELECT {text} FROM t"))
        .map_err(|e| ilium_store::Error::syntax(e.to_string()))?;
    let Statement::Select(select) = statement else { panic!("{text} is no selection") };
    let Selection::Items(items) = select.selection else { panic!("{text} selects all") };
    let mut markers = Markers::new();
    let mut compiler = Compiler::new(&fixture.schema, &fixture.table, &mut markers);
    let mut selectors = Vec::new();
    for item in &items {
        let mut selector = compiler.selector(&item.value, None)?;
        if let Some(alias) = &item.alias {
            selector.name = alias.text.clone();
        }
        selectors.push(selector);
    }
    let calls = compiler.into_aggregates();
    let env = |row| Env { binds, row: Some(row), aggregates: &[], now_micros: NOW_MICROS };
    let mut aggregates = Vec::new();
    for call in &calls {
        let mut accumulator = call.function.accumulator().unwrap();
        for row in rows {
            let value = call.argument.as_ref().map(|argument| argument.evaluate(&env(row))).transpose()?;
            accumulator.add(value.as_ref().and_then(Value::as_bytes))?;
        }
        aggregates.push(accumulator.finish()?);
    }
    let env = Env { aggregates: &aggregates, ..env(&rows[0]) };
    selectors
        .iter()
        .map(|selector| {
            let value = selector.term.evaluate(&env)?;
            let ty = unfrozen(&selector.term);
            Ok(format!("{} | {ty} | {}", selector.name, hex(value.as_bytes())))
        })
        .collect()
}

/// The type as the wire tells it, which has no word for frozen.
fn unfrozen(term: &Term) -> String {
    let mut text = term.result_type().to_string();
    while let Some(start) = text.find("frozen<") {
        let mut depth = 0;
        let end = text[start..]
            .char_indices()
            .find(|(_, c)| {
                depth += i32::from(*c == '<') - i32::from(*c == '>');
                *c == '>' && depth == 0
            })
            .map(|(i, _)| start + i)
            .unwrap();
        text = format!("{}{}{}", &text[..start], &text[start + 7..end], &text[end + 1..]);
    }
    text
}

fn hex(value: Option<&[u8]>) -> String {
    match value {
        None => "null".to_owned(),
        Some(bytes) => format!("0x{}", ilium_cql::value::text::Hex(bytes)),
    }
}

/// A message without what Java puts around it, and its signatures in one order.
fn essence(message: &str) -> String {
    let message =
        message.strip_prefix("org.apache.cassandra.serializers.MarshalException: ").unwrap_or(message);
    let Some((before, list)) = message.split_once("signatures: ") else { return message.to_owned() };
    let (list, after) = list.rsplit_once(')').unwrap_or((list, ""));
    let mut signatures: Vec<&str> =
        list.split("system.").map(|signature| signature.trim_end_matches(", ")).collect();
    signatures.sort_unstable();
    format!("{before}signatures: {}){after}", signatures.join(", "))
}

fn lines_of(answer: Result<Vec<String>>) -> Vec<String> {
    match answer {
        Ok(lines) => lines.into_iter().map(|line| format!("= {line}")).collect(),
        Err(e) => vec![format!("! {}", essence(&e.message))],
    }
}

/// Runs every line of a file and says which answers differ.
fn check(file: &str, answer: impl Fn(&str, &Binds) -> Vec<String>) {
    let mut wrong = Vec::new();
    let mut checked = 0;
    let mut lines = file.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (text, binds) = line.split_once(" !! ").unwrap_or((line, ""));
        let parse = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let values: Vec<Option<Vec<u8>>> = binds
            .split_whitespace()
            .map(|text| if text == "null" || text == "unset" { None } else { Some(parse(text)) })
            .collect();
        let binds =
            Binds::from_values(binds.split_whitespace().zip(&values).map(|(text, value)| match value {
                Some(value) => Bind::Value(value),
                None if text == "unset" => Bind::Unset,
                None => Bind::Null,
            }));
        let mut expected = Vec::new();
        let mut on_purpose = Vec::new();
        while let Some(answer) = lines.next_if(|next| next.starts_with(' ')) {
            let answer = answer.trim_start();
            match answer.strip_prefix("~ ") {
                Some(ours) => on_purpose.push(ours.to_owned()),
                None => expected.push(match answer.strip_prefix("! ") {
                    Some(message) => format!("! {}", essence(message)),
                    None => answer.to_owned(),
                }),
            }
        }
        if !on_purpose.is_empty() {
            expected = on_purpose;
        }
        checked += 1;
        let got = answer(text, &binds);
        if got != expected {
            wrong.push(format!("{line}\n  expected {expected:#?}\n  got      {got:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 30, "the file was not read");
}

#[test]
fn values_are_those_that_a_real_cassandra_stored() {
    let fixture = fixture();
    check(include_str!("recorded/values.txt"), |line, binds| {
        let (column, expression) = line.split_once(" <- ").unwrap();
        let text = format!("INSERT INTO t (k, {column}) VALUES (99, {expression})");
        lines_of(insert(&fixture, &text, binds).map(|row| {
            let (index, bytes) = &row[1];
            // An empty collection that is not frozen is not stored at all.
            let multi_cell = fixture.table.columns[*index].column_type.is_multi_cell();
            vec![hex(bytes.as_deref().filter(|bytes| !(multi_cell && *bytes == [0; 4])))]
        }))
    });
}

#[test]
fn selections_are_named_typed_and_valued_as_by_a_real_cassandra() {
    let fixture = fixture();
    let row = stored_row(&fixture);
    check(include_str!("recorded/selectors.txt"), |line, binds| {
        lines_of(select(&fixture, std::slice::from_ref(&row), line, binds))
    });
}

#[test]
fn aggregates_over_several_rows_are_those_of_a_real_cassandra() {
    check(include_str!("recorded/aggregates.txt"), |line, binds| {
        let (ty, values) = line.split_once(": ").unwrap();
        let fixture = fixture_of(&[("k", "int"), ("v", ty)]);
        let rows: Vec<TestRow<'_>> = values
            .split("; ")
            .map(|value| {
                let text = format!("INSERT INTO t (k, v) VALUES (1, {value})");
                let values = insert(&fixture, &text, binds).unwrap();
                TestRow {
                    table: &fixture.table,
                    values: values.into_iter().map(|(_, value)| value).collect(),
                }
            })
            .collect();
        // Each on a line of its own, for not all are defined on every type.
        let answers = ["count", "sum", "avg", "min", "max"].map(|function| {
            let value = select(&fixture, &rows, &format!("{function}(v)"), binds);
            match value {
                Ok(lines) => format!("= {function} {}", lines[0].rsplit(" | ").next().unwrap()),
                Err(e) => format!("! {function} {}", e.message.split([',', '(']).next().unwrap().trim()),
            }
        });
        answers.to_vec()
    });
}
