// Levels: docs/microarchitecture.md, section 5.3, `write_levels`.

module levels_check (
  input clk,
  input signed [15:0] v,
  input [4:0] level_shift,
  input [2:0] plane
);
  wire [7:0] q;
  wire level_bit;
  levels dut (.clk(clk), .v(v), .level_shift(level_shift), .plane(plane), .q(q), .level_bit(level_bit));
  wire signed [63:0] level = (v >>> level_shift) + 64'sd128;
  // The bit is chosen in the next cycle.
  reg begun = 0;
  reg [7:0] expected;
  reg signed [63:0] level_1;
  reg [4:0] shift_1;
  always @(posedge clk) begin
    begun <= 1;
    {level_1, shift_1} <= {level, level_shift};
    expected <= level < 0 ? 0 : level > 255 ? 255 : level;
  end
  always @* if (begun) begin
    assert (q == expected);
    assert (level_bit == expected[plane]);
  end

  reg high = 0, low = 0, between = 0;
  always @(posedge clk) begin
    if (begun && q == 255 && level_1 > 255) high <= 1;
    if (begun && q == 0 && level_1 < 0) low <= 1;
    if (begun && q == 77 && shift_1 == 3) between <= 1;
  end
  (* keep *) wire reached = high && low && between;
endmodule
