// The AXI4 read master. All beats of an order are asked for once, in order, in bursts that AXI
// allows, and each is handed over once. `WEIGHTS` is defined for the reader of streamed weights,
// which asks only when there is room.
//
// An order lies within a window of `2^SPAN` beats that begins at a multiple of its length: the
// proof is about offsets in it.
//
// Of the memory nothing is assumed but that it sends no beat that nobody has asked for.

module axi_reader_check #(parameter DATA_BITS = 64, ADDRESS_BITS = 32, SPAN = 12) (
  input clk, rst,
  input start, stop, ready, room,
  input [ADDRESS_BITS-1:0] address,
  input [29:0] beats,
  input m_axi_arready, m_axi_rlast, m_axi_rvalid,
  input [DATA_BITS-1:0] m_axi_rdata,
  input [1:0] m_axi_rresp
);
  localparam LOW = DATA_BITS == 64 ? 3 : 2;
  localparam INDEX = ADDRESS_BITS - LOW; // an address in beats
  localparam BURST = 16, AHEAD = 4;

  wire [ADDRESS_BITS-1:0] m_axi_araddr;
  wire [7:0] m_axi_arlen;
  wire [2:0] m_axi_arsize, m_axi_arprot;
  wire [1:0] m_axi_arburst;
  wire [3:0] m_axi_arcache;
  wire m_axi_arvalid, m_axi_rready, beat, last, error, busy;
  wire [DATA_BITS-1:0] data;
`ifdef WEIGHTS
  wire [4:0] asked;
  axi_weight_reader dut (
    .room(room), .asked(asked),
`else
  axi_reader dut (
`endif
    .clk(clk), .rst(rst), .start(start), .address(address), .beats(beats), .stop(stop),
    .m_axi_arready(m_axi_arready), .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp),
    .m_axi_rlast(m_axi_rlast), .m_axi_rvalid(m_axi_rvalid), .ready(ready),
    .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
    .m_axi_arburst(m_axi_arburst), .m_axi_arcache(m_axi_arcache), .m_axi_arprot(m_axi_arprot),
    .m_axi_arvalid(m_axi_arvalid), .m_axi_rready(m_axi_rready), .beat(beat), .data(data),
    .last(last), .error(error), .busy(busy)
  );
`ifdef WEIGHTS
  wire may_ask = room;
`else
  wire may_ask = 1;
`endif
  reset first (.clk(clk), .rst(rst));
  offer #(.BITS(ADDRESS_BITS + 8)) ar (
    .clk(clk), .rst(rst), .valid(m_axi_arvalid), .ready(m_axi_arready),
    .payload({m_axi_araddr, m_axi_arlen})
  );

  // The order: beats from `ask` to `ask_to` are not in an accepted burst yet; those from `get` to
  // `ask` have been, and have not come; beats from `get` to `get_to` have not come.
  reg begun = 0, ordered, stopped;
  reg [SPAN:0] ask, ask_to, get, get_to;
  reg [INDEX-SPAN-1:0] window;
  wire [SPAN-1:0] offset = address[LOW +: SPAN];
  wire [SPAN:0] top = offset + beats[SPAN:0];
  wire accepted = m_axi_arvalid && m_axi_arready, comes = m_axi_rvalid && m_axi_rready;
  // Where the next burst ends: with a block of `BURST` beats, or with the order.
  wire [SPAN:0] block_end = {ask[SPAN:4] + 1'b1, 4'd0};
  wire [SPAN:0] burst_to = ask_to < block_end ? ask_to : block_end;
  // The end of what has been asked for.
  wire [SPAN:0] asked_to = m_axi_arvalid ? burst_to : ask;
  always @(posedge clk) begin
    begun <= 1;
    if (start) begin
      {ordered, stopped} <= 2'b10;
      window <= address[ADDRESS_BITS-1:LOW+SPAN];
      {ask, get} <= {1'b0, offset, 1'b0, offset};
      {ask_to, get_to} <= {top, top};
    end else begin
      if (accepted) ask <= asked_to;
      if (stop) ask_to <= asked_to;
      if (stop) stopped <= 1;
      if (comes) get <= get + 1'b1;
    end
    if (rst) ordered <= 0;
  end
  wire [SPAN:0] get_next = get + 1'b1;
  wire burst_ends = get[3:0] == 15 || get_next == get_to;
  wire idle = !ordered || (ask == get && ask_to == ask);
  always @* begin
    if (start) assume (begun && !rst && !stop && !busy && beats != 0 && beats + offset <= 1 << SPAN);
    if (m_axi_rvalid) assume (ordered && ask != get);
  end

  // The blocks in which bursts under way lie, each in one.
  (* hierconn *) wire [2:0] \dut.under_way ;
  wire [2:0] bursts = \dut.under_way ;
  wire [SPAN-4:0] blocks_to = asked_to[SPAN:4] + (asked_to[3:0] != 0);

  reg must_offer = 0;
  always @(posedge clk) must_offer <= begun && !rst && !start && !stop && ordered && ask != ask_to
    && !m_axi_arvalid && bursts < AHEAD && may_ask;
  (* hierconn *) wire [29:0] \dut.left ;
  (* hierconn *) wire [INDEX-1:0] \dut.index ;
  (* hierconn *) wire [3:0] \dut.place ;
  (* hierconn *) wire [29:0] \dut.left_to_come ;
  always @* if (begun && !ordered) assert (!m_axi_arvalid && !busy && !m_axi_rready);
  always @* if (begun && ordered) begin
    // Bursts that AXI allows, one after the other, and not one more than the order has.
    if (m_axi_arvalid) begin
      assert (ask != ask_to && ask[SPAN] == 0
        && m_axi_araddr == {window, ask[SPAN-1:0]} << LOW && m_axi_arlen < BURST);
      assert (ask + m_axi_arlen + 1'b1 == burst_to);
      assert (m_axi_araddr[11:0] + ((m_axi_arlen + 13'd1) << LOW) <= 4096);
    end
    assert (m_axi_arsize == LOW && m_axi_arburst == 1);
    assert (bursts <= AHEAD);
    // No deadlock: what may be asked for is asked for, and what comes has its place.
    if (must_offer) assert (m_axi_arvalid);
    if (ask != get) assert (m_axi_rready == ready);
    assert (busy == !idle);
    // Each beat once, as it comes; errors and the last one where they are.
    assert (beat == comes && data == m_axi_rdata);
    assert (last == (beat && get_next == get_to));
    assert (error == (beat && (m_axi_rresp != 0 || m_axi_rlast != burst_ends)));
    // What the registers hold.
    assert (get <= ask && ask <= asked_to && asked_to <= ask_to && ask_to <= get_to);
    assert (get_to <= 1 << SPAN);
    assert (ask_to == (stopped ? asked_to : get_to));
    if (asked_to != get && asked_to != get_to) assert (asked_to[3:0] == 0);
    if (ask != get && ask != get_to) assert (ask[3:0] == 0);
    assert (asked_to == get ? bursts == 0 : get[SPAN:4] + bursts == blocks_to);
    assert (asked_to + \dut.left == ask_to && get + \dut.left_to_come == get_to);
    if (\dut.left != 0) assert (\dut.index == {window, asked_to[SPAN-1:0]});
    assert (\dut.place == get[3:0]);
  end
`ifdef WEIGHTS
  wire [4:0] length_of_next = \dut.left < BURST - asked_to[3:0] ? \dut.left : BURST - asked_to[3:0];
  reg [4:0] asked_before = 0;
  reg valid_before = 0;
  always @(posedge clk) begin
    asked_before <= begun && !rst ? asked : 5'd0;
    valid_before <= m_axi_arvalid && !m_axi_arready;
  end
  always @* if (begun) begin
    // What is asked for is said in the cycle before, and only where there is room.
    if (asked != 0) assert (room && ordered && !stop && asked == length_of_next);
    if (asked_before != 0) assert (m_axi_arvalid && ask + asked_before == burst_to);
    if (m_axi_arvalid && !valid_before) assert (asked_before != 0);
  end
`endif

  // An order of three bursts, the first of which ends early, comes to its end; another is stopped.
  reg several = 0, over = 0, ended = 0;
  always @(posedge clk) if (!rst) begin
    if (start && beats == 19 && address[LOW+3:LOW] == 15) several <= 1;
    if (several && last && !error) over <= 1;
    if (over && stopped && comes) ended <= 1;
  end
  (* keep *) wire reached = ended && idle;
endmodule
