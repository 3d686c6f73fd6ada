//! Moving averages whose weights depend on age alone.

use super::average::Sma;
use super::kernel::{Kernel, erase};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "wma",
        doc: "Weighted moving average: weights fall in a line from the newest value to the oldest.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib WMA",
        build: |params| erase(Wma::new(params.count(0))),
    },
    Function {
        name: "trima",
        doc: "Triangular moving average: weights rise to the middle of the window and fall again.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib TRIMA",
        build: |params| erase(Trima::new(params.count(0))),
    },
];

/// Values in a row: their sum, and their sum with weights 1, 2, 3 … from the oldest on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Ramp {
    sum: f64,
    weighted: f64,
}

/// The average with weights `period`, `period` - 1 … 1 from the newest value to the oldest.
///
/// Values come in blocks of a window's length, so that a window is the end of one block and the beginning of the next.
/// Ends are added up when a block is complete. Nothing is ever taken away from a sum: no rounding stays behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "WmaParts")]
pub struct Wma {
    /// Before `next` values of this block, from there on what is left of the last one: ends of it, added up.
    block: Box<[Ramp]>,
    next: usize,
    /// This block so far.
    newer: Ramp,
    /// True once there was a whole block.
    is_full: bool,
}

#[derive(Deserialize)]
struct WmaParts {
    block: Box<[Ramp]>,
    next: usize,
    newer: Ramp,
    is_full: bool,
}

impl TryFrom<WmaParts> for Wma {
    type Error = &'static str;

    fn try_from(WmaParts { block, next, newer, is_full }: WmaParts) -> Result<Wma, &'static str> {
        if next < block.len() { Ok(Wma { block, next, newer, is_full }) } else { Err("no average") }
    }
}

impl Wma {
    /// Over `period` values.
    pub fn new(period: usize) -> Wma {
        let block = vec![Ramp::default(); period.max(1)].into_boxed_slice();
        Wma { block, next: 0, newer: Ramp::default(), is_full: false }
    }

    fn complete_block(&mut self) {
        let mut end = Ramp::default();
        for ramp in self.block.iter_mut().rev() {
            let sum = ramp.sum + end.sum;
            end = Ramp { sum, weighted: end.weighted + sum };
            *ramp = end;
        }
        (self.next, self.newer, self.is_full) = (0, Ramp::default(), true);
    }
}

impl Kernel<1, 1> for Wma {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.block[self.next] = Ramp { sum: value, weighted: value };
        self.next += 1;
        self.newer.sum += value;
        self.newer.weighted += self.next as f64 * value;
        let weighted = match self.block.get(self.next) {
            // The values of this block follow on those of the end.
            Some(end) => end.weighted + (self.block.len() - self.next) as f64 * self.newer.sum + self.newer.weighted,
            None => {
                let weighted = self.newer.weighted;
                self.complete_block();
                weighted
            }
        };
        let period = self.block.len() as f64;
        self.is_full.then(|| [weighted / (period * (period + 1.0) / 2.0)])
    }

    fn warmup(&self) -> usize {
        self.block.len() - 1
    }
}

/// The simple average of a simple average, together over `period` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trima(Sma, Sma);

impl Trima {
    /// Over `period` values.
    pub fn new(period: usize) -> Trima {
        Trima(Sma::new(period.div_ceil(2)), Sma::new(period / 2 + 1))
    }
}

impl Kernel<1, 1> for Trima {
    #[inline]
    fn update(&mut self, value: [f64; 1]) -> Option<[f64; 1]> {
        self.1.update(self.0.update(value)?)
    }

    fn warmup(&self) -> usize {
        self.0.warmup() + self.1.warmup()
    }
}
