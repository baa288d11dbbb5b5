//! Rows: `/v2/keyspaces/{keyspace}/{table}`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ilium_cql::ast::{
    Expr, ExprKind, Insert, InsertValues, Name, Operator, QualifiedName, Relation, RelationKind, Select,
    Selection, Span, Statement, Using,
};
use ilium_cql::json::{from_json, push_key, to_json};
use ilium_cql::schema::Table;
use ilium_http::{Refusal, read_json};
use ilium_store::{Bind, Binds, Context, Prepared, ResultKind, Rows};
use serde_json::Value;

use crate::Api;

pub async fn read_by_key(
    State(api): State<Arc<Api>>,
    Path((keyspace, table, key)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let principal = api.access.caller(request.headers()).await?;
    let schema = api.store.schema();
    let table = find(&schema, &keyspace, &table)?;
    let names: Vec<&str> =
        table.partition_key().chain(table.clustering()).map(|column| &*column.name).collect();
    let values: Vec<&str> = key.split('/').collect();
    let restrictions = names.iter().zip(&values).enumerate().map(|(at, (name, _))| Relation {
        kind: RelationKind::Column { column: name_of(name), operator: Operator::Equal, value: marker(at) },
        span: Span::default(),
    });
    let select = Statement::Select(Select {
        json: false,
        distinct: false,
        selection: Selection::All,
        from: qualified(table),
        restrictions: restrictions.collect(),
        group_by: Vec::new(),
        order_by: Vec::new(),
        per_partition_limit: None,
        limit: None,
        allow_filtering: false,
    });
    let prepared = api.store.prepare(Arc::new(select), None)?;
    let values = values.iter().map(|text| Value::String((*text).to_owned()));
    let binds = binds(&prepared, values)?;
    let mut context = Context::new(principal);
    context.page_size = Some(100);
    let outcome = api.store.execute(&prepared, binds, &context).wait().await?;
    let ResultKind::Rows(rows) = outcome.result else {
        return Err(Refusal::bad_request("the statement gave no rows"));
    };
    let mut json = format!("{{\"count\":{},\"data\":", rows.count);
    push_rows(&rows, &mut json)?;
    json.push('}');
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

pub async fn insert(
    State(api): State<Arc<Api>>,
    Path((keyspace, table)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let principal = api.access.caller(request.headers()).await?;
    let body = read_json(request.into_body(), &api.body).await?;
    let Value::Object(body) = body else {
        return Err(Refusal::bad_request("the body must be a JSON object"));
    };
    let schema = api.store.schema();
    let table = find(&schema, &keyspace, &table)?;
    let insert = Statement::Insert(Insert {
        table: qualified(table),
        values: InsertValues::Columns {
            columns: body.keys().map(|name| name_of(name)).collect(),
            values: (0..body.len()).map(marker).collect(),
        },
        if_not_exists: false,
        using: Using::default(),
    });
    let prepared = api.store.prepare(Arc::new(insert), None)?;
    let binds = binds(&prepared, body.values().cloned())?;
    api.store.execute(&prepared, binds, &Context::new(principal)).wait().await?;
    let key: serde_json::Map<String, Value> = body
        .iter()
        .filter(|(name, _)| {
            table.partition_key().chain(table.clustering()).any(|column| *column.name == **name)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::CREATED, headers, Value::Object(key).to_string()).into_response())
}

fn find<'a>(
    schema: &'a ilium_cql::schema::Schema,
    keyspace: &str,
    table: &str,
) -> Result<&'a Arc<Table>, Refusal> {
    schema
        .table(keyspace, table)
        .ok_or_else(|| Refusal::not_found(format!("there is no table {table} in keyspace {keyspace}")))
}

fn name_of(text: &str) -> Name {
    Name::new(text)
}

fn qualified(table: &Table) -> QualifiedName {
    QualifiedName { keyspace: Some(name_of(&table.keyspace)), name: name_of(&table.name) }
}

fn marker(index: usize) -> Expr {
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    Expr { kind: ExprKind::Bind { name: None, index }, span: Span::default() }
}

fn binds(prepared: &Prepared, values: impl Iterator<Item = Value>) -> Result<Binds, Refusal> {
    let wire = prepared.binds.iter().zip(values).map(|(marker, value)| {
        from_json(&marker.column_type, &value)
            .map_err(|error| Refusal::bad_request(format!("{}: {error}", marker.name)))
    });
    let wire = wire.collect::<Result<Vec<_>, _>>()?;
    Ok(Binds::from_values(wire.iter().map(|value| value.as_deref().map_or(Bind::Null, Bind::Value))))
}

fn push_rows(rows: &Rows, out: &mut String) -> Result<(), Refusal> {
    let mut data = &*rows.data;
    out.push('[');
    for row in 0..rows.count {
        out.push_str(if row == 0 { "{" } else { ",{" });
        for (at, column) in rows.metadata.columns.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            push_key(&column.name, out);
            out.push(':');
            let broken =
                || Refusal::from(ilium_store::Error::internal("an answer ended before its last cell"));
            let (length, rest) = data.split_first_chunk::<4>().ok_or_else(broken)?;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                out.push_str("null");
                data = rest;
                continue;
            };
            let (cell, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
            to_json(&column.column_type, cell, out)
                .map_err(|error| Refusal::from(ilium_store::Error::internal(error.to_string())))?;
            data = rest;
        }
        out.push('}');
    }
    out.push(']');
    Ok(())
}
