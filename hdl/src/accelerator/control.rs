//! Wiring of what decides: header, program, sequencer, drain and the position of the pixel that is
//! drained.

use super::sizes::delay_control;
use super::{Top, drain, legality, memories};
use crate::build::Instance;

impl<'m> Top<'m> {
    /// The header of the program, which passes the load port.
    pub(super) fn connect_header(&self) {
        self.header
            .set("en", self.program.enable)
            .set("address", self.program.address)
            .set("data", self.program.data);
    }

    /// Program memory, descriptor, sequencer, and the position at the post-processing.
    pub(super) fn control(&self) {
        let (m, sequencer) = (self.m, self.sequencer);
        let program =
            memories::shared("program_words", "Program memory.", 32, self.sizes.depths.program);
        let program = m
            .inst("program_mem", &program)
            .set("en", self.program.enable)
            .set("to", self.program.address)
            .set("data", self.program.data);
        let fetch = self.fetch;
        program.set("from", fetch.out("pc"));
        for name in ["idle", "fetching", "begin_front", "begin_wait"] {
            fetch.set(name, sequencer.out(name));
        }
        self.connect_front(fetch, &["drain_wait"]);
        for (part, take) in [(self.front, "take_front"), (self.results, "take_results")] {
            part.set("take", fetch.out(take)).set("word", program.out("word"));
        }
        self.connect_front(
            sequencer,
            &[
                "steps",
                "step_base",
                "weight_base",
                "col_tiles",
                "row_tiles",
                "out_height",
                "tile_gap",
                "col_gap",
                "layer_gap",
                "last_layer",
                "keep_image",
            ],
        );
        let legality = m.inst("legality", &legality::legality());
        let checked = ["steps", "col_tiles", "row_tiles", "out_height", "drain_wait", "layer_gap"];
        self.connect_front(legality, &checked);
        self.connect_front(legality, &["last_layer"]);
        sequencer.set("illegal", legality.out("illegal"));
        m.output("busy", sequencer.out("busy"), "not idle");
        m.output("error", sequencer.out("error"), "halted at an illegal layer, until reset");
        if self.sizes.lines > 1 {
            self.connect_front(sequencer, &["lines"]);
            self.connect_results(self.position, &["lines"]);
        }

        self.connect_results(self.beats, &["shortcut"]);
        if self.sizes.extended {
            self.connect_results(self.beats, &["window", "write_levels", "level_bits"]);
        }
        let position = self.position;
        position
            .set("load", fetch.out("load_results"))
            .set("last_read", self.beats.out("last_read"))
            .set("last_beat", self.beats.out("last_beat"));
        self.connect_results(position, &["row_tiles", "out_height", "out_width"]);
    }

    /// Starts drain and position, so many cycles after the last step of a tile that the bottom row
    /// of column 0 is next, or of all columns.
    pub(super) fn drain(&self) -> Instance<'m> {
        let (m, sizes) = (self.m, self.sizes);
        let wait = sizes.popcount_latency + sizes.rows + 3;
        let early = delay_control(m, "start_early", self.sequencer.out("last"), wait);
        let start = delay_control(m, "start", early, 2);
        // The position is needed two cycles before the pixel, so that addresses have one.
        self.position.set("start", delay_control(m, "start_post", early, sizes.cols - 1));
        m.inst("drain", &drain::drain(sizes))
            .set("start", start)
            .set("last_beat", self.beats.out("last_beat"))
    }
}
