//! Networks, arrays, FPGAs and boards that do not go together.

use crate::transcript::Transcript;
use expect_test::expect_file;

#[test]
fn networks_that_do_not_fit() {
    let mut t = Transcript::new();
    let compile = |rest: &str| format!("compile model.hbn --out b --array {rest}");
    t.fails(2, &compile("8x8"));
    t.fails(2, &compile("0x8x16"));
    t.fails(2, &compile("8x8x3"));
    t.fails(4, &compile("8x8x16 --acc-bits 12"));
    t.fails(4, &compile("8x8x16 --weight-words 100 --stream-words 64"));
    t.fails(4, &compile("1x1x4"));
    t.fails(4, &compile("8x8x16 --taps 4"));
    t.fails(4, &compile("8x8x16 --lines 3"));
    t.fails(4, &compile("8x8x16 --weight-port 3"));
    t.fails(4, &compile("8x8x16 --weight-port 2 --weight-ring 63"));
    t.fails(2, &compile("8x8x16 --weight-port 2 --weight-rate 3/2"));
    t.fails(2, &compile("8x8x16 --weight-port 8 --axi --weight-rate 1/1"));
    t.fails(2, &compile("8x8x16 --weight-bandwidth 100"));
    t.fails(2, &compile("8x8x16 --uart --clock-hz 0"));
    t.fails(2, &compile("8x8x16 --uart --clock-hz 1000000 --baud 1000000"));
    t.fails(2, &compile("8x8x16 --uart --clock-hz 12000000 --baud 2600000"));
    t.fails(4, &compile("16x16x64 --board icebreaker"));
    t.fails(2, &compile("8x8x16 --board none"));
    t.fails(2, &compile("8x8x16 --family pdp11"));
    t.fails(2, "search model.hbn");
    t.fails(2, "search model.hbn --board ulx3s-85f --accuracy 0.5,0.6");
    t.fails(4, "search model.hbn --family ice40 --lut 100");
    t.check(&expect_file!["fitting.txt"]);
}

#[test]
fn board_files_that_are_none() {
    let mut t = Transcript::new();
    let compile = "compile model.hbn --array 8x8x16 --out b --board own.toml";
    t.fails(3, compile);
    t.write("own.toml", "titel = 1\n");
    t.fails(3, compile);
    let own = include_str!("../../../boards/data/hx8k.toml");
    t.write("own.toml", own.replacen("mhz", "megahertz", 1));
    t.fails(3, compile);
    t.fails(3, "boards --catalogue absent");
    t.write("results/a.json", "{}");
    t.fails(3, "boards --catalogue results");
    t.check(&expect_file!["fitting-boards.txt"]);
}
