//! The average whose period is a series.

use super::kernel::{Kernel, erase};
use super::window::{Sum, Window};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "mavp",
    doc: "Simple moving average over as many values as a second series says, within limits. Of TA-Lib's kinds of averages \
          it has the simple one alone: the others would take a state for each period.",
    inputs: &["value", "periods"],
    params: &[Param::period("min_period", 2, 1), Param::period("max_period", 30, 1), Param::choice("ma_type", 0, 0)],
    outputs: VALUE,
    source: "TA-Lib MAVP",
    build: |params| erase(VariablePeriod::new(params.count(0), params.count(1))),
}];

/// Means of the last values, as many as are asked for: differences of running sums, which begin afresh each time the
/// window has gone round.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct VariablePeriod {
    min: usize,
    values: Window,
    /// Sum of the values up to each of them, and before the first: what was added, and what rounding lost of it.
    sums: Window,
    lost: Window,
    sum: Sum,
    /// Values until the sums begin afresh.
    due: usize,
}

impl VariablePeriod {
    /// Of `min` to `max` values, whichever of the two is greater.
    fn new(min: usize, max: usize) -> VariablePeriod {
        let (min, max) = (min.min(max), min.max(max));
        let [sums, lost] = [0; 2].map(|_| Window::new(max + 1));
        let mut made = VariablePeriod { min, values: Window::new(max), sums, lost, sum: Sum::default(), due: max };
        made.begin();
        made
    }

    fn begin(&mut self) {
        self.sum = Sum::default();
        self.note();
        let VariablePeriod { values, sums, lost, sum, .. } = self;
        for value in values.iter() {
            sum.add(value);
            let (whole, rest) = sum.parts();
            sums.push(whole);
            lost.push(rest);
        }
        self.due = self.values.capacity();
    }

    #[inline]
    fn note(&mut self) {
        let (whole, rest) = self.sum.parts();
        self.sums.push(whole);
        self.lost.push(rest);
    }
}

impl Kernel<2, 1> for VariablePeriod {
    #[inline]
    fn update(&mut self, [value, period]: [f64; 2]) -> Option<[f64; 1]> {
        self.values.push(value);
        self.due = self.due.saturating_sub(1);
        if self.due == 0 {
            self.begin();
        } else {
            self.sum.add(value);
            self.note();
        }
        if !self.values.is_full() {
            return None;
        }
        // What is not in range becomes the next whole number that is.
        let period = (period as usize).max(self.min).min(self.values.capacity());
        let whole = self.sums.back(0)? - self.sums.back(period)?;
        let rest = self.lost.back(0)? - self.lost.back(period)?;
        Some([(whole + rest) / period as f64])
    }

    fn warmup(&self) -> usize {
        self.values.capacity() - 1
    }
}
