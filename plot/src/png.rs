//! PNG from SVG, with a font that is built in.

use crate::Error;
use resvg::{tiny_skia, usvg};
use std::sync::Arc;

/// Pixels of the PNG in a pixel of the figure: 300 dots an inch where a figure has 96.
const ZOOM: f32 = 3.125;

/// Returns a figure's SVG as PNG.
pub(crate) fn render(figure: &'static str, svg: &str) -> Result<Vec<u8>, Error> {
    let failed = |reason: String| Error::Draw { figure, reason };
    let mut options = usvg::Options::default();
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    options.fontdb = Arc::new(fonts);
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size().scale_by(ZOOM);
    let size = size.ok_or_else(|| failed("the figure has no size".to_owned()))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| failed("the figure is too large".to_owned()))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(ZOOM, ZOOM), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(error.to_string()))
}
