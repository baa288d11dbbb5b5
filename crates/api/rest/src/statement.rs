//! Parts of statements.

use ilium_cql::ast::{
    Delete, Expr, ExprKind, Name, Operator, Ordering, QualifiedName, Relation, RelationKind, Select,
    Selection, Span, Statement, Using,
};
use ilium_cql::schema::{Column, Table};

/// Bytes of a name given by `as`. It is written once a row; columns have shorter names.
pub const MAX_ALIAS: usize = 256;

pub fn qualified(keyspace: &str, name: &str) -> QualifiedName {
    QualifiedName { keyspace: Some(Name::new(keyspace)), name: Name::new(name) }
}

pub fn of_table(table: &Table) -> QualifiedName {
    qualified(&table.keyspace, &table.name)
}

pub fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

pub fn relation(kind: RelationKind) -> Relation {
    Relation { kind, span: Span::default() }
}

/// Hands out markers in the order of their values.
#[derive(Default)]
pub struct Markers(u16);

impl Markers {
    pub fn next(&mut self) -> Expr {
        let index = self.0;
        // A statement of more markers is refused for its other limits: a body names columns of one table.
        self.0 = self.0.saturating_add(1);
        expr(ExprKind::Bind { name: None, index })
    }

    /// The marker where the value is given.
    pub fn next_if(&mut self, given: bool) -> Option<Expr> {
        given.then(|| self.next())
    }

    pub fn equal(&mut self, column: &Column) -> Relation {
        relation(RelationKind::Column {
            column: Name::new(&*column.name),
            operator: Operator::Equal,
            value: self.next(),
        })
    }
}

pub fn select(
    table: &Table,
    selection: Selection,
    restrictions: Vec<Relation>,
    order_by: Vec<Ordering>,
    allow_filtering: bool,
) -> Statement {
    Statement::Select(Select {
        json: false,
        distinct: false,
        selection,
        from: of_table(table),
        restrictions,
        group_by: Vec::new(),
        order_by,
        per_partition_limit: None,
        limit: None,
        allow_filtering,
    })
}

pub fn delete(table: &Table, using: Using, restrictions: Vec<Relation>) -> Delete {
    Delete { table: of_table(table), targets: Vec::new(), using, restrictions, condition: None }
}
