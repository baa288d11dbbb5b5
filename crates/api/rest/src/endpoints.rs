//! The endpoints. The router and the OpenAPI document are both made from this list.

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use ilium_http::Refusal;

use crate::parameters::Parameter;

/// A part of a path's template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Literal(&'static str),
    Keyspace,
    Table,
    /// A column, index or type, as the name in braces says.
    Named(&'static str),
    /// One or more parts: the values of a primary key or of its first columns.
    Key,
}

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    FindRows,
    AllRows,
    RowsByKey,
    AddRow,
    ReplaceRow,
    PatchRow,
    DeleteRows,
    RunCql,
    ListKeyspaces,
    GetKeyspace,
    CreateKeyspace,
    AlterKeyspace,
    DropKeyspace,
    ListTables,
    GetTable,
    CreateTable,
    AlterTable,
    DropTable,
    ListColumns,
    GetColumn,
    AddColumn,
    RenameColumn,
    DropColumn,
    ListIndexes,
    CreateIndex,
    DropIndex,
    ListTypes,
    GetType,
    CreateType,
    AlterType,
    DropType,
    Document,
    LiveDocument,
    Page,
}

pub struct Endpoint {
    pub method: Method,
    pub path: &'static [Part],
    pub operation: Operation,
    /// Its `operationId` in the document.
    pub id: &'static str,
    pub parameters: &'static [Parameter],
    pub summary: &'static str,
    /// The name of the schema its body has in the document.
    pub body: Option<&'static str>,
    /// The status of success, and the name of the schema it comes with.
    pub success: (u16, Option<&'static str>),
}

use Part::{Key, Keyspace, Literal, Named, Table};

const ROWS: &[Part] = &[Literal("v2"), Literal("keyspaces"), Keyspace, Table];
const ALL_ROWS: &[Part] = &[Literal("v2"), Literal("keyspaces"), Keyspace, Table, Literal("rows")];
const BY_KEY: &[Part] = &[Literal("v2"), Literal("keyspaces"), Keyspace, Table, Key];
const KEYSPACES: &[Part] = &[Literal("v2"), Literal("schemas"), Literal("keyspaces")];
const KEYSPACE: &[Part] = &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace];
const TABLES: &[Part] =
    &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace, Literal("tables")];
const TABLE: &[Part] =
    &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace, Literal("tables"), Table];
const COLUMNS: &[Part] = &[
    Literal("v2"),
    Literal("schemas"),
    Literal("keyspaces"),
    Keyspace,
    Literal("tables"),
    Table,
    Literal("columns"),
];
const COLUMN: &[Part] = &[
    Literal("v2"),
    Literal("schemas"),
    Literal("keyspaces"),
    Keyspace,
    Literal("tables"),
    Table,
    Literal("columns"),
    Named("columnName"),
];
const INDEXES: &[Part] = &[
    Literal("v2"),
    Literal("schemas"),
    Literal("keyspaces"),
    Keyspace,
    Literal("tables"),
    Table,
    Literal("indexes"),
];
const INDEX: &[Part] = &[
    Literal("v2"),
    Literal("schemas"),
    Literal("keyspaces"),
    Keyspace,
    Literal("tables"),
    Table,
    Literal("indexes"),
    Named("indexName"),
];
const TYPES: &[Part] = &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace, Literal("types")];
const TYPE: &[Part] =
    &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace, Literal("types"), Named("typeName")];

const READ: &[Parameter] = &[
    Parameter::Fields,
    Parameter::Sort,
    Parameter::PageSize,
    Parameter::PageState,
    Parameter::Raw,
    Parameter::CompactMapData,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];
const FIND: &[Parameter] = &[
    Parameter::Where,
    Parameter::AllowFiltering,
    Parameter::Fields,
    Parameter::Sort,
    Parameter::PageSize,
    Parameter::PageState,
    Parameter::Raw,
    Parameter::CompactMapData,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];
const ADD: &[Parameter] = &[
    Parameter::CompactMapData,
    Parameter::IfNotExists,
    Parameter::Timestamp,
    Parameter::Ttl,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];
const CHANGE: &[Parameter] = &[
    Parameter::Raw,
    Parameter::CompactMapData,
    Parameter::IfExists,
    Parameter::If,
    Parameter::Timestamp,
    Parameter::Ttl,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];
const DELETE: &[Parameter] = &[
    Parameter::CompactMapData,
    Parameter::IfExists,
    Parameter::If,
    Parameter::Timestamp,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];
const CQL: &[Parameter] = &[
    Parameter::Keyspace,
    Parameter::PageSize,
    Parameter::PageState,
    Parameter::Raw,
    Parameter::CompactMapData,
    Parameter::Timestamp,
    Parameter::Consistency,
    Parameter::SerialConsistency,
    Parameter::Timeout,
    Parameter::Tracing,
];

#[expect(clippy::too_many_arguments, reason = "a line of the list below")]
const fn endpoint(
    method: Method,
    path: &'static [Part],
    operation: Operation,
    id: &'static str,
    parameters: &'static [Parameter],
    body: Option<&'static str>,
    success: (u16, Option<&'static str>),
    summary: &'static str,
) -> Endpoint {
    Endpoint { method, path, operation, id, parameters, summary, body, success }
}

/// Looked through from the front: what is called most comes first, and `rows` before a key of that name.
#[rustfmt::skip]
pub static ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::GET, ALL_ROWS, Operation::AllRows, "getAllRows", READ, None, (200, Some("Rows")), "All rows of a table, a page at a time"),
    endpoint(Method::GET, BY_KEY, Operation::RowsByKey, "getRows", READ, None, (200, Some("Rows")), "Rows by a primary key, or by its first columns"),
    endpoint(Method::POST, ROWS, Operation::AddRow, "createRow", ADD, Some("Row"), (201, Some("Row")), "Writes a row, or the columns of it that are given"),
    endpoint(Method::PUT, BY_KEY, Operation::ReplaceRow, "replaceRows", CHANGE, Some("Row"), (200, Some("Changed")), "Writes columns of a row; counters are added to"),
    endpoint(Method::PATCH, BY_KEY, Operation::PatchRow, "patchRows", CHANGE, Some("Row"), (200, Some("Changed")), "Writes columns of a row; counters are added to"),
    endpoint(Method::DELETE, BY_KEY, Operation::DeleteRows, "deleteRows", DELETE, None, (204, None), "Deletes a row, or the rows under the first columns of a key"),
    endpoint(Method::GET, ROWS, Operation::FindRows, "getRowsWithWhere", FIND, None, (200, Some("Rows")), "Rows that a filter finds"),
    endpoint(Method::POST, &[Literal("v2"), Literal("cql")], Operation::RunCql, "runCql", CQL, Some("Cql"), (200, Some("Rows")), "Runs a CQL statement"),
    endpoint(Method::GET, KEYSPACES, Operation::ListKeyspaces, "getAllKeyspaces", &[Parameter::Raw], None, (200, Some("Keyspaces")), "All keyspaces"),
    endpoint(Method::POST, KEYSPACES, Operation::CreateKeyspace, "createKeyspace", &[], Some("KeyspaceAdd"), (201, Some("Name")), "Creates a keyspace, unless there is one of the name"),
    endpoint(Method::GET, KEYSPACE, Operation::GetKeyspace, "getKeyspace", &[Parameter::Raw], None, (200, Some("WrappedKeyspace")), "A keyspace"),
    endpoint(Method::PUT, KEYSPACE, Operation::AlterKeyspace, "alterKeyspace", &[], Some("KeyspaceUpdate"), (200, Some("Name")), "Changes the replication of a keyspace"),
    endpoint(Method::DELETE, KEYSPACE, Operation::DropKeyspace, "deleteKeyspace", &[], None, (204, None), "Drops a keyspace, if there is one of the name"),
    endpoint(Method::GET, TABLES, Operation::ListTables, "getAllTables", &[Parameter::Raw], None, (200, Some("Tables")), "All tables of a keyspace"),
    endpoint(Method::POST, TABLES, Operation::CreateTable, "createTable", &[], Some("TableAdd"), (201, Some("Name")), "Creates a table"),
    endpoint(Method::GET, TABLE, Operation::GetTable, "getTable", &[Parameter::Raw], None, (200, Some("WrappedTable")), "A table"),
    endpoint(Method::PUT, TABLE, Operation::AlterTable, "updateTable", &[], Some("TableUpdate"), (200, Some("Name")), "Changes the default time to live of a table"),
    endpoint(Method::DELETE, TABLE, Operation::DropTable, "deleteTable", &[], None, (204, None), "Drops a table, if there is one of the name"),
    endpoint(Method::GET, COLUMNS, Operation::ListColumns, "getAllColumns", &[Parameter::Raw], None, (200, Some("Columns")), "All columns of a table"),
    endpoint(Method::POST, COLUMNS, Operation::AddColumn, "createColumn", &[], Some("Column"), (201, Some("Name")), "Adds a column"),
    endpoint(Method::GET, COLUMN, Operation::GetColumn, "getColumn", &[Parameter::Raw], None, (200, Some("WrappedColumn")), "A column"),
    endpoint(Method::PUT, COLUMN, Operation::RenameColumn, "updateColumn", &[], Some("Column"), (200, Some("Name")), "Renames a column of the primary key"),
    endpoint(Method::DELETE, COLUMN, Operation::DropColumn, "deleteColumn", &[], None, (204, None), "Drops a column"),
    endpoint(Method::GET, INDEXES, Operation::ListIndexes, "getAllIndexes", &[Parameter::CompactMapData], None, (200, Some("Indexes")), "All indexes of a table"),
    endpoint(Method::POST, INDEXES, Operation::CreateIndex, "createIndex", &[], Some("IndexAdd"), (201, Some("Success")), "Creates an index"),
    endpoint(Method::DELETE, INDEX, Operation::DropIndex, "deleteIndex", &[Parameter::IfExistsSchema], None, (204, None), "Drops an index"),
    endpoint(Method::GET, TYPES, Operation::ListTypes, "findAllTypes", &[Parameter::Raw], None, (200, Some("Types")), "All user-defined types of a keyspace"),
    endpoint(Method::POST, TYPES, Operation::CreateType, "createType", &[], Some("TypeAdd"), (201, Some("Name")), "Creates a user-defined type"),
    endpoint(Method::PUT, TYPES, Operation::AlterType, "updateType", &[], Some("TypeUpdate"), (200, None), "Adds fields to a user-defined type, or renames fields"),
    endpoint(Method::GET, TYPE, Operation::GetType, "findType", &[Parameter::Raw], None, (200, Some("WrappedType")), "A user-defined type"),
    endpoint(Method::DELETE, TYPE, Operation::DropType, "deleteType", &[], None, (204, None), "Drops a user-defined type, if there is one of the name"),
    endpoint(Method::GET, &[Literal("v2"), Literal("openapi.json")], Operation::Document, "getDocument", &[], None, (200, Some("Document")), "This document"),
    endpoint(Method::GET, &[Literal("v2"), Literal("schemas"), Literal("keyspaces"), Keyspace, Literal("openapi.json")], Operation::LiveDocument, "getKeyspaceDocument", &[], None, (200, Some("Document")), "The tables of a keyspace as an OpenAPI document"),
    endpoint(Method::GET, &[Literal("v2"), Literal("docs")], Operation::Page, "getPage", &[], None, (200, None), "A page to try the endpoints"),
];

/// The variable parts of a path, as they were sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Places<'p, 's> {
    pub keyspace: &'p str,
    pub table: &'p str,
    pub named: &'p str,
    pub key: &'s [&'p str],
}

/// The endpoint that a method and path mean.
pub fn find<'p, 's>(
    method: &Method,
    segments: &'s [&'p str],
) -> Result<(&'static Endpoint, Places<'p, 's>), Refusal> {
    // HEAD is GET without the body, which the front leaves out.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    for endpoint in ENDPOINTS {
        let Some(places) = places(endpoint.path, segments) else { continue };
        if endpoint.method == *method {
            return Ok((endpoint, places));
        }
        // One path may be an endpoint's own, and a key's as well.
        if !others.contains(&endpoint.method.as_str()) {
            others.push(endpoint.method.as_str());
        }
    }
    if others.is_empty() {
        return Err(Refusal::not_found(format!(
            "there is no endpoint /{}; GET /v2/openapi.json lists them",
            segments.join("/")
        )));
    }
    Err(Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("the endpoint /{} takes {}, not {method}", segments.join("/"), others.join(", ")),
    ))
}

/// The answer to what is no endpoint. Where the path is one, it says which methods there are (RFC 9110, section 15.5.6).
pub fn refused(refusal: Refusal, segments: &[&str]) -> Response {
    let mut response = refusal.into_response();
    let at_path = ENDPOINTS.iter().filter(|endpoint| places(endpoint.path, segments).is_some());
    let mut methods: Vec<&str> = at_path.map(|endpoint| endpoint.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if let (false, Ok(methods)) = (methods.is_empty(), HeaderValue::from_str(&methods.join(", "))) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

fn places<'p, 's>(parts: &[Part], segments: &'s [&'p str]) -> Option<Places<'p, 's>> {
    let mut places = Places::default();
    let mut rest = segments;
    for part in parts {
        if *part == Key {
            return (!rest.is_empty()).then_some(Places { key: rest, ..places });
        }
        let (segment, after) = rest.split_first()?;
        match part {
            Literal(literal) if literal == segment => {}
            Literal(_) | Key => return None,
            Keyspace => places.keyspace = segment,
            Table => places.table = segment,
            Named(_) => places.named = segment,
        }
        rest = after;
    }
    rest.is_empty().then_some(places)
}

/// A path as OpenAPI writes it.
pub fn template(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        out.push('/');
        match part {
            Literal(literal) => out.push_str(literal),
            Keyspace => out.push_str("{keyspaceName}"),
            Table => out.push_str("{tableName}"),
            Named(name) => out.extend(["{", name, "}"]),
            Key => out.push_str("{primaryKey}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::split;

    fn operation(method: Method, path: &str) -> Result<Operation, StatusCode> {
        find(&method, &split(path)).map(|(endpoint, _)| endpoint.operation).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_path_means_the_most_literal_endpoint() {
        for (method, path, expected) in [
            (Method::GET, "/v2/keyspaces/ks/t", Operation::FindRows),
            (Method::GET, "/v2/keyspaces/ks/t/", Operation::FindRows),
            (Method::GET, "/v2/keyspaces/ks/t/rows", Operation::AllRows),
            (Method::GET, "/v2/keyspaces/ks/t/rows/1", Operation::RowsByKey),
            (Method::HEAD, "/v2/keyspaces/ks/t/1", Operation::RowsByKey),
            (Method::DELETE, "/v2/keyspaces/ks/t/rows", Operation::DeleteRows),
            (Method::PUT, "/v2/schemas/keyspaces/ks/types", Operation::AlterType),
            (Method::DELETE, "/v2/schemas/keyspaces/ks/tables/t/indexes/i", Operation::DropIndex),
        ] {
            assert_eq!(operation(method, path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_not_found_and_a_wrong_method_is_named() {
        assert_eq!(operation(Method::GET, "/v2/nothing"), Err(StatusCode::NOT_FOUND));
        assert_eq!(operation(Method::GET, "/v2/schemas/keyspaces/ks/tables/t/x"), Err(StatusCode::NOT_FOUND));
        assert_eq!(operation(Method::POST, "/v2/keyspaces/ks/t/1"), Err(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(operation(Method::DELETE, "/v2/schemas/keyspaces"), Err(StatusCode::METHOD_NOT_ALLOWED));
    }

    #[test]
    fn each_endpoint_is_reached_by_a_path_of_its_own() {
        for endpoint in ENDPOINTS {
            let path = template(endpoint.path);
            assert_eq!(operation(endpoint.method.clone(), &path), Ok(endpoint.operation), "{path}");
        }
    }
}
