//! Every operator of the native simulation against naive arithmetic on vectors of bits.

mod support {
    pub(crate) mod random;
}

use heartbit_hdl::{Builder, Sig, Simulator};
use support::random::{Random, fit};

const WIDTHS: [u32; 9] = [1, 2, 31, 32, 33, 63, 64, 65, 100];

type Bits = Vec<bool>;

fn bits(value: &[u64], width: u32) -> Bits {
    (0..width).map(|i| value[(i / 64) as usize] >> (i % 64) & 1 == 1).collect()
}

/// `a + (b ^ flip) + carry`, bit by bit.
fn add(a: &Bits, b: &Bits, flip: bool) -> Bits {
    let mut carry = flip;
    let sum = |(a, b): (&bool, &bool)| {
        let (a, b) = (*a, *b ^ flip);
        let sum = a ^ b ^ carry;
        carry = (a && b) || (carry && (a || b));
        sum
    };
    a.iter().zip(b).map(sum).collect()
}

fn less(a: &Bits, b: &Bits) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn signed_less(a: &Bits, b: &Bits) -> bool {
    match (a.last(), b.last()) {
        (Some(true), Some(false)) => true,
        (Some(false), Some(true)) => false,
        _ => less(a, b),
    }
}

fn sign_extend(a: &Bits, width: usize) -> Bits {
    let mut out = a.clone();
    out.resize(width, *a.last().expect("bug: at least one bit"));
    out
}

/// Shift and add of the sign-extended operands.
fn product(a: &Bits, b: &Bits) -> Bits {
    let width = a.len() + b.len();
    let (a, b) = (sign_extend(a, width), sign_extend(b, width));
    let mut sum = vec![false; width];
    for (shift, bit) in b.iter().enumerate() {
        if *bit {
            let mut addend = vec![false; shift];
            addend.extend_from_slice(&a[..width - shift]);
            sum = add(&sum, &addend, false);
        }
    }
    sum
}

/// A module with inputs `a` and `b` and the output `y`, and the width of `y`.
fn zoo(
    width: u32,
    describe: impl for<'m> Fn(&'m Builder, Sig<'m>, Sig<'m>) -> Sig<'m>,
) -> (Simulator, u32) {
    let m = Builder::new("zoo", "");
    let (a, b) = (m.input("a", width, ""), m.input("b", width, ""));
    let y = describe(&m, a, b);
    m.output("y", y, "");
    m.discard(a);
    m.discard(b);
    let out_bits = y.width();
    (Simulator::new(&m.finish()), out_bits)
}

/// `describe` of two literals.
fn folded(
    describe: impl for<'m> Fn(&'m Builder, Sig<'m>, Sig<'m>) -> Sig<'m>,
    [a, b]: [&[u64]; 2],
    width: u32,
) -> Vec<u64> {
    let m = Builder::new("zoo", "");
    let y = describe(&m, m.lit_words(width, a), m.lit_words(width, b));
    m.output("y", y, "");
    Simulator::new(&m.finish()).get_words("y")
}

/// Compares `describe(a, b)` with `reference(a, b)` on random and extreme operands.
#[track_caller]
fn check(
    name: &str,
    describe: impl for<'m> Fn(&'m Builder, Sig<'m>, Sig<'m>) -> Sig<'m>,
    reference: impl Fn(&Bits, &Bits) -> Bits,
) {
    let mut rng = Random(99);
    for width in WIDTHS {
        let (mut sim, out_bits) = zoo(width, &describe);
        for trial in 0..60 {
            let words = width.div_ceil(64) as usize;
            let x = fit(&rng.words(words), width);
            let y = if trial % 7 == 0 { x.clone() } else { fit(&rng.words(words), width) };
            sim.set_words("a", &x);
            sim.set_words("b", &y);
            assert_eq!(
                folded(&describe, [&x, &y], width),
                sim.get_words("y"),
                "{name} of literals"
            );
            let (x, y) = (bits(&x, width), bits(&y, width));
            let actual = sim.get_words("y");
            let actual_bits = bits(&actual, out_bits);
            assert_eq!(actual_bits, reference(&x, &y), "{name}, {width} bits: {x:?} {y:?}");
            assert_eq!(fit(&actual, out_bits), actual, "{name}: bits above the width");
        }
    }
}

fn each(a: &Bits, b: &Bits, f: impl Fn(bool, bool) -> bool) -> Bits {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

#[test]
fn bitwise_operators_agree_with_bits() {
    check("and", |_, a, b| a & b, |a, b| each(a, b, |a, b| a & b));
    check("or", |_, a, b| a | b, |a, b| each(a, b, |a, b| a | b));
    check("xor", |_, a, b| a ^ b, |a, b| each(a, b, |a, b| a ^ b));
    check("xnor", |_, a, b| !(a ^ b), |a, b| each(a, b, |a, b| a == b));
    check("not", |_, a, _| !a, |a, _| each(a, a, |a, _| !a));
}

#[test]
fn arithmetic_agrees_with_ripple_carry() {
    check("add", |_, a, b| a + b, |a, b| add(a, b, false));
    check("sub", |_, a, b| a - b, |a, b| add(a, b, true));
    check(
        "increment",
        |_, a, _| a + 1,
        |a, _| {
            let mut one = vec![false; a.len()];
            one[0] = true;
            add(a, &one, false)
        },
    );
    check("mul_signed", |_, a, b| a.mul_signed(b), product);
}

#[test]
fn comparisons_agree_with_bits() {
    check("eq", |_, a, b| a.eq(b), |a, b| vec![a == b]);
    check("ne", |_, a, b| a.ne(b), |a, b| vec![a != b]);
    check("lt", |_, a, b| a.lt(b), |a, b| vec![less(a, b)]);
    check("ge", |_, a, b| a.ge(b), |a, b| vec![!less(a, b)]);
    check("slt", |_, a, b| a.slt(b), |a, b| vec![signed_less(a, b)]);
    check("sge", |_, a, b| a.sge(b), |a, b| vec![!signed_less(a, b)]);
    check("lt itself", |_, a, _| a.lt(a), |_, _| vec![false]);
    check("lt 0", |_, a, _| a.lt(0), |_, _| vec![false]);
    check("ge 1", |_, a, _| a.ge(1), |a, _| vec![a.contains(&true)]);
}

#[test]
fn reductions_agree_with_bits() {
    check("all", |_, a, _| a.all(), |a, _| vec![!a.contains(&false)]);
    check("any", |_, a, _| a.any(), |a, _| vec![a.contains(&true)]);
    check("parity", |_, a, _| a.parity(), |a, _| vec![a.iter().filter(|b| **b).count() % 2 == 1]);
}

#[test]
fn shapes_agree_with_bits() {
    let joined = |a: &Bits, b: &Bits| [b.as_slice(), a, b].concat();
    check("concat", |m, a, b| m.concat(&[b, a, b]), joined);
    check("repeat", |_, a, _| a.repeat(3), |a, _| [a.as_slice(), a, a].concat());
    check("sign_extend", |_, a, _| a.sign_extend(130), |a, _| sign_extend(a, 130));
    check(
        "zero_extend",
        |_, a, _| a.zero_extend(130),
        |a, _| {
            let mut out = a.clone();
            out.resize(130, false);
            out
        },
    );
    check(
        "slice",
        |_, a, _| a.slice(a.width() / 3, a.width().div_ceil(2)),
        |a, _| a[a.len() / 3..a.len() / 3 + a.len().div_ceil(2)].to_vec(),
    );
    let across = |m: &Builder, a: u32| m.lit_words(a, &[]).width() / 2;
    check(
        "slice of concat",
        |m, a, b| m.concat(&[a, b]).slice(across(m, b.width()), b.width()),
        |a, b| [b.as_slice(), a].concat()[b.len() / 2..b.len() / 2 + b.len()].to_vec(),
    );
}

#[test]
fn constant_shifts_agree_with_bits() {
    for by in [0, 1, 5, 33, 64, 99, 200] {
        let filled = move |a: &Bits, fill: bool| {
            let mut out: Bits = a.iter().skip(by as usize).copied().collect();
            out.resize(a.len(), fill);
            out
        };
        check("shr", move |_, a, _| a >> by, move |a, _| filled(a, false));
        let sign = |a: &Bits| *a.last().expect("bug: at least one bit");
        check("sar", move |_, a, _| a.sar(by), move |a, _| filled(a, sign(a)));
        check(
            "shl",
            move |_, a, _| a << by,
            move |a, _| {
                let mut out = vec![false; by as usize];
                out.extend_from_slice(a);
                out.truncate(a.len());
                out
            },
        );
    }
}

#[test]
fn choices_agree_with_bits() {
    check("mux", |m, a, b| m.mux(a.bit(0), b, a), |a, b| if a[0] { b.clone() } else { a.clone() });
    for n in 1..=8 {
        check(
            "select",
            move |m, a, b| {
                let index = a.repeat(3).slice(0, 3);
                let item = |i: u32| (b + (0..i).fold(b, |sum, _| sum + a)) ^ b;
                m.select(index, &(0..n).map(item).collect::<Vec<_>>())
            },
            move |a, b| {
                let wide = [a.as_slice(), a, a].concat();
                let index = (0..3).map(|k| u32::from(wide[k]) << k).sum::<u32>().min(n - 1);
                let sum = (0..index).fold(b.clone(), |sum, _| add(&sum, a, false));
                each(&add(b, &sum, false), b, |x, y| x ^ y)
            },
        );
    }
}
