// The weight ring: docs/microarchitecture.md, section 2.2. Words are kept in the order in which
// they come, each in its place; a step of a first tile waits until its word is there, steps of
// later tiles read the same words again, and no place is written before the last tile has used it.
//
// The steps are those of a sequencer: a column tile is some tiles of as many steps each, of which
// the last one frees its words, and no step is issued while `hold` is 1.

module weight_ring_check #(
  parameter PLACES = 8, PLACE_BITS = 3, COLS = 4, PORT_COLS = 2, LANES = 8, WRITE_BITS = 6
) (
  input clk, rst,
  input wt_valid, load_any, load_en, stream, first_tile, last_tile, issue, last, ct_end,
  input [PORT_COLS*LANES-1:0] wt_data,
  input [15:0] load_index, load_addr, resident,
  input [LANES-1:0] load_data
);
  localparam GROUPS = COLS / PORT_COLS;
  wire wt_ready, hold;
  wire [15:0] address;
  wire [COLS-1:0] write_en;
  wire [WRITE_BITS-1:0] write_to;
  wire [PORT_COLS*LANES-1:0] write_data;
  weight_ring dut (
    .clk(clk), .rst(rst), .wt_valid(wt_valid), .wt_ready(wt_ready), .wt_data(wt_data),
    .load_any(load_any), .load_en(load_en), .load_index(load_index), .load_addr(load_addr),
    .load_data(load_data), .stream(stream), .resident(resident), .first_tile(first_tile),
    .last_tile(last_tile), .issue(issue), .last(last), .ct_end(ct_end), .hold(hold),
    .address(address), .write_en(write_en), .write_to(write_to), .write_data(write_data)
  );
  reset first (.clk(clk), .rst(rst));

  // Words since the ring was empty: complete ones, those that a first tile and that a last tile
  // have used; all modulo `2^16`. Bit `i` of `used`: a last tile used one `i + 1` cycles ago.
  reg begun = 0;
  reg [15:0] complete, in_first, in_last, base;
  reg [COLS+1:0] used;
  reg [7:0] group, step, steps;
  reg is_first, was_last_tile, is_begin;
  integer i;
  reg [15:0] waiting;
  always @* begin
    waiting = 0;
    for (i = 0; i < COLS + 2; i = i + 1) waiting = waiting + used[i];
  end
  wire clear = rst || load_any;
  wire accepted = wt_valid && wt_ready, word = accepted && group == GROUPS - 1;
  wire streamed = issue && stream;
  wire [15:0] fresh = complete - in_first, open = in_first - in_last;
  wire [15:0] held = fresh + open + waiting;
  always @(posedge clk) begin
    begun <= 1;
    if (accepted) group <= word ? 0 : group + 1;
    complete <= complete + word;
    used <= {used, streamed && last_tile};
    if (streamed && first_tile) in_first <= in_first + 1;
    if (streamed && last_tile) in_last <= in_last + 1;
    if (streamed) begin
      step <= last ? 0 : step + 1;
      is_begin <= last;
      was_last_tile <= last_tile;
      if (last) is_first <= ct_end;
      if (last && first_tile) steps <= step + 8'd1;
      if (ct_end) base <= base + step + 16'd1;
    end
    if (clear) begin
      {complete, in_first, in_last, base, used, group, step} <= 0;
      {is_first, is_begin} <= 2'b11;
    end
  end
  always @* begin
    if (load_any) assume (!issue);
    if (streamed) begin
      assume (!hold && first_tile == is_first);
      if (!is_begin) assume (last_tile == was_last_tile);
      assume (ct_end == (last && last_tile));
      if (first_tile) assume (last || step < PLACES - 1); // `K <= F`
      else assume (last == (step == steps - 1));
    end
  end

  // What the port and the load port write, one cycle later.
  reg writes, loads;
  reg [PORT_COLS*LANES-1:0] data_1;
  reg [LANES-1:0] loaded_1;
  reg [15:0] place_1, load_addr_1, load_index_1;
  reg [7:0] group_1;
  always @(posedge clk) begin
    writes <= accepted && !rst;
    loads <= load_en && load_any && !rst;
    {data_1, loaded_1, group_1, load_addr_1} <= {wt_data, load_data, group, load_addr};
    load_index_1 <= load_index;
    place_1 <= complete % PLACES;
  end
  wire [COLS-1:0] group_columns = ((1 << PORT_COLS) - 1) << (group_1 * PORT_COLS);
  wire [COLS-1:0] loaded_columns = load_index_1 < COLS ? 1 << load_index_1 : 0;
  always @* assume (load_any || !load_en);
  (* hierconn *) wire [PLACE_BITS:0] \dut.fresh ;
  (* hierconn *) wire [PLACE_BITS:0] \dut.held ;
  (* hierconn *) wire [PLACE_BITS-1:0] \dut.place ;
  (* hierconn *) wire [PLACE_BITS-1:0] \dut.word ;
  (* hierconn *) wire [PLACE_BITS-1:0] \dut.tile_word ;
  wire [15:0] next = base + step;
  always @* if (begun) begin
    // Ready where there is room, and only there: no word that may still be read is overwritten.
    assert (wt_ready == (!load_any && held < PLACES) && held <= PLACES);
    // No step of a first tile before its word, and none waits for a word that is there.
    assert (hold == (stream && first_tile && fresh == 0));
    // Each step reads the word of its turn: the first tiles take all of them in order, and the
    // last ones free them in order.
    assert (address == (stream ? next % PLACES : resident));
    if (streamed && first_tile) assert (next == in_first);
    if (streamed && last_tile) assert (next == in_last);
    // Each beat is written once, to the columns of its group and the place of its word.
    if (writes) assert (write_en == group_columns && write_to == place_1 && write_data == data_1);
    else if (loads) begin
      assert (write_en == loaded_columns && write_to == load_addr_1[WRITE_BITS-1:0]);
      assert (write_data == {PORT_COLS{loaded_1}});
    end else assert (write_en == 0);

    // What the registers hold.
    assert (!(writes && loads) && group < GROUPS);
    assert (fresh <= PLACES && open <= PLACES);
    assert (\dut.fresh == fresh && \dut.held == held);
    assert (\dut.place == complete % PLACES);
    assert (\dut.word == next % PLACES && \dut.tile_word == base % PLACES);
    assert (step < PLACES && is_begin == (step == 0));
    if (is_first) begin
      assert (in_first == next);
      assert (in_last == (was_last_tile && !is_begin ? next : base));
    end else begin
      assert (steps >= 1 && steps <= PLACES && step < steps);
      assert (in_first == base + steps);
      assert (in_last == (was_last_tile && !is_begin ? next : base));
    end
  end
  // The registers of `used` and `group`, of which there are as many as the array needs.
`include "cuts.vh"

  // A column tile of two tiles of two steps, one of which waits; the ring is full, and goes round.
  reg waited = 0, again = 0, full = 0;
  always @(posedge clk) if (!clear) begin
    if (hold) waited <= 1;
    if (waited && ct_end && streamed && steps == 2 && !first_tile) again <= 1;
    if (again && held == PLACES && !wt_ready) full <= 1;
  end
  (* keep *) wire reached = full && complete > PLACES && writes;
endmodule
