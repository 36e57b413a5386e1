//! Layer descriptors: microarchitecture.md, section 3.1.

use super::{Borders, Shortcut, pack, unpack};

/// Words of a [`LayerDescriptor`] in the program memory.
pub const DESCRIPTOR_WORDS: usize = 18;

/// What a layer does beside its convolution; each is one bit of descriptor word 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one hardware flag each")]
pub struct LayerFlags {
    /// Bit 0: reads the image instead of the activation memory.
    pub source_image: bool,
    /// Bit 1: output pixels are two input pixels apart.
    pub stride_2: bool,
    /// Bit 3: the map that is written is read as one pixel.
    pub out_flat: bool,
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
    /// Bit 10: writes levels to the activation memory.
    pub write_levels: bool,
}

impl LayerFlags {
    fn bits(self) -> [bool; 11] {
        [
            self.source_image,
            self.stride_2,
            // Bit 2 is not used.
            false,
            self.out_flat,
            self.write_bits,
            self.write_stream,
            self.pool,
            self.logits,
            self.out_stride_2,
            self.last_layer,
            self.write_levels,
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
            out_flat: bit(3),
            write_bits: bit(4),
            write_stream: bit(5),
            pool: bit(6),
            logits: bit(7),
            out_stride_2: bit(8),
            last_layer: bit(9),
            write_levels: bit(10),
        }
    }
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
    /// Returns the words of the program memory.
    pub fn encode(&self) -> [u32; DESCRIPTOR_WORDS] {
        [
            u32::from(self.flags.encode())
                | (self.shift / 4) << 16
                | self.level_shift << 19
                | (self.value_shift / 4) << 24
                | self.level_bits << 27,
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
            pack(self.out_plane_words, self.value_clip),
            pack(
                self.shortcut.encode(),
                self.borders.encode()
                    | log2(self.in_copies) << 8
                    | log2(self.out_copies) << 10
                    | log2(self.lines) << 12
                    | log2(self.out_lines) << 14,
            ),
        ]
    }

    /// Reads the words of the program memory.
    pub fn decode(words: [u32; DESCRIPTOR_WORDS]) -> Self {
        let half = words.map(unpack);
        Self {
            flags: LayerFlags::decode(half[0].0),
            shift: (words[0] >> 16 & 7) * 4,
            level_shift: words[0] >> 19 & 31,
            value_shift: (words[0] >> 24 & 7) * 4,
            level_bits: words[0] >> 27 & 15,
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
            out_plane_words: half[16].0,
            value_clip: half[16].1,
            shortcut: Shortcut::decode(half[17].0),
            borders: Borders::decode(half[17].1),
            in_copies: 1 << (half[17].1 >> 8 & 3),
            out_copies: 1 << (half[17].1 >> 10 & 3),
            lines: 1 << (half[17].1 >> 12 & 3),
            out_lines: 1 << (half[17].1 >> 14 & 3),
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
                0 => word & 0x77ff_07fb,
                17 => word & 0x55ff_003f,
                _ => word,
            }
        });
        assert_eq!(LayerDescriptor::decode(words).encode(), words);
    }
}
