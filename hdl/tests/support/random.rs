//! Random numbers and values.

/// The splitmix64 generator: the same stream everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    /// Random words, sometimes all ones or zero.
    pub(crate) fn words(&mut self, n: usize) -> Vec<u64> {
        match self.below(8) {
            0 => vec![0; n],
            1 => vec![u64::MAX; n],
            _ => (0..n).map(|_| self.word()).collect(),
        }
    }
}

/// Cuts a value to `width` bits.
pub(crate) fn fit(value: &[u64], width: u32) -> Vec<u64> {
    let n = width.div_ceil(64) as usize;
    let mut out: Vec<u64> = (0..n).map(|i| value.get(i).copied().unwrap_or(0)).collect();
    if !width.is_multiple_of(64) {
        out[n - 1] &= (1 << (width % 64)) - 1;
    }
    out
}
