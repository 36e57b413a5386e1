//! The model against the measurements that come with it.

use super::measured::{self, WHOLE};
use super::{Family, Model, to_float};

#[test]
fn every_family_is_judged_by_arrays_that_it_was_not_fitted_to() {
    for family in Family::ALL {
        let error = Model::of(family).error();
        assert!(error.arrays >= 3, "{family} has too few checks");
        assert!(error.lut < 0.08 && error.ff < 0.10, "{family}: {error:?}");
    }
}

#[test]
fn block_memories_and_multipliers_are_exact() {
    for family in [Family::Ice40, Family::Ecp5, Family::Gowin] {
        let error = Model::of(family).error();
        assert_eq!((error.bram, error.dsp), (0, 0), "{family}");
    }
}

#[test]
fn model_follows_what_it_was_fitted_to() {
    for family in Family::ALL {
        let model = Model::of(family);
        for m in measured::of(family).iter().filter(|m| m.module == WHOLE) {
            let area = model.area(&m.design);
            let ratio = to_float(area.lut) / to_float(family.logic(&m.cells));
            assert!((0.92..1.08).contains(&ratio), "{family} {:?}: {ratio}", m.design);
        }
    }
}
