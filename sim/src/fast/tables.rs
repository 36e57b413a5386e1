//! The constants of a layer's results, for every column and output pixel.
//!
//! Where taps leave the map and at the borders of section 5.3 of microarchitecture.md the constants
//! differ, so output lines are sorted into classes and the pixels of a line into kinds. A line is
//! some stretches of one kind, in each of which constants stay in registers.
//! With `x` from a kernel, `z = base - 2·x`, and `y = (mul·z + bias) >> shift` becomes
//! `(factor·x + offset) >> shift` where that cannot leave 32 bits and no accumulator can wrap.

use super::blocks::Blocks;
use super::map::Constants;
use crate::kernels::{LANES, Stretch, SumBlock};
use crate::plan::{LayerPlan, Plan};
use heartbit_ir::program::Parameter;
use std::ops::RangeInclusive;

/// What a table needs to know of the layer's source.
pub(super) struct Sums<'a> {
    /// The output lines, and columns, at which constants may change.
    pub(super) cuts: [Vec<usize>; 2],
    /// Constants of column `(ct, c)` at `(y, x)`.
    pub(super) constants: &'a dyn Fn((usize, usize), (usize, usize)) -> Constants,
    /// What a kernel can give for column `(ct, c)`.
    pub(super) range: &'a dyn Fn((usize, usize)) -> RangeInclusive<i64>,
}

/// How `x` becomes `y`; element `(class·blocks + block)·kinds + kind` of each.
#[derive(Debug)]
pub(super) enum Scale {
    /// With 32 bits, which hold `y` and a shortcut, too.
    Narrow {
        /// Multiplies `x`.
        factor: Vec<SumBlock>,
        /// Is added.
        offset: Vec<SumBlock>,
    },
    /// With 64 bits, from `z`, which wraps like an accumulator.
    Wide {
        /// Multiplies `z`.
        mul: Vec<SumBlock>,
        /// Is added.
        bias: Vec<[i64; LANES]>,
    },
}

/// The nonlinearity; elements as those of [`Scale`].
#[derive(Debug, Default)]
pub(super) struct Bend {
    pub(super) before: Vec<SumBlock>,
    pub(super) slope: Vec<SumBlock>,
    pub(super) after: Vec<SumBlock>,
    /// -1 where the bit is 1 up to the threshold, else 1.
    pub(super) sign: Vec<SumBlock>,
    /// The threshold times the sign.
    pub(super) limit: Vec<SumBlock>,
    /// Whether 32 bits are enough.
    pub(super) narrow: bool,
}

/// Constants of all pixels and columns of a layer.
#[derive(Debug)]
pub(super) struct Tables {
    /// Kinds of the pixels of a line.
    kinds: usize,
    blocks: usize,
    /// A whole line.
    pub(super) stretches: Vec<Stretch>,
    /// Class of each output line.
    classes: Vec<usize>,
    /// What `z` is where `x` is 0.
    pub(super) base: Vec<SumBlock>,
    pub(super) scale: Scale,
    /// `None` where nothing bends and bits are signs.
    pub(super) bend: Option<Bend>,
    /// -1 in columns that take the smallest element; `None` if there are none.
    pub(super) flip: Option<Vec<[i16; LANES]>>,
}

/// All about one column of a pixel.
#[derive(Clone, Copy)]
struct Entry {
    base: i32,
    parameter: Parameter,
    /// Factor and offset, if 32 bits are enough.
    narrow: Option<(i32, i32)>,
}

impl Tables {
    pub(super) fn new(plan: &Plan, layer: &LayerPlan, blocks: Blocks, sums: &Sums<'_>) -> Self {
        let (height, width) = (usize::from(layer.d.out_height), usize::from(layer.d.out_width));
        let interval = |cuts: &[usize], at: usize| cuts.iter().filter(|&&cut| cut <= at).count();
        let (rows, row_of) =
            sort(height, |y| (interval(&sums.cuts[0], y), layer.parameter_word(0, y, 0)));
        let (columns, column_of) =
            sort(width, |x| (interval(&sums.cuts[1], x), layer.parameter_word(0, 0, x)));
        let mut entries = Vec::with_capacity(rows.len() * blocks.len() * columns.len());
        for &y in &rows {
            for block in 0..blocks.len() {
                let entry = |&x| entry_block(plan, layer, (blocks, block), sums, (y, x));
                entries.extend(columns.iter().map(entry));
            }
        }
        let flips = entries.iter().flatten().flatten().any(|entry| entry.parameter.minimum);
        Self {
            kinds: columns.len(),
            blocks: blocks.len(),
            stretches: stretches(&column_of),
            classes: row_of,
            base: column(&entries, |entry| entry.base),
            scale: scale(&entries),
            bend: plan.array.extended.then(|| bend(&entries, layer)).flatten(),
            flip: flips.then(|| column(&entries, |entry| -i16::from(entry.parameter.minimum))),
        }
    }

    /// Where the elements of a line begin, one for each kind of pixels.
    pub(super) fn at(&self, y: usize, block: usize) -> usize {
        (self.classes[y] * self.blocks + block) * self.kinds
    }
}

/// Joins neighbours of one kind.
fn stretches(kinds: &[usize]) -> Vec<Stretch> {
    let mut first = 0;
    kinds
        .chunk_by(|a, b| a == b)
        .map(|same| {
            let pixels = first..first + same.len();
            first = pixels.end;
            Stretch { pixels, kind: same[0] }
        })
        .collect()
}

/// Returns the first position of each kind, and the kind of each position.
fn sort<K: PartialEq>(n: usize, key: impl Fn(usize) -> K) -> (Vec<usize>, Vec<usize>) {
    let mut first: Vec<usize> = Vec::new();
    let kinds = (0..n)
        .map(|at| {
            let found = first.iter().position(|&other| key(other) == key(at));
            found.unwrap_or_else(|| {
                first.push(at);
                first.len() - 1
            })
        })
        .collect();
    (first, kinds)
}

fn entry_block(
    plan: &Plan,
    layer: &LayerPlan,
    (blocks, block): (Blocks, usize),
    sums: &Sums<'_>,
    (y, x): (usize, usize),
) -> [Option<Entry>; LANES] {
    let (ct, first) = blocks.place(block);
    let live = blocks.live(block);
    let parameters = &plan.parameters[layer.parameter_word(ct, y, x) * plan.cols..][..plan.cols];
    std::array::from_fn(|lane| {
        let column = (ct, first + lane);
        (lane < live).then(|| {
            let constants = (sums.constants)(column, (y, x));
            let range = (sums.range)(column);
            entry(constants, &range, parameters[column.1], (plan.array.acc_bits, layer.d.shift))
        })
    })
}

fn entry(
    constants: Constants,
    range: &RangeInclusive<i64>,
    parameter: Parameter,
    (acc_bits, shift): (u32, u32),
) -> Entry {
    let acc_mask = u32::MAX >> (32 - acc_bits);
    let doubled = constants.matches.wrapping_mul(2);
    let base = doubled.wrapping_sub(constants.products & acc_mask).cast_signed();
    let most = i64::from(constants.matches) - range.start();
    let wraps = most > acc_mask.into() || constants.products > acc_mask;
    let mul = i128::from(parameter.mul);
    let z = 2 * i128::from(constants.matches) - i128::from(constants.products);
    let offset = mul * z + i128::from(parameter.bias);
    let end = |x: &i64| i32::try_from(offset - 2 * mul * i128::from(*x)).ok();
    let ends = [end(range.start()), end(range.end())];
    let joins = |sum: i32| (sum >> shift).unsigned_abs() < i32::MAX.unsigned_abs() - (1 << 15);
    let fits = !wraps && ends.into_iter().all(|end| end.is_some_and(joins));
    // What is between the ends fits, and so does the sum modulo 2^32.
    #[expect(clippy::cast_possible_truncation, reason = "the offset is used modulo 2^32")]
    let offset = offset as i32;
    let factor = -2 * i32::from(parameter.mul);
    Entry { base, parameter, narrow: fits.then_some((factor, offset)) }
}

/// Returns a field of all entries, the default for columns that do not exist.
fn column<T: Copy + Default>(
    entries: &[[Option<Entry>; LANES]],
    field: impl Fn(&Entry) -> T,
) -> Vec<[T; LANES]> {
    let of = |entry: Option<Entry>| entry.as_ref().map_or(T::default(), &field);
    entries.iter().map(|block| block.map(of)).collect()
}

fn scale(entries: &[[Option<Entry>; LANES]]) -> Scale {
    if entries.iter().flatten().flatten().all(|entry| entry.narrow.is_some()) {
        let narrow = |entry: &Entry| entry.narrow.expect("bug: all are");
        return Scale::Narrow {
            factor: column(entries, |entry| narrow(entry).0),
            offset: column(entries, |entry| narrow(entry).1),
        };
    }
    Scale::Wide {
        mul: column(entries, |entry| entry.parameter.mul.into()),
        bias: column(entries, |entry| entry.parameter.bias),
    }
}

/// Returns the tables of the nonlinearity, if there is one.
fn bend(entries: &[[Option<Entry>; LANES]], layer: &LayerPlan) -> Option<Bend> {
    let d = &layer.d;
    let all = || entries.iter().flatten().flatten().map(|entry| &entry.parameter);
    let same = |p: &Parameter| Parameter { minimum: false, ..*p }.is_plain();
    if d.value_shift == 0 && d.value_clip >= d.clip && all().all(same) {
        return None;
    }
    let sign = |p: &Parameter| if p.at_most { -1 } else { 1 };
    // |u|·|slope| + half, with one bit to spare.
    let fits = |p: &Parameter| {
        let u = i64::from(d.clip) + i64::from(p.before.unsigned_abs());
        u * i64::from(p.slope.unsigned_abs()) < 1 << 29
    };
    Some(Bend {
        before: column(entries, |entry| entry.parameter.before),
        slope: column(entries, |entry| entry.parameter.slope.into()),
        after: column(entries, |entry| entry.parameter.after),
        sign: column(entries, |entry| sign(&entry.parameter)),
        limit: column(entries, |entry| entry.parameter.threshold * sign(&entry.parameter)),
        narrow: all().all(fits),
    })
}
