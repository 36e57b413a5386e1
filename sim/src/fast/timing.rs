//! Cycles of images whose steps wait for streamed weights.
//!
//! Without a weight port all images take the same cycles, and nothing here is needed. Waiting
//! changes no result: all gaps of a program are least gaps (microarchitecture.md, section 2.2).

use super::order::Cycles;
use crate::error::Error;
use crate::plan::Plan;
use crate::ring::Ring;
use crate::sequencer::{Cycle, Sequencer};
use std::sync::Arc;

/// The weight ring of an engine.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    plan: Arc<Plan>,
    ring: Ring,
}

impl Timing {
    /// Begins with an empty ring.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { ring: Ring::new(plan.port.as_ref()), plan }
    }

    /// Steps the sequencer through an image; returns the cycle in which it began, and its cycles.
    pub(super) fn image(&mut self) -> Result<(u64, Cycles), Error> {
        let Self { plan, ring } = self;
        let port = plan.port.as_ref().expect("bug: only programs with a port are timed");
        let start = ring.begin(port, None)?;
        let (mut layers, mut send, mut now) = (vec![0; plan.layers.len()], 0, 0);
        let mut sequencer = Sequencer::new();
        sequencer.start();
        loop {
            let layer = sequencer.layer();
            match sequencer.tick(plan, Some(ring), now) {
                Cycle::Idle => break,
                cycle => now += cycle.count(layer, &mut layers, &mut send),
            }
        }
        ring.end(port, now);
        Ok((start, (layers, send)))
    }
}
