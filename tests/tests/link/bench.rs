//! The emitted `heartbit_uart`, or the top level of a board around it, under Verilator, behind a
//! pseudo-terminal in a thread of its own.

use heartbit_boards::bench::{BENCH, bench};
use heartbit_boards::board::Board;
use heartbit_boards::pll::Clocking;
use heartbit_boards::top;
use heartbit_cosim::{Build, Design, Initial, Serial, Simulation as _, Toolchain, uart_design};
use heartbit_hdl::uart::UartConfig;
use heartbit_host::terminal::{Reply, Terminal};
use heartbit_host::{Device, DeviceError, Limits, Link, SerialPort};
use heartbit_ir::program::ArrayConfig;
pub(crate) use heartbit_tests::WRAPPED_DEPTHS as DEPTHS;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const ARRAY: ArrayConfig =
    ArrayConfig { rows: 2, cols: 3, lanes: 5, taps: 1, lines: 1, acc_bits: 24, extended: false };

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
    pub(crate) on: On,
    /// The LEDs ready, busy and error, from the lowest bit, when the driver is gone.
    pub(crate) lamps: Option<u64>,
}

/// What is at the end of the line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum On {
    /// The module `heartbit_uart`.
    #[default]
    Module,
    /// The top level of a board, at the clock of its file.
    Board(&'static str),
    /// The same, with a PLL whose input is not connected.
    Unclocked(&'static str),
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
    serial_on(On::Module)
}

fn serial_on(on: On) -> Serial {
    let toolchain = Toolchain::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    let design = uart_design(&ARRAY, &DEPTHS, uart());
    let (design, clocks_per_bit, settling) = match on {
        On::Module => (design, uart().clocks_per_bit().into(), 0),
        On::Board(name) => at_board(design, name, false),
        On::Unclocked(name) => at_board(design, name, true),
    };
    let mut model = Build::new(design)
        .compile(&toolchain)
        .expect("the Verilog compiles")
        .instantiate(Initial::Random(3))
        .expect("the model loads");
    let line = model.port("uart_rx").expect("the ports of a link");
    model.set(line, 1);
    model.run(settling).expect("it runs");
    Serial::new(model, clocks_per_bit).expect("the ports of a link")
}

/// A design on a board, ticks of a bit on its line, and until it is out of reset.
fn at_board(design: Design, name: &str, is_unclocked: bool) -> (Design, f64, u64) {
    let board = Board::find(name).expect("built in");
    let clocking = Clocking::plan(board.clock.mhz, board.pll.as_ref(), board.clock_mhz);
    let clocking = clocking.expect("its own clock");
    let bench = bench(&board, &clocking, None);
    let mut text = top::verilog(&board, &clocking);
    if is_unclocked {
        let broken = text.replacen("(clk_in)", "(1'b0)", 1);
        assert_ne!(broken, text, "{name}: the PLL has an input");
        text = broken;
    }
    let mut files = design.files.clone();
    files.push((format!("{}.v", top::name(&board)), text));
    files.push((format!("{BENCH}.v"), bench.text.clone()));
    let ticks = bench.ticks_per_bit(clocking.hz() / uart().clocks_per_bit());
    (design.behind(BENCH, files), ticks, bench.settling)
}

fn serve(mut terminal: Terminal, line: &Line, stop: &AtomicBool) {
    let mut serial = serial_on(line.on);
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
        Ok(()) => {
            assert_eq!(serial.framing_errors(), 0);
            let lamps = serial.status() & 0b111;
            assert!(line.lamps.is_none_or(|expected| expected == lamps), "{lamps:#b}: {line:?}");
        }
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
    open_within(path, LIMITS)
}

pub(crate) fn open_within(path: &str, limits: Limits) -> Result<Device<SerialPort>, DeviceError> {
    let port = SerialPort::open(path, uart().baud()).expect("the terminal opens");
    Device::open(Link::new(port, limits))
}
