//! Board files that are wrong, and where.

use super::{BOARDS, Board, BoardError, ConstraintsFormat, Flow, boards, parse};

fn text(from: &str, to: &str) -> String {
    let (_, text) = BOARDS.into_iter().find(|(name, _)| *name == "ulx3s-85f").expect("there");
    assert!(text.contains(from), "`{from}` is not in the file");
    text.replace(from, to)
}

/// The problems of the file of a ULX3S with a text replaced; the line is that of the replacement.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let text = text(from, to);
    let line = text[..text.find(to).expect("replaced")].matches('\n').count() + 1;
    let error = parse("x", "x.toml", &text).expect_err("it is not valid");
    assert!(error.to_string().contains("`x.toml`"), "{error}");
    let BoardError::Invalid { problems, .. } = error else { panic!("{error}") };
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, words) in problems.iter().zip(expected) {
        assert_eq!(problem.line, line, "{problem}");
        assert!(problem.rule.contains(words), "{problem}");
    }
}

#[test]
fn built_in_boards_are_valid_and_sorted() {
    let boards = boards();
    assert!(boards.is_sorted_by(|a, b| a.name < b.name));
    assert!(boards.iter().any(|board| board.model.is_none()), "some have no model");
    let open = boards.iter().filter(|board| board.flow == Flow::Open);
    assert_eq!(open.count(), 8);
}

#[test]
fn fields_are_read() {
    let board = Board::find("ulx3s-85f").expect("built in");
    assert_eq!((board.clock.pin.site.as_str(), board.clock.mhz), ("G2", 25.0));
    assert_eq!((board.uart_rx.site.as_str(), board.uart_tx.site.as_str()), ("M1", "L4"));
    assert_eq!(board.constraints, ConstraintsFormat::Lpf);
    assert_eq!(board.memories[0].bytes, 32 << 20);
    let nano = Board::find("tang-nano-9k").expect("built in");
    assert_eq!(nano.uart_rx.standard, "LVCMOS33");
    let led = nano.leds[0].clone().expect("an LED");
    assert!(led.active_low && led.pin.standard == "LVCMOS18");
}

#[test]
fn problems_have_lines_and_rules() {
    check("\"ecp5\"", "\"spartan\"", &["no family: ice40, ecp5, gowin, xc7, xcup"]);
    check("clock_mhz = 43.75", "clock_mhz = -1", &["more than 0"]);
    check("clock_mhz = 43.75", "clock_mhz = nan", &["more than 0"]);
    check("lut = 83640", "lut = 0", &["at least one `lut`"]);
    check("lut = 83640", "lut = -4", &[""]);
    check("title = \"ULX3S 85F\"", "title = \" \"", &["empty"]);
    check("[source]", "[source", &[""]);
}

#[test]
fn pins_that_the_package_lacks_or_that_are_taken_are_refused() {
    check("\"G2\"", "\"A1\"", &["CABGA381 has no user pin `A1`"]);
    check("\"G2\"", "\"g2\"", &["no user pin `g2`"]);
    check("tx = \"L4\"", "tx = \"M1\"", &["`M1` is taken in line"]);
    check("busy = \"C2\"", "busy = \"G2\"", &["`G2` is taken in line"]);
}

#[test]
fn a_pin_has_a_form_where_no_table_is_known() {
    let text = text("CABGA381", "CABGA756");
    parse("x", "x.toml", &text).expect("any pin of a package without a table");
    let wrong = text.replace("\"G2\"", "\"PIN_G2\"");
    let error = parse("x", "x.toml", &wrong).expect_err("not valid").to_string();
    assert!(error.contains("`PIN_G2` is no pin"), "{error}");
}

#[test]
fn clocks_need_a_pin_and_a_unit() {
    check("\"25 MHz\"", "\"25 ms\"", &["no frequency: write a number and Hz, kHz or MHz"]);
    check("\"25 MHz\"", "25", &["invalid type"]);
    check("\"32 MiB\"", "\"32 MB\"", &["no size"]);
    check("\"16 bit\"", "\"2 bytes\"", &["no width"]);
    let text = text("[clock]\npin = \"G2\"\nfrequency = \"25 MHz\"\n", "");
    let error = parse("x", "x.toml", &text).expect_err("it is not valid").to_string();
    assert!(error.contains("line 1: there is no [clock]"), "{error}");
}

#[test]
fn unknown_keys_are_refused() {
    check("clock_mhz = 43.75", "speed_mhz = 60", &["unknown field `speed_mhz`"]);
    check("frequency = ", "frequenzy = ", &["unknown field `frequenzy`"]);
}

#[test]
fn tools_fit_the_family() {
    check("flow = \"open\"", "flow = \"vendor\"", &["the other flow"]);
    check("constraints = \"lpf\"", "constraints = \"pcf\"", &["are `lpf`"]);
    check("part = \"85k\"", "part = \"85f\"", &["no part of ecp5: 12k, 25k"]);
    check("\"EHXPLLL\"", "\"rPLL\"", &["no PLL of ecp5: EHXPLLL"]);
    check("vco_mhz = [400, 800]", "vco_mhz = [800, 400]", &["no range"]);
    check("clock_mhz = 43.75", "clock_mhz = 900", &["cannot make 900 MHz"]);
}

#[test]
fn nothing_of_a_file_gets_into_scripts_but_words() {
    check("\"LVCMOS33\"", "\"LVCMOS33; exec ls\"", &["must begin with a letter"]);
    check("package = \"CABGA381\"", "package = \"--run\"", &["must begin with a letter"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = text("lut = 83640", "lut = 0").replace("\"M1\"", "\"M99\"");
    let error = parse("x", "x.toml", &text).expect_err("it is not valid").to_string();
    assert!(error.contains("`M99`") && error.contains("at least one `lut`"), "{error}");
}
