//! The formulas of semantics.md, section 3, worked out by hand.

use super::*;

#[test]
fn odd_maps_each_cell_to_its_centre() {
    let cases = [(-9.0, -7), (-2.0, -1), (-0.1, -1), (0.0, 1), (1.9, 1), (2.0, 3), (99.0, 7)];
    for (v, expected) in cases {
        assert_eq!(odd(v, 3), expected, "{v}");
    }
}

#[test]
fn recu_bits_compare_with_the_filter_mean() {
    let weights = [0.1, 0.2, 0.3, 0.2, -1.0, -2.0, -3.0, -2.0];
    assert_eq!(
        binary_weights(&weights, 4, Centering::FilterMean),
        [false, false, true, false, true, true, false, true].map(|b| b),
    );
    assert!(binary_weights(&weights[..4], 4, Centering::None).iter().all(|&b| b));
}

#[test]
fn requantizer_takes_the_finest_shift_that_fits() {
    let affine = Affine { a: vec![0.05, -0.02], b: vec![0.5, -1.0] };
    let r = requantizer(&affine, 12);
    // 0.05 · 2^(12 + 4) = 3277 fits, 0.05 · 2^(12 + 8) = 52429 does not.
    assert_eq!((r.shift, r.mul), (4, vec![3277, -1311]));
    assert_eq!(r.bias, vec![32_768 + 8, -65_536 + 8]);
}

#[test]
fn requantizer_saturates_a_slope_that_no_shift_holds() {
    let r = requantizer(&Affine { a: vec![100.0], b: vec![0.0] }, 12);
    assert_eq!((r.shift, r.mul[0], r.bias[0]), (0, MUL_MAX, 0));
}

#[test]
fn stem_of_centred_pixels_has_a_zero_offset() {
    let stem = stem_levels(&[1.0, -0.5], [1, 2, 1, 1], &[0.5, 0.5], &[0.25, 0.25], 4);
    assert_eq!(stem.levels, [15, -7, 1]);
}

#[test]
fn classifier_of_a_pooled_vector_restores_the_mean() {
    let bn =
        BatchNorm { gamma: vec![1.0], beta: vec![0.0], mean: vec![0.0], var: vec![1.0], eps: 0.0 };
    let (shift, unit) = global_pool(64, 8, 12, 0);
    let head = classifier(&[1.0], &[0.5], Some(&bn), unit, 6);
    // A mean of 0.5 sums to 64 · 2048 and pools to 2·(2^17 / 2^11) + 1 = 129 of 256.
    assert_eq!(shift, 11);
    assert_eq!(head.levels, [63]);
    let logit = f64::from(63 * 129 + head.bias[0]) * head.logit_scale;
    assert!((logit - (129.0 / 256.0 + 0.5)).abs() < 1e-4, "{logit}");
    assert_eq!(head, classifier(&[1.0], &[0.5], None, unit, 6));
}

/// Metadata that was written before there were shortcuts of real values.
#[test]
fn grid_of_an_old_checkpoint_has_the_default_shortcuts() {
    let old = r#"{"stream_frac_bits":12,"stem_weight_bits":4,"head_weight_bits":6,
        "head_activation_bits":8}"#;
    let grid: Grid = serde_json::from_str(old).expect("readable");
    assert_eq!(grid, Grid::default());
    assert_eq!((grid.downsample_weight_bits, grid.downsample_activation_bits), (6, 8));
    let unknown = old.replace("stem", "stern");
    assert!(serde_json::from_str::<Grid>(&unknown).is_err());
    let json = serde_json::to_string(&Grid { downsample_weight_bits: 3, ..grid });
    let json = json.expect("plain numbers");
    let read: Grid = serde_json::from_str(&json).expect("readable");
    assert_eq!(read.downsample_weight_bits, 3);
    assert!(read.is_valid() && !Grid { downsample_activation_bits: 9, ..read }.is_valid());
}

#[test]
fn head_is_a_classifier_of_the_pooled_mean() {
    let bn = BatchNorm {
        gamma: vec![2.0, -0.5],
        beta: vec![0.25, 1.0],
        mean: vec![0.5, -0.125],
        var: vec![3.0, 15.0],
        eps: 1.0,
    };
    let (weights, bias) = ([1.0, 2.0, -4.0, 0.5], [0.5, -1.0]);
    let grid = Grid::default();
    let (shift, input_unit) = global_pool(49, grid.head_activation_bits, grid.stream_frac_bits, 0);
    let head = classifier(&weights, &bias, Some(&bn), input_unit, grid.head_weight_bits);
    // 12 + ceil(log2(49)) - 7; one level is 2^(11 - 1 - 12) / 49.
    let unit = 0.25 / 49.0;
    assert_eq!(shift, 11);
    // W' = W · (1, -1/8) = (1, -0.25), (-4, -0.0625); one level is 4 / 63.
    assert_eq!(head.levels, [15, -3, -63, -1]);
    assert!((head.logit_scale - 4.0 / 63.0 * unit).abs() < 1e-15);
    // The offsets of the channels are 0.25 - 1·0.5 and 1 - 0.125·0.125.
    let offsets = [0.5 - 0.25 + 2.0 * 0.984_375, -1.0 + 4.0 * 0.25 + 0.5 * 0.984_375];
    for (integer, offset) in head.bias.iter().zip(offsets) {
        let error = f64::from(*integer) - offset / head.logit_scale;
        assert!(error.abs() <= 0.5, "{integer}: {error}");
    }
}

/// Every integer of a stream is less than half a cell away from the level that it becomes,
/// unless the range cuts it off.
#[test]
fn levels_stand_for_what_quantize_read() {
    for (bits, frac_bits, range_log2) in [(8, 12, 0), (8, 12, 3), (4, 10, 0), (1, 3, 2)] {
        let shift = quantize_shift(bits, frac_bits, range_log2);
        let unit = level_unit(shift, frac_bits);
        let one = f64::from(1u32 << frac_bits);
        let range = 1i32 << (frac_bits + range_log2);
        for v in -range..range {
            let q = (v >> shift) + (1 << (bits - 1));
            assert!((0..1 << bits).contains(&q), "{v} leaves {bits} bits");
            let level = f64::from(2 * q - max_level(bits));
            assert!((level * unit - f64::from(v) / one).abs() <= unit, "{v}");
        }
    }
    // Fewer fraction bits than levels: nothing is shifted away.
    assert_eq!(quantize_shift(8, 4, 0), 0);
}

#[test]
fn real_convolution_moves_the_channels_behind_the_taps() {
    // One filter of 2 channels and 1x2 taps: (c, x) = (0, 0), (0, 1), (1, 0), (1, 1).
    let conv = real_conv_levels(&[1.0, 0.5, -0.25, -1.0], [1, 2, 1, 2], 3);
    assert_eq!(conv.levels, [7, -1, 3, -7]);
    assert!((conv.scale[0] - 1.0 / 7.0).abs() < 1e-15);
    let zeros = real_conv_levels(&[0.0; 2], [2, 1, 1, 1], 6);
    assert_eq!((zeros.levels, zeros.scale), (vec![1, 1], vec![1.0, 1.0]));
}

#[test]
fn prelu_of_extreme_slopes_saturates_or_uses_the_largest_shift() {
    let p = prelu(&[40_000.0, -0.4], &[0.0; 2], &[0.0; 2], 12);
    assert_eq!((p.shift, p.slope), (0, vec![MUL_MAX, 0]));
    let p = prelu(&[0.0, 1e-5], &[1e-9, -300.0], &[0.000_123, -0.000_123], 12);
    // 1e-5 · 2^28 = 2684.35; 0.000123 · 2^12 = 0.504; 300 · 2^12 leaves the range.
    assert_eq!((p.shift, p.slope), (28, vec![0, 2684]));
    assert_eq!((p.before, p.after), (vec![0, -PRELU_OFFSET_MAX], vec![1, -1]));
}

#[test]
fn level_unit_is_half_a_cell() {
    // 8 bits over ±1 at 12 fraction bits: 256 cells of 32 units, 2^-7 wide.
    let shift = quantize_shift(8, 12, 0);
    assert_eq!(shift, 5);
    assert!((level_unit(shift, 12) - 1.0 / 256.0).abs() < 1e-15);
    // Over ±8, the whole stream.
    assert_eq!(quantize_shift(8, 12, range_log2(false, 12)), 8);
    assert_eq!((range_log2(false, 12), range_log2(true, 12)), (3, 0));
}

#[test]
fn real_convolution_has_a_scale_for_each_filter() {
    let conv = real_conv_levels(&[0.5, -1.0, 0.25, 0.25, 0.1, 0.0], [2, 3, 1, 1], 4);
    assert_eq!(conv.levels, [7, -15, 3, 15, 7, 1]);
    assert!((conv.scale[1] - 0.25 / 15.0).abs() < 1e-12);
}

#[test]
fn prelu_slopes_share_the_finest_shift_that_fits() {
    let p = prelu(&[0.25, -1.5], &[0.5, 0.0], &[-1.0, 3e9], 12);
    // 1.5 · 2^12 = 6144 fits 16 bits, 1.5 · 2^16 does not.
    assert_eq!((p.shift, p.slope), (12, vec![1024, -6144]));
    assert_eq!((p.before, p.after), (vec![2048, 0], vec![-4096, PRELU_OFFSET_MAX]));
}
