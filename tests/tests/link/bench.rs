//! The emitted `heartbit_uart` under Verilator, behind a pseudo-terminal in a thread of its own.

use heartbit_cosim::{Build, Initial, Serial, Toolchain, uart_design};
use heartbit_hdl::uart::UartConfig;
use heartbit_host::terminal::{Reply, Terminal};
use heartbit_host::{Device, DeviceError, Limits, Link, SerialPort};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const ARRAY: ArrayConfig =
    ArrayConfig { rows: 2, cols: 3, lanes: 5, taps: 1, lines: 1, acc_bits: 24, extended: false };

/// Enough for every random network, so that one model runs them all.
pub(crate) const DEPTHS: MemoryDepths = MemoryDepths {
    image: 128,
    activation: 1024,
    weight: 16_384,
    parameter: 1024,
    stream: 4096,
    logit: 16,
    step: 2048,
    program: 256,
    ring: None,
};

/// Four clocks a bit; slow enough a clock that its sixteenth of a second is soon over.
pub(crate) fn uart() -> UartConfig {
    UartConfig::new(400_000, 100_000).expect("exact")
}

/// A simulated accelerator answers late only where the machine has much else to do.
pub(crate) const LIMITS: Limits = Limits {
    answer: Duration::from_secs(20),
    attempts: 6,
    window: 8,
    quiet: Duration::from_secs(1),
};

/// What happens to the bytes that pass the line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// One byte in so many is turned, lost, or followed by garbage; none if 0.
    pub(crate) noise: u64,
    pub(crate) seed: u64,
    /// The cable is pulled after so many bytes.
    pub(crate) pulled_after: Option<usize>,
}

fn disturb(bytes: &[u8], line: &Line, rng: &mut ChaCha8Rng) -> Vec<u8> {
    if line.noise == 0 {
        return bytes.to_vec();
    }
    let mut out = Vec::new();
    for &byte in bytes {
        match rng.random_range(0..4 * line.noise) {
            0 => out.push(byte ^ 1 << rng.random_range(0..8)),
            1 => {}
            2 => out.extend([byte, rng.random(), rng.random()]),
            3 => out.extend([byte, 0x7e]),
            _ => out.push(byte),
        }
    }
    out
}

pub(crate) fn serial() -> Serial {
    let toolchain = Toolchain::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    let model = Build::new(uart_design(&ARRAY, &DEPTHS, uart()))
        .compile(&toolchain)
        .expect("the Verilog compiles")
        .instantiate(Initial::Random(3))
        .expect("the model loads");
    Serial::new(model, uart().clocks_per_bit()).expect("the ports of a board")
}

fn serve(mut terminal: Terminal, line: &Line, stop: &AtomicBool) {
    let mut serial = serial();
    let mut rng = ChaCha8Rng::seed_from_u64(line.seed);
    let mut passed = 0;
    let result = terminal.serve(stop, |bytes| {
        passed += bytes.len();
        if line.pulled_after.is_some_and(|limit| passed > limit) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        serial.send(&disturb(bytes, line, &mut rng));
        let bytes = serial.run(500).expect("the design runs");
        let bytes = disturb(&bytes, line, &mut rng);
        Ok(Reply { bytes, is_idle: serial.is_idle() })
    });
    match result {
        Ok(()) => assert_eq!(serial.framing_errors(), 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "{error}"),
    }
}

/// Hands a test the path of a terminal with an accelerator behind it.
pub(crate) fn with_terminal<T>(line: Line, test: impl FnOnce(&str) -> T) -> T {
    let terminal = Terminal::new().expect("a pseudo-terminal");
    let path = terminal.path().to_owned();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(terminal, &line, &stop));
        // Also where the test fails.
        let _stops = Stops(&stop);
        test(&path)
    })
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn open(path: &str) -> Result<Device<SerialPort>, DeviceError> {
    let port = SerialPort::open(path, uart().baud()).expect("the terminal opens");
    Device::open(Link::new(port, LIMITS))
}
