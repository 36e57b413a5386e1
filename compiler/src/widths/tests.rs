//! The search against brute force on made-up accuracies, and the spaces of real networks.

use super::{Found, Point, SearchError, Space, SpaceError, Walk, Width, search};
use crate::fold::fold_on;
use crate::plan::plan;
use crate::random;
use crate::schedule::{Target, outline};
use heartbit_ir::grid::Grid;
use heartbit_model::{Arch, Checkpoint, Sizes};
use proptest::prelude::*;
use std::convert::Infallible;

const IMAGES: u16 = 400;

fn checkpoint(arch: Arch) -> Checkpoint {
    let published = arch.published();
    let widths = published.widths.iter().map(|width| (width / 8).max(8)).collect();
    let sizes = Sizes { widths, classes: 10, image_side: published.image_side.min(64) };
    random::checkpoint(arch, &sizes, 3).expect("valid sizes")
}

fn space(arch: Arch) -> Space {
    Space::of(&checkpoint(arch))
}

/// Cycles that are all different and grow with each width.
fn cycles(grid: &Grid) -> u64 {
    let weights = [10_000, 1_003, 507, 31, 1];
    Width::all_of(grid).iter().zip(weights).map(|(bits, weight)| u64::from(*bits) * weight).sum()
}

/// The first images are right, and so many of them as made up from a seed: more with more bits,
/// but for noise.
fn predictions(grid: &Grid, seed: u64) -> Vec<usize> {
    let bits: u64 = Width::all_of(grid).iter().map(|bits| u64::from(*bits)).sum();
    let noise = (cycles(grid) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
    let right = u16::try_from(200 + 4 * bits + noise).expect("small");
    (0..IMAGES).map(|image| usize::from(image >= right)).collect()
}

fn right(grid: &Grid, seed: u64) -> usize {
    predictions(grid, seed).iter().filter(|class| **class == 0).count()
}

/// Searches with made-up accuracies and a tolerance in images; also gives the grids of each call.
fn find(
    space: &Space,
    tolerance: u16,
    seed: u64,
    executes: impl Fn(&Grid) -> bool + Sync,
) -> (Found, Vec<Vec<Grid>>) {
    let mut calls = Vec::new();
    let found = search(
        space,
        &[0; IMAGES as usize],
        f64::from(tolerance) / f64::from(IMAGES),
        |grid| executes(grid).then(|| cycles(grid)),
        |grids| {
            calls.push(grids.to_vec());
            Ok::<_, Infallible>(grids.iter().map(|grid| predictions(grid, seed)).collect())
        },
    );
    (found.expect("the own grid is executed"), calls)
}

#[test]
fn spaces_have_the_widths_of_their_networks() {
    let space = space(Arch::ResNet20);
    let widths = [Width::StemWeight, Width::HeadActivation, Width::HeadWeight];
    assert_eq!(space.widths().collect::<Vec<_>>(), widths);
    assert_eq!((space.combinations(), space.bodies(), space.grids().len()), (512, 8, 512));
    let mut space = self::space(Arch::ResNet18ImageNet);
    assert_eq!(space.widths().collect::<Vec<_>>(), Width::ALL);
    assert_eq!((space.combinations(), space.bodies()), (32_768, 512));
    for (width, bits) in [(Width::StemWeight, [3, 2, 3]), (Width::DownsampleWeight, [8, 8, 1])] {
        space.restrict(width, &bits).expect("1 to 8 bits");
    }
    assert_eq!((space.combinations(), space.bodies()), (2 * 8 * 2 * 64, 32));
    // The own grid has 4-bit stem weights and is there nevertheless.
    let grids = space.grids();
    assert_eq!(grids.len(), space.combinations() + 1);
    assert!(grids.contains(space.own()) && grids.is_sorted_by_key(Width::all_of));
}

#[test]
fn widths_that_make_no_sense_are_refused() {
    let mut space = space(Arch::ResNet20);
    let mut check = |width, bits: &[u32], message: &str| {
        let error: SpaceError = space.restrict(width, bits).expect_err("makes no sense");
        assert_eq!(error.to_string(), message);
    };
    let absent = "`resnet20` has no shortcut weights: its shortcuts have no real weights";
    check(Width::DownsampleWeight, &[4], absent);
    check(Width::StemWeight, &[4, 9], "stem weights of 9 bits, but levels have 1 to 8");
    check(Width::HeadWeight, &[], "no number of bits is left for the head weights");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn exhaustive_search_is_brute_force(seed: u64, tolerance in 0..40_u16, odd: bool) {
        let space = space(Arch::ResNet20);
        // An array that lacks some combinations, but not the own one.
        let executes = |grid: &Grid| !odd || grid.head_weight_bits.is_multiple_of(2);
        let (found, calls) = find(&space, tolerance, seed, executes);
        prop_assert_eq!(found.walk, Walk::Exhaustive);
        prop_assert_eq!(calls.len(), 1);
        prop_assert_eq!(found.refused, if odd { 256 } else { 0 });
        prop_assert_eq!(found.points.len() + found.refused, 512);
        prop_assert_eq!(&found.own().grid, space.own());
        let (own, tolerance) = (right(space.own(), seed), usize::from(tolerance));
        let best = space.grids().into_iter().filter(|grid| executes(grid))
            .filter(|grid| right(grid, seed) + tolerance >= own)
            .min_by_key(cycles).expect("the own grid");
        prop_assert_eq!(&found.chosen().grid, &best);
        for point in &found.points {
            prop_assert_eq!(point.score.correct, right(&point.grid, seed));
            let better = |other: &&Point| {
                other.cycles <= point.cycles && other.score.correct >= point.score.correct
            };
            let beaten = found.points.iter().filter(better).count() > 1;
            prop_assert_eq!(found.front().contains(&point), !beaten);
        }
    }

    #[test]
    fn descent_ends_where_no_step_is_within_the_tolerance(seed: u64, tolerance in 0..80_u16) {
        let space = space(Arch::ReActNet18);
        let (found, calls) = find(&space, tolerance, seed, |_| true);
        prop_assert_eq!(found.walk, Walk::Descent);
        prop_assert_eq!(&calls[0], &[space.own().clone()]);
        let (own, chosen) = (right(space.own(), seed), found.chosen());
        let tolerance = usize::from(tolerance);
        prop_assert!(chosen.cycles <= found.own().cycles);
        prop_assert!(chosen.score.correct + tolerance >= own);
        for grid in space.narrower(&chosen.grid) {
            let point = found.points.iter().find(|point| point.grid == grid);
            prop_assert!(point.is_some_and(|p| p.score.correct + tolerance < own), "{:?}", grid);
        }
        // Five steps to look at from each grid on the way, and nothing twice.
        let steps: u32 = Width::ALL.iter().map(|w| w.of(space.own()) - w.of(&chosen.grid)).sum();
        prop_assert!(found.points.len() <= 1 + 5 * (steps as usize + 1));
        for (i, point) in found.points.iter().enumerate() {
            prop_assert!(found.points[..i].iter().all(|other| other.grid != point.grid));
        }
    }
}

#[test]
fn what_cannot_be_compared_or_measured_is_an_error() {
    let space = space(Arch::ResNet20);
    let own = search(&space, &[0], 0.0, |_| None, |_| Ok::<_, &str>(Vec::new()));
    assert_eq!(own, Err(SearchError::OwnGrid));
    let failed = search(&space, &[0], 0.0, |g| Some(cycles(g)), |_| Err("no image"));
    assert_eq!(failed, Err(SearchError::Measure("no image")));
}

/// What the descent assumes.
#[test]
fn more_bits_take_no_fewer_cycles() {
    for arch in [Arch::ResNet20, Arch::ResNet18ImageNet] {
        let checkpoint = checkpoint(arch);
        for shape in ["8x8x16", "8x16x64", "5x11x44"] {
            let target = Target::sized_for_network(shape.parse().expect("a shape"));
            for width in Space::of(&checkpoint).widths() {
                let cycles = (1..=8).map(|bits| {
                    let network = fold_on(&checkpoint, &width.set(&checkpoint.grid, bits));
                    let network = network.expect("valid");
                    let plan = plan(&network).expect("a plan");
                    outline(&network, &plan, &target).expect("fits").cycles().total()
                });
                let cycles: Vec<_> = cycles.collect();
                assert!(cycles.is_sorted(), "{arch} on {shape}, {width}: {cycles:?}");
                assert!(cycles[0] < cycles[7], "{arch} on {shape}, {width}: {cycles:?}");
            }
        }
    }
}
