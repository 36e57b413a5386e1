//! What a description may not do, and what its registers, memories and instances do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use heartbit_hdl::{Builder, Module, Simulator, emit};

/// The message of the panic that `describe` ends in.
#[track_caller]
fn refused(describe: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(describe)).expect_err("bug: it was accepted");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .expect("bug: a panic with a message")
}

#[track_caller]
fn check_refused(part: &str, describe: impl FnOnce(&Builder)) {
    let message = refused(|| {
        let m = Builder::new("broken", "");
        describe(&m);
        m.finish();
    });
    assert!(message.contains(part) && message.starts_with("bug: "), "{message}");
}

#[test]
fn wrong_widths_and_names_are_refused_at_once() {
    check_refused("has 4 bits where 3 are needed", |m| {
        let (a, b) = (m.input("a", 3, ""), m.input("b", 4, ""));
        m.output("y", a + b, "");
    });
    check_refused("does not fit 3 bits", |m| m.output("y", m.input("a", 3, "") + 8, ""));
    check_refused("name `a` is already used", |m| {
        let _ = m.input("a", 3, "");
        m.reg("a", 3, 0);
    });
    check_refused("name `wire` is refused", |m| {
        let _ = m.input("wire", 3, "");
    });
    check_refused("condition has 3 bits", |m| {
        let a = m.input("a", 3, "");
        let _ = m.mux(a, a, a);
    });
    check_refused("bits 2..5", |m| {
        let _ = m.input("a", 4, "").slice(2, 3);
    });
    check_refused("has 0 bits", |m| {
        let _ = m.input("a", 0, "");
    });
    check_refused("not a power of two", |m| {
        m.memory("bank", 8, 12);
    });
}

#[test]
fn a_handle_of_another_module_is_refused() {
    let other = Builder::new("other", "");
    let foreign = other.input("x", 1, "");
    check_refused("belongs to module `other`", |m| m.output("y", foreign, ""));
    check_refused("belongs to module `other`", |m| {
        m.output("y", m.input("a", 1, "") & foreign, "");
    });
}

#[test]
fn two_drivers_are_refused() {
    check_refused("register `r` has two drivers", |m| {
        let r = m.reg("r", 1, 0);
        r.next(1);
        r.next(0);
    });
    check_refused("wire `w` has two drivers", |m| {
        let w = m.wire("w", 1);
        w.assign(1);
        w.assign(0);
    });
}

#[test]
fn everything_undriven_is_reported_with_its_line() {
    let m = Builder::new("broken", "");
    let (w, r) = (m.wire("w", 1), m.reg("r", 2, 0));
    m.output("y", *r, "");
    m.output("z", *w, "");
    let error = m.try_finish().expect_err("bug: it was accepted");
    let messages: Vec<_> = error.problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(messages, ["wire `w` is not driven", "register `r` is not driven"]);
    assert!(error.problems.iter().all(|p| p.place.file().ends_with("description.rs")));
}

#[test]
fn unused_bits_need_a_discard() {
    check_refused("input `b` is never used", |m| {
        let _ = m.input("b", 1, "");
        m.output("y", m.input("a", 1, ""), "");
    });
    check_refused("bit 3 of input `a` (4 bits) is never used", |m| {
        m.output("y", m.input("a", 4, "").slice(0, 3), "");
    });
    check_refused("register `r` is never used", |m| {
        let r = m.reg("r", 1, 0);
        r.next(!*r);
        m.output("y", m.input("a", 1, ""), "");
    });
    let m = Builder::new("fine", "");
    m.output("y", m.input("a", 4, "").keep(0, 3), "");
    let text = &emit(&m.finish())[0].text;
    assert!(text.contains("wire unused = &{1'b0, a[3]};"), "{text}");
}

/// `y` depends on `a` within the cycle, `z` on nothing.
fn half_registered() -> Module {
    let m = Builder::new("half", "");
    m.output("y", !m.input("a", 1, ""), "");
    m.output("z", m.pipe("b_q", m.input("b", 1, "")), "");
    m.finish()
}

#[test]
fn loops_are_found_across_instances_and_only_where_they_are() {
    let half = half_registered();
    check_refused("combinational loop through", |m| {
        let u = m.inst("u", &half);
        u.set("a", u.out("y")).set("b", u.out("z"));
        m.output("y", u.out("y"), "");
    });
    let m = Builder::new("fine", "");
    let u = m.inst("u", &half);
    u.set("a", u.out("z")).set("b", u.out("y"));
    m.output("y", u.out("y"), "");
    let mut sim = Simulator::new(&m.finish());
    let values: Vec<_> = (0..4)
        .map(|_| {
            sim.step();
            sim.get("y")
        })
        .collect();
    assert_eq!(values, [0, 1, 0, 1]);
}

#[test]
fn a_loop_through_a_wire_is_refused() {
    check_refused("combinational loop through wire `w`", |m| {
        let w = m.wire("w", 4);
        w.assign(*w + 1);
        m.output("y", *w, "");
    });
}

#[test]
fn registers_swap_and_reset_overrides_enable() {
    let m = Builder::new("swap", "");
    let en = m.input("en", 1, "");
    let (a, b) = (m.reg("a", 8, 1), m.reg("b", 8, 2));
    a.next_when(en, *b);
    b.next(*a);
    m.output("y", m.concat(&[*a, *b]), "");
    let mut sim = Simulator::new(&m.finish());
    let mut next = |en: u64, rst: u64| {
        sim.set("en", en);
        sim.set("rst", rst);
        sim.step();
        sim.get("y")
    };
    let seen = [next(0, 1), next(1, 0), next(1, 0), next(0, 0), next(1, 1)];
    assert_eq!(seen, [0x0102, 0x0201, 0x0102, 0x0101, 0x0102]);
}

fn bank() -> Module {
    let m = Builder::new("bank", "");
    let mem = m.memory("data", 70, 8);
    let (we, re) = (m.input("we", 1, ""), m.input("re", 1, ""));
    let (to, from) = (m.input("to", 3, ""), m.input("from", 3, ""));
    mem.write(we, to, m.input("d", 70, ""));
    m.output("q", mem.read_when(re, from), "");
    m.finish()
}

#[test]
fn memory_reads_old_data_and_keeps_it_without_enable() {
    let m = Builder::new("outer", "");
    let u = m.inst("u", &bank());
    for (port, width) in [("we", 1), ("re", 1), ("to", 3), ("from", 3), ("d", 70)] {
        u.set(port, m.input(port, width, ""));
    }
    m.output("q", u.out("q"), "");
    let mut sim = Simulator::new(&m.finish());
    sim.poke_memory("u.data", 5, &[7, 9]);
    for (port, value) in [("we", 1), ("re", 1), ("to", 5), ("from", 5), ("d", 33)] {
        sim.set(port, value);
    }
    sim.step();
    assert_eq!(sim.get_words("q"), [7, 9]);
    assert_eq!(sim.peek_memory("u.data", 5), [33, 0]);
    assert_eq!(sim.collisions(), 1);
    sim.set("re", 0);
    sim.step();
    assert_eq!((sim.get_words("q"), sim.collisions()), (vec![7, 9], 1));
    sim.set("re", 1);
    sim.step();
    assert_eq!(sim.peek("u.data_q"), Some(vec![33, 0]));
}

#[test]
fn equal_text_is_one_module_and_different_text_gets_a_number() {
    let leaf = |width| {
        let m = Builder::new("leaf", "");
        m.output("y", !m.input("a", width, ""), "");
        m.finish()
    };
    let m = Builder::new("outer", "");
    for (name, width) in [("u0", 4), ("u1", 4), ("u2", 5)] {
        let u = m.inst(name, &leaf(width)).set("a", m.input(&format!("{name}_in"), width, ""));
        m.output(&format!("{name}_out"), u.out("y"), "");
    }
    let files = emit(&m.finish());
    let names: Vec<_> = files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["leaf", "leaf_2", "outer"]);
    assert!(files[2].text.contains("leaf u1 (") && files[2].text.contains("leaf_2 u2 ("));
}
