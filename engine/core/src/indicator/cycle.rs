//! The dominant cycle of a series: its length, its phase, and the trend without it (Ehlers, Rocket Science for Traders,
//! 2001).

use super::hilbert::{Cycle, DEGREES, Hilbert, PERIOD_MAX};
use super::kernel::{Kernel, erase};
use super::window::Window;
use super::{Function, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ht_dcperiod",
        doc: "Length of the dominant cycle, in values.",
        inputs: VALUE,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib HT_DCPERIOD",
        build: |_| erase(Length(Hilbert::short())),
    },
    Function {
        name: "ht_phasor",
        doc: "The dominant cycle as a pointer: its part in phase with the values and that a quarter of a cycle away.",
        inputs: VALUE,
        params: &[],
        outputs: &["inphase", "quadrature"],
        source: "TA-Lib HT_PHASOR",
        build: |_| erase(Phasor(Hilbert::short())),
    },
    Function {
        name: "ht_dcphase",
        doc: "Phase of the dominant cycle, in degrees from -45 to 315.",
        inputs: VALUE,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib HT_DCPHASE",
        build: |_| erase(PhaseAngle(Phase::new())),
    },
    Function {
        name: "ht_sine",
        doc: "Sine of the phase of the dominant cycle, and the sine 45 degrees ahead of it.",
        inputs: VALUE,
        params: &[],
        outputs: &["sine", "lead_sine"],
        source: "TA-Lib HT_SINE",
        build: |_| erase(SineWave(Phase::new())),
    },
    Function {
        name: "ht_trendline",
        doc: "The trend: the average over one dominant cycle, smoothed.",
        inputs: VALUE,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib HT_TRENDLINE",
        build: |_| erase(InstantTrend { hilbert: Hilbert::long(), trend: Trendline::new() }),
    },
    Function {
        name: "ht_trendmode",
        doc: "1 where the values follow a trend, 0 where they follow a cycle.",
        inputs: VALUE,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib HT_TRENDMODE",
        build: |_| erase(TrendMode::new()),
    },
];

/// The cycle's length in whole values.
#[inline]
fn whole(period: f64) -> usize {
    // What is not in range becomes the next that is.
    PERIOD_MAX.min((period + 0.5) as usize)
}

/// Sine, and the sine 45 degrees ahead, of a phase in degrees.
#[inline]
fn sines(phase: f64) -> [f64; 2] {
    [phase, phase + 45.0].map(|angle| libm::sin(angle / DEGREES))
}

/// The phase of the cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Phase {
    hilbert: Hilbert,
    /// Smoothed values.
    smoothed: Window,
    /// Degrees.
    phase: f64,
}

impl Phase {
    fn new() -> Phase {
        Phase { hilbert: Hilbert::long(), smoothed: Window::new(PERIOD_MAX), phase: 0.0 }
    }

    /// Takes a value; the cycle and its phase, once it is looked for.
    #[inline]
    fn push(&mut self, value: f64) -> Option<(Cycle, f64)> {
        let cycle = self.hilbert.push(value)?;
        self.smoothed.push(cycle.smoothed);
        let (real, imaginary) = self.correlate(whole(cycle.period));
        let mut phase = if imaginary != 0.0 {
            libm::atan(real / imaginary) * DEGREES
        } else if real == 0.0 {
            self.phase
        } else {
            self.phase + 90.0f64.copysign(real)
        };
        phase += 90.0;
        // Smoothing lags by one value.
        phase += 360.0 / cycle.period;
        if imaginary < 0.0 {
            phase += 180.0;
        }
        if phase > 315.0 {
            phase -= 360.0;
        }
        self.phase = phase;
        Some((cycle, phase))
    }

    /// Sums of the smoothed values of the last cycle times the sine and the cosine of their age.
    #[inline]
    fn correlate(&self, period: usize) -> (f64, f64) {
        // Over a whole cycle a constant adds nothing: without it there is nothing to cancel, and a value that rests
        // has no cycle at all.
        let level = if period > 1 { self.smoothed.back(0).unwrap_or_default() } else { 0.0 };
        let (turn_sine, turn_cosine) = libm::sincos(std::f64::consts::TAU / period.max(1) as f64);
        let (mut sine, mut cosine) = (0.0, 1.0);
        let (mut real, mut imaginary) = (0.0, 0.0);
        for age in 0..period {
            let value = self.smoothed.back(age).unwrap_or_default() - level;
            real += sine * value;
            imaginary += cosine * value;
            (sine, cosine) = (sine * turn_cosine + cosine * turn_sine, cosine * turn_cosine - sine * turn_sine);
        }
        (real, imaginary)
    }
}

/// The average over one cycle, smoothed over four.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trendline {
    values: Window,
    /// The last averages, newest first.
    past: [f64; 3],
}

impl Trendline {
    fn new() -> Trendline {
        Trendline { values: Window::new(PERIOD_MAX), past: [0.0; 3] }
    }

    /// Takes the length of the cycle, once the values are in.
    #[inline]
    fn follow(&mut self, period: usize) -> f64 {
        let sum: f64 = (0..period).filter_map(|age| self.values.back(age)).sum();
        let average = sum / period.max(1) as f64;
        let [first, second, third] = self.past;
        self.past = [average, first, second];
        (4.0 * average + 3.0 * first + 2.0 * second + third) / 10.0
    }
}

/// The length of the cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Length(Hilbert);

impl Kernel<1, 1> for Length {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let cycle = self.0.push(value)?;
        cycle.is_settled.then_some([cycle.period])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// The cycle's two parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Phasor(Hilbert);

impl Kernel<1, 2> for Phasor {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        let cycle = self.0.push(value)?;
        cycle.is_settled.then_some([cycle.inphase, cycle.quadrature])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// The phase of the cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PhaseAngle(Phase);

impl Kernel<1, 1> for PhaseAngle {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (cycle, phase) = self.0.push(value)?;
        cycle.is_settled.then_some([phase])
    }

    fn warmup(&self) -> usize {
        self.0.hilbert.warmup()
    }
}

/// The sine of the phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SineWave(Phase);

impl Kernel<1, 2> for SineWave {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        let (cycle, phase) = self.0.push(value)?;
        cycle.is_settled.then(|| sines(phase))
    }

    fn warmup(&self) -> usize {
        self.0.hilbert.warmup()
    }
}

/// The trend without the cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct InstantTrend {
    hilbert: Hilbert,
    trend: Trendline,
}

impl Kernel<1, 1> for InstantTrend {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.trend.values.push(value);
        let cycle = self.hilbert.push(value)?;
        let trend = self.trend.follow(whole(cycle.period));
        cycle.is_settled.then_some([trend])
    }

    fn warmup(&self) -> usize {
        self.hilbert.warmup()
    }
}

/// Trend or cycle: a cycle begins where sine and lead sine cross and lasts half a cycle, and goes on while the phase
/// turns at the cycle's speed; but values far from the trend line are in a trend.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TrendMode {
    phase: Phase,
    trend: Trendline,
    /// Sine and lead sine before.
    sines: [f64; 2],
    /// Values since they crossed.
    since: u64,
}

impl TrendMode {
    fn new() -> TrendMode {
        TrendMode { phase: Phase::new(), trend: Trendline::new(), sines: [0.0; 2], since: 0 }
    }
}

impl Kernel<1, 1> for TrendMode {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        /// How far values in a cycle are from the trend line at most, as a part of it.
        const NEAR: f64 = 0.015;
        self.trend.values.push(value);
        let last_phase = self.phase.phase;
        let (cycle, phase) = self.phase.push(value)?;
        let trend = self.trend.follow(whole(cycle.period));
        let [sine, lead] = sines(phase);
        let [last_sine, last_lead] = std::mem::replace(&mut self.sines, [sine, lead]);
        let crossed = (sine > lead && last_sine <= last_lead) || (sine < lead && last_sine >= last_lead);
        self.since = if crossed { 1 } else { self.since.saturating_add(1) };
        let speed = 360.0 / cycle.period;
        let turned = phase - last_phase;
        let in_step = turned > 0.67 * speed && turned < 1.5 * speed;
        let is_cycle = crossed || (self.since as f64) < 0.5 * cycle.period || in_step;
        let is_far = trend != 0.0 && ((cycle.smoothed - trend) / trend).abs() >= NEAR;
        cycle.is_settled.then_some([if is_far || !is_cycle { 1.0 } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.phase.hilbert.warmup()
    }
}
