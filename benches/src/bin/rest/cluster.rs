//! The same comparison in front of a real Cassandra: `ilium gateway` beside a service written by hand over the Rust
//! driver (`benches/by-hand`), each with the same number of connections to the one node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use ilium_benches::proxy::{Kind, Proxy};
use ilium_protocol::ProtocolVersion;
use ilium_testbed::cassandra::Options;
use ilium_testbed::obtained::tool;
use ilium_testbed::wire::{Binds, Connection, Settings};
use ilium_testbed::{Cassandra, folders};
use tokio::runtime::Runtime;

use crate::by_hand::ByHand;
use crate::{Flags, Server, compare, customers};

/// Connections to the node, as many as the gateway has by itself.
const CONNECTIONS: &str = "2";

pub fn run(runtime: &Runtime, flags: &Flags) -> Result<()> {
    let program = Kind::Gateway.obtain(&flags.ilium)?;
    let target = folders::cache()?.join("by-hand");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("by-hand/Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    tool(cargo.arg("--target-dir").arg(&target))?;
    let cassandra =
        Cassandra::start(&Options { heap: 1024, quick: false, throwaway: false, ..Options::default() })?;
    for statement in customers::SCHEMA {
        Connection::open(cassandra.address(), 5)?.query(statement, &Binds::None, &Settings::default())?;
    }
    let contact = cassandra.address();
    let gateway = Proxy::start(Kind::Gateway, &program, contact, ProtocolVersion::V5, runtime)?;
    let mut command = Command::new(target.join("release/by-hand"));
    let by_hand = ByHand::start(command.arg(contact.to_string()).arg(CONNECTIONS))
        .context("the service written by hand")?;
    let servers = [
        Server::new("gateway", gateway.http, gateway.id(), vec![cassandra.id()]),
        Server::new("by hand", by_hand.address, by_hand.id(), vec![cassandra.id()]),
    ];
    compare(runtime, &servers, flags)?;
    cassandra.stop()
}
