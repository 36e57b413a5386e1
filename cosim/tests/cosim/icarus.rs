//! Designs under Icarus Verilog: the same behaviour as under Verilator, and what is not known.

use heartbit_cosim::{
    Design, Direction, Error, Icarus, IcarusModel, PortId, Qualified, Simulation, Watch,
};
use heartbit_hdl::{Builder, Module, emit, state};

use crate::source::{check_sources, sink};
use crate::{counter, fail, model};

#[track_caller]
fn icarus(design: Design) -> IcarusModel {
    let icarus = Icarus::detect().unwrap_or_else(|error| fail(&error));
    icarus.model(design, None, None).unwrap_or_else(|error| fail(&error))
}

/// The design of a module whose registers and conditions are watched.
fn watched(top: &Module) -> Design {
    let mut design = Design::new(top.name());
    for file in emit(top) {
        design = design.file(format!("{}.v", file.name), file.text);
    }
    for port in top.ports() {
        let direction = match port.direction {
            heartbit_hdl::Direction::Input => Direction::Input,
            heartbit_hdl::Direction::Output => Direction::Output,
        };
        design.ports.push(heartbit_cosim::Port { name: port.name, width: port.width, direction });
    }
    design.watch = Watch { states: state(top), ..Watch::default() };
    design
}

/// Resets a design and runs it until something is not known; sets `load` at last.
#[track_caller]
fn first_unknown(design: Design) -> Option<(String, u64)> {
    let mut model = icarus(design);
    let set = |model: &mut IcarusModel, name: &str, value| {
        let port = model.port(name).expect("bug: the port exists");
        model.set(port, value);
    };
    set(&mut model, "rst", 1);
    let mut run = || {
        model.run(2)?;
        set(&mut model, "rst", 0);
        model.run(3)?;
        set(&mut model, "load", 1);
        model.run(3)
    };
    match run() {
        Ok(_) => None,
        Err(Error::Unknown { signal, cycle }) => Some((signal, cycle)),
        Err(error) => fail(&error),
    }
}

/// A register without a reset, loaded by `load`, and what `body` makes of it.
fn from_data(body: impl for<'m> Fn(&'m Builder, heartbit_hdl::Sig<'m>)) -> Design {
    let m = Builder::new("top", "");
    let load = m.input("load", 1, "");
    let data = m.reg_without_reset("data", 4);
    data.next_when(load, 5);
    let known = m.reg("known", 1, 0);
    known.next_when(load, 1);
    m.output("valid", *known, "");
    body(&m, *data);
    watched(&m.finish())
}

#[test]
fn enable_that_is_not_known_is_named_though_the_register_keeps_its_value() {
    let counting = from_data(|m, data| {
        let count = m.reg("count", 4, 0);
        m.discard(data);
        count.next_when(data.bit(0), *count + 1);
        m.output("count_out", *count, "");
    });
    assert_eq!(first_unknown(counting), Some(("top: enable of `count`".to_owned(), 2)));
    // An enable that changes nothing does not matter.
    let kept = from_data(|m, data| {
        let kept = m.reg("kept", 4, 0);
        m.discard(data);
        kept.next_when(data.bit(0), *kept & 3);
        m.output("kept_out", *kept, "");
    });
    assert_eq!(first_unknown(kept), None);
}

#[test]
fn register_that_takes_what_is_not_known_is_named() {
    let design = from_data(|m, data| {
        let sum = m.reg("sum", 4, 0);
        sum.next(*sum + data);
        m.output("sum_out", *sum, "");
    });
    assert_eq!(first_unknown(design), Some(("top.sum".to_owned(), 3)));
}

#[test]
fn write_address_that_is_not_known_is_named() {
    let design = from_data(|m, data| {
        let memory = m.memory("words", 4, 16);
        memory.write(m.input("load_2", 1, "") | !data.bit(3), data, data);
        m.output("word", memory.read(0), "");
    });
    assert_eq!(first_unknown(design), Some(("top: write enable of `words`".to_owned(), 2)));
    let design = from_data(|m, data| {
        let started = m.reg("started", 1, 0);
        started.next(1);
        let memory = m.memory("words", 4, 16);
        memory.write(*started, data, data);
        m.output("word", memory.read(0), "");
    });
    assert_eq!(first_unknown(design), Some(("top: write address of `words`".to_owned(), 3)));
}

#[test]
fn output_may_be_unknown_until_another_one_says_that_it_is_valid() {
    let with = |is_qualified: bool| {
        let mut design = from_data(|m, data| m.output("shown", data, ""));
        let port = "shown".to_owned();
        if is_qualified {
            let by = "valid".to_owned();
            design.watch.qualified.push(Qualified { by, ports: vec![port] });
        } else {
            design.watch.always.push(port);
        }
        first_unknown(design)
    };
    assert_eq!(with(false), Some(("top.shown".to_owned(), 2)));
    assert_eq!(with(true), None);
}

#[test]
fn what_is_watched_and_is_not_in_the_text_is_an_error() {
    let mut design = from_data(|m, data| m.output("shown", data, ""));
    design.files[0].1 = design.files[0].1.replace("known", "other");
    let icarus = Icarus::detect().unwrap_or_else(|error| fail(&error));
    let result = icarus.model(design, None, None);
    assert!(matches!(result, Err(Error::ToolFailed { tool: "icarus", .. })), "{result:?}");
}

#[test]
fn both_simulators_show_the_same_after_every_call() {
    let (mut left, mut right) = (model(counter("")), icarus(counter("")));
    let mut both: [&mut dyn Simulation; 2] = [&mut left, &mut right];
    let [step, count] = ["step", "count"].map(|name| both[0].port(name).expect("bug: there"));
    let check = |both: &[&mut dyn Simulation; 2]| {
        let [left, right] =
            [0, 1].map(|i| (both[i].cycle(), both[i].get(count), both[i].get(step)));
        assert_eq!(left, right);
    };
    for (value, cycles) in [(3, 5), (200, 1), (0, 2), (255, 300)] {
        for model in &mut both {
            model.set(step, value);
            model.eval().expect("bug: the design does not stop");
            assert_eq!(model.run(cycles).expect("bug: the design does not stop"), cycles);
        }
        check(&both);
    }
    // Strobes are the cycles in which the count is not 0, and the run ends in the first of them.
    let record = |model: &mut dyn Simulation| {
        let mut out = Vec::new();
        let stop: Option<PortId> = Some(count);
        let end = model.run_recorded(400, &[count], &[count, step], stop, &mut out);
        (end.expect("bug: the design does not stop"), out)
    };
    let [left, right] = both.map(record);
    assert_eq!(left, right);
    assert!(left.0.is_stopped && left.1.len() == 4, "{left:?}");
}

#[test]
fn source_offers_in_its_slots_under_icarus() {
    check_sources(&mut icarus(sink()));
}
