//! Moving averages whose weights depend on age alone.

use super::average::Sma;
use super::kernel::{Kernel, erase};
use super::window::{Window, WindowSum};
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
    Function {
        name: "hma",
        doc: "Hull moving average: weighted averages over a half and the whole of the period, combined so that lag goes.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 2)],
        outputs: VALUE,
        source: "TA-Lib HMA",
        build: |params| erase(Hull::new(params.count(0))),
    },
    Function {
        name: "vwma",
        doc: "Moving average with the volume as weight; none where nothing was traded.",
        inputs: &["value", "volume"],
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib VWMA",
        build: |params| erase(VolumeWeighted::new(params.count(0))),
    },
    Function {
        name: "alma",
        doc: "Arnaud Legoux moving average: weights in a bell, offset from the oldest value to the newest by 0 to 1 of \
              the period, sigma times narrower than it. It goes through the period at every value.",
        inputs: VALUE,
        params: &[
            Param { range: (1.0, 200.0), ..Param::period("period", 9, 1) },
            Param::number("offset", 0.85, (0.0, 1.0)),
            Param::number("sigma", 6.0, (0.1, 100.0)),
        ],
        outputs: VALUE,
        source: "Legoux and Kouzis-Loukas (2009), as TradingView's ta.alma",
        build: |params| erase(Alma::new(params.count(0), params.number(1), params.number(2))),
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

/// Twice the weighted average over half the period less that over the whole, averaged over the period's root (Hull
/// 2005).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hull {
    half: Wma,
    whole: Wma,
    last: Wma,
}

impl Hull {
    /// Over `period` values.
    pub fn new(period: usize) -> Hull {
        Hull { half: Wma::new(period / 2), whole: Wma::new(period), last: Wma::new(period.isqrt()) }
    }
}

impl Kernel<1, 1> for Hull {
    #[inline]
    fn update(&mut self, value: [f64; 1]) -> Option<[f64; 1]> {
        let (half, whole) = (self.half.update(value), self.whole.update(value));
        let ([half], [whole]) = (half?, whole?);
        self.last.update([2.0 * half - whole])
    }

    fn warmup(&self) -> usize {
        self.whole.warmup() + self.last.warmup()
    }
}

/// The mean of the last values, each as often as its volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct VolumeWeighted {
    traded: WindowSum,
    volume: WindowSum,
    /// Values at the end without volume, as many as count.
    idle: usize,
}

impl VolumeWeighted {
    fn new(period: usize) -> VolumeWeighted {
        VolumeWeighted { traded: WindowSum::new(period), volume: WindowSum::new(period), idle: 0 }
    }
}

impl Kernel<2, 1> for VolumeWeighted {
    #[inline]
    fn update(&mut self, [value, volume]: [f64; 2]) -> Option<[f64; 1]> {
        let period = self.volume.window().capacity();
        self.idle = if volume == 0.0 { period.min(self.idle.saturating_add(1)) } else { 0 };
        let (traded, volume) = (self.traded.push(value * volume), self.volume.push(volume));
        let (traded, volume) = (traded?, volume?);
        // Rounding may leave a trace of volume where there was none.
        (self.idle < period).then(|| [traded / volume])
    }

    fn warmup(&self) -> usize {
        self.volume.window().capacity() - 1
    }
}

/// The mean of the last values with weights in a bell.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Alma {
    values: Window,
    /// Of the values, oldest first; together one.
    weights: Box<[f64]>,
}

impl Alma {
    fn new(period: usize, offset: f64, sigma: f64) -> Alma {
        let (middle, width) = (offset * (period as f64 - 1.0), period as f64 / sigma);
        let bell = |at: usize| {
            let distance = (at as f64 - middle) / width;
            libm::exp(-distance * distance / 2.0)
        };
        let total: f64 = (0..period).map(bell).sum();
        Alma { values: Window::new(period), weights: (0..period).map(|at| bell(at) / total).collect() }
    }
}

impl Kernel<1, 1> for Alma {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.values.push(value);
        let weighted = || self.values.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum();
        self.values.is_full().then(|| [weighted()])
    }

    fn warmup(&self) -> usize {
        self.values.capacity() - 1
    }
}

#[cfg(test)]
#[path = "weighted_tests.rs"]
mod tests;
