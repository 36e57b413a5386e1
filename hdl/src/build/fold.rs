//! Folding of expressions whose operands are all literals.
//!
//! Synthesis would fold them too; here it keeps the text free of comparisons with a hidden
//! constant, about which Verilator warns.

use super::node::{Binary, Draft, NodeId, Op, Unary, fit_words, words};

/// The value of `op` at `width` bits, if it is known now. Products are left alone.
pub(crate) fn fold(draft: &Draft, op: &Op, width: u32) -> Option<Vec<u64>> {
    let value = |id: &NodeId| match &draft.nodes[*id].op {
        Op::Const(value) => Some((value.as_slice(), draft.nodes[*id].width)),
        _ => None,
    };
    match op {
        Op::Unary(op, a) => {
            let (a, bits) = value(a)?;
            Some(unary(*op, a, bits))
        }
        Op::Binary(op, a, b) => {
            let ((a, bits), (b, _)) = (value(a)?, value(b)?);
            binary(*op, a, b, bits)
        }
        Op::Concat(parts) => join(width, parts.iter().rev().map(value)),
        Op::Repeat(a) => {
            let copies = (width / draft.nodes[*a].width) as usize;
            join(width, std::iter::repeat_n(value(a), copies))
        }
        _ => None,
    }
}

fn unary(op: Unary, a: &[u64], width: u32) -> Vec<u64> {
    let ones = || a.iter().map(|w| w.count_ones()).sum::<u32>();
    match op {
        Unary::Not => fit_words(&a.iter().map(|w| !w).collect::<Vec<_>>(), width),
        Unary::All => vec![u64::from(ones() == width)],
        Unary::Any => vec![u64::from(ones() != 0)],
        Unary::Parity => vec![u64::from(ones() & 1)],
    }
}

fn binary(op: Binary, a: &[u64], b: &[u64], width: u32) -> Option<Vec<u64>> {
    let each = |f: fn(u64, u64) -> u64| a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect();
    let bit = |value| vec![u64::from(value)];
    let less = |sign: u64| {
        let order = |v: &[u64]| {
            let mut v: Vec<u64> = v.iter().rev().copied().collect();
            v[0] ^= sign;
            v
        };
        order(a) < order(b)
    };
    let sign = 1 << ((width - 1) % 64);
    Some(match op {
        Binary::And => each(|a, b| a & b),
        Binary::Or => each(|a, b| a | b),
        Binary::Xor => each(|a, b| a ^ b),
        Binary::Add => add(a, b, 0, width),
        Binary::Sub => add(a, b, u64::MAX, width),
        Binary::Eq => bit(a == b),
        Binary::Ne => bit(a != b),
        Binary::Lt => bit(less(0)),
        Binary::Ge => bit(!less(0)),
        Binary::SignedLt => bit(less(sign)),
        Binary::SignedGe => bit(!less(sign)),
        Binary::MulSigned => return None,
    })
}

/// `a + b`, or `a - b` if `flip` is all ones.
fn add(a: &[u64], b: &[u64], flip: u64, width: u32) -> Vec<u64> {
    let mut carry = flip != 0;
    let word = |(a, b): (&u64, &u64)| {
        let (sum, first) = a.overflowing_add(b ^ flip);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        sum
    };
    fit_words(&a.iter().zip(b).map(word).collect::<Vec<_>>(), width)
}

/// Literals side by side, the lowest first; none if one of them is no literal.
fn join<'a>(width: u32, parts: impl Iterator<Item = Option<(&'a [u64], u32)>>) -> Option<Vec<u64>> {
    let mut out = vec![0; words(width)];
    let mut at = 0;
    for part in parts {
        let (value, bits) = part?;
        for bit in (0..bits).filter(|bit| value[(bit / 64) as usize] >> (bit % 64) & 1 == 1) {
            out[((at + bit) / 64) as usize] |= 1 << ((at + bit) % 64);
        }
        at += bits;
    }
    Some(out)
}
