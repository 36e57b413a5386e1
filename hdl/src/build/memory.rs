//! Simple dual port memories with registered read data.

use super::builder::Builder;
use super::node::{NodeId, Op, ReadPort, WritePort};
use super::sig::{Operand, Sig};

/// A memory with one write port and one read port on the common clock.
///
/// The read data appear one edge after the address. Reading the address that is written on the
/// same edge gives the old data, in the simulation and in every Verilog simulator. In hardware it
/// is undefined unless [`Memory::old_data`] is asked for: the text carries `(* no_rw_check *)`, as
/// otherwise synthesis adds some forty cells of emulation a bank. Designs must not depend on it;
/// [`crate::Simulator::collisions`] counts the edges where one does it.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'m> {
    pub(crate) m: &'m Builder,
    pub(crate) index: usize,
}

impl<'m> Memory<'m> {
    /// Bits of an address.
    pub fn address_bits(self) -> u32 {
        self.m.draft.borrow().mems[self.index].depth.trailing_zeros()
    }

    /// Makes a collision return the old data in hardware too, at the price of extra cells.
    #[must_use]
    pub fn old_data(self) -> Self {
        self.m.draft.borrow_mut().mems[self.index].old_data = true;
        self
    }

    /// Describes the write port. Once only.
    #[track_caller]
    pub fn write(self, enable: Sig<'m>, address: impl Operand<'m>, data: impl Operand<'m>) {
        self.m.enable("write enable", enable);
        let width = self.m.draft.borrow().mems[self.index].width;
        let address = address.sig_of(self.m, self.address_bits()).id;
        let data = data.sig_of(self.m, width).id;
        let mut draft = self.m.draft.borrow_mut();
        let mem = &mut draft.mems[self.index];
        assert!(mem.write.is_none(), "bug: memory `{}` has two write ports", mem.name);
        mem.write = Some(WritePort { enable: enable.id, address, data });
    }

    /// Describes the read port, which reads on every edge, and returns the registered data.
    #[track_caller]
    pub fn read(self, address: impl Operand<'m>) -> Sig<'m> {
        self.read_port(None, address)
    }

    /// Like [`Memory::read`], but keeps the data on edges where `enable` is 0.
    #[track_caller]
    pub fn read_when(self, enable: Sig<'m>, address: impl Operand<'m>) -> Sig<'m> {
        let enable = self.m.enable("read enable", enable);
        self.read_port(enable, address)
    }

    #[track_caller]
    fn read_port(self, enable: Option<NodeId>, address: impl Operand<'m>) -> Sig<'m> {
        let width = self.m.draft.borrow().mems[self.index].width;
        let address = address.sig_of(self.m, self.address_bits()).id;
        let data = self.m.add(Op::MemRead(self.index), width);
        let mut draft = self.m.draft.borrow_mut();
        let mem = &mut draft.mems[self.index];
        assert!(mem.read.is_none(), "bug: memory `{}` has two read ports", mem.name);
        mem.read = Some(ReadPort { enable, address, node: data.id });
        data
    }
}
