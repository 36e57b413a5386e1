//! What can be wrong with a program or an image.
//!
//! Every variant names the place, the value and the rule of `docs/microarchitecture.md` that it
//! breaks. Broken invariants of the simulator itself are panics that begin with "bug:".

use heartbit_ir::program::ProgramError;

/// Why a program or an image was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no program for any array.
    #[error(transparent)]
    Contract(#[from] ProgramError),
    /// A size of the array, a memory or a table breaks a rule.
    #[error("program: {field} is {value}, must be {rule} {limit}")]
    Program {
        /// Path of the field in `Program`.
        field: &'static str,
        /// Its value.
        value: u64,
        /// How value and limit must relate.
        rule: &'static str,
        /// The other side of the rule.
        limit: u64,
    },
    /// The lanes cannot be divided into so many groups.
    #[error(
        "program: array.taps is {taps}, must be 1, or 2 or 4 groups of {lanes} lanes that are \
         {slices} slices of {slice_bits} bits"
    )]
    Taps {
        /// Lane groups.
        taps: usize,
        /// Lanes.
        lanes: usize,
        /// Slices of a word.
        slices: usize,
        /// Bits of a slice.
        slice_bits: usize,
    },
    /// The rows cannot be divided into so many lines.
    #[error("program: array.lines is {lines}, must be 1, 2 or 4, and divide the {rows} rows")]
    Lines {
        /// Most lines of a tile.
        lines: usize,
        /// Rows.
        rows: usize,
    },
    /// The weight ring has a size that addresses do not wrap at, or no place.
    #[error(
        "program: depths.ring.words is {words}, must be a power of two, at least 2 and at most the \
         {depth} words of the weight memory"
    )]
    Ring {
        /// Words of the ring.
        words: usize,
        /// Words of the weight memory.
        depth: usize,
    },
    /// The beats of the weight port do not make up a word of all columns.
    #[error("program: depths.ring.port_cols is {port_cols}, must divide the {cols} columns")]
    PortColumns {
        /// Columns of a beat.
        port_cols: usize,
        /// Columns.
        cols: usize,
    },
    /// There are no windows for this stem.
    #[error(
        "program: the stem is {kernel}x{kernel} with stride {stride}, must be 3x3 with stride 1, \
         or 7x7 with stride 2 on extended hardware (extended: {extended})"
    )]
    Stem {
        /// Side of the kernel.
        kernel: u8,
        /// Stride.
        stride: u8,
        /// Whether the hardware is extended.
        extended: bool,
    },
    /// The weight or parameter table of one column breaks a rule.
    #[error("column {column}: {field} is {value}, must be {rule} {limit}")]
    Column {
        /// Index of the column.
        column: usize,
        /// What was measured.
        field: &'static str,
        /// Its value.
        value: u64,
        /// How value and limit must relate.
        rule: &'static str,
        /// The other side of the rule.
        limit: u64,
    },
    /// A field of a layer descriptor breaks a rule.
    #[error("layer {layer}: {field} is {value}, must be {rule} {limit}")]
    Layer {
        /// Index of the layer.
        layer: usize,
        /// Name of the field or of what follows from it.
        field: &'static str,
        /// Its value.
        value: u64,
        /// How value and limit must relate.
        rule: &'static str,
        /// The other side of the rule.
        limit: u64,
    },
    /// Flags of a layer that exclude or require each other.
    #[error("layer {layer}: {rule}")]
    Flags {
        /// Index of the layer.
        layer: usize,
        /// The rule.
        rule: &'static str,
    },
    /// A field of a step does not fit its bits.
    #[error("step {step} of layer {layer}: {field} is {value}, must be in {low}..={high}")]
    Step {
        /// Index of the layer.
        layer: usize,
        /// Index of the step in the layer.
        step: usize,
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: i64,
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
    },
    /// A field of a parameter does not fit its bits.
    #[error("parameter {word} of column {column}: {field} is {value}, must be in {low}..={high}")]
    Parameter {
        /// Index of the column.
        column: usize,
        /// Address of the parameter.
        word: usize,
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: i64,
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
    },
    /// A parameter has fields that plain hardware lacks.
    #[error("parameter {word} of column {column}: plain hardware has `mul` and `bias` only")]
    PlainParameter {
        /// Index of the column.
        column: usize,
        /// Address of the parameter.
        word: usize,
    },
    /// A layer would read or write outside of a memory.
    #[error("layer {layer}: {access} reaches words {first} to {last} of a memory of {depth}")]
    Address {
        /// Index of the layer.
        layer: usize,
        /// Which access.
        access: &'static str,
        /// Smallest address, before it wraps to 16 bits.
        first: i64,
        /// Largest address, before it wraps to 16 bits.
        last: i64,
        /// Words of the memory.
        depth: usize,
    },
    /// The image begins before the one before it has ended, or too late.
    #[error("the image begins in cycle {start}, must begin in {earliest}..={latest}")]
    Start {
        /// First cycle of `Fetch`.
        start: u64,
        /// The second cycle after `Send` of the image before; 0 for the first image.
        earliest: u64,
        /// The latest cycle for which cycles are counted.
        latest: u64,
    },
    /// A probe at a place that does not exist.
    #[error("the probe's {field} is {value}, must be below {limit}")]
    Probe {
        /// Which part of the place.
        field: &'static str,
        /// Its value.
        value: usize,
        /// How many there are.
        limit: usize,
    },
    /// A layer that the fast engine cannot execute; the simulator can.
    #[error("layer {layer}: {rule}, which the fast engine does not execute; use the simulator")]
    Fast {
        /// Index of the layer.
        layer: usize,
        /// What is not executed.
        rule: &'static str,
    },
    /// The image has the wrong number of bytes.
    #[error(
        "the image has {bytes} bytes, must have 1, 2 or 3 bytes for each of {height} x {width} pixels"
    )]
    Image {
        /// Bytes of the image.
        bytes: usize,
        /// Rows that the program expects.
        height: usize,
        /// Columns that the program expects.
        width: usize,
    },
}
