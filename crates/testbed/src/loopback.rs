//! Loopback addresses and free ports, so that test runs beside each other never meet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};

/// The address that a flag names as `HOST:PORT`.
pub fn named(text: &str) -> Result<SocketAddr> {
    text.to_socket_addrs()
        .with_context(|| format!("{text} is no HOST:PORT"))?
        .next()
        .with_context(|| format!("{text} has no address"))
}

/// An address of 127/8 made of this process's id: Linux answers on all of them, and no two processes share one.
pub fn address() -> IpAddr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let number = COUNT.fetch_add(1, Ordering::Relaxed) % 100;
    // The second byte starts at 64 to stay away from the hand-picked 127.0.0.x.
    let second = 64 + (number as u8) + (high & 0x3f);
    IpAddr::V4(Ipv4Addr::new(127, second, middle, low.max(1)))
}

/// That many different ports, free at this moment on the address.
pub fn free_ports(address: IpAddr, count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    let mut ports = BTreeSet::new();
    while ports.len() < count {
        let listener = TcpListener::bind(SocketAddr::new(address, 0))
            .with_context(|| format!("no free port on {address}"))?;
        ports.insert(listener.local_addr()?.port());
        held.push(listener);
    }
    Ok(ports.into_iter().collect())
}

/// That many different ports, each free at this moment on all of the addresses.
pub fn common_ports(addresses: &[IpAddr], count: usize) -> Result<Vec<u16>> {
    let first = addresses.first().context("no address was given")?;
    let mut held = Vec::new();
    let mut ports = Vec::new();
    // Ports are drawn from some 28,000, so a few draws do; a hundred that all fail are a fault of the machine.
    for _ in 0..count + 100 {
        let listener = TcpListener::bind(SocketAddr::new(*first, 0))
            .with_context(|| format!("no free port on {first}"))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        if addresses.iter().skip(1).all(|ip| TcpListener::bind(SocketAddr::new(*ip, port)).is_ok()) {
            ports.push(port);
        }
        if ports.len() == count {
            return Ok(ports);
        }
    }
    bail!("no {count} ports are free on {addresses:?} together")
}
