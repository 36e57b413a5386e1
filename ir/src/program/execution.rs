//! What an engine gives back.

use super::LayerDescriptor;

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
    /// `v`, after the nonlinearity.
    pub value: Vec<i32>,
    /// The result bit.
    pub bits: Vec<bool>,
    /// `y`, not clamped.
    pub logits: Vec<i32>,
    /// `q` of each pixel, only of layers that write levels.
    pub levels: Vec<u8>,
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
            value: vec![0; n],
            bits: vec![false; n],
            logits: vec![0; n],
            levels: vec![0; if layer.flags.write_levels { n } else { 0 }],
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
    /// The first cycle of `Fetch`, counted from the first one after the program was loaded; 0 unless
    /// weights are streamed.
    pub start: u64,
    /// Cycles of each layer, until the next one begins.
    pub layer_cycles: Vec<u64>,
    /// Cycles of `Send`.
    pub send_cycles: u64,
}
