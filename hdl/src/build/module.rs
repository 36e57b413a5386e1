//! A finished, checked module.

use std::fmt;
use std::sync::Arc;

use super::node::{Draft, NodeId};

/// Which way a port points, seen from inside the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Driven by the surroundings.
    Input,
    /// Driven by the module.
    Output,
}

/// One port of a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Verilog name.
    pub name: String,
    /// Bits, at least one.
    pub width: u32,
    /// Direction.
    pub direction: Direction,
}

/// A finished module: immutable, checked, cheap to clone (clones share one description).
///
/// Made by [`super::Builder::finish`]. From it come the text ([`crate::emit`]), the simulation
/// ([`crate::Simulator`]) and the RustHDL block ([`crate::RustHdlBlock`]).
#[derive(Clone)]
pub struct Module {
    pub(crate) data: Arc<ModuleData>,
}

/// What the checks learnt, beside the description itself.
pub(crate) struct ModuleData {
    pub(crate) draft: Draft,
    /// Live nodes, operands before users.
    pub(crate) order: Vec<NodeId>,
    /// For each output port, the input ports that it depends on within the cycle.
    pub(crate) paths: Vec<Vec<usize>>,
    pub(crate) needs_clk: bool,
    pub(crate) needs_rst: bool,
}

impl Module {
    /// Address of the description, which clones share.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.data).addr()
    }

    /// The name given by the description. The text may add a number (see [`crate::emit`]).
    pub fn name(&self) -> &str {
        &self.data.draft.name
    }

    /// The documentation given by the description.
    pub fn doc(&self) -> &str {
        &self.data.draft.doc
    }

    /// Name of the clock.
    pub(crate) fn clock(&self) -> &str {
        &self.data.draft.clock
    }

    /// Name of the reset.
    pub(crate) fn reset(&self) -> &str {
        &self.data.draft.reset
    }

    /// All ports in the order of the text: clock and reset (`clk` and `rst`) where the module or a part of it has
    /// state or reset, then the inputs, then the outputs.
    pub fn ports(&self) -> Vec<Port> {
        let port = |name: &str, width, direction| Port { name: name.into(), width, direction };
        let data = &*self.data;
        let mut out = Vec::new();
        if data.needs_clk {
            out.push(port(&data.draft.clock, 1, Direction::Input));
        }
        if data.needs_rst {
            out.push(port(&data.draft.reset, 1, Direction::Input));
        }
        out.extend(data.draft.inputs.iter().map(|p| port(&p.name, p.width, Direction::Input)));
        out.extend(data.draft.outputs.iter().map(|p| port(&p.name, p.width, Direction::Output)));
        out
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name())
            .field("ports", &self.ports())
            .finish_non_exhaustive()
    }
}
