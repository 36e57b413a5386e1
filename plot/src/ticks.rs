//! Axes with round ticks, linear and logarithmic.

/// An axis: its range, its ticks inside the range, its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) range: (f64, f64),
    /// Positions and what is written there.
    pub(crate) ticks: Vec<(f64, String)>,
    /// What is on the axis, with its unit; empty for none.
    pub(crate) title: String,
}

impl Axis {
    /// An axis from the first to the last round number around `lo..=hi`.
    pub(crate) fn around(lo: f64, hi: f64, intervals: u32) -> Self {
        let (lo, hi) = spread(lo, hi);
        let step = step(hi - lo, intervals);
        let (first, last) = ((lo / step + 1e-9).floor(), (hi / step - 1e-9).ceil());
        Self::linear((first * step, last * step), step)
    }

    /// An axis that ends where the data end, with round ticks between.
    pub(crate) fn within(lo: f64, hi: f64, intervals: u32) -> Self {
        let (lo, hi) = spread(lo, hi);
        Self::linear((lo, hi), step(hi - lo, intervals))
    }

    /// An axis from the first to the last round number around positive `lo..=hi`; positions are
    /// decimal logarithms. Round are 1, 2 and 5 over two decades, powers of ten over more.
    pub(crate) fn logarithmic(lo: f64, hi: f64) -> Self {
        let (from, to) = (lo.log10().floor(), hi.log10().ceil().max(lo.log10().floor() + 1.0));
        let decades = to - from;
        let every = (decades / 6.0).ceil();
        let mut ticks = Vec::new();
        let mut power = from;
        while power <= to {
            for factor in if decades <= 2.0 { &[1.0, 2.0, 5.0][..] } else { &[1.0] } {
                let position = power + f64::log10(*factor);
                if position <= to {
                    ticks.push((position, scientific(*factor, power)));
                }
            }
            power += every;
        }
        let below = |tick: &&(f64, String)| tick.0 <= lo.log10() + 1e-9;
        let above = |tick: &&(f64, String)| tick.0 >= hi.log10() - 1e-9;
        let from = ticks.iter().rfind(below).map_or(from, |tick| tick.0);
        let to = ticks.iter().find(|t| above(t) && t.0 > from).map_or(to, |tick| tick.0);
        ticks.retain(|tick| (from..=to).contains(&tick.0));
        Self { range: (from, to), ticks, title: String::new() }
    }

    /// Writes something beside the axis.
    pub(crate) fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Leaves the labels of the ticks out.
    pub(crate) fn unlabelled(mut self) -> Self {
        self.ticks.iter_mut().for_each(|(_, label)| label.clear());
        self
    }

    fn linear(range: (f64, f64), step: f64) -> Self {
        let mut ticks = Vec::new();
        let mut k = (range.0 / step - 1e-9).ceil();
        while k * step <= range.1 + step * 1e-9 {
            ticks.push((k * step, decimal(k * step, step)));
            k += 1.0;
        }
        Self { range, ticks, title: String::new() }
    }
}

/// A range that is not a point.
fn spread(lo: f64, hi: f64) -> (f64, f64) {
    let least = lo.abs().max(hi.abs()).max(1e-12) * 1e-6;
    if hi - lo < least {
        let half = if lo == 0.0 && hi == 0.0 { 1.0 } else { lo.abs().max(hi.abs()) * 0.1 };
        // Nothing that is drawn is negative unless the data are.
        let below = if lo >= 0.0 { (lo - half).max(0.0) } else { lo - half };
        return (below, hi + half);
    }
    (lo, hi)
}

/// The least round step that covers a span in so many intervals.
fn step(span: f64, intervals: u32) -> f64 {
    let least = span / f64::from(intervals);
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|f| f * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A number with as many digits as its step needs.
fn decimal(value: f64, step: f64) -> String {
    if step < 1e-5 || value.abs() >= 1e6 {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") };
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5")]
    let digits = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    let text = format!("{value:.digits$}");
    // A minus sign as wide as a plus, and none before zero.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// `factor · 10^power`, written out where that is short.
fn scientific(factor: f64, power: f64) -> String {
    if (0.0..5.0).contains(&power) {
        format!("{}", factor * 10_f64.powf(power))
    } else if (-4.0..0.0).contains(&power) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 4")]
        let digits = (-power) as usize;
        format!("{:.digits$}", factor * 10_f64.powf(power))
    } else {
        format!("{factor}e{power}")
    }
}

#[cfg(test)]
mod tests;
