//! From a relation of WHERE, as it was written, to a restriction on columns that exist with values of their types.

use ilium_cql::CqlType;
use ilium_cql::ast::{Expr, InValues, Name, Operator, Relation, RelationKind};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Column, ColumnKind, Table};
use ilium_store::{Error, Result};

use super::restriction::{Choices, Limit, Restriction, Test, Values};
use super::token::TokenRestriction;
use super::{KeyMarkers, StatementKind};
use crate::term::{Compiler, Receiver, Term};

/// What a relation turned into.
pub(super) enum Made {
    Columns(Restriction),
    Token(TokenRestriction),
}

/// Turns the relations of one WHERE clause into restrictions.
pub(super) struct Relations<'c, 'a> {
    pub compiler: &'c mut Compiler<'a>,
    pub key_markers: &'c mut KeyMarkers,
}

impl<'a> Relations<'_, 'a> {
    fn table(&self) -> &'a Table {
        self.compiler.table()
    }

    pub fn restriction(&mut self, relation: &Relation, statement: StatementKind) -> Result<Made> {
        match &relation.kind {
            RelationKind::Column { column, operator, value } => {
                self.column(relation, column, *operator, value, statement).map(Made::Columns)
            }
            RelationKind::Element { column, key, operator, value } => {
                self.element(relation, column, key, *operator, value).map(Made::Columns)
            }
            RelationKind::In { column, values } => self.in_list(column, values).map(Made::Columns),
            RelationKind::Columns { columns, operator, value } => {
                self.tuple(relation, columns, *operator, value).map(Made::Columns)
            }
            RelationKind::ColumnsIn { columns, values } => {
                self.tuple_in(relation, columns, values).map(Made::Columns)
            }
            RelationKind::Token { columns, operator, value } => {
                self.token(relation, columns, *operator, value).map(Made::Token)
            }
            RelationKind::IsNotNull { .. } => {
                Err(Error::invalid(format!("Unsupported restriction: {}", self.text(relation))))
            }
            // Custom expressions are no restriction on a column; the caller deals with them.
            RelationKind::Custom { index, .. } => Err(Error::invalid(format!(
                "Only CUSTOM indexes may be used in custom index expressions, {} is not valid",
                index.name.text
            ))),
        }
    }

    fn existing(&self, name: &Name) -> Result<(usize, &'a Column)> {
        let table = self.table();
        table
            .column_index(name.as_str())
            .and_then(|index| Some((index, table.columns.get(index)?)))
            .ok_or_else(|| undefined_column(table, name))
    }

    fn column(
        &mut self,
        relation: &Relation,
        column: &Name,
        operator: Operator,
        value: &Expr,
        statement: StatementKind,
    ) -> Result<Restriction> {
        if matches!(operator, Operator::Contains | Operator::ContainsKey)
            && matches!(statement, StatementKind::Update | StatementKind::Delete)
        {
            return Err(Error::invalid(format!("Cannot use {statement} with {}", operator_text(operator))));
        }
        if operator == Operator::NotEqual {
            return Err(self.not_equal(relation));
        }
        let (index, column) = self.existing(column)?;
        if is_slice(operator) && column.column_type.references_duration() {
            let on = match &column.column_type {
                ty if ty.is_collection() => "collections containing durations",
                ty if ty.is_tuple() => "tuples containing durations",
                ty if ty.is_udt() => "UDTs containing durations",
                _ => "duration columns",
            };
            return Err(Error::invalid(format!("Slice restrictions are not supported on {on}")));
        }
        let receiver = self.receiver(column, operator_text(operator))?;
        let receiver = match operator {
            Operator::Contains => receiver.value(),
            Operator::ContainsKey => receiver.key(),
            _ => receiver,
        };
        let term = self.compiler.term(value, &receiver)?;
        if !matches!(operator, Operator::Contains | Operator::ContainsKey) {
            self.note_key_marker(index, &term);
        }
        let test = match operator {
            Operator::Equal => Test::Equal(Values::Each(vec![term])),
            Operator::Contains => {
                Test::Contains { values: vec![term], keys: Vec::new(), entries: Vec::new() }
            }
            Operator::ContainsKey => {
                Test::Contains { values: Vec::new(), keys: vec![term], entries: Vec::new() }
            }
            // No index of this engine answers LIKE.
            Operator::Like => {
                return Err(Error::invalid(format!(
                    "LIKE restriction is only supported on properly indexed columns. {} is not valid.",
                    self.text(relation)
                )));
            }
            _ => slice(operator, Values::Each(vec![term])),
        };
        Ok(Restriction::one(index, test))
    }

    fn element(
        &mut self,
        relation: &Relation,
        column: &Name,
        key: &Expr,
        operator: Operator,
        value: &Expr,
    ) -> Result<Restriction> {
        if operator == Operator::NotEqual {
            return Err(self.not_equal(relation));
        }
        let (index, column) = self.existing(column)?;
        let (name, ty) = (&column.name, &column.column_type);
        match ty {
            CqlType::List { .. } => {
                return Err(Error::invalid(format!(
                    "Indexes on list entries ({name}[index] = value) are not currently supported."
                )));
            }
            CqlType::Map { .. } => {}
            _ => return Err(Error::invalid(format!("Column {name} cannot be used as a map"))),
        }
        if !ty.is_multi_cell() {
            return Err(Error::invalid(format!(
                "Map-entry equality predicates on frozen map column {name} are not supported"
            )));
        }
        if operator != Operator::Equal {
            return Err(Error::invalid("Only EQ relations are supported on map entries"));
        }
        let receiver = Receiver::of(self.table(), column);
        let key = self.compiler.term(key, &receiver.key())?;
        let value = self.compiler.term(value, &receiver.value())?;
        Ok(Restriction::one(
            index,
            Test::Contains { values: Vec::new(), keys: Vec::new(), entries: vec![(key, value)] },
        ))
    }

    fn in_list(&mut self, column: &Name, values: &InValues) -> Result<Restriction> {
        let (index, column) = self.existing(column)?;
        let receiver = self.receiver(column, "IN")?;
        let test = match values {
            InValues::Marker(marker) => {
                Test::In(Choices::Marker(self.compiler.term(marker, &receiver.in_list())?))
            }
            InValues::List(values) => {
                let mut terms = values
                    .iter()
                    .map(|value| {
                        let term = self.compiler.term(value, &receiver)?;
                        self.note_key_marker(index, &term);
                        Ok(Values::Each(vec![term]))
                    })
                    .collect::<Result<Vec<_>>>()?;
                match (terms.pop(), terms.is_empty()) {
                    // `IN (a)` is `= a`.
                    (Some(only), true) => Test::Equal(only),
                    (Some(last), false) => {
                        terms.push(last);
                        Test::In(Choices::List(terms))
                    }
                    (None, _) => Test::In(Choices::List(terms)),
                }
            }
        };
        Ok(Restriction::one(index, test))
    }

    fn tuple(
        &mut self,
        relation: &Relation,
        columns: &[Name],
        operator: Operator,
        value: &Expr,
    ) -> Result<Restriction> {
        let test: fn(Operator, Values) -> Test = match operator {
            Operator::NotEqual => return Err(self.not_equal(relation)),
            Operator::Contains | Operator::ContainsKey | Operator::Like => {
                return Err(Error::invalid(format!(
                    "{} cannot be used for multi-column relations",
                    operator_text(operator)
                )));
            }
            Operator::Equal => |_, values| Test::Equal(values),
            _ => slice,
        };
        let (columns, receivers) = self.clustering_columns(relation, columns)?;
        let values = values_of(self.compiler.columns_term(value, &receivers)?);
        Ok(Restriction { columns, tuple: true, test: test(operator, values) })
    }

    fn tuple_in(&mut self, relation: &Relation, columns: &[Name], values: &InValues) -> Result<Restriction> {
        let (columns, receivers) = self.clustering_columns(relation, columns)?;
        let test = match values {
            InValues::Marker(marker) => {
                if receivers.iter().any(|r| r.column_type.is_collection() && r.column_type.is_multi_cell()) {
                    return Err(Error::invalid("Non-frozen collection columns do not support IN relations"));
                }
                let whole = Receiver::tuple_in_list(&receivers)
                    .ok_or_else(|| Error::invalid("A tuple of no columns cannot be compared"))?;
                Test::In(Choices::Marker(self.compiler.term(marker, &whole)?))
            }
            InValues::List(values) => {
                let mut tuples = values
                    .iter()
                    .map(|value| Ok(values_of(self.compiler.columns_term(value, &receivers)?)))
                    .collect::<Result<Vec<_>>>()?;
                match tuples.len() {
                    1 => tuples.pop().map_or(Test::In(Choices::List(Vec::new())), Test::Equal),
                    _ => Test::In(Choices::List(tuples)),
                }
            }
        };
        Ok(Restriction { columns, tuple: true, test })
    }

    /// The columns of a tuple, which must be clustering columns that follow each other.
    fn clustering_columns(&self, relation: &Relation, names: &[Name]) -> Result<(Vec<usize>, Vec<Receiver>)> {
        let mut columns: Vec<usize> = Vec::with_capacity(names.len());
        let mut receivers = Vec::with_capacity(names.len());
        for name in names {
            let (index, column) = self.existing(name)?;
            if column.kind != ColumnKind::Clustering {
                return Err(Error::invalid(format!(
                    "Multi-column relations can only be applied to clustering columns but was applied to: {}",
                    column.name
                )));
            }
            if columns.contains(&index) {
                return Err(Error::invalid(format!(
                    "Column \"{}\" appeared twice in a relation: {}",
                    column.name,
                    self.text(relation)
                )));
            }
            if columns.last().is_some_and(|previous| index != previous + 1) {
                return Err(Error::invalid(format!(
                    "Clustering columns must appear in the PRIMARY KEY order in multi-column relations: {}",
                    self.text(relation)
                )));
            }
            columns.push(index);
            receivers.push(Receiver::of(self.table(), column));
        }
        Ok((columns, receivers))
    }

    fn token(
        &mut self,
        relation: &Relation,
        names: &[Name],
        operator: Operator,
        value: &Expr,
    ) -> Result<TokenRestriction> {
        match operator {
            Operator::NotEqual => return Err(self.not_equal(relation)),
            Operator::Contains | Operator::ContainsKey | Operator::Like => {
                return Err(Error::invalid(format!(
                    "{} cannot be used with the token function",
                    operator_text(operator)
                )));
            }
            _ => {}
        }
        let columns = names.iter().map(|name| Ok(self.existing(name)?.0)).collect::<Result<Vec<_>>>()?;
        check_token_columns(self.table(), &columns)?;
        let receiver = Receiver::named(self.table(), "partition key token", CqlType::Bigint);
        let term = self.compiler.term(value, &receiver)?;
        Ok(match operator {
            Operator::Equal => TokenRestriction::Equal(term),
            Operator::Greater => TokenRestriction::slice(Some((term, false)), None),
            Operator::GreaterOrEqual => TokenRestriction::slice(Some((term, true)), None),
            Operator::LessOrEqual => TokenRestriction::slice(None, Some((term, true))),
            _ => TokenRestriction::slice(None, Some((term, false))),
        })
    }

    /// What takes the values a column is compared with, once the relation is known to be legal for its type.
    fn receiver(&self, column: &Column, operator: &str) -> Result<Receiver> {
        let (name, ty) = (&column.name, &column.column_type);
        let contains = matches!(operator, "CONTAINS" | "CONTAINS KEY");
        if operator == "CONTAINS KEY" && !matches!(ty, CqlType::Map { .. }) {
            return Err(Error::invalid(format!("Cannot use CONTAINS KEY on non-map column {name}")));
        }
        if operator == "CONTAINS" && !ty.is_collection() {
            return Err(Error::invalid(format!("Cannot use CONTAINS on non-collection column {name}")));
        }
        if ty.is_udt() && ty.is_multi_cell() {
            return Err(Error::invalid(format!(
                "Non-frozen UDT column '{name}' ({ty}) cannot be restricted by any relation"
            )));
        }
        if ty.is_collection() && ty.is_multi_cell() && !contains {
            return Err(Error::invalid(format!(
                "Collection column '{name}' ({ty}) cannot be restricted by a '{operator}' relation"
            )));
        }
        Ok(Receiver::of(self.table(), column))
    }

    /// A marker that is a partition key column's value carries the routing key.
    fn note_key_marker(&mut self, column: usize, term: &Term) {
        if let Some(marker) = term.as_bind() {
            self.key_markers.note(column, marker);
        }
    }

    fn not_equal(&self, relation: &Relation) -> Error {
        Error::invalid(format!("Unsupported \"!=\" relation: {}", self.text(relation)))
    }

    /// A relation as Cassandra's messages show it.
    fn text(&self, relation: &Relation) -> String {
        let expr = |expr: &Expr| self.compiler.text_of(expr);
        let names = |names: &[Name]| {
            names.iter().map(|name| quote_if_needed(name.as_str())).collect::<Vec<_>>().join(", ")
        };
        let choices = |values: &InValues| match values {
            InValues::List(values) => format!("({})", values.iter().map(expr).collect::<Vec<_>>().join(", ")),
            InValues::Marker(_) => "?".to_owned(),
        };
        match &relation.kind {
            RelationKind::Column { column, operator, value } => {
                format!("{} {} {}", quote_if_needed(column.as_str()), operator_text(*operator), expr(value))
            }
            RelationKind::In { column, values } => {
                format!("{} IN {}", quote_if_needed(column.as_str()), choices(values))
            }
            RelationKind::Columns { columns, operator, value } => {
                format!("({}) {} {}", names(columns), operator_text(*operator), expr(value))
            }
            RelationKind::ColumnsIn { columns, values } => {
                format!("({}) IN {}", names(columns), choices(values))
            }
            RelationKind::Token { columns, operator, value } => {
                format!("token({}) {} {}", names(columns), operator_text(*operator), expr(value))
            }
            RelationKind::Element { column, key, operator, value } => format!(
                "{}[{}] {} {}",
                quote_if_needed(column.as_str()),
                expr(key),
                operator_text(*operator),
                expr(value)
            ),
            RelationKind::IsNotNull { column } => format!("{} IS NOT NULL", quote_if_needed(column.as_str())),
            RelationKind::Custom { index, value } => format!("expr({},{})", index.name.text, expr(value)),
        }
    }
}

/// `Undefined column name x in table ks.t`.
pub(in crate::select) fn undefined_column(table: &Table, name: &Name) -> Error {
    Error::invalid(format!(
        "Undefined column name {} in table {}.{}",
        quote_if_needed(name.as_str()),
        quote_if_needed(&table.keyspace),
        quote_if_needed(&table.name)
    ))
}

fn check_token_columns(table: &Table, columns: &[usize]) -> Result<()> {
    let key: Vec<usize> = (0..table.partition_key().count()).collect();
    if columns == key {
        return Ok(());
    }
    if !key.iter().all(|column| columns.contains(column)) {
        return Err(Error::invalid(
            "The token() function must be applied to all partition key components or none of them",
        ));
    }
    let mut seen = columns.to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != columns.len() {
        return Err(Error::invalid("The token() function contains duplicate partition key components"));
    }
    if columns.iter().any(|column| !key.contains(column)) {
        return Err(Error::invalid("The token() function must contains only partition key components"));
    }
    let names: Vec<&str> = table.partition_key().map(|column| &*column.name).collect();
    Err(Error::invalid(format!(
        "The token function arguments must be in the partition key order: {}",
        names.join(", ")
    )))
}

fn values_of(term: Term) -> Values {
    match term.as_tuple() {
        Some(parts) => Values::Each(parts.to_vec()),
        None => Values::Tuple(term),
    }
}

fn slice(operator: Operator, values: Values) -> Test {
    let limit = |inclusive| Some(Limit { values: values.clone(), inclusive });
    match operator {
        Operator::Greater => Test::Slice { start: limit(false), end: None },
        Operator::GreaterOrEqual => Test::Slice { start: limit(true), end: None },
        Operator::LessOrEqual => Test::Slice { start: None, end: limit(true) },
        _ => Test::Slice { start: None, end: limit(false) },
    }
}

fn is_slice(operator: Operator) -> bool {
    matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual)
}

fn operator_text(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Contains => "CONTAINS",
        Operator::ContainsKey => "CONTAINS KEY",
        Operator::Like => "LIKE",
    }
}
