//! Moving averages that hurry where there is a trend and rest where there is none.

use super::hilbert::{DEGREES, Hilbert};
use super::kernel::{Kernel, erase};
use super::window::{Extreme, Window, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "kama",
        doc: "Kaufman's adaptive moving average: as fast as the way made good is long against the way gone.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib KAMA",
        build: |params| erase(Kama::new(params.count(0))),
    },
    Function {
        name: "mama",
        doc: "MESA adaptive moving average and the following one: as fast as the phase of the cycle turns.",
        inputs: VALUE,
        params: &[Param::number("fast_limit", 0.5, (0.01, 0.99)), Param::number("slow_limit", 0.05, (0.01, 0.99))],
        outputs: &["mama", "fama"],
        source: "TA-Lib MAMA",
        build: |params| erase(Mama::new(params.number(0), params.number(1))),
    },
    Function {
        name: "vidya",
        doc: "Chande's variable index dynamic average: exponential, as fast as his momentum oscillator is strong.",
        inputs: VALUE,
        params: &[Param::period("momentum_period", 9, 1), Param::period("period", 12, 1)],
        outputs: VALUE,
        source: "Chande and Kroll, The New Technical Trader (1994), as in MetaTrader 5",
        build: |params| erase(Vidya::new(params.count(0), params.count(1))),
    },
    Function {
        name: "frama",
        doc: "Fractal adaptive moving average: slower the rougher the way; an odd period counts as the next one.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 16, 2)],
        outputs: VALUE,
        source: "Ehlers, Technical Analysis of Stocks & Commodities 23 (October 2005)",
        build: |params| erase(Frama::new(params.count(0).div_ceil(2))),
    },
    Function {
        name: "mcginley",
        doc: "McGinley's dynamic: an average that hurries after falling values and is slow after rising ones.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "McGinley, Technical Analysis of Stocks & Commodities (1991), as TradingView begins it",
        build: |params| erase(McGinley { period: params.number(0), average: None }),
    },
];

/// How far values came in the last `period` steps, and how long the way was.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Efficiency {
    values: Window,
    /// Lengths of the steps.
    way: WindowSum,
    /// Steps of no length at the end, as many as count.
    still: usize,
}

impl Efficiency {
    fn new(period: usize) -> Efficiency {
        Efficiency { values: Window::new(period), way: WindowSum::new(period), still: 0 }
    }

    /// Takes a value; distance over way from 0 to 1, once there were enough, or `at_rest` where there was no way.
    #[inline]
    fn push(&mut self, value: f64, at_rest: f64) -> Option<f64> {
        let step = self.values.back(0).map(|last| (value - last).abs());
        let first = self.values.push(value);
        let way = step.and_then(|step| self.way.push(step));
        let period = self.values.capacity();
        self.still = if step == Some(0.0) { period.min(self.still.saturating_add(1)) } else { 0 };
        let (distance, way) = ((value - first?).abs(), way?);
        // Rounding may leave a trace of a way where there was none.
        if self.still == period {
            return Some(at_rest);
        }
        Some(if way <= distance { 1.0 } else { distance / way })
    }

    fn warmup(&self) -> usize {
        self.values.capacity()
    }
}

/// An exponential average whose weight is the square of one between that of 30 values and that of 2, by how straight
/// the way of the last `period` steps was (Kaufman 1995).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kama {
    efficiency: Efficiency,
    average: f64,
}

impl Kama {
    /// Over `period` steps.
    pub fn new(period: usize) -> Kama {
        Kama { efficiency: Efficiency::new(period), average: 0.0 }
    }
}

impl Kernel<1, 1> for Kama {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let Some(efficiency) = self.efficiency.push(value, 1.0) else {
            // It begins with the value before the first average.
            self.average = value;
            return None;
        };
        let (fast, slow) = (2.0 / 3.0, 2.0 / 31.0);
        let weight = efficiency * (fast - slow) + slow;
        self.average += (value - self.average) * weight * weight;
        Some([self.average])
    }

    fn warmup(&self) -> usize {
        self.efficiency.warmup()
    }
}

/// An exponential average whose weight is that of `period` values times the size of Chande's momentum oscillator, which
/// is how straight the way was.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vidya {
    efficiency: Efficiency,
    weight: f64,
    warmup: usize,
    /// Values that are still to come before the first average.
    missing: usize,
    average: f64,
}

impl Vidya {
    fn new(momentum_period: usize, period: usize) -> Vidya {
        let (weight, warmup) = (2.0 / (period as f64 + 1.0), momentum_period + period - 1);
        Vidya { efficiency: Efficiency::new(momentum_period), weight, warmup, missing: warmup, average: 0.0 }
    }
}

impl Kernel<1, 1> for Vidya {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let efficiency = self.efficiency.push(value, 0.0);
        if self.missing > 0 {
            self.missing -= 1;
            // It begins with the value before the first average.
            self.average = value;
            return None;
        }
        self.average += (value - self.average) * self.weight * efficiency?;
        Some([self.average])
    }

    fn warmup(&self) -> usize {
        self.warmup
    }
}

/// An average that goes a part of the way to the value, the smaller the higher the value stands above it. The part is
/// at most the whole way: the definition would go beyond the value, and further each time, after a fall to a half.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct McGinley {
    period: f64,
    average: Option<f64>,
}

impl Kernel<1, 1> for McGinley {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let average = match self.average {
            None | Some(0.0) => value,
            Some(average) => {
                let ratio = value / average;
                average + (value - average) / (self.period * ratio * ratio * ratio * ratio).max(1.0)
            }
        };
        self.average = Some(average);
        Some([average])
    }

    fn warmup(&self) -> usize {
        0
    }
}

/// Highest high and lowest low.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extremes {
    highest: Window,
    lowest: Window,
}

/// An exponential average of the middle of bars, whose weight falls with the fractal dimension of the last 2 `half`
/// bars: what the ranges of the two halves are against that of the whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Frama {
    half: usize,
    highest: Extreme,
    lowest: Extreme,
    /// The extremes of the half that ended at each of the last bars.
    past: Extremes,
    /// Weight of the last bar.
    weight: f64,
    average: f64,
    is_begun: bool,
}

impl Frama {
    fn new(half: usize) -> Frama {
        let (highest, lowest) = (Extreme::greatest(half), Extreme::smallest(half));
        let past = Extremes { highest: Window::new(half), lowest: Window::new(half) };
        Frama { half, highest, lowest, past, weight: 1.0, average: 0.0, is_begun: false }
    }

    /// The weight of a bar, once there were two halves.
    #[inline]
    fn weigh(&mut self, high: f64, low: f64) -> Option<f64> {
        let (highest, lowest) = (self.highest.push(high), self.lowest.push(low));
        let ((highest, _), (lowest, _)) = (highest?, lowest?);
        let (older_highest, older_lowest) = (self.past.highest.push(highest), self.past.lowest.push(lowest));
        let (older_highest, older_lowest) = (older_highest?, older_lowest?);
        let (newer, older) = (highest - lowest, older_highest - older_lowest);
        let whole = highest.max(older_highest) - lowest.min(older_lowest);
        if newer > 0.0 && older > 0.0 && whole > 0.0 {
            // A half is half as long: its range counts twice.
            let dimension = libm::log2(2.0 * (newer + older) / whole);
            self.weight = libm::exp(-4.6 * (dimension - 1.0)).clamp(0.01, 1.0);
        }
        Some(self.weight)
    }
}

impl Kernel<2, 1> for Frama {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let middle = (high + low) / 2.0;
        let weight = self.weigh(high, low);
        // It begins with the last bar before the first average.
        if !std::mem::replace(&mut self.is_begun, weight.is_some()) {
            self.average = middle;
            return None;
        }
        self.average += (middle - self.average) * weight?;
        Some([self.average])
    }

    fn warmup(&self) -> usize {
        self.half.saturating_mul(2)
    }
}

/// An exponential average whose weight is the fast limit over the degrees that the phase of the cycle fell, and not
/// below the slow limit; the one that follows it has half that weight (Ehlers 2001).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mama {
    hilbert: Hilbert,
    fast: f64,
    slow: f64,
    /// Degrees.
    phase: f64,
    mama: f64,
    fama: f64,
}

impl Mama {
    /// With these limits of the weight.
    pub fn new(fast: f64, slow: f64) -> Mama {
        Mama { hilbert: Hilbert::short(), fast, slow, phase: 0.0, mama: 0.0, fama: 0.0 }
    }
}

impl Kernel<1, 2> for Mama {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        let cycle = self.hilbert.push(value)?;
        let phase = match cycle.inphase {
            0.0 => 0.0,
            inphase => libm::atan(cycle.quadrature / inphase) * DEGREES,
        };
        let fall = std::mem::replace(&mut self.phase, phase) - phase;
        let weight = if fall > 1.0 { (self.fast / fall).max(self.slow) } else { self.fast };
        self.mama = weight * value + (1.0 - weight) * self.mama;
        self.fama = 0.5 * weight * self.mama + (1.0 - 0.5 * weight) * self.fama;
        cycle.is_settled.then_some([self.mama, self.fama])
    }

    fn warmup(&self) -> usize {
        self.hilbert.warmup()
    }
}
