//! The table, its rows, and the requests for them.

pub const SCHEMA: [&str; 2] = [
    "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE IF NOT EXISTS shop.customers (id bigint PRIMARY KEY, name text, email text, city text, balance double)",
];

pub const READ: &str = "SELECT id, name, email, city, balance FROM shop.customers WHERE id = ?";
pub const INSERT: &str = "INSERT INTO shop.customers (id, name, email, city, balance) VALUES (?, ?, ?, ?, ?)";

fn name(id: u64) -> String {
    format!("Customer number {id}")
}

fn email(id: u64) -> String {
    format!("customer-{id}@mail.example")
}

fn city(id: u64) -> String {
    format!("City of the Customer, Province {}", id % 97)
}

fn balance(id: u64) -> f64 {
    (id % 10_000) as f64 + 0.5
}

/// The values of INSERT in CQL's wire form.
pub fn values(id: u64) -> Vec<Vec<u8>> {
    vec![
        id.to_be_bytes().to_vec(),
        name(id).into_bytes(),
        email(id).into_bytes(),
        city(id).into_bytes(),
        balance(id).to_be_bytes().to_vec(),
    ]
}

/// About 160 bytes of JSON.
pub fn json(id: u64) -> String {
    format!(
        "{{\"id\":{id},\"name\":\"{}\",\"email\":\"{}\",\"city\":\"{}\",\"balance\":{}}}",
        name(id),
        email(id),
        city(id),
        balance(id)
    )
}

/// A request for the row, on a connection that stays open.
pub fn read(id: u64) -> Vec<u8> {
    format!("GET /v2/keyspaces/shop/customers/{id} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
        .into_bytes()
}

/// A request that writes the row.
pub fn insert(id: u64) -> Vec<u8> {
    let body = json(id);
    format!(
        "POST /v2/keyspaces/shop/customers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
