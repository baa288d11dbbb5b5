//! Stored rows, as selectors see them.

use crate::layout::live_row::LiveRow;

use super::{ElementTimes, RowValues};

impl RowValues for LiveRow {
    fn value(&self, column: usize) -> Option<&[u8]> {
        LiveRow::value(self, column)
    }

    fn write_time(&self, column: usize) -> Option<i64> {
        LiveRow::write_time(self, column)
    }

    fn expires_at(&self, column: usize) -> Option<u32> {
        LiveRow::expires_at(self, column)
    }

    fn element(&self, column: usize, position: usize) -> Option<ElementTimes> {
        let element = self.elements(column).get(position)?;
        let path = self.element_path(element);
        Some(ElementTimes {
            write_time: element.timestamp,
            expires_at: element.expiry.map(|(_, at)| at),
            field: path.try_into().map_or(0, u16::from_be_bytes),
        })
    }
}
