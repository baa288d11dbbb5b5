//! SELECT statements, made as trees with markers.

use ilium_cql::ast::{
    Expr, ExprKind, Name, Operator, QualifiedName, Relation, RelationKind, Select, Selection, Selector, Span,
};

/// Reads these columns, or all where none is named, of the rows whose columns in `equal` have the values bound.
pub fn select<'a>(
    (keyspace, table): (&str, &str),
    columns: &[&str],
    equal: impl IntoIterator<Item = &'a str>,
) -> Select {
    let expr = |kind| Expr { kind, span: Span::default() };
    let items = columns
        .iter()
        .map(|column| Selector { value: expr(ExprKind::Column(Name::new(*column))), alias: None })
        .collect();
    let restrictions = (0..).zip(equal).map(|(index, column)| Relation {
        kind: RelationKind::Column {
            column: Name::new(column),
            operator: Operator::Equal,
            value: expr(ExprKind::Bind { name: None, index }),
        },
        span: Span::default(),
    });
    Select {
        json: false,
        distinct: false,
        selection: if columns.is_empty() { Selection::All } else { Selection::Items(items) },
        from: QualifiedName { keyspace: Some(Name::new(keyspace)), name: Name::new(table) },
        restrictions: restrictions.collect(),
        group_by: Vec::new(),
        order_by: Vec::new(),
        per_partition_limit: None,
        limit: None,
        allow_filtering: false,
    }
}
