//! Order, levels and gradient of flattening.

use heartbit_ir::grid::{level_unit, max_level, quantize_shift};
use rand::Rng;

use super::*;
use crate::rng::stream;

const IMAGES: usize = 18;

fn op(grid: Option<Grid>, range_log2: u32) -> FlattenLevels {
    FlattenLevels { channels: 3, side: 2, images: IMAGES, grid, range_log2 }
}

fn draw(n: usize, size: f32) -> Vec<f32> {
    let mut rng = stream(41, 0);
    (0..n).map(|_| size * (2.0 * rng.random::<f32>() - 1.0)).collect()
}

fn run(op: &FlattenLevels, x: &[f32]) -> (Vec<f32>, Arc<dyn HostBackward>) {
    let (y, saved) = op.forward(&[host_tensor(x.to_vec(), [x.len()])]);
    (values(&y).to_vec(), saved)
}

#[test]
fn features_are_in_the_order_of_nchw_and_gradients_go_back() {
    let x = draw(2 * 12 * LANES, 1.0);
    let (y, saved) = run(&op(None, 0), &x);
    assert_eq!(y.len(), IMAGES * 12);
    for (i, v) in y.iter().enumerate() {
        let (image, feature) = (i / 12, i % 12);
        assert_eq!(*v, x[(image / LANES * 12 + feature) * LANES + image % LANES]);
    }
    let grad = draw(IMAGES * 12, 1.0);
    let back = values(&saved.backward(&grad)[0]).to_vec();
    for (i, v) in back.iter().enumerate() {
        let (group, feature, lane) = (i / LANES / 12, i / LANES % 12, i % LANES);
        let expected = grad.get((group * LANES + lane) * 12 + feature).copied().unwrap_or(0.0);
        assert_eq!(*v, expected);
    }
}

#[test]
fn values_on_the_grid_are_the_levels_of_the_semantics() {
    let grid = Grid::default();
    for range_log2 in [0, 3] {
        let (bits, frac) = (grid.head_activation_bits, grid.stream_frac_bits);
        let shift = quantize_shift(bits, frac, range_log2);
        let full = i64::from(max_level(bits));
        // Beyond the range, so that the ends are cut off.
        let x: Vec<f32> = draw(2 * 12 * LANES, 1.5 * (range_log2 as f32).exp2())
            .into_iter()
            .map(|v| (v * 4096.0).round() / 4096.0)
            .collect();
        let (y, _) = run(&op(Some(grid.clone()), range_log2), &x);
        for (i, v) in y.iter().enumerate() {
            let from = x[(i / 12 / LANES * 12 + i % 12) * LANES + i / 12 % LANES];
            let q = (((from * 4096.0) as i64) >> shift) + (1 << (bits - 1));
            let level = 2 * q.clamp(0, full) - full;
            assert_eq!(f64::from(*v), level as f64 * level_unit(shift, frac));
        }
    }
}
