//! The cycle model: microarchitecture.md, section 5.4.
//!
//! A layer whose weights are resident takes as many cycles as its descriptor says, in closed form.
//! With `stream_weights` its steps may wait for their words; then the ring and the source of the
//! weight port are followed, word by word ([`Predictor`]).
//! All of it is compared with the simulator, which steps a state machine, and with the RTL: for
//! every layer the three agree to the cycle.
//!
//! Not here: stalls of the host port, which are the host's.

mod ring;

use heartbit_ir::program::{DESCRIPTOR_WORDS, LayerDescriptor, Program};
use ring::Ring;
use serde::Serialize;
use std::iter::Sum;

/// Cycles to fetch the first descriptor; the others are fetched meanwhile.
pub(crate) const FETCH_CYCLES: u64 = DESCRIPTOR_WORDS as u64 + 2;
/// Cycles of `Idle` before an image that is there already.
pub(crate) const IDLE_CYCLES: u64 = 1;
/// Images after which a rhythm that does not repeat is only measured.
const MOST_IMAGES: u64 = 256;

/// A number of rising clock edges of the array clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CycleCount(pub u64);

/// Where the cycles of a layer go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LayerCycles {
    /// Reading the descriptor, of the first layer.
    pub fetch: u64,
    /// Steps of the array.
    pub compute: u64,
    /// Steps that wait for their weights.
    pub wait: u64,
    /// Between tiles, where draining one takes longer than the steps of the next.
    pub stall: u64,
    /// Until the next layer can begin, and for each column tile that is pooled.
    pub drain: u64,
}

impl LayerCycles {
    /// All of them.
    pub fn total(&self) -> CycleCount {
        CycleCount(self.fetch + self.compute + self.wait + self.stall + self.drain)
    }
}

impl Sum for LayerCycles {
    fn sum<I: Iterator<Item = Self>>(layers: I) -> Self {
        layers.fold(Self::default(), |a, b| Self {
            fetch: a.fetch + b.fetch,
            compute: a.compute + b.compute,
            wait: a.wait + b.wait,
            stall: a.stall + b.stall,
            drain: a.drain + b.drain,
        })
    }
}

/// Cycles of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CyclePrediction {
    /// Cycles of each layer, until the next one begins.
    pub layers: Vec<LayerCycles>,
    /// Cycles of `Send`.
    pub send: CycleCount,
}

impl CyclePrediction {
    /// Cycles from the first `Fetch` to the last beat of `Send`.
    pub fn total(&self) -> CycleCount {
        CycleCount(self.layers.iter().map(|c| c.total().0).sum::<u64>() + self.send.0)
    }

    /// Cycles in which steps wait for their weights.
    pub fn weight_wait(&self) -> CycleCount {
        CycleCount(self.layers.iter().map(|c| c.wait).sum())
    }
}

/// Images that follow each other without a pause: so many take so many cycles, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackToBack {
    /// Images; 1 unless the slots of the weight port and the images repeat together only later.
    pub images: u64,
    /// Cycles of all of them, from `Fetch` to `Fetch`.
    pub cycles: u64,
}

impl BackToBack {
    /// Cycles of an image in the mean.
    #[expect(clippy::cast_precision_loss, reason = "cycles are far below 2^53")]
    pub fn cycles_per_image(&self) -> f64 {
        self.cycles as f64 / self.images as f64
    }
}

/// Predicts the cycles of one image, which begins in the first cycle in which the weight ring is
/// full, if weights are streamed.
///
/// # Panics
/// If the program has no layers, or the source of its weight port no slot.
pub fn predict(program: &Program) -> CyclePrediction {
    let mut predictor = Predictor::new(program);
    predictor.image(predictor.filled_at())
}

/// Predicts the cycles of one image after the other, of which each begins (`Fetch`) in such a
/// cycle, counted from the first one after the program was loaded.
///
/// Where no weights are streamed all images are alike, whenever they begin.
///
/// # Panics
/// As [`predict`].
pub fn predict_images(program: &Program, starts: &[u64]) -> Vec<CyclePrediction> {
    let mut predictor = Predictor::new(program);
    starts.iter().map(|&start| predictor.image(start)).collect()
}

/// Predicts the rhythm of images that are always there, and whose results are taken at once.
///
/// With streamed weights the images may differ, because the slots of the source and the images do
/// not keep step; images are then followed until all repeats. If that is after hundreds of them,
/// the answer is what the last 256 took.
///
/// # Panics
/// As [`predict`].
pub fn back_to_back(program: &Program) -> BackToBack {
    if let Some(rhythm) = without_waits(program) {
        return rhythm;
    }
    // What the ring holds in the beginning decides only how soon the rhythm is kept: a port that is
    // a little too slow takes hundreds of images to empty a full ring, and none to an empty one.
    let full = Predictor::new(program).filled_at();
    let rhythm = repeated(program, full);
    let rhythm = rhythm.or_else(|measured| repeated(program, 0).map_err(|_| measured));
    rhythm.unwrap_or_else(|measured| measured)
}

/// The rhythm of images of which none waits, if each leaves the ring as full as it finds it even where
/// the source is as late as it may be: then no slot has to be followed from image to image.
fn without_waits(program: &Program) -> Option<BackToBack> {
    let mut late = Predictor { program, ring: Some(Ring::late(program)?) };
    let image = late.image(0);
    let cycles = image.total().0 + IDLE_CYCLES;
    let is_full_again = late.filled_at() <= cycles;
    (image.weight_wait().0 == 0 && is_full_again).then_some(BackToBack { images: 1, cycles })
}

/// Follows images from a cycle on until all repeats, or returns what the last ones took.
fn repeated(program: &Program, mut start: u64) -> Result<BackToBack, BackToBack> {
    let mut predictor = Predictor::new(program);
    let (mut since, mut state) = (start, predictor.state(start));
    let (mut images, mut power) = (0, 1);
    // Brent's search for a cycle: the state to meet again is moved on at powers of two.
    loop {
        start += predictor.image(start).total().0 + IDLE_CYCLES;
        images += 1;
        let now = predictor.state(start);
        let rhythm = BackToBack { images, cycles: start - since };
        if now == state {
            return Ok(rhythm);
        }
        if images == MOST_IMAGES {
            return Err(rhythm);
        }
        if images == power {
            (since, state) = (start, now);
            (images, power) = (0, 2 * power);
        }
    }
}

/// The cycle model from one image to the next: what is in the weight ring is carried on.
#[derive(Clone, Debug)]
pub struct Predictor<'a> {
    program: &'a Program,
    /// `None` where no weights are streamed.
    ring: Option<Ring>,
}

impl<'a> Predictor<'a> {
    /// The model of a program that was just loaded.
    ///
    /// # Panics
    /// If the source of the weight port has no slot.
    pub fn new(program: &'a Program) -> Self {
        Self { program, ring: Ring::new(program) }
    }

    /// Predicts the cycles of the next image, which begins (`Fetch`) in such a cycle, counted from
    /// the first one after the program was loaded, and after the image before has ended.
    ///
    /// # Panics
    /// If the program has no layers.
    pub fn image(&mut self, start: u64) -> CyclePrediction {
        self.follow(start, |_, _| {})
    }

    /// Like [`Predictor::image`], and says which steps wait.
    ///
    /// # Panics
    /// As [`Predictor::image`].
    pub fn image_with_waits(&mut self, start: u64) -> (CyclePrediction, StepWaits) {
        let mut layers = vec![Vec::new(); self.program.layers.len()];
        let prediction = self.follow(start, |layer, waited| layers[layer].push(waited));
        (prediction, StepWaits { layers })
    }

    /// Predicts an image; `waits` is told of each step of a first tile in a streamed layer, and for
    /// how many cycles steps of the layer have waited up to it.
    fn follow(&mut self, start: u64, mut waits: impl FnMut(usize, u64)) -> CyclePrediction {
        let last = self.program.layers.last().expect("bug: a program has layers");
        let send = u64::from(last.col_tiles) + u64::from(self.program.header.classes) + 1;
        let mut now = start;
        let mut layers = Vec::with_capacity(self.program.layers.len());
        for (index, layer) in self.program.layers.iter().enumerate() {
            let mut cycles = cycles_without_waits(index, layer);
            let streamed = self.ring.as_mut().filter(|_| layer.flags.stream_weights);
            let first = now + cycles.fetch;
            cycles.wait = streamed.map_or(0, |ring| wait(ring, layer, first, |w| waits(index, w)));
            now += cycles.total().0;
            layers.push(cycles);
        }
        CyclePrediction { layers, send: CycleCount(send) }
    }

    /// The first cycle in which the ring is full, before the first image; 0 where no weights are
    /// streamed.
    pub fn filled_at(&self) -> u64 {
        self.ring.as_ref().map_or(0, Ring::filled_at)
    }

    /// All that an image depends on which begins in a cycle.
    fn state(&self, start: u64) -> Vec<u64> {
        self.ring.as_ref().map_or_else(Vec::new, |ring| ring.state(start))
    }
}

fn cycles_without_waits(index: usize, layer: &LayerDescriptor) -> LayerCycles {
    let (col_tiles, tiles) = (u64::from(layer.col_tiles), layer.tiles());
    LayerCycles {
        fetch: if index == 0 { FETCH_CYCLES } else { 0 },
        compute: col_tiles * tiles * u64::from(layer.steps),
        wait: 0,
        stall: col_tiles * tiles * u64::from(layer.tile_gap),
        drain: col_tiles * u64::from(layer.col_gap) + u64::from(layer.layer_gap),
    }
}

/// The cycles in which steps of an image wait for their weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepWaits {
    /// Of each layer: for each column tile and each step of its first tile, the cycles that steps
    /// of the layer have waited when it is issued; nothing of layers whose weights are resident.
    layers: Vec<Vec<u64>>,
}

impl StepWaits {
    /// Cycles that steps of a layer have waited when the last step of a tile is issued, and before
    /// it each other one: those of the first tile of a column tile may differ, those of later ones
    /// do not.
    pub(crate) fn of_tile(
        &self,
        layer: usize,
        d: &LayerDescriptor,
        column_tile: usize,
        is_first: bool,
    ) -> Vec<u64> {
        let steps = usize::from(d.steps);
        let first_tile = column_tile * steps..(column_tile + 1) * steps;
        match self.layers.get(layer).and_then(|waits| waits.get(first_tile)) {
            None => vec![0; steps],
            Some(waits) if is_first => waits.to_vec(),
            Some(waits) => vec![waits.last().copied().unwrap_or(0); steps],
        }
    }
}

/// Cycles in which the steps of a layer wait, which could issue the first of them in a cycle; `so_far`
/// is told them with each step of a first tile.
fn wait(ring: &mut Ring, layer: &LayerDescriptor, first: u64, mut so_far: impl FnMut(u64)) -> u64 {
    let period = layer.tile_period();
    let later_tiles = layer.tiles().saturating_sub(1);
    let mut waited = 0;
    let mut now = first;
    for _ in 0..layer.col_tiles {
        let mut steps = Vec::with_capacity(layer.steps.into());
        for _ in 0..layer.steps {
            let (address, arrived) = ring.receive();
            let issued = now.max(arrived);
            waited += issued - now;
            so_far(waited);
            now = issued + 1;
            steps.push((address, issued));
        }
        // The last tile frees the words, the first one if there is no other.
        let last_tile = now + u64::from(layer.tile_gap) + later_tiles.saturating_sub(1) * period;
        for ((address, issued), step) in steps.into_iter().zip(0..) {
            ring.release(address, if later_tiles == 0 { issued } else { last_tile + step });
        }
        now += u64::from(layer.tile_gap) + later_tiles * period + u64::from(layer.col_gap);
    }
    waited
}

#[cfg(test)]
mod tests;
