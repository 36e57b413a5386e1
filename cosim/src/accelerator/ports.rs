//! The ports of an accelerator: microarchitecture.md, section 6.

use crate::{Error, PortId, Simulation};

/// The ports of an accelerator.
pub(super) struct Ports {
    pub(super) rst: PortId,
    pub(super) load: [PortId; 5],
    pub(super) image: [PortId; 3],
    pub(super) out_ready: PortId,
    pub(super) out_valid: PortId,
    pub(super) event: PortId,
    pub(super) error: PortId,
    pub(super) out_last: PortId,
    /// Ports of a record, in the order of [`WATCHED`].
    pub(super) watched: Vec<PortId>,
    /// First word of each watched port in a record.
    pub(super) offsets: Vec<usize>,
    pub(super) record_words: usize,
}

/// Ports that are recorded at every event.
const WATCHED: [&str; 18] = [
    "mon_state",
    "mon_layer",
    "mon_result_layer",
    "mon_valid",
    "mon_ct",
    "mon_y",
    "mon_x",
    "mon_sum",
    "mon_shortcut",
    "mon_stream",
    "mon_logit",
    "mon_value",
    "mon_bit",
    "mon_pool_valid",
    "mon_pool",
    "out_valid",
    "out_data",
    "out_last",
];

/// Recorded behind [`WATCHED`] where the port exists.
const LEVELS: &str = "mon_level";

/// Positions in [`WATCHED`].
#[derive(Clone, Copy)]
pub(super) enum Watched {
    State,
    Layer,
    ResultLayer,
    Valid,
    Ct,
    Y,
    X,
    Sum,
    Shortcut,
    Stream,
    Logit,
    Value,
    Bit,
    PoolValid,
    Pool,
    OutValid,
    OutData,
    OutLast,
    /// [`LEVELS`], which only extended hardware has.
    Level,
}

/// What the monitor shows of a pixel, in the cycles of `mon_valid`.
pub(crate) fn of_pixel() -> Vec<&'static str> {
    let shown = &WATCHED[Watched::Ct as usize..=Watched::Bit as usize];
    shown.iter().copied().chain([LEVELS]).collect()
}

impl Ports {
    pub(super) fn find(model: &dyn Simulation) -> Result<Self, Error> {
        let many =
            |names: &[&str]| names.iter().map(|n| model.port(n)).collect::<Result<Vec<_>, _>>();
        let load = many(&["load_en", "load_target", "load_index", "load_addr", "load_data"])?;
        let image = many(&["in_valid", "in_data", "in_ready"])?;
        let mut watched = many(&WATCHED)?;
        watched.extend(model.port(LEVELS));
        let mut offsets = Vec::new();
        // The cycle number comes first.
        let mut record_words = 2;
        for &port in &watched {
            offsets.push(record_words);
            record_words += model.port_info(port).n_words();
        }
        Ok(Self {
            rst: model.port("rst")?,
            load: load.try_into().expect("bug: five ports"),
            image: image.try_into().expect("bug: three ports"),
            out_ready: model.port("out_ready")?,
            out_valid: model.port("out_valid")?,
            event: model.port("mon_event")?,
            error: model.port("error")?,
            out_last: model.port("out_last")?,
            watched,
            offsets,
            record_words,
        })
    }
}
