//! Both poolings against loops over one image, ties included.

use rand::Rng;

use super::*;
use crate::rng::stream;

const CHANNELS: usize = 3;
const GROUPS: usize = 2;

/// Few distinct values, so that windows have ties.
fn map(side: usize, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, 0);
    let len = GROUPS * CHANNELS * side * side * LANES;
    (0..len).map(|_| (rng.random_range(-8..8i32) as f32) / 4.0).collect()
}

fn run(op: &dyn HostOp, x: &[f32], grad: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (y, saved) = op.forward(&[host_tensor(x.to_vec(), [x.len()])]);
    (values(&y).to_vec(), values(&saved.backward(grad)[0]).to_vec())
}

#[test]
fn maximum_and_its_gradient_are_those_of_the_first_maximum() {
    for side in [1, 2, 5, 8] {
        let pool = MaxPool { channels: CHANNELS, side };
        let out = pool.out_side();
        let x = map(side, 1);
        let grad = map(out, 2);
        let (y, grad_x) = run(&pool, &x, &grad);
        let mut expected = vec![0.0f32; x.len()];
        for (i, (y, g)) in y.iter().zip(&grad).enumerate() {
            let (lane, at, plane) = (i % LANES, i / LANES % (out * out), i / LANES / (out * out));
            let mut best: Option<(f32, usize)> = None;
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                let (r, c) = (2 * (at / out) + ky, 2 * (at % out) + kx);
                if (1..=side).contains(&r) && (1..=side).contains(&c) {
                    let from = ((plane * side + r - 1) * side + c - 1) * LANES + lane;
                    if best.is_none_or(|(v, _)| x[from] > v) {
                        best = Some((x[from], from));
                    }
                }
            }
            let (v, from) = best.expect("a window has a position");
            assert_eq!(*y, v);
            expected[from] += g;
        }
        assert_eq!(grad_x, expected, "side {side}");
    }
}

#[test]
fn mean_is_rounded_to_the_grid_and_its_gradient_is_a_quarter() {
    let x = map(6, 3);
    let grad = map(3, 4);
    for scale in [None, Some(4.0f32)] {
        let pool = AvgPool { channels: CHANNELS, side: 6, grid_scale: scale };
        let (y, grad_x) = run(&pool, &x, &grad);
        for (i, y) in y.iter().enumerate() {
            let (lane, at, plane) = (i % LANES, i / LANES % 9, i / LANES / 9);
            let corner = (plane * 6 + at / 3 * 2) * 6 + at % 3 * 2;
            let block = [0, 1, 6, 7].map(|d| (corner + d) * LANES + lane);
            let mean = block.iter().map(|&b| x[b]).sum::<f32>() / 4.0;
            assert_eq!(*y, scale.map_or(mean, |s| (mean * s + 0.5).floor() / s));
            assert!(block.iter().all(|&b| grad_x[b] == grad[i] / 4.0));
        }
    }
}
