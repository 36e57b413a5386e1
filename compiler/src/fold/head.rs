//! The classifier: pooling or flattening to levels, linear layer, logits.

use super::Folder;
use heartbit_ir::grid::{self, Classifier};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Element, Network, OpKind, ValueId, ValueType};
use heartbit_model::graph::Reduce;

/// Returns the stream that the classifier of a folded network pools or flattens, if there is one.
///
/// It does not depend on the widths of the head, which all come behind it.
pub fn head_input(network: &Network, types: &[ValueType]) -> Option<ValueId> {
    let mut id = network.ops.len().checked_sub(1)?;
    while types.get(id)?.element != Element::Stream {
        id = *network.ops[id].kind.operands().first()?;
    }
    Some(id)
}

impl Folder<'_> {
    /// Adds the classifier; returns the value of the logit 1.
    pub(super) fn head(&mut self) -> f64 {
        let head = &self.graph.head;
        let (input, level) = match head.reduce {
            Reduce::GlobalPool => self.global_pool(),
            Reduce::Flatten => self.flatten(),
        };
        let bias = self.checkpoint.values(&format!("{}.bias", head.linear));
        let bits = self.grid.head_weight_bits;
        let weights = match head.reduce {
            Reduce::GlobalPool => {
                self.checkpoint.values(&format!("{}.weight", head.linear)).to_vec()
            }
            Reduce::Flatten => self.flattened_weights(),
        };
        let norm = head.norm.as_ref().map(|norm| self.batch_norm(norm));
        let Classifier { levels, bias, logit_scale } =
            grid::classifier(&weights, bias, norm.as_ref(), level, bits);
        let weights = Levels::from_values(bits, self.graph.sizes.classes, head.features, &levels);
        let kind = OpKind::Conv { input, weights, kernel: 1, stride: 1 };
        let input = self.push(&head.linear, kind);
        self.push("logits", OpKind::Logits { input, bias });
        logit_scale
    }

    /// The pooled levels, and the float value of one.
    fn global_pool(&mut self) -> (ValueId, f64) {
        let last = self.graph.layers.len() - 1;
        let side = self.graph.layers[last].side;
        let (bits, frac_bits) = (self.grid.head_activation_bits, self.frac_bits());
        let (shift, unit) = grid::global_pool(side * side, bits, frac_bits, self.range_log2(last));
        let kind = OpKind::GlobalPool { input: self.stream(last), shift, bits };
        (self.push("pool", kind), unit)
    }

    /// The flattened levels, and the float value of one.
    fn flatten(&mut self) -> (ValueId, f64) {
        let last = self.graph.layers.len() - 1;
        let bits = self.grid.head_activation_bits;
        let (input, unit) = self.levels(&self.graph.head.linear.clone(), last, bits);
        (self.push("flatten", OpKind::Flatten { input }), unit)
    }

    /// The weights `[classes, features]`, the features in the network's order.
    ///
    /// A checkpoint flattens a map with the channel slowest, the network with the channel fastest.
    fn flattened_weights(&self) -> Vec<f32> {
        let head = &self.graph.head;
        let weights = self.checkpoint.values(&format!("{}.weight", head.linear));
        let last = self.graph.layers.last().expect("bug: a network has layers");
        let positions = head.features / last.channels;
        let in_order = |row: &[f32]| -> Vec<f32> {
            (0..head.features)
                .map(|i| row[i % last.channels * positions + i / last.channels])
                .collect()
        };
        weights.chunks(head.features).flat_map(in_order).collect()
    }
}
