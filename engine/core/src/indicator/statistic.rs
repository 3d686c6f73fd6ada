//! Statistics of the last values: their spread, their straight line, and how two series go together.

use super::kernel::{Kernel, erase};
use super::maths::quotient;
use super::window::{Moments, Window};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const TWO: &[&str] = &["value", "other"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "stddev",
        doc: "Standard deviation of the population, times a factor.",
        inputs: VALUE,
        params: &[Param::period("period", 5, 2), Param::number("factor", 1.0, (-1_000.0, 1_000.0))],
        outputs: VALUE,
        source: "TA-Lib STDDEV",
        build: |params| erase(Deviation { moments: Moments::new(params.count(0)), factor: params.number(1) }),
    },
    Function {
        name: "var",
        doc: "Variance of the population.",
        inputs: VALUE,
        params: &[Param::period("period", 5, 1)],
        outputs: VALUE,
        source: "TA-Lib VAR",
        build: |params| erase(Variance(Moments::new(params.count(0)))),
    },
    Function {
        name: "correl",
        doc: "Pearson's coefficient of correlation of two series, from -1 to 1; 0 where one of them does not move.",
        inputs: TWO,
        params: &[Param::period("period", 30, 1)],
        outputs: VALUE,
        source: "TA-Lib CORREL",
        build: |params| erase(Correlation(Pair::new(params.count(0)))),
    },
    Function {
        name: "beta",
        doc: "Beta: by how much the rate of change of the other series goes with that of the first, per unit of it; 0 \
              where the first does not move.",
        inputs: TWO,
        params: &[Param::period("period", 5, 1)],
        outputs: VALUE,
        source: "TA-Lib BETA",
        build: |params| erase(Beta { before: None, rates: Pair::new(params.count(0)) }),
    },
    Function {
        name: "linearreg",
        doc: "Linear regression: where the straight line of least squares through the last values stands at the \
              newest.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib LINEARREG",
        build: |params| erase(Regression::new(params.count(0), Reading::Newest)),
    },
    Function {
        name: "linearreg_angle",
        doc: "Angle of the straight line of least squares through the last values, in degrees, one unit of value a \
              step.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib LINEARREG_ANGLE",
        build: |params| erase(Regression::new(params.count(0), Reading::Angle)),
    },
    Function {
        name: "linearreg_intercept",
        doc: "Where the straight line of least squares through the last values stands at the oldest of them.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib LINEARREG_INTERCEPT",
        build: |params| erase(Regression::new(params.count(0), Reading::Oldest)),
    },
    Function {
        name: "linearreg_slope",
        doc: "Slope of the straight line of least squares through the last values, per step.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib LINEARREG_SLOPE",
        build: |params| erase(Regression::new(params.count(0), Reading::Slope)),
    },
    Function {
        name: "tsf",
        doc: "Time series forecast: where the straight line of least squares through the last values will stand at \
              the next.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib TSF",
        build: |params| erase(Regression::new(params.count(0), Reading::Next)),
    },
    Function {
        name: "fosc",
        doc: "Forecast oscillator: how far the value is from what tsf forecast for it one input before, in percent of \
              the value; 0 where that is 0.",
        inputs: VALUE,
        params: &[Param::period("period", 5, 2)],
        outputs: VALUE,
        source: "TA-Lib FOSC; Chande and Kroll, The New Technical Trader (1994)",
        build: |params| {
            erase(ForecastOscillator { line: Regression::new(params.count(0), Reading::Next), forecast: None })
        },
    },
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deviation {
    moments: Moments,
    factor: f64,
}

impl Kernel<1, 1> for Deviation {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (_, variance) = self.moments.push(value)?;
        Some([variance.sqrt() * self.factor])
    }

    fn warmup(&self) -> usize {
        self.moments.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Variance(Moments);

impl Kernel<1, 1> for Variance {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.push(value).map(|(_, variance)| [variance])
    }

    fn warmup(&self) -> usize {
        self.0.window().capacity() - 1
    }
}

/// Variances and covariance of the last pairs of values, made as [`Moments`] are: from sums of distances from one of
/// the pairs, afresh once a turn and where cancellation would show.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pair {
    windows: [Window; 2],
    pivot: [f64; 2],
    first: [f64; 2],
    second: [f64; 2],
    product: f64,
    /// Greatest mean squares since the sums were made.
    peak: [f64; 2],
    /// Pairs until the sums are made afresh.
    due: usize,
}

/// What [`Pair`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Covariance {
    /// Means.
    pub mean: [f64; 2],
    /// Variances of the population.
    pub variance: [f64; 2],
    /// Covariance of the population.
    pub covariance: f64,
}

impl Pair {
    /// Variances this much smaller than what the sums held since they were made have lost too many digits.
    const LOSS: f64 = 1e-5;

    /// Of `period` pairs.
    pub fn new(period: usize) -> Pair {
        let windows = [Window::new(period), Window::new(period)];
        let zero = [0.0; 2];
        Pair { windows, pivot: zero, first: zero, second: zero, product: 0.0, peak: zero, due: 1 }
    }

    /// How many pairs it takes.
    pub fn period(&self) -> usize {
        self.windows[0].capacity()
    }

    /// Takes a pair; the moments, once there were enough.
    #[inline]
    pub fn push(&mut self, pair: [f64; 2]) -> Option<Covariance> {
        let oldest = [self.windows[0].push(pair[0]), self.windows[1].push(pair[1])];
        self.due = self.due.saturating_sub(1);
        if self.due == 0 {
            self.refresh();
        } else {
            let new = [pair[0] - self.pivot[0], pair[1] - self.pivot[1]];
            self.add(new, 1.0);
            if let [Some(left), Some(right)] = oldest {
                self.add([left - self.pivot[0], right - self.pivot[1]], -1.0);
            }
        }
        self.windows[0].is_full().then(|| self.moments())
    }

    #[inline]
    fn add(&mut self, distance: [f64; 2], sign: f64) {
        for (at, distance) in distance.into_iter().enumerate() {
            self.first[at] += sign * distance;
            self.second[at] += sign * distance * distance;
        }
        self.product += sign * distance[0] * distance[1];
    }

    #[inline]
    fn moments(&mut self) -> Covariance {
        let mut found = self.read();
        let count = self.period() as f64;
        self.peak = [0, 1].map(|at| self.peak[at].max(self.second[at] / count));
        // What is not a number is not kept either.
        let is_kept = (0..2).all(|at| found.variance[at] >= self.peak[at] * Pair::LOSS);
        if !is_kept {
            self.refresh();
            found = self.read();
        }
        Covariance { variance: found.variance.map(|variance| variance.max(0.0)), ..found }
    }

    /// As the sums have it; means are distances from the pivot plus the pivot.
    #[inline]
    fn read(&self) -> Covariance {
        let count = self.period() as f64;
        let mean = self.first.map(|sum| sum / count);
        let variance = [0, 1].map(|at| self.second[at] / count - mean[at] * mean[at]);
        let covariance = self.product / count - mean[0] * mean[1];
        Covariance { mean: [0, 1].map(|at| self.pivot[at] + mean[at]), variance, covariance }
    }

    #[inline(never)]
    fn refresh(&mut self) {
        let count = self.windows[0].len() as f64;
        self.pivot = [0, 1].map(|at| self.windows[at].back(0).unwrap_or_default());
        (self.first, self.second, self.product) = ([0.0; 2], [0.0; 2], 0.0);
        for at in (0..self.windows[0].len()).rev() {
            let [Some(left), Some(right)] = [self.windows[0].back(at), self.windows[1].back(at)] else { continue };
            self.add([left - self.pivot[0], right - self.pivot[1]], 1.0);
        }
        self.peak = self.second.map(|sum| sum / count);
        self.due = self.period();
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Correlation(Pair);

impl Kernel<2, 1> for Correlation {
    #[inline]
    fn update(&mut self, pair: [f64; 2]) -> Option<[f64; 1]> {
        let Covariance { variance: [left, right], covariance, .. } = self.0.push(pair)?;
        // Two roots: the product of two variances may be too small, or too great, for a number.
        let scale = left.sqrt() * right.sqrt();
        Some([if scale > 0.0 { covariance / scale } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.0.period() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Beta {
    before: Option<[f64; 2]>,
    rates: Pair,
}

impl Kernel<2, 1> for Beta {
    #[inline]
    fn update(&mut self, pair: [f64; 2]) -> Option<[f64; 1]> {
        let before = self.before.replace(pair)?;
        let rate = |at: usize| if before[at] == 0.0 { 0.0 } else { (pair[at] - before[at]) / before[at] };
        let Covariance { variance: [variance, _], covariance, .. } = self.rates.push([rate(0), rate(1)])?;
        Some([if variance > 0.0 { covariance / variance } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.rates.period()
    }
}

/// What is read off the straight line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Reading {
    Oldest,
    Newest,
    Next,
    Slope,
    Angle,
}

/// The straight line of least squares: the values over how many there were before them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Regression {
    pair: Pair,
    count: u64,
    reading: Reading,
}

impl Regression {
    fn new(period: usize, reading: Reading) -> Regression {
        Regression { pair: Pair::new(period), count: 0, reading }
    }
}

impl Kernel<1, 1> for Regression {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let time = self.count as f64;
        self.count = self.count.wrapping_add(1);
        let Covariance { mean: [_, mean], variance: [variance, _], covariance } = self.pair.push([time, value])?;
        let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
        let half = (self.pair.period() as f64 - 1.0) / 2.0;
        let read = match self.reading {
            Reading::Oldest => mean - slope * half,
            Reading::Newest => mean + slope * half,
            Reading::Next => mean + slope * (half + 1.0),
            Reading::Slope => slope,
            Reading::Angle => libm::atan(slope).to_degrees(),
        };
        Some([read])
    }

    fn warmup(&self) -> usize {
        self.pair.period() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ForecastOscillator {
    line: Regression,
    forecast: Option<f64>,
}

impl Kernel<1, 1> for ForecastOscillator {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let next = self.line.update([value]).map(|[next]| next);
        let forecast = std::mem::replace(&mut self.forecast, next)?;
        Some([100.0 * quotient(value - forecast, value)])
    }

    fn warmup(&self) -> usize {
        self.line.warmup().saturating_add(1)
    }
}
