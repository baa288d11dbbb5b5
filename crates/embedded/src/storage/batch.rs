//! A batch: the changes that become durable and visible together, already in the form the log keeps.

use super::encode::{Input, put_bytes};

const PUT: u8 = 1;
const DROP: u8 = 2;

/// Changes that are applied all or none, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    ops: Vec<u8>,
    drops: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `value` for `key`; what is there already is combined with it by [`Merge`](super::Merge), not replaced.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.ops.reserve(key.len() + value.len() + 8);
        self.ops.push(PUT);
        put_bytes(&mut self.ops, key);
        put_bytes(&mut self.ops, value);
    }

    /// Removes every key that starts with `prefix` and was committed before, whatever its write time; the empty
    /// prefix removes all. Costs the same for one key as for a billion.
    pub fn drop_prefix(&mut self, prefix: &[u8]) {
        self.drops = true;
        self.ops.push(DROP);
        put_bytes(&mut self.ops, prefix);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes this batch takes in the log.
    pub fn bytes(&self) -> usize {
        self.ops.len()
    }

    pub(crate) fn drops(&self) -> bool {
        self.drops
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.ops
    }
}

/// One change of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Drop { prefix: &'a [u8] },
}

/// The changes in `encoded`, which may hold several batches end to end; `Err` once where the bytes make no sense.
pub(crate) struct Ops<'a>(Input<'a>);

impl<'a> Ops<'a> {
    pub fn new(encoded: &'a [u8]) -> Self {
        Self(Input(encoded))
    }

    fn read(input: &mut Input<'a>) -> Option<Op<'a>> {
        match input.u8()? {
            PUT => Some(Op::Put { key: input.bytes()?, value: input.bytes()? }),
            DROP => Some(Op::Drop { prefix: input.bytes()? }),
            _ => None,
        }
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let op = Self::read(&mut self.0);
        if op.is_none() {
            self.0 = Input(&[]);
        }
        Some(op.ok_or(Malformed))
    }
}

/// The bytes are no batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back_in_the_order_it_was_filled() {
        let mut batch = Batch::new();
        batch.put(b"k", b"v");
        batch.drop_prefix(b"p");
        batch.put(b"", &[7; 300]);
        let ops: Vec<_> = Ops::new(batch.encoded()).map(Result::unwrap).collect();
        assert_eq!(
            ops,
            [
                Op::Put { key: b"k", value: b"v" },
                Op::Drop { prefix: b"p" },
                Op::Put { key: b"", value: &[7; 300] }
            ]
        );
    }

    #[test]
    fn a_batch_cut_short_is_reported_once() {
        let mut batch = Batch::new();
        batch.put(b"key", b"value");
        for cut in 1..batch.bytes() {
            let ops: Vec<_> = Ops::new(&batch.encoded()[..cut]).collect();
            assert_eq!(ops, [Err(Malformed)], "cut at {cut}");
        }
    }
}
