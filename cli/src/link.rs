//! The serial link of a build: its description, and the simulated accelerator at its end.

use crate::commands::cosim::with_text;
use crate::failure::{Code, Failure, Outcome};
use heartbit_compiler::build::Build;
use heartbit_cosim::{Initial, Serial, Toolchain};
use heartbit_hdl::uart::UartConfig;
use heartbit_host::terminal::{Reply, Terminal};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The description, within `host/`.
pub(crate) const FILE: &str = "link.json";
/// Its version.
const SCHEMA: u32 = 1;
/// Cycles between looks at what the driver sends.
const SLICE: u64 = 2_000;

#[derive(Debug, Serialize, Deserialize)]
struct LinkFile {
    schema: u32,
    clock_hz: u32,
    baud: u32,
}

/// The bytes of the description.
pub(crate) fn describe(uart: UartConfig) -> Vec<u8> {
    let file = LinkFile { schema: SCHEMA, clock_hz: uart.clock_hz(), baud: uart.baud() };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("bug: plain data");
    bytes.push(b'\n');
    bytes
}

/// The link of a build directory.
pub(crate) fn read(path: &Path) -> Outcome<UartConfig> {
    let file = path.join("host").join(FILE);
    let help = "write the build with `heartbit compile --uart`";
    let bytes = std::fs::read(&file).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("the build has no serial link: cannot read `{}`", file.display()))
            .help(help)
    })?;
    let bad = |error: anyhow::Error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("in `{}`", file.display()))
            .help(help)
    };
    let link: LinkFile = serde_json::from_slice(&bytes).map_err(|error| bad(error.into()))?;
    if link.schema != SCHEMA {
        return Err(bad(anyhow::anyhow!("schema {}, this version reads {SCHEMA}", link.schema)));
    }
    UartConfig::new(link.clock_hz, link.baud).map_err(|error| bad(error.into()))
}

/// The Verilog of a build behind a terminal.
pub(crate) struct Simulated {
    serial: Serial,
    terminal: Terminal,
}

impl Simulated {
    /// Builds the model and makes the terminal.
    pub(crate) fn new(path: &Path, build: &Build, uart: UartConfig) -> Outcome<Self> {
        let program = &build.compiled.program;
        let design = heartbit_cosim::uart_design(&program.array, &program.depths, uart);
        let design = with_text(path, design)?;
        let compiled = heartbit_cosim::Build::new(design).compile(&Toolchain::detect()?)?;
        let model = compiled.instantiate(Initial::Random(1))?;
        let serial = Serial::new(model, uart.clocks_per_bit())?;
        let terminal = Terminal::new().map_err(|error| {
            Failure::from_error(Code::OutsideTool, error)
                .context("cannot make a pseudo-terminal")
                .help("mount `/dev/pts`, or run on a system that has pseudo-terminals")
        })?;
        Ok(Self { serial, terminal })
    }

    /// The path that a driver opens.
    pub(crate) fn path(&self) -> String {
        self.terminal.path().to_owned()
    }

    /// Runs until it is to stop; returns the cycles.
    pub(crate) fn serve(mut self, stop: &AtomicBool) -> Outcome<u64> {
        let serial = &mut self.serial;
        let served = self.terminal.serve::<anyhow::Error>(stop, |bytes| {
            serial.send(bytes);
            Ok(Reply { bytes: serial.run(SLICE)?, is_idle: serial.is_idle() })
        });
        served.map_err(|error| {
            Failure::from_error(Code::Bug, error).context("the simulated accelerator broke off")
        })?;
        Ok(self.serial.cycle())
    }
}
