//! The flags of the serial link: of the hardware behind it, and of the command that talks to it.

use crate::failure::{Code, Failure, Outcome};
use clap::Args;
use heartbit_hdl::uart::UartConfig;

/// The serial line of an accelerator.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct UartArgs {
    /// Also writes the accelerator behind a serial line (`rtl/heartbit_uart.v`), for `heartbit run`.
    #[arg(long, conflicts_with_all = ["axi", "weight_port"])]
    pub(crate) uart: bool,
    /// Clock of the accelerator behind a serial line.
    #[arg(long, value_name = "HZ", default_value_t = 12_000_000, requires = "uart")]
    pub(crate) clock_hz: u32,
    /// Bits a second on the serial line, at most a quarter of the clock.
    #[arg(long, value_name = "BAUD", default_value_t = 1_000_000, requires = "uart")]
    pub(crate) baud: u32,
}

impl UartArgs {
    /// The line, if one is asked for.
    pub(crate) fn config(self) -> Outcome<Option<UartConfig>> {
        let config = UartConfig::new(self.clock_hz, self.baud).map_err(|error| {
            Failure::from_error(Code::Usage, error)
                .help("give another `--baud`, or a faster `--clock-hz`")
        })?;
        Ok(self.uart.then_some(config))
    }
}
