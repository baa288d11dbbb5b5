//! What is asked of a server.

use std::fmt;

use anyhow::{Result, bail};

/// A value to bind.
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    Bytes(Vec<u8>),
    Null,
    /// Leaves what is there, from version 4 on.
    Unset,
}

/// Values by position or by name.
#[derive(Debug, Clone, PartialEq)]
pub enum Binds {
    None,
    ByPosition(Vec<Bind>),
    ByName(Vec<(String, Bind)>),
}

/// What goes along with a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub consistency: Consistency,
    pub serial: Option<Consistency>,
    /// Rows a page.
    pub page: Option<i32>,
    /// Where the page begins.
    pub state: Option<Vec<u8>>,
    /// In microseconds since 1970.
    pub timestamp: Option<i64>,
    /// From version 5 on.
    pub keyspace: Option<String>,
    /// From version 5 on, in seconds since 1970: the server's clock for this statement.
    pub now: Option<i32>,
    pub skip_metadata: bool,
    /// Has the server keep a trace.
    pub tracing: bool,
    /// From version 4 on.
    pub payload: Vec<(String, Vec<u8>)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            consistency: Consistency::ONE,
            serial: None,
            page: None,
            state: None,
            timestamp: None,
            keyspace: None,
            now: None,
            skip_metadata: false,
            tracing: false,
            payload: Vec::new(),
        }
    }
}

/// A consistency level, by the specification's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consistency(u16);

/// In the order of their numbers.
const LEVELS: [&str; 11] = [
    "ANY",
    "ONE",
    "TWO",
    "THREE",
    "QUORUM",
    "ALL",
    "LOCAL_QUORUM",
    "EACH_QUORUM",
    "SERIAL",
    "LOCAL_SERIAL",
    "LOCAL_ONE",
];

impl Consistency {
    pub const ONE: Consistency = Consistency(1);

    pub(super) fn of(number: u16) -> Consistency {
        Consistency(number)
    }

    pub fn named(name: &str) -> Result<Consistency> {
        match (0..).zip(LEVELS).find(|(_, level)| level.eq_ignore_ascii_case(name)) {
            Some((number, _)) => Ok(Consistency(number)),
            None => bail!("no consistency level is called {name}"),
        }
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match LEVELS.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    Logged,
    Unlogged,
    Counter,
}

/// A statement of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchItem {
    Text(String, Vec<Bind>),
    Prepared(Vec<u8>, Vec<Bind>),
}

pub(super) fn long_string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend(u32::try_from(text.len())?.to_be_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

pub(super) fn string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    short_bytes(out, text.as_bytes())
}

pub(super) fn short_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    out.extend(u16::try_from(bytes.len())?.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    out.extend(i32::try_from(bytes.len())?.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

fn bind(out: &mut Vec<u8>, value: &Bind) -> Result<()> {
    match value {
        Bind::Bytes(value) => bytes(out, value)?,
        Bind::Null => out.extend((-1i32).to_be_bytes()),
        Bind::Unset => out.extend((-2i32).to_be_bytes()),
    }
    Ok(())
}

pub(super) fn binds(out: &mut Vec<u8>, values: &[Bind]) -> Result<()> {
    out.extend(u16::try_from(values.len())?.to_be_bytes());
    values.iter().try_for_each(|value| bind(out, value))
}

fn flags(out: &mut Vec<u8>, version: u8, flags: u32) -> Result<()> {
    if version >= 5 {
        out.extend(flags.to_be_bytes());
    } else {
        out.push(u8::try_from(flags)?); // what does not fit is refused: it needs version 5
    }
    Ok(())
}

/// The specification's <query_parameters>.
pub(super) fn parameters(out: &mut Vec<u8>, version: u8, values: &Binds, with: &Settings) -> Result<()> {
    out.extend(with.consistency.0.to_be_bytes());
    let has = |condition: bool, flag: u32| if condition { flag } else { 0 };
    flags(
        out,
        version,
        has(*values != Binds::None, 0x01)
            | has(with.skip_metadata, 0x02)
            | has(with.page.is_some(), 0x04)
            | has(with.state.is_some(), 0x08)
            | has(with.serial.is_some(), 0x10)
            | has(with.timestamp.is_some(), 0x20)
            | has(matches!(values, Binds::ByName(_)), 0x40)
            | has(with.keyspace.is_some(), 0x80)
            | has(with.now.is_some(), 0x100),
    )?;
    match values {
        Binds::None => {}
        Binds::ByPosition(values) => binds(out, values)?,
        Binds::ByName(values) => {
            out.extend(u16::try_from(values.len())?.to_be_bytes());
            for (name, value) in values {
                string(out, name)?;
                bind(out, value)?;
            }
        }
    }
    if let Some(page) = with.page {
        out.extend(page.to_be_bytes());
    }
    if let Some(state) = &with.state {
        bytes(out, state)?;
    }
    if let Some(serial) = with.serial {
        out.extend(serial.0.to_be_bytes());
    }
    tail(out, with)
}

/// A BATCH body.
pub(super) fn batch(version: u8, kind: BatchKind, items: &[BatchItem], with: &Settings) -> Result<Vec<u8>> {
    let mut out = vec![match kind {
        BatchKind::Logged => 0,
        BatchKind::Unlogged => 1,
        BatchKind::Counter => 2,
    }];
    out.extend(u16::try_from(items.len())?.to_be_bytes());
    for item in items {
        let values = match item {
            BatchItem::Text(text, values) => {
                out.push(0);
                long_string(&mut out, text)?;
                values
            }
            BatchItem::Prepared(id, values) => {
                out.push(1);
                short_bytes(&mut out, id)?;
                values
            }
        };
        binds(&mut out, values)?;
    }
    out.extend(with.consistency.0.to_be_bytes());
    let has = |condition: bool, flag: u32| if condition { flag } else { 0 };
    flags(
        &mut out,
        version,
        has(with.serial.is_some(), 0x10)
            | has(with.timestamp.is_some(), 0x20)
            | has(with.keyspace.is_some(), 0x80)
            | has(with.now.is_some(), 0x100),
    )?;
    if let Some(serial) = with.serial {
        out.extend(serial.0.to_be_bytes());
    }
    tail(&mut out, with)?;
    Ok(out)
}

fn tail(out: &mut Vec<u8>, with: &Settings) -> Result<()> {
    if let Some(timestamp) = with.timestamp {
        out.extend(timestamp.to_be_bytes());
    }
    if let Some(keyspace) = &with.keyspace {
        string(out, keyspace)?;
    }
    if let Some(now) = with.now {
        out.extend(now.to_be_bytes());
    }
    Ok(())
}

const WANTS_TRACE: u8 = 0x02;
const HAS_PAYLOAD: u8 = 0x04;

/// What precedes a request in its frame, and the flags that say so.
pub(super) fn extras(with: &Settings) -> Result<(u8, Vec<u8>)> {
    let mut flags = if with.tracing { WANTS_TRACE } else { 0 };
    let mut out = Vec::new();
    if !with.payload.is_empty() {
        flags |= HAS_PAYLOAD;
        out.extend(u16::try_from(with.payload.len())?.to_be_bytes());
        for (key, value) in &with.payload {
            string(&mut out, key)?;
            out.extend(i32::try_from(value.len())?.to_be_bytes());
            out.extend(value);
        }
    }
    Ok((flags, out))
}
