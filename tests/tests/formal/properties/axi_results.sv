// The stream of results: what the accelerator sends leaves once, in order and unchanged, and every
// packet ends, also one that an abort has cut off.

module axi_results_check (
  input clk, rst,
  input out_valid, out_last, kill, m_axis_tready,
  input [31:0] out_data
);
  wire out_ready, m_axis_tvalid, m_axis_tlast, finished, stalled, waiting, taken;
  wire [31:0] m_axis_tdata;
  axi_results dut (
    .clk(clk), .rst(rst), .out_valid(out_valid), .out_data(out_data), .out_last(out_last),
    .kill(kill), .m_axis_tready(m_axis_tready), .out_ready(out_ready),
    .m_axis_tvalid(m_axis_tvalid), .m_axis_tdata(m_axis_tdata), .m_axis_tlast(m_axis_tlast),
    .finished(finished), .stalled(stalled), .waiting(waiting), .taken(taken)
  );
  reset first (.clk(clk), .rst(rst));
  offer #(.BITS(33)) m_axis (
    .clk(clk), .rst(rst), .valid(m_axis_tvalid), .ready(m_axis_tready),
    .payload({m_axis_tdata, m_axis_tlast})
  );

  // `open`: a packet has begun and not ended. `owed`: it was cut off, and an end is due.
  // `held`: the beat that is due at the port, if one is.
  wire from = out_valid && out_ready, to = m_axis_tvalid && m_axis_tready;
  reg begun = 0, open, owed, held, held_last;
  reg [31:0] held_data;
  wire ends = owed && (!held || to);
  always @(posedge clk) begin
    begun <= 1;
    if (from) open <= !out_last;
    else if (ends) open <= 0;
    if (kill && open && !owed) owed <= 1;
    else if (ends) owed <= 0;
    if (from) {held, held_data, held_last} <= {1'b1, out_data, out_last};
    else if (ends) {held, held_data, held_last} <= {1'b1, 32'hffff_ffff, 1'b1};
    else if (to) held <= 0;
    if (rst) {open, owed, held} <= 0;
  end
  (* hierconn *) wire \dut.begun ;
  (* hierconn *) wire \dut.closing ;
  always @* if (begun) begin
    // What was accepted, or the end that is due, is at the port, and nothing else is.
    assert (m_axis_tvalid == held);
    if (held) assert (m_axis_tdata == held_data && m_axis_tlast == held_last);
    // Nothing is accepted that has no place, and nothing of an accelerator in reset.
    if (from) assert (!kill && !owed && (!held || to));
    // No deadlock: with room there is no reason to wait.
    if (!kill && !owed && (!held || m_axis_tready)) assert (out_ready);
    assert (finished == (from && out_last));
    assert (stalled == (out_valid && !out_ready));
    assert (waiting == (m_axis_tvalid && !m_axis_tready) && taken == to);
    assert (\dut.begun == open && \dut.closing == owed);
    if (owed) assert (open);
  end

  // A whole packet, and one that is cut off while its beat waits.
  reg whole = 0, cut = 0, closed = 0;
  always @(posedge clk) if (!rst) begin
    if (to && m_axis_tlast && !owed && held_data == 5) whole <= 1;
    if (whole && owed && waiting) cut <= 1;
    if (cut && to && m_axis_tlast && held_data == 32'hffff_ffff) closed <= 1;
  end
  (* keep *) wire reached = closed;
endmodule
