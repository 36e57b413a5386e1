//! Speed of the convolution kernels on one core, for each layer shape of the networks.
//!
//! Prints one line a shape: GFLOP/s of the forward pass on floats and on signs, the signs' packing
//! included but not the weights', and of both gradients, the best of several rounds. A
//! multiply-accumulate counts as two operations; taps in the padding are counted too, and so is all
//! that a gradient does on the way (at stride 2, and the transposition for the weights).
//!
//! `cargo bench -p heartbit-trainer --bench conv`

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints rates")]

use std::time::{Duration, Instant};

use heartbit_trainer::lanes::{LANES, Lanes, Signs};
use heartbit_trainer::ops::conv::{
    ConvShape, backward_input, backward_weights, forward, forward_signs, pack_backward,
    pack_forward, pack_sign_weights, pack_signs, zeroed_weights,
};

/// Least time that each kernel is repeated for.
const BUDGET: Duration = Duration::from_millis(300);
/// Fewest rounds, for a machine that is not idle.
const ROUNDS: usize = 10;

/// Input channels, output channels, kernel, stride, height and width of the input.
const SHAPES: [(&str, [usize; 5]); 19] = [
    ("ResNet-20 layer1", [16, 16, 3, 1, 32]),
    ("ResNet-20 layer2.0", [16, 32, 3, 2, 32]),
    ("ResNet-20 layer2", [32, 32, 3, 1, 16]),
    ("ResNet-20 layer3.0", [32, 64, 3, 2, 16]),
    ("ResNet-20 layer3", [64, 64, 3, 1, 8]),
    ("ResNet-18 layer1", [64, 64, 3, 1, 32]),
    ("ResNet-18 layer2.0", [64, 128, 3, 2, 32]),
    ("ResNet-18 layer2", [128, 128, 3, 1, 16]),
    ("ResNet-18 layer3.0", [128, 256, 3, 2, 16]),
    ("ResNet-18 layer3", [256, 256, 3, 1, 8]),
    ("ResNet-18 layer4.0", [256, 512, 3, 2, 8]),
    ("ResNet-18 layer4", [512, 512, 3, 1, 4]),
    ("ResNet-18 shortcut", [64, 128, 1, 2, 32]),
    ("VGG-small conv1", [128, 128, 3, 1, 32]),
    ("VGG-small conv3", [256, 256, 3, 1, 16]),
    ("VGG-small conv5", [512, 512, 3, 1, 8]),
    ("ImageNet layer1", [64, 64, 3, 1, 56]),
    ("ImageNet layer4", [512, 512, 3, 1, 7]),
    ("ImageNet stem", [4, 64, 7, 2, 224]),
];

/// Seconds of the fastest round.
fn best(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    let mut best = Duration::MAX;
    let mut rounds = 0;
    while rounds < ROUNDS || start.elapsed() < BUDGET {
        let round = Instant::now();
        f();
        best = best.min(round.elapsed());
        rounds += 1;
    }
    best.as_secs_f64()
}

fn main() {
    print!("{:20} {:>28}", "", "shape");
    let columns = ["forward", "signs", "input", "weights"];
    println!("{}", columns.map(|name| format!(" {name:>9}")).concat());
    for (name, [cin, cout, kernel, stride, in_side]) in SHAPES {
        let shape = ConvShape { cin, cout, kernel, stride, in_side };
        let sign = |i: usize| if i.is_multiple_of(3) { 1.0 } else { -1.0 };
        let weights: Vec<f32> = (0..shape.weights()).map(sign).collect();
        let input = vec![Lanes([1.0; LANES]); shape.padded_input()];
        let grad = vec![Lanes([0.5; LANES]); shape.padded_grad()];
        let mut output = vec![Lanes::ZERO; shape.output()];
        let mut grad_input = vec![Lanes::ZERO; shape.input()];
        let mut sums = zeroed_weights(shape);
        let mut scratch = Vec::new();
        let (x, shift) = (vec![[0.5; LANES]; shape.input()], vec![0.0; cin]);
        let mut map = vec![Signs::default(); shape.sign_input()];
        let filters = pack_sign_weights(&weights, shape);
        let (packed, transposed) = (pack_forward(&weights, shape), pack_backward(&weights, shape));
        let seconds = [
            best(|| forward(&input, &packed, &mut output, shape)),
            best(|| {
                pack_signs(&x, &shift, &mut map, shape);
                forward_signs(&map, &filters, &mut output, shape);
            }),
            best(|| backward_input(&grad, &transposed, &mut grad_input, shape)),
            best(|| backward_weights(&input, &grad, &mut sums, &mut scratch, shape)),
        ];
        let operations = (2 * shape.macs() * LANES) as f64;
        let [forward, signs, input, weights] = seconds.map(|s| operations / s * 1e-9);
        let shape = format!("{cin}->{cout} {kernel}x{kernel}/{stride} {in_side}x{in_side}");
        println!("{name:20} {shape:>28} {forward:9.1} {signs:9.1} {input:9.1} {weights:9.1}");
    }
}
