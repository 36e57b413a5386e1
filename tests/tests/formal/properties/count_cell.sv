// A cell of the count column: docs/microarchitecture.md, section 5.1. It adds `fan_in` for each
// lane group in which a valid tap begins.

module count_cell_check #(parameter ACC_BITS = 20, BEGINS_BITS = 1, TAPS = 1) (
  input clk,
  input [ACC_BITS-1:0] fan_in, north,
  input [BEGINS_BITS-1:0] begins,
  input [2:0] tokens,
  input shift
);
  wire [ACC_BITS-1:0] drain;
  count_cell dut (
    .clk(clk), .fan_in(fan_in), .begins(begins), .tokens(tokens), .shift(shift), .north(north),
    .drain(drain)
  );
  always @* assume (begins <= TAPS);
  wire [ACC_BITS-1:0] count = begins * fan_in;
  accumulator #(.ACC_BITS(ACC_BITS)) sum (
    .clk(clk), .known(1'b1), .first(tokens[0]), .double(tokens[1]), .last(tokens[2]),
    .shift(shift), .count(count), .north(north), .actual_drain(drain), .actual_acc(dut_acc), .reached(reached)
  );
  (* keep *) wire reached;
  (* hierconn *) wire [ACC_BITS-1:0] \dut.acc ;
  wire [ACC_BITS-1:0] dut_acc = \dut.acc ;
endmodule
