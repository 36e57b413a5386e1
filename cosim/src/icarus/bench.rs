//! The test bench around a design, in Verilog-2001.
//!
//! It knows nothing of the design but its ports and what must be known: it drives inputs, runs the
//! clock and shows outputs as lines on its standard input say, so that whatever drives a model of
//! Verilator drives this one.
//!
//! | line | does |
//! |---|---|
//! | `0 INPUTS` | sets the inputs, all in one hexadecimal number, the first port lowest |
//! | `1 STROBES STOP` | chooses outputs, masks like the number of the inputs |
//! | `2 N` | runs up to N cycles; after one in which a strobe is 1 says `R CYCLE OUTPUTS`, after one in which a stop is 1 ends |
//! | `3 INPUTS` | runs a cycle, with other inputs from its clock edge on |
//!
//! The answer to `2` and `3` ends with `S CYCLES STOPPED OUTPUTS`. Outputs begin with `h` and are
//! hexadecimal, or with `b` and are bits, some of which are `x` or `z`. Before it comes `X CYCLE NAME`
//! where something is not known that must be, once.
//!
//! A cycle is ten units of time: the clock rises at 5 and falls at 10, inputs change with the fall.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::design::is_clock;
use crate::watch::RESET;
use crate::{Design, Direction, Port};
use heartbit_hdl::{Condition, State, StateRegister};

/// Name of the test bench.
pub(super) const TOP: &str = "heartbit_bench";

macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        writeln!($out, $($arg)*).expect("bug: a string takes all text")
    };
}

/// Where a port is among those of its direction: the number of bits below it.
pub(super) fn offset(design: &Design, port: &Port) -> u32 {
    let below = design.ports.iter().take_while(|other| other.name != port.name);
    below.filter(|other| is_listed(other, port.direction)).map(|other| other.width).sum()
}

/// Bits of all ports of a direction, the clock apart.
pub(super) fn bits(design: &Design, direction: Direction) -> u32 {
    design.ports.iter().filter(|port| is_listed(port, direction)).map(|port| port.width).sum()
}

/// Whether a port is one of a direction that the bench lists.
pub(super) fn is_listed(port: &Port, direction: Direction) -> bool {
    port.direction == direction && !is_clock(&port.name)
}

/// Prints the test bench of a design with a clock.
pub(super) fn bench(design: &Design, seed: Option<u32>) -> String {
    let mut out =
        format!("// Test bench of `{}`, driven by lines on standard input.\n", design.top);
    put!(out, "module {TOP};");
    put!(out, "  reg clk;");
    put!(out, "  reg [{}:0] inputs;", bits(design, Direction::Input).max(1) - 1);
    let outputs = bits(design, Direction::Output).max(1) - 1;
    for name in ["strobes", "stops"] {
        put!(out, "  reg [{outputs}:0] {name};");
    }
    put!(out, "  wire [{outputs}:0] outputs;");
    out.push_str(DECLARATIONS);
    instance(design, &mut out);
    checks(design, &mut out);
    out.push_str(RUN);
    if let Some(seed) = seed {
        values(&design.watch.states, seed, &mut out);
    }
    out.push_str(MAIN);
    out
}

const DECLARATIONS: &str = "  reg [63:0] cycle, ran, n;
  reg stopped, unknown, after_edge;
  integer command, fields;
  reg [8 * 4096:1] trace;
";

/// The design.
fn instance(design: &Design, out: &mut String) {
    put!(out, "  {0} {0} (", design.top);
    let clock = design.clock().expect("bug: it has a clock");
    put!(out, "    .{clock}(clk)");
    for port in design.ports.iter().filter(|port| !is_clock(&port.name)) {
        put!(out, "    , .{}({})", port.name, slice(design, port));
    }
    put!(out, "  );");
}

/// The bits of a port.
fn slice(design: &Design, port: &Port) -> String {
    let vector = if port.direction == Direction::Input { "inputs" } else { "outputs" };
    let low = offset(design, port);
    format!("{vector}[{}:{low}]", low + port.width - 1)
}

/// Something that must be known.
struct Check {
    /// Is known where it is known for sure.
    expression: String,
    /// Is 1 where it must be reported.
    is_unknown: String,
    name: String,
}

impl Check {
    /// An expression that must always be known.
    fn always(expression: String, name: String) -> Self {
        Self { is_unknown: format!("(^({expression})) === 1'bx"), expression, name }
    }

    /// The condition of something in an instance.
    fn condition(path: &str, condition: &Condition) -> Self {
        let Condition { of, expression, effect } = condition;
        let check = Self::always(expression.clone(), format!("{path}: {of}"));
        let Some([register, next]) = effect else { return check };
        // A choice whose condition is X has the bits in which both values agree.
        let same = format!("(({expression}) ? ({next}) : {register}) !== {register}");
        Self { is_unknown: format!("{} && {same}", check.is_unknown), ..check }
    }
}

/// The tasks that look for what is not known.
fn checks(design: &Design, out: &mut String) {
    let registers = design.watch.states.iter().map(|state| -> Vec<Check> {
        let watched = state.registers.iter().filter(|register| register.has_reset);
        let path = |register: &StateRegister| format!("{}.{}", state.path, register.name);
        watched.map(|register| Check::always(path(register), path(register))).collect()
    });
    task("check_registers", registers, out);
    let conditions = design.watch.states.iter().map(|state| -> Vec<Check> {
        state.conditions.iter().map(|c| Check::condition(&state.path, c)).collect()
    });
    task("check_conditions", conditions.chain([ports(design)]), out);
    let reset = design.ports.iter().find(|port| port.name == RESET);
    let reset = reset.map_or_else(|| "1'b0".to_owned(), |port| slice(design, port));
    put!(out, "  wire rst = {reset};");
}

/// The outputs that must be known.
fn ports(design: &Design) -> Vec<Check> {
    let watch = &design.watch;
    let slice_of = |name: &str| {
        design.ports.iter().find(|port| port.name == name).map(|port| slice(design, port))
    };
    let named = |name: &str| format!("{}.{name}", design.top);
    let always =
        watch.always.iter().filter_map(|name| Some(Check::always(slice_of(name)?, named(name))));
    let pairs = watch.qualified.iter().flat_map(|q| q.ports.iter().map(move |name| (&q.by, name)));
    let qualified = pairs.filter_map(|(by, name)| {
        let expression = format!("{} & (^{})", slice_of(by)?, slice_of(name)?);
        Some(Check::always(expression, named(name)))
    });
    always.chain(qualified).collect()
}

/// A task that says the name of the first thing that is not known; it looks at a group at a time.
fn task(name: &str, groups: impl Iterator<Item = Vec<Check>>, out: &mut String) {
    put!(out, "  task {name};\n    begin");
    for group in groups.filter(|group| !group.is_empty()) {
        // Registers often share their enable.
        let all: BTreeSet<&str> = group.iter().map(|check| check.expression.as_str()).collect();
        let all: Vec<&str> = all.into_iter().collect();
        put!(out, "      if (^{{{}}} === 1'bx) begin", all.join(", "));
        for Check { is_unknown, name, .. } in &group {
            put!(out, "        if (!unknown && {is_unknown}) begin");
            put!(out, "          unknown = 1;");
            put!(out, "          $write(\"X %0d {name}\\n\", cycle);\n        end");
        }
        put!(out, "      end");
    }
    put!(out, "    end\n  endtask");
}

const RUN: &str = r#"
  task show;
    if (^outputs === 1'bx) $write("b%b\n", outputs);
    else $write("h%h\n", outputs);
  endtask

  // Looks at what the next clock edge takes.
  task check;
    if (after_edge && !unknown) begin
      check_registers;
      if (!rst && !unknown) check_conditions;
    end
  endtask

  task edges;
    begin
      check;
      #4 clk = 1;
      after_edge = after_edge | rst;
      #5 clk = 0;
    end
  endtask

  task advance;
    begin
      #1 cycle = cycle + 1;
      ran = ran + 1;
      if (|(outputs & strobes)) begin
        $write("R %0d ", cycle);
        show;
      end
      stopped = |(outputs & stops);
    end
  endtask

  task answer;
    begin
      check;
      $write("S %0d %0d ", ran, stopped);
      show;
      $fflush;
    end
  endtask

"#;

const MAIN: &str = r#"
  initial begin
    if ($value$plusargs("trace=%s", trace)) begin
      $dumpfile(trace);
      $dumpvars;
    end
    clk = 0;
    inputs = 0;
    strobes = 0;
    stops = 0;
    cycle = 0;
    unknown = 0;
    after_edge = 0;
    fields = 1;
    #1;
    while (fields == 1) begin
      fields = $fscanf(32'h8000_0000, "%d", command);
      ran = 0;
      stopped = 0;
      if (fields == 1) case (command)
        0: fields = $fscanf(32'h8000_0000, "%h", inputs);
        1: fields = $fscanf(32'h8000_0000, "%h %h", strobes, stops) - 1;
        2: begin
          fields = $fscanf(32'h8000_0000, "%d", n);
          // Inputs that were just set.
          #0;
          while (ran < n && !stopped && !unknown) begin
            edges;
            advance;
          end
          answer;
        end
        default: begin
          edges;
          fields = $fscanf(32'h8000_0000, "%h", inputs);
          advance;
          answer;
        end
      endcase
    end
    $finish;
  end
endmodule
"#;

/// Gives registers and memories values before the first clock edge.
fn values(states: &[State], seed: u32, out: &mut String) {
    put!(out, "  integer seed, word;\n  initial begin\n    seed = {seed};");
    let random = |width: u32| {
        let words = vec!["$random(seed)"; width.div_ceil(32) as usize];
        format!("{{{}}}", words.join(", "))
    };
    for state in states {
        for register in &state.registers {
            put!(out, "    {}.{} = {};", state.path, register.name, random(register.width));
        }
        for memory in &state.memories {
            put!(out, "    for (word = 0; word < {}; word = word + 1)", memory.depth);
            put!(out, "      {}.{}[word] = {};", state.path, memory.name, random(memory.width));
        }
    }
    put!(out, "  end");
}
