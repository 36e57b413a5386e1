//! The weight ring cycle by cycle, as section 2.2 of microarchitecture.md describes it, with the
//! memory behind it: every column must read the word that its step needs.

use heartbit_ir::program::{PortSlots, Program, WeightRing};
use std::collections::VecDeque;

/// What the sequencer does in a cycle of an image.
#[derive(Clone, Copy)]
enum Action {
    /// A step of a layer whose weights are streamed, with the word of the image that it needs.
    Step {
        word: u64,
        first_tile: bool,
        last_tile: bool,
    },
    Other,
}

/// The actions of an image without a wait, each with its layer, if it counts for one.
fn actions(program: &Program) -> Vec<(Action, Option<usize>)> {
    let mut actions = vec![(Action::Other, Some(0)); 23];
    let mut base = 0;
    for (index, d) in program.layers.iter().enumerate() {
        let tiles = u64::from(d.out_height).div_ceil(d.lines.into()) * u64::from(d.row_tiles);
        let steps = u64::from(d.steps);
        let gap = |actions: &mut Vec<_>, cycles: u16| {
            actions.extend(vec![(Action::Other, Some(index)); cycles.into()]);
        };
        for ct in 0..u64::from(d.col_tiles) {
            for tile in 0..tiles {
                actions.extend((0..steps).map(|step| {
                    let word = base + ct * steps + step;
                    let (first_tile, last_tile) = (tile == 0, tile + 1 == tiles);
                    let action = Action::Step { word, first_tile, last_tile };
                    let streams = d.flags.stream_weights;
                    (if streams { action } else { Action::Other }, Some(index))
                }));
                gap(&mut actions, d.tile_gap);
            }
            gap(&mut actions, d.col_gap);
        }
        gap(&mut actions, d.layer_gap);
        if d.flags.stream_weights {
            base += u64::from(d.col_tiles) * steps;
        }
    }
    let sent = u64::from(program.header.classes) + 1;
    let read = program.layers.last().map_or(0, |d| d.col_tiles.into());
    actions.extend((0..sent + read).map(|_| (Action::Other, None)));
    actions
}

/// The ring and its port, cycle by cycle as on the page.
pub(super) struct Stepped {
    ring: WeightRing,
    slots: PortSlots,
    cols: usize,
    cycle: u64,
    /// A beat is offered.
    offers: bool,
    /// Beats that were accepted.
    beats: usize,
    /// Words whose last beat was accepted in an earlier cycle.
    words: u64,
    /// Those of them that are not free.
    held: usize,
    /// When words will be free.
    frees: VecDeque<u64>,
    /// The word in each address of each column.
    memory: Vec<Vec<Option<u64>>>,
    /// What is written in the next cycle: the first column and the word.
    write: Option<(usize, u64)>,
    /// Reads that are to come: cycle, column and word.
    reads: VecDeque<(u64, usize, u64)>,
    /// The first word of the image.
    base: u64,
    /// The first cycle in which an image can begin.
    pub(super) earliest: u64,
}

impl Stepped {
    pub(super) fn new(program: &Program) -> Self {
        let ring = program.depths.ring.expect("a ring");
        let cols = program.array.cols;
        Self {
            ring,
            slots: program.weight_stream.as_ref().expect("a sequence").slots.clone(),
            cols,
            cycle: 0,
            offers: false,
            beats: 0,
            words: 0,
            held: 0,
            frees: VecDeque::new(),
            memory: vec![vec![None; ring.words]; cols],
            write: None,
            reads: VecDeque::new(),
            base: 0,
            earliest: 0,
        }
    }

    /// What holds in this cycle before anything happens: offers and free words.
    fn begin(&mut self) {
        self.offers |= self.slots.is_slot(self.cycle);
        while self.frees.front().is_some_and(|&free| free <= self.cycle) {
            self.frees.pop_front();
            self.held -= 1;
        }
    }

    /// Reads and writes the memory, and accepts a beat.
    fn end(&mut self) {
        let address = |word: u64| usize::try_from(word).expect("small") % self.ring.words;
        // A read in the cycle of a write sees the word before.
        self.reads.retain(|&(cycle, column, word)| {
            let now = cycle == self.cycle;
            assert!(
                !now || self.memory[column][address(word)] == Some(word),
                "word {word} is lost"
            );
            !now
        });
        if let Some((first, word)) = self.write.take() {
            for column in &mut self.memory[first..first + self.ring.port_cols] {
                column[address(word)] = Some(word);
            }
        }
        if self.offers && self.held < self.ring.words {
            let (beats, word) = (self.cols / self.ring.port_cols, self.words);
            self.write = Some((self.beats % beats * self.ring.port_cols, word));
            self.offers = false;
            self.beats += 1;
            if self.beats.is_multiple_of(beats) {
                self.words += 1;
                self.held += 1;
            }
        }
        self.cycle += 1;
    }

    /// Tries what the sequencer does in this cycle; returns whether it waits.
    fn waits(&mut self, action: Action) -> bool {
        let Action::Step { word, first_tile, last_tile } = action else { return false };
        let word = self.base + word;
        if first_tile && word >= self.words {
            return true;
        }
        if last_tile {
            self.frees.push_back(self.cycle + self.cols as u64 + 3);
        }
        self.reads.extend((0..self.cols).map(|c| (self.cycle + 4 + c as u64, c, word)));
        false
    }

    /// Runs an image from a cycle on, or as soon as the ring is full; returns when it begins and the
    /// cycles of each layer.
    pub(super) fn run(&mut self, program: &Program, start: Option<u64>) -> (u64, Vec<u64>) {
        self.begin();
        while match start {
            Some(start) => self.cycle < start,
            None => self.cycle < self.earliest || self.held < self.ring.words,
        } {
            self.end();
            self.begin();
        }
        let start = self.cycle;
        let mut cycles = vec![0; program.layers.len()];
        for (action, layer) in actions(program) {
            loop {
                let waits = self.waits(action);
                self.end();
                self.begin();
                if let Some(layer) = layer {
                    cycles[layer] += 1;
                }
                if !waits {
                    break;
                }
            }
        }
        let streams = program.layers.iter().filter(|d| d.flags.stream_weights);
        self.base += streams.map(|d| u64::from(d.col_tiles) * u64::from(d.steps)).sum::<u64>();
        self.earliest = self.cycle + 1;
        // The cycle has begun: the next image begins it again, which changes nothing.
        (start, cycles)
    }
}
