//! Volatility of the past, as a fraction a year: 0.2 is 20 %.
//!
//! A logarithm of a ratio that has none, as a price is not positive, counts as zero.

use super::kernel::{Kernel, erase};
use super::window::{Moments, WindowSum};
use super::{Function, Param};
use serde::{Deserialize, Serialize};

const OHLC: &[&str] = &["open", "high", "low", "close"];
const PERIOD: Param = Param::period("period", 20, 1);
/// Of a sample, which needs two.
const SAMPLE: Param = Param::period("period", 20, 2);
/// Bars a year.
const YEAR: Param = Param::number("bars_per_year", 252.0, (1e-3, 1e9));

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "historical_volatility",
        doc: "Standard deviation (of a sample) of the logarithmic returns, as a fraction a year.",
        inputs: super::VALUE,
        params: &[SAMPLE, YEAR],
        outputs: super::VALUE,
        source: "Hull, Options, Futures, and Other Derivatives",
        build: |params| erase(HistoricalVolatility::new(params.count(0), params.number(1))),
    },
    Function {
        name: "parkinson",
        doc: "Volatility from the ranges of the bars, as a fraction a year.",
        inputs: &["high", "low"],
        params: &[PERIOD, YEAR],
        outputs: &["value"],
        source: "Parkinson, Journal of Business 53 (1980)",
        build: |params| erase(Parkinson(MeanSquare::new(params.count(0), params.number(1)))),
    },
    Function {
        name: "garman_klass",
        doc: "Volatility from range, open and close of the bars, as a fraction a year.",
        inputs: OHLC,
        params: &[PERIOD, YEAR],
        outputs: &["value"],
        source: "Garman and Klass, Journal of Business 53 (1980), practical form",
        build: |params| erase(GarmanKlass(MeanSquare::new(params.count(0), params.number(1)))),
    },
    Function {
        name: "rogers_satchell",
        doc: "Volatility from the bars that a drift does not bias, as a fraction a year.",
        inputs: OHLC,
        params: &[PERIOD, YEAR],
        outputs: &["value"],
        source: "Rogers and Satchell, Annals of Applied Probability 1 (1991)",
        build: |params| erase(RogersSatchell(MeanSquare::new(params.count(0), params.number(1)))),
    },
    Function {
        name: "yang_zhang",
        doc: "Volatility from the bars and the gaps between them, as a fraction a year.",
        inputs: OHLC,
        params: &[SAMPLE, YEAR],
        outputs: &["value"],
        source: "Yang and Zhang, Journal of Business 73 (2000)",
        build: |params| erase(YangZhang::new(params.count(0), params.number(1))),
    },
];

/// The logarithm of a ratio of prices.
#[inline]
fn log_ratio(price: f64, base: f64) -> f64 {
    if price > 0.0 && base > 0.0 { libm::log(price / base) } else { 0.0 }
}

/// The variance of a sample where that of the population is known.
fn of_sample(variance: f64, count: usize) -> f64 {
    let count = count as f64;
    variance * count / (count - 1.0)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct HistoricalVolatility {
    moments: Moments,
    year: f64,
    before: Option<f64>,
}

impl HistoricalVolatility {
    fn new(period: usize, year: f64) -> HistoricalVolatility {
        HistoricalVolatility { moments: Moments::new(period), year, before: None }
    }
}

impl Kernel<1, 1> for HistoricalVolatility {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let before = self.before.replace(value)?;
        let (_, variance) = self.moments.push(log_ratio(value, before))?;
        Some([(of_sample(variance, self.moments.window().capacity()) * self.year).sqrt()])
    }

    fn warmup(&self) -> usize {
        self.moments.window().capacity()
    }
}

/// The root of the mean of what the bars contribute to the variance.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct MeanSquare {
    sum: WindowSum,
    year: f64,
}

impl MeanSquare {
    fn new(period: usize, year: f64) -> MeanSquare {
        MeanSquare { sum: WindowSum::new(period), year }
    }

    #[inline]
    fn push(&mut self, square: f64) -> Option<[f64; 1]> {
        let mean = self.sum.push(square)? / self.sum.window().capacity() as f64;
        // Bars whose open or close is outside of their range can bring a sum below zero.
        Some([(mean.max(0.0) * self.year).sqrt()])
    }

    fn warmup(&self) -> usize {
        self.sum.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parkinson(MeanSquare);

impl Kernel<2, 1> for Parkinson {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let range = log_ratio(high, low);
        self.0.push(range * range / (4.0 * std::f64::consts::LN_2))
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct GarmanKlass(MeanSquare);

impl Kernel<4, 1> for GarmanKlass {
    #[inline]
    fn update(&mut self, [open, high, low, close]: [f64; 4]) -> Option<[f64; 1]> {
        let (range, body) = (log_ratio(high, low), log_ratio(close, open));
        self.0.push(0.5 * range * range - (2.0 * std::f64::consts::LN_2 - 1.0) * body * body)
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// What a bar contributes to the variance of Rogers and Satchell.
#[inline]
fn rogers_satchell([open, high, low, close]: [f64; 4]) -> f64 {
    log_ratio(high, close) * log_ratio(high, open) + log_ratio(low, close) * log_ratio(low, open)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RogersSatchell(MeanSquare);

impl Kernel<4, 1> for RogersSatchell {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        self.0.push(rogers_satchell(bar))
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct YangZhang {
    close: Option<f64>,
    /// From the close before to the open.
    gaps: Moments,
    /// From open to close.
    bodies: Moments,
    within: WindowSum,
    year: f64,
}

impl YangZhang {
    fn new(period: usize, year: f64) -> YangZhang {
        let moments = || Moments::new(period);
        YangZhang { close: None, gaps: moments(), bodies: moments(), within: WindowSum::new(period), year }
    }
}

impl Kernel<4, 1> for YangZhang {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        let [open, _, _, close] = bar;
        let before = self.close.replace(close)?;
        let gaps = self.gaps.push(log_ratio(open, before));
        let bodies = self.bodies.push(log_ratio(close, open));
        let within = self.within.push(rogers_satchell(bar));
        let count = self.within.window().capacity();
        let (gaps, bodies) = (of_sample(gaps?.1, count), of_sample(bodies?.1, count));
        let count = count as f64;
        let weight = 0.34 / (1.34 + (count + 1.0) / (count - 1.0));
        let variance = gaps + weight * bodies + (1.0 - weight) * within? / count;
        Some([(variance.max(0.0) * self.year).sqrt()])
    }

    fn warmup(&self) -> usize {
        self.within.window().capacity()
    }
}
