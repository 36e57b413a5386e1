//! Which weights are streamed, and through how large a ring: microarchitecture.md, section 2.2.
//!
//! A layer of many tiles uses each of its words for many cycles, so that the port has long brought
//! the next ones; a layer of few tiles is as slow as the port. So for each size of the ring the
//! layers that use a word for the fewest cycles stay resident, as many as fit beside it. From there
//! single layers change sides as long as the cycle model says that it helps, and the ring with the
//! fewest cycles is taken. docs/adr/0015-weight-ring.md has what this loses against trying
//! everything.
//!
//! Not here: addresses and contents ([`super::layer`], [`super::weights`]).

use super::Outline;
use super::port::{ADDRESSES, WeightPort, cycles_of_words};
use heartbit_ir::program::{LayerDescriptor, WeightRing};

/// Where the weights of each layer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Streaming {
    /// The ring; all weights are resident if `None`.
    pub(super) ring: Option<WeightRing>,
    /// Whether the weights of each layer come through it.
    pub(super) streamed: Vec<bool>,
}

/// What a network would need that does not fit even where all is streamed that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Words of the weight memory.
    pub(super) words: usize,
    /// The layer that needs the largest ring.
    pub(super) layer: Option<usize>,
}

/// The weights of a layer of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LayerWeights {
    /// Their words; 0 if an earlier layer has them.
    pub(super) words: usize,
    /// Whether several layers, which are bands, use them: they would come once for each.
    pub(super) is_shared: bool,
}

/// What sorts choices: cycles, whether the ring is tight, words through the port, words of the ring.
type Key = (u64, bool, usize, usize);

/// What is chosen from.
pub(super) struct Choice<'a> {
    /// The program, all weights resident.
    pub(super) outline: &'a Outline,
    /// Cycles of an image in which no step waits.
    pub(super) unwaited: u64,
    /// Weights of each of the program's layers.
    pub(super) words: &'a [LayerWeights],
    /// Words that passes find behind the ring.
    pub(super) pass_words: usize,
    /// Words of the weight memory.
    pub(super) room: usize,
    pub(super) port: &'a WeightPort,
    /// The ring that there is whether it is needed or not.
    pub(super) hardware: Option<WeightRing>,
    /// Whether changes are tried; without, the choice takes a hundredth of the time.
    pub(super) is_thorough: bool,
}

impl Choice<'_> {
    /// Finds the ring and the layers for which an image takes the fewest cycles.
    ///
    /// # Errors
    /// What it would take, if no choice fits.
    pub(super) fn best(&self) -> Result<Streaming, Shortage> {
        let sizes = match self.hardware {
            Some(ring) => vec![ring.words],
            None => self.port.ring_sizes(),
        };
        let starts = sizes.iter().flat_map(|&ring| self.starts(ring));
        let bound = |(index, (ring, streamed)): (usize, (usize, Vec<bool>))| {
            (self.least_key(ring, &streamed), index, ring, streamed)
        };
        let mut starts: Vec<_> = starts.enumerate().map(bound).collect();
        starts.sort();
        let mut best: Option<(Key, usize, usize, Vec<bool>)> = None;
        for (least, index, ring, mut streamed) in starts {
            if best.as_ref().is_some_and(|(key, of, ..)| (*key, *of) < (least, index)) {
                break;
            }
            if self.is_thorough {
                streamed = self.improved(ring, streamed);
            }
            let key = self.key(self.cycles(ring, &streamed), ring, &streamed);
            let found = (key, index, ring, streamed);
            if best.as_ref().is_none_or(|best| found < *best) {
                best = Some(found);
            }
        }
        let (_, _, words, streamed) = best.ok_or_else(|| self.shortage(&sizes))?;
        Ok(Streaming { ring: Some(WeightRing { words, port_cols: self.port.cols }), streamed })
    }

    /// Takes the largest ring with which all fits.
    ///
    /// # Errors
    /// What it would take.
    pub(super) fn any(&self) -> Result<Streaming, Shortage> {
        let sizes = self.port.ring_sizes();
        let found = sizes.iter().rev().find_map(|&ring| self.starts(ring).into_iter().next());
        let (words, streamed) = found.ok_or_else(|| self.shortage(&sizes))?;
        Ok(Streaming { ring: Some(WeightRing { words, port_cols: self.port.cols }), streamed })
    }

    /// Takes the layers that are given, if they can be streamed through a ring and the others fit.
    ///
    /// # Errors
    /// What it would take.
    pub(super) fn given(&self, ring: WeightRing, streamed: &[bool]) -> Result<Streaming, Shortage> {
        let can = self.longest_used(ring.words);
        let possible = (0..streamed.len()).all(|i| !streamed[i] || can.contains(&i));
        if possible && streamed.len() == self.words.len() && self.fits(ring.words, streamed) {
            return Ok(Streaming { ring: Some(ring), streamed: streamed.to_vec() });
        }
        Err(self.shortage(&[ring.words]))
    }

    /// Choices of the layers to be streamed through a ring with which all fits, each with the ring.
    fn starts(&self, ring: usize) -> Vec<(usize, Vec<bool>)> {
        let orders = [self.longest_used(ring), self.smallest(ring)];
        let choices = orders.iter().filter_map(|order| self.first_streamed(ring, order));
        choices.map(|streamed| (ring, streamed)).collect()
    }

    /// What sorts choices: fewer cycles first; then room in the ring for the next column tile too,
    /// for the sake of a source that is late; then fewer words through the port; then a small ring.
    fn key(&self, cycles: u64, ring: usize, streamed: &[bool]) -> Key {
        let steps = |(layer, _): (&LayerDescriptor, _)| usize::from(layer.steps);
        let layers = self.outline.layers.iter().zip(streamed).filter(|(_, streamed)| **streamed);
        let tight = ring < 2 * layers.map(steps).max().unwrap_or(0);
        (cycles, tight, self.words_of(streamed, true), ring)
    }

    /// What a choice's key is not less than, and that of no choice which it is improved to.
    fn least_key(&self, ring: usize, streamed: &[bool]) -> Key {
        if !self.is_thorough {
            return self.key(self.least_cycles(self.words_of(streamed, true)), ring, streamed);
        }
        let words = self.words_of(&vec![true; streamed.len()], true);
        let words = words.saturating_sub(self.room.saturating_sub(ring));
        (self.least_cycles(words), false, words, ring)
    }

    /// Cycles of an image in which no step waits, or those in which the port brings so many words, if
    /// they are more.
    fn least_cycles(&self, words: usize) -> u64 {
        let WeightPort { cols, slots, .. } = self.port;
        let port = cycles_of_words(words as u64, self.outline.array.cols, *cols, slots);
        self.unwaited.max(port)
    }

    /// Cycles of an image, or those in which the port brings its words, if they are more: a large
    /// ring that is full in the beginning helps only the first image.
    fn cycles(&self, ring: usize, streamed: &[bool]) -> u64 {
        let mut outline = self.outline.clone();
        outline.depths.ring = Some(WeightRing { words: ring, port_cols: self.port.cols });
        outline.slots = Some(self.port.slots.clone());
        for (layer, streamed) in outline.layers.iter_mut().zip(streamed) {
            layer.flags.stream_weights = *streamed;
        }
        outline.cycles().total().0.max(self.least_cycles(self.words_of(streamed, true)))
    }

    /// Words of the layers that are streamed, or of those that are not.
    fn words_of(&self, streamed: &[bool], which: bool) -> usize {
        self.words.iter().zip(streamed).filter(|(_, s)| **s == which).map(|(w, _)| w.words).sum()
    }

    fn fits(&self, ring: usize, streamed: &[bool]) -> bool {
        ring + self.words_of(streamed, false).max(self.pass_words) <= self.room
    }

    /// The layers that can be streamed, those that use a word for the most cycles first.
    fn longest_used(&self, ring: usize) -> Vec<usize> {
        let layers = &self.outline.layers;
        let can = |i: &usize| {
            let LayerWeights { words, is_shared } = self.words[*i];
            words > 0 && !is_shared && usize::from(layers[*i].steps) <= ring
        };
        let mut order: Vec<usize> = (0..layers.len()).filter(can).collect();
        // Cycles of a word are run / words; compared without a division.
        order.sort_by(|&a, &b| {
            let cross = |of: usize, by: usize| {
                u128::from(layers[of].run_cycles()) * self.words[by].words as u128
            };
            cross(b, a).cmp(&cross(a, b))
        });
        order
    }

    /// The layers that can be streamed, those with the fewest words first.
    fn smallest(&self, ring: usize) -> Vec<usize> {
        let mut order = self.longest_used(ring);
        order.sort_by_key(|&i| self.words[i].words);
        order
    }

    /// The last of the layers in an order stay resident, as many as fit; `None` if too much is
    /// left.
    fn first_streamed(&self, ring: usize, order: &[usize]) -> Option<Vec<bool>> {
        let mut streamed: Vec<bool> = (0..self.words.len()).map(|i| order.contains(&i)).collect();
        if !self.fits(ring, &streamed) {
            return None;
        }
        for &i in order.iter().rev() {
            streamed[i] = false;
            streamed[i] = !self.fits(ring, &streamed);
        }
        Some(streamed)
    }

    /// Lets a layer change sides, or two, as long as that takes cycles off.
    fn improved(&self, ring: usize, mut streamed: Vec<bool>) -> Vec<bool> {
        let mut cycles = self.cycles(ring, &streamed);
        while cycles > self.unwaited {
            let changes = self.changes(ring, &streamed).into_iter().enumerate();
            let bound = |(index, changed): (usize, Vec<bool>)| {
                (self.least_cycles(self.words_of(&changed, true)), index, changed)
            };
            let mut changes: Vec<_> = changes.map(bound).collect();
            changes.sort();
            // The first of those with the fewest cycles, if they are fewer than now.
            let mut best = (cycles, 0, None);
            for (least, index, changed) in changes {
                if (best.0, best.1) < (least, index) {
                    break;
                }
                let counted = self.cycles(ring, &changed);
                if (counted, index) < (best.0, best.1) {
                    best = (counted, index, Some(changed));
                }
            }
            let (fewer, _, Some(changed)) = best else { break };
            (cycles, streamed) = (fewer, changed);
        }
        streamed
    }

    /// The choices that differ in one layer, or in one of each side, and fit.
    fn changes(&self, ring: usize, streamed: &[bool]) -> Vec<Vec<bool>> {
        let order = self.longest_used(ring);
        let mut changes = Vec::new();
        for &i in &order {
            let partners = order.iter().filter(|&&j| streamed[i] && !streamed[j]);
            for partner in partners.copied().map(Some).chain([None]) {
                let mut changed = streamed.to_vec();
                changed[i] = !changed[i];
                if let Some(j) = partner {
                    changed[j] = !changed[j];
                }
                if self.fits(ring, &changed) {
                    changes.push(changed);
                }
            }
        }
        changes
    }

    /// What it would take where nothing fits.
    fn shortage(&self, sizes: &[usize]) -> Shortage {
        let needed = |ring: usize| {
            let order = self.longest_used(ring);
            let resident = (0..self.words.len()).filter(|i| !order.contains(i));
            ring + resident.map(|i| self.words[i].words).sum::<usize>().max(self.pass_words)
        };
        let least = sizes.iter().map(|&ring| needed(ring)).min();
        let weighted = (0..self.words.len()).filter(|&i| self.words[i].words > 0);
        Shortage {
            words: least.unwrap_or(ADDRESSES),
            layer: weighted.max_by_key(|&i| self.outline.layers[i].steps),
        }
    }
}

#[cfg(test)]
mod tests;
