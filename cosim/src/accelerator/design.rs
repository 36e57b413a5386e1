//! The Verilog of an accelerator, bare or with what is around it, as a design.

use crate::watch::{accelerator_data, axi_data};
use crate::{Design, Direction, Port, Qualified, Watch};
use heartbit_hdl::Module;
use heartbit_hdl::axi::AxiConfig;
use heartbit_hdl::uart::UartConfig;
use heartbit_ir::program::{ArrayConfig, MemoryDepths};

/// Returns the design of an accelerator: its Verilog files and port table.
pub fn accelerator_design(array: &ArrayConfig, depths: &MemoryDepths) -> Design {
    design_of(&heartbit_hdl::accelerator(array, depths), accelerator_data)
}

/// Returns the design of an accelerator behind AXI.
pub fn axi_design(array: &ArrayConfig, depths: &MemoryDepths, axi: AxiConfig) -> Design {
    design_of(&heartbit_hdl::axi::heartbit_axi(array, depths, axi), axi_data)
}

/// Returns the design of an accelerator behind a serial line.
pub fn uart_design(array: &ArrayConfig, depths: &MemoryDepths, uart: UartConfig) -> Design {
    design_of(&heartbit_hdl::uart::heartbit_uart(array, depths, uart), |_| Vec::new())
}

/// Prints a module; its ports are those of the design, of which `data` are some.
pub(super) fn design_of(top: &Module, data: fn(&Module) -> Vec<Qualified>) -> Design {
    let mut design = Design::new(top.name());
    for file in heartbit_hdl::emit(top) {
        design = design.file(format!("{}.v", file.name), file.text);
    }
    for port in top.ports() {
        let direction = match port.direction {
            heartbit_hdl::Direction::Input => Direction::Input,
            heartbit_hdl::Direction::Output => Direction::Output,
        };
        design = design.port(Port { name: port.name.clone(), width: port.width, direction });
    }
    design.watch = Watch::of(top, data(top));
    design
}
