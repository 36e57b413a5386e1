//! Every kernel against a naive loop, for all odd sizes.

use super::{
    Isa, Kernels, LANES, PIXELS, PairBlock, QuadBlock, Quads, ScaleLine, Segment, Stretch,
    SumBlock, Task, WordBlock,
};
use proptest::prelude::*;

/// `SplitMix64`.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Words of which some are all zeros or ones.
    fn word(&mut self) -> u64 {
        match self.next() % 5 {
            0 => 0,
            1 => u64::MAX,
            _ => self.next(),
        }
    }

    /// Factors of which some are the largest.
    fn factor(&mut self) -> i16 {
        match self.next() % 5 {
            0 => i16::MIN,
            1 => i16::MAX,
            _ => i16::from_le_bytes([self.next().to_le_bytes()[0], self.next().to_le_bytes()[1]]),
        }
    }
}

fn kernels() -> Vec<Kernels> {
    Isa::ALL.into_iter().filter_map(Kernels::new).collect()
}

fn check_count(pixels: usize, blocks: usize, segments: &[Segment], seed: u64) {
    let mut numbers = Numbers(seed);
    let words = segments.iter().map(|segment| segment.words).sum::<usize>();
    let panel: Vec<u64> = (0..pixels * words).map(|_| numbers.word()).collect();
    let weights: Vec<WordBlock> =
        (0..blocks * words).map(|_| std::array::from_fn(|_| numbers.word())).collect();
    for kernels in kernels() {
        let mut out = vec![[-1; LANES]; pixels * blocks];
        kernels.count(&panel, &weights, segments, &mut out);
        for (i, sums) in out.iter().enumerate() {
            let (block, pixel) = (i / pixels, i % pixels);
            for (lane, &sum) in sums.iter().enumerate() {
                let (mut expected, mut k) = (0u64, 0);
                for segment in segments {
                    for _ in 0..segment.words {
                        let differ = panel[pixel * words + k] ^ weights[block * words + k][lane];
                        expected += (0..64).map(|bit| differ >> bit & 1).sum::<u64>();
                        k += 1;
                    }
                    (0..segment.doublings).for_each(|_| expected = expected * 2 % (1 << 32));
                }
                let sum = u64::from(sum.cast_unsigned());
                assert_eq!(sum, expected, "{}: {pixel} {block} {lane}", kernels.isa());
            }
        }
    }
}

fn check_multiply(pixels: usize, blocks: usize, pairs: usize, seed: u64) {
    let mut numbers = Numbers(seed);
    let panel: Vec<[i16; 2]> =
        (0..pixels * pairs).map(|_| std::array::from_fn(|_| numbers.factor())).collect();
    let weights: Vec<PairBlock> =
        (0..blocks * pairs).map(|_| std::array::from_fn(|_| numbers.factor())).collect();
    for kernels in kernels() {
        let mut out: Vec<SumBlock> = vec![[-1; LANES]; pixels * blocks];
        kernels.multiply(&panel, &weights, pairs, &mut out);
        for (i, sums) in out.iter().enumerate() {
            let (block, pixel) = (i / pixels, i % pixels);
            for (lane, &sum) in sums.iter().enumerate() {
                let mut expected = 0i64;
                for k in 0..2 * pairs {
                    let weight = weights[block * pairs + k / 2][2 * lane + k % 2];
                    let factor = panel[pixel * pairs + k / 2][k % 2];
                    expected += i64::from(factor) * i64::from(weight);
                }
                let wrapped = (expected << 32 >> 32, i64::from(sum));
                assert_eq!(wrapped.0, wrapped.1, "{}: {pixel} {block} {lane}", kernels.isa());
            }
        }
    }
}

fn check_multiply_bytes(pixels: usize, blocks: usize, quads: usize, largest: i8, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut byte = || numbers.word().to_le_bytes()[3];
    let panel: Vec<[u8; 4]> =
        (0..pixels * quads).map(|_| std::array::from_fn(|_| byte())).collect();
    // Extremes are what saturates.
    let mut weight = || match byte() {
        0 => -largest,
        u8::MAX => largest,
        byte => byte.cast_signed() % (largest + 1),
    };
    let weights: Vec<QuadBlock> =
        (0..blocks * quads).map(|_| std::array::from_fn(|_| weight())).collect();
    let weights = Quads::new(weights).expect("small");
    for kernels in kernels() {
        let mut out: Vec<SumBlock> = vec![[-1; LANES]; pixels * blocks];
        kernels.multiply_bytes(&panel, &weights, quads, &mut out);
        for (i, sums) in out.iter().enumerate() {
            let (block, pixel) = (i / pixels, i % pixels);
            for (lane, &sum) in sums.iter().enumerate() {
                let expected: i32 = (0..4 * quads)
                    .map(|k| {
                        let weight = weights.blocks()[block * quads + k / 4][4 * lane + k % 4];
                        i32::from(panel[pixel * quads + k / 4][k % 4]) * i32::from(weight)
                    })
                    .sum();
                assert_eq!(sum, expected, "{}: {pixel} {block} {lane}", kernels.isa());
            }
        }
    }
}

/// A line of `widths` stretches of pixels; sums are below 2^30.
fn check_scale(widths: &[usize], shift: u32, clip: i16, join: bool, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut block = |limit: i32| -> SumBlock {
        std::array::from_fn(|_| {
            let random =
                i32::from_le_bytes(*numbers.word().to_le_bytes().first_chunk().expect("8"));
            random % limit
        })
    };
    let pixels: usize = widths.iter().sum();
    let x: Vec<SumBlock> = (0..pixels).map(|_| block(1 << 14)).collect();
    let factor: Vec<SumBlock> = widths.iter().map(|_| block(1 << 15)).collect();
    let offset: Vec<SumBlock> = widths.iter().map(|_| block(1 << 29)).collect();
    let shortcut = (0..pixels).map(|_| std::array::from_fn(|_| numbers.factor()));
    let shortcut: Vec<[i16; LANES]> = shortcut.collect();
    let mut first = 0;
    let stretch = |(kind, width)| {
        first += width;
        Stretch { pixels: first - width..first, kind }
    };
    // Kinds in another order than stretches.
    let kinds = (0..widths.len()).rev();
    let stretches: Vec<Stretch> = kinds.zip(widths.iter().copied()).map(stretch).collect();
    let constants = (&*factor, &*offset);
    let (x, stretches) = (&*x, &*stretches);
    let line =
        ScaleLine { x, stretches, factor: constants.0, offset: constants.1, shift, join, clip };
    for kernels in kernels() {
        let (mut results, mut signs) = (shortcut.clone(), vec![0; pixels]);
        kernels.scale(&line, &mut results, &mut signs);
        for Stretch { pixels, kind } in stretches {
            for (pixel, lane) in pixels.clone().flat_map(|p| (0..LANES).map(move |l| (p, l))) {
                let sum = i64::from(factor[*kind][lane]) * i64::from(x[pixel][lane])
                    + i64::from(offset[*kind][lane]);
                let word = if join { i64::from(shortcut[pixel][lane]) } else { 0 };
                let expected = ((sum >> shift) + word).clamp((-clip).into(), clip.into());
                let found = (i64::from(results[pixel][lane]), signs[pixel] >> lane & 1 == 1);
                let place = format!("{}: {pixel} {lane}", kernels.isa());
                assert_eq!(found, (expected, expected >= 0), "{place}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn kernels_agree_with_a_naive_loop(
        groups in 1usize..6, blocks in 0usize..12, steps in 1usize..100, seed: u64,
        largest in 0i8..=Quads::LARGEST,
        segments in proptest::collection::vec((0usize..40, 0u32..33), 0..4),
    ) {
        let one = Segment { words: steps, doublings: 0 };
        check_count(PIXELS * groups, blocks, &[one], seed);
        let segments = segments.into_iter().map(|(words, doublings)| Segment { words, doublings });
        check_count(PIXELS * groups, blocks, &segments.chain([one]).collect::<Vec<_>>(), seed);
        check_multiply(PIXELS * groups, blocks, steps, seed);
        check_multiply_bytes(PIXELS * groups, blocks, steps, largest, seed);
    }

    #[test]
    fn scaled_lines_agree_with_a_naive_loop(
        widths in proptest::collection::vec(1usize..9, 0..5), shift in 0u32..32,
        clip in 0..=i16::MAX, join: bool, seed: u64,
    ) {
        check_scale(&widths, shift, clip, join, seed);
    }
}

#[test]
fn counts_of_long_runs_do_not_overflow() {
    for words in [30, 31, 32, 62, 63, 144, 300] {
        let panel = vec![u64::MAX; PIXELS * words];
        let weights = vec![[0; LANES]; words];
        for kernels in kernels() {
            let mut out = [[0; LANES]; PIXELS];
            kernels.count(&panel, &weights, &[Segment { words, doublings: 0 }], &mut out);
            let all = i32::try_from(64 * words).expect("small");
            assert_eq!(out, [[all; LANES]; PIXELS], "{} {words}", kernels.isa());
        }
    }
}

#[test]
fn instruction_sets_are_here_or_refused() {
    assert_eq!(Kernels::new(Isa::Portable).map(Kernels::isa), Some(Isa::Portable));
    assert_eq!(Kernels::best().isa(), Isa::best());
    for isa in Isa::ALL {
        assert_eq!(Kernels::new(isa).is_some(), isa.is_here(), "{isa}");
    }
    let foreign = if cfg!(target_arch = "x86_64") { Isa::Neon } else { Isa::Avx2 };
    assert_eq!(Kernels::new(foreign), None);
}

#[test]
#[expect(clippy::inline_always, reason = "as a task must be")]
fn tasks_run_once_on_every_instruction_set() {
    struct Add<'a>(&'a mut [i32; 19]);
    impl Task for Add<'_> {
        #[inline(always)]
        fn run(self) {
            self.0.iter_mut().for_each(|v| *v += 1);
        }
    }
    for kernels in kernels() {
        let mut values = [5; 19];
        kernels.vectorise(Add(&mut values));
        assert_eq!(values, [6; 19], "{}", kernels.isa());
    }
}

#[test]
#[should_panic(expected = "bug: 5 and 1 words")]
fn sizes_that_do_not_match_are_a_bug() {
    let segment = Segment { words: 1, doublings: 0 };
    Kernels::best().count(&[0; 5], &[[0; LANES]], &[segment], &mut [[0; LANES]; 5]);
}
