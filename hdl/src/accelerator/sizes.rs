//! Numbers that follow from the configuration, and the wiring helpers that several modules use.

use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};

use crate::build::{Builder, Sig};

/// The configuration in the unit of widths: microarchitecture.md, section 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// `R`.
    pub(super) rows: u32,
    /// `C`.
    pub(super) cols: u32,
    /// `L`.
    pub(super) lanes: u32,
    /// `T`.
    pub(super) taps: u32,
    /// `L / T`, the lanes of a lane group.
    pub(super) group_lanes: u32,
    /// `Q`.
    pub(super) lines: u32,
    /// Whether there is hardware for more than the CIFAR `ResNets` need.
    pub(super) extended: bool,
    /// Bits of an accumulator.
    pub(super) acc_bits: u32,
    /// `D`.
    pub(super) write_beats: u32,
    /// `S`.
    pub(super) slice_bits: u32,
    /// `G`.
    pub(super) slices: u32,
    /// `P`.
    pub(super) popcount_latency: u32,
    /// `N`.
    pub(super) nonlinear_stages: u32,
    /// `V`.
    pub(super) window_pixels: u32,
    /// `NP`.
    pub(super) stem_planes: u32,
    /// Bits of a parameter word.
    pub(super) parameter_bits: u32,
    /// Bits of `load_data`.
    pub(super) load_bits: u32,
    /// Words of the memories.
    pub(super) depths: Depths,
    /// The weight ring, if there is one.
    pub(super) ring: Option<Ring>,
}

/// The weight ring, and the port that fills it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    /// `F`.
    pub(super) words: u32,
    /// `W`.
    pub(super) port_cols: u32,
}

impl Ring {
    fn new(ring: WeightRing, array: &ArrayConfig, depths: &MemoryDepths) -> Self {
        let WeightRing { words, port_cols } = ring;
        let fits = words.is_power_of_two() && (2..=depths.weight).contains(&words);
        assert!(fits, "bug: {ring:?} in {} words", depths.weight);
        let divides = port_cols > 0 && array.cols.is_multiple_of(port_cols);
        assert!(divides, "bug: {ring:?} of {} columns", array.cols);
        let n = |value: usize| u32::try_from(value).expect("bug: sizes are small");
        Self { words: n(words), port_cols: n(port_cols) }
    }

    /// Bits of an address.
    pub(super) fn address_bits(self) -> u32 {
        self.words.trailing_zeros()
    }
}

/// Words of the memories.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depths {
    pub(super) image: u32,
    pub(super) activation: u32,
    pub(super) weight: u32,
    pub(super) parameter: u32,
    pub(super) stream: u32,
    pub(super) logit: u32,
    pub(super) step: u32,
    pub(super) program: u32,
}

impl Sizes {
    pub(super) fn new(array: &ArrayConfig, depths: &MemoryDepths) -> Self {
        let n = |value: usize| u32::try_from(value).expect("bug: sizes are small");
        let depth = |words: usize| {
            assert!(words <= 1 << 16, "bug: {words} words are out of reach of 16 address bits");
            n(words)
        };
        assert!(array.rows > 0 && array.cols > 0, "bug: an array without elements");
        assert!(array.lanes >= 4 && array.acc_bits > 0, "bug: {array:?}");
        assert!(
            matches!(array.taps, 1 | 2 | 4) && array.divides_into(array.taps),
            "bug: {array:?}"
        );
        assert!(
            matches!(array.lines, 1 | 2 | 4) && array.rows.is_multiple_of(array.lines),
            "bug: {array:?}"
        );
        Self {
            rows: n(array.rows),
            cols: n(array.cols),
            lanes: n(array.lanes),
            taps: n(array.taps),
            group_lanes: n(array.group_lanes()),
            lines: n(array.lines),
            extended: array.extended,
            acc_bits: array.acc_bits,
            write_beats: n(array.write_beats()),
            slice_bits: n(array.slice_bits()),
            slices: n(array.slices_per_word()),
            popcount_latency: n(array.popcount_latency()),
            nonlinear_stages: n(array.nonlinear_stages()),
            window_pixels: n(array.window_pixels()),
            stem_planes: n(array.stem_planes()),
            parameter_bits: n(array.parameter_bits()),
            load_bits: n(array.load_bits()),
            depths: Depths {
                image: depth(depths.image),
                activation: depth(depths.activation),
                weight: depth(depths.weight),
                parameter: depth(depths.parameter),
                stream: depth(depths.stream),
                logit: depth(depths.logit),
                step: depth(depths.step),
                program: depth(depths.program),
            },
            ring: depths.ring.map(|ring| Ring::new(ring, array, depths)),
        }
    }

    /// The most reads of a pixel's shortcut: two with `average`, nine with `extreme`.
    pub(super) fn most_reads(&self) -> u32 {
        if self.extended { 9 } else { 2 }
    }

    /// Bits of the beat counters.
    pub(super) fn beat_bits(&self) -> u32 {
        let planes = if self.extended { 8 } else { 1 };
        bits_for(self.most_reads() + planes * self.write_beats - 2)
    }

    /// Bits of the number of copies, `log2 f`; there is none without lane groups.
    pub(super) fn copies_bits(&self) -> u32 {
        bits_for(self.taps / 2)
    }

    /// Bits of the number of lines of a tile, `log2 q`; there is none with `Q = 1`.
    pub(super) fn lines_bits(&self) -> u32 {
        bits_for(self.lines / 2)
    }

    /// Bits of a sub-slice index.
    pub(super) fn sub_bits(&self) -> u32 {
        bits_for(self.write_beats - 1)
    }

    /// Bits of a bank or row index.
    pub(super) fn row_bits(&self) -> u32 {
        bits_for(self.rows - 1)
    }

    /// Bits of a slice index within a word.
    pub(super) fn slice_index_bits(&self) -> u32 {
        bits_for(self.slices - 1)
    }
}

/// Sizes of a plain array without lane groups, with memories that do not matter.
#[cfg(test)]
pub(super) fn test_sizes(rows: usize, cols: usize, lanes: usize) -> Sizes {
    test_sizes_of(rows, cols, lanes, 1, false)
}

/// Sizes of an array with memories that do not matter.
#[cfg(test)]
pub(super) fn test_sizes_of(
    rows: usize,
    cols: usize,
    lanes: usize,
    taps: usize,
    extended: bool,
) -> Sizes {
    let depths = MemoryDepths::uniform(64);
    Sizes::new(&ArrayConfig { rows, cols, lanes, taps, lines: 1, acc_bits: 20, extended }, &depths)
}

/// Bits that hold `0..=max`, at least one.
pub(crate) fn bits_for(max: u32) -> u32 {
    (u32::BITS - max.leading_zeros()).max(1)
}

/// The low bits, or zeros above.
pub(super) fn fit(value: Sig<'_>, width: u32) -> Sig<'_> {
    if width < value.width() { value.keep(0, width) } else { value.zero_extend(width) }
}

/// `value` some cycles later, through registers without reset.
pub(super) fn delay<'m>(m: &'m Builder, name: &str, value: Sig<'m>, cycles: u32) -> Sig<'m> {
    (1..=cycles).fold(value, |value, i| m.pipe(&format!("{name}_d{i}"), value))
}

/// `value` some cycles later, through registers that reset clears: for what starts or writes.
pub(super) fn delay_control<'m>(
    m: &'m Builder,
    name: &str,
    value: Sig<'m>,
    cycles: u32,
) -> Sig<'m> {
    (1..=cycles).fold(value, |value, i| {
        let reg = m.reg(&format!("{name}_d{i}"), value.width(), 0);
        reg.next(value);
        *reg
    })
}

/// Bit `i` of `width` bits is 1 where `i < n`.
pub(super) fn thermometer<'m>(m: &'m Builder, n: Sig<'m>, width: u32) -> Sig<'m> {
    (0..n.width()).fold(m.lit(width, 0), |below, k| {
        let by = 1_u32 << k;
        let more = if by >= width {
            m.ones(width)
        } else {
            m.concat(&[below.slice(0, width - by), m.ones(by)])
        };
        m.mux(n.bit(k), more, below)
    })
}

/// Which of `n` positions from `start` on are in `0..size`, bit `i` for `start + i`, or for
/// `start + 2i` with `stride_2`, if there is such a flag, in the next cycle. The start is signed and
/// at least -8; size and stride stand for longer than a cycle.
pub(super) fn inside<'m>(
    m: &'m Builder,
    name: &str,
    start: Sig<'m>,
    size: Sig<'m>,
    stride_2: Option<Sig<'m>>,
    n: u32,
) -> Sig<'m> {
    let pipe = |what: &str, value: Sig<'m>| m.pipe(&format!("{name}_{what}"), value);
    // Those from `begin` on and before `end` are inside; odd distances are rounded up.
    let size = stride_2.map_or(size, |odd| pipe("size", size + odd.zero_extend(size.width())));
    let halve = |value: Sig<'m>| stride_2.map_or(value, |half| m.mux(half, value.sar(1), value));
    let end = halve(size - start);
    let odd = stride_2.map_or(m.lit(5, 0), |odd| odd.zero_extend(5));
    let begin = pipe("begin", halve(odd - start.keep(0, 5)).keep(0, 4));
    let bits = bits_for(n);
    let many = pipe("many", end.slice(bits, end.width() - bits).any());
    let few = pipe("end", end.slice(0, bits));
    let (behind, negative) = (pipe("behind", end.msb()), pipe("negative", start.msb()));
    let before_end = thermometer(m, few, n) | many.repeat(n);
    let before_begin = thermometer(m, begin, n) & negative.repeat(n);
    before_end & !before_begin & (!behind).repeat(n)
}

#[cfg(test)]
mod tests {
    use super::{bits_for, inside, thermometer};
    use crate::{Builder, Simulator};

    #[test]
    fn thermometer_has_n_ones_and_saturates() {
        for width in [1, 2, 3, 5, 8, 37] {
            let m = Builder::new("thermo", "");
            let n = m.input("n", 6, "");
            m.output("ones", thermometer(&m, n, width), "");
            let mut sim = Simulator::new(&m.finish());
            for n in 0..64 {
                sim.set("n", n);
                let ones = n.min(u64::from(width));
                assert_eq!(sim.get("ones"), (1 << ones) - 1, "{n} of {width}");
            }
        }
    }

    #[test]
    fn inside_marks_the_positions_of_the_map() {
        for n in [1, 3, 5, 8] {
            let m = Builder::new("positions", "");
            let (start, size) = (m.input("start", 20, ""), m.input("size", 20, ""));
            let stride_2 = m.input("stride_2", 1, "");
            m.output("bits", inside(&m, "line", start, size, Some(stride_2), n), "");
            let mut sim = Simulator::new(&m.finish());
            for start in -8_i64..20 {
                for (size, stride) in [(1_i64, 1), (7, 1), (7, 2), (8, 2), (65_535, 1), (65_535, 2)]
                {
                    sim.set("start", start.cast_unsigned() & 0xf_ffff);
                    sim.set("size", size.cast_unsigned());
                    sim.set("stride_2", u64::from(stride == 2));
                    sim.step();
                    sim.step();
                    let bit = |i: u32| (0..size).contains(&(start + i64::from(i) * stride));
                    let expected: u64 = (0..n).map(|i| u64::from(bit(i)) << i).sum();
                    assert_eq!(sim.get("bits"), expected, "{start} of {size}, stride {stride}");
                }
            }
        }
    }

    #[test]
    fn bits_for_holds_the_maximum() {
        assert_eq!([0, 1, 2, 3, 4, 255, 256].map(bits_for), [1, 1, 2, 2, 3, 8, 9]);
    }
}
