//! Consistency levels as the protocol numbers them.

use std::{fmt, str::FromStr};

use crate::ProtocolError;

/// How many replicas must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Consistency {
    Any = 0,
    One = 1,
    Two = 2,
    Three = 3,
    Quorum = 4,
    All = 5,
    LocalQuorum = 6,
    EachQuorum = 7,
    Serial = 8,
    LocalSerial = 9,
    LocalOne = 10,
    /// Not in the specification; Cassandra 4.1 and later accept it (`ConsistencyLevel.NODE_LOCAL`).
    NodeLocal = 11,
}

impl Consistency {
    /// Every level, in the order of its code.
    pub const ALL: [Consistency; 12] = [
        Consistency::Any,
        Consistency::One,
        Consistency::Two,
        Consistency::Three,
        Consistency::Quorum,
        Consistency::All,
        Consistency::LocalQuorum,
        Consistency::EachQuorum,
        Consistency::Serial,
        Consistency::LocalSerial,
        Consistency::LocalOne,
        Consistency::NodeLocal,
    ];

    pub fn from_code(code: u16) -> Result<Consistency, ProtocolError> {
        Consistency::ALL.get(usize::from(code)).copied().ok_or(ProtocolError::UnknownConsistency(code))
    }

    pub fn code(self) -> u16 {
        self as u16
    }

    /// Whether it is a level of the Paxos phase (SERIAL, LOCAL_SERIAL).
    pub fn is_serial(self) -> bool {
        matches!(self, Consistency::Serial | Consistency::LocalSerial)
    }

    /// The name Cassandra uses: `LOCAL_QUORUM`.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::Any => "ANY",
            Consistency::One => "ONE",
            Consistency::Two => "TWO",
            Consistency::Three => "THREE",
            Consistency::Quorum => "QUORUM",
            Consistency::All => "ALL",
            Consistency::LocalQuorum => "LOCAL_QUORUM",
            Consistency::EachQuorum => "EACH_QUORUM",
            Consistency::Serial => "SERIAL",
            Consistency::LocalSerial => "LOCAL_SERIAL",
            Consistency::LocalOne => "LOCAL_ONE",
            Consistency::NodeLocal => "NODE_LOCAL",
        }
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Accepts any case, as Cassandra's `ConsistencyLevel.fromString` does.
impl FromStr for Consistency {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Consistency, ProtocolError> {
        Consistency::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| ProtocolError::invalid_name("ConsistencyLevel", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_survives_its_code_and_its_name() {
        for level in Consistency::ALL {
            assert_eq!(Consistency::from_code(level.code()).unwrap(), level);
            assert_eq!(level.name().to_lowercase().parse::<Consistency>().unwrap(), level);
        }
        assert_eq!(
            Consistency::from_code(12).unwrap_err().to_string(),
            "Unknown code 12 for a consistency level"
        );
    }
}
