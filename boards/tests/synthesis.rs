//! The resource model against yosys, now, on a design that is in none of the tables.

use heartbit_boards::synthesis::whole;
use heartbit_compiler::resources::{Design, Family, Model};

/// Largest share by which logic and flip-flops may differ: that of the model's checks.
const LARGEST_ERROR: [f64; 2] = [0.08, 0.10];

#[expect(clippy::cast_precision_loss, reason = "cells are far below 2^53")]
fn check(family: Family, design: &str) {
    let fields: Vec<&str> = design.split(',').collect();
    let design = Design::from_fields(&fields).expect("a design");
    let cells = whole(family, &design).expect("yosys");
    let area = Model::of(family).area(&design);
    let error = |model: u64, is: u64| (model as f64 / is as f64 - 1.0).abs();
    let errors = [error(area.lut, family.logic(&cells)), error(area.ff, cells.ff)];
    assert!(errors[0] < LARGEST_ERROR[0] && errors[1] < LARGEST_ERROR[1], "{area:?} {cells:?}");
    assert_eq!((area.bram, area.dsp), (cells.bram, cells.dsp));
}

#[test]
fn array_behind_a_serial_line_is_what_yosys_makes_of_it_on_ecp5() {
    check(Family::Ecp5, "2,3,20,1,1,15,0,600,300,1500,36,1024,4,300,300,0,0,uart");
}

#[test]
fn array_with_a_weight_ring_is_what_yosys_makes_of_it_on_gowin() {
    check(Family::Gowin, "3,2,24,1,1,16,0,400,300,900,30,700,5,260,250,256,2,none");
}
