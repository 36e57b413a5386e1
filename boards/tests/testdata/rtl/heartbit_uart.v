`default_nettype none

// Not the accelerator: a module with the ports of its link, small enough to place in a second.
module heartbit_uart (
  input  wire clock,
  input  wire reset,
  input  wire uart_rx,
  output wire uart_tx,
  output wire [3:0] status
);
  reg [23:0] beat;
  always @(posedge clock)
    if (reset) beat <= 24'd0;
    else beat <= beat + {23'd0, uart_rx};
  assign uart_tx = beat[3];
  assign status = {beat[23], beat[2:0]};
endmodule

`default_nettype wire
