//! Statements that read and change rows.

use std::fmt::{self, Display, Formatter};

use super::name::SelectedName;
use super::{Joined, commas, when};
use crate::ast::{
    Assignment, Batch, BatchItem, BatchKind, Change, ColumnCondition, Condition, ConditionTarget,
    ConditionTest, Delete, DeleteTarget, Expr, ExprKind, Insert, InsertValues, OrderBy, Ordering, Relation,
    RelationKind, Select, Selection, Selector, Update, Using,
};

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let json = when(self.json, "JSON ");
        let distinct = when(self.distinct, "DISTINCT ");
        write!(f, "SELECT {json}{distinct}{} FROM {}", self.selection, self.from)?;
        write_where(f, &self.restrictions)?;
        if !self.group_by.is_empty() {
            write!(f, " GROUP BY {}", commas(&self.group_by))?;
        }
        if !self.order_by.is_empty() {
            write!(f, " ORDER BY {}", commas(&self.order_by))?;
        }
        if let Some(limit) = &self.per_partition_limit {
            write!(f, " PER PARTITION LIMIT {limit}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        f.write_str(when(self.allow_filtering, " ALLOW FILTERING"))
    }
}

impl Display for Selection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Selection::All => f.write_str("*"),
            Selection::Items(items) => commas(items).fmt(f),
        }
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", SelectedName(alias)),
            None => Ok(()),
        }
    }
}

impl Display for Ordering {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.by {
            OrderBy::Ascending => write!(f, "{} ASC", self.column),
            OrderBy::Descending => write!(f, "{} DESC", self.column),
            OrderBy::NearestTo(vector) => write!(f, "{} ANN OF {vector}", self.column),
        }
    }
}

pub(super) fn write_where(f: &mut Formatter<'_>, relations: &[Relation]) -> fmt::Result {
    if relations.is_empty() {
        return Ok(());
    }
    write!(f, " WHERE {}", Joined(relations, " AND "))
}

impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RelationKind::Column { column, operator, value } => write!(f, "{column} {operator} {value}"),
            RelationKind::In { column, values } => write!(f, "{column} IN {values}"),
            RelationKind::Columns { columns, operator, value } => {
                write!(f, "({}) {operator} {value}", commas(columns))
            }
            RelationKind::ColumnsIn { columns, values } => write!(f, "({}) IN {values}", commas(columns)),
            RelationKind::Token { columns, operator, value } => {
                write!(f, "token({}) {operator} {value}", commas(columns))
            }
            RelationKind::Element { column, key, operator, value } => {
                write!(f, "{column}[{key}] {operator} {value}")
            }
            RelationKind::IsNotNull { column } => write!(f, "{column} IS NOT NULL"),
            RelationKind::Custom { index, value } => write!(f, "expr({index}, {value})"),
        }
    }
}

/// USING with a space before it, or nothing. The marker that was numbered first goes first, so that the text numbers
/// them alike.
impl Display for Using {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.timestamp, &self.ttl) {
            (None, None) => Ok(()),
            (Some(timestamp), None) => write!(f, " USING TIMESTAMP {timestamp}"),
            (None, Some(ttl)) => write!(f, " USING TTL {ttl}"),
            (Some(timestamp), Some(ttl)) if marker_index(ttl) < marker_index(timestamp) => {
                write!(f, " USING TTL {ttl} AND TIMESTAMP {timestamp}")
            }
            (Some(timestamp), Some(ttl)) => write!(f, " USING TIMESTAMP {timestamp} AND TTL {ttl}"),
        }
    }
}

fn marker_index(expr: &Expr) -> Option<u16> {
    match expr.kind {
        ExprKind::Bind { index, .. } => Some(index),
        _ => None,
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT INTO {} ", self.table)?;
        match &self.values {
            InsertValues::Columns { columns, values } => {
                write!(f, "({}) VALUES ({})", commas(columns), commas(values))?;
            }
            InsertValues::Json { value, default_unset } => {
                write!(f, "JSON {value}{}", when(*default_unset, " DEFAULT UNSET"))?;
            }
        }
        write!(f, "{}{}", when(self.if_not_exists, " IF NOT EXISTS"), self.using)
    }
}

impl Display for Update {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UPDATE {}{} SET {}", self.table, self.using, commas(&self.assignments))?;
        write_where(f, &self.restrictions)?;
        write_condition(f, self.condition.as_ref())
    }
}

impl Display for Assignment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match &self.change {
            Change::Set(value) => write!(f, "{column} = {value}"),
            Change::Add(value) => write!(f, "{column} = {column} + {value}"),
            Change::Prepend(value) => write!(f, "{column} = {value} + {column}"),
            Change::Subtract(value) => write!(f, "{column} = {column} - {value}"),
            Change::SetElement { key, value } => write!(f, "{column}[{key}] = {value}"),
            Change::SetField { field, value } => write!(f, "{column}.{field} = {value}"),
        }
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("DELETE ")?;
        if !self.targets.is_empty() {
            write!(f, "{} ", commas(&self.targets))?;
        }
        write!(f, "FROM {}{}", self.table, self.using)?;
        write_where(f, &self.restrictions)?;
        write_condition(f, self.condition.as_ref())
    }
}

impl Display for DeleteTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DeleteTarget::Column(column) => column.fmt(f),
            DeleteTarget::Element { column, key } => write!(f, "{column}[{key}]"),
            DeleteTarget::Field { column, field } => write!(f, "{column}.{field}"),
        }
    }
}

fn write_condition(f: &mut Formatter<'_>, condition: Option<&Condition>) -> fmt::Result {
    match condition {
        None => Ok(()),
        Some(Condition::Exists) => f.write_str(" IF EXISTS"),
        Some(Condition::All(conditions)) => write!(f, " IF {}", Joined(conditions, " AND ")),
    }
}

impl Display for ColumnCondition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.target {
            ConditionTarget::Column(column) => column.fmt(f)?,
            ConditionTarget::Element { column, key } => write!(f, "{column}[{key}]")?,
            ConditionTarget::Field { column, field } => write!(f, "{column}.{field}")?,
        }
        match &self.test {
            ConditionTest::Compare { operator, value } => write!(f, " {operator} {value}"),
            ConditionTest::In(values) => write!(f, " IN {values}"),
        }
    }
}

impl Display for Batch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BatchKind::Logged => "",
            BatchKind::Unlogged => "UNLOGGED ",
            BatchKind::Counter => "COUNTER ",
        };
        write!(f, "BEGIN {kind}BATCH{}", self.using)?;
        for statement in &self.statements {
            write!(f, " {statement};")?;
        }
        f.write_str(" APPLY BATCH")
    }
}

impl Display for BatchItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            BatchItem::Insert(insert) => insert.fmt(f),
            BatchItem::Update(update) => update.fmt(f),
            BatchItem::Delete(delete) => delete.fmt(f),
        }
    }
}
