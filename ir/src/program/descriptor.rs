//! Layer descriptors: microarchitecture.md, section 3.1.

use super::{Borders, Shortcut, pack, unpack};

/// Words of a [`LayerDescriptor`] in the program memory.
pub const DESCRIPTOR_WORDS: usize = 21;

/// Words of its first part, which says how the array is fed; the others say what becomes of the
/// sums.
pub const FRONT_WORDS: usize = 9;

/// What a layer does beside its convolution; each is one bit of descriptor word 0 or 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one hardware flag each")]
pub struct LayerFlags {
    /// Word 0, bit 0: reads the image instead of the activation memory.
    pub source_image: bool,
    /// Word 0, bit 1: output pixels are two input pixels apart.
    pub stride_2: bool,
    /// Word 9, bit 3: the map that is written is read as one pixel.
    pub out_flat: bool,
    /// Word 9, bit 4: writes signs to the activation memory.
    pub write_bits: bool,
    /// Word 9, bit 5: writes the stream.
    pub write_stream: bool,
    /// Word 9, bit 6: sums the stream over all pixels and writes the result as levels.
    pub pool: bool,
    /// Word 9, bit 7: writes logits.
    pub logits: bool,
    /// Word 9, bit 8: the map that is written is read with stride 2.
    pub out_stride_2: bool,
    /// Word 0, bit 2: the program ends here.
    pub last_layer: bool,
    /// Word 9, bit 10: writes levels to the activation memory.
    pub write_levels: bool,
    /// Word 0, bit 3: another layer reads the image after this one.
    pub keep_image: bool,
    /// Word 0, bit 8: weights come through the weight port.
    pub stream_weights: bool,
}

impl LayerFlags {
    /// The flags of the front.
    fn encode_front(self) -> u16 {
        encode(&[self.source_image, self.stride_2, self.last_layer, self.keep_image])
            | u16::from(self.stream_weights) << 8
    }

    /// The flags of the results.
    fn encode_results(self) -> u16 {
        // The bits that are left out are not used.
        let bits = [
            self.out_flat,
            self.write_bits,
            self.write_stream,
            self.pool,
            self.logits,
            self.out_stride_2,
            false,
            self.write_levels,
        ];
        encode(&bits) << 3
    }

    fn decode(front: u16, results: u16) -> Self {
        let front = |i: u32| front >> i & 1 == 1;
        let results = |i: u32| results >> i & 1 == 1;
        Self {
            source_image: front(0),
            stride_2: front(1),
            last_layer: front(2),
            out_flat: results(3),
            write_bits: results(4),
            write_stream: results(5),
            pool: results(6),
            logits: results(7),
            out_stride_2: results(8),
            write_levels: results(10),
            keep_image: front(3),
            stream_weights: front(8),
        }
    }
}

fn encode(bits: &[bool]) -> u16 {
    bits.iter().enumerate().map(|(i, &b)| u16::from(b) << i).sum()
}

/// One layer of the program: microarchitecture.md, section 3.1, names every field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the rows of the table in microarchitecture.md")]
pub struct LayerDescriptor {
    pub flags: LayerFlags,
    pub shift: u32,
    pub level_shift: u32,
    pub value_shift: u32,
    pub level_bits: u32,
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
    pub layer_gap: u16,
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
    pub out_plane_words: u16,
    pub value_clip: u16,
    pub shortcut: Shortcut,
    pub borders: Borders,
    /// Copies of each pixel in the map that is read: 1, 2 or 4; 0 is written as 1.
    pub in_copies: u8,
    /// Copies of each pixel in the map that is written.
    pub out_copies: u8,
    /// Lines of a tile: 1, 2 or 4; 0 is written as 1.
    pub lines: u8,
    /// Lines of a tile of the layer that reads the written map.
    pub out_lines: u8,
}

impl LayerDescriptor {
    /// Rows of tiles that cover the result: each has [`LayerDescriptor::lines`] lines of it.
    pub fn tile_rows(&self) -> u64 {
        u64::from(self.out_height).div_ceil(u64::from(self.lines.max(1)))
    }

    /// Tiles of a column tile.
    pub fn tiles(&self) -> u64 {
        self.tile_rows() * u64::from(self.row_tiles)
    }

    /// Cycles from the first step of a tile to that of the next one.
    pub fn tile_period(&self) -> u64 {
        u64::from(self.steps) + u64::from(self.tile_gap)
    }

    /// Cycles of the state `Run`: microarchitecture.md, section 5.4.
    pub fn run_cycles(&self) -> u64 {
        u64::from(self.col_tiles) * (self.tiles() * self.tile_period() + u64::from(self.col_gap))
    }

    /// Returns the words of the program memory.
    pub fn encode(&self) -> [u32; DESCRIPTOR_WORDS] {
        let front = self.flags.encode_front() | log2(self.in_copies) << 4 | log2(self.lines) << 6;
        [
            pack(front, self.drain_wait),
            pack(self.steps, self.step_base),
            pack(self.weight_base, self.fan_in),
            pack(self.col_tiles, self.row_tiles),
            pack(self.out_height, self.tile_gap),
            pack(self.col_gap, self.layer_gap),
            pack(self.in_height, self.in_width),
            pack(self.in_base, self.in_y_words),
            pack(self.in_xt_words, self.last_lanes),
            u32::from(self.flags.encode_results())
                | (self.shift / 4) << 16
                | self.level_shift << 19
                | (self.value_shift / 4) << 24
                | self.level_bits << 27,
            pack(
                self.shortcut.encode(),
                self.borders.encode()
                    | log2(self.out_copies) << 10
                    | log2(self.lines) << 12
                    | log2(self.out_lines) << 14,
            ),
            pack(self.row_tiles, self.out_height),
            pack(self.out_width, self.param_base),
            pack(self.in_height, self.in_width),
            pack(self.out_base, self.out_y_words),
            pack(self.out_phase_words, self.out_xt_words),
            pack(self.stream_in_base, self.stream_out_base),
            pack(self.stream_in_row, self.stream_in_plane),
            pack(self.stream_out_row, self.stream_out_plane),
            pack(self.shortcut_channels, self.clip),
            pack(self.out_plane_words, self.value_clip),
        ]
    }

    /// Reads the words of the program memory; what stands in both parts is read from the front.
    pub fn decode(words: [u32; DESCRIPTOR_WORDS]) -> Self {
        let half = words.map(unpack);
        Self {
            flags: LayerFlags::decode(half[0].0, half[9].0),
            drain_wait: half[0].1,
            in_copies: 1 << (half[0].0 >> 4 & 3),
            lines: 1 << (half[0].0 >> 6 & 3),
            steps: half[1].0,
            step_base: half[1].1,
            weight_base: half[2].0,
            fan_in: half[2].1,
            col_tiles: half[3].0,
            row_tiles: half[3].1,
            out_height: half[4].0,
            tile_gap: half[4].1,
            col_gap: half[5].0,
            layer_gap: half[5].1,
            in_height: half[6].0,
            in_width: half[6].1,
            in_base: half[7].0,
            in_y_words: half[7].1,
            in_xt_words: half[8].0,
            last_lanes: half[8].1,
            shift: (words[9] >> 16 & 7) * 4,
            level_shift: words[9] >> 19 & 31,
            value_shift: (words[9] >> 24 & 7) * 4,
            level_bits: words[9] >> 27 & 15,
            shortcut: Shortcut::decode(half[10].0),
            borders: Borders::decode(half[10].1),
            out_copies: 1 << (half[10].1 >> 10 & 3),
            out_lines: 1 << (half[10].1 >> 14 & 3),
            out_width: half[12].0,
            param_base: half[12].1,
            out_base: half[14].0,
            out_y_words: half[14].1,
            out_phase_words: half[15].0,
            out_xt_words: half[15].1,
            stream_in_base: half[16].0,
            stream_out_base: half[16].1,
            stream_in_row: half[17].0,
            stream_in_plane: half[17].1,
            stream_out_row: half[18].0,
            stream_out_plane: half[18].1,
            shortcut_channels: half[19].0,
            clip: half[19].1,
            out_plane_words: half[20].0,
            value_clip: half[20].1,
        }
    }
}

/// `log2` of 1, 2 or 4.
fn log2(number: u8) -> u16 {
    assert!(matches!(number, 0 | 1 | 2 | 4), "bug: {number} copies or lines");
    match number {
        2 => 1,
        4 => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_survive_encoding() {
        let words: [u32; DESCRIPTOR_WORDS] = std::array::from_fn(|i| {
            let word = 0x0101_0101u32.wrapping_mul(u32::try_from(i).expect("small") + 3);
            match i {
                0 => word & 0xffff_015f,
                9 => word & 0x7fff_05f8,
                10 => word & 0x54ff_007f,
                _ => word,
            }
        });
        // What stands in both parts.
        let mut words = words;
        words[10] |= (words[0] >> 6 & 3) << 28;
        words[11] = words[3] >> 16 | words[4] << 16;
        words[13] = words[6];
        assert_eq!(LayerDescriptor::decode(words).encode(), words);
    }
}
