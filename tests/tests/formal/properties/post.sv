// What the post-processing of a column computes: docs/microarchitecture.md, section 5.3, stage by
// stage, in arithmetic of `W` bits, in which nothing overflows. `EXTENDED` is defined for extended
// hardware.
//
// The fields of the layer stay as they are, and the clips are those that the hardware makes from
// the descriptor: a limit that is not negative, and its negative. No more products match than there
// are. A pixel's words come as `reader` sends them: one for `add`, two pairs for `average`, one at a time for `extreme`.

module post_check #(parameter ACC_BITS = 20) (
  input clk,
  input [ACC_BITS-1:0] hits, products,
  input signed [15:0] mul,
  input signed [39:0] bias,
  input [2:0] shift,
  input signed [15:0] even, odd,
  input use_even, use_odd, first_word, take, average, live,
  input signed [15:0] clip, floor,
  input extreme, minimum,
  input signed [21:0] before_term, after_term,
  input signed [15:0] slope,
  input [2:0] value_shift,
  input signed [15:0] value_clip, value_floor,
  input signed [16:0] threshold,
  input at_most
);
  localparam W = ACC_BITS > 28 ? ACC_BITS + 20 : 48;
  wire signed [ACC_BITS:0] z;
  wire [31:0] y;
  wire signed [15:0] shortcut, r, v;
  wire result;
  post dut (
    .clk(clk), .hits(hits), .products(products), .mul(mul), .bias(bias), .shift(shift),
    .even(even), .odd(odd), .use_even(use_even), .use_odd(use_odd), .first_word(first_word),
    .take(take), .average(average), .live(live), .clip(clip), .floor(floor),
`ifdef EXTENDED
    .extreme(extreme), .minimum(minimum), .before_term(before_term), .after_term(after_term),
    .slope(slope), .value_shift(value_shift), .threshold(threshold), .at_most(at_most),
    .value_clip(value_clip), .value_floor(value_floor),
`endif
    .z(z), .y(y), .shortcut(shortcut), .r(r), .v(v), .result(result)
  );
`ifdef EXTENDED
  localparam N = 3;
  wire largest_or_smallest = extreme;
`else
  localparam N = 0;
  wire largest_or_smallest = 0;
`endif

  reg [3:0] age = 0;
  always @(posedge clk) if (age != 15) age <= age + 1;

  // The fields of the layer.
  reg average_1, extreme_1;
  reg [2:0] shift_1, value_shift_1;
  reg [15:0] clip_1, value_clip_1;
  always @(posedge clk) begin
    {average_1, extreme_1, shift_1} <= {average, extreme, shift};
    {clip_1, value_shift_1, value_clip_1} <= {clip, value_shift, value_clip};
  end
  always @* begin
    if (age >= 1) begin
      assume ({average_1, extreme_1, shift_1} == {average, extreme, shift});
      assume ({clip_1, value_shift_1, value_clip_1} == {clip, value_shift, value_clip});
    end
    assume (hits <= products);
    assume (clip >= 0 && floor == -clip);
    assume (value_clip >= 0 && value_floor == -value_clip);
    assume (!(average && extreme));
  end

  // D0, D1.
  reg signed [W-1:0] z_1;
  wire signed [W-1:0] matches_0 = hits, products_0 = products;
  always @(posedge clk) z_1 <= 2 * matches_0 - products_0;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_1 ;
  wire signed [ACC_BITS:0] z_of_dut = \dut.z_1 ;
  always @* if (age >= 1) assert (z_of_dut == z_1);
  // The product is that of `z_of_dut`, which equals `z_1`.
  wire signed [ACC_BITS+16:0] product_now = z_of_dut * mul;
  reg signed [W-1:0] product_2;
  always @(posedge clk) product_2 <= product_now;
  (* hierconn *) wire [ACC_BITS+16:0] \dut.product_2 ;
  wire signed [ACC_BITS+16:0] product_of_dut = \dut.product_2 ;
  always @* if (age >= 2) assert (product_of_dut == product_2);

  // D2.
  localparam Y_BITS = (ACC_BITS + 17 > 40 ? ACC_BITS + 17 : 40) + 1;
  wire signed [W-1:0] bias_2 = bias;
  reg signed [W-1:0] y_3;
  always @(posedge clk) y_3 <= (product_2 + bias_2) >>> {shift, 2'd0};
  (* hierconn *) wire [Y_BITS-1:0] \dut.y_3 ;
  wire signed [Y_BITS-1:0] y_of_dut = \dut.y_3 ;
  always @* if (age >= 3) assert (y_of_dut == y_3);

  // The shortcut: the words of a pixel, of which there are `words`.
  reg known = 0;
  reg [3:0] words = 0;
  reg signed [W-1:0] total;
  wire signed [W-1:0] even_2 = use_even ? even : 0, odd_2 = use_odd ? odd : 0;
  wire signed [W-1:0] word_2 = even_2 + odd_2;
  wire signed [W-1:0] n_words = words;
  wire better = minimum ? word_2 < total : word_2 > total;
  always @* if (take) begin
    if (average) assume (first_word || words < 2);
    else assume (!(use_even && use_odd));
    if (!average && !largest_or_smallest) assume (first_word);
    if (!known) assume (first_word);
  end
  always @(posedge clk) if (take) begin
    known <= 1;
    if (first_word) words <= 1;
    else if (words != 15) words <= words + 1;
    if (first_word) total <= word_2;
    else if (largest_or_smallest) total <= better ? word_2 : total;
    else total <= total + word_2;
  end
  (* hierconn *) wire [17:0] \dut.stream.total ;
  wire signed [17:0] total_of_dut = \dut.stream.total ;
  always @* if (known) begin
    assert (total_of_dut == total);
    assert (words >= 1);
    if (average) assert (words <= 2 && total >= -65536 * n_words && total <= 65534 * n_words);
    else assert (total >= -32768 && total <= 32767);
  end
  wire signed [W-1:0] joined = average ? (total + 2) >>> 2 : total;
  wire signed [W-1:0] shortcut_3 = live ? joined : 0;

  // D3.
  wire signed [W-1:0] limit = clip, sum_3 = y_3 + shortcut_3;
  reg signed [W-1:0] r_4, shortcut_4, y_4, z_2, z_3, z_4;
  reg known_4 = 0;
  always @(posedge clk) begin
    r_4 <= sum_3 > limit ? limit : sum_3 < -limit ? -limit : sum_3;
    {shortcut_4, y_4, z_4, z_3, z_2} <= {shortcut_3, y_3, z_3, z_2, z_1};
    known_4 <= known && age >= 3;
  end
  (* hierconn *) wire [15:0] \dut.r_4 ;
  wire signed [15:0] r_of_dut = \dut.r_4 ;
  always @* if (known_4) assert (age >= 4 && r_of_dut == r_4);
  // What waits for the last stage.
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d1 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d2 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d3 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d1 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d1 ;
  always @* begin
    if (age >= 2) assert ($signed(\dut.z_wait_d1 ) == z_2);
    if (age >= 3) assert ($signed(\dut.z_wait_d2 ) == z_3);
    if (age >= 4) assert ($signed(\dut.z_wait_d3 ) == z_4);
    if (age >= 4) assert (\dut.y_wait_d1 == y_4[31:0]);
    if (known_4) assert ($signed(\dut.shortcut_wait_d1 ) == shortcut_4);
  end
`ifndef EXTENDED
  always @* begin
    if (age >= 4) assert (z == z_4 && y == y_4[31:0]);
    if (known_4) assert (shortcut == shortcut_4 && r == r_4 && v == r_4 && result == (r_4 >= 0));
  end
  wire known_out = known_4;
  wire at_clip = r_4 == limit, below_zero = r_4 < 0;
`else

  // D4 to D6.
  wire signed [W-1:0] before_4 = before_term, after_6 = after_term, value_limit = value_clip;
  reg signed [W-1:0] u_5, u_6, p_6;
  always @(posedge clk) {u_5, u_6} <= {r_4 + before_4, u_5};
  (* hierconn *) wire [22:0] \dut.value.u_5 ;
  wire signed [22:0] u_of_dut = \dut.value.u_5 ;
  (* hierconn *) wire [22:0] \dut.value.u_6 ;
  wire signed [22:0] u_6_of_dut = \dut.value.u_6 ;
  // The product is that of `u_of_dut`, which equals `u_5`.
  wire signed [38:0] p_now = u_of_dut * slope;
  always @(posedge clk) p_6 <= p_now;
  (* hierconn *) wire [38:0] \dut.value.p_6 ;
  wire signed [38:0] p_of_dut = \dut.value.p_6 ;
  wire signed [W-1:0] half = value_shift == 0 ? 0 : 1 << (4 * value_shift - 1);
  wire signed [W-1:0] scaled = u_6 >= 0 ? u_6 : (p_6 + half) >>> {value_shift, 2'd0};
  wire signed [W-1:0] value_6 = scaled + after_6;
  reg signed [W-1:0] v_7;
  always @(posedge clk)
    v_7 <= value_6 > value_limit ? value_limit : value_6 < -value_limit ? -value_limit : value_6;

  // D7: the results of the earlier stages have waited.
  reg signed [W-1:0] r_5, r_6, r_7, shortcut_5, shortcut_6, shortcut_7, y_5, y_6, y_7, z_5, z_6, z_7;
  reg known_5 = 0, known_6 = 0, known_7 = 0;
  always @(posedge clk) begin
    {r_7, r_6, r_5} <= {r_6, r_5, r_4};
    {shortcut_7, shortcut_6, shortcut_5} <= {shortcut_6, shortcut_5, shortcut_4};
    {y_7, y_6, y_5, z_7, z_6, z_5} <= {y_6, y_5, y_4, z_6, z_5, z_4};
    {known_7, known_6, known_5} <= {known_6, known_5, known_4};
  end
  wire signed [W-1:0] threshold_7 = threshold;
  always @* begin
    if (known_5) assert (age >= 5 && u_of_dut == u_5);
    if (known_6) assert (age >= 6 && u_6_of_dut == u_6 && p_of_dut == p_6);
    if (age >= 7) assert (z == z_7 && y == y_7[31:0]);
    if (known_7) begin
      assert (shortcut == shortcut_7 && r == r_7 && v == v_7);
      assert (result == (at_most ? v_7 <= threshold_7 : v_7 >= threshold_7));
    end
  end
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d4 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d5 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d6 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d2 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d3 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d4 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d2 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d3 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d4 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d1 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d2 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d3 ;
  always @* begin
    if (age >= 5) assert ($signed(\dut.z_wait_d4 ) == z_5);
    if (age >= 6) assert ($signed(\dut.z_wait_d5 ) == z_6);
    if (age >= 7) assert ($signed(\dut.z_wait_d6 ) == z_7);
    if (age >= 5) assert (\dut.y_wait_d2 == y_5[31:0]);
    if (age >= 6) assert (\dut.y_wait_d3 == y_6[31:0]);
    if (age >= 7) assert (\dut.y_wait_d4 == y_7[31:0]);
    if (known_5) assert ($signed(\dut.shortcut_wait_d2 ) == shortcut_5);
    if (known_6) assert ($signed(\dut.shortcut_wait_d3 ) == shortcut_6);
    if (known_7) assert ($signed(\dut.shortcut_wait_d4 ) == shortcut_7);
    if (known_5) assert ($signed(\dut.r_wait_d1 ) == r_5);
    if (known_6) assert ($signed(\dut.r_wait_d2 ) == r_6);
    if (known_7) assert ($signed(\dut.r_wait_d3 ) == r_7);
  end
  wire known_out = known_7;
  wire at_clip = v_7 == value_limit, below_zero = v_7 < 0 && p_6 < 0;
`endif

  // A negative result and one at the clip, after an average of four words.
  reg averaged = 0, clipped = 0, negative = 0;
  always @(posedge clk) if (known_out) begin
    if (average && words == 2 && total != 0 && live) averaged <= 1;
    if (averaged && at_clip) clipped <= 1;
    if (averaged && below_zero) negative <= 1;
  end
  (* keep *) wire reached = clipped && negative && shift != 0;
endmodule
