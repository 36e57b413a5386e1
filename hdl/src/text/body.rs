//! The text of one module.

use std::fmt::Write as _;

use crate::build::node::{Binary, Draft, NodeId, Op, Unary};
use crate::build::{Direction, Module};

/// Longest expression that is printed inside another one.
const INLINE_CHARS: usize = 60;

/// Comment and module, with `@` for the module's name and `children` for the instances' modules.
pub(super) fn body(module: &Module, children: &[String]) -> String {
    let mut printer = Printer::with_expressions(module);
    printer.instances(children);
    printer.registers();
    printer.memories();
    printer.outputs();
    printer.out.push_str("endmodule\n");
    printer.out
}

/// How often the text of a node would be printed; two or more asks for a net.
fn count_uses(module: &Module) -> Vec<u32> {
    let draft = &module.data.draft;
    let mut uses = vec![0_u32; draft.nodes.len()];
    let mut add = |id: NodeId, n: u32| uses[id] += n;
    for id in &module.data.order {
        match &draft.nodes[*id].op {
            Op::Wire(i) => add(draft.wires[*i].source.expect("bug: wires are driven"), 1),
            // These take their operand's name.
            Op::Slice(of, _) => add(*of, 2),
            Op::Select(index, items) => {
                add(*index, 2);
                for item in items.iter().chain(items.last()) {
                    add(*item, 1);
                }
            }
            op => op.operands(|operand| add(operand, 1)),
        }
    }
    let inputs = draft.insts.iter().flat_map(|i| i.inputs.iter().flatten().chain(&i.reset));
    let regs = draft.regs.iter().flat_map(|r| r.next.iter().chain(&r.enable));
    let writes = draft.mems.iter().flat_map(|m| &m.write);
    let writes = writes.flat_map(|w| [&w.enable, &w.address, &w.data]);
    let reads = draft.mems.iter().flat_map(|m| &m.read);
    let reads = reads.flat_map(|r| r.enable.iter().chain([&r.address]));
    let outputs = draft.outputs.iter().map(|o| &o.source).chain(&draft.discards);
    inputs.chain(regs).chain(writes).chain(reads).chain(outputs).for_each(|id| add(*id, 1));
    uses
}

pub(super) struct Printer<'a> {
    draft: &'a Draft,
    uses: Vec<u32>,
    /// What to print for a node: a name or an expression that needs no parentheses around it.
    text: Vec<String>,
    out: String,
}

macro_rules! put {
    ($printer:expr, $($arg:tt)*) => {
        writeln!($printer.out, $($arg)*).expect("bug: a string takes all text")
    };
}

impl<'a> Printer<'a> {
    /// Prints a module as far as its expressions.
    pub(super) fn with_expressions(module: &'a Module) -> Self {
        let draft = &module.data.draft;
        let mut printer = Printer {
            draft,
            uses: count_uses(module),
            text: vec![String::new(); draft.nodes.len()],
            out: String::new(),
        };
        printer.header(module);
        printer.declarations();
        printer.expressions(&module.data.order);
        printer
    }

    /// What stands for a node: a name or an expression.
    pub(super) fn text(&self, node: NodeId) -> &str {
        &self.text[node]
    }

    fn header(&mut self, module: &Module) {
        for line in module.doc().lines() {
            put!(self, "{}", format!("// {line}").trim_end());
        }
        put!(self, "module @ (");
        let ports = module.ports();
        let declarations: Vec<String> = ports
            .iter()
            .map(|port| {
                let direction = match port.direction {
                    Direction::Input => "input ",
                    Direction::Output => "output",
                };
                format!("  {direction} wire {}{}", range(port.width), port.name)
            })
            .collect();
        let docs = self.draft.inputs.iter().map(|p| &p.doc);
        let docs: Vec<&String> = docs.chain(self.draft.outputs.iter().map(|p| &p.doc)).collect();
        let implicit = ports.len() - docs.len();
        for (i, declaration) in declarations.iter().enumerate() {
            let comma = if i + 1 < declarations.len() { "," } else { "" };
            let doc = i.checked_sub(implicit).map_or("", |at| docs[at].as_str());
            let comment = if doc.is_empty() { String::new() } else { one_line(doc) };
            put!(self, "{declaration}{comma}{comment}");
        }
        put!(self, ");");
    }

    fn declarations(&mut self) {
        let draft = self.draft;
        for input in &draft.inputs {
            self.text[input.node].clone_from(&input.name);
        }
        for wire in &draft.wires {
            self.text[wire.node].clone_from(&wire.name);
            let width = draft.nodes[wire.node].width;
            put!(self, "  wire {}{};", range(width), wire.name);
        }
        for inst in &draft.insts {
            for (port, node) in inst.module.data.draft.outputs.iter().zip(&inst.outputs) {
                let name = format!("{}_{}", inst.name, port.name);
                put!(self, "  wire {}{name};", range(port.width));
                if let Some(node) = node {
                    self.text[*node] = name;
                }
            }
        }
        for reg in &draft.regs {
            self.text[reg.node].clone_from(&reg.name);
            put!(self, "  reg {}{};", range(draft.nodes[reg.node].width), reg.name);
        }
        for mem in &draft.mems {
            let attribute = if mem.old_data { "" } else { "(* no_rw_check *)\n  " };
            let (range, name) = (range(mem.width), &mem.name);
            put!(self, "  {attribute}reg {range}{name} [0:{}];", mem.depth - 1);
            put!(self, "  reg {range}{name}_q;");
            if let Some(read) = &mem.read {
                self.text[read.node] = format!("{name}_q");
            }
        }
    }

    fn expressions(&mut self, order: &[NodeId]) {
        let mut made = 0;
        for id in order {
            let node = &self.draft.nodes[*id];
            if node.op.is_net() {
                if let Op::Wire(i) = node.op {
                    let source = self.draft.wires[i].source.expect("bug: wires are driven");
                    put!(self, "  assign {} = {};", self.text[*id], bare(&self.text[source]));
                }
                continue;
            }
            let text = self.expression(*id);
            self.text[*id] = if self.wants_net(*id, &text) {
                let name = node.label.clone().unwrap_or_else(|| {
                    made += 1;
                    format!("t{}", made - 1)
                });
                put!(self, "  wire {}{name} = {};", range(node.width), bare(&text));
                name
            } else {
                text
            };
        }
    }

    fn wants_net(&self, id: NodeId, text: &str) -> bool {
        let node = &self.draft.nodes[id];
        match node.op {
            _ if node.label.is_some() => true,
            Op::Const(_) | Op::Slice(..) => false,
            Op::Binary(Binary::MulSigned, ..) => true,
            _ => self.uses[id] > 1 || text.len() > INLINE_CHARS,
        }
    }

    fn expression(&self, id: NodeId) -> String {
        let node = &self.draft.nodes[id];
        let t = |id: &NodeId| self.text[*id].as_str();
        match &node.op {
            Op::Const(value) => literal(node.width, value),
            Op::Unary(op, a) => {
                let sign = match op {
                    Unary::Not => '~',
                    Unary::All => '&',
                    Unary::Any => '|',
                    Unary::Parity => '^',
                };
                // Parentheses keep `a & &b` apart.
                format!("({sign}{})", t(a))
            }
            Op::Binary(op, a, b) => binary(*op, t(a), t(b)),
            Op::Concat(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| bare(t(p))).collect();
                format!("{{{}}}", parts.join(", "))
            }
            Op::Repeat(a) => {
                format!("{{{}{{{}}}}}", node.width / self.draft.nodes[*a].width, bare(t(a)))
            }
            Op::Slice(of, lo) if node.width == 1 => format!("{}[{lo}]", t(of)),
            Op::Slice(of, lo) => format!("{}[{}:{lo}]", t(of), lo + node.width - 1),
            Op::Mux(c, a, b) => format!("({} ? {} : {})", t(c), t(a), t(b)),
            Op::Select(index, items) => self.select(*index, items),
            op => unreachable!("bug: {op:?} is a net"),
        }
    }

    /// A tree of two-way choices over the bits of the index.
    fn select(&self, index: NodeId, items: &[NodeId]) -> String {
        let node = &self.draft.nodes[index];
        let bits: Vec<String> = match node.op {
            _ if node.width == 1 => vec![self.text[index].clone()],
            Op::Slice(of, lo) if node.label.is_none() => {
                (lo..lo + node.width).map(|bit| format!("{}[{bit}]", self.text[of])).collect()
            }
            _ => (0..node.width).map(|bit| format!("{}[{bit}]", self.text[index])).collect(),
        };
        self.select_part(&bits, 0, items)
    }

    /// The choice among the items from `at` by the given bits of the index, lowest bit first.
    fn select_part(&self, bits: &[String], at: usize, items: &[NodeId]) -> String {
        let last = items.len() - 1;
        let Some((bit, bits)) = bits.split_last().filter(|_| at < last) else {
            return self.text[items[at.min(last)]].clone();
        };
        let low = self.select_part(bits, at, items);
        let high = self.select_part(bits, at + (1 << bits.len()), items);
        if low == high { low } else { format!("({bit} ? {high} : {low})") }
    }

    fn instances(&mut self, children: &[String]) {
        let (clock, common) = (&self.draft.clock, &self.draft.reset);
        for (inst, module) in self.draft.insts.iter().zip(children) {
            let child = &inst.module.data;
            let mut ports = Vec::new();
            if child.needs_clk {
                ports.push(format!(".{}({clock})", child.draft.clock));
            }
            if let Some(reset) = inst.reset {
                ports.push(format!(".{}({common} | {})", child.draft.reset, self.text[reset]));
            } else if child.needs_rst {
                ports.push(format!(".{}({common})", child.draft.reset));
            }
            for (port, value) in child.draft.inputs.iter().zip(&inst.inputs) {
                let value = value.expect("bug: instance inputs are driven");
                ports.push(format!(".{}({})", port.name, bare(&self.text[value])));
            }
            for port in &child.draft.outputs {
                ports.push(format!(".{0}({1}_{0})", port.name, inst.name));
            }
            put!(self, "  {module} {} ({});", inst.name, ports.join(", "));
        }
    }

    fn registers(&mut self) {
        let draft = self.draft;
        let (clock, reset) = (&draft.clock, &draft.reset);
        for reg in &draft.regs {
            let next = reg.next.expect("bug: registers are driven");
            let name = &reg.name;
            let load = format!("{name} <= {};", bare(&self.text[next]));
            let load = match reg.enable {
                Some(enable) => format!("if ({}) {load}", bare(&self.text[enable])),
                None => load,
            };
            match &reg.reset {
                Some(value) => {
                    let value = literal(draft.nodes[reg.node].width, value);
                    put!(self, "  always @(posedge {clock})");
                    put!(self, "    if ({reset}) {name} <= {value};");
                    put!(self, "    else {load}");
                }
                None => put!(self, "  always @(posedge {clock}) {load}"),
            }
        }
    }

    fn memories(&mut self) {
        let clock = &self.draft.clock;
        for mem in &self.draft.mems {
            let (Some(write), Some(read)) = (&mem.write, &mem.read) else {
                unreachable!("bug: memories have both ports");
            };
            let t = |id: NodeId| bare(&self.text[id]);
            let name = &mem.name;
            let (enable, to) = (t(write.enable), t(write.address));
            let write = format!("if ({enable}) {name}[{to}] <= {};", t(write.data));
            let load = format!("{name}_q <= {name}[{}];", t(read.address));
            let read = match read.enable {
                Some(enable) => format!("if ({}) {load}", t(enable)),
                None => load,
            };
            put!(self, "  always @(posedge {clock}) begin\n    {write}\n    {read}\n  end");
        }
    }

    fn outputs(&mut self) {
        for output in &self.draft.outputs {
            put!(self, "  assign {} = {};", output.name, bare(&self.text[output.source]));
        }
        let discards: Vec<_> = self.draft.discards.iter().map(|id| bare(&self.text[*id])).collect();
        if !discards.is_empty() {
            put!(self, "  wire unused = &{{1'b0, {}}};", discards.join(", "));
        }
    }
}

fn binary(op: Binary, a: &str, b: &str) -> String {
    let sign = op.sign();
    match op {
        Binary::MulSigned | Binary::SignedLt | Binary::SignedGe => {
            format!("($signed({}) {sign} $signed({}))", bare(a), bare(b))
        }
        _ => format!("({a} {sign} {b})"),
    }
}

/// `[7:0] `, or nothing for one bit.
fn range(width: u32) -> String {
    if width == 1 { String::new() } else { format!("[{}:0] ", width - 1) }
}

/// Without the outer parentheses, if they enclose everything.
pub(super) fn bare(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return text;
        }
    }
    inner
}

/// A sized literal: decimal where it is short, hexadecimal where it is not.
fn literal(width: u32, value: &[u64]) -> String {
    match (width, value) {
        (1, [bit]) => format!("1'b{bit}"),
        (..=16, [word]) => format!("{width}'d{word}"),
        _ => {
            let mut digits = String::new();
            for word in value.iter().rev() {
                write!(digits, "{word:016x}").expect("bug: a string takes all text");
            }
            let zeros = digits.len() - digits.trim_start_matches('0').len();
            digits.drain(..zeros.min(digits.len() - 1));
            format!("{width}'h{digits}")
        }
    }
}

fn one_line(doc: &str) -> String {
    format!(" // {}", doc.split_whitespace().collect::<Vec<_>>().join(" "))
}
