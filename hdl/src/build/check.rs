//! The checks of a complete module: everything driven, everything used, no combinational loop.
//!
//! Loops are checked by net, with slices of concatenations already resolved to their parts when
//! they are built, and across instances by port: an output depends on the input ports that its
//! module says it does. A loop through different bits of one packed port counts as a loop; split
//! the port. (Verilator would warn about it too.)

use std::sync::Arc;

use super::error::{DescriptionError, Problem};
use super::module::{Module, ModuleData};
use super::node::{Draft, NodeId, Op, Place, top_mask, words};

pub(crate) fn finish(mut draft: Draft) -> Result<Module, DescriptionError> {
    let fail =
        |draft: &Draft, problems| Err(DescriptionError { module: draft.name.clone(), problems });
    let problems = undriven(&draft);
    if !problems.is_empty() {
        return fail(&draft, problems);
    }
    drop_idle_discards(&mut draft);
    let used = used_bits(&draft);
    let problems = unused(&draft, &used);
    if !problems.is_empty() {
        return fail(&draft, problems);
    }
    let order = match order(&draft, &used) {
        Ok(order) => order,
        Err(problem) => return fail(&draft, vec![problem]),
    };
    let paths = paths(&draft, &order);
    let insts = &draft.insts;
    let needs_clk = !draft.regs.is_empty()
        || !draft.mems.is_empty()
        || insts.iter().any(|i| i.module.data.needs_clk);
    let needs_rst = draft.regs.iter().any(|r| r.reset.is_some())
        || insts.iter().any(|i| i.module.data.needs_rst);
    let data = ModuleData { draft, order, paths, needs_clk, needs_rst };
    Ok(Module { data: Arc::new(data) })
}

fn undriven(draft: &Draft) -> Vec<Problem> {
    let mut out = Vec::new();
    let mut say = |place: Place, message: String| out.push(Problem { place, message });
    if draft.outputs.is_empty() {
        say(draft.place, "it has no output".into());
    }
    for wire in draft.wires.iter().filter(|w| w.source.is_none()) {
        say(draft.nodes[wire.node].place, format!("wire `{}` is not driven", wire.name));
    }
    for reg in draft.regs.iter().filter(|r| r.next.is_none()) {
        say(draft.nodes[reg.node].place, format!("register `{}` is not driven", reg.name));
    }
    for mem in &draft.mems {
        if mem.write.is_none() {
            say(mem.place, format!("memory `{}` has no write port", mem.name));
        }
        if mem.read.is_none() {
            say(mem.place, format!("memory `{}` has no read port", mem.name));
        }
    }
    for inst in &draft.insts {
        let child = &inst.module.data.draft;
        for (port, value) in child.inputs.iter().zip(&inst.inputs) {
            if value.is_none() {
                say(inst.place, format!("input `{}.{}` is not driven", inst.name, port.name));
            }
        }
        for (port, node) in child.outputs.iter().zip(&inst.outputs) {
            if node.is_none() {
                let name = format!("{}.{}", inst.name, port.name);
                say(inst.place, format!("output `{name}` is neither used nor discarded"));
            }
        }
    }
    out
}

/// Leaves only the discards of bits that nothing else reads, each once.
fn drop_idle_discards(draft: &mut Draft) {
    let mut discards = std::mem::take(&mut draft.discards);
    let used = used_bits(draft);
    let mut known = std::collections::HashSet::new();
    discards.retain(|id| {
        let node = &draft.nodes[*id];
        let (of, lo) = match node.op {
            Op::Slice(of, lo) if node.label.is_none() => (of, lo),
            _ => (*id, 0),
        };
        let read = |bits: &Vec<u64>| {
            (lo..lo + node.width).all(|bit| bits[(bit / 64) as usize] >> (bit % 64) & 1 == 1)
        };
        !matches!(node.op, Op::Const(_))
            && !used[of].as_ref().is_some_and(read)
            && known.insert(*id)
    });
    draft.discards = discards;
}

/// For each node that something needs, the bits of it that are read.
fn used_bits(draft: &Draft) -> Vec<Option<Vec<u64>>> {
    let mut used: Vec<Option<Vec<u64>>> = vec![None; draft.nodes.len()];
    let mut work: Vec<(NodeId, u32, u32)> = Vec::new();
    let mut mem_done = vec![false; draft.mems.len()];
    let whole = |id: NodeId| (id, 0, draft.nodes[id].width);
    work.extend(draft.outputs.iter().map(|o| whole(o.source)));
    work.extend(draft.discards.iter().map(|id| whole(*id)));
    let insts = draft.insts.iter().flat_map(|i| i.inputs.iter().flatten().chain(&i.reset));
    work.extend(insts.map(|id| whole(*id)));
    while let Some((id, lo, width)) = work.pop() {
        let node = &draft.nodes[id];
        let new = used[id].is_none();
        let bits = used[id].get_or_insert_with(|| vec![0; words(node.width)]);
        mark(bits, lo, width);
        if !new {
            continue;
        }
        match &node.op {
            Op::Slice(of, at) => work.push((*of, *at, node.width)),
            Op::Wire(i) => work.extend(draft.wires[*i].source.map(whole)),
            Op::Reg(i) => {
                let reg = &draft.regs[*i];
                work.extend(reg.next.into_iter().chain(reg.enable).map(whole));
            }
            Op::MemRead(i) if !mem_done[*i] => {
                mem_done[*i] = true;
                let mem = &draft.mems[*i];
                if let (Some(write), Some(read)) = (&mem.write, &mem.read) {
                    work.extend([write.enable, write.address, write.data].map(whole));
                    work.extend([Some(read.address), read.enable].into_iter().flatten().map(whole));
                }
            }
            op => op.operands(|operand| work.push(whole(operand))),
        }
    }
    used
}

fn mark(bits: &mut [u64], lo: u32, width: u32) {
    if lo == 0 && words(width) == bits.len() && width.is_multiple_of(64) {
        bits.fill(u64::MAX);
        return;
    }
    for bit in lo..lo + width {
        bits[(bit / 64) as usize] |= 1 << (bit % 64);
    }
}

fn unused(draft: &Draft, used: &[Option<Vec<u64>>]) -> Vec<Problem> {
    let mut out = Vec::new();
    for (id, node) in draft.nodes.iter().enumerate() {
        let message = match &used[id] {
            None if node.op.is_net() || node.label.is_some() => {
                format!("{} is never used", name_of(draft, id))
            }
            Some(bits) if !matches!(node.op, Op::Const(_)) => match first_gap(bits, node.width) {
                Some(bit) => format!(
                    "bit {bit} of {} ({} bits) is never used; `discard` it if that is meant",
                    name_of(draft, id),
                    node.width
                ),
                None => continue,
            },
            _ => continue,
        };
        out.push(Problem { place: node.place, message });
    }
    out
}

fn first_gap(bits: &[u64], width: u32) -> Option<u32> {
    let last = bits.len() - 1;
    let mut at = 0;
    for (i, word) in bits.iter().enumerate() {
        let missing = !word & if i == last { top_mask(width) } else { u64::MAX };
        if missing != 0 {
            return Some(at + missing.trailing_zeros());
        }
        at += 64;
    }
    None
}

pub(crate) fn name_of(draft: &Draft, id: NodeId) -> String {
    let node = &draft.nodes[id];
    match &node.op {
        Op::Input(i) => format!("input `{}`", draft.inputs[*i].name),
        Op::Wire(i) => format!("wire `{}`", draft.wires[*i].name),
        Op::Reg(i) => format!("register `{}`", draft.regs[*i].name),
        Op::MemRead(i) => format!("the read data of memory `{}`", draft.mems[*i].name),
        Op::InstOut(i, port) => {
            let inst = &draft.insts[*i];
            format!("output `{}.{}`", inst.name, inst.module.data.draft.outputs[*port].name)
        }
        _ => match &node.label {
            Some(label) => format!("`{label}`"),
            None => "an expression".into(),
        },
    }
}

/// The nodes that a node needs within the cycle.
pub(crate) fn needs(draft: &Draft, id: NodeId, mut f: impl FnMut(NodeId)) {
    match &draft.nodes[id].op {
        Op::Wire(i) => draft.wires[*i].source.into_iter().for_each(f),
        Op::InstOut(i, port) => {
            let inst = &draft.insts[*i];
            for input in &inst.module.data.paths[*port] {
                inst.inputs[*input].into_iter().for_each(&mut f);
            }
        }
        op => op.operands(f),
    }
}

/// Live nodes, operands first, or the loop that makes this impossible.
fn order(draft: &Draft, used: &[Option<Vec<u64>>]) -> Result<Vec<NodeId>, Problem> {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut state = vec![NEW; draft.nodes.len()];
    let mut out = Vec::new();
    let mut stack: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
    let open = |id: NodeId| {
        let mut list = Vec::new();
        needs(draft, id, |n| list.push(n));
        list.reverse();
        (id, list)
    };
    for root in (0..draft.nodes.len()).filter(|id| used[*id].is_some()) {
        if state[root] != NEW {
            continue;
        }
        state[root] = OPEN;
        stack.push(open(root));
        while let Some((id, pending)) = stack.last_mut() {
            let id = *id;
            match pending.pop() {
                None => {
                    state[id] = DONE;
                    out.push(id);
                    stack.pop();
                }
                Some(next) if state[next] == NEW => {
                    state[next] = OPEN;
                    stack.push(open(next));
                }
                Some(next) if state[next] == OPEN => {
                    return Err(loop_problem(draft, &stack, next));
                }
                Some(_) => {}
            }
        }
    }
    Ok(out)
}

fn loop_problem(draft: &Draft, stack: &[(NodeId, Vec<NodeId>)], from: NodeId) -> Problem {
    let start = stack.iter().position(|(id, _)| *id == from).unwrap_or(0);
    let names: Vec<_> = stack[start..]
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| draft.nodes[*id].op.is_net() || draft.nodes[*id].label.is_some())
        .map(|id| name_of(draft, id))
        .collect();
    Problem {
        place: draft.nodes[from].place,
        message: format!("combinational loop through {}", names.join(" <- ")),
    }
}

/// For each output, the inputs it depends on within the cycle.
fn paths(draft: &Draft, order: &[NodeId]) -> Vec<Vec<usize>> {
    let n = draft.inputs.len().div_ceil(64);
    let mut reach: Vec<Vec<u64>> = vec![Vec::new(); draft.nodes.len()];
    for id in order {
        let mut set = vec![0; n];
        if let Op::Input(i) = draft.nodes[*id].op {
            set[i / 64] |= 1 << (i % 64);
        }
        needs(draft, *id, |operand| {
            for (word, other) in set.iter_mut().zip(&reach[operand]) {
                *word |= other;
            }
        });
        reach[*id] = set;
    }
    let inputs = |id: NodeId| {
        let set = &reach[id];
        (0..draft.inputs.len()).filter(|i| set[i / 64] >> (i % 64) & 1 == 1).collect()
    };
    draft.outputs.iter().map(|o| inputs(o.source)).collect()
}
