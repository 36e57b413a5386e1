//! The linear instruction list that a flattened design becomes, and its interpreter.
//!
//! All values live in one store of 64-bit words; bits above a value's width are zero. Values of
//! one word have their own instructions, which is what makes the simulation fast.

#![expect(clippy::many_single_char_names, reason = "the fields of one instruction")]

/// What an instruction does. `d`, `a`, `b`, `c` are word addresses unless said otherwise; `mask`
/// covers the (last word of the) result; `n` is the number of words of wide forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Copy,
    Not,
    And,
    Or,
    Xor,
    Xnor,
    Add,
    Sub,
    Mul,
    Lt,
    Ge,
    Eq,
    Ne,
    /// `b` is compared with `a` after both are shifted left by `c`.
    SignedLt,
    SignedGe,
    Mux,
    /// `a` shifted right by `b`.
    Slice,
    /// Across two words.
    SliceTwo,
    /// `a << c | b`.
    Join,
    /// All ones if `a` is not zero.
    Fill,
    /// 1 if `a` equals `mask`.
    All,
    Any,
    Parity,
    /// Item of the table at `b` with `c` entries.
    Select,
    WideCopy,
    WideNot,
    WideAnd,
    WideOr,
    WideXor,
    WideAdd,
    WideSub,
    WideMul,
    WideLt,
    WideGe,
    WideEq,
    WideNe,
    /// The sign bit is `b`'s and `a`'s bit `c` of the last word.
    WideSignedLt,
    WideSignedGe,
    WideMux,
    /// From bit `b` of the value at `a`, which has `c` words.
    WideSlice,
    WideZero,
    /// Or the value at `a` (`n` words) into `d` (up to `b` words) at bit `c`.
    WideInsert,
    /// `c` is the number of words of the operand; `mask` its last word.
    WideAll,
    WideAny,
    WideParity,
    WideSelect,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Instr {
    pub(super) code: Code,
    pub(super) d: u32,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) c: u32,
    pub(super) n: u32,
    pub(super) mask: u64,
}

/// Runs the list once.
pub(super) fn run(list: &[Instr], tables: &[u32], s: &mut [u64]) {
    for i in list {
        let (d, a, b, c) = (i.d as usize, i.a as usize, i.b as usize, i.c as usize);
        s[d] = match i.code {
            Code::Copy => s[a],
            Code::Not => !s[a] & i.mask,
            Code::And => s[a] & s[b],
            Code::Or => s[a] | s[b],
            Code::Xor => s[a] ^ s[b],
            Code::Xnor => !(s[a] ^ s[b]) & i.mask,
            Code::Add => s[a].wrapping_add(s[b]) & i.mask,
            Code::Sub => s[a].wrapping_sub(s[b]) & i.mask,
            Code::Mul => s[a].wrapping_mul(s[b]) & i.mask,
            Code::Lt => u64::from(s[a] < s[b]),
            Code::Ge => u64::from(s[a] >= s[b]),
            Code::Eq => u64::from(s[a] == s[b]),
            Code::Ne => u64::from(s[a] != s[b]),
            Code::SignedLt => u64::from((s[a] << c).cast_signed() < (s[b] << c).cast_signed()),
            Code::SignedGe => u64::from((s[a] << c).cast_signed() >= (s[b] << c).cast_signed()),
            Code::Mux => {
                if s[a] == 0 {
                    s[c]
                } else {
                    s[b]
                }
            }
            Code::Slice => s[a] >> i.b & i.mask,
            Code::SliceTwo => (s[a] >> i.b | s[a + 1] << (64 - i.b)) & i.mask,
            Code::Join => s[a] << i.c | s[b],
            Code::Fill => 0_u64.wrapping_sub(s[a]) & i.mask,
            Code::All => u64::from(s[a] == i.mask),
            Code::Any => u64::from(s[a] != 0),
            Code::Parity => u64::from(s[a].count_ones() & 1),
            Code::Select => s[tables[pick(s, a, b, c)] as usize],
            _ => {
                wide(i, tables, s);
                continue;
            }
        };
    }
}

/// The table entry for the index at `a`; the last one for an index beyond the table.
fn pick(s: &[u64], a: usize, table: usize, len: usize) -> usize {
    table + usize::try_from(s[a]).unwrap_or(usize::MAX).min(len - 1)
}

fn wide(i: &Instr, tables: &[u32], s: &mut [u64]) {
    let (d, a, b, c) = (i.d as usize, i.a as usize, i.b as usize, i.c as usize);
    let n = i.n as usize;
    match i.code {
        Code::WideCopy => s.copy_within(a..a + n, d),
        Code::WideNot => (0..n).for_each(|k| s[d + k] = !s[a + k]),
        Code::WideAnd => (0..n).for_each(|k| s[d + k] = s[a + k] & s[b + k]),
        Code::WideOr => (0..n).for_each(|k| s[d + k] = s[a + k] | s[b + k]),
        Code::WideXor => (0..n).for_each(|k| s[d + k] = s[a + k] ^ s[b + k]),
        Code::WideAdd => add(s, d, a, b, n, 0, false),
        Code::WideSub => add(s, d, a, b, n, u64::MAX, true),
        Code::WideMul => multiply(s, d, a, b, n),
        Code::WideLt => s[d] = u64::from(less(s, a, b, n, 0)),
        Code::WideGe => s[d] = u64::from(!less(s, a, b, n, 0)),
        Code::WideSignedLt => s[d] = u64::from(less(s, a, b, n, 1 << c)),
        Code::WideSignedGe => s[d] = u64::from(!less(s, a, b, n, 1 << c)),
        Code::WideEq => s[d] = u64::from(s[a..a + n] == s[b..b + n]),
        Code::WideNe => s[d] = u64::from(s[a..a + n] != s[b..b + n]),
        Code::WideMux => {
            let from = if s[a] == 0 { c } else { b };
            s.copy_within(from..from + n, d);
        }
        Code::WideSlice => {
            let (first, shift) = (b / 64, i.b % 64);
            let word = |s: &[u64], k: usize| if k < c { s[a + k] } else { 0 };
            for k in 0..n {
                let low = word(s, first + k) >> shift;
                let high = if shift == 0 { 0 } else { word(s, first + k + 1) << (64 - shift) };
                s[d + k] = low | high;
            }
        }
        Code::WideZero => s[d..d + n].fill(0),
        Code::WideInsert => {
            let (first, shift) = (c / 64, i.c % 64);
            for k in 0..n {
                s[d + first + k] |= s[a + k] << shift;
                if shift != 0 && first + k + 1 < b {
                    s[d + first + k + 1] |= s[a + k] >> (64 - shift);
                }
            }
        }
        Code::WideAll => {
            let low = s[a..a + c - 1].iter().all(|w| *w == u64::MAX);
            s[d] = u64::from(low && s[a + c - 1] == i.mask);
        }
        Code::WideAny => s[d] = u64::from(s[a..a + c].iter().any(|w| *w != 0)),
        Code::WideParity => {
            s[d] = u64::from(s[a..a + c].iter().map(|w| w.count_ones()).sum::<u32>() & 1);
        }
        Code::WideSelect => {
            let from = tables[pick(s, a, b, c)] as usize;
            s.copy_within(from..from + n, d);
        }
        code => unreachable!("bug: {code:?} is not wide"),
    }
    if matches!(
        i.code,
        Code::WideNot | Code::WideAdd | Code::WideSub | Code::WideMul | Code::WideSlice
    ) {
        s[d + n - 1] &= i.mask;
    }
}

/// `a + (b ^ flip) + carry`, word by word.
fn add(s: &mut [u64], d: usize, a: usize, b: usize, n: usize, flip: u64, carry: bool) {
    let mut carry = carry;
    for k in 0..n {
        let (sum, first) = s[a + k].overflowing_add(s[b + k] ^ flip);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        s[d + k] = sum;
        carry = first || second;
    }
}

fn multiply(s: &mut [u64], d: usize, a: usize, b: usize, n: usize) {
    s[d..d + n].fill(0);
    for x in 0..n {
        let mut carry = 0_u128;
        for y in 0..n - x {
            carry += u128::from(s[a + x]) * u128::from(s[b + y]) + u128::from(s[d + x + y]);
            s[d + x + y] = low_word(carry);
            carry >>= 64;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low word is what is wanted")]
fn low_word(value: u128) -> u64 {
    value as u64
}

/// `a < b` with the `flip` bit of the last word inverted, which orders two's complement.
fn less(s: &[u64], a: usize, b: usize, n: usize, flip: u64) -> bool {
    let (x, y) = (s[a + n - 1] ^ flip, s[b + n - 1] ^ flip);
    if x != y {
        return x < y;
    }
    s[a..a + n - 1].iter().rev().lt(s[b..b + n - 1].iter().rev())
}
