//! One AXI4 read port for two masters that do not use it at the same time.
//!
//! Who has the port follows from registers, and changes only when no burst of the other one is
//! under way; an address that a master offers meanwhile waits, as it would for a slow bus.

use crate::build::{Builder, Direction, Instance, Module, Sig};

const PREFIX: &str = "m_axi_";

/// Makes the `m_axi_*` ports of two instances, those of `module` each, ports of this module; they
/// are the second one's where `second` is 1.
pub(super) fn share_pins<'m>(
    m: &'m Builder,
    module: &Module,
    masters: [Instance<'m>; 2],
    second: Sig<'m>,
) {
    for pin in module.ports().iter().filter(|pin| pin.name.starts_with(PREFIX)) {
        let name = pin.name.as_str();
        if pin.direction == Direction::Output {
            let [first, other] = masters.map(|master| master.out(name));
            m.output(name, m.mux(second, other, first), "");
            continue;
        }
        let value = m.input(name, pin.width, "");
        // Handshakes reach only the one that has the port.
        let is_handshake = name.ends_with("ready") || name.ends_with("valid");
        for (master, has) in masters.into_iter().zip([!second, second]) {
            master.set(name, if is_handshake { value & has } else { value });
        }
    }
}
