//! The packed kernels: bMAC a cycle, beside float32 products of the same sizes.

use super::clock::{core_hertz, shortest, time_stamp_hertz};
use crate::args::{BenchKernelsArgs, Format};
use crate::failure::Outcome;
use crate::output::{self, Table};
use heartbit_sim::kernels::{Isa, Kernels, LANES, PIXELS, Segment};
use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use serde_json::{Value, json};
use std::hint::black_box;

/// Pixels of a panel: a chunk of the fast engine.
const PANEL_PIXELS: usize = 64;
/// Taps of a kernel.
const TAPS: usize = 9;

pub(crate) fn run(args: &BenchKernelsArgs, format: Format) -> Outcome {
    let sets: Vec<Kernels> = Isa::ALL.into_iter().filter_map(Kernels::new).collect();
    let mut rows = Vec::new();
    for &channels in &args.channels {
        let peer = float_products(channels, args.repetitions);
        for &kernels in &sets {
            let value = counts(kernels, channels, args.repetitions);
            rows.push(Row { isa: kernels.isa(), channels, value, peer });
        }
    }
    let time_stamp = time_stamp_hertz();
    let results: Vec<Value> = rows.iter().map(|row| row.result(time_stamp)).collect();
    let clock = rows.iter().map(|row| row.value.hertz).fold(0.0, f64::max);
    let json = json!({
        "schema": 1, "core_hz": clock, "time_stamp_hz": time_stamp, "results": results,
    });
    output::result(format, &json, || text(&rows, clock, time_stamp))
}

/// A rate and the core's clock while it was measured.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    hertz: f64,
}

impl Rate {
    fn per_cycle(self) -> f64 {
        self.per_second / self.hertz
    }
}

/// Measures some work beside the core's clock.
fn rate(products: usize, repetitions: usize, work: impl FnMut()) -> Rate {
    let before = core_hertz();
    let seconds = shortest(repetitions, work);
    let hertz = before.max(core_hertz());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Rate { per_second: products as f64 / seconds, hertz }
}

/// bMAC of a kernel, with as many output channels as input channels.
fn counts(kernels: Kernels, channels: usize, repetitions: usize) -> Rate {
    let (words, blocks) = ((TAPS * channels).div_ceil(64), channels.div_ceil(LANES));
    let pixels = PANEL_PIXELS.next_multiple_of(PIXELS);
    let bits = |i: usize| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let panel: Vec<u64> = (0..pixels * words).map(bits).collect();
    let weights: Vec<[u64; LANES]> =
        (0..blocks * words).map(|i| std::array::from_fn(|lane| bits(LANES * i + lane))).collect();
    let segments = [Segment { words, doublings: 0 }];
    let mut out = vec![[0; LANES]; pixels * blocks];
    rate(PANEL_PIXELS * channels * TAPS * channels, repetitions, || {
        kernels.count(black_box(&panel), black_box(&weights), &segments, &mut out);
        black_box(&out);
    })
}

/// Multiply-accumulates of a float32 product of the same sizes.
fn float_products(channels: usize, repetitions: usize) -> Rate {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let value = |(row, column): (usize, usize)| (row * 7 + column) as f32 / 1000.0;
    let panel = Array2::from_shape_fn((PANEL_PIXELS, TAPS * channels), value);
    let weights = Array2::from_shape_fn((TAPS * channels, channels), value);
    let mut out = Array2::zeros((PANEL_PIXELS, channels));
    rate(PANEL_PIXELS * channels * TAPS * channels, repetitions, || {
        general_mat_mul(1.0, black_box(&panel), black_box(&weights), 0.0, &mut out);
        black_box(&out);
    })
}

/// A kernel on one instruction set.
struct Row {
    isa: Isa,
    channels: usize,
    value: Rate,
    peer: Rate,
}

impl Row {
    fn result(&self, time_stamp: Option<f64>) -> Value {
        let (value, peer) = (self.value.per_cycle(), self.peer.per_cycle());
        json!({
            "name": format!("3x3/{}/{}", self.channels, self.isa),
            "value": value,
            "unit": "bMAC/cycle of the core's clock",
            "peer": "matrixmultiply float32, MAC/cycle",
            "peer_value": peer,
            "ratio": value / peer,
            "per_time_stamp": time_stamp.map(|hertz| self.value.per_second / hertz),
        })
    }

    fn cells(&self, time_stamp: Option<f64>) -> Vec<String> {
        let (value, peer) = (self.value.per_cycle(), self.peer.per_cycle());
        vec![
            format!("3x3, {0} to {0}", self.channels),
            self.isa.to_string(),
            format!("{value:.1}"),
            time_stamp.map_or("-".into(), |hertz| format!("{:.1}", self.value.per_second / hertz)),
            format!("{:.0}", self.value.per_second / 1e9),
            format!("{peer:.1}"),
            format!("{:.1}", value / peer),
        ]
    }
}

fn text(rows: &[Row], clock: f64, time_stamp: Option<f64>) -> String {
    let titles = ["kernel", "set", "bMAC/cycle", "bMAC/tick", "bMAC/ns", "f32 MAC/cycle", "ratio"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row(row.cells(time_stamp));
    }
    let counter = time_stamp.map_or("there is no time-stamp counter".to_owned(), |hertz| {
        format!("the time-stamp counter ticks at {:.2} GHz", hertz / 1e9)
    });
    format!("{}\ncore's clock {:.2} GHz, measured; {counter}\n", table.render(), clock / 1e9)
}
