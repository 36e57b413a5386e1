//! Designs that stop themselves: the process must live on and the reason must be told.

use heartbit_cosim::{Design, Error, Model, Port, Simulation, Status};

use crate::{counter, model};

fn start(design: Design) -> Model {
    let mut model = model(design);
    let step = model.port("step").expect("bug: the port exists");
    model.set(step, 1);
    model
}

#[track_caller]
fn stop_message(result: Result<u64, Error>, expected_cycle: u64) -> (String, String) {
    let Err(Error::Stopped { cycle, message, log }) = result else {
        panic!("the design stops, but: {result:?}")
    };
    assert_eq!(cycle, expected_cycle);
    (message, log)
}

#[test]
fn fatal_is_an_error_with_place_and_text_and_stays_one() {
    let mut model = start(counter("if (count == 5) $fatal(1, \"count is %0d\", count);"));
    assert_eq!(model.run(5).expect("bug: five cycles are fine"), 5);
    let (message, log) = stop_message(model.run(100), 6);
    assert!(message.starts_with("rtl/counter.v:5: "), "{message}");
    assert!(log.contains("count is 5"), "{log}");
    assert!(matches!(model.status(), Status::Stopped(text) if text == message));
    let (again, _) = stop_message(model.run(1), 6);
    assert_eq!(again, message);
    assert!(model.tick().is_err() && model.eval().is_err());
}

#[test]
fn stop_and_failed_assertion_are_errors_too() {
    for text in ["if (count == 2) $stop;", "assert (count != 2);"] {
        let mut design = counter(text);
        // Assertions are SystemVerilog.
        design.files[0].0 = "counter.sv".to_owned();
        let (message, _) = stop_message(start(design).run(9), 3);
        assert!(message.starts_with("rtl/counter.sv:5: "), "{message}");
    }
}

#[test]
fn finish_ends_the_run_early_and_refuses_to_go_on() {
    let mut model = start(counter("if (count == 3) $finish;"));
    assert_eq!(model.run(10).expect("bug: a finish is no error"), 4);
    assert_eq!(model.status(), Status::Finished);
    assert!(matches!(model.run(1), Err(Error::Finished { cycle: 4 })));
}

#[test]
fn display_goes_to_the_log_and_not_to_standard_output() {
    let mut model = start(counter("if (count < 2) $display(\"count %0d\", count);"));
    model.run(5).expect("bug: the design does not stop");
    assert_eq!(model.take_log(), "count 0\ncount 1\n");
    assert_eq!(model.take_log(), "");
}

#[test]
fn loop_that_does_not_settle_is_an_error_and_not_a_hang() {
    let verilog = "module ring(input a, output y);\n\
                   /* verilator lint_off UNOPTFLAT */\n\
                   wire w;\n\
                   assign w = ~(w & a);\n\
                   assign y = w;\n\
                   endmodule\n";
    let design = Design::new("ring")
        .file("ring.v", verilog)
        .port(Port::input("a", 1))
        .port(Port::output("y", 1));
    let mut model = model(design);
    let a = model.port("a").expect("bug: the port exists");
    model.eval().expect("bug: with `a` at 0 the loop settles");
    model.set(a, 1);
    let Err(Error::Stopped { message, .. }) = model.eval() else {
        panic!("an odd ring has no stable state")
    };
    assert!(message.contains("did not converge"), "{message}");
    assert!(model.eval().is_err());
}
