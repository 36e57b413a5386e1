//! Fields of the words that are loaded: microarchitecture.md, section 3, as a table.
//!
//! Bits that the page leaves unused are no field.

/// A memory that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// Header and descriptors.
    Program,
    /// Steps of a lane group.
    Steps,
    /// Resident weights of a column.
    Weights,
    /// Weights that a column gets through the weight port.
    WeightStream,
    /// Parameters of a column.
    Parameters,
}

impl Memory {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Steps => "steps",
            Self::Weights => "weights",
            Self::WeightStream => "weight stream",
            Self::Parameters => "parameters",
        }
    }
}

/// A field: its name, the word of the header or descriptor, its lowest bit, its bits.
pub type Field = (&'static str, usize, usize, usize);

/// Fields of the header, section 3.1.
pub const HEADER: [Field; 6] = [
    ("image_height", 0, 0, 16),
    ("image_width", 0, 16, 16),
    ("classes", 1, 0, 16),
    ("stem_kernel", 1, 16, 3),
    ("stem_stride", 1, 19, 2),
    ("image_tiles", 1, 21, 11),
];

/// Fields of a descriptor, section 3.1. What stands in both halves has the half's name before it.
pub const DESCRIPTOR: [Field; 66] = [
    ("source_image", 0, 0, 1),
    ("stride_2", 0, 1, 1),
    ("last_layer", 0, 2, 1),
    ("keep_image", 0, 3, 1),
    ("in_copies", 0, 4, 2),
    ("front.lines", 0, 6, 2),
    ("stream_weights", 0, 8, 1),
    ("drain_wait", 0, 16, 16),
    ("steps", 1, 0, 16),
    ("step_base", 1, 16, 16),
    ("weight_base", 2, 0, 16),
    ("fan_in", 2, 16, 16),
    ("col_tiles", 3, 0, 16),
    ("front.row_tiles", 3, 16, 16),
    ("front.out_height", 4, 0, 16),
    ("tile_gap", 4, 16, 16),
    ("col_gap", 5, 0, 16),
    ("layer_gap", 5, 16, 16),
    ("front.in_height", 6, 0, 16),
    ("front.in_width", 6, 16, 16),
    ("in_base", 7, 0, 16),
    ("in_y_words", 7, 16, 16),
    ("in_xt_words", 8, 0, 16),
    ("last_lanes", 8, 16, 16),
    ("out_flat", 9, 3, 1),
    ("write_bits", 9, 4, 1),
    ("write_stream", 9, 5, 1),
    ("pool", 9, 6, 1),
    ("logits", 9, 7, 1),
    ("out_stride_2", 9, 8, 1),
    ("write_levels", 9, 10, 1),
    ("shift", 9, 16, 3),
    ("level_shift", 9, 19, 5),
    ("value_shift", 9, 24, 3),
    ("level_bits", 9, 27, 4),
    ("window", 10, 0, 2),
    ("window_stride_2", 10, 2, 1),
    ("window_padding", 10, 3, 1),
    ("shortcut", 10, 4, 2),
    ("window_inner", 10, 6, 1),
    ("top", 10, 16, 2),
    ("bottom", 10, 18, 2),
    ("left", 10, 20, 2),
    ("right", 10, 22, 2),
    ("out_copies", 10, 26, 2),
    ("results.lines", 10, 28, 2),
    ("out_lines", 10, 30, 2),
    ("results.row_tiles", 11, 0, 16),
    ("results.out_height", 11, 16, 16),
    ("out_width", 12, 0, 16),
    ("param_base", 12, 16, 16),
    ("results.in_height", 13, 0, 16),
    ("results.in_width", 13, 16, 16),
    ("out_base", 14, 0, 16),
    ("out_y_words", 14, 16, 16),
    ("out_phase_words", 15, 0, 16),
    ("out_xt_words", 15, 16, 16),
    ("stream_in_base", 16, 0, 16),
    ("stream_out_base", 16, 16, 16),
    ("stream_in_row", 17, 0, 16),
    ("stream_in_plane", 17, 16, 16),
    ("stream_out_row", 18, 0, 16),
    ("stream_out_plane", 18, 16, 16),
    ("shortcut_channels", 19, 0, 16),
    ("clip", 19, 16, 16),
    ("out_plane_words", 20, 0, 16),
];

/// The last field of a descriptor, which only extended hardware has.
pub const VALUE_CLIP: Field = ("value_clip", 20, 16, 16);

/// Fields of a step of a layer that reads a map, section 3.2.
pub const STEP: [Field; 9] = [
    ("offset", 0, 0, 16),
    ("dy", 0, 16, 4),
    ("dx", 0, 20, 4),
    ("shift", 0, 24, 2),
    ("off", 0, 26, 1),
    ("line_shift", 0, 27, 2),
    ("double", 0, 29, 1),
    ("tap_first", 0, 30, 1),
    ("last_word", 0, 31, 1),
];

/// Fields of a step of a layer that reads the image, section 3.2.
pub const IMAGE_STEP: [Field; 9] = [
    ("image.plane_0", 0, 0, 3),
    ("image.plane_1", 0, 3, 3),
    ("image.use_0", 0, 6, 1),
    ("image.use_1", 0, 7, 1),
    ("image.n_rows", 0, 8, 2),
    ("image.part", 0, 10, 4),
    ("image.dy", 0, 16, 4),
    ("image.double", 0, 29, 1),
    ("image.tap_first", 0, 30, 1),
];

/// Fields of a parameter, section 3.3; plain hardware has the first two.
pub const PARAMETER: [Field; 8] = [
    ("mul", 0, 0, 16),
    ("bias", 0, 16, 40),
    ("minimum", 0, 56, 1),
    ("before", 0, 57, 22),
    ("slope", 0, 79, 16),
    ("after", 0, 95, 22),
    ("threshold", 0, 117, 17),
    ("at_most", 0, 134, 1),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// No bit belongs to two fields, and no name to two.
    #[track_caller]
    fn check(fields: &[Field]) -> usize {
        let bits: Vec<_> = fields
            .iter()
            .flat_map(|(_, word, low, bits)| (*low..low + bits).map(move |bit| (*word, bit)))
            .collect();
        assert_eq!(bits.iter().collect::<BTreeSet<_>>().len(), bits.len());
        let names: BTreeSet<_> = fields.iter().map(|field| field.0).collect();
        assert_eq!(names.len(), fields.len());
        bits.len()
    }

    #[test]
    fn fields_do_not_overlap() {
        assert_eq!(check(&HEADER), 64);
        let descriptor: Vec<_> = DESCRIPTOR.into_iter().chain([VALUE_CLIP]).collect();
        // 12 bits of the flags, one of word 9 and 9, 1 and 2 bits of word 10 are not used.
        check(&descriptor);
        assert_eq!(check(&STEP), 32);
        check(&IMAGE_STEP);
        assert_eq!(check(&PARAMETER), 135);
    }
}
