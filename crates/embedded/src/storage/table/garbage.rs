//! How much of a table could go, and from when on: a small histogram of what [`Merge::droppable_at`] said.
//!
//! [`Merge::droppable_at`]: super::super::Merge::droppable_at

use super::super::encode::{Input, put_uint};

/// Enough to tell hours apart within weeks of deletions; a table's histogram stays under half a kilobyte.
const BUCKETS: usize = 32;

/// `(second, entries)`: so many entries can go from that second on, by second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Garbage(Vec<(u32, u64)>);

impl Garbage {
    pub fn add(&mut self, second: u32) {
        match self.0.binary_search_by_key(&second, |&(at, _)| at) {
            Ok(i) => {
                if let Some((_, entries)) = self.0.get_mut(i) {
                    *entries += 1;
                }
            }
            Err(i) => {
                self.0.insert(i, (second, 1));
                if self.0.len() > BUCKETS {
                    self.join_nearest();
                }
            }
        }
    }

    /// Entries that can go by now.
    pub fn due(&self, now: u32) -> u64 {
        self.0.iter().take_while(|&&(at, _)| at <= now).map(|&(_, entries)| entries).sum()
    }

    /// Joins the two buckets closest in time under the later time: nothing is announced too early.
    fn join_nearest(&mut self) {
        let gaps = self.0.windows(2).map(|pair| match pair {
            [(a, _), (b, _)] => b - a,
            _ => u32::MAX,
        });
        if let Some((i, _)) = gaps.enumerate().min_by_key(|&(_, gap)| gap) {
            let (_, entries) = self.0.remove(i);
            if let Some(later) = self.0.get_mut(i) {
                later.1 += entries;
            }
        }
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        put_uint(out, self.0.len() as u64);
        for &(second, entries) in &self.0 {
            put_uint(out, u64::from(second));
            put_uint(out, entries);
        }
    }

    pub fn read(input: &mut Input<'_>) -> Option<Self> {
        let len = input.len().filter(|&len| len <= BUCKETS)?;
        (0..len)
            .map(|_| Some((u32::try_from(input.uint()?).ok()?, input.uint()?)))
            .collect::<Option<_>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_too_early_and_all_in_the_end() {
        let mut garbage = Garbage::default();
        for i in 0..1000 {
            garbage.add(i * 7 % 1000 + 100);
        }
        for now in 0..1200 {
            assert!(garbage.due(now) <= u64::from(now.saturating_sub(99)));
        }
        assert_eq!(garbage.due(1099), 1000);
        let mut bytes = Vec::new();
        garbage.put(&mut bytes);
        assert_eq!(Garbage::read(&mut Input(&bytes)), Some(garbage));
    }
}
