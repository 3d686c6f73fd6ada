//! Moving averages that hurry where there is a trend and rest where there is none.

use super::hilbert::{DEGREES, Hilbert};
use super::kernel::{Kernel, erase};
use super::window::{Window, WindowSum};
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
];

/// An exponential average whose weight is the square of one between that of 30 values and that of 2, by how straight
/// the way of the last `period` steps was (Kaufman 1995).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kama {
    values: Window,
    /// Lengths of the steps.
    way: WindowSum,
    /// Steps of no length at the end, as many as count.
    still: usize,
    average: f64,
}

impl Kama {
    /// Over `period` steps.
    pub fn new(period: usize) -> Kama {
        Kama { values: Window::new(period), way: WindowSum::new(period), still: 0, average: 0.0 }
    }
}

impl Kernel<1, 1> for Kama {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let step = self.values.back(0).map(|last| (value - last).abs());
        let first = self.values.push(value);
        let way = step.and_then(|step| self.way.push(step));
        let period = self.values.capacity();
        self.still = if step == Some(0.0) { period.min(self.still.saturating_add(1)) } else { 0 };
        let (Some(first), Some(way)) = (first, way) else {
            // It begins with the value before the first average.
            self.average = value;
            return None;
        };
        let change = (value - first).abs();
        // Rounding may leave a trace of a way where there was none.
        let efficiency = if self.still == period || way <= change { 1.0 } else { change / way };
        let (fast, slow) = (2.0 / 3.0, 2.0 / 31.0);
        let weight = efficiency * (fast - slow) + slow;
        self.average += (value - self.average) * weight * weight;
        Some([self.average])
    }

    fn warmup(&self) -> usize {
        self.values.capacity()
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
