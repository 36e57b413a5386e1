//! An intact copy of a module's logic beside the one with mutations in it, on the same inputs.
//!
//! A mutant that changes a signal may still change nothing that leaves the module: a register that
//! is never looked at, a comparison whose two sides agree where it matters. With the copy the model
//! itself says so, cycle by cycle, whatever the kind of mutation.
//!
//! Not here: which signals are compared ([`super::Cone::frontier`]), memories and instances: a module
//! that needs them has no copy.

use super::rewrite::Rewriter;
use crate::build::node::{Draft, NodeId, Op, RegDecl};
use std::collections::HashMap;

/// Adds a copy of the logic behind some nodes of a module to its rewritten description; returns the
/// copies of the nodes, or `None` if that takes a memory or an instance.
pub(super) fn copy(
    rewriter: &mut Rewriter,
    original: &Draft,
    nodes: &[NodeId],
) -> Option<Vec<NodeId>> {
    let (order, regs) = behind(original, nodes)?;
    let mut copies: HashMap<NodeId, NodeId> = HashMap::new();
    let mut registers = Vec::new();
    // Registers first, as everything may need them.
    for &i in &regs {
        let reg = &original.regs[i];
        let index = rewriter.draft.regs.len();
        let node = rewriter.push(Op::Reg(index), original.nodes[reg.node].width);
        let name = format!("{}_intact", reg.name);
        let reset = reg.reset.clone();
        rewriter.draft.regs.push(RegDecl { name, reset, enable: None, next: None, node });
        copies.insert(reg.node, node);
        registers.push((index, reg));
    }
    for id in order {
        let node = &original.nodes[id];
        let copied = match &node.op {
            Op::Reg(_) => continue,
            Op::Input(_) => id,
            Op::Wire(i) => copies[&original.wires[*i].source.expect("bug: wires are driven")],
            op => {
                let op = resolved(&rewriter.draft, renamed(op, &copies));
                rewriter.push(op, node.width)
            }
        };
        copies.insert(id, copied);
    }
    for (index, reg) in registers {
        let copy = &mut rewriter.draft.regs[index];
        copy.next = Some(copies[&reg.next.expect("bug: registers are driven")]);
        copy.enable = reg.enable.map(|id| copies[&id]);
    }
    // What only the rest of the module reads is not read here.
    rewriter.draft.discards.extend(copies.values().copied());
    rewriter.draft.discards.sort_unstable();
    Some(nodes.iter().map(|id| copies[id]).collect())
}

/// The nodes behind some others, operands first, and the registers among them.
fn behind(draft: &Draft, nodes: &[NodeId]) -> Option<(Vec<NodeId>, Vec<usize>)> {
    let (mut order, mut regs) = (Vec::new(), Vec::new());
    let mut seen = vec![false; draft.nodes.len()];
    // A node is entered twice: to visit its operands, and behind them.
    let mut work: Vec<(NodeId, bool)> = nodes.iter().map(|&id| (id, false)).collect();
    while let Some((id, is_over)) = work.pop() {
        if is_over {
            order.push(id);
            continue;
        }
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        match &draft.nodes[id].op {
            Op::MemRead(_) | Op::InstOut(..) => return None,
            Op::Reg(i) => {
                regs.push(*i);
                order.push(id);
                // Below everything: the register is there already, so these are no operands.
                let reg = &draft.regs[*i];
                let later = reg.next.into_iter().chain(reg.enable).map(|id| (id, false));
                work.splice(0..0, later);
            }
            Op::Wire(i) => {
                work.push((id, true));
                work.push((draft.wires[*i].source.expect("bug: wires are driven"), false));
            }
            op => {
                work.push((id, true));
                op.operands(|operand| work.push((operand, false)));
            }
        }
    }
    Some((order, regs))
}

/// A slice of a slice, which a wire was between, as one: the checks of a module ask for that.
fn resolved(draft: &Draft, op: Op) -> Op {
    let Op::Slice(of, low) = op else { return op };
    match draft.nodes[of].op {
        Op::Slice(inner, at) if draft.nodes[of].label.is_none() => Op::Slice(inner, at + low),
        _ => op,
    }
}

/// An operation on the copies of its operands.
fn renamed(op: &Op, copies: &HashMap<NodeId, NodeId>) -> Op {
    let all = |ids: &[NodeId]| ids.iter().map(|id| copies[id]).collect();
    match op {
        Op::Unary(op, a) => Op::Unary(*op, copies[a]),
        Op::Binary(op, a, b) => Op::Binary(*op, copies[a], copies[b]),
        Op::Concat(parts) => Op::Concat(all(parts)),
        Op::Repeat(part) => Op::Repeat(copies[part]),
        Op::Slice(of, low) => Op::Slice(copies[of], *low),
        Op::Mux(condition, one, zero) => Op::Mux(copies[condition], copies[one], copies[zero]),
        Op::Select(index, items) => Op::Select(copies[index], all(items)),
        op => op.clone(),
    }
}
