// The stream of pixels: every beat that is accepted is passed on once and unchanged, or dropped
// because its image is no good; an image that is passed on whole has as many pixels as the header
// says, with `TLAST` at the last one.
//
// The header has no size of 0, and stays while an image arrives and in the two cycles before. No pixel
// is accepted in the cycle after a reset: there is no program.

module axi_pixels_check (
  input clk, rst,
  input s_axis_tvalid, s_axis_tlast, open, kill, resync, in_ready,
  input [31:0] s_axis_tdata,
  input [15:0] height, width
);
  wire s_axis_tready, in_valid, beat, offered, receiving, starved, complete, early, late, broken;
  wire discarding;
  wire [23:0] in_data;
  axi_pixels dut (
    .clk(clk), .rst(rst), .s_axis_tvalid(s_axis_tvalid), .s_axis_tdata(s_axis_tdata),
    .s_axis_tlast(s_axis_tlast), .open(open), .height(height), .width(width), .kill(kill),
    .resync(resync), .in_ready(in_ready), .s_axis_tready(s_axis_tready), .in_valid(in_valid),
    .in_data(in_data), .beat(beat), .offered(offered), .receiving(receiving), .starved(starved),
    .complete(complete), .early(early), .late(late), .broken(broken), .discarding(discarding)
  );
  reset first (.clk(clk), .rst(rst));

  // The next pixel is `column` of `row`; `bad`: the accelerator has part of an image that will not
  // be complete; `drop`: beats belong to an image that was given up, up to `TLAST`.
  reg begun = 0, bad, drop;
  reg begun_2 = 0, was_reset = 0;
  reg [15:0] row, column, was_height, was_width, before_height, before_width;
  wire stood = {was_height, was_width} == {before_height, before_width};
  wire inside = row != 0 || column != 0;
  always @* begin
    assume (height != 0 && width != 0);
    if (begun && inside) assume (height == was_height && width == was_width);
  end
  wire accepted = s_axis_tvalid && s_axis_tready, passed = in_valid && in_ready;
  wire last = row == height - 1 && column == width - 1;
  wire taken = accepted && !drop;
  always @* if (taken)
    assume (begun_2 && !was_reset && stood && height == was_height && width == was_width);
  always @(posedge clk) begin
    begun <= 1;
    begun_2 <= begun;
    was_reset <= rst;
    {was_height, was_width} <= {height, width};
    {before_height, before_width} <= {was_height, was_width};
    if (kill || resync || (taken && (last || s_axis_tlast))) {row, column} <= 0;
    else if (taken) begin
      column <= column == width - 1 ? 0 : column + 1;
      if (column == width - 1) row <= row + 1;
    end
    // Too short, too long, or given up by the host.
    if (kill) bad <= 0;
    else if ((taken && s_axis_tlast != last) || (resync && inside)) bad <= 1;
    // What is left of an image that is too long or was cut off by an abort.
    if (resync) drop <= 0;
    else if ((taken && last && !s_axis_tlast) || (kill && inside)) drop <= 1;
    else if (accepted && s_axis_tlast) drop <= 0;
    if (rst) {row, column, bad, drop} <= 0;
  end
  (* hierconn *) wire [15:0] \dut.x ;
  (* hierconn *) wire [15:0] \dut.y ;
  (* hierconn *) wire [15:0] \dut.x_before_end ;
  (* hierconn *) wire [15:0] \dut.y_before_end ;
  (* hierconn *) wire \dut.x_is_one ;
  (* hierconn *) wire \dut.y_is_one ;
  (* hierconn *) wire \dut.x_at_end ;
  (* hierconn *) wire \dut.y_at_end ;
  always @* if (begun) begin
    // None is passed on twice, or without being accepted, or changed.
    if (passed) assert (accepted && !drop && in_data == s_axis_tdata[23:0]);
    // None is lost: what is accepted is passed on, or its image is dropped.
    if (accepted) assert (passed || drop || (last && !s_axis_tlast));
    // Nothing is passed on to an accelerator that has to be reset, and no wrong end.
    if (in_valid) assert (open && !kill && !resync && !bad && !drop);
    if (passed) assert (!last || s_axis_tlast);
    assert (complete == (passed && last) && beat == taken);
    assert (early == ((taken && s_axis_tlast && !last) || (resync && inside && !kill)));
    assert (late == (taken && !s_axis_tlast && last));
    assert (broken == bad && discarding == drop && receiving == inside);
    assert (offered == (s_axis_tvalid && !drop));
    assert (starved == (inside && !s_axis_tvalid && s_axis_tready && !drop));
    // No deadlock: what may be accepted is, and what is dropped always.
    if (drop) assert (s_axis_tready);
    if (open && in_ready && !kill && !resync && !bad) assert (s_axis_tready);
    assert (row < height && column < width);
    assert (\dut.x == column + 16'd1 && \dut.y == row + 16'd1);
    assert (\dut.x_before_end == was_width - 16'd1 && \dut.x_is_one == (was_width == 1));
    assert (\dut.y_before_end == was_height - 16'd1 && \dut.y_is_one == (was_height == 1));
    if (begun_2 && !was_reset && stood) begin
      assert (\dut.x_at_end == (\dut.x == was_width));
      assert (\dut.y_at_end == (\dut.y == was_height));
    end
  end

  // A whole image of two rows, one that is too short, and one that is too long.
  reg whole = 0, short = 0, long = 0;
  always @(posedge clk) if (!rst) begin
    if (complete && height == 2 && width == 2) whole <= 1;
    if (whole && early && taken) short <= 1;
    if (short && late) long <= 1;
  end
  (* keep *) wire reached = long && !drop && !bad;
endmodule
