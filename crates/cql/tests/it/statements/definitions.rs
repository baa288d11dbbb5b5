//! Statements that define things, and DESCRIBE.

use ilium_cql::ast::*;
use proptest::collection::btree_map;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::expressions::*;
use super::rows::{relations, selection};
use super::*;

fn flag() -> proptest::bool::Any {
    any::<bool>()
}

fn properties(least: usize) -> BoxedStrategy<Vec<Property>> {
    let simple = prop_oneof![text(), "-?[0-9]{1,20}(\\.[0-9]{1,3})?", "true|false|NaN|1e400"];
    let map = btree_map(text(), text(), 0..3).prop_map(|map| PropertyValue::Map(map.into_iter().collect()));
    let value = prop_oneof![2 => simple.prop_map(PropertyValue::Simple), 1 => map];
    btree_map(name().prop_map(|name| name.text), value, least..4)
        .prop_map(|map| {
            let property = |(name, value)| Property { name: Name::new(name), value };
            map.into_iter().map(property).collect()
        })
        .boxed()
}

fn mask() -> BoxedStrategy<Mask> {
    (qualified(), some(term(), 0)).prop_map(|(function, arguments)| Mask { function, arguments }).boxed()
}

fn column_definition() -> BoxedStrategy<ColumnDefinition> {
    (name(), type_name(), flag(), of(mask()))
        .prop_map(|(name, column_type, is_static, mask)| ColumnDefinition {
            name,
            column_type,
            is_static,
            mask,
        })
        .boxed()
}

fn primary_key() -> BoxedStrategy<PrimaryKey> {
    (some(name(), 1), some(name(), 0))
        .prop_map(|(partition, clustering)| PrimaryKey { partition, clustering })
        .boxed()
}

fn table_options(compact: BoxedStrategy<bool>) -> BoxedStrategy<TableOptions> {
    let direction = one_of(&[Direction::Ascending, Direction::Descending][..]);
    (properties(0), some((name(), direction), 0), compact)
        .prop_map(|(properties, clustering_order, compact_storage)| TableOptions {
            properties,
            clustering_order,
            compact_storage,
        })
        .boxed()
}

fn create_table() -> BoxedStrategy<Statement> {
    (qualified(), flag(), some(column_definition(), 1), some(primary_key(), 0), table_options(flag().boxed()))
        .prop_map(|(name, if_not_exists, columns, primary_keys, options)| {
            Statement::CreateTable(CreateTable { name, if_not_exists, columns, primary_keys, options })
        })
        .boxed()
}

fn alter_table() -> BoxedStrategy<Statement> {
    let change = prop_oneof![
        (flag(), some(column_definition(), 1))
            .prop_map(|(if_not_exists, columns)| TableChange::Add { if_not_exists, columns }),
        (flag(), some(name(), 1), of(any::<i64>()))
            .prop_map(|(if_exists, columns, timestamp)| TableChange::Drop { if_exists, columns, timestamp }),
        (flag(), some((name(), name()), 1))
            .prop_map(|(if_exists, renames)| TableChange::Rename { if_exists, renames }),
        (column(), type_name()).prop_map(|(column, to)| TableChange::AlterType { column, to }),
        (flag(), column(), of(mask())).prop_map(|(if_exists, column, mask)| TableChange::Mask {
            if_exists,
            column,
            mask
        }),
        properties(1).prop_map(TableChange::Options),
        Just(TableChange::DropCompactStorage),
    ];
    (qualified(), flag(), change)
        .prop_map(|(name, if_exists, change)| Statement::AlterTable(AlterTable { name, if_exists, change }))
        .boxed()
}

fn user_type() -> BoxedStrategy<Statement> {
    let change = prop_oneof![
        (flag(), name(), type_name()).prop_map(|(if_not_exists, field, field_type)| TypeChange::Add {
            if_not_exists,
            field,
            field_type
        }),
        (flag(), some((name(), name()), 1))
            .prop_map(|(if_exists, renames)| TypeChange::Rename { if_exists, renames }),
        (name(), type_name()).prop_map(|(field, to)| TypeChange::Alter { field, to }),
    ];
    prop_oneof![
        (qualified(), flag(), some((name(), type_name()), 1)).prop_map(|(name, if_not_exists, fields)| {
            Statement::CreateType(CreateType { name, if_not_exists, fields })
        }),
        (qualified(), flag(), change).prop_map(|(name, if_exists, change)| {
            Statement::AlterType(AlterType { name, if_exists, change })
        }),
        (qualified(), flag()).prop_map(|(name, if_exists)| Statement::DropType { name, if_exists }),
    ]
    .boxed()
}

fn index() -> BoxedStrategy<Statement> {
    let on = [IndexOn::Simple, IndexOn::Values, IndexOn::Keys, IndexOn::Entries, IndexOn::Full];
    let target = (column(), one_of(on.to_vec())).prop_map(|(column, on)| IndexTarget { column, on });
    let index_name = of(name().prop_map(|name| QualifiedName { keyspace: None, name }));
    let create = (index_name, flag(), flag(), qualified(), some(target, 0), of(text()), properties(0));
    prop_oneof![
        create.prop_map(|(name, custom, if_not_exists, table, targets, using, options)| {
            Statement::CreateIndex(CreateIndex {
                name,
                custom,
                if_not_exists,
                table,
                targets,
                using,
                options,
            })
        }),
        (qualified(), flag()).prop_map(|(name, if_exists)| Statement::DropIndex { name, if_exists }),
    ]
    .boxed()
}

fn view() -> BoxedStrategy<Statement> {
    let create = (
        qualified(),
        flag(),
        selection(),
        qualified(),
        relations(0),
        primary_key(),
        table_options(Just(false).boxed()),
    );
    prop_oneof![
        create.prop_map(|(name, if_not_exists, selection, from, restrictions, primary_key, options)| {
            let primary_keys = vec![primary_key];
            Statement::CreateView(CreateView {
                name,
                if_not_exists,
                selection,
                from,
                restrictions,
                primary_keys,
                options,
            })
        }),
        (qualified(), flag(), properties(1)).prop_map(|(name, if_exists, options)| Statement::AlterView {
            name,
            if_exists,
            options
        }),
        (qualified(), flag()).prop_map(|(name, if_exists)| Statement::DropView { name, if_exists }),
    ]
    .boxed()
}

fn routine() -> BoxedStrategy<Statement> {
    let arguments = || some((name(), type_name()), 0);
    let language = "java|javascript|lua".prop_map(Name::new);
    let function = (qualified(), flag(), flag(), arguments(), flag(), type_name(), language, text());
    let aggregate =
        (qualified(), flag(), flag(), some(type_name(), 0), name(), type_name(), of(name()), of(term()));
    prop_oneof![
        function.prop_map(
            |(name, or_replace, if_not_exists, arguments, called_on_null, returns, language, body)| {
                Statement::CreateFunction(CreateFunction {
                    name,
                    or_replace,
                    if_not_exists,
                    arguments,
                    called_on_null,
                    returns,
                    language,
                    body,
                })
            }
        ),
        aggregate.prop_map(
            |(
                name,
                or_replace,
                if_not_exists,
                arguments,
                state_function,
                state_type,
                final_function,
                initial,
            )| {
                Statement::CreateAggregate(CreateAggregate {
                    name,
                    or_replace,
                    if_not_exists,
                    arguments,
                    state_function,
                    state_type,
                    final_function,
                    initial,
                })
            }
        ),
        (qualified(), of(some(type_name(), 0)), flag())
            .prop_map(|(name, arguments, if_exists)| Statement::DropFunction { name, arguments, if_exists }),
        (qualified(), of(some(type_name(), 0)), flag())
            .prop_map(|(name, arguments, if_exists)| Statement::DropAggregate { name, arguments, if_exists }),
    ]
    .boxed()
}

fn describe() -> BoxedStrategy<Statement> {
    use DescribeTarget as D;
    let lists = [D::Cluster, D::Keyspaces, D::Tables, D::Types, D::Functions, D::Aggregates];
    let what = prop_oneof![
        one_of(lists.to_vec()),
        flag().prop_map(|full| D::Schema { full }),
        (of(name()), flag()).prop_map(|(name, only)| D::Keyspace { name, only }),
        qualified().prop_map(D::Table),
        qualified().prop_map(D::Index),
        qualified().prop_map(D::View),
        qualified().prop_map(D::Type),
        qualified().prop_map(D::Function),
        qualified().prop_map(D::Aggregate),
        qualified().prop_map(D::Any),
    ];
    (what, flag())
        .prop_map(|(what, with_internals)| Statement::Describe(Describe { what, with_internals }))
        .boxed()
}

pub fn statement() -> BoxedStrategy<Statement> {
    prop_oneof![
        (name(), flag(), properties(1)).prop_map(|(name, if_not_exists, options)| {
            Statement::CreateKeyspace(CreateKeyspace { name, if_not_exists, options })
        }),
        (name(), flag(), properties(1)).prop_map(|(name, if_exists, options)| {
            Statement::AlterKeyspace(AlterKeyspace { name, if_exists, options })
        }),
        (name(), flag()).prop_map(|(name, if_exists)| Statement::DropKeyspace { name, if_exists }),
        create_table(),
        alter_table(),
        (qualified(), flag()).prop_map(|(name, if_exists)| Statement::DropTable { name, if_exists }),
        user_type(),
        index(),
        view(),
        routine(),
        (name(), qualified(), text(), flag()).prop_map(|(name, table, class, if_not_exists)| {
            Statement::CreateTrigger { name, table, class, if_not_exists }
        }),
        (name(), qualified(), flag()).prop_map(|(name, table, if_exists)| Statement::DropTrigger {
            name,
            table,
            if_exists
        }),
        describe(),
    ]
    .boxed()
}
