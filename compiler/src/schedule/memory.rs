//! First-fit allocation over lives.

/// Places regions in one memory.
#[derive(Debug, Default)]
pub(super) struct Allocator {
    /// Live regions by address.
    regions: Vec<Region>,
    high_water: usize,
}

#[derive(Debug)]
struct Region {
    base: usize,
    words: usize,
    last_use: usize,
}

impl Allocator {
    /// Places a region that lives until a layer has read it; returns its first word.
    pub(super) fn allocate(&mut self, words: usize, last_use: usize) -> usize {
        let mut base = 0;
        let mut index = 0;
        for region in &self.regions {
            if base + words <= region.base {
                break;
            }
            base = region.base + region.words;
            index += 1;
        }
        self.regions.insert(index, Region { base, words, last_use });
        self.high_water = self.high_water.max(base + words);
        base
    }

    /// Lets the region at an address live longer.
    pub(super) fn extend(&mut self, base: usize, last_use: usize) {
        let region = self.regions.iter_mut().find(|r| r.base == base);
        let region = region.expect("bug: extends a live region");
        region.last_use = region.last_use.max(last_use);
    }

    /// Frees the regions that no layer after this one reads.
    pub(super) fn release(&mut self, layer: usize) {
        self.regions.retain(|region| region.last_use > layer);
    }

    /// Words of the live regions.
    pub(super) fn live(&self) -> usize {
        self.regions.iter().map(|region| region.words).sum()
    }

    /// Words that were ever in use.
    pub(super) fn high_water(&self) -> usize {
        self.high_water
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_reused_and_live_regions_kept() {
        let mut memory = Allocator::default();
        assert_eq!(memory.allocate(10, 1), 0);
        assert_eq!(memory.allocate(5, 3), 10);
        memory.release(1);
        assert_eq!(memory.allocate(4, 2), 0);
        assert_eq!(memory.allocate(7, 4), 15);
        memory.extend(0, 9);
        memory.release(4);
        assert_eq!(memory.live(), 4);
        assert_eq!(memory.allocate(6, 5), 4);
        assert_eq!(memory.high_water(), 22);
    }
}
