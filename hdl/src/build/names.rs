//! Which identifiers a description may use.
//!
//! Refused: anything but `[a-z][a-z0-9_]*`, double underscores (Verilator's escapes), words of
//! Verilog (the later editions' too) and C++ (Verilator makes C++ members of nets), and the names that the
//! emitter makes itself (`clk`, `rst`, `unused`, `t` followed by digits).

const RESERVED: &str = " \
 accept_on alias alignas alignof always always_comb always_ff always_latch and asm assert assign \
 assume auto automatic before begin bind bins binsof bit bitand bitor bool break buf bufif0 bufif1 \
 byte case casex casez catch cell chandle char checker class clk clocking cmos compl config const \
 constexpr constraint context continue cover covergroup coverpoint cross deassign decltype default \
 defparam delete design disable dist do double edge else end endcase endchecker endclass \
 endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage \
 endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event \
 eventually expect explicit export extends extern false final first_match float for force foreach \
 forever fork forkjoin friend function generate genvar global goto highz0 highz1 if iff ifnone \
 ignore_bins illegal_bins implements implies import incdir include inf initial inline inout input \
 inside instance int integer interconnect interface intersect join join_any join_none large let \
 liblist library local localparam logic long longint macromodule mailbox matches medium modport \
 module mutable namand namespace nand negedge nettype new nexttime nmos noexcept nor noshowcancelled \
 not notif0 notif1 null nullptr operator or output package packed parameter pmos posedge primitive \
 priority private program property protected public pull0 pull1 pulldown pullup pulsestyle_ondetect \
 pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg register \
 reject_on release repeat restrict return rnmos rpmos rst rtran rtranif0 rtranif1 s_always \
 s_eventually s_nexttime s_until s_until_with scalared semaphore sequence shared short shortint \
 shortreal showcancelled signed sizeof small soft solve specify specparam static static_assert \
 std step string strong strong0 strong1 struct super supply0 supply1 switch sync_accept_on \
 sync_reject_on table tagged task template this thread_local throughout throw time timeprecision \
 timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg true try type type_option typedef \
 typeid typename union unique unique0 unsigned until until_with untyped unused use using uwire var \
 vectored virtual void volatile wait wait_order wand wchar_t weak weak0 weak1 while wildcard wire \
 with within wor xnor xor ";

/// Why `name` may not be used, or `None` when it may.
pub(crate) fn refuse(name: &str) -> Option<&'static str> {
    let mut chars = name.chars();
    if !chars.next().is_some_and(|c| c.is_ascii_lowercase())
        || !chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    {
        return Some("names are lower-case letters, digits and underscores, a letter first");
    }
    if name.contains("__") || name.ends_with('_') {
        return Some("double and trailing underscores belong to the tools");
    }
    if RESERVED.split_whitespace().any(|word| word == name) {
        return Some("it is a word of Verilog or C++, or a name that the emitter makes");
    }
    let digits = name.strip_prefix('t').unwrap_or("");
    if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
        return Some("`t` and digits is the emitter's own");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::refuse;

    #[test]
    fn reserved_and_generated_names_are_refused() {
        for name in ["", "A", "1a", "a-b", "a__b", "a_", "reg", "int", "clk", "rst", "t0", "unused"]
        {
            assert!(refuse(name).is_some(), "{name}");
        }
        for name in ["a", "t", "tx0", "t0_q", "west_data", "acc"] {
            assert!(refuse(name).is_none(), "{name}");
        }
    }
}
