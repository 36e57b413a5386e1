//! The sequencer: which state the accelerator is in, cycle by cycle.
//!
//! Section 5.4 of microarchitecture.md. Nothing here knows a formula for the length of a layer:
//! the cycle counts of an execution are those of which [`Sequencer::tick`] returned something other
//! than [`Cycle::Idle`]. How long a step waits for its weights, `ring` knows.
//! The layer here is the one whose steps are issued; the results of the layer before may be under
//! way in `post` meanwhile.

use crate::plan::{LayerPlan, Plan};
use crate::ring::Ring;
use heartbit_ir::program::DESCRIPTOR_WORDS;

/// Cycles of `Fetch`, before layer 0 only: its descriptor words and two for the last data.
pub(crate) const FETCH_CYCLES: usize = DESCRIPTOR_WORDS + 2;

/// What the sequencer does in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cycle {
    /// No image.
    Idle,
    /// Reads the descriptor of layer 0.
    Fetch,
    /// A step waits for its weights in so many cycles, this one included.
    Wait(u64),
    /// Issues a step.
    Issue(Issue),
    /// A gap after a tile, a column tile or a layer.
    Gap,
    /// The last cycle of the gap after the last layer: all results are written.
    End,
    /// Reads a logit word.
    ReadLogits,
    /// Sends a logit.
    SendLogit(usize),
    /// Sends the class, the last beat.
    SendClass,
}

impl Cycle {
    /// Adds the cycles that it stands for to those of the layer they belong to, or of `Send`, and
    /// returns how many they are.
    pub(crate) fn count(self, layer: usize, layers: &mut [u64], send: &mut u64) -> u64 {
        let cycles = match self {
            Cycle::Idle => return 0,
            Cycle::ReadLogits | Cycle::SendLogit(_) | Cycle::SendClass => {
                *send += 1;
                return 1;
            }
            Cycle::Wait(cycles) => cycles,
            Cycle::Fetch | Cycle::Issue(_) | Cycle::Gap | Cycle::End => 1,
        };
        layers[layer] += cycles;
        cycles
    }
}

/// A step on its way to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    /// The layer.
    pub(crate) layer: usize,
    /// Column tile.
    pub(crate) ct: usize,
    /// Row of tiles: the output row, or several of them.
    pub(crate) t: usize,
    /// Tile of the row of tiles.
    pub(crate) xt: usize,
    /// Step of the tile.
    pub(crate) step: usize,
    /// The last step of the tile.
    pub(crate) last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Fetch(usize),
    Step,
    TileGap(u16),
    ColumnGap(u16),
    LayerGap(u16),
    ReadLogits(u16),
    SendLogit(usize),
    SendClass,
}

/// The sequencer's registers.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    state: State,
    layer: usize,
    ct: usize,
    t: usize,
    xt: usize,
    step: usize,
}

impl Sequencer {
    pub(crate) fn new() -> Self {
        Self { state: State::Idle, layer: 0, ct: 0, t: 0, xt: 0, step: 0 }
    }

    /// Tells that an image is complete: the next cycle is the first of `Fetch`.
    pub(crate) fn start(&mut self) {
        assert_eq!(self.state, State::Idle, "bug: an image was started before the last one ended");
        self.layer = 0;
        self.state = State::Fetch(FETCH_CYCLES);
    }

    /// The layer whose steps are issued, and to which the next cycle belongs.
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }

    /// Advances by one cycle, `now` of the image, or by several of [`Cycle::Wait`], and returns what
    /// happened. Without a ring no step waits.
    pub(crate) fn tick(&mut self, plan: &Plan, ring: Option<&mut Ring>, now: u64) -> Cycle {
        match self.state {
            State::Idle => Cycle::Idle,
            State::Step => {
                let layer = &plan.layers[self.layer];
                match (layer.streamed, ring) {
                    (Some(first), Some(ring)) => {
                        self.issue_streamed(plan, layer, first, (ring, now))
                    }
                    _ => self.issue(plan, layer),
                }
            }
            State::Fetch(left) => {
                self.state = if left > 1 { State::Fetch(left - 1) } else { self.enter_run() };
                Cycle::Fetch
            }
            State::TileGap(left) => {
                self.state = if left > 1 { State::TileGap(left - 1) } else { self.next_tile(plan) };
                Cycle::Gap
            }
            State::ColumnGap(left) => {
                self.state =
                    if left > 1 { State::ColumnGap(left - 1) } else { self.next_column(plan) };
                Cycle::Gap
            }
            State::LayerGap(left) if left > 1 => {
                self.state = State::LayerGap(left - 1);
                Cycle::Gap
            }
            State::LayerGap(_) => self.end_layer(plan),
            State::ReadLogits(left) => {
                self.state =
                    if left > 1 { State::ReadLogits(left - 1) } else { State::SendLogit(0) };
                Cycle::ReadLogits
            }
            State::SendLogit(index) => {
                let last = index + 1 == usize::from(plan.header.classes);
                self.state = if last { State::SendClass } else { State::SendLogit(index + 1) };
                Cycle::SendLogit(index)
            }
            State::SendClass => {
                self.state = State::Idle;
                Cycle::SendClass
            }
        }
    }

    fn enter_run(&mut self) -> State {
        (self.ct, self.t, self.xt, self.step) = (0, 0, 0, 0);
        State::Step
    }

    /// Issues a step whose word is in the sequence of streamed weights, unless it is not there yet.
    fn issue_streamed(
        &mut self,
        plan: &Plan,
        layer: &LayerPlan,
        first: u64,
        (ring, now): (&mut Ring, u64),
    ) -> Cycle {
        let port = plan.port.as_ref().expect("bug: streamed weights have a port");
        let word = first + (self.ct * layer.ops.len() + self.step) as u64;
        let tile = (self.t, self.xt);
        if tile == (0, 0) {
            match ring.arrival(port, word).saturating_sub(now) {
                0 => {}
                cycles => return Cycle::Wait(cycles),
            }
        }
        if tile == (layer.tile_rows - 1, usize::from(layer.d.row_tiles) - 1) {
            ring.free(port, word, now);
        }
        self.issue(plan, layer)
    }

    fn issue(&mut self, plan: &Plan, layer: &LayerPlan) -> Cycle {
        let (ct, t, xt, step) = (self.ct, self.t, self.xt, self.step);
        let last = step + 1 == layer.ops.len();
        self.step += 1;
        if last {
            self.step = 0;
            self.state = match layer.d.tile_gap {
                0 => self.next_tile(plan),
                gap => State::TileGap(gap),
            };
        }
        Cycle::Issue(Issue { layer: self.layer, ct, t, xt, step, last })
    }

    fn next_tile(&mut self, plan: &Plan) -> State {
        let layer = &plan.layers[self.layer];
        self.xt += 1;
        if self.xt < usize::from(layer.d.row_tiles) {
            return State::Step;
        }
        self.xt = 0;
        self.t += 1;
        if self.t < layer.tile_rows {
            return State::Step;
        }
        self.t = 0;
        match layer.d.col_gap {
            0 => self.next_column(plan),
            gap => State::ColumnGap(gap),
        }
    }

    fn next_column(&mut self, plan: &Plan) -> State {
        let d = &plan.layers[self.layer].d;
        self.ct += 1;
        if self.ct < usize::from(d.col_tiles) {
            return State::Step;
        }
        State::LayerGap(d.layer_gap)
    }

    /// The last cycle of a layer's gap.
    fn end_layer(&mut self, plan: &Plan) -> Cycle {
        let d = &plan.layers[self.layer].d;
        if d.flags.last_layer {
            self.state = State::ReadLogits(d.col_tiles);
            return Cycle::End;
        }
        self.layer += 1;
        self.state = self.enter_run();
        Cycle::Gap
    }
}
