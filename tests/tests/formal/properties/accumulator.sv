// Accumulator and drain register of an element of the array: docs/microarchitecture.md, section
// 5.1. The accumulator has a value from the first token `first` on, the drain register from the
// first `last` or `shift` after it.

module accumulator #(parameter ACC_BITS = 20) (
  input clk,
  input known, // the count is that of words after power-up
  input first, double, last, shift,
  input [ACC_BITS-1:0] count, north, actual_acc, actual_drain,
  output reached
);
  reg begun = 0, drained = 0;
  reg [ACC_BITS-1:0] acc, drain;
  wire [ACC_BITS-1:0] next = (first ? 0 : double ? 2 * acc : acc) + count;
  wire begins = known && first;
  always @(posedge clk) begin
    acc <= next;
    begun <= begun || begins;
    if (last) begin
      drain <= next;
      drained <= begun || begins;
    end else if (shift) begin
      drain <= north;
      drained <= 1;
    end
  end
  always @* begin
    if (begun) assert (known);
    if (begun) assert (actual_acc == acc);
    if (drained) assert (actual_drain == drain);
  end

  // A sum of three counts with a doubling is drained, and the row above shifted in.
  reg [2:0] steps = 0;
  reg doubled = 0, summed = 0, shifted = 0;
  always @(posedge clk) begin
    if (begins) steps <= 1;
    else if (begun && steps != 7 && count != 0) steps <= steps + 1;
    if (begun && double && acc != 0) doubled <= 1;
    if (doubled && steps >= 3 && last && count != 0) summed <= 1;
    if (summed && shift && !last && north != 0) shifted <= 1;
  end
  assign reached = shifted && drained;
endmodule
