//! Which consistency levels a statement may name (Cassandra's `ConsistencyLevel.validateFor...`). One node satisfies
//! every one that is valid.

use ilium_store::{Consistency, Error, Result};

use crate::catalog::TableEntry;

pub fn check_read(level: Consistency) -> Result<()> {
    match level {
        Consistency::Any => Err(Error::invalid("ANY ConsistencyLevel is only supported for writes")),
        _ => Ok(()),
    }
}

pub fn check_write(level: Consistency) -> Result<()> {
    match level {
        Consistency::Serial | Consistency::LocalSerial => {
            Err(Error::invalid("You must use conditional updates for serializable writes"))
        }
        _ => Ok(()),
    }
}

pub fn check_conditional(level: Consistency) -> Result<()> {
    match level {
        Consistency::Serial | Consistency::LocalSerial => Err(Error::invalid(format!(
            "{} is not supported as conditional update commit consistency. Use ANY if you mean \"make sure it is \
             accepted but I don't care how many replicas commit it for non-SERIAL reads\"",
            if level == Consistency::Serial { "SERIAL" } else { "LOCAL_SERIAL" }
        ))),
        _ => Ok(()),
    }
}

pub fn check_counter(level: Consistency, entry: &TableEntry) -> Result<()> {
    match level {
        Consistency::Any => Err(Error::invalid(format!(
            "Consistency level ANY is not yet supported for counter table {}",
            entry.table.name
        ))),
        Consistency::Serial | Consistency::LocalSerial => {
            Err(Error::invalid("Counter operations are inherently non-serializable"))
        }
        _ => Ok(()),
    }
}
