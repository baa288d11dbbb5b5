//! Statements that read and change rows.

use ilium_cql::ast::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::expressions::*;
use super::*;

const COMPARISONS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

fn comparison() -> impl Strategy<Value = Operator> {
    one_of(&COMPARISONS[..])
}

pub fn selection() -> BoxedStrategy<Selection> {
    let items = some((selector(), of(name())), 1);
    let selector = |(value, alias)| Selector { value, alias };
    prop_oneof![
        1 => Just(Selection::All),
        3 => items.prop_map(move |items| Selection::Items(items.into_iter().map(selector).collect())),
    ]
    .boxed()
}

pub fn select() -> BoxedStrategy<Select> {
    let head = (any::<bool>(), any::<bool>(), selection(), qualified());
    let order = prop_oneof![
        Just(OrderBy::Ascending),
        Just(OrderBy::Descending),
        term().prop_map(OrderBy::NearestTo),
    ];
    let order_by = some((column(), order).prop_map(|(column, by)| Ordering { column, by }), 0);
    let tail = (of(integer_or_marker()), of(integer_or_marker()), any::<bool>());
    (head, relations(0), some(selector(), 0), order_by, tail)
        .prop_map(|((json, distinct, selection, from), restrictions, group_by, order_by, tail)| {
            let (per_partition_limit, limit, allow_filtering) = tail;
            Select {
                json,
                distinct,
                selection,
                from,
                restrictions,
                group_by,
                order_by,
                per_partition_limit,
                limit,
                allow_filtering,
            }
        })
        .boxed()
}

fn values_of(item: BoxedStrategy<Expr>) -> BoxedStrategy<InValues> {
    prop_oneof![
        3 => some(item, 0).prop_map(InValues::List),
        1 => marker().prop_map(InValues::Marker),
    ]
    .boxed()
}

pub fn relations(least: usize) -> BoxedStrategy<Vec<Relation>> {
    let operator = || {
        prop_oneof![
            6 => comparison(),
            1 => one_of(&[Operator::Contains, Operator::ContainsKey, Operator::Like][..]),
        ]
    };
    let tuple_or_marker = || prop_oneof![2 => tuple(), 1 => marker()];
    let tuples = || {
        prop_oneof![
            2 => values_of(tuple()),
            1 => some(marker(), 1).prop_map(InValues::List),
        ]
    };
    let kind = prop_oneof![
        4 => (column(), operator(), term())
            .prop_map(|(column, operator, value)| RelationKind::Column { column, operator, value }),
        2 => (column(), values_of(term()))
            .prop_map(|(column, values)| RelationKind::In { column, values }),
        1 => (some(column(), 1), comparison(), tuple_or_marker())
            .prop_map(|(columns, operator, value)| RelationKind::Columns { columns, operator, value }),
        1 => (some(column(), 1), tuples())
            .prop_map(|(columns, values)| RelationKind::ColumnsIn { columns, values }),
        1 => (some(column(), 1), comparison(), term())
            .prop_map(|(columns, operator, value)| RelationKind::Token { columns, operator, value }),
        1 => (column(), term(), comparison(), term())
            .prop_map(|(column, key, operator, value)| RelationKind::Element { column, key, operator, value }),
        1 => column().prop_map(|column| RelationKind::IsNotNull { column }),
        1 => (name(), term()).prop_map(|(name, value)| RelationKind::Custom {
            index: QualifiedName { keyspace: None, name },
            value
        }),
    ];
    some(kind.prop_map(|kind| Relation { kind, span: Span::default() }), least)
}

fn using() -> BoxedStrategy<Using> {
    (of(integer_or_marker()), of(integer_or_marker()))
        .prop_map(|(timestamp, ttl)| Using { timestamp, ttl })
        .boxed()
}

pub fn insert() -> BoxedStrategy<Insert> {
    let values = prop_oneof![
        3 => (some(column(), 1), some(term(), 1))
            .prop_map(|(columns, values)| InsertValues::Columns { columns, values }),
        1 => (json(), any::<bool>())
            .prop_map(|(value, default_unset)| InsertValues::Json { value, default_unset }),
    ];
    (qualified(), values, any::<bool>(), using())
        .prop_map(|(table, values, if_not_exists, using)| Insert { table, values, if_not_exists, using })
        .boxed()
}

fn change() -> BoxedStrategy<Change> {
    prop_oneof![
        3 => term().prop_map(Change::Set),
        1 => term().prop_map(Change::Add),
        1 => term().prop_map(Change::Prepend),
        1 => term().prop_map(Change::Subtract),
        1 => (term(), term()).prop_map(|(key, value)| Change::SetElement { key, value }),
        1 => (name(), term()).prop_map(|(field, value)| Change::SetField { field, value }),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<Option<Condition>> {
    let in_test = || values_of(term()).prop_map(ConditionTest::In);
    let compare = |operator: BoxedStrategy<Operator>| {
        (operator, term()).prop_map(|(operator, value)| ConditionTest::Compare { operator, value })
    };
    let any_operator = prop_oneof![
        3 => comparison(),
        1 => one_of(&[Operator::Contains, Operator::ContainsKey][..]),
    ];
    let of_column = (column(), prop_oneof![3 => compare(any_operator.boxed()), 1 => in_test()])
        .prop_map(|(column, test)| ColumnCondition { target: ConditionTarget::Column(column), test });
    let of_part = prop_oneof![
        (column(), term()).prop_map(|(column, key)| ConditionTarget::Element { column, key }),
        (column(), name()).prop_map(|(column, field)| ConditionTarget::Field { column, field }),
    ];
    let of_part = (of_part, prop_oneof![compare(comparison().boxed()), in_test()])
        .prop_map(|(target, test)| ColumnCondition { target, test });
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Condition::Exists)),
        2 => some(prop_oneof![2 => of_column, 1 => of_part], 1).prop_map(|c| Some(Condition::All(c))),
    ]
    .boxed()
}

pub fn update() -> BoxedStrategy<Update> {
    let assignments = proptest::collection::btree_map("[a-z\"A ]{0,3}", change(), 1..4).prop_map(|changes| {
        let assignment = |(column, change)| Assignment { column: Name::new(column), change };
        changes.into_iter().map(assignment).collect()
    });
    (qualified(), using(), assignments, relations(1), condition())
        .prop_map(|(table, using, assignments, restrictions, condition)| Update {
            table,
            using,
            assignments,
            restrictions,
            condition,
        })
        .boxed()
}

pub fn delete() -> BoxedStrategy<Delete> {
    let target = prop_oneof![
        column().prop_map(DeleteTarget::Column),
        (column(), term()).prop_map(|(column, key)| DeleteTarget::Element { column, key }),
        (column(), name()).prop_map(|(column, field)| DeleteTarget::Field { column, field }),
    ];
    let using = of(integer_or_marker()).prop_map(|timestamp| Using { timestamp, ttl: None });
    (qualified(), some(target, 0), using, relations(1), condition())
        .prop_map(|(table, targets, using, restrictions, condition)| Delete {
            table,
            targets,
            using,
            restrictions,
            condition,
        })
        .boxed()
}

pub fn batch() -> BoxedStrategy<Batch> {
    let item = prop_oneof![
        insert().prop_map(BatchItem::Insert),
        update().prop_map(BatchItem::Update),
        delete().prop_map(BatchItem::Delete),
    ];
    let kind = one_of(&[BatchKind::Logged, BatchKind::Unlogged, BatchKind::Counter][..]);
    (kind, using(), some(item, 0))
        .prop_map(|(kind, using, statements)| Batch { kind, using, statements })
        .boxed()
}
