//! The wiring of `heartbit_uart`.

use super::UartConfig;
use super::deframer::deframer;
use super::executor::executor;
use super::framer::framer;
use super::receiver::receiver;
use super::transmitter::transmitter;
use crate::axi::bits_for;
use crate::build::{Builder, Instance, Module, Sig};

/// Bits of the place in a frame.
const PLACE_BITS: u32 = 8;
/// Ticks that a second has at most.
const TICKS: u32 = 16;
/// Ticks of half a period of the heartbeat, the power of two.
const HEARTBEAT: u32 = 3;

/// Puts the link around a module with the ports of `heartbit_host`.
pub(super) fn wrap(host: &Module, config: UartConfig) -> Module {
    let m = Builder::new("heartbit_uart", "Heartbit accelerator behind a serial line.");
    m.name_clock("clock", "reset");
    let link = Link {
        m: &m,
        receiver: m.inst("receiver", &receiver(config)),
        deframer: m.inst("deframer", &deframer()),
        executor: m.inst("executor", &executor()),
        framer: m.inst("framer", &framer()),
        transmitter: m.inst("transmitter", &transmitter(config)),
        host: m.inst("host", host),
    };
    let heartbeat = link.time(config);
    link.line();
    link.buffer();
    link.master();
    let busy = link.host.out("busy") | link.executor.out("active");
    let status = [heartbeat, link.host.out("failing"), busy, link.host.out("has_program")];
    let shown = m.reg("status_q", 4, 0);
    shown.next(m.concat(&status));
    m.output("status", *shown, "ready, busy, error, heartbeat, from the lowest bit");
    m.finish()
}

struct Link<'m> {
    m: &'m Builder,
    receiver: Instance<'m>,
    deframer: Instance<'m>,
    executor: Instance<'m>,
    framer: Instance<'m>,
    transmitter: Instance<'m>,
    host: Instance<'m>,
}

/// Sets inputs of an instance from outputs of the same names.
fn connect<'m>(to: Instance<'m>, from: Instance<'m>, names: &[&str]) {
    for name in names {
        to.set(name, from.out(name));
    }
}

impl<'m> Link<'m> {
    /// The ticks that limit every wait; returns the heartbeat.
    fn time(&self, config: UartConfig) -> Sig<'m> {
        let bits = bits_for(config.clock_hz() / TICKS);
        let time = self.m.reg("time_q", bits + HEARTBEAT + 1, 0);
        time.next(*time + 1);
        let tick = self.m.reg("tick", 1, 0);
        tick.next(time.slice(0, bits).all());
        self.deframer.set("timer", *tick);
        self.executor.set("timer", *tick);
        time.msb()
    }

    fn line(&self) {
        self.receiver.set("line", self.m.input("uart_rx", 1, "serial line to the accelerator"));
        self.m.output("uart_tx", self.transmitter.out("line"), "serial line to the host");
        connect(self.deframer, self.receiver, &["strobe", "byte_in", "framing"]);
        connect(self.transmitter, self.framer, &["send", "byte_out"]);
        connect(self.framer, self.transmitter, &["free"]);
    }

    /// The buffer: frames in its lower half, the payload of answers in the upper one. Nothing is
    /// read in the cycle in which it is written: what is stored lies behind what is fetched.
    fn buffer(&self) {
        let m = self.m;
        let (deframer, executor, framer) = (self.deframer, self.executor, self.framer);
        connect(executor, deframer, &["ended", "complete", "length", "fault"]);
        connect(deframer, executor, &["kept", "kept_from"]);
        let memory = m.memory("buffer", 8, 2 << PLACE_BITS);
        let (store, put) = (deframer.out("store"), executor.out("put"));
        let half = |upper: u64, place: Sig<'m>| m.concat(&[m.lit(1, upper), place]);
        memory.write(
            store | put,
            m.mux(store, half(0, deframer.out("place")), half(1, executor.out("put_place"))),
            m.mux(store, deframer.out("content"), executor.out("put_byte")),
        );
        executor.set("taken", !store);
        let sending = framer.out("busy");
        let place = m.mux(sending, half(1, framer.out("place")), half(0, executor.out("fetch")));
        let fetched = m.pipe("fetched", memory.read(place));
        executor.set("fetched_byte", fetched).set("sending", sending);
        framer.set("payload", fetched).set("length", executor.out("answer_length"));
        connect(framer, executor, &["begin_frame", "kind", "number"]);
    }

    fn master(&self) {
        let (host, executor) = (self.host, self.executor);
        let word = executor.out("word").zero_extend(10);
        host.set("write_word", word).set("read_word", word);
        connect(host, executor, &["write", "read", "load_crc"]);
        host.set("write_data", executor.out("data"));
        connect(executor, host, &["write_ok", "read_ok", "read_data"]);
        let pixel = executor.out("data").slice(8, 24).zero_extend(32);
        host.set("s_axis_tvalid", executor.out("pixel_valid"))
            .set("s_axis_tdata", pixel)
            .set("s_axis_tlast", executor.out("pixel_last"))
            .set("m_axis_tready", executor.out("result_ready"));
        executor
            .set("pixel_ready", host.out("s_axis_tready"))
            .set("result_valid", host.out("m_axis_tvalid"))
            .set("result_data", host.out("m_axis_tdata"))
            .set("result_last", host.out("m_axis_tlast"));
    }
}
