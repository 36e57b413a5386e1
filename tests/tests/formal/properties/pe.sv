// What a processing element computes: docs/microarchitecture.md, section 5.1.
//
// The count is the loop of the page, for each lane group, on the words that entered `LATENCY`
// cycles ago. Its running totals are kept from cycle to cycle: a register inside the popcount
// holds the count of some neighbouring lanes, which is the difference of two of them
// (`block_count`; `cuts.vh` has one for each register, written by the test that reads the emitted
// text). So every proof obligation is about the few words between two registers, however many
// lanes there are. The blocks are assertions like all others: a wrong one cannot prove anything.
//
// Registers have no reset, so what holds begins with the words that entered after power-up, and
// the accumulator's value with the first token `first`.

module pe_check #(
  parameter LANES = 8, TAPS = 1, ACC_BITS = 20,
  parameter LATENCY = 2, // `P`
  parameter SKIP = 1, // cycles from words to their `skip`
  parameter COUNT_BITS = 4 // for the lanes of a group
) (
  input clk,
  input [LANES-1:0] a, w,
  input [TAPS-1:0] skip,
  input [2:0] tokens,
  input shift,
  input [ACC_BITS-1:0] north
);
  localparam GROUP = LANES / TAPS;
  localparam TOTALS = LANES * COUNT_BITS;

  wire [LANES-1:0] a_out, w_out;
  wire [TAPS-1:0] skip_out;
  wire [2:0] tokens_out;
  wire shift_out;
  wire [ACC_BITS-1:0] drain;
  pe dut (
    .clk(clk), .a(a), .w(w), .skip(skip), .tokens(tokens), .shift(shift), .north(north),
    .a_out(a_out), .w_out(w_out), .skip_out(skip_out), .tokens_out(tokens_out),
    .shift_out(shift_out), .drain(drain)
  );

  reg [3:0] age = 0;
  always @(posedge clk) if (age != 15) age <= age + 1;

  // Everything passes on one cycle later.
  reg [LANES-1:0] a_1, w_1;
  reg [TAPS-1:0] skip_1;
  reg [2:0] tokens_1;
  reg shift_1;
  always @(posedge clk) {a_1, w_1, skip_1, tokens_1, shift_1} <= {a, w, skip, tokens, shift};
  always @* if (age >= 1) begin
    assert (a_out == a_1);
    assert (w_out == w_1);
    assert (skip_out == skip_1);
    assert (tokens_out == tokens_1);
    assert (shift_out == shift_1);
  end

  // Equal bits of a group up to and with a lane, of the words of one cycle ago.
  reg [TOTALS-1:0] totals;
  reg [COUNT_BITS-1:0] total;
  integer g, i;
  always @* begin
    totals = 0;
    for (g = 0; g < TAPS; g = g + 1) begin
      total = 0;
      for (i = 0; i < GROUP; i = i + 1) begin
        total = total + (a_1[g * GROUP + i] == w_1[g * GROUP + i]);
        totals[(g * GROUP + i) * COUNT_BITS +: COUNT_BITS] = total;
      end
    end
  end
  // Slot `n`: those of the words of `n` cycles ago, and the `skip` of these words where it has
  // come in an earlier cycle, else 0.
  reg [TOTALS*(LATENCY+1)-1:0] totals_at;
  reg [TAPS*(LATENCY+2)-1:0] skip_at;
  reg [TOTALS*(LATENCY+1)-1:0] kept_totals;
  reg [TAPS*(LATENCY+2)-1:0] kept_skip;
  always @* begin
    totals_at = kept_totals << TOTALS;
    totals_at[TOTALS +: TOTALS] = totals;
    skip_at = kept_skip << TAPS;
    skip_at[0 +: TAPS * (SKIP + 1)] = 0;
    skip_at[TAPS * (SKIP + 1) +: TAPS] = skip_1;
  end
  always @(posedge clk) kept_totals <= totals_at;
  always @(posedge clk) kept_skip <= skip_at;

`include "cuts.vh"

  // The count of the words of `LATENCY` cycles ago, whose tokens are there now.
  wire [TAPS-1:0] skipped = LATENCY > SKIP ? skip_at[TAPS*LATENCY +: TAPS] : skip;
  reg [ACC_BITS-1:0] count;
  always @* begin
    count = 0;
    for (g = 0; g < TAPS; g = g + 1)
      if (!skipped[g])
        count = count
          + totals_at[TOTALS*LATENCY + (g * GROUP + GROUP - 1) * COUNT_BITS +: COUNT_BITS];
  end

  wire first = tokens[0], double = tokens[1], last = tokens[2];
  accumulator #(.ACC_BITS(ACC_BITS)) sum (
    .clk(clk), .known(age >= LATENCY), .first(first), .double(double), .last(last),
    .shift(shift), .count(count), .north(north), .actual_drain(drain), .actual_acc(dut_acc), .reached(reached)
  );
  (* keep *) wire reached;
  (* hierconn *) wire [ACC_BITS-1:0] \dut.acc ;
  wire [ACC_BITS-1:0] dut_acc = \dut.acc ;
endmodule

// A register holds the count of neighbouring lanes of one or several whole lane groups.
module block_count #(
  parameter BITS = 8, // of the register
  parameter LANES = 8, TAPS = 1, COUNT_BITS = 4,
  parameter FIRST_GROUP = 0, GROUPS = 1,
  parameter FROM = 0, TO = 8 // lanes of each group, without `TO`
) (
  input known,
  input [LANES*COUNT_BITS-1:0] totals,
  input [TAPS-1:0] skip,
  input [BITS-1:0] field
);
  localparam GROUP = LANES / TAPS;
  localparam SUM_BITS = BITS + COUNT_BITS;
  wire [COUNT_BITS*GROUPS-1:0] counts;
  genvar g;
  generate for (g = 0; g < GROUPS; g = g + 1) begin
    localparam AT = (FIRST_GROUP + g) * GROUP;
    wire [COUNT_BITS-1:0] before;
    if (FROM == 0) assign before = 0;
    else assign before = totals[(AT + FROM - 1) * COUNT_BITS +: COUNT_BITS];
    wire [COUNT_BITS-1:0] count = totals[(AT + TO - 1) * COUNT_BITS +: COUNT_BITS] - before;
    assign counts[COUNT_BITS*g +: COUNT_BITS] = count;
    always @* if (known) assert (count <= TO - FROM);
  end endgenerate
  integer i;
  reg [SUM_BITS-1:0] sum;
  always @* begin
    sum = 0;
    for (i = 0; i < GROUPS; i = i + 1)
      if (!skip[FIRST_GROUP + i]) sum = sum + counts[COUNT_BITS*i +: COUNT_BITS];
  end
  always @* if (known) assert (field == sum);
endmodule
