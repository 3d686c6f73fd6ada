//! Channels around the price, and what they tell of it.

use super::average::Ema;
use super::extremes::One;
use super::kernel::{Kernel, erase};
use super::wilder::Atr;
use super::window::{Extreme, Moments, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const HLC: &[&str] = &["high", "low", "close"];
const BANDS: &[&str] = &["upper", "middle", "lower"];
const FACTOR: (f64, f64) = (0.0, 1_000.0);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "highest",
        doc: "The greatest of the last values: `max` by TradingView's name, with its default.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 1)],
        outputs: VALUE,
        source: "TradingView ta.highest",
        build: |params| erase(One::greatest(params.count(0))),
    },
    Function {
        name: "lowest",
        doc: "The smallest of the last values: `min` by TradingView's name, with its default.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 1)],
        outputs: VALUE,
        source: "TradingView ta.lowest",
        build: |params| erase(One::smallest(params.count(0))),
    },
    Function {
        name: "donchian",
        doc: "Donchian channel: highest high and lowest low of the last bars, this one included, and their middle.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 20, 1)],
        outputs: BANDS,
        source: "Donchian (1960)",
        build: |params| erase(Extent::new(params.count(0))),
    },
    Function {
        name: "keltner",
        doc: "Keltner channel: an exponential average of the close, and a multiple of Wilder's average true range \
              around it.",
        inputs: HLC,
        params: &[
            Param::period("period", 20, 1),
            Param::number("factor", 2.0, FACTOR),
            Param::period("atr_period", 10, 1),
        ],
        outputs: BANDS,
        source: "Raschke's form; StockCharts ChartSchool",
        build: |params| erase(Keltner::new(params.count(0), params.number(1), params.count(2))),
    },
    Function {
        name: "starc",
        doc: "Stoller's average range channel: a simple average of the close, and a multiple of Wilder's average true \
              range around it.",
        inputs: HLC,
        params: &[
            Param::period("period", 20, 1),
            Param::number("factor", 2.0, FACTOR),
            Param::period("atr_period", 15, 1),
        ],
        outputs: BANDS,
        source: "Stoller; parameters of OpenAlgo starc",
        build: |params| erase(Starc::new(params.count(0), params.number(1), params.count(2))),
    },
    Function {
        name: "envelope",
        doc: "Lines some percent above and below the simple average.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 1), Param::number("percent", 2.5, FACTOR)],
        outputs: BANDS,
        source: "StockCharts ChartSchool; OpenAlgo ma_envelopes",
        build: |params| erase(Envelope { sum: WindowSum::new(params.count(0)), percent: params.number(1) }),
    },
    Function {
        name: "bollinger_percent_b",
        doc: "Where the value stands between the Bollinger bands: 0 at the lower, 1 at the upper; 0.5 where they are one.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 2), Param::number("deviations", 2.0, FACTOR)],
        outputs: VALUE,
        source: "Bollinger on Bollinger Bands (2001)",
        build: |params| erase(PercentB(Bollinger::new(params.count(0), params.number(1)))),
    },
    Function {
        name: "bollinger_width",
        doc: "Width of the Bollinger bands as a fraction of their middle; 0 where that is zero.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 2), Param::number("deviations", 2.0, FACTOR)],
        outputs: VALUE,
        source: "Bollinger on Bollinger Bands (2001), BandWidth",
        build: |params| erase(BandWidth(Bollinger::new(params.count(0), params.number(1)))),
    },
];

/// Highest high and lowest low of the last bars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extent {
    highest: Extreme,
    lowest: Extreme,
    period: usize,
}

impl Extent {
    /// Of `period` bars.
    pub(super) fn new(period: usize) -> Extent {
        Extent { highest: Extreme::greatest(period), lowest: Extreme::smallest(period), period }
    }

    /// Takes a bar; highest high and lowest low, once there are enough.
    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64) -> Option<(f64, f64)> {
        let (highest, lowest) = (self.highest.push(high), self.lowest.push(low));
        Some((highest?.0, lowest?.0))
    }
}

impl Kernel<2, 3> for Extent {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 3]> {
        let (highest, lowest) = self.push(high, low)?;
        Some([highest, (highest + lowest) / 2.0, lowest])
    }

    fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Keltner {
    average: Ema,
    atr: Atr,
    factor: f64,
}

impl Keltner {
    fn new(period: usize, factor: f64, atr_period: usize) -> Keltner {
        Keltner { average: Ema::new(period), atr: Atr::new(atr_period), factor }
    }
}

impl Kernel<3, 3> for Keltner {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 3]> {
        let (middle, atr) = (self.average.push(close), self.atr.push(high, low, close));
        let (middle, reach) = (middle?, self.factor * atr?);
        Some([middle + reach, middle, middle - reach])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().max(self.atr.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Starc {
    sum: WindowSum,
    atr: Atr,
    factor: f64,
}

impl Starc {
    fn new(period: usize, factor: f64, atr_period: usize) -> Starc {
        Starc { sum: WindowSum::new(period), atr: Atr::new(atr_period), factor }
    }
}

impl Kernel<3, 3> for Starc {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 3]> {
        let (sum, atr) = (self.sum.push(close), self.atr.push(high, low, close));
        let (middle, reach) = (sum? / self.sum.window().capacity() as f64, self.factor * atr?);
        Some([middle + reach, middle, middle - reach])
    }

    fn warmup(&self) -> usize {
        (self.sum.window().capacity() - 1).max(self.atr.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Envelope {
    sum: WindowSum,
    percent: f64,
}

impl Kernel<1, 3> for Envelope {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 3]> {
        let middle = self.sum.push(value)? / self.sum.window().capacity() as f64;
        let reach = middle * self.percent / 100.0;
        Some([middle + reach, middle, middle - reach])
    }

    fn warmup(&self) -> usize {
        self.sum.window().capacity() - 1
    }
}

/// The simple average and the reach of the bands around it, by the population's standard deviation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bollinger {
    moments: Moments,
    deviations: f64,
}

impl Bollinger {
    /// Bands of `period` values.
    pub(super) fn new(period: usize, deviations: f64) -> Bollinger {
        Bollinger { moments: Moments::new(period), deviations }
    }

    /// Takes a value; the middle and how far the bands are from it.
    #[inline]
    pub(super) fn push(&mut self, value: f64) -> Option<(f64, f64)> {
        self.moments.push(value).map(|(mean, variance)| (mean, self.deviations * variance.sqrt()))
    }

    /// Values before the first that brings bands.
    pub(super) fn warmup(&self) -> usize {
        self.moments.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PercentB(Bollinger);

impl Kernel<1, 1> for PercentB {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (middle, reach) = self.0.push(value)?;
        Some([if reach > 0.0 { 0.5 + (value - middle) / (2.0 * reach) } else { 0.5 }])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BandWidth(Bollinger);

impl Kernel<1, 1> for BandWidth {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (middle, reach) = self.0.push(value)?;
        Some([if middle == 0.0 { 0.0 } else { 2.0 * reach / middle }])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}
