//! Random syntax trees, of every kind the grammar has a text for.
//!
//! Where the grammar reads one text in one way only, trees that would print as that text but mean something else are
//! not made: a map whose keys are all columns reads back as a user-defined type's value, for one.

mod definitions;
mod expressions;
mod rows;
mod security;

use ilium_cql::ast::*;
use proptest::prelude::*;

pub fn statement() -> BoxedStrategy<Statement> {
    prop_oneof![
        4 => rows::select().prop_map(Statement::Select),
        2 => rows::insert().prop_map(Statement::Insert),
        3 => rows::update().prop_map(Statement::Update),
        2 => rows::delete().prop_map(Statement::Delete),
        1 => rows::batch().prop_map(Statement::Batch),
        1 => qualified().prop_map(|table| Statement::Truncate { table }),
        1 => name().prop_map(|keyspace| Statement::Use { keyspace }),
        8 => definitions::statement(),
        6 => security::statement(),
    ]
    .boxed()
}

/// Plain words, keywords of each class, and names that need quotes.
fn name() -> BoxedStrategy<Name> {
    let words = [
        "a",
        "b1",
        "c_d",
        "expr",
        "key",
        "ttl",
        "count",
        "token",
        "json",
        "distinct",
        "as",
        "per",
        "int",
        "list",
        "select",
        "from",
        "true",
        "nan",
        "exists",
        "values",
        "cast",
        "writetime",
        "byte",
        "enum",
        "cluster",
        "deadbeef",
        "p1y",
    ];
    prop_oneof![
        4 => "[a-z][a-z0-9_]{0,5}",
        4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "[A-Za-z0-9_ \"'é$.-]{1,5}",
    ]
    .prop_map(Name::new)
    .boxed()
}

/// A column outside of DDL: it may have no name at all.
fn column() -> BoxedStrategy<Name> {
    prop_oneof![20 => name(), 1 => Just(Name::new(""))].boxed()
}

fn qualified() -> BoxedStrategy<QualifiedName> {
    (proptest::option::of(name()), name())
        .prop_map(|(keyspace, name)| QualifiedName { keyspace, name })
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![3 => "[a-z]{0,4}", 1 => "[ -~é\n'\"$]{0,8}"].boxed()
}

fn some<T: std::fmt::Debug>(item: impl Strategy<Value = T> + 'static, least: usize) -> BoxedStrategy<Vec<T>> {
    proptest::collection::vec(item, least..4).boxed()
}

fn native_type() -> BoxedStrategy<TypeName> {
    let names = ["int", "text", "varchar", "timestamp", "blob", "counter", "date"];
    proptest::sample::select(names.to_vec()).prop_map(|name| TypeName::Native(name.to_owned())).boxed()
}

fn type_name() -> BoxedStrategy<TypeName> {
    let custom = Just(TypeName::Custom("org.apache.cassandra.db.marshal.Int32Type".to_owned()));
    let leaf = prop_oneof![6 => native_type(), 2 => qualified().prop_map(TypeName::User), 1 => custom];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let frozen = inner.clone().prop_filter("frozen takes no native type", |inner| {
            !matches!(inner, TypeName::Native(_) | TypeName::Custom(_))
        });
        prop_oneof![
            inner.clone().prop_map(|t| TypeName::List(Box::new(t))),
            inner.clone().prop_map(|t| TypeName::Set(Box::new(t))),
            (inner.clone(), inner.clone()).prop_map(|(k, v)| TypeName::Map(Box::new(k), Box::new(v))),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(TypeName::Tuple),
            (inner, 1u32..2000).prop_map(|(t, d)| TypeName::Vector(Box::new(t), d)),
            frozen.prop_map(|t| TypeName::Frozen(Box::new(t))),
        ]
    })
    .boxed()
}
