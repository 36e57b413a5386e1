//! Breaks the text of a design.

use heartbit_cosim::Design;

/// Replaces a text that occurs once in a file of the design.
pub(crate) fn mutate(mut design: Design, file: &str, from: &str, to: &str) -> Design {
    let (_, text) =
        design.files.iter_mut().find(|(name, _)| name == file).expect("a file of the design");
    assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
    *text = text.replace(from, to);
    design
}
