use super::heights;

#[test]
fn every_number_of_bands_has_its_least_heights() {
    assert_eq!(heights(7, 1), [1, 2, 3, 4]);
    assert_eq!(heights(14, 4), [1, 2, 3, 4, 5, 7, 8]);
    assert_eq!(heights(1, 1), [0; 0]);
}
