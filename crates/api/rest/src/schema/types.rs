//! User-defined types.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::UserType;
use ilium_cql::ast::{AlterType, CreateType, Name, Statement, TypeChange, TypeName};
use ilium_cql::json::push_string;
use ilium_http::Refusal;
use ilium_store::ErrorKind;
use serde_json::Value;

use super::object::Object;
use super::type_text::read_type;
use super::{array, bad, named, run, wrapped};
use crate::api::{Api, no_keyspace};
use crate::call::{Call, empty, object};
use crate::statement::qualified;

pub fn list(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    // Stargate gives an empty list for a keyspace that is not there.
    let types = schema.keyspace(&call.keyspace()?).into_iter().flat_map(|keyspace| keyspace.types.values());
    Ok(wrapped(call, array(types, |ty, out| push_type(ty, out))))
}

pub fn get(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let (keyspace, name) = (call.keyspace()?, call.named("typeName")?);
    let schema = api.store.schema();
    let found = schema.keyspace(&keyspace).and_then(|keyspace| keyspace.types.get(&*name));
    let found = found.ok_or_else(|| {
        Refusal::not_found(format!("No definition found for UDT '{name}' (keyspace '{keyspace}')"))
    })?;
    let mut out = String::new();
    push_type(found, &mut out);
    Ok(wrapped(call, out))
}

pub async fn create(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let keyspace = call.keyspace()?;
    let (map, _) = object(api, body).await?;
    let body = Object { map: &map, what: "UserDefinedTypeAdd" };
    let name = body.text("name")?.ok_or_else(|| bad("typeName must be provided"))?;
    let fields = fields(body.list("fields")?.unwrap_or_default())?;
    if api.store.schema().keyspace(&keyspace).is_none() {
        return Err(no_keyspace(&keyspace));
    }
    let statement = CreateType {
        name: qualified(&keyspace, name),
        if_not_exists: body.flag("ifNotExists")?,
        fields: fields.into_iter().map(|(name, ty)| (Name::new(name), ty)).collect(),
    };
    run(api, call, Statement::CreateType(statement)).await.map_err(|error| {
        let mut refusal = Refusal::from(error.clone());
        // A table that exists is a conflict in Stargate, a type a bad request.
        if matches!(error.kind, ErrorKind::AlreadyExists { .. }) || error.message.contains("already exists") {
            refusal.status = StatusCode::BAD_REQUEST;
            refusal.description = format!("Bad request: {}", refusal.description);
        }
        refusal
    })?;
    Ok(named(StatusCode::CREATED, name))
}

/// Adds fields one by one, then renames. What was done before an error stays.
pub async fn alter(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let keyspace = call.keyspace()?;
    let (map, _) = object(api, body).await?;
    let body = Object { map: &map, what: "UserDefinedTypeUpdate" };
    let name = qualified(&keyspace, body.required("name")?);
    let mut changes = Vec::new();
    if let Some(add @ [_, ..]) = body.list("addFields")? {
        changes.extend(fields(add)?.into_iter().map(|(field, field_type)| TypeChange::Add {
            if_not_exists: false,
            field: Name::new(field),
            field_type,
        }));
    }
    if let Some(renames @ [_, ..]) = body.list("renameFields")? {
        let rename = |value: &Value| {
            let rename = Object::of(value, "renameFields")?;
            Ok((Name::new(rename.required("from")?), Name::new(rename.required("to")?)))
        };
        let renames = renames.iter().map(rename).collect::<Result<_, Refusal>>()?;
        changes.push(TypeChange::Rename { if_exists: false, renames });
    }
    if changes.is_empty() {
        return Err(bad("addFields and/or renameFields is required to update an UDT"));
    }
    for change in changes {
        let statement = AlterType { name: name.clone(), if_exists: false, change };
        run(api, call, Statement::AlterType(statement)).await?;
    }
    Ok(empty(StatusCode::OK))
}

pub async fn drop(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = qualified(&call.keyspace()?, &call.named("typeName")?);
    run(api, call, Statement::DropType { name, if_exists: true }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn fields(items: &[Value]) -> Result<Vec<(&str, TypeName)>, Refusal> {
    if items.is_empty() {
        return Err(bad("There should be at least one field defined"));
    }
    let field = |item| {
        let item = Object::of(item, "fields")?;
        let (Some(name), Some(type_text)) = (item.text("name")?, item.text("typeDefinition")?) else {
            return Err(bad("Field 'name' and 'typeDefinition' must be provided"));
        };
        let ty = read_type(type_text).map_err(|problem| bad(format!("field '{name}': {problem}")))?;
        Ok((name, ty))
    };
    items.iter().map(field).collect()
}

/// Types of fields are in CQL here, as `system_schema.types` has them, in Stargate too.
fn push_type(ty: &UserType, out: &mut String) {
    out.push_str("{\"name\":");
    push_string(&ty.name, out);
    out.push_str(",\"keyspace\":");
    push_string(&ty.keyspace, out);
    out.push_str(",\"fields\":");
    out.push_str(&array(ty.fields.iter(), |(name, field), out| {
        out.push_str("{\"name\":");
        push_string(name, out);
        out.push_str(",\"typeDefinition\":");
        push_string(&field.to_string(), out);
        out.push('}');
    }));
    out.push('}');
}
