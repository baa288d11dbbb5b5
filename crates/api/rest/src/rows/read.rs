//! What all reads of rows have in common: columns, order, and the form of the answer.

use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{Ordering, Selection, Statement};
use ilium_cql::schema::Table;
use ilium_http::Refusal;
use ilium_store::{Context, Error, ResultKind, Rows};

use super::{fields, sort, stream};
use crate::api::Api;
use crate::call::{Call, json};
use crate::output;
use crate::shape::Key;
use crate::value::Values;

/// A read, all but which rows it restricts itself to.
pub struct Reading<'c> {
    pub call: &'c Call<'c>,
    pub table: &'c Table,
    pub values: Values,
    pub allow_filtering: bool,
}

impl Reading<'_> {
    /// Runs the statement that `build` makes of a selection and an order, unless one of its shape is known.
    pub async fn run(
        self,
        api: &Api,
        mut key: Key,
        build: impl FnOnce(Selection, Vec<Ordering>) -> Result<Statement, Refusal>,
    ) -> Result<Response, Refusal> {
        let parameters = &self.call.parameters;
        let form = stream::Form::wanted(self.call.headers)?;
        key.byte(u8::from(self.allow_filtering));
        key.text(parameters.fields.as_deref());
        key.text(parameters.sort.as_deref());
        let planned = api
            .shapes
            .plan(&key, &*api.store, || {
                let selection = match &parameters.fields {
                    Some(text) => fields::parse(text, self.table)?,
                    None => Selection::All,
                };
                let order_by = match &parameters.sort {
                    Some(text) => sort::parse(text, self.table)?,
                    None => Vec::new(),
                };
                build(selection, order_by)
            })
            .await?;
        let context = self.call.context();
        let binds = self.values.binds();
        match form {
            stream::Form::Page => {
                let rows = rows(api, self.call, &planned.prepared, binds, &context).await?;
                let columns = planned.columns(&rows);
                let text = output::page(&rows, &columns, self.call.style(), parameters.raw)?;
                Ok(json(StatusCode::OK, text))
            }
            form => stream::answer(api, form, planned, binds, context, self.call).await,
        }
    }
}

/// Executes a statement that gives rows.
pub async fn rows(
    api: &Api,
    call: &Call<'_>,
    prepared: &std::sync::Arc<ilium_store::Prepared>,
    binds: ilium_store::Binds,
    context: &Context,
) -> Result<Rows, Refusal> {
    match call.execute(api, prepared, binds, context).await?.result {
        ResultKind::Rows(rows) => Ok(rows),
        _ => Err(Error::internal("a SELECT gave no rows").into()),
    }
}
