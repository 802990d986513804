//! Random numbers that a seed repeats: xorshift.

/// A row of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The row that begins with a seed.
    pub fn new(seed: u64) -> Self {
        // From zero it would not move.
        Self(seed.max(1))
    }

    /// The next number, which is smaller than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// The next number, as a place in something of this length.
    pub fn below_usize(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).expect("it is smaller than the limit")
    }
}
