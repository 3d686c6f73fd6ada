//! The middle of the last values by rank.

use super::kernel::{Kernel, erase};
use super::window::Window;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

/// Longest period: a value is moved to its rank past up to so many others.
const PERIOD_MAX: f64 = 1_000.0;

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "median",
    doc: "Median of the last values: the mean of the two in the middle where the period is even.",
    inputs: VALUE,
    params: &[Param { name: "period", default: 20.0, range: (1.0, PERIOD_MAX), is_whole: true }],
    outputs: VALUE,
    source: "TradingView ta.median; OpenAlgo median",
    build: |params| erase(Median::new(params.count(0))),
}];

/// The last values, by age and by rank. Moving a value to its rank takes time in proportion to the period, but a move of
/// a few hundred neighbours is quicker than any cleverer structure.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Median {
    window: Window,
    ranked: Box<[f64]>,
}

impl Median {
    fn new(period: usize) -> Median {
        // What is not there yet is greater than everything.
        Median { window: Window::new(period), ranked: vec![f64::INFINITY; period.max(1)].into_boxed_slice() }
    }

    /// The rank of the first value that is not below this one.
    fn rank(&self, value: f64) -> usize {
        self.ranked.partition_point(|other| other.total_cmp(&value).is_lt())
    }

    /// Moves the value at one rank to where `value` belongs, and becomes it.
    fn replace(&mut self, old: f64, value: f64) {
        let (from, to) = (self.rank(old), self.rank(value));
        if from < to {
            // It leaves a gap below.
            if let Some(part) = self.ranked.get_mut(from..to) {
                part.rotate_left(1);
                part.last_mut().into_iter().for_each(|slot| *slot = value);
            }
        } else if let Some(part) = self.ranked.get_mut(to..=from) {
            part.rotate_right(1);
            part.first_mut().into_iter().for_each(|slot| *slot = value);
        }
    }
}

impl Kernel<1, 1> for Median {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let oldest = self.window.push(value).unwrap_or(f64::INFINITY);
        self.replace(oldest, value);
        if !self.window.is_full() {
            return None;
        }
        let (below, above) = ((self.ranked.len() - 1) / 2, self.ranked.len() / 2);
        Some([self.ranked.get(below)? / 2.0 + self.ranked.get(above)? / 2.0])
    }

    fn warmup(&self) -> usize {
        self.window.capacity() - 1
    }
}
