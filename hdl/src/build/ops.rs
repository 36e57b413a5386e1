//! Operators on values.
//!
//! Rules that keep text and simulation equal: operands have the width of the result, constant
//! shifts are concatenations, and signedness belongs to the operation (`slt`, `mul_signed`), never
//! to a net.

use std::ops::{Add, BitAnd, BitOr, BitXor, Not, Shl, Shr, Sub};

use super::node::{Binary, Op, Unary};
use super::sig::{Operand, Sig};

impl<'m> Sig<'m> {
    /// 1 if all bits are 1.
    #[track_caller]
    pub fn all(self) -> Self {
        self.reduce(Unary::All)
    }

    /// 1 if any bit is 1.
    #[track_caller]
    pub fn any(self) -> Self {
        self.reduce(Unary::Any)
    }

    /// Exclusive or of all bits.
    #[track_caller]
    pub fn parity(self) -> Self {
        self.reduce(Unary::Parity)
    }

    #[track_caller]
    fn reduce(self, op: Unary) -> Self {
        if self.width == 1 { self } else { self.m.add(Op::Unary(op, self.id), 1) }
    }

    /// 1 if equal.
    #[track_caller]
    pub fn eq(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::Eq, other)
    }

    /// 1 if different.
    #[track_caller]
    pub fn ne(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::Ne, other)
    }

    /// Unsigned `self < other`.
    #[track_caller]
    pub fn lt(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::Lt, other)
    }

    /// Unsigned `self >= other`.
    #[track_caller]
    pub fn ge(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::Ge, other)
    }

    /// Two's complement `self < other`.
    #[track_caller]
    pub fn slt(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::SignedLt, other)
    }

    /// Two's complement `self >= other`.
    #[track_caller]
    pub fn sge(self, other: impl Operand<'m>) -> Self {
        self.compare(Binary::SignedGe, other)
    }

    #[track_caller]
    fn compare(self, op: Binary, other: impl Operand<'m>) -> Self {
        let other = other.sig_of(self.m, self.width);
        // Comparisons that are always false or true: Verilator warns about them in the text.
        let zero = self.m.constant(other).is_some_and(|v| v.iter().all(|w| *w == 0));
        let never = zero || self.m.all_ones(self);
        let same = self.id == other.id;
        match op {
            Binary::Lt if never || same => self.m.lit(1, 0),
            Binary::Ge if never || same => self.m.lit(1, 1),
            Binary::SignedLt | Binary::Ne if same => self.m.lit(1, 0),
            Binary::SignedGe | Binary::Eq if same => self.m.lit(1, 1),
            Binary::Lt if self.width == 1 => !self & other,
            Binary::Ge if self.width == 1 => self | !other,
            Binary::SignedLt if self.width == 1 => self & !other,
            Binary::SignedGe if self.width == 1 => !self | other,
            _ => self.m.add(Op::Binary(op, self.id, other.id), 1),
        }
    }

    /// Two's complement product of `self.width() + other.width()` bits, which always fits.
    #[track_caller]
    pub fn mul_signed(self, other: Sig<'m>) -> Self {
        let width = self.width + other.width;
        self.m.own(other);
        let (a, b) = (self.sign_extend(width), other.sign_extend(width));
        self.m.add(Op::Binary(Binary::MulSigned, a.id, b.id), width)
    }

    #[track_caller]
    fn binary(self, op: Binary, other: impl Operand<'m>) -> Self {
        let other = other.sig_of(self.m, self.width);
        match op {
            Binary::Sub | Binary::Xor if self.id == other.id => self.m.lit(self.width, 0),
            Binary::And | Binary::Or if self.id == other.id => self,
            _ => self.m.add(Op::Binary(op, self.id, other.id), self.width),
        }
    }
}

impl<'m> Not for Sig<'m> {
    type Output = Sig<'m>;
    #[track_caller]
    fn not(self) -> Sig<'m> {
        self.m.add(Op::Unary(Unary::Not, self.id), self.width)
    }
}

/// Shift left by a constant within the same width; the bits shifted out are discarded.
impl<'m> Shl<u32> for Sig<'m> {
    type Output = Sig<'m>;
    #[track_caller]
    fn shl(self, by: u32) -> Sig<'m> {
        match by {
            0 => self,
            _ if by >= self.width => {
                self.m.discard(self);
                self.m.lit(self.width, 0)
            }
            _ => self.m.concat(&[self.keep(0, self.width - by), self.m.lit(by, 0)]),
        }
    }
}

/// Logical shift right by a constant within the same width; the low bits are discarded.
impl<'m> Shr<u32> for Sig<'m> {
    type Output = Sig<'m>;
    #[track_caller]
    fn shr(self, by: u32) -> Sig<'m> {
        match by {
            0 => self,
            _ if by >= self.width => {
                self.m.discard(self);
                self.m.lit(self.width, 0)
            }
            _ => self.keep(by, self.width - by).zero_extend(self.width),
        }
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<'m, R: Operand<'m>> $trait<R> for Sig<'m> {
            type Output = Sig<'m>;
            #[track_caller]
            fn $method(self, other: R) -> Sig<'m> {
                self.binary(Binary::$op, other)
            }
        }
    )*};
}

operator! {
    BitAnd bitand And;
    BitOr bitor Or;
    BitXor bitxor Xor;
    Add add Add;
    Sub sub Sub;
}
