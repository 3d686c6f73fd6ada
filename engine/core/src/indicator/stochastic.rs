//! The stochastic oscillator: where the price closes in the range of the last bars.

use super::average::{AnyAverage, Ema, OWN_KIND, ma_type};
use super::kernel::{Kernel, erase};
use super::maths::{is_same, quotient};
use super::momentum::Rsi;
use super::oscillator::Channel;
use super::pace::Twice;
use super::price::median;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const BAR: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "stoch",
        doc: "Slow stochastic: where the close is in the range of the last bars, from 0 (lowest low) to 100 (highest \
              high), averaged, and the average of that; 0 where there is no range.",
        inputs: BAR,
        params: &[
            Param::period("fast_k_period", 5, 1),
            Param::period("slow_k_period", 3, 1),
            ma_type("slow_k_ma_type", 0),
            Param::period("slow_d_period", 3, 1),
            ma_type("slow_d_ma_type", 0),
        ],
        outputs: &["slow_k", "slow_d"],
        source: "TA-Lib STOCH",
        build: |params| {
            let slow_k = AnyAverage::new(params.count(1), params.count(2));
            let slow_d = AnyAverage::new(params.count(3), params.count(4));
            erase(Slow { fast_k: Stochastic::new(params.count(0)), slow_k, slow_d })
        },
    },
    Function {
        name: "stochf",
        doc: "Fast stochastic: where the close is in the range of the last bars, from 0 (lowest low) to 100 (highest \
              high), and the average of that; 0 where there is no range.",
        inputs: BAR,
        params: &[
            Param::period("fast_k_period", 5, 1),
            Param::period("fast_d_period", 3, 1),
            ma_type("fast_d_ma_type", 0),
        ],
        outputs: &["fast_k", "fast_d"],
        source: "TA-Lib STOCHF",
        build: |params| erase(Fast::new([0, 1, 2].map(|at| params.count(at)))),
    },
    Function {
        name: "stochrsi",
        doc: "Stochastic relative strength: where rsi is in the range of its last values, from 0 to 100, and the \
              average of that; 0 where there is no range.",
        inputs: VALUE,
        params: &[
            Param::period("period", 14, 2),
            Param::period("fast_k_period", 5, 1),
            Param::period("fast_d_period", 3, 1),
            ma_type("fast_d_ma_type", 0),
        ],
        outputs: &["fast_k", "fast_d"],
        source: "TA-Lib STOCHRSI",
        build: |params| {
            let fast = Fast::new([1, 2, 3].map(|at| params.count(at)));
            erase(OfStrength { strength: Rsi::new(params.count(0)), fast })
        },
    },
    Function {
        name: "kdj",
        doc: "KDJ: the slow stochastic of Wilder's averages, and how far k is ahead of d: 3 * k - 2 * d.",
        inputs: BAR,
        params: &[
            Param::period("fast_k_period", 9, 1),
            Param::period("slow_k_period", 3, 1),
            ma_type("slow_k_ma_type", 13),
            Param::period("slow_d_period", 3, 1),
            ma_type("slow_d_ma_type", 13),
        ],
        outputs: &["k", "d", "j"],
        source: "TA-Lib KDJ",
        build: |params| {
            // Its own kind is Wilder's average.
            let average = |period, kind| AnyAverage::new(period, if kind == OWN_KIND { 13 } else { kind });
            let slow_k = average(params.count(1), params.count(2));
            let slow_d = average(params.count(3), params.count(4));
            erase(Ahead(Slow { fast_k: Stochastic::new(params.count(0)), slow_k, slow_d }))
        },
    },
    Function {
        name: "smi",
        doc: "Stochastic momentum index: how far the close is from the middle of the range of the last bars, in \
              percent of half of that range, both smoothed twice by exponential averages, and the average of that; 0 \
              where there is no range.",
        inputs: BAR,
        params: &[
            Param::period("period", 13, 2),
            Param::period("fast", 2, 2),
            Param::period("slow", 25, 2),
            Param::period("signal", 9, 2),
        ],
        outputs: &["smi", "signal"],
        source: "TA-Lib SMI; Blau, Stocks & Commodities 11:1 (1993)",
        build: |params| erase(StochasticMomentum::new([0, 1, 2, 3].map(|at| params.count(at)))),
    },
];

/// Where the close is in the range of the last bars: %K, from 0 to 100.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stochastic(Channel);

impl Stochastic {
    /// Of `period` bars.
    pub fn new(period: usize) -> Stochastic {
        Stochastic(Channel::new(period))
    }

    /// Takes a bar; %K, once there were enough.
    #[inline]
    pub fn push(&mut self, [high, low, close]: [f64; 3]) -> Option<f64> {
        let (highest, lowest) = self.0.push(high, low)?;
        Some(if is_same(highest, lowest) { 0.0 } else { 100.0 * ((close - lowest) / (highest - lowest)) })
    }

    /// Bars before the first that brings %K.
    pub fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slow {
    fast_k: Stochastic,
    slow_k: AnyAverage,
    slow_d: AnyAverage,
}

impl Kernel<3, 2> for Slow {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 2]> {
        let fast_k = self.fast_k.push(bar)?;
        let slow_k = self.slow_k.push(fast_k)?;
        let slow_d = self.slow_d.push(slow_k)?;
        Some([slow_k, slow_d])
    }

    fn warmup(&self) -> usize {
        self.fast_k.warmup().saturating_add(self.slow_k.warmup()).saturating_add(self.slow_d.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fast {
    fast_k: Stochastic,
    fast_d: AnyAverage,
}

impl Fast {
    fn new([fast_k, fast_d, kind]: [usize; 3]) -> Fast {
        Fast { fast_k: Stochastic::new(fast_k), fast_d: AnyAverage::new(fast_d, kind) }
    }
}

impl Kernel<3, 2> for Fast {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 2]> {
        let fast_k = self.fast_k.push(bar)?;
        let fast_d = self.fast_d.push(fast_k)?;
        Some([fast_k, fast_d])
    }

    fn warmup(&self) -> usize {
        self.fast_k.warmup().saturating_add(self.fast_d.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfStrength {
    strength: Rsi,
    fast: Fast,
}

impl Kernel<1, 2> for OfStrength {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        let strength = self.strength.push(value)?;
        self.fast.update([strength; 3])
    }

    fn warmup(&self) -> usize {
        Kernel::warmup(&self.strength).saturating_add(Kernel::warmup(&self.fast))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ahead(Slow);

impl Kernel<3, 3> for Ahead {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 3]> {
        let [k, d] = self.0.update(bar)?;
        Some([k, d, 3.0 * k - 2.0 * d])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StochasticMomentum {
    range: Channel,
    distance: Twice,
    width: Twice,
    signal: Ema,
}

impl StochasticMomentum {
    fn new([period, fast, slow, signal]: [usize; 4]) -> StochasticMomentum {
        let twice = Twice::new(slow, fast);
        StochasticMomentum {
            range: Channel::new(period),
            distance: twice.clone(),
            width: twice,
            signal: Ema::new(signal),
        }
    }
}

impl Kernel<3, 2> for StochasticMomentum {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let (highest, lowest) = self.range.push(high, low)?;
        let distance = self.distance.push(close - median(highest, lowest));
        let (distance, width) = distance.zip(self.width.push((highest - lowest) / 2.0))?;
        let index = 100.0 * quotient(distance, width);
        let signal = self.signal.push(index)?;
        Some([index, signal])
    }

    fn warmup(&self) -> usize {
        self.range.warmup().saturating_add(self.width.warmup()).saturating_add(self.signal.warmup())
    }
}
