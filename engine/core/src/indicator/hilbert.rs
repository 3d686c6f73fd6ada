//! The dominant cycle of a series, by a Hilbert transform (Ehlers, Rocket Science for Traders, 2001).

use serde::{Deserialize, Serialize};

/// Degrees of a radian.
pub const DEGREES: f64 = 180.0 / std::f64::consts::PI;
/// Longest cycle, in values; the shortest has six.
pub const PERIOD_MAX: usize = 50;

/// A filter that turns the phase of a cycle by a quarter.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Quadrature {
    /// The last values, newest first.
    past: [f64; 6],
}

impl Quadrature {
    #[inline]
    fn push(&mut self, value: f64, gain: f64) -> f64 {
        const NEAR: f64 = 0.5769;
        const FAR: f64 = 0.0962;
        let [_, second, _, fourth, _, sixth] = self.past;
        self.past.copy_within(..5, 1);
        self.past[0] = value;
        (FAR * value - FAR * sixth - NEAR * fourth + NEAR * second) * gain
    }
}

/// What is known of the cycle after a value.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    /// The value, smoothed over four.
    pub smoothed: f64,
    /// The part of the cycle that is in phase with the values.
    pub inphase: f64,
    /// The part that is a quarter of a cycle away.
    pub quadrature: f64,
    /// Length of the cycle in values, smoothed.
    pub period: f64,
    /// False while it settles: no output yet.
    pub is_settled: bool,
}

/// Follows the dominant cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hilbert {
    /// The last values, newest first.
    past: [f64; 3],
    /// Values before the first that is looked at, before the first output, and so far, as many as count.
    start: usize,
    warmup: usize,
    count: usize,
    detrender: Quadrature,
    quadrature: Quadrature,
    inphase_turned: Quadrature,
    quadrature_turned: Quadrature,
    /// The last detrended values, newest first.
    detrended: [f64; 3],
    inphase_smoothed: f64,
    quadrature_smoothed: f64,
    /// The product of the cycle and the conjugate of the one a value ago, smoothed: its angle is the cycle's speed.
    real: f64,
    imaginary: f64,
    period: f64,
    period_smoothed: f64,
}

impl Hilbert {
    /// For what is known of a cycle after 32 values.
    pub fn short() -> Hilbert {
        Hilbert::new(12, 32)
    }

    /// For what takes 63 values to settle.
    pub fn long() -> Hilbert {
        Hilbert::new(37, 63)
    }

    fn new(start: usize, warmup: usize) -> Hilbert {
        let filter = Quadrature::default();
        Hilbert {
            past: [0.0; 3],
            start,
            warmup,
            count: 0,
            detrender: filter,
            quadrature: filter,
            inphase_turned: filter,
            quadrature_turned: filter,
            detrended: [0.0; 3],
            inphase_smoothed: 0.0,
            quadrature_smoothed: 0.0,
            real: 0.0,
            imaginary: 0.0,
            period: 0.0,
            period_smoothed: 0.0,
        }
    }

    /// Values before the first that settled.
    pub fn warmup(&self) -> usize {
        self.warmup
    }

    /// Takes a value; the cycle, once it is looked for.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<Cycle> {
        let [first, second, third] = self.past;
        self.past = [value, first, second];
        let (count, is_settled) = (self.count, self.count >= self.warmup);
        if !is_settled {
            self.count += 1;
        }
        if count < self.start {
            return None;
        }
        let smoothed = (4.0 * value + 3.0 * first + 2.0 * second + third) * 0.1;
        let gain = 0.075 * self.period + 0.54;
        let detrended = self.detrender.push(smoothed, gain);
        let quadrature = self.quadrature.push(detrended, gain);
        let [newer, newest_but_one, inphase] = self.detrended;
        self.detrended = [detrended, newer, newest_but_one];
        let inphase_turned = self.inphase_turned.push(inphase, gain);
        let quadrature_turned = self.quadrature_turned.push(quadrature, gain);
        self.follow(inphase - quadrature_turned, quadrature + inphase_turned);
        Some(Cycle { smoothed, inphase, quadrature, period: self.period_smoothed, is_settled })
    }

    /// Takes the cycle's two parts and measures its length from how far they turned.
    #[inline]
    fn follow(&mut self, inphase: f64, quadrature: f64) {
        let (last_inphase, last_quadrature) = (self.inphase_smoothed, self.quadrature_smoothed);
        self.quadrature_smoothed = 0.2 * quadrature + 0.8 * last_quadrature;
        self.inphase_smoothed = 0.2 * inphase + 0.8 * last_inphase;
        let (inphase, quadrature) = (self.inphase_smoothed, self.quadrature_smoothed);
        self.real = 0.2 * (inphase * last_inphase + quadrature * last_quadrature) + 0.8 * self.real;
        self.imaginary = 0.2 * (inphase * last_quadrature - quadrature * last_inphase) + 0.8 * self.imaginary;
        let last = self.period;
        let mut period = last;
        if self.real != 0.0 && self.imaginary != 0.0 {
            period = 360.0 / (libm::atan(self.imaginary / self.real) * DEGREES);
        }
        // One after the other: where the last was zero, so are both bounds.
        period = period.min(1.5 * last).max(0.67 * last).max(6.0).min(PERIOD_MAX as f64);
        self.period = 0.2 * period + 0.8 * last;
        self.period_smoothed = 0.33 * self.period + 0.67 * self.period_smoothed;
    }
}
