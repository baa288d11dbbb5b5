//! Keyspaces.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{AlterKeyspace, CreateKeyspace, Name, Property, PropertyValue, Statement};
use ilium_cql::json::push_string;
use ilium_cql::schema::Keyspace;
use ilium_http::Refusal;

use super::object::Object;
use super::{array, bad, named, run, wrapped};
use crate::api::Api;
use crate::call::{Call, empty, object};

/// Copies of a row where the body does not say (Stargate's `SchemaBuilderHelper`).
const SIMPLE_REPLICAS: u32 = 1;
const DATACENTER_REPLICAS: u32 = 3;

pub fn list(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    Ok(wrapped(call, array(schema.keyspaces.values(), |keyspace, out| push_keyspace(keyspace, out))))
}

pub fn get(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = call.keyspace()?;
    let schema = api.store.schema();
    let keyspace = schema
        .keyspace(&name)
        .ok_or_else(|| Refusal::not_found(format!("Unable to describe keyspace '{name}'")))?;
    let mut out = String::new();
    push_keyspace(keyspace, &mut out);
    Ok(wrapped(call, out))
}

pub async fn create(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let (map, _) = object(api, body).await.map_err(|mut refusal| {
        const WORDS: &str = "Invalid JSON payload";
        // Stargate says more here than elsewhere, and clients look for it.
        refusal.description =
            refusal.description.replacen(WORDS, &format!("{WORDS} for Keyspace creation, problem"), 1);
        refusal
    })?;
    let body = Object { map: &map, what: "Keyspace" };
    let name = body.text("name")?.ok_or_else(|| bad("Missing 'name' String property in payload Object"))?;
    let statement = Statement::CreateKeyspace(CreateKeyspace {
        name: Name::new(name),
        if_not_exists: true,
        options: vec![replication(body, Some(SIMPLE_REPLICAS))?],
    });
    run(api, call, statement).await?;
    Ok(named(StatusCode::CREATED, name))
}

/// Beyond Stargate, which has no way to change a keyspace.
pub async fn alter(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let name = call.keyspace()?;
    let (map, _) = object(api, body).await?;
    let options = vec![replication(Object { map: &map, what: "Keyspace" }, None)?];
    let statement = AlterKeyspace { name: Name::new(&*name), if_exists: false, options };
    run(api, call, Statement::AlterKeyspace(statement)).await?;
    Ok(named(StatusCode::OK, &name))
}

pub async fn drop(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = Name::new(call.keyspace()?);
    run(api, call, Statement::DropKeyspace { name, if_exists: true }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `replicas`, or `datacenters` with replicas each.
fn replication(body: Object<'_>, default_replicas: Option<u32>) -> Result<Property, Refusal> {
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let entries = match (body.list("datacenters")?, body.integer("replicas")?.or(default_replicas)) {
        (Some([]), _) => return Err(bad("malformed payload for a keyspace: empty 'datacenters'")),
        (Some(datacenters), _) => {
            let mut entries = vec![pair("class", "NetworkTopologyStrategy".to_owned())];
            for datacenter in datacenters {
                let datacenter = Object::of(datacenter, "datacenters")?;
                let name = datacenter.text("name")?.ok_or_else(|| {
                    bad("malformed payload for a keyspace: one of 'datacenters' entries missing 'name'")
                })?;
                let replicas = datacenter.integer("replicas")?.unwrap_or(DATACENTER_REPLICAS);
                entries.push(pair(name, replicas.to_string()));
            }
            entries
        }
        (None, Some(replicas)) => {
            vec![pair("class", "SimpleStrategy".to_owned()), pair("replication_factor", replicas.to_string())]
        }
        (None, None) => return Err(bad("Request invalid: 'replicas' or 'datacenters' must be provided.")),
    };
    Ok(Property { name: Name::new("replication"), value: PropertyValue::Map(entries) })
}

fn push_keyspace(keyspace: &Keyspace, out: &mut String) {
    out.push_str("{\"name\":");
    push_string(&keyspace.name, out);
    let networked =
        keyspace.replication.get("class").is_some_and(|class| class.ends_with("NetworkTopologyStrategy"));
    let replicas = |(name, count): (&'_ String, &'_ String)| Some((name.clone(), count.parse::<u32>().ok()?));
    let datacenters: Vec<(String, u32)> =
        keyspace.replication.iter().filter(|_| networked).filter_map(replicas).collect();
    if !datacenters.is_empty() {
        out.push_str(",\"datacenters\":");
        out.push_str(&array(datacenters.iter(), |(name, replicas), out| {
            out.push_str("{\"name\":");
            push_string(name, out);
            out.push_str(&format!(",\"replicas\":{replicas}}}"));
        }));
    }
    out.push('}');
}
