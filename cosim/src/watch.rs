//! What a design must know after a reset, for simulators that know X.
//!
//! Control is what has a reset, and what decides whether a register or a memory takes its input. The
//! data are free to be unknown until they are written, as long as that reaches neither control nor a
//! port that says they are valid.

use crate::accelerator::of_pixel;
use heartbit_hdl::{Module, State, state};

/// The port that resets.
pub(crate) const RESET: &str = "rst";

/// Outputs that must be known where another one is 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qualified {
    /// The output that says so.
    pub by: String,
    /// The outputs.
    pub ports: Vec<String>,
}

/// What must be known from the first clock edge of a reset on, if it is a register with a reset, and
/// from the first cycle after it on, if it is anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The state of all instances, of which registers with a reset and all conditions count. It comes
    /// from the description and not from the text: a text that lost a reset is found.
    pub states: Vec<State>,
    /// Outputs that are always known.
    pub always: Vec<String>,
    /// All other outputs.
    pub qualified: Vec<Qualified>,
}

impl Watch {
    /// The state of a module; of its outputs those are known at all times that `qualified` lacks.
    pub(crate) fn of(top: &Module, qualified: Vec<Qualified>) -> Self {
        let outputs = top.ports().into_iter().filter(|port| {
            port.direction == heartbit_hdl::Direction::Output
                && !qualified.iter().any(|q| q.ports.contains(&port.name))
        });
        Self { states: state(top), always: outputs.map(|port| port.name).collect(), qualified }
    }

    /// Registers that are watched.
    pub fn registers(&self) -> usize {
        self.states.iter().flat_map(|state| &state.registers).filter(|r| r.has_reset).count()
    }

    /// Enables and write addresses that are watched.
    pub fn conditions(&self) -> usize {
        self.states.iter().map(|state| state.conditions.len()).sum()
    }

    /// Outputs that are watched.
    pub fn outputs(&self) -> usize {
        self.always.len() + self.qualified.iter().map(|q| q.ports.len()).sum::<usize>()
    }
}

/// The outputs of the accelerator that carry data.
pub(crate) fn accelerator_data(top: &Module) -> Vec<Qualified> {
    let valid =
        |by: &str, ports: &[&str]| Qualified { by: by.to_owned(), ports: present(top, ports) };
    vec![
        valid("out_valid", &["out_data"]),
        valid("mon_valid", &of_pixel()),
        valid("mon_pool_valid", &["mon_pool"]),
    ]
}

/// The outputs of the accelerator behind AXI that carry data, by the channels' valid.
pub(crate) fn axi_data(top: &Module) -> Vec<Qualified> {
    let channel =
        |by: &str, ports: &[&str]| Qualified { by: by.to_owned(), ports: present(top, ports) };
    vec![
        channel("s_axi_bvalid", &["s_axi_bresp"]),
        channel("s_axi_rvalid", &["s_axi_rdata", "s_axi_rresp"]),
        channel(
            "m_axi_arvalid",
            &[
                "m_axi_araddr",
                "m_axi_arlen",
                "m_axi_arsize",
                "m_axi_arburst",
                "m_axi_arcache",
                "m_axi_arprot",
            ],
        ),
        channel("m_axis_tvalid", &["m_axis_tdata", "m_axis_tlast"]),
    ]
}

/// Those of the names that are ports of the module.
fn present(top: &Module, names: &[&str]) -> Vec<String> {
    let ports = top.ports();
    let is_there = |name: &&&str| ports.iter().any(|port| port.name == **name);
    names.iter().filter(is_there).map(|&name| name.to_owned()).collect()
}
