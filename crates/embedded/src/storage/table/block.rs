//! Blocks of a table file: `[kind][payload][crc32]`, the checksum over kind, payload, table and offset, so that
//! neither a flipped bit nor a block in the wrong place goes unnoticed.
//!
//! A payload of entries is, for each, `shared rest value` as lengths, then the bytes of the key after the `shared`
//! first ones of the key before, then the value.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::super::encode::{Input, put_uint};
use super::super::page::{Page, common};

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Where a block is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub offset: u64,
    pub len: u32,
}

impl Handle {
    pub fn put(self, out: &mut Vec<u8>) {
        put_uint(out, self.offset);
        put_uint(out, u64::from(self.len));
    }

    pub fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self { offset: input.uint()?, len: u32::try_from(input.uint()?).ok()? })
    }
}

/// Collects sorted entries into a payload.
#[derive(Default)]
pub(crate) struct Entries {
    payload: Vec<u8>,
    last_key: Vec<u8>,
    count: usize,
}

impl Entries {
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = common(&self.last_key, key);
        let rest = key.get(shared..).unwrap_or_default();
        put_uint(&mut self.payload, shared as u64);
        put_uint(&mut self.payload, rest.len() as u64);
        put_uint(&mut self.payload, value.len() as u64);
        self.payload.extend_from_slice(rest);
        self.payload.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
        self.count += 1;
    }

    pub fn bytes(&self) -> usize {
        self.payload.len()
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn clear(&mut self) {
        self.payload.clear();
        self.last_key.clear();
        self.count = 0;
    }
}

/// The entries of a payload as a page, if it is one.
pub(crate) fn read_entries(payload: &[u8]) -> Option<Page> {
    let mut count = 0;
    let mut bytes = 0usize;
    let mut input = Input(payload);
    while !input.is_empty() {
        let (shared, rest, value) = (input.len()?, input.len()?, input.len()?);
        input.take(rest.checked_add(value)?)?;
        bytes = bytes.checked_add(shared)?.checked_add(rest)?.checked_add(value)?;
        count += 1;
    }
    // A key is at most as long as the payload that first spelt it out, so a sane block cannot ask for more.
    if bytes > payload.len().saturating_mul(count + 1) {
        return None;
    }
    let mut page = Page::with_room(bytes, count);
    let mut input = Input(payload);
    while !input.is_empty() {
        let (shared, rest, value) = (input.len()?, input.len()?, input.len()?);
        page.push_sharing(shared, input.take(rest)?, input.take(value)?)?;
    }
    page.index();
    Some(page)
}

/// Frames payloads, compressing those that gain from it.
#[derive(Default)]
pub(crate) struct Framer {
    table: CompressTable,
    packed: Vec<u8>,
}

impl Framer {
    /// Appends the block to `out` and returns its length. `offset` is where it will be in the file of `table`.
    pub fn put(&mut self, out: &mut Vec<u8>, table: u64, offset: u64, payload: &[u8], compress: bool) -> u32 {
        let start = out.len();
        let packed = if compress { self.compress(payload) } else { None };
        match packed {
            Some(packed) => {
                out.push(LZ4);
                put_uint(out, payload.len() as u64);
                out.extend_from_slice(packed);
            }
            None => {
                out.push(PLAIN);
                out.extend_from_slice(payload);
            }
        }
        let crc = checksum(table, offset, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        (out.len() - start) as u32
    }

    /// The payload compressed, if that saves an eighth: less is not worth decompressing it at every read.
    fn compress(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let room = get_maximum_output_size(payload.len());
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        let len = compress_into_with_table(payload, &mut self.packed, &mut self.table).ok()?;
        (len < payload.len() - payload.len() / 8).then(|| self.packed.get(..len))?
    }
}

/// The payload of a block read from `offset` of the file of `table`, or what is wrong with it.
pub(crate) fn unframe(block: &[u8], table: u64, offset: u64) -> Result<Vec<u8>, &'static str> {
    let (framed, crc) = block.split_last_chunk::<4>().ok_or("the block is too short")?;
    if checksum(table, offset, framed) != u32::from_le_bytes(*crc) {
        return Err("the block's checksum does not match");
    }
    match framed.split_first() {
        Some((&PLAIN, payload)) => Ok(payload.to_vec()),
        Some((&LZ4, packed)) => {
            let mut input = Input(packed);
            let len = input.len().ok_or("the block has no length")?;
            // LZ4 cannot expand more than 255 times, so a length beyond that is a lie.
            if len > input.0.len().saturating_mul(255) {
                return Err("the block's length is impossible");
            }
            let mut payload = vec![0; len];
            match decompress_into(input.0, &mut payload) {
                Ok(written) if written == len => Ok(payload),
                _ => Err("the block does not decompress"),
            }
        }
        _ => Err("the block is of an unknown kind"),
    }
}

fn checksum(table: u64, offset: u64, framed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&table.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(framed);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_from_a_block_compressed_or_not() {
        for value in [[7u8; 100].to_vec(), (0..=255).collect()] {
            let mut entries = Entries::default();
            for key in [&b"a"[..], b"ab", b"abc", b"abd", b"b"] {
                entries.add(key, &value);
            }
            let mut file = b"before".to_vec();
            let len = Framer::default().put(&mut file, 3, 6, entries.payload(), true);
            assert_eq!(len as usize, file.len() - 6);
            let page = read_entries(&unframe(&file[6..], 3, 6).unwrap()).unwrap();
            assert_eq!(
                page.iter().map(|(key, _)| key).collect::<Vec<_>>(),
                [&b"a"[..], b"ab", b"abc", b"abd", b"b"]
            );
            assert!(page.iter().all(|(_, v)| v == value));
        }
    }

    #[test]
    fn a_flipped_bit_or_another_place_is_noticed() {
        let mut entries = Entries::default();
        entries.add(b"key", b"value");
        let mut block = Vec::new();
        Framer::default().put(&mut block, 1, 0, entries.payload(), true);
        assert!(unframe(&block, 1, 0).is_ok());
        assert!(unframe(&block, 2, 0).is_err());
        assert!(unframe(&block, 1, 1).is_err());
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unframe(&damaged, 1, 0).is_err(), "bit {bit}");
        }
    }
}
