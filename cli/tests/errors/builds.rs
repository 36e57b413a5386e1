//! Builds that are none, or were changed; what their links need.

use crate::transcript::Transcript;
use expect_test::expect_file;

const COMPILE: &str = "compile model.hbn --array 4x8x16 --out b";

#[test]
fn builds_that_are_none() {
    let mut t = Transcript::new();
    let sim = "sim b --data data --images 1";
    t.fails(3, sim);
    t.write("b/mine.txt", "precious");
    t.fails(3, COMPILE);
    t.fails(3, sim);
    std::fs::remove_dir_all(t.path("b")).expect("there");
    t.prepare(COMPILE);
    t.fails(3, "sim b --data data --images 1 --report no/such/place.html");
    t.fails(2, "sim b --data data --images 4 --shard 1/2 --report r.html");
    t.fails(2, "sim b --data data --images 4 --shard 0/2");
    t.fails(2, "sim b --data data --images 4 --shard 5/5");
    t.fails(2, "verify b --data data --array 4x8x16");
    t.fails(3, "run b --data data --port none --images 1");
    t.fails(3, "pnr b --board icebreaker");
    t.write("b/results/sim.json", "no JSON");
    t.fails(3, sim);
    t.write("b/results/sim.json", "{}");
    let kept = |t: &Transcript| {
        t.prepare(sim);
        let text = String::from_utf8(t.read("b/results/sim.json")).expect("JSON");
        t.write("b/results/sim.json", text.replacen("\"images\": 1", "\"images\": \"one\"", 1));
    };
    kept(&t);
    t.fails(3, "verify b --data data --images 1 --rtl-images 0");
    std::fs::remove_file(t.path("b/results/sim.json")).expect("there");
    let program = String::from_utf8(t.read("b/program.json")).expect("JSON");
    t.write("b/program.json", program.replacen("\"schema\": 1", "\"schema\": 9", 1));
    t.fails(3, sim);
    t.write("b/program.json", "{");
    t.fails(3, sim);
    t.write("b/program.json", &program);
    t.write("b/mem/weights_000.hex", "zz\n");
    t.fails(3, sim);
    t.write("b/network.hbn", "nothing");
    t.fails(3, sim);
    std::fs::remove_file(t.path("b/network.hbn")).expect("there");
    t.fails(3, sim);
    t.check(&expect_file!["builds.txt"]);
}

#[test]
fn links_that_are_none() {
    let mut t = Transcript::new();
    t.prepare("compile model.hbn --array 4x8x16 --out b --uart --clock-hz 24000000");
    t.fails(3, "run b --data data --images 1 --port /dev/absent");
    t.fails(2, "run b --data data --images 1 --simulate --board ulx3s-85f --gate-level");
    t.fails(2, "pnr b");
    t.fails(2, "pnr b --board none");
    t.fails(3, "pnr b --board-file none.toml");
    t.fails(2, "pnr b --board icebreaker --freq 36");
    t.fails(2, "pnr b --board icebreaker --freq 5");
    t.fails(2, "pnr b --board de10-nano --freq 30");
    let whole = include_str!("../../../boards/data/de10-nano.toml");
    let (before, pll) = whole.split_once("[pll]").expect("a board with a PLL");
    let behind = pll.find("\n[").map_or("", |end| &pll[end..]);
    let has_no_source = |line: &&str| !line.starts_with("pll =");
    let text = format!("{before}{behind}");
    let text: Vec<_> = text.lines().filter(has_no_source).collect();
    t.write("no-pll.toml", text.join("\n"));
    t.fails(2, "pnr b --board-file no-pll.toml --freq 30");
    t.fails(2, "pnr b --board arty-a7-35 --freq 24 --report r.html");
    let path = t.path("empty").display().to_string();
    t.fails_with(&[("PATH", &path)], 5, "pnr b --board icebreaker");
    std::fs::remove_file(t.path("b/rtl/heartbit_uart.v")).expect("there");
    t.fails(3, "pnr b --board icebreaker");
    t.write("b/host/link.json", "{\"schema\": 1}");
    t.fails(3, "pnr b --board icebreaker");
    t.write("b/host/link.json", "{\"schema\": 1, \"clock_hz\": 10, \"baud\": 1000000}");
    t.fails(3, "pnr b --board icebreaker");
    t.check(&expect_file!["builds-links.txt"]);
}
