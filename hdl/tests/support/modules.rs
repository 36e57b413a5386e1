//! Random modules: expressions, registers, memories and instances of every kind.

use heartbit_hdl::{Builder, Module, Sig};

use super::random::{Random, fit};

impl Random {
    /// True in one of `n` cases.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Any of the items.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let at = self.below(items.len() as u64);
        items[usize::try_from(at).expect("bug: an index")]
    }

    /// A number below `n` as a `u32`.
    pub(crate) fn small(&mut self, n: u32) -> u32 {
        u32::try_from(self.below(u64::from(n))).expect("bug: below a u32")
    }

    fn width(&mut self) -> u32 {
        match self.below(3) {
            0 => self.pick(&[1, 1, 2, 3, 31, 32, 33, 63, 64, 65, 100, 128, 130]),
            _ => 1 + self.small(20),
        }
    }
}

/// A random module called `name`, with instances of further ones up to `depth` levels.
pub(crate) fn random_module(rng: &mut Random, name: &str, depth: u32) -> Module {
    let children: Vec<Module> = match depth {
        0 => Vec::new(),
        _ => (0..rng.below(3))
            .map(|i| random_module(rng, &format!("{name}_c{i}"), depth - 1))
            .collect(),
    };
    let m = Builder::new(name, "Random module.\n\nSecond line.");
    let mut pool: Vec<Sig<'_>> = Vec::new();
    for i in 0..=rng.below(4) {
        pool.push(m.input(&format!("in_{i}"), rng.width(), "an input"));
    }
    let regs: Vec<_> = (0..rng.below(5))
        .map(|i| {
            let (name, width) = (format!("r{i}"), rng.width());
            match rng.below(2) {
                0 => m.reg(&name, width, rng.below(2)),
                _ => m.reg_without_reset(&name, width),
            }
        })
        .collect();
    pool.extend(regs.iter().map(|r| **r));
    let wires: Vec<_> = (0..rng.below(3)).map(|i| m.wire(&format!("w{i}"), rng.width())).collect();
    pool.extend(wires.iter().map(|w| **w));
    for i in 0..rng.below(3) {
        let mem = m.memory(&format!("mem_{i}"), rng.width(), 2 << rng.below(4));
        let mem = if rng.one_in(3) { mem.old_data() } else { mem };
        let write = pick_enable(rng, &pool);
        // A constant address makes registers of a memory, most of them without a driver.
        let to = m.pipe(&format!("to_{i}"), pick_at(rng, &pool, mem.address_bits()));
        let from = if rng.one_in(3) { to } else { pick_at(rng, &pool, mem.address_bits()) };
        let width = rng.width();
        let data = m.memory(&format!("tmp_{i}"), width, 2);
        let value = pick_at(rng, &pool, width);
        data.write(write, to.keep(0, 1), value);
        pool.push(data.read(pick_at(rng, &pool, 1)));
        let q = match rng.below(2) {
            0 => mem.read(from),
            _ => mem.read_when(pick_enable(rng, &pool), from),
        };
        mem.write(write, to, pick_at(rng, &pool, q.width()));
        pool.push(q);
    }
    for step in 0..rng.below(25) {
        let value = expression(rng, &m, &pool);
        pool.push(if rng.one_in(6) { value.named(&format!("named_{step}")) } else { value });
        if rng.one_in(8) {
            let value = rng.pick(&pool);
            pool.push(m.pipe(&format!("p{step}"), value));
        }
    }
    for (i, child) in children.iter().enumerate() {
        for copy in 0..=rng.below(2) {
            let mut inst = m.inst(&format!("u{i}_{copy}"), child);
            for port in child.ports() {
                let input = port.direction == heartbit_hdl::Direction::Input;
                if input && port.name != "clk" && port.name != "rst" {
                    inst = inst.set(&port.name, pick_at(rng, &pool, port.width));
                }
            }
            if child.ports().iter().any(|port| port.name == "rst") && rng.one_in(2) {
                inst = inst.reset_when(pick_at(rng, &pool, 1));
            }
            let outs = child.ports().into_iter();
            let outs = outs.filter(|p| p.direction == heartbit_hdl::Direction::Output);
            pool.extend(outs.map(|p| inst.out(&p.name)));
        }
        let value = expression(rng, &m, &pool);
        pool.push(value);
    }
    for reg in &regs {
        let value = if rng.one_in(3) {
            let same: Vec<_> = regs.iter().filter(|r| r.width() == reg.width()).collect();
            **rng.pick(&same)
        } else {
            pick_at(rng, &pool, reg.width())
        };
        match rng.below(2) {
            0 => reg.next(value),
            _ => reg.next_when(pick_enable(rng, &pool), value),
        }
    }
    // Not from the pool, which may hold what depends on the wire.
    let stateful: Vec<_> = regs.iter().map(|r| **r).chain([pool[0]]).collect();
    for wire in &wires {
        wire.assign(pick_at(rng, &stateful, wire.width()));
    }
    for i in 0..=rng.below(3) {
        m.output(&format!("out_{i}"), rng.pick(&pool), "an output");
    }
    m.output("last", *pool.last().expect("bug: there are inputs"), "");
    for sig in &pool {
        m.discard(*sig);
    }
    m.finish()
}

/// Something of exactly `width` bits.
fn pick_at<'m>(rng: &mut Random, pool: &[Sig<'m>], width: u32) -> Sig<'m> {
    let sig = rng.pick(pool);
    let m = sig.builder();
    if rng.one_in(12) {
        return m.lit_words(width, &fit(&rng.words(3), width));
    }
    if sig.width() >= width {
        return sig.keep(rng.small(sig.width() - width + 1), width);
    }
    match rng.below(3) {
        0 => sig.sign_extend(width),
        1 if width.is_multiple_of(sig.width()) => sig.repeat(width / sig.width()),
        _ => sig.zero_extend(width),
    }
}

/// One bit that is not always 0.
fn pick_enable<'m>(rng: &mut Random, pool: &[Sig<'m>]) -> Sig<'m> {
    let sig = rng.pick(pool);
    sig.keep(rng.small(sig.width()), 1) ^ pool[0].keep(0, 1) ^ pool[0].builder().lit(1, 1)
}

fn expression<'m>(rng: &mut Random, m: &'m Builder, pool: &[Sig<'m>]) -> Sig<'m> {
    let a = rng.pick(pool);
    let b = pick_at(rng, pool, a.width());
    match rng.below(26) {
        0 => a & b,
        1 => a | b,
        2 => a ^ b,
        3 => !(a ^ b),
        4 | 5 => a + b,
        6 | 7 => a - b,
        8 => !a,
        9 => a.eq(b),
        10 => a.ne(b),
        11 => a.lt(b),
        12 => a.ge(b),
        13 => a.slt(b),
        14 => a.sge(b),
        15 if a.width() <= 40 => {
            let width = 1 + rng.small(40);
            a.mul_signed(pick_at(rng, pool, width))
        }
        16 => a.all() ^ b.any(),
        17 => a.parity() & (b + 1).any(),
        18 => {
            let parts: Vec<_> = (0..=rng.below(3)).map(|_| rng.pick(pool)).collect();
            m.concat(&parts).keep(0, 1 + rng.small(40).min(parts[0].width() - 1))
        }
        19 => a.sign_extend(a.width() + rng.small(50)),
        20 => [a << rng.small(70), a >> rng.small(70), a.sar(rng.small(70))]
            [usize::try_from(rng.below(3)).expect("bug: small")],
        21 | 22 => {
            let index_bits = 1 + rng.small(4);
            let index = pick_at(rng, pool, index_bits);
            let n = 1 + rng.below(1 << index_bits);
            let items: Vec<_> = (0..n).map(|_| pick_at(rng, pool, a.width())).collect();
            m.select(index, &items)
        }
        _ => {
            let condition = pick_at(rng, pool, 1);
            m.mux(condition, a, b)
        }
    }
}
