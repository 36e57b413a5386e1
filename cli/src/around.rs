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

impl Around {
    /// What of it counts for the area.
    fn wrapper(&self) -> Wrapper {
        match self {
            Self::Nothing => Wrapper::None,
            Self::Axi(AxiConfig { data_bits: 32, .. }) => Wrapper::Axi32,
            Self::Axi(_) => Wrapper::Axi64,
            Self::Uart(_) => Wrapper::Uart,
        }
    }
}

impl AroundArgs {
    /// What surrounds the accelerator on an FPGA of these flags, which is told of it. The clock of a
    /// link on a board is the one that it has.
    pub(crate) fn on(&self, args: &FpgaArgs, fpga: Option<&mut Fpga>) -> Outcome<Around> {
        let around = if let Some(axi) = self.axi() {
            Around::Axi(axi)
        } else if self.uart.uart {
            let board = fpga.as_ref().and_then(|fpga| fpga.board.as_ref());
            let board = args.board.as_deref().zip(board);
            Around::Uart(BoardLink::new(self.uart, board, args.clock)?)
        } else {
            Around::Nothing
        };
        if let Some(fpga) = fpga {
            fpga.wrapper = around.wrapper();
            fpga.flags.extend(self.flags());
            if let (Around::Uart(link), Some(_)) = (&around, &fpga.board) {
                fpga.clock_mhz = link.mhz();
            }
        }
        Ok(around)
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
