//! From what the monitor shows to an [`Execution`], and whether it shows it in the right cycles.

use super::load::{halves, stream_of};
use super::pixels::{Late, Pixels};
use super::ports::{Ports, Watched};
use super::{FETCH, GAP, RUN};
use crate::Error;
use heartbit_ir::program::{Execution, LayerOutput, Program};

/// Value of an element that the monitor never showed; no register of the array can hold it.
const UNSEEN: i32 = i32::MIN;

/// Turns records into an [`Execution`].
pub(super) struct Collector<'a> {
    program: &'a Program,
    ports: &'a Ports,
    /// The first cycle after the program was loaded.
    loaded: u64,
    pub(super) execution: Execution,
    /// Layer whose steps were issued at the last record.
    pub(super) layer: usize,
    /// Layer whose results were written.
    pub(super) result_layer: usize,
    state: u32,
    /// Cycle in which the current layer, or `Send`, began.
    began: u64,
    /// Column tiles that this layer has pooled.
    pooled_tiles: usize,
    /// Cycle in which the last pixel was written.
    pixel_cycle: u64,
    /// In which cycles pixels are to be shown.
    pixels: Pixels,
    /// The first thing that the monitor shows in a wrong cycle.
    late: Option<Error>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(program: &'a Program, ports: &'a Ports, loaded: u64) -> Self {
        let unseen = |layer| {
            let mut output = LayerOutput::for_layer(layer, program.array.cols);
            for tensor in [
                &mut output.sums,
                &mut output.shortcut,
                &mut output.stream,
                &mut output.logits,
                &mut output.value,
            ] {
                tensor.fill(UNSEEN);
            }
            output
        };
        let execution = Execution {
            layers: program.layers.iter().map(unseen).collect(),
            ..Execution::default()
        };
        Self {
            program,
            ports,
            loaded,
            execution,
            layer: 0,
            result_layer: 0,
            state: 0,
            began: 0,
            pooled_tiles: 0,
            pixel_cycle: 0,
            pixels: Pixels::default(),
            late: None,
        }
    }

    /// What there is, unless something of it came in a wrong cycle.
    pub(super) fn checked(self) -> Result<Execution, Error> {
        self.late.map_or(Ok(self.execution), Err)
    }

    /// Takes the ports of one cycle, in which the host was ready for a result or not.
    pub(super) fn record(&mut self, record: &[u32], ready: bool) {
        let cycle = u64::from(record[0]) | u64::from(record[1]) << 32;
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let flag = |watched| port(watched)[0] & 1 == 1;
        let index = |watched: Watched| port(watched)[0] as usize;
        let (state, layer) = (port(Watched::State)[0], index(Watched::Layer));
        let (valid, pool_valid) = (flag(Watched::Valid), flag(Watched::PoolValid));
        let (out_valid, out_last) = (flag(Watched::OutValid), flag(Watched::OutLast));
        if state != self.state {
            if self.state == GAP {
                self.execution.layer_cycles.push(cycle - self.began);
            }
            if self.state == GAP || state == FETCH {
                self.began = cycle;
            }
            if state == FETCH && stream_of(self.program).is_some() {
                self.execution.start = cycle - self.loaded;
            }
            if state == RUN {
                self.check_layer(layer);
                self.pixels.run(self.execution.layer_cycles.len(), cycle);
            }
            self.state = state;
        }
        self.layer = layer;
        // The array may be on the next layer already.
        let result_layer = index(Watched::ResultLayer);
        if result_layer != self.result_layer {
            (self.result_layer, self.pooled_tiles) = (result_layer, 0);
        }
        if valid {
            self.pixel_cycle = cycle;
            self.check_pixel_cycle(record, result_layer, cycle);
            self.pixel(record, result_layer);
        }
        if pool_valid {
            self.check_pool_cycle(result_layer, cycle);
            self.pool(record, result_layer);
        }
        if out_valid && ready {
            let data = record[self.ports.offsets[Watched::OutData as usize]];
            if out_last {
                self.execution.class = data as usize;
                self.execution.send_cycles = cycle + 1 - self.began;
            } else {
                self.execution.logits.push(data.cast_signed());
            }
        }
    }

    /// Copies the results of one pixel, unless the design names one that does not exist: the
    /// element that it should have been then stays unseen.
    fn pixel(&mut self, record: &[u32], layer: usize) {
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let (y, x) = (port(Watched::Y)[0] as usize, port(Watched::X)[0] as usize);
        let array = &self.program.array;
        let column = port(Watched::Ct)[0] as usize * array.cols;
        let Some(output) = self.execution.layers.get_mut(layer) else { return };
        if y >= output.height || x >= output.width || column >= output.columns {
            return;
        }
        let base = (y * output.width + x) * output.columns + column;
        let sum_bits = array.acc_bits as usize + 1;
        for col in 0..array.cols {
            output.sums[base + col] = field(port(Watched::Sum), col, sum_bits);
            output.shortcut[base + col] = field(port(Watched::Shortcut), col, 16);
            output.stream[base + col] = field(port(Watched::Stream), col, 16);
            output.logits[base + col] = field(port(Watched::Logit), col, 32);
            output.value[base + col] = field(port(Watched::Value), col, 16);
            output.bits[base + col] = field(port(Watched::Bit), col, 1) != 0;
        }
        // Only layers that write levels have any, and only extended hardware shows them.
        for (col, level) in output.levels.iter_mut().skip(base).take(array.cols).enumerate() {
            *level = field(port(Watched::Level), col, 8).to_le_bytes()[0];
        }
    }

    /// Section 5.3: the copy, `level_shift` shifts, then the planes.
    fn check_pool_cycle(&mut self, layer: usize, cycle: u64) {
        let Some(descriptor) = self.program.layers.get(layer) else { return };
        let (expected, actual) = (u64::from(descriptor.level_shift) + 2, cycle - self.pixel_cycle);
        if actual != expected && self.late.is_none() {
            self.late = Some(Error::PoolCycle { layer, expected, actual });
        }
    }

    /// Layers run in order.
    fn check_layer(&mut self, shown: usize) {
        let expected = self.execution.layer_cycles.len();
        if shown != expected && self.late.is_none() {
            self.late = Some(Error::LayerNumber { expected, shown });
        }
    }

    /// Sections 5.2 and 5.3: each pixel has its cycle.
    fn check_pixel_cycle(&mut self, record: &[u32], layer: usize, cycle: u64) {
        let place = [Watched::Ct, Watched::Y, Watched::X]
            .map(|watched| u64::from(record[self.ports.offsets[watched as usize]]));
        let program = self.program;
        let Some(descriptor) = program.layers.get(layer) else { return };
        let late = self.pixels.shown(&program.array, (layer, descriptor), place, cycle);
        if let (None, Some(Late { layer, place, expected, actual })) = (&self.late, late) {
            self.late = Some(Error::PixelCycle { layer, place, expected, actual });
        }
    }

    fn pool(&mut self, record: &[u32], layer: usize) {
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let cols = self.program.array.cols;
        // Column tiles are pooled in order.
        let base = self.pooled_tiles * cols;
        self.pooled_tiles += 1;
        let Some(output) = self.execution.layers.get_mut(layer) else { return };
        for (col, pooled) in output.pooled.iter_mut().skip(base).take(cols).enumerate() {
            *pooled = field(port(Watched::Pool), col, 8).to_le_bytes()[0];
        }
    }
}

/// Reads signed field `index` of `bits` bits, least significant first.
fn field(words: &[u32], index: usize, bits: usize) -> i32 {
    let low = index * bits;
    let pair = |word: usize| u64::from(words.get(word).copied().unwrap_or(0));
    let raw = (pair(low / 32) | pair(low / 32 + 1) << 32) >> (low % 32);
    let shifted = halves(raw << (64 - bits)).1.cast_signed();
    // The field now fills the upper bits of 64; an arithmetic shift restores it.
    if bits >= 32 { shifted } else { shifted >> (32 - bits) }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_signed_and_cross_words() {
        let words = [0x8000_0001, 0xffff_7fff, 0x1];
        assert_eq!(field(&words, 0, 16), 1);
        assert_eq!(field(&words, 1, 16), -32_768);
        assert_eq!(field(&words, 2, 16), 0x7fff);
        assert_eq!(field(&words, 1, 32), 0xffff_7fffu32.cast_signed());
        // 21-bit fields: the second one begins at bit 21 and ends at bit 41.
        assert_eq!(field(&[1 << 21, 0], 1, 21), 1);
        assert_eq!(field(&[0, 1 << 9], 1, 21), -(1 << 20));
    }
}
