//! `run`: images on an accelerator at the end of a serial line.

mod report;

use crate::args::{Format, RunArgs};
use crate::commands::sim::conclude;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::link::{self, Simulated};
use crate::output::{self, progress};
use crate::report::Destination;
use crate::report::results::{RUN, RUN_SIMULATED};
use heartbit_compiler::build::Build;
use heartbit_compiler::predict::predict;
use heartbit_hdl::uart::UartConfig;
use heartbit_host::load::Load;
use heartbit_host::{Device, DeviceError, Limits, Link, LinkError, SerialPort};
use heartbit_ir::interp::Interpreter;
use heartbit_ir::network::OpKind;
pub(crate) use report::Kept;
use report::Report;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a simulated accelerator may take to answer, which runs far slower than a real one.
const SIMULATED_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &RunArgs, format: Format) -> Outcome {
    let build = inputs::build(&args.build)?;
    let uart = link::read(&args.build)?;
    let images = Images::test(&args.data)?;
    images.check_size(&build.network)?;
    let destination = Destination::new(&args.report, Some(&args.build), None)?;
    let session = Session { args, build: &build, images: &images, uart };
    let report = match &args.port {
        Some(port) => {
            let baud = args.baud.unwrap_or(uart.baud());
            session.run(port, baud, Limits::of_baud(baud))?
        }
        None => session.simulate()?,
    };
    let json = report.json();
    if let Some(destination) = &destination {
        let name = if args.port.is_some() { RUN } else { RUN_SIMULATED };
        destination.write(&build, Some(&args.build), name, &json)?;
    }
    let line = crate::report::line(destination.as_ref());
    output::result(format, &json, || report.text() + &line)?;
    conclude(report.passed())
}

struct Session<'a> {
    args: &'a RunArgs,
    build: &'a Build,
    images: &'a Images,
    uart: UartConfig,
}

impl Session<'_> {
    /// Runs the images on the Verilog of the build, which works in a thread of its own.
    fn simulate(&self) -> Outcome<Report> {
        let simulated = Simulated::new(self.args, self.build, self.uart)?;
        let path = simulated.path();
        let baud = self.uart.baud();
        let limits = Limits {
            answer: SIMULATED_PATIENCE,
            attempts: 3,
            quiet: Duration::from_secs(2),
            ..Limits::of_baud(baud)
        };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let served = scope.spawn(|| simulated.serve(&stop));
            let report = self.run(&path, baud, limits);
            stop.store(true, Ordering::Relaxed);
            let cycles = served.join().expect("bug: the simulation does not panic")?;
            let mut report = report?;
            report.simulated_cycles = Some(cycles);
            Ok(report)
        })
    }

    /// Loads the program and runs the images on what is at the end of a port.
    fn run(&self, port: &str, baud: u32, limits: Limits) -> Outcome<Report> {
        let program = &self.build.compiled.program;
        let opened = SerialPort::open(port, baud).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot open the serial port `{port}` at {baud} baud"))
                .help("check the name, that you may use it (group `dialout`), and that nobody else does")
        })?;
        let mut device = Device::open(Link::new(opened, limits))?;
        device.check(program)?;
        let load = Load::new(program);
        let started = Instant::now();
        let is_loaded = if self.args.no_load {
            device.expect(&load)?;
            false
        } else {
            let bar = progress("load", load.payloads.len());
            let loaded = device.load(&load, self.args.reload, |n| bar.set_position(n as u64))?;
            bar.finish_and_clear();
            loaded
        };
        let mut report = Report::new(self.build, self.images);
        port.clone_into(&mut report.port);
        report.baud = baud;
        report.load_bytes = if is_loaded { load.bytes() } else { 0 };
        report.load_seconds = started.elapsed().as_secs_f64();
        report.program = load.crc;
        report.predicted = predict(program).total().0;
        self.images(&mut device, &mut report)?;
        device.take_errors("running images")?;
        report.line = device.statistics();
        Ok(report)
    }

    fn images(&self, device: &mut Device<SerialPort>, report: &mut Report) -> Outcome {
        let network = &self.build.network;
        let Some(OpKind::Image { channels, .. }) = network.ops.first().map(|op| &op.kind) else {
            let message = format!("network `{}` does not begin with an image", network.arch);
            return Err(Failure::new(Code::BadInput, message).help("compile another network"));
        };
        let channels = u8::try_from(*channels).expect("bug: at most 3 channels");
        let interpreter = Interpreter::new(network).expect("bug: validated when it was read");
        let bar = progress("run", self.images.len());
        let mut seconds = 0.0;
        for index in 0..self.images.len() {
            let image = self.images.image(index)?;
            let expected = interpreter.logits(&image).map_err(|error| {
                Failure::from_error(Code::BadInput, error)
                    .help("the network was trained on images of another size")
            })?;
            let started = Instant::now();
            let result = device.run(&image, channels, network.classes(), self.waits(report))?;
            seconds += started.elapsed().as_secs_f64();
            report.add(self.images.number(index), self.images.label(index), &expected, &result);
            bar.inc(1);
        }
        bar.finish_and_clear();
        report.seconds = seconds;
        Ok(())
    }

    /// How often the accelerator may find no result yet: it waits three sixteenths of a second at
    /// least, each time.
    fn waits(&self, report: &Report) -> u32 {
        let each = u64::from(self.uart.clock_hz()) * 3 / 16;
        u32::try_from(2 + 2 * report.predicted / each.max(1)).unwrap_or(u32::MAX)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        let (code, help) = match &error {
            DeviceError::Link(LinkError::Closed { .. }) => {
                (Code::BadInput, "plug the board in, and begin again")
            }
            DeviceError::Link(LinkError::Silent { .. }) => (
                Code::BadInput,
                "check that the bitstream of this build is on the board, the port (many boards have \
                 two) and `--baud`",
            ),
            DeviceError::Link(LinkError::Noisy { .. }) => {
                (Code::BadInput, "compile for a lower `--baud`, or use a shorter cable")
            }
            DeviceError::OtherHardware(_) | DeviceError::Stranger { .. } => {
                (Code::BadInput, "put the bitstream of this build on the board")
            }
            DeviceError::OtherProgram { .. } => {
                (Code::BadInput, "leave `--no-load` out, and the program is loaded")
            }
            DeviceError::StreamedWeights => {
                (Code::BadInput, "compile for an array that keeps all weights")
            }
            _ => (
                Code::CheckFailed,
                "reset the board and try again; docs/link.md says what it means",
            ),
        };
        Self::from_error(code, error).help(help)
    }
}
