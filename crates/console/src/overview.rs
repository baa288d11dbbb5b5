//! The first page: what runs here, and the tables of all keyspaces; and the page of one keyspace.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use ilium_cql::schema::{Keyspace, Schema};
use ilium_store::Capabilities;

use crate::caller::Caller;
use crate::form::Fields;
use crate::page::{Failure, Frame, respond};
use crate::sizes::{self, Size};
use crate::statement::Form;
use crate::{Console, figure, link};

/// Tables of a page. Each is looked at for its size; some thousands would take seconds.
const TABLES: usize = 200;

/// Keyspaces of Cassandra's own, and of ours after them.
pub fn is_system(keyspace: &Keyspace) -> bool {
    keyspace.is_virtual || &*keyspace.name == "system" || keyspace.name.starts_with("system_")
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    /// The sentence that says what this is.
    lede: String,
    /// Why the store cannot be used now.
    troubles: Vec<String>,
    facts: Vec<(&'static str, String)>,
    form: Form,
    keyspaces: Vec<KeyspaceView>,
    /// Whether some tables are left for the pages of their keyspaces.
    is_cut: bool,
    system: Vec<KeyspaceView>,
}

#[derive(Template)]
#[template(path = "keyspace.html")]
struct KeyspacePage {
    frame: Frame,
    keyspace: KeyspaceView,
    durable_writes: bool,
    types: Vec<(String, String)>,
    earlier: Option<String>,
    later: Option<String>,
}

struct KeyspaceView {
    name: Arc<str>,
    link: String,
    replication: String,
    tables: Vec<TableView>,
    /// All that it has; fewer may be shown.
    table_count: usize,
}

struct TableView {
    name: Arc<str>,
    link: String,
    size: Size,
}

/// Keyspaces with those of their tables that are shown. All sizes are asked for at once: the store looks at every table to
/// answer for one.
async fn views(
    console: &Console,
    caller: &Caller,
    chosen: &[(&Keyspace, Vec<Arc<str>>)],
) -> Vec<KeyspaceView> {
    let of_keyspace = |(keyspace, tables): &(&Keyspace, Vec<Arc<str>>)| {
        let keyspace = Arc::clone(&keyspace.name);
        tables.clone().into_iter().map(move |table| (Arc::clone(&keyspace), table))
    };
    let names: Vec<_> = chosen.iter().flat_map(of_keyspace).collect();
    let mut sizes = sizes::of(&console.store, caller, &names).await.into_iter();
    let views = chosen.iter().map(|(keyspace, tables)| KeyspaceView {
        name: Arc::clone(&keyspace.name),
        link: link::keyspace(&keyspace.name),
        replication: replication(keyspace),
        tables: tables
            .iter()
            .map(|name| TableView {
                name: Arc::clone(name),
                link: link::table(&keyspace.name, name),
                size: sizes.next().unwrap_or_default(),
            })
            .collect(),
        table_count: keyspace.tables.len(),
    });
    views.collect()
}

pub async fn show(State(console): State<Arc<Console>>, caller: Caller) -> Response {
    let schema = console.store.schema();
    let mut left = TABLES;
    let chosen = schema.keyspaces.values().map(|keyspace| {
        let at_most = if is_system(keyspace) { 0 } else { left };
        let tables: Vec<_> = keyspace.tables.keys().take(at_most).cloned().collect();
        left = left.saturating_sub(tables.len());
        (&**keyspace, tables)
    });
    let (system, users): (Vec<_>, Vec<_>) = chosen.partition(|(keyspace, _)| is_system(keyspace));
    let keyspaces = views(&console, &caller, &users).await;
    let system = views(&console, &caller, &system).await;
    let behind = console.store.capabilities();
    let uptime = figure::uptime(console.options.started.elapsed());
    let troubles = (console.troubles)();
    let Capabilities { product, release_version, .. } = &behind;
    let lede = match troubles.is_empty() {
        true => format!("{product} answers as Cassandra {release_version}. This server is up for {uptime}."),
        false => format!("This server is up for {uptime}. What follows is what was known before."),
    };
    let page = Overview {
        frame: Frame::new("Overview", &caller, "/"),
        lede,
        troubles,
        facts: facts(&console, behind, &schema),
        form: Form::new(&schema, "", ""),
        is_cut: keyspaces.iter().any(|keyspace| keyspace.tables.len() < keyspace.table_count),
        keyspaces,
        system,
    };
    respond(StatusCode::OK, &page)
}

pub async fn show_keyspace(
    State(console): State<Arc<Console>>,
    Path(name): Path<String>,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Failure> {
    let schema = console.store.schema();
    let nothing = || Failure::not_found(format!("There is no keyspace {name}."));
    let keyspace = schema.keyspace(&name).ok_or_else(nothing)?;
    let first: usize = Fields::of_query(&uri).get("first").parse().unwrap_or(0);
    let (path, count) = (link::keyspace(&name), keyspace.tables.len());
    let from = |first: usize| link::with(&path, [("first", first.to_string().as_str())]);
    let tables = keyspace.tables.keys().skip(first).take(TABLES).cloned().collect();
    let view = views(&console, &caller, &[(keyspace, tables)]).await.pop().ok_or_else(nothing)?;
    let page = KeyspacePage {
        frame: Frame::new(&*keyspace.name, &caller, ""),
        keyspace: view,
        durable_writes: keyspace.durable_writes,
        types: keyspace
            .types
            .values()
            .map(|known| {
                let fields = known.fields.iter().map(|(name, field)| format!("{name} {field}"));
                (known.name.to_string(), fields.collect::<Vec<_>>().join(", "))
            })
            .collect(),
        earlier: (first > 0).then(|| from(first.saturating_sub(TABLES))),
        later: (first.saturating_add(TABLES) < count).then(|| from(first.saturating_add(TABLES))),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// What the server says of itself, then what the seam says of the engine.
fn facts(console: &Console, behind: Capabilities, schema: &Schema) -> Vec<(&'static str, String)> {
    let of_users = schema.keyspaces.values().filter(|keyspace| !is_system(keyspace));
    let tables: usize = of_users.clone().map(|keyspace| keyspace.tables.len()).sum();
    let mut facts = console.options.facts.clone();
    facts.push(("Engine", behind.product));
    facts.push(("As Cassandra", behind.release_version));
    facts.push(("Cluster", behind.cluster_name));
    facts.push(("Keyspaces", figure::count(of_users.count() as u64)));
    facts.push(("Tables", figure::count(tables as u64)));
    facts
}

/// `NetworkTopologyStrategy, datacenter1: 3`.
fn replication(keyspace: &Keyspace) -> String {
    let class = keyspace.replication.get("class").map_or("", String::as_str);
    let mut text = class.rsplit('.').next().unwrap_or(class).to_owned();
    for (name, value) in keyspace.replication.iter().filter(|(name, _)| *name != "class") {
        text.push_str(", ");
        text.push_str(&name.replace('_', " "));
        text.push_str(": ");
        text.push_str(value);
    }
    text
}
