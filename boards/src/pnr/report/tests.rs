//! Reports of real runs, with their long paths cut.

use super::{Report, shortages};
use heartbit_compiler::resources::Family;

const ICE40: &str = include_str!("testdata/ice40.json");
const ICE40_LOG: &str = include_str!("testdata/ice40.log");
const ECP5: &str = include_str!("testdata/ecp5.json");
const GOWIN: &str = include_str!("testdata/gowin.json");
const TOO_BIG: &str = include_str!("testdata/too-big.log");

#[test]
fn reports_of_all_families_are_read() {
    let read = |family, json| Report::read(family, json, ICE40_LOG).expect("a report");
    let ice40 = read(Family::Ice40, ICE40);
    assert_eq!((ice40.lut.used, ice40.lut.available), (31, 5280));
    assert_eq!((ice40.ff.used, ice40.ram.available, ice40.dsp.available), (27, 30, 8));
    let clock = ice40.array_clock().expect("the clock of the array");
    assert!((clock.fmax_mhz - 80.18).abs() < 0.01 && ice40.met());
    let slowest = ice40.slowest.expect("a path");
    assert!(slowest.logic_ns > slowest.routing_ns && slowest.from.ends_with("_LC"));
    let ecp5 = read(Family::Ecp5, ECP5);
    assert_eq!((ecp5.lut.used, ecp5.ff.used, ecp5.ram.available), (33, 27, 208));
    assert!(ecp5.array_clock().is_some() && ecp5.met());
    let gowin = read(Family::Gowin, GOWIN);
    assert_eq!((gowin.lut.used, gowin.ff.used, gowin.ram.available), (44, 27, 26));
    assert!(gowin.array_clock().is_some() && gowin.met());
}

#[test]
fn missed_timing_is_seen() {
    let slow = ICE40.replace("\"achieved\": 80.", "\"achieved\": 40.");
    assert_ne!(slow, ICE40);
    assert!(!Report::read(Family::Ice40, &slow, ICE40_LOG).expect("a report").met());
}

#[test]
fn what_is_no_report_is_an_error() {
    for (json, words) in [
        ("", "EOF"),
        ("{}", "missing field `fmax`"),
        (r#"{"fmax": {}, "utilization": {}}"#, "no count of look-up tables"),
    ] {
        let error = Report::read(Family::Ecp5, json, "").expect_err("no report");
        assert!(error.contains(words), "{error}");
    }
    let error = Report::read(Family::Ice40, ICE40, "").expect_err("no log");
    assert!(error.contains("flip-flops"), "{error}");
}

#[test]
fn shortages_are_read_from_the_log() {
    let short = shortages(TOO_BIG);
    assert_eq!(short.len(), 1, "{short:?}");
    assert_eq!(
        (short[0].cell.as_str(), short[0].used, short[0].available),
        ("ICESTORM_RAM", 40, 30)
    );
    assert_eq!(shortages(ICE40_LOG), []);
}
