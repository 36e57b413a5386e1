// The AXI4-Lite slave: an answer for each write and each read, and one write or read of a word for
// each. Address and data of a write come in any order.

module axi_lite_check (
  input clk, rst,
  input [11:0] s_axi_awaddr, s_axi_araddr,
  input [2:0] s_axi_awprot, s_axi_arprot,
  input s_axi_awvalid, s_axi_wvalid, s_axi_bready, s_axi_arvalid, s_axi_rready,
  input [31:0] s_axi_wdata, read_data,
  input [3:0] s_axi_wstrb,
  input write_ok, read_ok
);
  wire s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid, write, read;
  wire [1:0] s_axi_bresp, s_axi_rresp;
  wire [9:0] write_word, read_word;
  wire [31:0] write_data, s_axi_rdata;
  axi_lite dut (
    .clk(clk), .rst(rst), .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(s_axi_awprot),
    .s_axi_awvalid(s_axi_awvalid), .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb),
    .s_axi_wvalid(s_axi_wvalid), .s_axi_bready(s_axi_bready), .write_ok(write_ok),
    .s_axi_araddr(s_axi_araddr), .s_axi_arprot(s_axi_arprot), .s_axi_arvalid(s_axi_arvalid),
    .s_axi_rready(s_axi_rready), .read_data(read_data), .read_ok(read_ok),
    .s_axi_awready(s_axi_awready), .s_axi_wready(s_axi_wready), .s_axi_bvalid(s_axi_bvalid),
    .s_axi_bresp(s_axi_bresp), .write(write), .write_word(write_word), .write_data(write_data),
    .s_axi_arready(s_axi_arready), .s_axi_rvalid(s_axi_rvalid), .s_axi_rdata(s_axi_rdata),
    .s_axi_rresp(s_axi_rresp), .read(read), .read_word(read_word)
  );
  reset first (.clk(clk), .rst(rst));
  offer #(.BITS(2)) b (
    .clk(clk), .rst(rst), .valid(s_axi_bvalid), .ready(s_axi_bready), .payload(s_axi_bresp)
  );
  offer #(.BITS(34)) r (
    .clk(clk), .rst(rst), .valid(s_axi_rvalid), .ready(s_axi_rready),
    .payload({s_axi_rdata, s_axi_rresp})
  );

  // Accepted, and not carried out yet: `address`, `data`, `ask`; carried out, and not answered
  // yet: `b_due`, `r_due`. All these numbers are at most 1: see the accepting side below.
  wire aw = s_axi_awvalid && s_axi_awready, w = s_axi_wvalid && s_axi_wready;
  wire ar = s_axi_arvalid && s_axi_arready;
  wire b_beat = s_axi_bvalid && s_axi_bready, r_beat = s_axi_rvalid && s_axi_rready;
  reg begun = 0, address, data, ask, b_due, r_due;
  reg [11:0] address_is, ask_is;
  reg [31:0] data_is, r_data;
  reg whole;
  reg [1:0] b_is, r_is;
  // A write is carried out in the first cycle in which both its parts are there and the answer
  // before has left; so is a read.
  wire carry = address && data && (!b_due || b_beat);
  wire fetch = ask && (!r_due || r_beat);
  always @(posedge clk) begin
    begun <= 1;
    if (aw) {address, address_is} <= {1'b1, s_axi_awaddr};
    else if (carry) address <= 0;
    if (w) {data, data_is, whole} <= {1'b1, s_axi_wdata, s_axi_wstrb == 4'hf};
    else if (carry) data <= 0;
    if (carry) {b_due, b_is} <= {1'b1, write_ok && whole ? 2'd0 : 2'd2};
    else if (b_beat) b_due <= 0;
    if (ar) {ask, ask_is} <= {1'b1, s_axi_araddr};
    else if (fetch) ask <= 0;
    if (fetch) {r_due, r_data, r_is} <= {1'b1, read_ok ? {read_data, 2'd0} : {32'd0, 2'd2}};
    else if (r_beat) r_due <= 0;
    if (rst) {address, data, ask, b_due, r_due} <= 0;
  end
  (* hierconn *) wire \dut.w_whole ;
  always @* if (begun) begin
    // No address, data or answer is lost: nothing is accepted while its place is taken.
    if (aw) assert (!address);
    if (w) assert (!data);
    if (ar) assert (!ask);
    // No deadlock: what has its place free is accepted.
    assert (s_axi_awready == !address && s_axi_wready == !data && s_axi_arready == !ask);
    // No answer without its request, and none missing.
    assert (s_axi_bvalid == b_due && s_axi_rvalid == r_due);
    if (b_due) assert (s_axi_bresp == b_is);
    if (r_due) assert (s_axi_rdata == r_data && s_axi_rresp == r_is);
    // Each is carried out once, with its own address and data; what writes single bytes, never.
    assert (write == (carry && whole) && read == fetch);
    if (address) assert (write_word == address_is[11:2]);
    if (data) assert (write_data == data_is && \dut.w_whole == whole);
    if (ask) assert (read_word == ask_is[11:2]);
  end

  // A write whose data come first, a refused one, and a read whose answer waits.
  reg early = 0, wrote = 0, refused = 0, waited = 0;
  always @(posedge clk) if (!rst) begin
    if (data && !address && !aw) early <= 1;
    if (early && write) wrote <= 1;
    if (b_beat && s_axi_bresp == 2) refused <= 1;
    if (ask && s_axi_rvalid && !s_axi_rready && r_is == 0) waited <= 1;
  end
  (* keep *) wire reached = wrote && refused && waited;
endmodule
