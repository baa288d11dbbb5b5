//! What a team would write instead: an axum service over the same `DataStore` that serves this one table, its two
//! statements prepared once, with the same JSON. It checks no caller, reads no option, counts nothing.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ilium_cql::ast::Statement;
use ilium_embedded::{Engine, EngineOptions, storage};
use ilium_store::{Bind, Binds, Context, DataStore, Prepared, Principal, ResultKind};
use serde::{Deserialize, Serialize};

use crate::customers::{self, INSERT, READ};

struct Service {
    store: Engine,
    read: Arc<Prepared>,
    insert: Arc<Prepared>,
}

#[derive(Serialize)]
struct Customer<'a> {
    id: i64,
    name: &'a str,
    email: &'a str,
    city: &'a str,
    balance: f64,
}

#[derive(Serialize, Deserialize)]
struct NewCustomer {
    id: i64,
    name: String,
    email: String,
    city: String,
    balance: f64,
}

#[derive(Serialize)]
struct Page<'a> {
    count: usize,
    data: Vec<Customer<'a>>,
}

/// Serves until it is killed.
pub fn serve(folder: PathBuf) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut options = EngineOptions::new(Some(folder), Box::new(()), tokio::runtime::Handle::current());
        options.storage.durability =
            storage::Durability::Periodic { every: std::time::Duration::from_secs(10) };
        let store = Engine::open(options)?;
        for statement in customers::SCHEMA {
            let prepared = store.prepare(parse(statement)?, None).wait().await?;
            store.execute(&prepared, Binds::default(), &Context::new(Principal::System)).wait().await?;
        }
        let service = Service {
            read: store.prepare(parse(READ)?, None).wait().await?,
            insert: store.prepare(parse(INSERT)?, None).wait().await?,
            store,
        };
        let routes = Router::new()
            .route("/v2/keyspaces/shop/customers/{id}", get(read))
            .route("/v2/keyspaces/shop/customers", post(insert))
            .with_state(Arc::new(service));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        announce(&socket)?;
        axum::serve(socket, routes).await?;
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "its parent reads the address there")]
fn announce(socket: &tokio::net::TcpListener) -> Result<()> {
    println!("{}", socket.local_addr()?);
    Ok(())
}

fn parse(text: &str) -> Result<Arc<Statement>> {
    Ok(Arc::new(ilium_cql::parse(text).map_err(|error| anyhow!("{text}: {error:?}"))?))
}

async fn read(State(service): State<Arc<Service>>, Path(id): Path<i64>) -> Response {
    let id = id.to_be_bytes();
    let binds = Binds::from_values([Bind::Value(&id)]);
    match service.store.execute(&service.read, binds, &Context::new(Principal::Anonymous)).wait().await {
        Ok(outcome) => match outcome.result {
            ResultKind::Rows(rows) => page(&rows.data, rows.count as usize)
                .unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn page(mut data: &[u8], count: usize) -> Option<Response> {
    let mut cell = || {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        data = rest;
        Some(value)
    };
    let mut customers = Vec::with_capacity(count);
    for _ in 0..count {
        customers.push(Customer {
            id: i64::from_be_bytes(cell()?.try_into().ok()?),
            name: std::str::from_utf8(cell()?).ok()?,
            email: std::str::from_utf8(cell()?).ok()?,
            city: std::str::from_utf8(cell()?).ok()?,
            balance: f64::from_be_bytes(cell()?.try_into().ok()?),
        });
    }
    let json = serde_json::to_vec(&Page { count, data: customers }).ok()?;
    Some(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

async fn insert(State(service): State<Arc<Service>>, Json(customer): Json<NewCustomer>) -> Response {
    let (id, balance) = (customer.id.to_be_bytes(), customer.balance.to_be_bytes());
    let binds = Binds::from_values([
        Bind::Value(&id),
        Bind::Value(customer.name.as_bytes()),
        Bind::Value(customer.email.as_bytes()),
        Bind::Value(customer.city.as_bytes()),
        Bind::Value(&balance),
    ]);
    match service.store.execute(&service.insert, binds, &Context::new(Principal::Anonymous)).wait().await {
        Ok(_) => (StatusCode::CREATED, Json(customer)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A service in a process of its own, that says first where it listens.
pub struct ByHand {
    child: std::process::Child,
    pub address: std::net::SocketAddr,
}

impl ByHand {
    pub fn start(command: &mut std::process::Command) -> Result<ByHand> {
        let mut child = command.stdout(std::process::Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("a child without output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)?;
        let address =
            line.trim().parse().with_context(|| format!("it did not say where it listens: {line:?}"))?;
        Ok(ByHand { child, address })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
