//! Addresses as people write them: `HOST` or `HOST:PORT`.

/// Why an address is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the port of `{0}` is out of range: ports go from 1 to 65535")]
    Port(String),
    #[error(
        "`{0}` is no address; write HOST or HOST:PORT, and an IPv6 address with a port as [ADDRESS]:PORT"
    )]
    Form(String),
}

/// The parts of an address. One of IPv6 may stand alone, and has brackets around it where a port follows.
pub fn host_and_port(text: &str) -> Result<(&str, Option<u16>), AddressError> {
    let form = || AddressError::Form(text.to_owned());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']').ok_or_else(form)? {
            (host, "") => (host, None),
            (host, port) => (host, Some(port.strip_prefix(':').ok_or_else(form)?)),
        },
        None => match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    if host.is_empty() {
        return Err(form());
    }
    let number = |port: &str| {
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form());
        }
        match port.parse() {
            Ok(port @ 1..) => Ok(port),
            _ => Err(AddressError::Port(text.to_owned())),
        }
    };
    Ok((host, port.map(number).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port_that_exists() {
        for (text, parts) in [
            ("node", ("node", None)),
            ("10.0.0.5:9043", ("10.0.0.5", Some(9043))),
            ("node:65535", ("node", Some(65535))),
            ("::1", ("::1", None)),
            ("[::1]", ("::1", None)),
            ("[fe80::1%eth0]:1", ("fe80::1%eth0", Some(1))),
        ] {
            assert_eq!(host_and_port(text), Ok(parts), "{text}");
        }
        for text in ["127.0.0.1:99999", "node:65536", "node:0", "[::1]:0", "node:99999999999999999999"] {
            assert_eq!(host_and_port(text), Err(AddressError::Port(text.to_owned())), "{text}");
        }
        for text in ["", ":9042", "node:", "node:cql", "node:-1", "[::1", "[::1]9042", "[]:1"] {
            assert_eq!(host_and_port(text), Err(AddressError::Form(text.to_owned())), "{text}");
        }
    }
}
