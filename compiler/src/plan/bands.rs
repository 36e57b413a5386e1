//! Layers in bands: the program's sequence of layers, each with the rows that it computes.
//!
//! A group of layers may run *band by band*: for each band of rows of the last layer's result, the
//! layers of the group compute the rows that this band needs, rows at its borders again and again.
//! Only the last layer's result is ever whole.
//!
//! Not here: which layers are worth it ([`crate::schedule`]), where the rows lie.

use super::{Convolution, Layer, Plan, ShortcutKind, Source, WrittenMap};
use heartbit_ir::network::{Network, OpKind};
use serde::{Deserialize, Serialize};

/// A group of layers that run band by band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// First layer of the group.
    pub first: usize,
    /// Last layer of the group.
    pub last: usize,
    /// Rows of the last layer's result in a band; the last band may have fewer.
    pub height: usize,
}

impl Bands {
    /// Whether a layer is in the group.
    pub fn contains(&self, layer: usize) -> bool {
        (self.first..=self.last).contains(&layer)
    }

    /// Whether a layer's results are kept for one band only.
    fn is_partial(&self, layer: usize) -> bool {
        (self.first..self.last).contains(&layer)
    }

    /// Number of bands.
    pub fn count(&self, plan: &Plan) -> usize {
        plan.layers[self.last].shape[0].div_ceil(self.height)
    }
}

/// Rows of a value: those from `first` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The first one.
    pub first: usize,
    /// The one behind the last.
    pub end: usize,
}

impl Rows {
    /// All rows of a value.
    pub fn whole(height: usize) -> Self {
        Self { first: 0, end: height }
    }

    /// Number of rows.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// Whether a row is one of them.
    pub fn contains(&self, row: usize) -> bool {
        (self.first..self.end).contains(&row)
    }

    /// All rows from the first to the last of both.
    fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), end: self.end.max(other.end) }
    }
}

/// Rows of an operand that a row of a result needs: `before + 1 + after` of them, around
/// `stride` times the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) stride: usize,
    pub(crate) before: usize,
    after: usize,
}

impl Reach {
    /// What a convolution needs of its map.
    pub(crate) fn of_map(network: &Network, convolution: &Convolution) -> Self {
        let OpKind::Conv { kernel, .. } = network.ops[convolution.conv].kind else {
            unreachable!("bug: a convolution");
        };
        let before = (kernel - 1) / 2;
        Self { stride: convolution.stride, before, after: kernel - 1 - before }
    }

    /// What a layer needs of the stream that joins it.
    pub(crate) fn of_stream(network: &Network, kind: ShortcutKind) -> Self {
        match kind {
            ShortcutKind::Identity { stride } => Self { stride, before: 0, after: 0 },
            ShortcutKind::Average { .. } => Self { stride: 2, before: 0, after: 1 },
            ShortcutKind::Extreme { value } => {
                let OpKind::MaxPool { kernel, stride, padding, .. } = network.ops[value].kind
                else {
                    unreachable!("bug: an extreme is max_pool");
                };
                Self { stride, before: padding, after: kernel - 1 - padding }
            }
        }
    }

    /// The rows of an operand of so many that rows of a result need.
    pub(crate) fn rows(&self, result: Rows, height: usize) -> Rows {
        let end = (result.end - 1) * self.stride + self.after + 1;
        Rows { first: self.first_row(result), end: end.min(height) }
    }

    /// The first of them.
    pub(crate) fn first_row(&self, result: Rows) -> usize {
        (result.first * self.stride).saturating_sub(self.before)
    }
}

/// A layer as the program has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramLayer {
    /// The layer of the plan.
    pub layer: usize,
    /// The rows of its result that are computed.
    pub rows: Rows,
    /// The band, where it runs in bands.
    pub band: Option<usize>,
}

/// The layers in the order of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// What runs in bands, if anything does.
    pub bands: Option<Bands>,
    /// The program's layers.
    pub layers: Vec<ProgramLayer>,
    /// Where each layer of the plan is in `layers`.
    of_layer: Vec<Vec<usize>>,
}

impl Sequence {
    /// Every layer once, whole.
    pub fn whole(plan: &Plan) -> Self {
        Self::from_layers(plan, None, whole_layers(plan, 0..plan.layers.len()))
    }

    /// A group of layers in bands; `None` if these layers cannot run so.
    pub fn in_bands(network: &Network, plan: &Plan, bands: Bands) -> Option<Self> {
        let Bands { first, last, height } = bands;
        if !can_run(plan, bands) {
            return None;
        }
        let mut layers = whole_layers(plan, 0..first);
        let all = plan.layers[last].shape[0];
        for (band, begin) in (0..all).step_by(height).enumerate() {
            let of_last = Rows { first: begin, end: (begin + height).min(all) };
            let rows = needed_rows(network, plan, bands, of_last)?;
            let layer = |(i, rows)| ProgramLayer { layer: first + i, rows, band: Some(band) };
            layers.extend(rows.into_iter().enumerate().map(layer));
        }
        layers.extend(whole_layers(plan, last + 1..plan.layers.len()));
        Some(Self::from_layers(plan, Some(bands), layers))
    }

    fn from_layers(plan: &Plan, bands: Option<Bands>, layers: Vec<ProgramLayer>) -> Self {
        let mut of_layer = vec![Vec::new(); plan.layers.len()];
        for (index, layer) in layers.iter().enumerate() {
            of_layer[layer.layer].push(index);
        }
        Self { bands, layers, of_layer }
    }

    /// The program's layers that compute what one of them, `reader`, reads of a layer of the plan.
    pub(crate) fn writers(&self, reader: usize, layer: usize) -> &[usize] {
        let all = &self.of_layer[layer];
        match (self.layers[reader].band, self.bands) {
            (Some(band), Some(bands)) if bands.contains(layer) => &all[band..=band],
            _ => all,
        }
    }

    /// All of the program's layers that a layer of the plan became.
    pub fn of_layer(&self, layer: usize) -> &[usize] {
        &self.of_layer[layer]
    }

    /// Whether a layer's results are kept for one band only.
    pub(crate) fn is_partial(&self, layer: usize) -> bool {
        self.bands.is_some_and(|bands| bands.is_partial(layer))
    }

    /// The name of one of the program's layers, for reports.
    pub fn name(&self, plan: &Plan, index: usize) -> String {
        let ProgramLayer { layer, rows, band } = self.layers[index];
        let name = &plan.layers[layer].name;
        match band {
            Some(_) => format!("{name}, rows {} to {}", rows.first, rows.end - 1),
            None => name.clone(),
        }
    }
}

fn whole_layers(plan: &Plan, layers: std::ops::Range<usize>) -> Vec<ProgramLayer> {
    let whole = |layer: usize| ProgramLayer {
        layer,
        rows: Rows::whole(plan.layers[layer].shape[0]),
        band: None,
    };
    layers.map(whole).collect()
}

/// Whether layers can run in bands: each works line by line, and only the last one's result is read
/// by layers behind the group.
fn can_run(plan: &Plan, bands: Bands) -> bool {
    let Bands { first, last, height } = bands;
    let Some(group) = plan.layers.get(first..=last) else { return false };
    let partial = &group[..group.len() - 1];
    group.len() > 1
        && (1..plan.layers[last].shape[0]).contains(&height)
        && group.iter().all(|layer| works_by_lines(plan, layer))
        && partial.iter().all(|l| !l.flat && l.map_last_use.max(l.stream_last_use) <= last)
}

/// Whether a layer reads lines of a map, of a stream or of the image, and does not sum up its result.
fn works_by_lines(plan: &Plan, layer: &Layer) -> bool {
    let pooled = |layer: &Layer| matches!(layer.map, Some(WrittenMap::Pooled(_)));
    let reads_one_pixel = match layer.source() {
        Some(Source::Layer(from)) => plan.layers[from].flat || pooled(&plan.layers[from]),
        Some(Source::Image) | None => false,
    };
    !pooled(layer) && !reads_one_pixel
}

/// The rows that each layer of a group has to compute; `None` if nothing reads one.
fn needed_rows(network: &Network, plan: &Plan, bands: Bands, of_last: Rows) -> Option<Vec<Rows>> {
    let Bands { first, last, .. } = bands;
    let mut needed: Vec<Option<Rows>> = vec![None; last + 1 - first];
    needed[last - first] = Some(of_last);
    for index in (first..=last).rev() {
        let layer = &plan.layers[index];
        let rows = needed[index - first]?;
        let map = layer.convolution.as_ref().and_then(|convolution| match convolution.source {
            Source::Layer(from) => Some((from, Reach::of_map(network, convolution))),
            Source::Image => None,
        });
        let stream = layer.shortcut.map(|s| (s.from, Reach::of_stream(network, s.kind)));
        for (from, reach) in map.into_iter().chain(stream).filter(|(from, _)| *from >= first) {
            let read = reach.rows(rows, plan.layers[from].shape[0]);
            let needed = &mut needed[from - first];
            *needed = Some(needed.map_or(read, |known| known.and(read)));
        }
    }
    needed.into_iter().collect()
}
