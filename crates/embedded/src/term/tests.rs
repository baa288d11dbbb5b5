//! What recordings cannot show: markers, unset values, write times, time itself, and the cost of compiling.

use std::sync::Arc;

use ilium_cql::ast::{InsertValues, Selection, Statement};
use ilium_cql::schema::{Schema, Table};
use ilium_cql::{CqlType, UserType};
use ilium_store::{Bind, BindMarker, Binds};

use super::recorded::{Fixture, fixture, table};
use super::{
    Compiler, ElementTimes, Env, Markers, Receiver, RowValues, Selector, Term, Value, next_timeuuid,
};

fn markers_of(fixture: &Fixture, text: &str) -> Vec<BindMarker> {
    let mut markers = Markers::new();
    let mut compiler = Compiler::new(&fixture.schema, &fixture.table, &mut markers);
    match ilium_cql::parse(text).unwrap() {
        Statement::Insert(insert) => {
            let InsertValues::Columns { columns, values } = insert.values else { panic!() };
            for (name, value) in columns.iter().zip(&values) {
                let column = fixture.table.column(&name.text).unwrap();
                compiler.term(value, &Receiver::of(&fixture.table, column)).unwrap();
            }
        }
        Statement::Select(select) => {
            let Selection::Items(items) = select.selection else { panic!() };
            for item in &items {
                compiler.selector(&item.value, None).unwrap();
            }
        }
        _ => panic!("{text}"),
    }
    markers.finish()
}

fn names_and_types(markers: &[BindMarker]) -> Vec<String> {
    markers.iter().map(|marker| format!("{} {}", marker.name, marker.column_type)).collect()
}

// The names below are those a real Cassandra 5.0.9 answered to PREPARE.

#[test]
fn a_marker_is_named_and_typed_by_what_takes_its_value() {
    let markers = markers_of(
        &fixture(),
        "INSERT INTO t (k, i, l, m, u, tp, ve, b) VALUES (abs(?), (int)?, ?, :mm, {a: ?, b: :bb}, (?, ?), [?, 1, ?], \
         token(?))",
    );
    assert_eq!(
        names_and_types(&markers),
        [
            "arg0(system.abs) int",
            "i int",
            "l list<int>",
            "mm map<text, int>",
            "u.a int",
            "bb text",
            "tp[0] int",
            "tp[1] text",
            "value(ve) float",
            "value(ve) float",
            "arg0(system.token) int",
        ]
    );
    assert!(markers.iter().all(|marker| &*marker.keyspace == "fix" && &*marker.table == "t"));
}

#[test]
fn a_marker_in_a_selection_is_called_selection_except_as_a_key() {
    let markers = markers_of(
        &fixture(),
        "SELECT (int)?, m[?], m[?..:e], st[?], similarity_cosine(ve, ?), token(?), i + (int)?, fm[:q], \
         [(int)?, i], (u){a: ?} FROM t",
    );
    assert_eq!(
        names_and_types(&markers),
        [
            "[selection] int",
            "key(m) text",
            "key(m) text",
            "e text",
            "value(st) int",
            "[selection] vector<float, 3>",
            "[selection] int",
            "[selection] int",
            "q text",
            "[selection] int",
            "[selection] int",
        ]
    );
}

fn term(fixture: &Fixture, column: &str, expression: &str) -> Term {
    let text = format!("INSERT INTO t (k) VALUES ({expression})");
    let Statement::Insert(insert) = ilium_cql::parse(&text).unwrap() else { panic!() };
    let InsertValues::Columns { values, .. } = insert.values else { panic!() };
    let mut markers = Markers::new();
    let mut compiler = Compiler::new(&fixture.schema, &fixture.table, &mut markers);
    let column = fixture.table.column(column).unwrap();
    compiler.term(&values[0], &Receiver::of(&fixture.table, column)).unwrap()
}

fn selector(schema: &Schema, table: &Table, expression: &str) -> Selector {
    let text = format!("SELECT {expression} FROM t");
    let Statement::Select(select) = ilium_cql::parse(&text).unwrap() else { panic!() };
    let Selection::Items(items) = select.selection else { panic!() };
    let mut markers = Markers::new();
    Compiler::new(schema, table, &mut markers).selector(&items[0].value, None).unwrap()
}

fn env(binds: &Binds) -> Env<'_> {
    Env { binds, row: None, aggregates: &[], now_micros: 1_600_000_000_123_456 }
}

#[test]
fn a_literal_and_a_marker_are_borrowed() {
    let fixture = fixture();
    let binds = Binds::from_values([Bind::Value(&[0, 0, 0, 5])]);
    for expression in ["5", "?", "abs(-5)", "1 + 1"] {
        let term = term(&fixture, "i", expression);
        let Value::Bytes(bytes) = term.evaluate(&env(&binds)).unwrap() else { panic!() };
        assert!(matches!(bytes, std::borrow::Cow::Borrowed(_)), "{expression}");
    }
}

#[test]
fn unset_stays_unset_where_it_is_the_whole_value_only() {
    let fixture = fixture();
    let binds = Binds::from_values([Bind::Unset]);
    assert_eq!(term(&fixture, "i", "?").evaluate(&env(&binds)).unwrap(), Value::Unset);
    assert_eq!(term(&fixture, "i", "(int)?").evaluate(&env(&binds)).unwrap(), Value::Unset);
    assert!(term(&fixture, "i", "abs(?)").evaluate(&env(&binds)).is_err());
    assert!(term(&fixture, "ve", "[1, 2, ?]").evaluate(&env(&binds)).is_err());
}

#[test]
fn the_choices_of_in_may_be_null_and_are_checked_one_by_one() {
    let fixture = fixture();
    let text = "INSERT INTO t (k) VALUES (?)";
    let Statement::Insert(insert) = ilium_cql::parse(text).unwrap() else { panic!() };
    let InsertValues::Columns { values, .. } = insert.values else { panic!() };
    let mut markers = Markers::new();
    let mut compiler = Compiler::new(&fixture.schema, &fixture.table, &mut markers);
    let receiver = Receiver::of(&fixture.table, fixture.table.column("fs").unwrap()).in_list();
    let term = compiler.term(&values[0], &receiver).unwrap();
    assert_eq!(names_and_types(&markers.finish()), ["in(fs) frozen<list<frozen<set<int>>>>"]);

    let set = [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1];
    let mut list = vec![0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, set.len() as u8];
    list.extend_from_slice(&set);
    let binds = Binds::from_values([Bind::Value(&list)]);
    let Value::Bytes(bytes) = term.evaluate(&env(&binds)).unwrap() else { panic!() };
    assert_eq!(bytes[..12], list[..12]);
    assert_eq!(bytes[12..], [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2], "the set in order");

    list.truncate(list.len() - 1);
    let binds = Binds::from_values([Bind::Value(&list)]);
    assert!(term.evaluate(&env(&binds)).is_err());
}

#[test]
fn a_chain_of_operators_compiles_without_trying_every_choice_of_every_link() {
    let fixture = fixture();
    // Without memory of the overloads chosen this would not end: each link would try dozens for each of the next.
    let term = term(&fixture, "b", &vec!["1"; 60].join(" + "));
    assert_eq!(term.as_constant(), Some(&60i64.to_be_bytes()[..]));
}

/// A row of one multi-cell column, the field or element of each cell with its times.
struct Cells {
    value: Vec<u8>,
    cells: Vec<ElementTimes>,
}

impl RowValues for Cells {
    fn value(&self, column: usize) -> Option<&[u8]> {
        (column == 1).then_some(&self.value)
    }
    fn write_time(&self, _: usize) -> Option<i64> {
        None
    }
    fn expires_at(&self, _: usize) -> Option<u32> {
        None
    }
    fn element(&self, column: usize, position: usize) -> Option<ElementTimes> {
        self.cells.get(position).copied().filter(|_| column == 1)
    }
}

fn user_type() -> Arc<UserType> {
    let fields = ["a", "b", "c", "d"].map(|name| (name.into(), CqlType::Int));
    Arc::new(UserType { keyspace: "fix".into(), name: "u".into(), fields: fields.to_vec() })
}

fn value_of(row: &Cells, table: &Table, expression: &str) -> Option<Vec<u8>> {
    let selector = selector(&Schema::default(), table, expression);
    let binds = Binds::default();
    let env = Env { row: Some(row), ..env(&binds) };
    selector.term.evaluate(&env).unwrap().into_bytes().map(|bytes| bytes.into_owned())
}

#[test]
fn the_times_of_a_user_defined_type_have_a_place_for_every_field() {
    let table = table(&[("k", "int"), ("v", "u")], &user_type());
    let one = [0, 0, 0, 4, 0, 0, 0, 1];
    let null = [0xff; 4];
    let value = [&null[..], &one, &null, &one].concat();
    let cell = |field, write_time, expires_at| ElementTimes { field, write_time, expires_at };
    let row = Cells { value, cells: vec![cell(1, 10, None), cell(3, 20, Some(1_600_000_060))] };

    let list = |items: &[Option<&[u8]>]| {
        let mut out = (items.len() as u32).to_be_bytes().to_vec();
        for item in items {
            ilium_cql::value::push_bytes(&mut out, *item).unwrap();
        }
        Some(out)
    };
    let (ten, twenty) = (10i64.to_be_bytes(), 20i64.to_be_bytes());
    assert_eq!(value_of(&row, &table, "writetime(v)"), list(&[None, Some(&ten), None, Some(&twenty)]));
    assert_eq!(value_of(&row, &table, "maxwritetime(v)"), Some(twenty.to_vec()));
    assert_eq!(value_of(&row, &table, "writetime(v.b)"), Some(ten.to_vec()));
    assert_eq!(value_of(&row, &table, "writetime(v.a)"), None);
    let sixty = 60i32.to_be_bytes();
    assert_eq!(value_of(&row, &table, "ttl(v)"), list(&[None, None, None, Some(&sixty)]));
    assert_eq!(value_of(&row, &table, "ttl(v.d)"), Some(sixty.to_vec()));
    assert_eq!(value_of(&row, &table, "ttl(v.b)"), None);
}

#[test]
fn the_times_of_an_element_or_a_slice_are_those_of_its_cells() {
    let table = table(&[("k", "int"), ("v", "set<int>")], &user_type());
    let value: Vec<u8> = [3, 4, 1, 4, 2, 4, 3].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
    let cell = |write_time| ElementTimes { field: 0, write_time, expires_at: None };
    let row = Cells { value, cells: vec![cell(10), cell(20), cell(30)] };
    let long = |n: i64| n.to_be_bytes().to_vec();
    assert_eq!(value_of(&row, &table, "writetime(v[2])"), Some(long(20)));
    assert_eq!(value_of(&row, &table, "writetime(v[9])"), None);
    assert_eq!(value_of(&row, &table, "maxwritetime(v[..2])"), Some(long(20)));
    assert_eq!(value_of(&row, &table, "maxwritetime(v[3..9])"), Some(long(30)));
    assert_eq!(value_of(&row, &table, "writetime(v[4..9])"), None);
    let slice = value_of(&row, &table, "writetime(v[2..])").unwrap();
    assert_eq!(slice.len(), 4 + 2 * 12);
}

#[test]
fn now_gives_a_new_timeuuid_each_time_and_the_statement_time_otherwise() {
    let fixture = fixture();
    let binds = Binds::default();
    let evaluate = |column: &str, expression: &str| {
        let term = term(&fixture, column, expression);
        assert!(!term.is_pure());
        term.evaluate(&env(&binds)).unwrap().into_bytes().unwrap().into_owned()
    };
    let (first, second) = (evaluate("tu", "now()"), evaluate("tu", "now()"));
    assert_ne!(first, second);
    assert!(ilium_cql::value::compare(&CqlType::Timeuuid, &first, &second).is_lt());
    assert_eq!(super::time::unix_millis(&first), Some(1_600_000_000_123));
    assert_eq!(evaluate("ts", "current_timestamp()"), 1_600_000_000_123i64.to_be_bytes());
    assert_eq!(evaluate("da", "currentdate()"), (0x8000_0000u32 + 18518).to_be_bytes());
    assert_eq!(evaluate("ti", "current_time()"), 44_800_123_456_000i64.to_be_bytes());
    let uuid = evaluate("uu", "uuid()");
    assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2));
    assert_ne!(uuid, evaluate("uu", "uuid()"));
}

#[test]
fn timeuuids_of_many_threads_are_all_different_and_go_forward() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| (0..1000).map(|_| next_timeuuid(1_700_000_000_000_000)).collect::<Vec<_>>())
        })
        .collect();
    let mut all: Vec<[u8; 16]> = Vec::new();
    for thread in threads {
        let made = thread.join().unwrap();
        assert!(made.is_sorted_by(|a, b| ilium_cql::value::compare(&CqlType::Timeuuid, a, b).is_lt()));
        all.extend(made);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4000);
}

#[test]
fn only_monotonic_functions_are_fit_for_group_by() {
    let fixture = fixture();
    let monotonic = |expression: &str| {
        let selector = selector(&fixture.schema, &fixture.table, expression);
        selector.term.as_call().map(|(function, _)| function.is_monotonic())
    };
    assert_eq!(monotonic("floor(ts, 1h)"), Some(true));
    assert_eq!(monotonic("to_date(ts)"), Some(true));
    assert_eq!(monotonic("abs(i)"), Some(false));
    assert_eq!(monotonic("i"), None);
}
