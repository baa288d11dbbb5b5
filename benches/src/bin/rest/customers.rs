//! The table, its rows, and the requests for them.

pub const SCHEMA: [&str; 2] = [
    "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE IF NOT EXISTS shop.customers (id bigint PRIMARY KEY, name text, email text, city text, balance double)",
];

pub const READ: &str = "SELECT id, name, email, city, balance FROM shop.customers WHERE id = ?";
pub const INSERT: &str = "INSERT INTO shop.customers (id, name, email, city, balance) VALUES (?, ?, ?, ?, ?)";

/// About 160 bytes of JSON.
pub fn json(id: u64) -> String {
    format!(
        "{{\"id\":{id},\"name\":\"Customer number {id}\",\"email\":\"customer-{id}@mail.example\",\
         \"city\":\"City of the Customer, Province {}\",\"balance\":{}.5}}",
        id % 97,
        id % 10_000
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
