//! Tests of what figures are made of. What they look like as SVG is in `tests/figures.rs`.

use super::layers::columns_of;

#[test]
fn a_stage_is_a_row_of_small_panels() {
    let names: Vec<String> = (1..4)
        .flat_map(|stage| (0..6).map(move |i| format!("layer{stage}.{}.conv{}", i / 2, i % 2 + 1)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(columns_of(&names), 6);
    assert_eq!(columns_of(&names[..7]), 4);
    assert_eq!(columns_of(&["conv1", "conv2", "conv3", "conv4", "conv5"]), 3);
    assert_eq!(columns_of(&["conv1"]), 2);
}
