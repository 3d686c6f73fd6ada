//! Moving averages.

use super::kernel::{Kernel, erase};
use super::window::WindowSum;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};
use ta::Next;
use ta::indicators::ExponentialMovingAverage;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "sma",
        doc: "Simple moving average.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib SMA",
        build: |params| erase(Sma::new(params.count(0))),
    },
    Function {
        name: "ema",
        doc: "Exponential moving average, which begins with the simple one.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib EMA",
        build: |params| erase(Ema::new(params.count(0))),
    },
];

/// The mean of the last `period` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sma(WindowSum);

impl Sma {
    /// Of `period` values.
    pub fn new(period: usize) -> Sma {
        Sma(WindowSum::new(period))
    }
}

impl Kernel<1, 1> for Sma {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let sum = self.0.push(value)?;
        Some([sum / self.0.window().capacity() as f64])
    }

    fn warmup(&self) -> usize {
        self.0.window().capacity() - 1
    }
}

/// The exponential average with a weight of 2/(period + 1) for the newest value: that of the crate `ta`, which begins
/// with the first value it is given. It is given the mean of the first `period` values, as TA-Lib's begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ema {
    average: ExponentialMovingAverage,
    period: usize,
    /// Values that are still to come before the first average, and the sum of those that came.
    missing: usize,
    sum: f64,
}

impl Ema {
    /// Over `period` values.
    pub fn new(period: usize) -> Ema {
        let period = period.max(1);
        // Only a period of zero is refused.
        let average = ExponentialMovingAverage::new(period).unwrap_or_default();
        Ema { average, period, missing: period, sum: 0.0 }
    }

    /// Takes a value; the average, once there were enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if self.missing == 0 {
            return Some(self.average.next(value));
        }
        self.missing -= 1;
        self.sum += value;
        (self.missing == 0).then(|| self.average.next(self.sum / self.period as f64))
    }
}

impl Kernel<1, 1> for Ema {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        self.period - 1
    }
}
