//! RustHDL's view of a described module.
//!
//! [`RustHdlBlock`] is a `rust_hdl_core` [`Block`], so RustHDL's `simulate`, `Simulation`, VCD and
//! `generate_verilog` work on it. `update` runs the native simulation and `hdl` wraps the emitted
//! text: both come from the one description.
//!
//! RustHDL's `check_all` sees nothing inside a wrapped text and proves nothing here; the checks are
//! those of [`crate::Builder::finish`].

use rust_hdl_core::ast::{BlackBox, Wrapper};
use rust_hdl_core::prelude::{
    Atom, AtomKind, Block, Logic, PinConstraint, Probe, TypeDescriptor, TypeKind, VCDValue,
    Verilog, VerilogLiteral,
};
use rust_hdl_core::signal::get_signal_id;

use crate::build::{Direction, Module};
use crate::sim::Simulator;
use crate::text::emit;

/// A signal whose width is known at run time: RustHDL's `Signal` for a described port.
#[derive(Clone, Debug)]
pub struct WideSignal {
    /// Value after the next `update`, as words; bits above the width must be zero.
    pub next: Vec<u64>,
    value: Vec<u64>,
    name: String,
    width: u32,
    kind: AtomKind,
    id: usize,
    connected: bool,
    changed: bool,
}

impl WideSignal {
    fn new(name: &str, width: u32, direction: Direction) -> Self {
        let zero = vec![0; width.div_ceil(64) as usize];
        let kind = match direction {
            Direction::Input => AtomKind::InputParameter,
            Direction::Output => AtomKind::OutputParameter,
        };
        Self {
            next: zero.clone(),
            value: zero,
            name: name.into(),
            width,
            kind,
            id: get_signal_id(),
            connected: false,
            changed: false,
        }
    }

    /// The present value.
    pub fn value(&self) -> &[u64] {
        &self.value
    }

    fn advance(&mut self) {
        self.changed = self.value != self.next;
        if self.changed {
            self.value.clone_from(&self.next);
        }
    }
}

fn vcd(value: &[u64], width: u32) -> VCDValue {
    let bit = |i: u32| match VCDValue::from(value[(i / 64) as usize] >> (i % 64) & 1 == 1) {
        VCDValue::Single(bit) => bit,
        _ => unreachable!("bug: a bool is a single value"),
    };
    VCDValue::Vector((0..width).rev().map(bit).collect())
}

fn descriptor(width: u32) -> TypeDescriptor {
    TypeDescriptor { name: format!("Bits::<{width}>"), kind: TypeKind::Bits(width as usize) }
}

impl Atom for WideSignal {
    fn bits(&self) -> usize {
        self.width as usize
    }
    fn connected(&self) -> bool {
        self.connected || self.kind == AtomKind::OutputParameter
    }
    fn changed(&self) -> bool {
        self.changed
    }
    fn kind(&self) -> AtomKind {
        self.kind
    }
    fn descriptor(&self) -> TypeDescriptor {
        descriptor(self.width)
    }
    fn vcd(&self) -> VCDValue {
        vcd(&self.value, self.width)
    }
    fn id(&self) -> usize {
        self.id
    }
    fn verilog(&self) -> VerilogLiteral {
        self.value[0].into()
    }
    fn constraints(&self) -> Vec<PinConstraint> {
        Vec::new()
    }
}

impl Logic for WideSignal {
    fn update(&mut self) {}
    fn connect(&mut self) {
        self.connected = true;
    }
}

impl Block for WideSignal {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {
        self.advance();
    }
    fn has_changed(&self) -> bool {
        self.changed
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_atom(name, self);
    }
}

/// A register inside the design, as RustHDL's probes see it.
struct Inner {
    value: Vec<u64>,
    width: u32,
    id: usize,
}

impl Atom for Inner {
    fn bits(&self) -> usize {
        self.width as usize
    }
    fn connected(&self) -> bool {
        true
    }
    fn changed(&self) -> bool {
        false
    }
    fn kind(&self) -> AtomKind {
        AtomKind::LocalSignal
    }
    fn descriptor(&self) -> TypeDescriptor {
        descriptor(self.width)
    }
    fn vcd(&self) -> VCDValue {
        vcd(&self.value, self.width)
    }
    fn id(&self) -> usize {
        self.id
    }
    fn verilog(&self) -> VerilogLiteral {
        self.value[0].into()
    }
    fn constraints(&self) -> Vec<PinConstraint> {
        Vec::new()
    }
}

/// An instance inside the design. Its text is part of the top's, so it has none of its own.
struct Scope;

impl Logic for Scope {
    fn update(&mut self) {}
    fn hdl(&self) -> Verilog {
        Verilog::Blackbox(BlackBox { code: String::new(), name: "scope".into() })
    }
}

impl Block for Scope {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {}
    fn has_changed(&self) -> bool {
        false
    }
    fn accept(&self, _name: &str, _probe: &mut dyn Probe) {}
}

/// A described module as a RustHDL block.
///
/// Set [`RustHdlBlock::port_mut`]`(..).next`, the clock included, then let RustHDL update. As
/// with RustHDL's own signals, data that change together with the rising edge are captured as the
/// new value, so change them while the clock is low.
#[derive(Clone, Debug)]
pub struct RustHdlBlock {
    module: Module,
    sim: Simulator,
    ports: Vec<WideSignal>,
    /// Path and probe id of each register.
    registers: Vec<(String, usize)>,
}

impl RustHdlBlock {
    /// Wraps a module.
    ///
    /// # Panics
    /// If the module is called `top`, RustHDL's name for what it wraps around it.
    #[track_caller]
    pub fn new(module: &Module) -> Self {
        assert!(module.name() != "top", "bug: RustHDL calls its own outermost module `top`");
        let sim = Simulator::new(module);
        let ports = module.ports();
        let ports = ports.iter().map(|p| WideSignal::new(&p.name, p.width, p.direction)).collect();
        let registers = sim.registers().map(|(path, _)| (path.into(), get_signal_id())).collect();
        Self { module: module.clone(), sim, ports, registers }
    }

    /// A port by name.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn port(&self, name: &str) -> &WideSignal {
        let found = self.ports.iter().find(|p| p.name == name);
        found.unwrap_or_else(|| panic!("bug: no port `{name}`"))
    }

    /// A port by name, to set its `next`.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn port_mut(&mut self, name: &str) -> &mut WideSignal {
        let found = self.ports.iter_mut().find(|p| p.name == name);
        found.unwrap_or_else(|| panic!("bug: no port `{name}`"))
    }

    /// The native simulation underneath, to look inside.
    pub fn simulator(&mut self) -> &mut Simulator {
        &mut self.sim
    }

    /// Shows the registers as a tree of scopes; `registers` share `prefix` and are in order.
    fn show(&self, registers: &[(String, usize)], prefix: &str, probe: &mut dyn Probe) {
        let mut rest = registers;
        while let Some((path, id)) = rest.first() {
            let local = &path[prefix.len()..];
            let count = match local.split_once('.') {
                None => {
                    if let Some((value, width)) = self.sim.state_of(path) {
                        probe.visit_atom(local, &Inner { value: value.to_vec(), width, id: *id });
                    }
                    1
                }
                Some((child, _)) => {
                    let inner = format!("{prefix}{child}.");
                    let count = rest.iter().take_while(|(p, _)| p.starts_with(&inner)).count();
                    probe.visit_start_scope(child, &Scope);
                    self.show(&rest[..count], &inner, probe);
                    probe.visit_end_scope(child, &Scope);
                    count
                }
            };
            rest = &rest[count..];
        }
    }
}

impl Logic for RustHdlBlock {
    /// Applies changed inputs, makes an edge if the clock rose, shows the outputs.
    fn update(&mut self) {
        let mut rose = false;
        for port in self.ports.iter().filter(|p| p.changed) {
            match (port.name.as_str(), port.kind) {
                (name, _) if name == self.module.clock() => rose = port.value[0] == 1,
                (name, AtomKind::InputParameter) => self.sim.set_words(name, &port.value),
                _ => {}
            }
        }
        if rose {
            self.sim.step();
        }
        for port in self.ports.iter_mut().filter(|p| p.kind == AtomKind::OutputParameter) {
            let id = self.sim.port(&port.name);
            port.next.clear();
            port.next.extend_from_slice(self.sim.read(id));
        }
    }

    fn connect(&mut self) {
        self.ports.iter_mut().for_each(|port| port.connected = true);
    }

    fn hdl(&self) -> Verilog {
        let mut files = emit(&self.module);
        let top = files.pop().expect("bug: the top is always emitted");
        let connections: Vec<_> = self.ports.iter().map(|p| format!(".{0}({0})", p.name)).collect();
        let code = format!("{} u_{} ({});", top.name, top.name, connections.join(", "));
        let cores = files.into_iter().map(|f| f.text).chain([top.text]).collect();
        Verilog::Wrapper(Wrapper { code, cores })
    }
}

impl Block for RustHdlBlock {
    fn connect_all(&mut self) {
        self.connect();
    }

    fn update_all(&mut self) {
        self.ports.iter_mut().for_each(WideSignal::advance);
        self.update();
        let outputs = self.ports.iter_mut().filter(|p| p.kind == AtomKind::OutputParameter);
        outputs.for_each(WideSignal::advance);
    }

    fn has_changed(&self) -> bool {
        self.ports.iter().any(|port| port.changed)
    }

    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_start_scope(name, self);
        for port in &self.ports {
            probe.visit_atom(&port.name, port);
        }
        self.show(&self.registers, "", probe);
        probe.visit_end_scope(name, self);
    }
}
