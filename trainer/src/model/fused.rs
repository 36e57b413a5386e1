//! Layers on the CPU by fused operations, over groups of 16 images.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use heartbit_model::graph::{Conv, Layer, LayerKind, Reduce, Uses};

use crate::model::forward::{Executor, ForwardMode, Leaves, host_tensor};
use crate::model::network::Network;
use crate::ops::conv::ConvShape;
use crate::ops::flatten::FlattenLevels;
use crate::ops::host::{Input, apply, input};
use crate::ops::map_pool::{AvgPool, MaxPool};
use crate::ops::pool::GlobalPool;
use crate::ops::real_unit::RealUnit;
use crate::ops::rprelu::Rprelu;
use crate::ops::stats::{BatchStats, StatsSlot};
use crate::ops::stem::{STEM_CHANNELS, Stem};
use crate::ops::unit::{Limit, Shortcut, Unit};

/// The layers of one batch.
pub(crate) struct Fused<'a> {
    net: &'a Network,
    params: &'a Leaves<'a>,
    mode: &'a ForwardMode,
    pixels: Arc<Vec<u8>>,
    images: usize,
    device: Device,
    slots: Vec<StatsSlot>,
}

impl<'a> Fused<'a> {
    pub(crate) fn new(
        net: &'a Network,
        params: &'a Leaves<'a>,
        mode: &'a ForwardMode,
        pixels: Arc<Vec<u8>>,
        images: usize,
        device: &Device,
    ) -> Self {
        assert!(!mode.real_weights, "bug: real weights have no fused operation");
        Self { net, params, mode, pixels, images, device: device.clone(), slots: Vec::new() }
    }

    /// A parameter as an operation's input.
    fn get(&self, key: &str) -> Input {
        input(self.params.get(key))
    }

    /// Scale and offset of a normalisation.
    fn norm(&self, prefix: &str) -> [Input; 2] {
        ["weight", "bias"].map(|name| self.get(&format!("{prefix}.{name}")))
    }

    /// Where the next normalisation leaves its statistics.
    fn slot(&mut self) -> StatsSlot {
        let slot = StatsSlot::default();
        self.slots.push(slot.clone());
        slot
    }

    fn limit(&self, hardtanh: bool) -> Limit {
        match self.mode.stream_limit() {
            _ if hardtanh => Limit::Hardtanh,
            Some(bound) => Limit::Saturate(bound),
            None => Limit::Open,
        }
    }
}

impl Executor for Fused<'_> {
    type Map = Tensor<5>;

    fn stem(&mut self, conv: &Conv, norm: &str, hardtanh: bool, uses: Uses) -> Tensor<5> {
        let op = Stem {
            shape: ConvShape { cin: STEM_CHANNELS, ..ConvShape::from(conv) },
            pixels: self.pixels.clone(),
            norm: self.mode.pixels,
            grid: self.mode.grid.clone(),
            snap: uses.value,
            limit: self.limit(hardtanh),
            stats: self.slot(),
        };
        let [gamma, beta] = self.norm(norm);
        apply(vec![self.get(&conv.weight()), gamma, beta], Arc::new(op))
    }

    fn binary(&mut self, layer: &Layer, uses: Uses, operands: &[Tensor<5>]) -> Tensor<5> {
        let LayerKind::Binary { conv, shift, pool, norm, shortcut, hardtanh, input: from } =
            &layer.kind
        else {
            panic!("bug: not a binary layer")
        };
        let op = Unit {
            shape: conv.into(),
            images: self.images,
            // Where only the sign is read, the deployed network compares instead of rounding.
            grid_scale: self.mode.grid_scale().filter(|_| uses.value || shortcut.is_some()),
            std_gradient: self.mode.parts.std_gradient,
            stats: self.slot(),
            shift: shift.is_some(),
            pool: *pool,
            shortcut: match shortcut {
                None => Shortcut::None,
                Some(s) if s.from == *from => Shortcut::Input(s.fit),
                Some(s) => Shortcut::Other(s.fit),
            },
            limit: self.limit(*hardtanh),
        };
        let alpha = if self.net.method.learns_alpha() {
            self.params.get(&conv.alpha())
        } else {
            let values = self.net.alpha(conv).into_iter().map(|a| a as f32).collect();
            host_tensor(values, &self.device)
        };
        let [gamma, beta] = self.norm(norm);
        let x = input(operands[0].clone());
        let mut inputs = vec![x, self.get(&conv.weight()), input(alpha), gamma, beta];
        inputs.extend(shift.as_ref().map(|shift| self.get(&format!("{shift}.bias"))));
        if matches!(op.shortcut, Shortcut::Other(_)) {
            inputs.push(input(operands[1].clone()));
        }
        apply(inputs, Arc::new(op))
    }

    fn real(&mut self, conv: &Conv, norm: &str, x: Tensor<5>, range_log2: u32) -> Tensor<5> {
        let op = RealUnit {
            shape: conv.into(),
            images: self.images,
            grid: self.mode.grid.clone(),
            range_log2,
            limit: self.limit(false),
            stats: self.slot(),
        };
        let [gamma, beta] = self.norm(norm);
        apply(vec![input(x), self.get(&conv.weight()), gamma, beta], Arc::new(op))
    }

    fn max_pool(&mut self, layer: &Layer, x: Tensor<5>) -> Tensor<5> {
        let op = MaxPool { channels: layer.channels, side: 2 * layer.side };
        apply(vec![input(x)], Arc::new(op))
    }

    fn avg_pool(&mut self, layer: &Layer, x: Tensor<5>) -> Tensor<5> {
        let grid_scale = self.mode.grid_scale();
        let op = AvgPool { channels: layer.channels, side: 2 * layer.side, grid_scale };
        apply(vec![input(x)], Arc::new(op))
    }

    fn prelu(&mut self, layer: &Layer, x: Tensor<5>) -> Tensor<5> {
        let LayerKind::Prelu { before, slope, after, .. } = &layer.kind else {
            panic!("bug: not an activation")
        };
        let zeros = || input(host_tensor(vec![0.0; layer.channels], &self.device));
        let offset = |key: &Option<String>| key.as_ref().map_or_else(zeros, |key| self.get(key));
        let inputs = vec![input(x), self.get(slope), offset(before), offset(after)];
        let op = Rprelu {
            channels: layer.channels,
            side: layer.side,
            images: self.images,
            grid: self.mode.grid.clone(),
            limit: self.limit(false),
        };
        apply(inputs, Arc::new(op))
    }

    fn reduce(&mut self, map: Tensor<5>, reduce: Reduce, range_log2: u32) -> Tensor<2> {
        let [_, channels, side, _, _] = map.dims();
        let (images, grid) = (self.images, self.mode.grid.clone());
        let positions = side * side;
        match reduce {
            Reduce::GlobalPool => {
                let op = GlobalPool { channels, positions, images, grid, range_log2 };
                apply(vec![input(map)], Arc::new(op))
            }
            Reduce::Flatten => {
                let op = FlattenLevels { channels, side, images, grid, range_log2 };
                apply(vec![input(map)], Arc::new(op))
            }
        }
    }

    fn stats(self) -> Vec<BatchStats> {
        let read = |slot: &StatsSlot| {
            slot.lock().expect("bug: no thread panics while it holds statistics").clone()
        };
        self.slots.iter().map(read).collect()
    }
}
