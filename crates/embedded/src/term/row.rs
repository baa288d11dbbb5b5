//! The row that selectors are evaluated on.

/// A row of one table, its columns addressed by their index in `Table::columns`.
pub trait RowValues {
    /// The value in wire form, multi-cell columns assembled; `None` is null.
    fn value(&self, column: usize) -> Option<&[u8]>;

    /// When the column's one cell was written, in microseconds; `None` for null, key and multi-cell columns.
    fn write_time(&self, column: usize) -> Option<i64>;

    /// The second since the epoch the column's one cell expires at; `None`: it has no TTL.
    fn expires_at(&self, column: usize) -> Option<u32>;

    /// The live element at `position` of a multi-cell column, in the order of the assembled value; `None` past the
    /// last.
    fn element(&self, column: usize, position: usize) -> Option<ElementTimes>;
}

/// When a cell of a multi-cell column was written and when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementTimes {
    /// Microseconds.
    pub write_time: i64,
    /// Seconds since the epoch.
    pub expires_at: Option<u32>,
    /// Of a user-defined type: which field it is. 0 otherwise.
    pub field: u16,
}
