//! The fused binary unit: everything between two values of the stream.
//!
//! `y = limit(snap(bn(alpha · pool(conv(sign(x + shift), w)))) + shortcut)` for weights of ±1, with batch
//! statistics, zero padding, and `snap` the rounding to the deployed stream's grid with gradient 1.
//!
//! * The shift is one value a channel, learned, rounded to the grid; only the sign sees it.
//! * The pool takes from each 2×2 block the sum with the largest `alpha · z`, the first of equals.
//! * The [`Shortcut`] is the input, another map, or nothing; the [`Limit`] is a hardtanh, the ends
//!   of the deployed stream, or nothing.
//!
//! Inputs, in this order: `x` `[groups, cin, h, w, 16]`; weights `[cout·cin·k·k]`, ±1; alpha,
//! gamma and beta `[cout]`; the shift `[cin]` if there is one; the shortcut's map if it is another
//! one. Groups run in parallel in fixed chunks whose weight gradients are added in a fixed order,
//! so the result does not depend on the number of threads.
//!
//! The backward pass is in `unit/backward.rs`. It needs `x`, `y`, the sums as `i16`, and a byte for
//! each pooled place; the signs are made again, as floats in a padded map.

mod backward;
mod shortcut;

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_model::graph::Fit;
use rayon::prelude::*;

use self::shortcut::Route;
pub use self::shortcut::{Limit, Shortcut};
use crate::lanes::{LANES, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch};
use crate::ops::binarize_activation::{ImageStats, StdGradient};
use crate::ops::conv::{self, ConvShape, SignWeights};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::norm::{ChannelNorm, SumStats};
use crate::ops::passes::{self, AffineRow, Row};
pub use crate::ops::stats::{BatchStats, StatsSlot};
use crate::ops::stats::{living, map_shape, publish, total_moments};

/// One binary unit, ready to run on a batch.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Sizes of the convolution.
    pub shape: ConvShape,
    /// Images of the batch.
    pub images: usize,
    /// Grid steps in 1.0 of the stream, or `None` off the grid.
    pub grid_scale: Option<f32>,
    /// Surrogate gradient of the activations.
    pub std_gradient: StdGradient,
    /// Receives the batch statistics, those of `alpha · z` after the pool.
    pub stats: StatsSlot,
    /// Whether a learned shift is added before the sign.
    pub shift: bool,
    /// Whether 2×2 blocks of the sums are pooled before the normalisation.
    pub pool: bool,
    /// What is added after the normalisation.
    pub shortcut: Shortcut,
    /// The limit on the result.
    pub limit: Limit,
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
struct Saved {
    unit: Unit,
    x: FlexTensor,
    y: FlexTensor,
    weights: FlexTensor,
    shift: Vec<f32>,
    z: Vec<[i16; LANES]>,
    /// Which sum of each block was pooled; empty without a pool.
    places: Vec<[u8; LANES]>,
    images: Vec<ImageStats>,
    norms: Vec<ChannelNorm>,
    route: Option<Route>,
}

/// What every group of the forward pass reads.
struct Shared<'a> {
    weights: SignWeights,
    shift: &'a [f32],
    alpha: &'a [f32],
}

/// The sums of a batch, pooled, with the statistics of images and of each group's channels.
struct Convolved {
    z: Vec<[i16; LANES]>,
    places: Vec<[u8; LANES]>,
    images: Vec<ImageStats>,
    moments: Vec<Vec<SumStats>>,
}

/// The named inputs.
struct Inputs<'a> {
    x: &'a FlexTensor,
    weights: &'a FlexTensor,
    /// Alpha, gamma and beta.
    norm: [&'a [f32]; 3],
    shift: Option<&'a [f32]>,
    other: Option<&'a FlexTensor>,
}

impl Unit {
    /// Height and width of the result.
    pub fn out_side(&self) -> usize {
        if self.pool { self.shape.side() / 2 } else { self.shape.side() }
    }

    /// Positions of the result.
    fn out_plane(&self) -> usize {
        self.out_side() * self.out_side()
    }

    /// Lanes of one group of the result.
    fn out_lanes(&self) -> usize {
        self.shape.cout * self.out_plane()
    }

    fn inputs<'a>(&self, inputs: &'a [FlexTensor]) -> Inputs<'a> {
        let other = matches!(self.shortcut, Shortcut::Other(_));
        assert_eq!(
            inputs.len(),
            5 + usize::from(self.shift) + usize::from(other),
            "bug: number of a unit's inputs"
        );
        Inputs {
            x: &inputs[0],
            weights: &inputs[1],
            norm: [values(&inputs[2]), values(&inputs[3]), values(&inputs[4])],
            shift: self.shift.then(|| values(&inputs[5])),
            other: inputs.last().filter(|_| other),
        }
    }

    /// The shift of each channel as it is applied.
    fn shifts(&self, shift: Option<&[f32]>) -> Vec<f32> {
        let Some(shift) = shift else { return vec![0.0; self.shape.cin] };
        match self.grid_scale {
            None => shift.to_vec(),
            // As `heartbit_ir::grid::stream_offset`: half away from zero.
            Some(scale) => shift.iter().map(|&s| (s * scale).round() / scale).collect(),
        }
    }

    /// Convolves the signs of all groups.
    fn convolve(&self, xs: &[Row], shared: &Shared<'_>) -> Convolved {
        let groups = groups_of(self.images);
        let len = self.out_lanes();
        let mut z = vec![[0i16; LANES]; groups * len];
        let mut places = vec![[0u8; LANES]; if self.pool { groups * len } else { 0 }];
        // Without a pool every group gets an empty slice of places.
        let mut place_chunks: Vec<&mut [[u8; LANES]]> = places.chunks_mut(len).collect();
        place_chunks.resize_with(groups, Default::default);
        let (images, moments) = z
            .par_chunks_mut(len)
            .zip(place_chunks)
            .zip(xs.par_chunks(self.shape.input()))
            .enumerate()
            .map(|(g, ((z, places), x))| {
                self.convolve_group(x, z, places, shared, &lane_mask(self.images, g))
            })
            .unzip();
        Convolved { z, places, images, moments }
    }

    /// Convolves the signs of one group; returns the images' statistics and the sums' moments.
    fn convolve_group(
        &self,
        x: &[Row],
        z: &mut [[i16; LANES]],
        places: &mut [[u8; LANES]],
        shared: &Shared<'_>,
        mask: &Row,
    ) -> (ImageStats, Vec<SumStats>) {
        let shape = self.shape;
        let plane = shape.side() * shape.side();
        let out_plane = self.out_plane();
        let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for (x, &shift) in x.chunks_exact(shape.in_side * shape.in_side).zip(shared.shift) {
            passes::moments(x, shift, shape.in_side, &mut sum, &mut squares);
        }
        let moments = with_scratch(|s| {
            let map = take(&mut s.signs, shape.sign_input());
            conv::pack_signs(x, shared.shift, map, shape);
            let out = take(&mut s.output, shape.output());
            conv::forward_signs(map, &shared.weights, out, shape);
            let channels = out.chunks_exact_mut(plane).zip(z.chunks_exact_mut(out_plane));
            channels
                .enumerate()
                .map(|(c, (out, z))| {
                    if self.pool {
                        let places = &mut places[c * out_plane..(c + 1) * out_plane];
                        passes::pool_extremes(out, places, shared.alpha[c] >= 0.0, shape.side());
                    }
                    living(&passes::store_sums(&out[..out_plane], z, self.out_side()), mask)
                })
                .collect()
        });
        (ImageStats::new(&sum, &squares, shape.input()), moments)
    }

    /// Normalises one group, adds the shortcut and limits the result.
    fn activate_group(
        &self,
        z: &[[i16; LANES]],
        norms: &[ChannelNorm],
        shortcut: Option<(Route, &[Row])>,
        y: &mut [Row],
    ) {
        let plane = self.out_plane();
        let channels = y.chunks_exact_mut(plane).zip(z.chunks_exact(plane)).zip(norms);
        for (c, ((y, z), norm)) in channels.enumerate() {
            let f = AffineRow {
                a: norm.a as f32,
                b: norm.b as f32,
                scale: self.grid_scale.unwrap_or(0.0),
                bound: self.limit.bound(),
            };
            let source = shortcut.and_then(|(route, map)| {
                let at = route.source(c)? * route.plane();
                Some((route.fit, &map[at..at + route.plane()]))
            });
            match source {
                None => passes::activate(z, f, y),
                Some((Fit::Identity, x)) => passes::activate_identity(z, f, x, y),
                Some((Fit::PoolZeroChannels, x)) => {
                    passes::activate_pooled(z, f, x, y, self.out_side());
                }
            }
        }
    }
}

impl HostOp for Unit {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let Inputs { x, weights, norm: [alpha, gamma, beta], shift, other } = self.inputs(inputs);
        let shape = self.shape;
        assert!(
            i16::try_from(shape.fan_in()).is_ok(),
            "bug: sums of this fan-in need more than 16 bits"
        );
        let groups = groups_of(self.images);
        let xs = as_lanes(values(x));
        assert_eq!(xs.len(), groups * shape.input(), "bug: size of a unit's input");
        let route = match self.shortcut {
            Shortcut::None => None,
            Shortcut::Input(fit) | Shortcut::Other(fit) => {
                Some(self.route(fit, values(other.unwrap_or(x)).len(), groups))
            }
        };

        let shift = self.shifts(shift);
        let shared = Shared {
            weights: conv::pack_sign_weights(values(weights), shape),
            shift: &shift,
            alpha,
        };
        let Convolved { z, places, images, moments } = self.convolve(xs, &shared);
        let count = self.images * self.out_plane();
        let norms: Vec<ChannelNorm> = total_moments(&moments, shape.cout, count)
            .into_iter()
            .enumerate()
            .map(|(c, s)| ChannelNorm::new(s, alpha[c].into(), gamma[c].into(), beta[c].into()))
            .collect();
        publish(&self.stats, BatchStats::of(&norms));

        let source = as_lanes(values(other.unwrap_or(x)));
        let mut y = vec![0.0f32; groups * self.out_lanes() * LANES];
        as_lanes_mut(&mut y)
            .par_chunks_mut(self.out_lanes())
            .zip(z.par_chunks(self.out_lanes()))
            .enumerate()
            .for_each(|(g, (y, z))| {
                let shortcut = route.map(|r| (r, &source[g * r.lanes()..(g + 1) * r.lanes()]));
                self.activate_group(z, &norms, shortcut, y);
            });
        let y = host_tensor(y, map_shape(groups, shape.cout, self.out_side()));
        let (unit, x, weights) = (self.clone(), x.clone(), weights.clone());
        let saved =
            Saved { unit, x, y: y.clone(), weights, shift, z, places, images, norms, route };
        (y, Arc::new(saved))
    }
}

#[cfg(test)]
mod tests;
