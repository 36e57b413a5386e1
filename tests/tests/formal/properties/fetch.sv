// The fetch of descriptors: the words of each part are addressed once, one a cycle, one after the
// other from the first descriptor on, and each is taken in the cycle after its address.
// docs/microarchitecture.md, sections 3.1 and 5.4.
//
// The sequencer begins in the first cycle of `Fetch`, with the program from its first descriptor
// on, or of `Gap`, in which the front is addressed `LATER` cycles later; not before the words of the
// layer before have been addressed.

module fetch_check (
  input clk, rst,
  input idle, fetching, begin_front, begin_wait,
  input [15:0] drain_wait
);
  localparam FRONT = 9, RESULTS = 12, HEADER = 2, LATER = 3;
  wire [15:0] pc;
  wire [7:0] result_layer;
  wire take_front, take_results, load_results;
  fetch dut (
    .clk(clk), .rst(rst), .idle(idle), .fetching(fetching), .begin_front(begin_front),
    .begin_wait(begin_wait), .drain_wait(drain_wait), .pc(pc), .take_front(take_front),
    .take_results(take_results), .load_results(load_results), .result_layer(result_layer)
  );
  reset first (.clk(clk), .rst(rst));

  // `cycle`: cycles since the first one of the state, at most `END`; `at`, `from`: those from which
  // on the front and the results are addressed.
  localparam [17:0] END = 18'h3ffff;
  reg begun = 0, of_fetch;
  reg [17:0] cycle_q, from_q, at_q;
  reg [15:0] expected;
  wire begins = begin_front || begin_wait;
  wire [17:0] cycle = begins ? 0 : cycle_q;
  wire [17:0] at = !begins ? at_q : begin_front ? 0 : LATER;
  wire [17:0] from = !begins ? from_q : begin_front ? FRONT : drain_wait;
  wire front = cycle >= at && cycle < at + FRONT, results = cycle >= from && cycle < from + RESULTS;
  wire over = cycle_q >= from_q + RESULTS;
  wire loaded = cycle_q > from_q + RESULTS + 1;
  reg front_1, results_1, last_1, last_2;
  reg [7:0] layer;
  always @(posedge clk) begin
    begun <= 1;
    if (begins) of_fetch <= begin_front;
    cycle_q <= cycle == END ? END : cycle + 1;
    {from_q, at_q} <= {from, at};
    expected <= idle ? HEADER : front || results ? expected + 16'd1 : expected;
    {front_1, results_1} <= {front, results};
    {last_2, last_1} <= {last_1, results && cycle == from + RESULTS - 1};
    if (last_2) layer <= fetching ? 0 : layer + 1;
    if (rst) begin
      {cycle_q, from_q, at_q} <= {END, 36'd0};
      expected <= HEADER;
      {of_fetch, front_1, results_1, last_1, last_2, layer} <= 0;
    end
  end
  always @* begin
    if (begin_front) assume (fetching);
    if (begin_wait) assume (!fetching && drain_wait >= LATER + FRONT);
    assume (!(idle && fetching));
    if (begins) assume (over);
    if (idle) assume (loaded);
    // `Fetch` lasts until the first layer's fields stand, and no longer.
    if (!begin_front) assume (fetching == (of_fetch && !loaded));
  end

  (* hierconn *) wire [15:0] \dut.drain_left ;
  (* hierconn *) wire [3:0] \dut.front_left ;
  (* hierconn *) wire [3:0] \dut.results_left ;
  (* hierconn *) wire \dut.begin_front_d1 ;
  (* hierconn *) wire \dut.begin_front_d2 ;
  (* hierconn *) wire \dut.begin_front_d3 ;
  (* hierconn *) wire \dut.begin_results_d1 ;
  (* hierconn *) wire \dut.results_over_d1 ;
  wire [17:0] to_results = from_q - cycle_q;
  wire waits_for_drain = cycle_q < from_q && !of_fetch;
  always @* if (begun) begin
    // Each word is addressed once, and taken in the next cycle.
    if (front || results) assert (pc == expected);
    assert (take_front == front_1 && take_results == results_1);
    // Never both parts at once.
    assert (!(front && results));
    // The fields stand, and the layer is counted, once for each descriptor.
    assert (load_results == last_2 && result_layer == layer);
    assert (pc == expected);
    assert (\dut.front_left ==
      (cycle_q > at_q && cycle_q < at_q + FRONT ? FRONT - (cycle_q - at_q) : 0));
    assert ({\dut.begin_front_d3 , \dut.begin_front_d2 , \dut.begin_front_d1 } ==
      (of_fetch || cycle_q > LATER ? 0 : 1 << (cycle_q - 1)));
    assert (\dut.results_left ==
      (cycle_q > from_q && cycle_q < from_q + RESULTS ? RESULTS - (cycle_q - from_q) : 0));
    assert (\dut.begin_results_d1 == (cycle_q == from_q));
    assert (\dut.drain_left == (waits_for_drain ? to_results : 0));
    assert (\dut.results_over_d1 == last_1);
    assert (cycle_q == END || cycle_q != 0);
    assert (at_q == 0 || at_q == LATER);
    if (cycle_q != END) assert (of_fetch == (at_q == 0));
    if (of_fetch) assert (from_q == FRONT && at_q == 0);
    assert (from_q <= 65535 && (from_q >= at_q + FRONT || cycle_q == END));
    assert (front_1 == (cycle_q > at_q && cycle_q <= at_q + FRONT));
  end

  // The first layer's two parts and the second layer's.
  reg second = 0;
  always @(posedge clk) if (!rst && load_results && layer == 0 && expected == 44) second <= 1;
  (* keep *) wire reached = second && result_layer == 1;
endmodule
