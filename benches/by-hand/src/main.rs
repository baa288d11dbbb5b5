//! What a team would write instead of a gateway: an axum service that serves one table through the Rust driver, its
//! statements prepared once, with the same JSON. It checks no caller, reads no option, counts nothing.
//!
//! Usage: by-hand CONTACT CONNECTIONS. Prints the address where it serves, until it is killed.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use serde::{Deserialize, Serialize};

/// As the gateway allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READ: &str = "SELECT id, name, email, city, balance FROM shop.customers WHERE id = ?";
const INSERT: &str = "INSERT INTO shop.customers (id, name, email, city, balance) VALUES (?, ?, ?, ?, ?)";

struct Service {
    session: Session,
    read: PreparedStatement,
    insert: PreparedStatement,
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

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let contact = arguments.next().context("usage: by-hand CONTACT CONNECTIONS")?;
    let connections: NonZeroUsize =
        arguments.next().context("usage: by-hand CONTACT CONNECTIONS")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&contact, connections))
}

async fn serve(contact: &str, connections: NonZeroUsize) -> Result<()> {
    // The consistency that the gateway's REST API has by itself.
    let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum).build();
    let session = SessionBuilder::new()
        .known_node(contact)
        .pool_size(PoolSize::PerHost(connections))
        .default_execution_profile_handle(profile.into_handle())
        .build()
        .await?;
    let service =
        Service { read: session.prepare(READ).await?, insert: session.prepare(INSERT).await?, session };
    let routes = Router::new()
        .route("/v2/keyspaces/shop/customers/{id}", get(read))
        .route("/v2/keyspaces/shop/customers", post(insert))
        .with_state(Arc::new(service));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", socket.local_addr()?);
    axum::serve(socket, routes).await?;
    Ok(())
}

async fn read(State(service): State<Arc<Service>>, Path(id): Path<i64>) -> Response {
    page(&service, id).await.unwrap_or_else(failed)
}

async fn page(service: &Service, id: i64) -> Result<Response> {
    let rows = service.session.execute_unpaged(&service.read, (id,)).await?.into_rows_result()?;
    let mut data = Vec::with_capacity(rows.rows_num());
    for row in rows.rows::<(i64, &str, &str, &str, f64)>()? {
        let (id, name, email, city, balance) = row?;
        data.push(Customer { id, name, email, city, balance });
    }
    let json = serde_json::to_vec(&Page { count: data.len(), data })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

async fn insert(State(service): State<Arc<Service>>, Json(customer): Json<NewCustomer>) -> Response {
    let NewCustomer { id, name, email, city, balance } = &customer;
    match service.session.execute_unpaged(&service.insert, (id, name, email, city, balance)).await {
        Ok(_) => (StatusCode::CREATED, Json(customer)).into_response(),
        Err(error) => failed(error.into()),
    }
}

fn failed(error: anyhow::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}
