//! Momentum through moving averages: how fast the price goes, smoothed.

use super::average::{Ema, Sma};
use super::kernel::{Kernel, erase};
use super::maths::quotient;
use super::momentum::{Change, Measure};
use super::price::median;
use super::weighted::Wma;
use super::window::{Window, WindowSum};
use super::{Function, Param, Params, VALUE};
use serde::{Deserialize, Serialize};

const HIGH_LOW: &[&str] = &["high", "low"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "tsi",
        doc: "True strength index: the moves, smoothed twice by exponential averages, in percent of their lengths \
              smoothed alike, from -100 to 100; 0 where nothing moved.",
        inputs: VALUE,
        params: &[Param::period("long", 25, 2), Param::period("short", 13, 2)],
        outputs: VALUE,
        source: "TA-Lib TSI; Blau, Stocks & Commodities 9:11 (1991)",
        build: |params| erase(TrueStrength::new(params.count(0), params.count(1))),
    },
    Function {
        name: "kst",
        doc: "Know sure thing: four rates of change in percent, averaged, the longer ones of which count more (1 to \
              4), and the simple average of their sum.",
        inputs: VALUE,
        params: &[
            Param::period("change_1", 10, 1),
            Param::period("change_2", 15, 1),
            Param::period("change_3", 20, 1),
            Param::period("change_4", 30, 1),
            Param::period("average_1", 10, 1),
            Param::period("average_2", 10, 1),
            Param::period("average_3", 10, 1),
            Param::period("average_4", 15, 1),
            Param::period("signal", 9, 1),
        ],
        outputs: &["kst", "signal"],
        source: "Pring, Summed Rate of Change, Stocks & Commodities 10:9 (1992)",
        build: |params| erase(KnowSureThing::new(params)),
    },
    Function {
        name: "coppock",
        doc: "Coppock curve: the weighted moving average of the sum of two rates of change in percent.",
        inputs: VALUE,
        params: &[Param::period("average", 10, 1), Param::period("short", 11, 1), Param::period("long", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib COPPOCK; Coppock, Barron's, 15 October 1962",
        build: |params| erase(Coppock::new([0, 1, 2].map(|at| params.count(at)))),
    },
    Function {
        name: "dpo",
        doc: "Detrended price oscillator, not centred: what the value was period / 2 + 1 inputs ago, or the oldest of \
              the average, less the simple average.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 2)],
        outputs: VALUE,
        source: "TA-Lib DPO",
        build: |params| erase(Detrended::new(params.count(0))),
    },
    Function {
        name: "awesome",
        doc: "Awesome oscillator: a fast simple average of the median price less a slow one.",
        inputs: HIGH_LOW,
        params: &[Param::period("fast", 5, 2), Param::period("slow", 34, 2)],
        outputs: VALUE,
        source: "TA-Lib AO; Williams, New Trading Dimensions (1998)",
        build: |params| erase(Awesome::new(params.count(0), params.count(1))),
    },
    Function {
        name: "accelerator",
        doc: "Accelerator oscillator: the awesome oscillator less its own simple average.",
        inputs: HIGH_LOW,
        params: &[Param::period("fast", 5, 2), Param::period("slow", 34, 2), Param::period("signal", 5, 2)],
        outputs: VALUE,
        source: "TA-Lib AC; Williams, New Trading Dimensions (1998)",
        build: |params| {
            let awesome = Awesome::new(params.count(0), params.count(1));
            erase(Accelerator { awesome, average: Sma::new(params.count(2)) })
        },
    },
    Function {
        name: "elder_ray",
        doc: "Elder ray: how far the high (bull) and the low (bear) are from the exponential average of the close.",
        inputs: &["high", "low", "close"],
        params: &[Param::period("period", 13, 1)],
        outputs: &["bull", "bear"],
        source: "TA-Lib ERI; Elder, Trading for a Living (1993)",
        build: |params| erase(ElderRay(Ema::new(params.count(0)))),
    },
    Function {
        name: "qstick",
        doc: "Qstick: the simple average of the bars' bodies, close less open.",
        inputs: &["open", "close"],
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib QSTICK; Chande and Kroll, The New Technical Trader (1994)",
        build: |params| erase(Qstick(Sma::new(params.count(0)))),
    },
    Function {
        name: "relative_vigor",
        doc: "Relative vigor index: the bars' bodies in units of their ranges, both weighed over four bars and summed \
              up, and its average, weighed alike; 0 where there is no range.",
        inputs: &["open", "high", "low", "close"],
        params: &[Param::period("period", 10, 1)],
        outputs: &["value", "signal"],
        source: "Ehlers, Relative Vigor Index, Stocks & Commodities 20:1 (2002)",
        build: |params| erase(RelativeVigor::new(params.count(0))),
    },
];

/// Two exponential averages, the second of the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Twice(Ema, Ema);

impl Twice {
    /// Over `first` values and `second` averages of them.
    pub fn new(first: usize, second: usize) -> Twice {
        Twice(Ema::new(first), Ema::new(second))
    }

    /// Takes a value; the average, once there were enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        self.0.push(value).and_then(|average| self.1.push(average))
    }

    /// Values before the first that brings an average.
    pub fn warmup(&self) -> usize {
        self.0.warmup().saturating_add(self.1.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TrueStrength {
    before: Option<f64>,
    moves: Twice,
    lengths: Twice,
}

impl TrueStrength {
    fn new(long: usize, short: usize) -> TrueStrength {
        let twice = Twice::new(long, short);
        TrueStrength { before: None, moves: twice.clone(), lengths: twice }
    }
}

impl Kernel<1, 1> for TrueStrength {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let change = value - self.before.replace(value)?;
        let (moves, lengths) = self.moves.push(change).zip(self.lengths.push(change.abs()))?;
        Some([100.0 * quotient(moves, lengths)])
    }

    fn warmup(&self) -> usize {
        self.moves.warmup().saturating_add(1)
    }
}

/// A rate of change in percent and its simple average.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SmoothChange {
    change: Change,
    average: Sma,
}

impl SmoothChange {
    #[inline]
    fn push(&mut self, value: f64) -> Option<f64> {
        let [average] = self.average.update([self.change.push(value)?])?;
        Some(average)
    }

    fn warmup(&self) -> usize {
        self.change.warmup().saturating_add(self.average.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KnowSureThing {
    changes: [SmoothChange; 4],
    signal: Sma,
}

impl KnowSureThing {
    fn new(params: Params<'_>) -> KnowSureThing {
        let changes = [0, 1, 2, 3].map(|at| SmoothChange {
            change: Change::new(params.count(at), Measure::Percent),
            average: Sma::new(params.count(at + 4)),
        });
        KnowSureThing { changes, signal: Sma::new(params.count(8)) }
    }
}

impl Kernel<1, 2> for KnowSureThing {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        // All of them take the value before the first that is missing counts.
        let [first, second, third, fourth] = self.changes.each_mut().map(|change| change.push(value));
        let sum = first? + 2.0 * second? + 3.0 * third? + 4.0 * fourth?;
        let [signal] = self.signal.update([sum])?;
        Some([sum, signal])
    }

    fn warmup(&self) -> usize {
        let changes = self.changes.iter().map(SmoothChange::warmup).max().unwrap_or_default();
        changes.saturating_add(self.signal.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Coppock {
    long: Change,
    short: Change,
    average: Wma,
}

impl Coppock {
    fn new([average, short, long]: [usize; 3]) -> Coppock {
        let change = |period| Change::new(period, Measure::Percent);
        Coppock { long: change(long), short: change(short), average: Wma::new(average) }
    }
}

impl Kernel<1, 1> for Coppock {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (long, short) = self.long.push(value).zip(self.short.push(value))?;
        self.average.update([long + short])
    }

    fn warmup(&self) -> usize {
        self.long.warmup().max(self.short.warmup()).saturating_add(self.average.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Detrended {
    average: Sma,
    values: Window,
}

impl Detrended {
    fn new(period: usize) -> Detrended {
        Detrended { average: Sma::new(period), values: Window::new(period / 2 + 1) }
    }
}

impl Kernel<1, 1> for Detrended {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let average = self.average.update([value]);
        let before = self.values.push(value);
        let [average] = average?;
        Some([before? - average])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().max(self.values.capacity())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Awesome {
    fast: Sma,
    slow: Sma,
}

impl Awesome {
    fn new(fast: usize, slow: usize) -> Awesome {
        Awesome { fast: Sma::new(fast), slow: Sma::new(slow) }
    }
}

impl Kernel<2, 1> for Awesome {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let price = median(high, low);
        let ([fast], [slow]) = self.fast.update([price]).zip(self.slow.update([price]))?;
        Some([fast - slow])
    }

    fn warmup(&self) -> usize {
        self.fast.warmup().max(self.slow.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Accelerator {
    awesome: Awesome,
    average: Sma,
}

impl Kernel<2, 1> for Accelerator {
    #[inline]
    fn update(&mut self, bar: [f64; 2]) -> Option<[f64; 1]> {
        let [awesome] = self.awesome.update(bar)?;
        let [average] = self.average.update([awesome])?;
        Some([awesome - average])
    }

    fn warmup(&self) -> usize {
        self.awesome.warmup().saturating_add(self.average.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ElderRay(Ema);

impl Kernel<3, 2> for ElderRay {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let average = self.0.push(close)?;
        Some([high - average, low - average])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Qstick(Sma);

impl Kernel<2, 1> for Qstick {
    #[inline]
    fn update(&mut self, [open, close]: [f64; 2]) -> Option<[f64; 1]> {
        self.0.update([close - open])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// The mean of the last four values, the two in the middle of which count twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct FourWeighted {
    before: [f64; 3],
    count: u8,
}

impl FourWeighted {
    #[inline]
    fn push(&mut self, value: f64) -> Option<f64> {
        let [first, second, third] = self.before;
        self.before = [second, third, value];
        if self.count < 3 {
            self.count += 1;
            return None;
        }
        Some((first + 2.0 * second + 2.0 * third + value) / 6.0)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RelativeVigor {
    body: FourWeighted,
    range: FourWeighted,
    bodies: WindowSum,
    ranges: WindowSum,
    signal: FourWeighted,
}

impl RelativeVigor {
    fn new(period: usize) -> RelativeVigor {
        let (four, sum) = (FourWeighted::default(), WindowSum::new(period));
        RelativeVigor { body: four.clone(), range: four.clone(), bodies: sum.clone(), ranges: sum, signal: four }
    }
}

impl Kernel<4, 2> for RelativeVigor {
    #[inline]
    fn update(&mut self, [open, high, low, close]: [f64; 4]) -> Option<[f64; 2]> {
        let (body, range) = self.body.push(close - open).zip(self.range.push(high - low))?;
        let (bodies, ranges) = self.bodies.push(body).zip(self.ranges.push(range))?;
        let value = quotient(bodies, ranges);
        let signal = self.signal.push(value)?;
        Some([value, signal])
    }

    fn warmup(&self) -> usize {
        self.ranges.window().capacity() + 5
    }
}
