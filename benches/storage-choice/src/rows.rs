//! Keys and records as the engine lays them.

use std::sync::Arc;

use ilium_embedded::clock::SystemClock;
use ilium_embedded::layout::key::{EntryKind, entry_key};
use ilium_embedded::layout::policy::RowPolicy;
use ilium_embedded::layout::record::{Cell, CellState, Liveness, RecordWriter};

/// Rows of a partition, which lie beside each other; partitions are scattered by their token.
pub const PARTITION: u64 = 100;
pub const COLUMNS: u16 = 5;
/// Five values of this many bytes make a record of about 160.
pub const VALUE: usize = 28;
const TABLE: u32 = 7;

/// The rules by which Ilium merges what is written for one key.
pub fn policy() -> RowPolicy {
    RowPolicy::new(Arc::new(SystemClock::default()))
}

/// The key of a row: 28 bytes.
pub fn key(row: u64) -> Vec<u8> {
    let mut clustering = vec![0x40];
    clustering.extend_from_slice(&((row % PARTITION) as u32 ^ (1 << 31)).to_be_bytes());
    entry_key(TABLE, &(row / PARTITION).to_be_bytes(), EntryKind::Row, &clustering)
}

/// The least key of the row's partition, and one above all of its keys.
pub fn partition(row: u64) -> (Vec<u8>, Vec<u8>) {
    let partition = (row / PARTITION).to_be_bytes();
    (entry_key(TABLE, &partition, EntryKind::Row, &[]), entry_key(TABLE, &partition, EntryKind::Row, &[0xff]))
}

/// The `column` of a row as it was after its `version`th write: half random, half the same everywhere.
pub fn value(row: u64, column: u16, version: u64) -> [u8; VALUE] {
    let mut bytes = [b'i'; VALUE];
    let (low, high) = (scatter(row ^ (version << 48) ^ (u64::from(column) << 40)), scatter(row));
    for (to, from) in bytes.iter_mut().zip(low.to_be_bytes().into_iter().chain(high.to_be_bytes())).take(14) {
        *to = from;
    }
    bytes
}

/// What an INSERT of these columns writes; `version` is its time stamp.
pub fn record(row: u64, columns: std::ops::Range<u16>, version: u64, alive: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(170);
    let timestamp = 1_700_000_000_000_000 + version as i64;
    let mut record = RecordWriter::new(timestamp, &mut out);
    if alive {
        record.liveness(Liveness { timestamp, expiry: None });
    }
    for column in columns {
        let value = value(row, column, version);
        let state = CellState::Live { value: &value, expiry: None };
        record.cell(&Cell { column, timestamp, path: None, state });
    }
    record.finish();
    out
}

/// A row's record with all of its columns.
pub fn whole(row: u64, version: u64) -> Vec<u8> {
    record(row, 0..COLUMNS, version, true)
}

/// The `n`th of `rows` rows in an order without locality, every row once.
pub fn nth(n: u64, rows: u64) -> u64 {
    // A prime above all the numbers of rows used shares no factor with them.
    n * 2_147_483_647 % rows
}

/// SplitMix64's finisher.
pub fn scatter(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
