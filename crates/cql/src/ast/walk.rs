//! Visiting the expressions of a statement.

use super::{
    Assignment, BatchItem, Change, ColumnCondition, Condition, ConditionTarget, ConditionTest, Delete,
    DeleteTarget, Expr, ExprKind, InValues, Insert, InsertValues, Mask, Name, OrderBy, Relation,
    RelationKind, Select, Selection, Statement, TableChange, Update, Using,
};

impl Statement {
    /// The statement's bind markers in the order of their values: the name of each, `None` for `?`. A name that
    /// occurs twice stands for two markers, as in Cassandra.
    pub fn bind_markers(&self) -> Vec<Option<&Name>> {
        let mut markers: Vec<(u16, Option<&Name>)> = Vec::new();
        self.for_each_expr(&mut |expr| {
            if let ExprKind::Bind { name, index } = &expr.kind {
                markers.push((*index, name.as_ref()));
            }
        });
        // USING may have its options in either order.
        markers.sort_by_key(|(index, _)| *index);
        markers.into_iter().map(|(_, name)| name).collect()
    }

    /// Calls `visit` on each expression and each part of it, an expression before its parts.
    pub fn for_each_expr<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match self {
            Statement::Select(select) => in_select(select, visit),
            Statement::Insert(insert) => in_insert(insert, visit),
            Statement::Update(update) => in_update(update, visit),
            Statement::Delete(delete) => in_delete(delete, visit),
            Statement::Batch(batch) => {
                in_using(&batch.using, visit);
                for item in &batch.statements {
                    match item {
                        BatchItem::Insert(insert) => in_insert(insert, visit),
                        BatchItem::Update(update) => in_update(update, visit),
                        BatchItem::Delete(delete) => in_delete(delete, visit),
                    }
                }
            }
            Statement::CreateTable(table) => {
                table.columns.iter().for_each(|column| in_mask(column.mask.as_ref(), visit));
            }
            Statement::AlterTable(table) => match &table.change {
                TableChange::Add { columns, .. } => {
                    columns.iter().for_each(|column| in_mask(column.mask.as_ref(), visit));
                }
                TableChange::Mask { mask, .. } => in_mask(mask.as_ref(), visit),
                _ => (),
            },
            Statement::CreateView(view) => {
                in_selection(&view.selection, visit);
                in_relations(&view.restrictions, visit);
            }
            Statement::CreateAggregate(aggregate) => in_exprs(&aggregate.initial, visit),
            _ => (),
        }
    }
}

impl Expr {
    /// Calls `visit` on the expression and each part of it, an expression before its parts.
    pub fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Null
            | ExprKind::Bind { .. }
            | ExprKind::Column(_)
            | ExprKind::CountRows => (),
            ExprKind::List(items) | ExprKind::Set(items) | ExprKind::Tuple(items) => in_exprs(items, visit),
            ExprKind::Call { arguments, .. } => in_exprs(arguments, visit),
            ExprKind::Map(entries) => {
                for (key, value) in entries {
                    key.for_each(visit);
                    value.for_each(visit);
                }
            }
            ExprKind::Udt(fields) => fields.iter().for_each(|(_, value)| value.for_each(visit)),
            ExprKind::Cast { value, .. } | ExprKind::TypeHint { value, .. } | ExprKind::Negate(value) => {
                value.for_each(visit);
            }
            ExprKind::Binary { left, right, .. } => {
                left.for_each(visit);
                right.for_each(visit);
            }
            ExprKind::Field { of, .. } | ExprKind::CellMeta { of, .. } => of.for_each(visit),
            ExprKind::Element { of, key } => {
                of.for_each(visit);
                key.for_each(visit);
            }
            ExprKind::Slice { of, from, to } => {
                of.for_each(visit);
                from.iter().chain(to).for_each(|end| end.for_each(visit));
            }
        }
    }
}

type Visit<'v, 'a> = &'v mut dyn FnMut(&'a Expr);

fn in_exprs<'a>(exprs: impl IntoIterator<Item = &'a Expr>, visit: Visit<'_, 'a>) {
    exprs.into_iter().for_each(|expr| expr.for_each(visit));
}

fn in_select<'a>(select: &'a Select, visit: Visit<'_, 'a>) {
    in_selection(&select.selection, visit);
    in_relations(&select.restrictions, visit);
    in_exprs(&select.group_by, visit);
    for ordering in &select.order_by {
        if let OrderBy::NearestTo(vector) = &ordering.by {
            vector.for_each(visit);
        }
    }
    in_exprs(&select.per_partition_limit, visit);
    in_exprs(&select.limit, visit);
}

fn in_selection<'a>(selection: &'a Selection, visit: Visit<'_, 'a>) {
    if let Selection::Items(items) = selection {
        in_exprs(items.iter().map(|item| &item.value), visit);
    }
}

fn in_insert<'a>(insert: &'a Insert, visit: Visit<'_, 'a>) {
    match &insert.values {
        InsertValues::Columns { values, .. } => in_exprs(values, visit),
        InsertValues::Json { value, .. } => value.for_each(visit),
    }
    in_using(&insert.using, visit);
}

fn in_update<'a>(update: &'a Update, visit: Visit<'_, 'a>) {
    in_using(&update.using, visit);
    update.assignments.iter().for_each(|assignment| in_assignment(assignment, visit));
    in_relations(&update.restrictions, visit);
    in_condition(update.condition.as_ref(), visit);
}

fn in_delete<'a>(delete: &'a Delete, visit: Visit<'_, 'a>) {
    for target in &delete.targets {
        if let DeleteTarget::Element { key, .. } = target {
            key.for_each(visit);
        }
    }
    in_using(&delete.using, visit);
    in_relations(&delete.restrictions, visit);
    in_condition(delete.condition.as_ref(), visit);
}

fn in_using<'a>(using: &'a Using, visit: Visit<'_, 'a>) {
    in_exprs(using.timestamp.iter().chain(&using.ttl), visit);
}

fn in_assignment<'a>(assignment: &'a Assignment, visit: Visit<'_, 'a>) {
    match &assignment.change {
        Change::Set(value) | Change::Add(value) | Change::Prepend(value) | Change::Subtract(value) => {
            value.for_each(visit);
        }
        Change::SetElement { key, value } => {
            key.for_each(visit);
            value.for_each(visit);
        }
        Change::SetField { value, .. } => value.for_each(visit),
    }
}

fn in_relations<'a>(relations: &'a [Relation], visit: Visit<'_, 'a>) {
    for relation in relations {
        match &relation.kind {
            RelationKind::Column { value, .. }
            | RelationKind::Columns { value, .. }
            | RelationKind::Token { value, .. }
            | RelationKind::Custom { value, .. } => value.for_each(visit),
            RelationKind::In { values, .. } | RelationKind::ColumnsIn { values, .. } => {
                in_values(values, visit)
            }
            RelationKind::Element { key, value, .. } => {
                key.for_each(visit);
                value.for_each(visit);
            }
            RelationKind::IsNotNull { .. } => (),
        }
    }
}

fn in_values<'a>(values: &'a InValues, visit: Visit<'_, 'a>) {
    match values {
        InValues::List(values) => in_exprs(values, visit),
        InValues::Marker(marker) => marker.for_each(visit),
    }
}

fn in_condition<'a>(condition: Option<&'a Condition>, visit: Visit<'_, 'a>) {
    let Some(Condition::All(conditions)) = condition else { return };
    for ColumnCondition { target, test } in conditions {
        if let ConditionTarget::Element { key, .. } = target {
            key.for_each(visit);
        }
        match test {
            ConditionTest::Compare { value, .. } => value.for_each(visit),
            ConditionTest::In(values) => in_values(values, visit),
        }
    }
}

fn in_mask<'a>(mask: Option<&'a Mask>, visit: Visit<'_, 'a>) {
    if let Some(mask) = mask {
        in_exprs(&mask.arguments, visit);
    }
}
