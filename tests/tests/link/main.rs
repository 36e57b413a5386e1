//! The driver and the emitted `heartbit_uart` under Verilator, at the two ends of a pseudo-terminal
//! with a line model of bits: random networks, noise, an unplugged cable, other programs and
//! hardware.
//!
//! A missing Verilator fails these tests; it never skips them.

mod bench;
mod board;

use bench::{ARRAY, DEPTHS, Line, open, serial, uart, with_terminal};
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_cosim::Serial;
use heartbit_host::frame::{Decoded, Decoder, Frame, MAX_PAYLOAD};
use heartbit_host::load::Load;
use heartbit_host::{Device, DeviceError, Inference, LinkError, SerialPort};
use heartbit_ir::interp::{Interpreter, predicted_class};
use heartbit_ir::program::{ArrayConfig, Program};
use heartbit_tests::problem::{Problem, problems};
use heartbit_tests::regs;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// Waits that each image may take: far more than a small network needs.
const WAITS: u32 = 8;

/// A network as the host has it.
struct Case {
    program: Program,
    load: Load,
    channels: u8,
    images: Vec<Vec<u8>>,
    results: Vec<Inference>,
}

impl Case {
    fn new(problem: &Problem) -> Self {
        let network = problem.network();
        let target = Target::for_hardware(&ARRAY, DEPTHS);
        let program = compile(&network, &target).expect("it fits").program;
        let cycles = predict(&program).total().0;
        let interpreter = Interpreter::new(&network).expect("a valid network");
        let images = problem.images(2);
        let result = |image: &Vec<u8>| {
            let logits = interpreter.logits(image).expect("an image of the right size");
            let class = u32::try_from(predicted_class(&logits)).expect("few classes");
            Inference { logits, class, cycles }
        };
        let results = images.iter().map(result).collect();
        let channels = u8::try_from(problem.image_channels).expect("few channels");
        Self { load: Load::new(&program), program, channels, images, results }
    }

    fn run(&self, device: &mut Device<SerialPort>) -> Result<(), DeviceError> {
        device.check(&self.program)?;
        device.load(&self.load, false, |_| ())?;
        device.expect(&self.load)?;
        for (image, expected) in self.images.iter().zip(&self.results) {
            let result = device.run(image, self.channels, expected.logits.len(), WAITS)?;
            assert_eq!(&result, expected);
        }
        Ok(())
    }
}

/// The same random networks each time.
fn cases(n: usize) -> Vec<Case> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let one = |_| problems(7, false).new_tree(&mut runner).expect("a problem").current();
    (0..n).map(one).map(|problem| Case::new(&problem)).collect()
}

#[test]
fn networks_run_behind_the_line() {
    let cases = cases(5);
    with_terminal(Line::default(), |path| {
        let mut device = open(path).expect("an accelerator");
        for case in &cases {
            case.run(&mut device).expect("a quiet line");
        }
        let line = device.statistics();
        assert_eq!((line.again, line.damaged, line.silences), (0, 0, 0));
        drop(device);
        // Another session finds the program there.
        let mut device = open(path).expect("an accelerator");
        let last = cases.last().expect("a case");
        assert_eq!(device.load(&last.load, false, |_| ()).ok(), Some(false));
        assert_eq!(device.load(&last.load, true, |_| ()).ok(), Some(true));
        device.take_errors("testing").expect("none");
    });
}

#[test]
fn noise_costs_time_and_nothing_else() {
    for (seed, noise) in [(1, 2000), (2, 700), (3, 300)] {
        let cases = cases(2);
        with_terminal(Line { noise, seed, ..Line::default() }, |path| {
            let mut device = open(path).expect("an accelerator");
            for case in &cases {
                case.run(&mut device).unwrap_or_else(|error| panic!("1 in {noise}: {error}"));
            }
            assert!(device.statistics().again > 0, "1 in {noise}: nothing was spoilt");
        });
    }
}

#[test]
fn pulled_cable_is_an_error_soon() {
    let case = &cases(1)[0];
    for pulled_after in [20, 300, case.load.bytes() + 200] {
        let line = Line { pulled_after: Some(pulled_after), ..Line::default() };
        with_terminal(line, |path| {
            let started = Instant::now();
            let error = open(path)
                .and_then(|mut device| {
                    loop {
                        // Until it is pulled.
                        case.run(&mut device)?;
                    }
                })
                .map(|(): ()| ())
                .expect_err("the cable is pulled");
            let is_closed = matches!(error, DeviceError::Link(LinkError::Closed { .. }));
            assert!(is_closed, "after {pulled_after} bytes: {error}");
            assert!(started.elapsed() < Duration::from_secs(60), "after {pulled_after} bytes");
        });
    }
}

#[test]
fn another_program_and_other_hardware_are_refused() {
    let cases = cases(2);
    with_terminal(Line::default(), |path| {
        let mut device = open(path).expect("an accelerator");
        let error = device.expect(&cases[0].load).expect_err("nothing is loaded");
        assert!(error.to_string().contains("no program"), "{error}");
        device.load(&cases[0].load, false, |_| ()).expect("it loads");
        device.expect(&cases[0].load).expect("it is there");
        let error = device.expect(&cases[1].load).expect_err("another one is");
        let (have, want) = (cases[0].load.crc, cases[1].load.crc);
        assert!(error.to_string().contains(&format!("{have:08x}")), "{error}");
        assert!(error.to_string().contains(&format!("{want:08x}")), "{error}");

        let mut other = cases[0].program.clone();
        other.array = ArrayConfig { rows: 4, ..ARRAY };
        other.depths.weight = 20_000;
        let error = device.check(&other).expect_err("it has not this array");
        assert!(error.to_string().contains("4x3x5"), "{error}");
        assert!(error.to_string().contains("weight memory has 16384 words, of 20000"), "{error}");
    });
}

#[test]
fn program_that_cannot_run_is_refused_by_the_hardware() {
    let case = &cases(1)[0];
    let mut program = case.program.clone();
    program.layers.last_mut().expect("a layer").flags.last_layer = false;
    with_terminal(Line::default(), |path| {
        let mut device = open(path).expect("an accelerator");
        let error = device.load(&Load::new(&program), false, |_| ()).expect_err("it has no end");
        let errors = regs::ERROR_ILLEGAL_PROGRAM;
        let is_reported =
            matches!(error, DeviceError::Reported { errors: found, .. } if found == errors);
        assert!(is_reported, "{error}");
        case.run(&mut device).expect("the accelerator goes on");
    });
}

#[test]
fn reset_within_an_image_costs_that_image_only() {
    let case = &cases(1)[0];
    with_terminal(Line::default(), |path| {
        let mut device = open(path).expect("an accelerator");
        case.run(&mut device).expect("a quiet line");
        // Half an image, whose rest never comes, and a session that knows nothing of it.
        let half = &case.images[0][..case.images[0].len() / 2];
        let classes = case.results[0].logits.len();
        drop(device.run(half, case.channels, classes, 0));
        device.reset().expect("it answers");
        case.run(&mut device).expect("as before");
    });
}

/// Sends bytes to a design and returns the frames that come.
fn exchange(serial: &mut Serial, bytes: &[u8]) -> Vec<Decoded> {
    let mut decoder = Decoder::default();
    serial.send(bytes);
    let came = serial.run(10_000_000).expect("the design runs");
    assert!(serial.is_idle());
    came.into_iter().filter_map(|byte| decoder.push(byte)).collect()
}

#[test]
fn driver_and_hardware_agree_on_every_frame() {
    let mut serial = serial();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut number: u8 = 250;
    let sync = Frame { kind: 0, number, payload: vec![] };
    let done = |kind: u8, number, payload: Vec<u8>| {
        vec![Decoded::Frame(Frame { kind: 0x80 | kind, number, payload })]
    };
    assert_eq!(exchange(&mut serial, &sync.to_bytes()), done(0, number, vec![]));
    let select = u8::try_from(regs::LOAD_SELECT / 4).expect("low");
    let crc = u8::try_from(regs::LOAD_CRC / 4).expect("low");
    let mut sum = crc32fast::Hasher::new();
    for _ in 0..150 {
        let words = rng.random_range(1..=(MAX_PAYLOAD - 1) / 4);
        // Many flags and escapes, and a target that there is not, so that nothing is written.
        let mut payload = vec![select, 7, 0, 0, 0];
        let special = |rng: &mut ChaCha8Rng| [0x7e, 0x7d, rng.random(), rng.random()];
        payload.extend((1..words).flat_map(|_| special(&mut rng)));
        sum.update(&payload[1..]);
        number = number.wrapping_add(1);
        // Garbage before it, which its flag ends.
        let garbage: Vec<u8> = (0..rng.random_range(0..40)).map(|_| rng.random()).collect();
        let frame = Frame { kind: 1, number, payload };
        let mut answers = exchange(&mut serial, &[&garbage[..], &frame.to_bytes()].concat());
        let last = answers.pop().into_iter().collect::<Vec<_>>();
        assert_eq!(last, done(1, number, vec![]), "{garbage:x?}");
        let again = |answer: &Decoded| matches!(answer, Decoded::Frame(Frame { kind: 0xc1 | 0xc4, number: n, .. }) if *n == number);
        assert!(answers.iter().all(again), "{answers:x?}");
    }
    number = number.wrapping_add(1);
    let frame = Frame { kind: 2, number, payload: vec![crc, 1] };
    let expected = sum.finalize().to_le_bytes().to_vec();
    assert_eq!(exchange(&mut serial, &frame.to_bytes()), done(2, number, expected));
    assert_eq!(uart().clocks_per_bit(), 4);
}
