//! What surrounds the accelerator: nothing, AXI ports, or a serial line; and the FPGA that both have
//! to fit.

use crate::args::{AroundArgs, AxiBits, FpgaArgs};
use crate::failure::Outcome;
use crate::fpga::Fpga;
use crate::link::BoardLink;
use heartbit_compiler::resources::Wrapper;
use heartbit_hdl::axi::AxiConfig;

/// What surrounds the accelerator.
#[derive(Clone, Debug)]
pub(crate) enum Around {
    /// Nothing.
    Nothing,
    /// AXI ports.
    Axi(AxiConfig),
    /// A serial line.
    Uart(BoardLink),
}

impl AroundArgs {
    /// What surrounds the accelerator, and the FPGA, if one is given. The clock of a link on a board
    /// is the one that it has.
    pub(crate) fn on(&self, args: &FpgaArgs) -> Outcome<(Around, Option<Fpga>)> {
        let mut fpga = args.is_given().then(|| Fpga::new(args, self.wrapper())).transpose()?;
        if let Some(fpga) = &mut fpga {
            fpga.flags.extend(self.flags());
        }
        if let Some(axi) = self.axi {
            return Ok((Around::Axi(axi.config()), fpga));
        }
        if !self.uart.uart {
            return Ok((Around::Nothing, fpga));
        }
        let of_fpga = fpga.as_ref().and_then(|fpga| fpga.board.as_ref());
        let board = args.board.as_deref().zip(of_fpga);
        let link = BoardLink::new(self.uart, board, args.clock)?;
        if let Some(fpga) = fpga.as_mut().filter(|fpga| fpga.board.is_some()) {
            fpga.clock_mhz = link.mhz();
        }
        Ok((Around::Uart(link), fpga))
    }

    /// What of it counts for the area.
    fn wrapper(&self) -> Wrapper {
        match (self.axi, self.uart.uart) {
            (Some(AxiBits::Bits32), _) => Wrapper::Axi32,
            (Some(AxiBits::Bits64), _) => Wrapper::Axi64,
            (None, true) => Wrapper::Uart,
            (None, false) => Wrapper::None,
        }
    }

    /// The memory port behind AXI.
    pub(crate) fn axi(&self) -> Option<AxiConfig> {
        self.axi.map(AxiBits::config)
    }

    /// The flags as they were given.
    fn flags(&self) -> Vec<String> {
        let axi = self.axi.map(|axi| format!("--axi={}", axi.config().data_bits));
        let uart = self.uart.flags();
        axi.into_iter().chain(uart).collect()
    }
}
