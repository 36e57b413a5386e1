// Global pooling of a column: docs/microarchitecture.md, section 5.3. The sum begins with the
// first pixel; its level and the bit of each plane follow from it in the next cycle.

module pool_check (
  input clk,
  input signed [15:0] v,
  input accumulate, fresh, halve,
  input [2:0] plane
);
  wire [7:0] q;
  wire level_bit;
  pool dut (
    .clk(clk), .v(v), .accumulate(accumulate), .fresh(fresh), .halve(halve), .plane(plane),
    .q(q), .level_bit(level_bit)
  );
  // Up to 65535 pixels, which 32 bits hold.
  reg known = 0;
  reg [15:0] pixels = 0;
  reg signed [63:0] sum;
  wire signed [63:0] value = v, n = pixels;
  always @* begin
    assume (!(accumulate && halve));
    if (accumulate && !fresh) assume (pixels != 65535);
  end
  always @(posedge clk) begin
    if (accumulate && fresh) begin
      known <= 1;
      pixels <= 1;
      sum <= value;
    end else if (accumulate) begin
      if (known) pixels <= pixels + 1;
      sum <= sum + value;
    end else if (halve) sum <= sum >>> 1;
  end
  (* hierconn *) wire [31:0] \dut.sum ;
  wire signed [31:0] sum_of_dut = \dut.sum ;
  wire signed [63:0] level = sum + 128;
  reg known_1 = 0;
  reg [7:0] expected;
  always @(posedge clk) begin
    known_1 <= known;
    expected <= level < 0 ? 0 : level > 255 ? 255 : level;
  end
  always @* if (known) begin
    assert (sum >= -(n <<< 15) && sum <= (n <<< 15));
    assert (sum_of_dut == sum);
  end
  always @* if (known_1) begin
    assert (q == expected);
    assert (level_bit == expected[plane]);
  end

  reg summed = 0, halved = 0;
  always @(posedge clk) begin
    if (known && pixels == 3 && sum < -700) summed <= 1;
    if (summed && halve) halved <= 1;
  end
  (* keep *) wire reached = halved && q != 0 && q != 255;
endmodule
