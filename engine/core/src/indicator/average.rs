//! Moving averages.

use super::adaptive::{Kama, Mama};
use super::cascade::{Dema, T3, Tema};
use super::kernel::{Kernel, erase};
use super::maths::real;
use super::weighted::{Hull, Trima, Wma};
use super::wilder::Wilder;
use super::window::{Window, WindowSum};
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
    Function {
        name: "rma",
        doc: "Wilder's average, also known as smoothed: exponential with a weight of 1/period, begun with the simple one.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 1)],
        outputs: VALUE,
        source: "TA-Lib RMA",
        build: |params| erase(Rma::new(params.count(0))),
    },
    Function {
        name: "zlema",
        doc: "Zero-lag exponential moving average: of values with what they rose in half a period added.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib ZLEMA",
        build: |params| erase(ZeroLag::new(params.count(0))),
    },
    Function {
        name: "ma",
        doc: "Moving average of a kind: 0 sma, 1 ema, 2 wma, 3 dema, 4 tema, 5 trima, 6 kama, 7 mama, 8 t3, 9 hma, \
              10 the value itself, 11 sma, 12 zlema, 13 rma.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 1), ma_type("ma_type", 0)],
        outputs: VALUE,
        source: "TA-Lib MA",
        build: |params| erase(AnyAverage::new(params.count(0), params.count(1))),
    },
];

/// A parameter that chooses a kind of moving average by TA-Lib's number: see [`AnyAverage`].
pub const fn ma_type(name: &'static str, default: u32) -> Param {
    Param::choice(name, default, 13)
}

/// The kind that means a function's own one: [`AnyAverage`] takes it for the simple average.
pub const OWN_KIND: usize = 11;

/// A moving average whose kind is a parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnyAverage {
    /// Kind 10, the value itself, and any average of one value.
    Value,
    /// Kinds 0 and 11.
    Sma(Sma),
    /// Kind 1.
    Ema(Ema),
    /// Kind 2.
    Wma(Wma),
    /// Kind 3.
    Dema(Dema),
    /// Kind 4.
    Tema(Tema),
    /// Kind 5.
    Trima(Trima),
    /// Kind 6.
    Kama(Kama),
    /// Kind 7, which has limits of its own in place of a period.
    Mama(Box<Mama>),
    /// Kind 8.
    T3(Box<T3>),
    /// Kind 9.
    Hull(Hull),
    /// Kind 12.
    ZeroLag(ZeroLag),
    /// Kind 13.
    Rma(Rma),
}

impl AnyAverage {
    /// Over `period` values, of the kind that [`ma_type`] chose.
    pub fn new(period: usize, kind: usize) -> AnyAverage {
        if period <= 1 {
            return AnyAverage::Value;
        }
        match kind {
            1 => AnyAverage::Ema(Ema::new(period)),
            2 => AnyAverage::Wma(Wma::new(period)),
            3 => AnyAverage::Dema(Dema::new(period)),
            4 => AnyAverage::Tema(Tema::new(period)),
            5 => AnyAverage::Trima(Trima::new(period)),
            6 => AnyAverage::Kama(Kama::new(period)),
            7 => AnyAverage::Mama(Box::new(Mama::new(0.5, 0.05))),
            8 => AnyAverage::T3(Box::new(T3::new(period, 0.7))),
            9 => AnyAverage::Hull(Hull::new(period)),
            10 => AnyAverage::Value,
            12 => AnyAverage::ZeroLag(ZeroLag::new(period)),
            13 => AnyAverage::Rma(Rma::new(period)),
            _ => AnyAverage::Sma(Sma::new(period)),
        }
    }

    /// Takes a value; the average, once there were enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let average = match self {
            AnyAverage::Value => Some([value]),
            AnyAverage::Sma(average) => average.update([value]),
            AnyAverage::Ema(average) => average.update([value]),
            AnyAverage::Wma(average) => average.update([value]),
            AnyAverage::Dema(average) => average.update([value]),
            AnyAverage::Tema(average) => average.update([value]),
            AnyAverage::Trima(average) => average.update([value]),
            AnyAverage::Kama(average) => average.update([value]),
            AnyAverage::Mama(average) => average.update([value]).map(|[mama, _]| [mama]),
            AnyAverage::T3(average) => average.update([value]),
            AnyAverage::Hull(average) => average.update([value]),
            AnyAverage::ZeroLag(average) => average.update([value]),
            AnyAverage::Rma(average) => average.update([value]),
        };
        average.map(|[average]| average)
    }
}

impl Kernel<1, 1> for AnyAverage {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        match self {
            AnyAverage::Value => 0,
            AnyAverage::Sma(average) => average.warmup(),
            AnyAverage::Ema(average) => average.warmup(),
            AnyAverage::Wma(average) => average.warmup(),
            AnyAverage::Dema(average) => average.warmup(),
            AnyAverage::Tema(average) => average.warmup(),
            AnyAverage::Trima(average) => average.warmup(),
            AnyAverage::Kama(average) => average.warmup(),
            AnyAverage::Mama(average) => average.warmup(),
            AnyAverage::T3(average) => average.warmup(),
            AnyAverage::Hull(average) => average.warmup(),
            AnyAverage::ZeroLag(average) => average.warmup(),
            AnyAverage::Rma(average) => average.warmup(),
        }
    }
}

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
    #[inline(always)]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let sum = self.0.push(value)?;
        Some([sum / real(self.0.window().capacity())])
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
        self.period.saturating_sub(1)
    }
}

/// Wilder's average.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rma(Wilder);

impl Rma {
    /// Over `period` values.
    pub fn new(period: usize) -> Rma {
        Rma(Wilder::new(period))
    }
}

impl Kernel<1, 1> for Rma {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.push(value).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// The exponential average of twice the value less the one from half a period ago (Ehlers and Way 2010).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZeroLag {
    /// From the value half a period ago on.
    values: Window,
    average: Ema,
}

impl ZeroLag {
    /// Over `period` values.
    pub fn new(period: usize) -> ZeroLag {
        ZeroLag { values: Window::new(period.div_ceil(2)), average: Ema::new(period) }
    }
}

impl Kernel<1, 1> for ZeroLag {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.values.push(value);
        let lagged = self.values.oldest().filter(|_| self.values.is_full())?;
        self.average.update([2.0 * value - lagged])
    }

    fn warmup(&self) -> usize {
        (self.values.capacity() - 1).saturating_add(self.average.warmup())
    }
}
