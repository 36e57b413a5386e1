// What the post-processing of a column computes: docs/microarchitecture.md, section 5.3, stage by
// stage, in arithmetic of `W` bits, in which nothing overflows. `EXTENDED` is defined for extended
// hardware.
//
// The fields of the layer stay as they are, and the clips are those that the hardware makes from
// the descriptor: a limit that is not negative, and its negative. No more products match than there
// are. A pixel's words come as `reader` sends them: one for `add`, two pairs for `average`, one at a
// time for `extreme`.

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
  wire signed [15:0] shortcut, r, v, next_v;
  wire result;
  post dut (
    .clk(clk), .hits(hits), .products(products), .mul(mul), .bias(bias), .shift(shift),
    .even(even), .odd(odd), .use_even(use_even), .use_odd(use_odd), .first_word(first_word),
    .take(take), .average(average), .live(live), .clip(clip), .floor(floor),
`ifdef EXTENDED
    .extreme(extreme), .minimum(minimum), .before_term(before_term), .after_term(after_term),
    .slope(slope), .value_shift(value_shift), .threshold(threshold), .at_most(at_most),
    .value_clip(value_clip), .value_floor(value_floor), .next_v(next_v),
`endif
    .z(z), .y(y), .shortcut(shortcut), .r(r), .v(v), .result(result)
  );
`ifdef EXTENDED
  wire largest_or_smallest = extreme;
`else
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

  // D0 to D2.
  reg signed [W-1:0] z_1, z_2;
  wire signed [W-1:0] matches_0 = hits, products_0 = products;
  always @(posedge clk) {z_1, z_2} <= {2 * matches_0 - products_0, z_1};
  (* hierconn *) wire [ACC_BITS:0] \dut.z_d1 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_d2 ;
  wire signed [ACC_BITS:0] z_of_dut = \dut.z_d2 ;
  always @* begin
    if (age >= 1) assert ($signed(\dut.z_d1 ) == z_1);
    if (age >= 2) assert (z_of_dut == z_2);
  end
  // The product is that of `z_of_dut`, which equals `z_2`.
  wire signed [ACC_BITS+16:0] product_now = z_of_dut * mul;
  reg signed [W-1:0] product_3;
  always @(posedge clk) product_3 <= product_now;
  (* hierconn *) wire [ACC_BITS+16:0] \dut.product_3 ;
  always @* if (age >= 3) assert ($signed(\dut.product_3 ) == product_3);

  // D3, D4.
  localparam Y_BITS = (ACC_BITS + 17 > 40 ? ACC_BITS + 17 : 40) + 1;
  wire signed [W-1:0] bias_3 = bias;
  reg signed [W-1:0] biased_4, y_5;
  always @(posedge clk) begin
    biased_4 <= product_3 + bias_3;
    y_5 <= biased_4 >>> {shift, 2'd0};
  end
  (* hierconn *) wire [Y_BITS-1:0] \dut.biased_4 ;
  (* hierconn *) wire [Y_BITS-1:0] \dut.y_5 ;
  always @* begin
    if (age >= 4) assert ($signed(\dut.biased_4 ) == biased_4);
    if (age >= 5) assert ($signed(\dut.y_5 ) == y_5);
  end

  // The shortcut: the words of a pixel, of which there are `words`. They are sent a cycle before
  // what is said of them.
  reg known = 0;
  reg [3:0] words = 0;
  reg signed [W-1:0] total, word_4;
  reg both_4;
  wire signed [W-1:0] even_3 = use_even ? even : 0, odd_3 = use_odd ? odd : 0;
  always @(posedge clk) {word_4, both_4} <= {even_3 + odd_3, use_even && use_odd};
  (* hierconn *) wire [17:0] \dut.stream.words ;
  wire signed [W-1:0] n_words = words;
  wire better = minimum ? word_4 < total : word_4 > total;
  always @* begin
    if (age >= 1) begin
      assert ($signed(\dut.stream.words ) == word_4);
      assert (word_4 >= -65536 && word_4 <= 65534);
      if (!both_4) assert (word_4 >= -32768 && word_4 <= 32767);
    end
    if (take) begin
      assume (age >= 1);
      if (average) assume (first_word || words < 2);
      else assume (!both_4);
      if (!average && !largest_or_smallest) assume (first_word);
      if (!known) assume (first_word);
    end
  end
  always @(posedge clk) if (take) begin
    known <= 1;
    if (first_word) words <= 1;
    else if (words != 15) words <= words + 1;
    if (first_word) total <= word_4;
    else if (largest_or_smallest) total <= better ? word_4 : total;
    else total <= total + word_4;
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
  wire signed [W-1:0] shortcut_5 = live ? joined : 0;

  // D5, D6. The hardware limits `y` to 18 bits, which no clip can tell.
  wire signed [W-1:0] limit = clip;
  reg signed [W-1:0] y_6, y_7, shortcut_6, shortcut_7, r_7, z_3, z_4, z_5, z_6, z_7;
  wire signed [W-1:0] sum_6 = y_6 + shortcut_6;
  wire signed [W-1:0] limited_6 = y_6 > 131071 ? 131071 : y_6 < -131072 ? -131072 : y_6;
  reg known_6 = 0, known_7 = 0;
  always @(posedge clk) begin
    {y_7, y_6, shortcut_7, shortcut_6} <= {y_6, y_5, shortcut_6, shortcut_5};
    r_7 <= sum_6 > limit ? limit : sum_6 < -limit ? -limit : sum_6;
    {z_7, z_6, z_5, z_4, z_3} <= {z_6, z_5, z_4, z_3, z_2};
    {known_7, known_6} <= {known_6, known && age >= 5};
  end
  // It has no more bits than before.
  wire signed [Y_BITS-1:0] narrow_6 = y_6;
  always @* if (age >= 6) assert (narrow_6 == y_6);
  (* hierconn *) wire [18:0] \dut.sum_6 ;
  (* hierconn *) wire [15:0] \dut.r_7 ;
  always @* begin
    if (known_6) begin
      assert (age >= 6 && shortcut_6 >= -32768 && shortcut_6 <= 32767);
      assert ($signed(\dut.sum_6 ) == limited_6 + shortcut_6);
    end
    if (known_7) assert (age >= 7 && $signed(\dut.r_7 ) == r_7);
  end
  // What waits for the last stage.
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d1 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d2 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d3 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d4 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d5 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d1 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d2 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d1 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d2 ;
  always @* begin
    if (age >= 3) assert ($signed(\dut.z_wait_d1 ) == z_3);
    if (age >= 4) assert ($signed(\dut.z_wait_d2 ) == z_4);
    if (age >= 5) assert ($signed(\dut.z_wait_d3 ) == z_5);
    if (age >= 6) assert ($signed(\dut.z_wait_d4 ) == z_6);
    if (age >= 7) assert ($signed(\dut.z_wait_d5 ) == z_7);
    if (age >= 6) assert (\dut.y_wait_d1 == y_6[31:0]);
    if (age >= 7) assert (\dut.y_wait_d2 == y_7[31:0]);
    if (known_6) assert ($signed(\dut.shortcut_wait_d1 ) == shortcut_6);
    if (known_7) assert ($signed(\dut.shortcut_wait_d2 ) == shortcut_7);
  end
`ifndef EXTENDED
  always @* begin
    if (age >= 7) assert (z == z_7 && y == y_7[31:0]);
    if (known_7) assert (shortcut == shortcut_7 && r == r_7 && v == r_7 && result == (r_7 >= 0));
  end
  wire known_out = known_7;
  wire at_clip = r_7 == limit, below_zero = r_7 < 0;
`else

  // D7 to D9: the product is that of `u_of_dut`, which equals `u_8`.
  wire signed [W-1:0] before_7 = before_term;
  reg signed [W-1:0] u_8, u_9, p_9;
  (* hierconn *) wire [22:0] \dut.value.u_8 ;
  (* hierconn *) wire [22:0] \dut.value.u_9 ;
  (* hierconn *) wire [38:0] \dut.value.p_9 ;
  wire signed [22:0] u_of_dut = \dut.value.u_8 ;
  wire signed [38:0] p_now = u_of_dut * slope;
  reg known_8 = 0, known_9 = 0, known_10 = 0, known_11 = 0, known_12 = 0, known_13 = 0;
  always @(posedge clk) begin
    {u_9, u_8} <= {u_8, r_7 + before_7};
    p_9 <= p_now;
    {known_13, known_12, known_11, known_10, known_9, known_8} <=
      {known_12, known_11, known_10, known_9, known_8, known_7};
  end
  always @* begin
    if (known_8) assert (age >= 8 && u_of_dut == u_8);
    if (known_9) assert (age >= 9 && $signed(\dut.value.u_9 ) == u_9 && $signed(\dut.value.p_9 ) == p_9);
  end

  // D9 to D11: a product that is scaled is rounded down, and the rounding is added with `after`.
  // The hardware limits the product to 23 bits, which no clip can tell.
  wire negative_9 = u_9 < 0;
  wire signed [W-1:0] half = value_shift == 0 ? 0 : 1 << (4 * value_shift - 1);
  wire signed [W-1:0] lost_9 = p_9 & half;
  reg signed [W-1:0] scaled_10, down_10, down_11, sum_11;
  reg round_10, round_11;
  wire signed [W-1:0] after_10 = after_term;
  reg signed [W-1:0] after_11;
  always @(posedge clk) begin
    scaled_10 <= negative_9 ? (p_9 + half) >>> {value_shift, 2'd0} : u_9;
    down_10 <= negative_9 ? p_9 >>> {value_shift, 2'd0} : u_9;
    round_10 <= negative_9 && lost_9 != 0;
    sum_11 <= scaled_10 + after_10;
    {down_11, round_11, after_11} <= {down_10, round_10, after_10};
  end
  wire signed [W-1:0] down_limited_10 =
    down_10 > 4194303 ? 4194303 : down_10 < -4194304 ? -4194304 : down_10;
  wire signed [W-1:0] down_limited_11 =
    down_11 > 4194303 ? 4194303 : down_11 < -4194304 ? -4194304 : down_11;
  wire signed [W-1:0] up_10 = round_10, up_11 = round_11;
  wire signed [38:0] narrow_10 = down_10, narrow_11 = down_11;
  (* hierconn *) wire [22:0] \dut.value.scaled_10 ;
  (* hierconn *) wire \dut.value.round_10 ;
  (* hierconn *) wire [23:0] \dut.value.sum_11 ;
  always @* begin
    if (known_10) begin
      assert (age >= 10 && scaled_10 == down_10 + up_10);
      assert (narrow_10 == down_10);
      assert ($signed(\dut.value.scaled_10 ) == down_limited_10);
      assert (\dut.value.round_10 == round_10);
    end
    if (known_11) begin
      assert (age >= 11 && sum_11 == down_11 + up_11 + after_11);
      assert (narrow_11 == down_11);
      assert (after_11 >= -2097152 && after_11 <= 2097151);
      assert ($signed(\dut.value.sum_11 ) == down_limited_11 + up_11 + after_11);
    end
  end

  // D11 to D13.
  wire signed [W-1:0] value_limit = value_clip, threshold_12 = threshold;
  reg signed [W-1:0] v_12, v_13;
  reg result_13;
  always @(posedge clk) begin
    v_12 <= sum_11 > value_limit ? value_limit : sum_11 < -value_limit ? -value_limit : sum_11;
    v_13 <= v_12;
    result_13 <= at_most ? v_12 <= threshold_12 : v_12 >= threshold_12;
  end
  (* hierconn *) wire [15:0] \dut.value.v_12 ;
  always @* begin
    if (known_12) assert (age >= 12 && $signed(\dut.value.v_12 ) == v_12 && next_v == v_12);
    if (known_13) assert (age >= 13 && v == v_13 && result == result_13);
  end

  // The results of the earlier stages have waited.
  reg signed [W-1:0] z_8, z_9, z_10, z_11, z_12, z_13, y_8, y_9, y_10, y_11, y_12, y_13;
  reg signed [W-1:0] s_8, s_9, s_10, s_11, s_12, s_13, r_8, r_9, r_10, r_11, r_12, r_13;
  always @(posedge clk) begin
    {z_13, z_12, z_11, z_10, z_9, z_8} <= {z_12, z_11, z_10, z_9, z_8, z_7};
    {y_13, y_12, y_11, y_10, y_9, y_8} <= {y_12, y_11, y_10, y_9, y_8, y_7};
    {s_13, s_12, s_11, s_10, s_9, s_8} <= {s_12, s_11, s_10, s_9, s_8, shortcut_7};
    {r_13, r_12, r_11, r_10, r_9, r_8} <= {r_12, r_11, r_10, r_9, r_8, r_7};
  end
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d6 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d7 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d8 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d9 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d10 ;
  (* hierconn *) wire [ACC_BITS:0] \dut.z_wait_d11 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d3 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d4 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d5 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d6 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d7 ;
  (* hierconn *) wire [31:0] \dut.y_wait_d8 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d3 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d4 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d5 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d6 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d7 ;
  (* hierconn *) wire [15:0] \dut.shortcut_wait_d8 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d1 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d2 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d3 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d4 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d5 ;
  (* hierconn *) wire [15:0] \dut.r_wait_d6 ;
  always @* begin
    if (age >= 8) assert ($signed(\dut.z_wait_d6 ) == z_8 && \dut.y_wait_d3 == y_8[31:0]);
    if (age >= 9) assert ($signed(\dut.z_wait_d7 ) == z_9 && \dut.y_wait_d4 == y_9[31:0]);
    if (age >= 10) assert ($signed(\dut.z_wait_d8 ) == z_10 && \dut.y_wait_d5 == y_10[31:0]);
    if (age >= 11) assert ($signed(\dut.z_wait_d9 ) == z_11 && \dut.y_wait_d6 == y_11[31:0]);
    if (age >= 12) assert ($signed(\dut.z_wait_d10 ) == z_12 && \dut.y_wait_d7 == y_12[31:0]);
    if (age >= 13) assert ($signed(\dut.z_wait_d11 ) == z_13 && \dut.y_wait_d8 == y_13[31:0]);
    if (known_8) assert ($signed(\dut.shortcut_wait_d3 ) == s_8 && $signed(\dut.r_wait_d1 ) == r_8);
    if (known_9) assert ($signed(\dut.shortcut_wait_d4 ) == s_9 && $signed(\dut.r_wait_d2 ) == r_9);
    if (known_10) assert ($signed(\dut.shortcut_wait_d5 ) == s_10 && $signed(\dut.r_wait_d3 ) == r_10);
    if (known_11) assert ($signed(\dut.shortcut_wait_d6 ) == s_11 && $signed(\dut.r_wait_d4 ) == r_11);
    if (known_12) assert ($signed(\dut.shortcut_wait_d7 ) == s_12 && $signed(\dut.r_wait_d5 ) == r_12);
    if (known_13) assert ($signed(\dut.shortcut_wait_d8 ) == s_13 && $signed(\dut.r_wait_d6 ) == r_13);
  end
  always @* begin
    if (age >= 13) assert (z == z_13 && y == y_13[31:0]);
    if (known_13) assert (shortcut == s_13 && r == r_13);
  end
  wire known_out = known_13;
  reg p_negative_10, p_negative_11, p_negative_12, p_negative_13;
  always @(posedge clk) {p_negative_13, p_negative_12, p_negative_11, p_negative_10} <=
    {p_negative_12, p_negative_11, p_negative_10, p_9 < 0};
  wire at_clip = v_13 == value_limit, below_zero = v_13 < 0 && p_negative_13;
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
