// What AXI asks of whoever offers a beat: an offer stays, as it is, until it is accepted.

module offer #(parameter BITS = 1) (
  input clk, rst,
  input valid, ready,
  input [BITS-1:0] payload
);
  reg waits = 0;
  reg [BITS-1:0] was;
  always @(posedge clk) begin
    waits <= !rst && valid && !ready;
    was <= payload;
  end
  always @* if (waits) begin
    assert (valid);
    assert (payload == was);
  end
endmodule

// Reset in the first cycle, and whenever it comes later.
module reset (input clk, rst);
  reg begun = 0;
  always @(posedge clk) begun <= 1;
  always @* if (!begun) assume (rst);
endmodule
