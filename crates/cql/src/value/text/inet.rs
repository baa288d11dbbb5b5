//! Internet addresses, as `java.net.InetAddress` reads and prints them. Host names are not looked up.

use super::super::ValueError;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address a text stands for: IPv4 in one to four decimal parts, IPv6 with or without brackets. An IPv6 address
/// that maps an IPv4 one becomes that.
pub fn parse_inet(source: &str) -> Result<IpAddr, ValueError> {
    let bare = source.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inside) => parse_v6(inside),
        None => parse_v4(source).map(IpAddr::V4).or_else(|| parse_v6(source)),
    };
    address.ok_or_else(|| ValueError::new(format!("Unable to make inet address from '{source}'")))
}

/// The last part fills all bytes the others leave.
fn parse_v4(source: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = source.split('.').collect();
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 {
        return None;
    }
    let number = |text: &&str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u64>().ok())?
    };
    let last_bits = 32 - 8 * leading.len() as u32;
    let mut bits = number(last).filter(|last| *last < 1 << last_bits)?;
    for (i, part) in leading.iter().enumerate() {
        bits |= number(part).filter(|part| *part < 256)? << (24 - 8 * i);
    }
    Some(Ipv4Addr::from(u32::try_from(bits).ok()?))
}

fn parse_v6(source: &str) -> Option<IpAddr> {
    let address: Ipv6Addr = source.parse().ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(v4) => IpAddr::V4(v4),
        None => IpAddr::V6(address),
    })
}

/// The text of an address of 4 or 16 bytes: IPv6 as eight parts, none left out. `None` for other lengths.
pub fn inet_to_text(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    if let Some(v4) = v6.to_ipv4_mapped() {
        return Some(v4.to_string());
    }
    let mut out = String::new();
    for (i, part) in v6.segments().into_iter().enumerate() {
        let _ = write!(out, "{}{part:x}", if i == 0 { "" } else { ":" });
    }
    Some(out)
}
