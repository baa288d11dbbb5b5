//! GROUP BY: the checks of its columns, and where one group of rows ends and the next begins.

use ilium_cql::ast::{Expr, ExprKind};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::ColumnKind;
use ilium_cql::value::compare;
use ilium_store::{Error, Result};

use super::restrictions::Restrictions;
use crate::catalog::entry::TableEntry;
use crate::layout::live_row::LiveRow;
use crate::term::{Compiler, Env, RowValues, Term};

const DECLARED_ORDER: &str =
    "Group by currently only support groups of columns following their declared order in the PRIMARY KEY";

/// Rows of one partition that agree in so many clustering columns, or in a function of the last of them, are a group.
#[derive(Debug, Clone)]
pub(super) struct Grouping {
    /// How many clustering columns, the function's included.
    prefix: usize,
    function: Option<Term>,
}

impl Grouping {
    /// `None`: there is no GROUP BY.
    pub fn compile(
        group_by: &[Expr],
        distinct: bool,
        entry: &TableEntry,
        restrictions: &Restrictions,
        compiler: &mut Compiler<'_>,
    ) -> Result<Option<Grouping>> {
        if group_by.is_empty() {
            return Ok(None);
        }
        let mut keys = 0..entry.key_len();
        let mut function: Option<Term> = None;
        let mut prefix = 0;
        for expr in group_by {
            let term = compiler.selector(expr, None)?.term;
            let column = match term.as_column() {
                Some(column) => {
                    check_column(entry, column)?;
                    if function.is_some() {
                        return Err(Error::invalid(
                            "Functions are only supported on the last element of the GROUP BY clause",
                        ));
                    }
                    column
                }
                None => {
                    let column = function_column(entry, &term, expr)?;
                    function = Some(term);
                    column
                }
            };
            loop {
                let key = keys.next().ok_or_else(|| Error::invalid(DECLARED_ORDER))?;
                if key >= entry.partition_key_len {
                    prefix += 1;
                }
                if key == column {
                    break;
                }
                if !restrictions.is_restricted_by_equal(key) {
                    return Err(Error::invalid(DECLARED_ORDER));
                }
            }
        }
        if keys.next().is_some_and(|key| key < entry.partition_key_len) {
            return Err(Error::invalid("Group by is not supported on only a part of the partition key"));
        }
        if prefix > 0 && distinct {
            return Err(Error::invalid(
                "Grouping on clustering columns is not allowed for SELECT DISTINCT queries",
            ));
        }
        Ok(Some(Grouping { prefix, function }))
    }

    /// Whether groups can be told as rows go by. Cassandra asks when the statement runs, not when it is prepared.
    pub fn check_function(&self) -> Result<()> {
        match &self.function {
            Some(function) => check_monotonic(function),
            None => Ok(()),
        }
    }

    /// Calls `visit` with every column that decides about groups.
    pub fn visit_columns(&self, entry: &TableEntry, visit: &mut dyn FnMut(usize)) {
        for column in entry.partition_key_len..entry.partition_key_len + self.prefix {
            visit(column);
        }
    }

    /// How many of the clustering columns are compared as they are.
    fn compared(&self) -> usize {
        if self.function.is_some() { self.prefix.saturating_sub(1) } else { self.prefix }
    }
}

fn check_monotonic(term: &Term) -> Result<()> {
    let Some((function, arguments)) = term.as_call() else {
        let simple = term.as_column().is_some() || term.as_constant().is_some() || term.as_bind().is_some();
        return if simple || term.is_null() {
            Ok(())
        } else {
            Err(Error::invalid(
                "Only column names and monotonic scalar functions are supported in the GROUP BY clause.",
            ))
        };
    };
    if !function.is_monotonic() {
        return Err(Error::invalid(format!(
            "Only monotonic functions are supported in the GROUP BY clause. Got: {function} "
        )));
    }
    arguments.iter().try_for_each(check_monotonic)
}

fn check_column(entry: &TableEntry, column: usize) -> Result<()> {
    match entry.table.columns.get(column) {
        Some(found) if !matches!(found.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) => {
            Err(Error::invalid(format!(
                "Group by is currently only supported on the columns of the PRIMARY KEY, got {}",
                found.name
            )))
        }
        _ => Ok(()),
    }
}

/// The one clustering column that a function of GROUP BY is of.
fn function_column(entry: &TableEntry, term: &Term, written: &Expr) -> Result<usize> {
    if term.has_aggregate() {
        let name = match &written.kind {
            ExprKind::Call { function, .. } => function.name.as_str(),
            _ => "count_rows",
        };
        return Err(Error::invalid(format!(
            "Aggregate functions are not supported within the GROUP BY clause, got: system.{name}"
        )));
    }
    let mut columns: Vec<usize> = Vec::new();
    term.visit_columns(&mut |column| {
        if !columns.contains(&column) {
            columns.push(column);
        }
    });
    let found = |column: &usize| entry.table.columns.get(*column);
    match columns.as_slice() {
        [] => Err(Error::invalid("GROUP BY functions must have one clustering column name as parameter")),
        [column] => match found(column) {
            Some(only) if only.kind != ColumnKind::Clustering => Err(Error::invalid(format!(
                "Group by functions are only supported on clustering columns, got {}",
                only.name
            ))),
            _ => Ok(*column),
        },
        several => {
            let names: Vec<_> = several.iter().filter_map(found).map(|c| quote_if_needed(&c.name)).collect();
            Err(Error::invalid(format!(
                "GROUP BY functions accept only one clustering column as parameter, got: {}",
                names.join(",")
            )))
        }
    }
}

/// The group that rows are in at the moment.
#[derive(Debug, Default)]
pub(super) struct CurrentGroup {
    partition_key: Vec<u8>,
    /// `None` before the first row and after a partition's static content.
    clustering: Option<Vec<Vec<u8>>>,
    output: Option<Vec<u8>>,
}

impl CurrentGroup {
    /// Whether the row is of another group than the one before it; from then on its group is the current one.
    pub fn begins(
        &mut self,
        grouping: &Grouping,
        entry: &TableEntry,
        row: &LiveRow,
        env: &Env<'_>,
    ) -> Result<bool> {
        let output = match &grouping.function {
            Some(function) if row.has_row() => {
                let env = Env { row: Some(row as &dyn RowValues), ..*env };
                function.evaluate(&env)?.into_bytes().map(std::borrow::Cow::into_owned)
            }
            _ => None,
        };
        let compared = entry.partition_key_len..entry.partition_key_len + grouping.compared();
        let same_row = |clustering: &Vec<Vec<u8>>| {
            compared.clone().zip(clustering).all(|(column, last)| {
                let column_type = entry.table.columns.get(column).map(|column| &column.column_type);
                match (row.value(column), column_type) {
                    (Some(value), Some(column_type)) => compare(column_type, value, last).is_eq(),
                    _ => false,
                }
            })
        };
        let same_output = || match (&grouping.function, &output, &self.output) {
            (Some(function), Some(new), Some(last)) => compare(function.result_type(), new, last).is_eq(),
            (_, new, last) => new.is_none() && last.is_none(),
        };
        let same = self.partition_key == row.partition_key()
            && row.has_row()
            && self.clustering.as_ref().is_some_and(same_row)
            && same_output();
        if !same {
            self.partition_key.clear();
            self.partition_key.extend_from_slice(row.partition_key());
            self.clustering = row
                .has_row()
                .then(|| compared.map(|column| row.value(column).unwrap_or_default().to_vec()).collect());
            self.output = output;
        }
        Ok(!same)
    }
}
