//! Random numbers that are the same for the same seed everywhere: SplitMix64.

#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than the bound, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// From the first to the last.
    pub(super) fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// One of some texts.
    pub(super) fn word(&mut self, from: &[&str]) -> String {
        self.pick(from).copied().unwrap_or_default().to_owned()
    }

    /// Some of them, at least one where there is one, in their order.
    pub(super) fn some<'a, T>(&mut self, from: &'a [T]) -> Vec<&'a T> {
        let mut some: Vec<&T> = from.iter().filter(|_| self.one_in(2)).collect();
        if some.is_empty() {
            some.extend(self.pick(from));
        }
        some
    }
}
