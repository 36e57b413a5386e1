//! What holds on every valid/ready channel: an offer stays as it is until it is accepted.

/// Checks one channel, cycle by cycle.
#[derive(Clone, Debug)]
pub struct Channel {
    name: &'static str,
    /// What was offered and not accepted in the cycle before.
    offered: Option<Vec<u64>>,
}

impl Channel {
    /// A channel without an offer.
    pub fn new(name: &'static str) -> Self {
        Self { name, offered: None }
    }

    /// Takes the pins of a cycle; returns whether a transfer happens.
    ///
    /// # Errors
    /// If an offer of the cycle before was withdrawn or changed.
    pub fn observe(&mut self, valid: bool, ready: bool, payload: &[u64]) -> Result<bool, String> {
        if let Some(offered) = &self.offered {
            if !valid {
                return Err(format!("{}: valid fell without ready", self.name));
            }
            if offered != payload {
                let name = self.name;
                return Err(format!("{name}: {offered:x?} became {payload:x?} without ready"));
            }
        }
        self.offered = (valid && !ready).then(|| payload.to_vec());
        Ok(valid && ready)
    }

    /// A reset withdraws every offer.
    pub fn reset(&mut self) {
        self.offered = None;
    }
}

#[cfg(test)]
mod tests {
    use super::Channel;

    /// Valid, ready, payload of some cycles.
    type Trace<'a> = &'a [(bool, bool, u64)];

    fn run(trace: Trace<'_>) -> Result<usize, String> {
        let mut channel = Channel::new("x");
        let mut transfers = 0;
        for &(valid, ready, payload) in trace {
            transfers += usize::from(channel.observe(valid, ready, &[payload])?);
        }
        Ok(transfers)
    }

    #[test]
    fn good_traces_pass() {
        let waits = [(true, false, 5), (true, false, 5), (true, true, 5), (false, true, 0)];
        assert_eq!(run(&waits), Ok(1));
        assert_eq!(run(&[(true, true, 1), (true, true, 2), (false, false, 7)]), Ok(2));
    }

    #[test]
    fn bad_traces_are_named() {
        let fallen = run(&[(true, false, 5), (false, false, 5)]);
        assert_eq!(fallen, Err("x: valid fell without ready".to_owned()));
        let fallen = run(&[(true, false, 5), (false, true, 5)]);
        assert_eq!(fallen, Err("x: valid fell without ready".to_owned()));
        let changed = run(&[(true, false, 5), (true, true, 6)]);
        assert_eq!(changed, Err("x: [5] became [6] without ready".to_owned()));
    }

    #[test]
    fn reset_withdraws_an_offer() {
        let mut channel = Channel::new("x");
        assert_eq!(channel.observe(true, false, &[1]), Ok(false));
        channel.reset();
        assert_eq!(channel.observe(false, false, &[0]), Ok(false));
    }
}
