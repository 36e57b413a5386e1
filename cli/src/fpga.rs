//! The FPGA that an array has to fit, and what is said where it does not.

use crate::args::FpgaArgs;
use crate::failure::{Code, Failure, Outcome};
use crate::output::grouped;
use heartbit_boards::board::{Board, BoardError};
use heartbit_compiler::resources::{Area, Design, Family, Model, Wrapper};
use heartbit_compiler::search::fit::{Budget, Capacity, Shortage, culprit, shortages};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use serde_json::{Value, json};

/// Share of a board's tables and flip-flops that an array may take.
const FILL: f64 = 0.85;
/// Clock of a family without a board.
const CLOCK_MHZ: f64 = 50.0;

/// An FPGA with its model.
pub(crate) struct Fpga {
    /// Name of the board, or of the family.
    pub(crate) name: String,
    pub(crate) model: &'static Model,
    pub(crate) capacity: Capacity,
    pub(crate) clock_mhz: f64,
    /// What is around the array.
    pub(crate) wrapper: Wrapper,
    /// The board, if it is one.
    pub(crate) board: Option<Board>,
    /// What it was given by on the command line.
    pub(crate) flags: Vec<String>,
}

impl Fpga {
    pub(crate) fn new(args: &FpgaArgs) -> Outcome<Self> {
        let mut found = None;
        let (name, family, capacity, clock_mhz) = match (&args.board, args.family) {
            (Some(name), _) => {
                let board = Board::find(name)?;
                let family = board.model.ok_or_else(|| no_model(&board))?;
                let fill = args.fill.unwrap_or(FILL);
                let capacity = Capacity {
                    lut: board.capacity.lut.map(|n| share_of(n, fill)),
                    ff: board.capacity.ff.map(|n| share_of(n, fill)),
                    ..board.capacity
                };
                let board = found.insert(board);
                (board.name.clone(), family, capacity, board.clock_mhz)
            }
            (None, Some(family)) => {
                (family.name().to_owned(), family, Capacity::default(), CLOCK_MHZ)
            }
            (None, None) => {
                let message = "neither a board nor a family is given";
                return Err(Failure::new(Code::Usage, message).help("give `--board` or `--family`"));
            }
        };
        let capacity = Capacity {
            lut: args.lut.or(capacity.lut),
            ff: args.ff.or(capacity.ff),
            bram: args.bram.or(capacity.bram),
            dsp: args.dsp.or(capacity.dsp),
        };
        let clock_mhz = args.clock.unwrap_or(clock_mhz);
        let (model, flags) = (Model::of(family), args.flags());
        let wrapper = Wrapper::None;
        Ok(Self { name, model, capacity, clock_mhz, wrapper, board: found, flags })
    }

    pub(crate) fn family(&self) -> Family {
        self.model.family()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name, "family": self.family().name(), "capacity": self.capacity,
            "clock_mhz": self.clock_mhz, "wrapper": self.wrapper,
        })
    }

    /// What an array may take.
    pub(crate) fn budget(&self) -> Budget {
        Budget { family: self.family(), wrapper: self.wrapper, capacity: self.capacity }
    }

    /// How far the estimates are from synthesis, in a sentence.
    pub(crate) fn model_note(&self) -> String {
        model_note(self.model)
    }

    /// The area of an array in a sentence.
    pub(crate) fn describe(&self, area: &Area) -> String {
        let of =
            |limit: Option<u64>| limit.map_or(String::new(), |n| format!(" of {}", grouped(n)));
        let (family, limits) = (self.family(), &self.capacity);
        format!(
            "{}{} {}, {}{} flip-flops, {}{} {}, {}{} multipliers",
            grouped(area.lut),
            of(limits.lut),
            family.logic_unit(),
            grouped(area.ff),
            of(limits.ff),
            grouped(area.bram),
            of(limits.bram),
            family.bram_unit(),
            grouped(area.dsp),
            of(limits.dsp),
        )
    }

    /// Whether an array fits.
    pub(crate) fn fits(&self, array: &ArrayConfig, depths: &MemoryDepths) -> bool {
        self.budget().fits(array, depths)
    }

    /// The area of an array, if it fits.
    pub(crate) fn fit(&self, array: &ArrayConfig, depths: &MemoryDepths) -> Outcome<Area> {
        let area = self.budget().area(array, depths);
        let short = shortages(&area, &self.capacity);
        if short.is_empty() {
            return Ok(area);
        }
        let help = "`heartbit search` lists the arrays that fit; leave `--array` out for the fastest, \
                    or stream the weights that do not fit (`--weight-port`)";
        Err(self.does_not_fit(array, depths, &short, help))
    }

    /// The error of an array for which resources are short.
    pub(crate) fn does_not_fit(
        &self,
        array: &ArrayConfig,
        depths: &MemoryDepths,
        shortages: &[Shortage],
        help: &str,
    ) -> Failure {
        let design = Design { array: *array, depths: *depths, wrapper: self.wrapper };
        let short = |s: &Shortage| {
            let (module, share, parameter) = culprit(self.model, &design, s.resource);
            format!(
                "{} {} are needed, {} more than the {} it may take; {:.0} % are in `{module}`, so change {parameter}",
                grouped(s.needed),
                s.resource.describe(self.family()),
                grouped(s.needed - s.available),
                grouped(s.available),
                100.0 * share,
            )
        };
        let all: Vec<String> = shortages.iter().map(short).collect();
        let message = format!(
            "the array {}x{}x{} does not fit {}: {}",
            array.rows,
            array.cols,
            array.lanes,
            self.name,
            all.join("; ")
        );
        Failure::new(Code::DoesNotFit, message).help(format!("{help} ({})", self.model_note()))
    }
}

/// How far a model's estimates are from synthesis, in a sentence.
pub(crate) fn model_note(model: &Model) -> String {
    let (error, unit) = (model.error(), model.family().logic_unit());
    if error.arrays == 0 {
        return format!(
            "{unit} and flip-flops are estimates that no array has been kept back to check yet"
        );
    }
    format!(
        "{unit} and flip-flops are estimates, within {:.1} % and {:.1} % of yosys on {} arrays that \
         the model was not fitted to",
        100.0 * error.lut,
        100.0 * error.ff,
        error.arrays,
    )
}

/// A share of a number, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a small number is one"
)]
fn share_of(number: u64, share: f64) -> u64 {
    (number as f64 * share) as u64
}

fn no_model(board: &Board) -> Failure {
    let message = format!(
        "there is no resource model for {} (`{}`), the family of `{}`",
        board.family, board.device, board.name
    );
    Failure::new(Code::Usage, message)
        .help("give `--family` with the nearest one, and `--lut`, `--ff`, `--bram` and `--dsp`")
}

impl From<BoardError> for Failure {
    fn from(error: BoardError) -> Self {
        match &error {
            BoardError::Unknown { .. } => Self::from_error(Code::Usage, error)
                .help("`heartbit boards` lists the boards; a file of your own ends in .toml"),
            BoardError::Invalid { .. } => Self::from_error(Code::BadInput, error)
                .help("docs/adding-a-board.md has the fields of a board file"),
            _ => Self::from_error(Code::BadInput, error)
                .help("check that the path exists and that you may use it"),
        }
    }
}
