//! The program: what the accelerator's sequencer executes, field by field and bit by bit.
//!
//! This is the contract of microarchitecture.md, sections 1 to 3, as data: the compiler writes it,
//! the simulator reads the fields, the RTL reads the encoded words. [`Execution`] is what an
//! engine gives back, in the physical channel order of the array.
//!
//! Not here: how a program is made (`compiler`), what it does in a cycle (`sim`, `hdl`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Words of a [`LayerDescriptor`] in the program memory.
pub const DESCRIPTOR_WORDS: usize = 16;
/// Words of the [`Header`] in the program memory.
pub const HEADER_WORDS: usize = 2;
/// Channels of an image word; a fourth lane holds the constant.
pub const IMAGE_CHANNELS: usize = 3;

/// The size of the array: `rows × cols` processing elements of `lanes` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayConfig {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
    /// Bits of an accumulator, an unsigned count of matches.
    pub acc_bits: u32,
}

impl ArrayConfig {
    /// Cycles to write the results of one pixel: `D`.
    pub fn write_beats(&self) -> usize {
        self.cols.div_ceil(self.lanes)
    }

    /// Bits of a slice, the unit in which results are written: `S`.
    pub fn slice_bits(&self) -> usize {
        self.cols.div_ceil(self.write_beats())
    }

    /// Slices of an activation word: `G`.
    pub fn slices_per_word(&self) -> usize {
        self.lanes / self.slice_bits()
    }

    /// Cycles from the operands of a processing element to their count: `P`.
    pub fn popcount_latency(&self) -> usize {
        let levels = self.lanes.next_power_of_two().trailing_zeros() as usize;
        levels.div_ceil(2).max(1)
    }

    /// Bits of one write through the load port.
    pub fn load_bits(&self) -> usize {
        self.lanes.max(48)
    }
}

/// `ROWSxCOLSxLANES` as written on the command line; the accumulator is sized separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayShape {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
}

/// Why a text is not an array shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an array: {rule}")]
pub struct ParseArrayError {
    text: String,
    rule: &'static str,
}

impl FromStr for ArrayShape {
    type Err = ParseArrayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |rule| ParseArrayError { text: text.to_owned(), rule };
        let sizes: Vec<usize> = text
            .split('x')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| error("write ROWSxCOLSxLANES, for example 8x16x64"))?;
        let &[rows, cols, lanes] = sizes.as_slice() else {
            return Err(error("write ROWSxCOLSxLANES, for example 8x16x64"));
        };
        if !(1..=256).contains(&rows) || !(1..=256).contains(&cols) {
            return Err(error("rows and columns are 1 to 256"));
        }
        if !(4..=1024).contains(&lanes) {
            return Err(error("lanes are 4 to 1024 (a pixel needs three and the constant one)"));
        }
        Ok(Self { rows, cols, lanes })
    }
}

impl fmt::Display for ArrayShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.rows, self.cols, self.lanes)
    }
}

/// Words of each memory; all fit 16-bit addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryDepths {
    /// Words of an image bank.
    pub image: usize,
    /// Words of an activation bank.
    pub activation: usize,
    /// Words of a weight column.
    pub weight: usize,
    /// Words of a parameter column.
    pub parameter: usize,
    /// Words of a stream column.
    pub stream: usize,
    /// Words of a logit column.
    pub logit: usize,
    /// Steps.
    pub step: usize,
    /// Program words, header and descriptors.
    pub program: usize,
}

/// The first two words of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Rows of the image.
    pub image_height: u16,
    /// Columns of the image.
    pub image_width: u16,
    /// Logits that are sent.
    pub classes: u16,
}

impl Header {
    /// Returns the words of the program memory.
    pub fn encode(&self) -> [u32; HEADER_WORDS] {
        [pack(self.image_height, self.image_width), u32::from(self.classes)]
    }

    /// Reads the words of the program memory.
    pub fn decode(words: [u32; HEADER_WORDS]) -> Self {
        let (image_height, image_width) = unpack(words[0]);
        Self { image_height, image_width, classes: unpack(words[1]).0 }
    }
}

/// What a layer does beside its convolution; each is one bit of descriptor word 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one hardware flag each")]
pub struct LayerFlags {
    /// Bit 0: reads the image instead of the activation memory.
    pub source_image: bool,
    /// Bit 1: output pixels are two input pixels apart.
    pub stride_2: bool,
    /// Bit 2: adds the stream at the same pixel.
    pub shortcut_identity: bool,
    /// Bit 3: adds the average of 2×2 pixels of the stream.
    pub shortcut_pool: bool,
    /// Bit 4: writes signs to the activation memory.
    pub write_bits: bool,
    /// Bit 5: writes the stream.
    pub write_stream: bool,
    /// Bit 6: sums the stream over all pixels and writes the result as levels.
    pub pool: bool,
    /// Bit 7: writes logits.
    pub logits: bool,
    /// Bit 8: the map that is written is read with stride 2.
    pub out_stride_2: bool,
    /// Bit 9: the program ends here.
    pub last_layer: bool,
}

impl LayerFlags {
    fn bits(self) -> [bool; 10] {
        [
            self.source_image,
            self.stride_2,
            self.shortcut_identity,
            self.shortcut_pool,
            self.write_bits,
            self.write_stream,
            self.pool,
            self.logits,
            self.out_stride_2,
            self.last_layer,
        ]
    }

    fn encode(self) -> u16 {
        self.bits().iter().enumerate().map(|(i, &b)| u16::from(b) << i).sum()
    }

    fn decode(word: u16) -> Self {
        let bit = |i: u32| word >> i & 1 == 1;
        Self {
            source_image: bit(0),
            stride_2: bit(1),
            shortcut_identity: bit(2),
            shortcut_pool: bit(3),
            write_bits: bit(4),
            write_stream: bit(5),
            pool: bit(6),
            logits: bit(7),
            out_stride_2: bit(8),
            last_layer: bit(9),
        }
    }
}

/// One layer of the program: microarchitecture.md, section 3.1, names every field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the rows of the table in microarchitecture.md")]
pub struct LayerDescriptor {
    pub flags: LayerFlags,
    pub shift: u32,
    pub pool_shift: u32,
    pub steps: u16,
    pub step_base: u16,
    pub weight_base: u16,
    pub param_base: u16,
    pub col_tiles: u16,
    pub row_tiles: u16,
    pub out_height: u16,
    pub out_width: u16,
    pub in_height: u16,
    pub in_width: u16,
    pub in_base: u16,
    pub in_y_words: u16,
    pub in_xt_words: u16,
    pub last_lanes: u16,
    pub fan_in: u16,
    pub tile_gap: u16,
    pub col_gap: u16,
    pub drain_wait: u16,
    pub out_base: u16,
    pub out_y_words: u16,
    pub out_phase_words: u16,
    pub out_xt_words: u16,
    pub stream_in_base: u16,
    pub stream_out_base: u16,
    pub stream_in_row: u16,
    pub stream_in_plane: u16,
    pub stream_out_row: u16,
    pub stream_out_plane: u16,
    pub shortcut_channels: u16,
    pub clip: u16,
}

impl LayerDescriptor {
    /// Returns the words of the program memory.
    pub fn encode(&self) -> [u32; DESCRIPTOR_WORDS] {
        [
            u32::from(self.flags.encode()) | (self.shift / 4) << 16 | self.pool_shift << 19,
            pack(self.steps, self.step_base),
            pack(self.weight_base, self.param_base),
            pack(self.col_tiles, self.row_tiles),
            pack(self.out_height, self.out_width),
            pack(self.in_height, self.in_width),
            pack(self.in_base, self.in_y_words),
            pack(self.in_xt_words, self.last_lanes),
            pack(self.fan_in, self.tile_gap),
            pack(self.col_gap, self.drain_wait),
            pack(self.out_base, self.out_y_words),
            pack(self.out_phase_words, self.out_xt_words),
            pack(self.stream_in_base, self.stream_out_base),
            pack(self.stream_in_row, self.stream_in_plane),
            pack(self.stream_out_row, self.stream_out_plane),
            pack(self.shortcut_channels, self.clip),
        ]
    }

    /// Reads the words of the program memory.
    pub fn decode(words: [u32; DESCRIPTOR_WORDS]) -> Self {
        let half = words.map(unpack);
        Self {
            flags: LayerFlags::decode(half[0].0),
            shift: (words[0] >> 16 & 7) * 4,
            pool_shift: words[0] >> 19 & 31,
            steps: half[1].0,
            step_base: half[1].1,
            weight_base: half[2].0,
            param_base: half[2].1,
            col_tiles: half[3].0,
            row_tiles: half[3].1,
            out_height: half[4].0,
            out_width: half[4].1,
            in_height: half[5].0,
            in_width: half[5].1,
            in_base: half[6].0,
            in_y_words: half[6].1,
            in_xt_words: half[7].0,
            last_lanes: half[7].1,
            fan_in: half[8].0,
            tile_gap: half[8].1,
            col_gap: half[9].0,
            drain_wait: half[9].1,
            out_base: half[10].0,
            out_y_words: half[10].1,
            out_phase_words: half[11].0,
            out_xt_words: half[11].1,
            stream_in_base: half[12].0,
            stream_out_base: half[12].1,
            stream_in_row: half[13].0,
            stream_in_plane: half[13].1,
            stream_out_row: half[14].0,
            stream_out_plane: half[14].1,
            shortcut_channels: half[15].0,
            clip: half[15].1,
        }
    }
}

/// One entry of the step table: microarchitecture.md, section 3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Added to the tile's address.
    pub offset: i16,
    /// Row of the tap relative to the window's centre, -8 to 7.
    pub dy: i8,
    /// Column of the tap relative to the window's centre, -8 to 7.
    pub dx: i8,
    /// -1, 0 or 1: row `r` reads bank `r + shift`.
    pub shift: i8,
    /// Plane of the image, 0 to 7.
    pub plane: u8,
    /// The accumulators double first.
    pub double: bool,
    /// Counts the products of the tap.
    pub tap_first: bool,
    /// The last word of a pixel: its unused lanes are masked.
    pub last_word: bool,
}

impl Step {
    /// Returns the word of the step memory.
    ///
    /// # Panics
    /// If a field is out of its range: a bug of the compiler.
    pub fn encode(&self) -> u32 {
        let nibble = |v: i8| {
            assert!((-8..8).contains(&v), "bug: tap offset {v} does not fit 4 bits");
            u32::from(v.cast_unsigned() & 15)
        };
        assert!((-1..=1).contains(&self.shift) && self.plane < 8, "bug: step {self:?}");
        u32::from(self.offset.cast_unsigned())
            | nibble(self.dy) << 16
            | nibble(self.dx) << 20
            | u32::from(self.shift.cast_unsigned() & 3) << 24
            | u32::from(self.plane) << 26
            | u32::from(self.double) << 29
            | u32::from(self.tap_first) << 30
            | u32::from(self.last_word) << 31
    }

    /// Reads the word of the step memory.
    pub fn decode(word: u32) -> Self {
        let signed = |low: u32, bits: u32| {
            let value = (word >> low).cast_signed() << (32 - bits) >> (32 - bits);
            i8::try_from(value).expect("bug: at most 4 bits")
        };
        Self {
            offset: unpack(word).0.cast_signed(),
            dy: signed(16, 4),
            dx: signed(20, 4),
            shift: signed(24, 2),
            plane: u8::try_from(word >> 26 & 7).expect("bug: 3 bits"),
            double: word >> 29 & 1 == 1,
            tap_first: word >> 30 & 1 == 1,
            last_word: word >> 31 == 1,
        }
    }
}

/// Words of `lanes` bits, least significant lane first, in 64-bit limbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMemory {
    lanes: usize,
    limbs: Vec<u64>,
}

impl LaneMemory {
    /// Returns `words` words with all lanes 1, the value of lanes without a channel.
    pub fn ones(lanes: usize, words: usize) -> Self {
        let mut memory = Self { lanes, limbs: vec![u64::MAX; words * lanes.div_ceil(64)] };
        if !lanes.is_multiple_of(64) {
            for top in memory.limbs.iter_mut().skip(lanes / 64).step_by(lanes.div_ceil(64)) {
                *top = (1 << (lanes % 64)) - 1;
            }
        }
        memory
    }

    /// Adds words with all lanes 1.
    pub fn extend_ones(&mut self, words: usize) {
        self.limbs.extend_from_slice(&Self::ones(self.lanes, words).limbs);
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.limbs.len() / self.lanes.div_ceil(64)
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Limbs of a word.
    pub fn word(&self, index: usize) -> &[u64] {
        let n = self.lanes.div_ceil(64);
        &self.limbs[index * n..][..n]
    }

    /// Sets one lane of a word.
    pub fn set(&mut self, index: usize, lane: usize, bit: bool) {
        assert!(lane < self.lanes, "bug: lane {lane} of {}", self.lanes);
        let limb = &mut self.limbs[index * self.lanes.div_ceil(64) + lane / 64];
        *limb = *limb & !(1 << (lane % 64)) | u64::from(bit) << (lane % 64);
    }
}

/// Multiplier and bias of one output channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Multiplier.
    pub mul: i16,
    /// Added to the product.
    pub bias: i32,
}

impl Parameter {
    /// Returns the 48-bit word of the parameter memory.
    pub fn encode(&self) -> u64 {
        u64::from(self.mul.cast_unsigned()) | u64::from(self.bias.cast_unsigned()) << 16
    }

    /// Reads the 48-bit word of the parameter memory.
    pub fn decode(word: u64) -> Self {
        let [m0, m1, b0, b1, b2, b3, ..] = word.to_le_bytes();
        Self { mul: i16::from_le_bytes([m0, m1]), bias: i32::from_le_bytes([b0, b1, b2, b3]) }
    }
}

/// Everything that is loaded into the accelerator before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The array it was compiled for.
    pub array: ArrayConfig,
    /// The memories it was compiled for.
    pub depths: MemoryDepths,
    /// Image and classes.
    pub header: Header,
    /// Layers in order of execution.
    pub layers: Vec<LayerDescriptor>,
    /// The step table.
    pub steps: Vec<Step>,
    /// Weight words of each column.
    pub weights: Vec<LaneMemory>,
    /// Parameters of each column.
    pub parameters: Vec<Vec<Parameter>>,
}

impl Program {
    /// Returns the contents of the program memory.
    pub fn encode(&self) -> Vec<u32> {
        let mut words = self.header.encode().to_vec();
        words.extend(self.layers.iter().flat_map(LayerDescriptor::encode));
        words
    }
}

/// What one layer produced, in physical channel order: element `(y·width + x)·columns + ct·C + c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerOutput {
    /// Output rows.
    pub height: usize,
    /// Output columns.
    pub width: usize,
    /// `col_tiles · C`, channels that do not exist included.
    pub columns: usize,
    /// `z`.
    pub sums: Vec<i32>,
    /// The shortcut that was added.
    pub shortcut: Vec<i32>,
    /// `r`, after the clamp.
    pub stream: Vec<i32>,
    /// `y`, not clamped.
    pub logits: Vec<i32>,
    /// `q` of each channel, only of layers that pool.
    pub pooled: Vec<u8>,
}

impl LayerOutput {
    /// Returns an output of the right size, all zero.
    pub fn for_layer(layer: &LayerDescriptor, cols: usize) -> Self {
        let (height, width) = (usize::from(layer.out_height), usize::from(layer.out_width));
        let columns = usize::from(layer.col_tiles) * cols;
        let n = height * width * columns;
        Self {
            height,
            width,
            columns,
            sums: vec![0; n],
            shortcut: vec![0; n],
            stream: vec![0; n],
            logits: vec![0; n],
            pooled: vec![0; if layer.flags.pool { columns } else { 0 }],
        }
    }
}

/// One image through one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// Output of every layer.
    pub layers: Vec<LayerOutput>,
    /// The logits as they left the output port.
    pub logits: Vec<i32>,
    /// The class as it left the output port.
    pub class: usize,
    /// Cycles of each layer, `Fetch` to `Drain`.
    pub layer_cycles: Vec<u64>,
    /// Cycles of `Send`.
    pub send_cycles: u64,
}

fn pack(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

fn unpack(word: u32) -> (u16, u16) {
    let bytes = word.to_le_bytes();
    (u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_descriptors_survive_encoding() {
        let step = Step {
            offset: -5,
            dy: -1,
            dx: 1,
            shift: -1,
            plane: 7,
            double: true,
            tap_first: false,
            last_word: true,
        };
        assert_eq!(Step::decode(step.encode()), step);
        let words: [u32; DESCRIPTOR_WORDS] = std::array::from_fn(|i| {
            let word = 0x0101_0101u32.wrapping_mul(u32::try_from(i).expect("small") + 3);
            if i == 0 { word & 0x00ff_03ff } else { word }
        });
        assert_eq!(LayerDescriptor::decode(words).encode(), words);
        let header = Header { image_height: 32, image_width: 31, classes: 10 };
        assert_eq!(Header::decode(header.encode()), header);
    }

    #[test]
    fn slices_follow_the_microarchitecture() {
        let sizes = |rows, cols, lanes| {
            let a = ArrayConfig { rows, cols, lanes, acc_bits: 20 };
            (a.write_beats(), a.slice_bits(), a.slices_per_word(), a.popcount_latency())
        };
        assert_eq!(sizes(8, 8, 16), (1, 8, 2, 2));
        assert_eq!(sizes(8, 12, 16), (1, 12, 1, 2));
        assert_eq!(sizes(4, 7, 4), (2, 4, 1, 1));
        assert_eq!(sizes(1, 9, 8), (2, 5, 1, 2));
        assert_eq!(sizes(8, 16, 64), (1, 16, 4, 3));
    }

    #[test]
    fn array_shape_rejects_what_the_array_cannot_be() {
        assert_eq!("8x16x64".parse(), Ok(ArrayShape { rows: 8, cols: 16, lanes: 64 }));
        for text in ["", "8x8", "8x8x8x8", "0x8x16", "8x8x3", "8xax8", "-1x2x8", "8x8x99999"] {
            assert!(text.parse::<ArrayShape>().is_err(), "{text}");
        }
    }
}
