//! Volume, weighed by where the price went with it.

use super::kernel::{Kernel, erase};
use super::maths::{is_same, quotient};
use super::price::typical;
use super::window::{Sum, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};
use ta::Next;
use ta::indicators::ExponentialMovingAverage;

const BAR: &[&str] = &["high", "low", "close", "volume"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "obv",
        doc: "On-balance volume: the sum of the volumes, those of falling values taken off; it begins with the first \
              volume.",
        inputs: &["value", "volume"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib OBV",
        build: |_| erase(OnBalance::default()),
    },
    Function {
        name: "ad",
        doc: "Chaikin's accumulation/distribution line: the sum of the volumes, each weighed from -1 to 1 by where \
              the bar closed in its range.",
        inputs: BAR,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib AD",
        build: |_| erase(Accumulation::default()),
    },
    Function {
        name: "adosc",
        doc: "Chaikin oscillator: a fast exponential average of the accumulation/distribution line less a slow one; \
              both begin with its first value.",
        inputs: BAR,
        params: &[Param::period("fast", 3, 2), Param::period("slow", 10, 2)],
        outputs: VALUE,
        source: "TA-Lib ADOSC",
        build: |params| erase(ChaikinOscillator::new(params.count(0), params.count(1))),
    },
    Function {
        name: "mfi",
        doc: "Money flow index: the share of money that flowed at rising typical prices in all that flowed at moving \
              ones, from 0 to 100; 0 where there was none.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib MFI",
        build: |params| erase(MoneyFlowIndex::new(params.count(0))),
    },
    Function {
        name: "marketfi",
        doc: "Market facilitation index: the bar's range per unit of volume; 0 where there was none.",
        inputs: &["high", "low", "volume"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib MARKETFI; Williams, Trading Chaos (1995)",
        build: |_| erase(Facilitation),
    },
    Function {
        name: "rvol",
        doc: "Relative volume: the volume in units of the mean of those before it; 0 where that is 0.",
        inputs: &["volume"],
        params: &[Param::period("period", 20, 1)],
        outputs: VALUE,
        source: "TA-Lib RVOL",
        build: |params| erase(RelativeVolume(WindowSum::new(params.count(0)))),
    },
    Function {
        name: "wad",
        doc: "Williams' accumulation/distribution: the sum of how far the closes rose above, or fell below, the \
              lowest or highest price since the close before. It takes no volume.",
        inputs: &["high", "low", "close"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib WAD; Williams, How I Made One Million Dollars (1979)",
        build: |_| erase(WilliamsAccumulation::default()),
    },
];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OnBalance {
    sum: Sum,
    before: Option<f64>,
}

impl Kernel<2, 1> for OnBalance {
    #[inline]
    fn update(&mut self, [value, volume]: [f64; 2]) -> Option<[f64; 1]> {
        match self.before.replace(value) {
            Some(before) if value < before => self.sum.add(-volume),
            Some(before) if value == before => {}
            _ => self.sum.add(volume),
        }
        Some([self.sum.value()])
    }

    fn warmup(&self) -> usize {
        0
    }
}

/// What of a bar's volume counts as bought (positive) or sold, by where it closed in its range; 0 where it has none.
#[inline]
pub fn money_flow_volume([high, low, close, volume]: [f64; 4]) -> f64 {
    let range = high - low;
    if range > 0.0 { ((close - low) - (high - close)) / range * volume } else { 0.0 }
}

/// The accumulation/distribution line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Accumulation(Sum);

impl Accumulation {
    #[inline]
    fn push(&mut self, bar: [f64; 4]) -> f64 {
        self.0.add(money_flow_volume(bar));
        self.0.value()
    }
}

impl Kernel<4, 1> for Accumulation {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        Some([self.push(bar)])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChaikinOscillator {
    line: Accumulation,
    /// They begin with the first value, as those of the crate do.
    fast: ExponentialMovingAverage,
    slow: ExponentialMovingAverage,
    period: usize,
    missing: usize,
}

impl ChaikinOscillator {
    fn new(fast: usize, slow: usize) -> ChaikinOscillator {
        // Only a period of zero is refused.
        let average = |period| ExponentialMovingAverage::new(period).unwrap_or_default();
        let period = fast.max(slow);
        let (fast, slow) = (average(fast), average(slow));
        ChaikinOscillator { line: Accumulation::default(), fast, slow, period, missing: period }
    }
}

impl Kernel<4, 1> for ChaikinOscillator {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        let line = self.line.push(bar);
        let difference = self.fast.next(line) - self.slow.next(line);
        self.missing = self.missing.saturating_sub(1);
        (self.missing == 0).then_some([difference])
    }

    fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MoneyFlowIndex {
    before: Option<f64>,
    rising: WindowSum,
    falling: WindowSum,
}

impl MoneyFlowIndex {
    fn new(period: usize) -> MoneyFlowIndex {
        MoneyFlowIndex { before: None, rising: WindowSum::new(period), falling: WindowSum::new(period) }
    }
}

impl Kernel<4, 1> for MoneyFlowIndex {
    #[inline]
    fn update(&mut self, [high, low, close, volume]: [f64; 4]) -> Option<[f64; 1]> {
        let price = typical(high, low, close);
        let before = self.before.replace(price)?;
        let flow = price * volume;
        let has_moved = !is_same(price, before);
        let rising = self.rising.push(if has_moved && price > before { flow } else { 0.0 });
        let falling = self.falling.push(if has_moved && price < before { flow } else { 0.0 });
        let (rising, falling) = rising.zip(falling)?;
        let all = rising + falling;
        // Negative prices make negative flows: what they leave is no share.
        Some([if all > 0.0 { (100.0 * (rising / all)).clamp(0.0, 100.0) } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.rising.window().capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facilitation;

impl Kernel<3, 1> for Facilitation {
    #[inline]
    fn update(&mut self, [high, low, volume]: [f64; 3]) -> Option<[f64; 1]> {
        Some([quotient(high - low, volume)])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RelativeVolume(WindowSum);

impl Kernel<1, 1> for RelativeVolume {
    #[inline]
    fn update(&mut self, [volume]: [f64; 1]) -> Option<[f64; 1]> {
        let count = self.0.window().capacity() as f64;
        let before = self.0.value();
        self.0.push(volume);
        Some([quotient(volume, before? / count)])
    }

    fn warmup(&self) -> usize {
        self.0.window().capacity()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct WilliamsAccumulation {
    before: Option<f64>,
    sum: Sum,
}

impl Kernel<3, 1> for WilliamsAccumulation {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        match self.before.replace(close) {
            Some(before) if close > before => self.sum.add(close - low.min(before)),
            Some(before) if close < before => self.sum.add(close - high.max(before)),
            _ => {}
        }
        Some([self.sum.value()])
    }

    fn warmup(&self) -> usize {
        0
    }
}
