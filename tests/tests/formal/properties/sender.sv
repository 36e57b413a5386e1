// The sender of results: all logits in order and the class, each once; the class is the first of
// the largest logits. docs/microarchitecture.md, section 5.4, state `Send`.
//
// The sequencer leaves the state with the last beat; the memory shows the word that was addressed
// in the cycle before.

module sender_check #(parameter COLS = 4, COLUMN_BITS = 2) (
  input clk, rst,
  input sending, out_ready,
  input [15:0] classes,
  input [COLS*32-1:0] word
);
  wire [15:0] from;
  wire out_valid, out_last, beat, sent;
  wire [31:0] out_data;
  sender dut (
    .clk(clk), .rst(rst), .sending(sending), .classes(classes), .word(word),
    .out_ready(out_ready), .from(from), .out_valid(out_valid), .out_data(out_data),
    .out_last(out_last), .beat(beat), .sent(sent)
  );
  reset first (.clk(clk), .rst(rst));
  offer #(.BITS(33)) out (
    .clk(clk), .rst(rst), .valid(out_valid), .ready(out_ready), .payload({out_data, out_last})
  );

  reg begun = 0, was_sending, was_sent, was_reset, was_valid;
  reg [15:0] was_classes, was_from, before_from;
  reg [COLS*32-1:0] was_word;
  always @(posedge clk) begin
    begun <= 1;
    {was_sending, was_sent, was_reset, was_valid} <= {sending, sent, rst, out_valid};
    {was_classes, was_from, before_from, was_word} <= {classes, from, was_from, word};
  end
  always @* begin
    assume (classes != 0);
    if (!begun || was_reset) assume (!sending);
    if (begun && was_sending) begin
      assume (sending == !was_sent || was_reset);
      assume (classes == was_classes);
      if (was_from == before_from) assume (word == was_word);
    end
  end

  // Logit `n` is in column `column` of word `row`.
  reg [15:0] n, row, class;
  reg [7:0] column;
  reg signed [31:0] best;
  wire signed [31:0] logit = word[32 * column +: 32];
  wire accepted = out_valid && out_ready;
  always @(posedge clk)
    if (!sending || rst) {n, row, column} <= 0;
    else if (accepted && !out_last) begin
      n <= n + 1;
      column <= column == COLS - 1 ? 0 : column + 1;
      if (column == COLS - 1) row <= row + 1;
      if (n == 0 || logit > best) {class, best} <= {n, logit};
    end
  (* hierconn *) wire [15:0] \dut.index ;
  (* hierconn *) wire [COLUMN_BITS-1:0] \dut.column ;
  (* hierconn *) wire \dut.reading ;
  (* hierconn *) wire \dut.ending ;
  always @* if (begun) begin
    assert (beat == accepted && sent == (beat && out_last));
    if (!sending) assert (!out_valid);
    if (sending) begin
      assert (n <= classes && column < COLS);
      // No deadlock: a beat is there at once, apart from the first cycle of a word.
      if (was_sending && !was_valid && !was_reset) assert (out_valid);
      if (out_valid) begin
        assert (out_last == (n == classes));
        if (out_last) assert (out_data == class);
        else assert (out_data == logit && was_from == row);
      end
      if (n != classes) assert (from == row && \dut.index == n);
      assert (\dut.ending == (n == classes) && \dut.column == column);
      if (!was_sending) assert (\dut.reading );
      if (!\dut.reading && n != classes) assert (was_from == row);
      if (\dut.ending ) assert (!\dut.reading );
    end
  end
  // A logit is compared in the cycle after that of its beat.
  (* hierconn *) wire \dut.pending ;
  (* hierconn *) wire \dut.better ;
  (* hierconn *) wire [31:0] \dut.sent_logit ;
  (* hierconn *) wire [15:0] \dut.sent_index ;
  (* hierconn *) wire [31:0] \dut.best ;
  (* hierconn *) wire [15:0] \dut.best_index ;
  always @* if (begun && sending && n != 0) begin
    assert ((\dut.better ? \dut.sent_logit : \dut.best ) == best);
    assert ((\dut.better ? \dut.sent_index : \dut.best_index ) == class);
    if (\dut.pending ) assert (\dut.sent_index == n - 16'd1);
  end

  // Results of two words, whose class is neither the first nor the last one.
  reg middle = 0;
  always @(posedge clk)
    if (sent && !rst && classes > COLS && class != 0 && class != classes - 1) middle <= 1;
  (* keep *) wire reached = middle && !sending;
endmodule
