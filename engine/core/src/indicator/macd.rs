//! Differences between a fast and a slow average.

use super::average::{AnyAverage, Ema, OWN_KIND, ma_type};
use super::kernel::{Kernel, erase};
use super::{Function, Param, Params, VALUE};
use serde::{Deserialize, Serialize};

const OUTPUTS: &[&str] = &["macd", "signal", "histogram"];
const FAST: Param = Param::period("fast_period", 12, 2);
const SLOW: Param = Param::period("slow_period", 26, 2);
const SIGNAL: Param = Param::period("signal_period", 9, 1);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "macd",
        doc: "Convergence and divergence of two exponential averages, the average of that, and what is between them.",
        inputs: VALUE,
        params: &[FAST, SLOW, SIGNAL],
        outputs: OUTPUTS,
        source: "TA-Lib MACD",
        build: |params| {
            let averages = Averages::new((params.count(0), ()), (params.count(1), ()), |period, ()| Ema::new(period));
            erase(Macd { averages: Aligned::new(averages), signal: Ema::new(params.count(2)) })
        },
    },
    Function {
        name: "macdext",
        doc: "The macd of averages whose kinds are parameters.",
        inputs: VALUE,
        params: &[
            FAST,
            ma_type("fast_ma_type", 0),
            SLOW,
            ma_type("slow_ma_type", 0),
            SIGNAL,
            ma_type("signal_ma_type", 0),
        ],
        outputs: OUTPUTS,
        source: "TA-Lib MACDEXT",
        build: |params| {
            let [fast, slow, signal] = [0, 2, 4].map(|at| (params.count(at), params.count(at + 1)));
            let averages = Averages::new(fast, slow, AnyAverage::new);
            erase(Macd { averages: Aligned::new(averages), signal: AnyAverage::new(signal.0, signal.1) })
        },
    },
    Function {
        name: "macdfix",
        doc: "The macd of 12 and 26 values with weights of 0.15 and 0.075, as Appel first had them.",
        inputs: VALUE,
        params: &[SIGNAL],
        outputs: OUTPUTS,
        source: "TA-Lib MACDFIX",
        build: |params| {
            let averages = Averages { fast: Weighted::new(12, 0.15), slow: Weighted::new(26, 0.075) };
            erase(Macd { averages: Aligned::new(averages), signal: Ema::new(params.count(0)) })
        },
    },
    Function {
        name: "apo",
        doc: "Absolute price oscillator: the fast average less the slow one.",
        inputs: VALUE,
        params: &[FAST, SLOW, ma_type("ma_type", 1)],
        outputs: VALUE,
        source: "TA-Lib APO",
        build: |params| erase(Apo(oscillator(params))),
    },
    Function {
        name: "ppo",
        doc: "Percentage price oscillator: the fast average less the slow one, in percent of the slow one.",
        inputs: VALUE,
        params: &[FAST, SLOW, ma_type("ma_type", 1)],
        outputs: VALUE,
        source: "TA-Lib PPO",
        build: |params| erase(Ppo(oscillator(params))),
    },
];

/// The averages of a price oscillator, whose own kind is the exponential one.
fn oscillator(params: Params<'_>) -> Averages<AnyAverage> {
    let kind = match params.count(2) {
        OWN_KIND => 1,
        kind => kind,
    };
    Averages::new((params.count(0), kind), (params.count(1), kind), AnyAverage::new)
}

/// A fast average and a slow one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Averages<A: Kernel<1, 1>> {
    fast: A,
    slow: A,
}

impl<A: Kernel<1, 1>> Averages<A> {
    /// Of these periods and kinds, whichever way round they are: the longer period makes the slow one.
    fn new<T>(fast: (usize, T), slow: (usize, T), average: impl Fn(usize, T) -> A) -> Averages<A> {
        let (fast, slow) = if slow.0 < fast.0 { (slow, fast) } else { (fast, slow) };
        Averages { fast: average(fast.0, fast.1), slow: average(slow.0, slow.1) }
    }

    #[inline(always)]
    fn push(&mut self, value: f64) -> Option<(f64, f64)> {
        let (fast, slow) = (self.fast.update([value]), self.slow.update([value]));
        let ([fast], [slow]) = (fast?, slow?);
        Some((fast, slow))
    }

    fn warmup(&self) -> usize {
        self.fast.warmup().max(self.slow.warmup())
    }
}

/// A fast average and a slow one, of which the one that needs fewer values leaves the first ones out, so that both
/// bring their first average at once: it makes a difference where an average never forgets how it began.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Aligned<A: Kernel<1, 1>> {
    averages: Averages<A>,
    /// Values until each begins.
    fast_waits: usize,
    slow_waits: usize,
}

impl<A: Kernel<1, 1>> Aligned<A> {
    fn new(averages: Averages<A>) -> Aligned<A> {
        let warmup = averages.warmup();
        let [fast_waits, slow_waits] = [&averages.fast, &averages.slow].map(|average| warmup - average.warmup());
        Aligned { averages, fast_waits, slow_waits }
    }

    #[inline(always)]
    fn push(&mut self, value: f64) -> Option<(f64, f64)> {
        if self.fast_waits == 0 && self.slow_waits == 0 {
            return self.averages.push(value);
        }
        // At most one of them waits, and the other has no average before that is over.
        if self.fast_waits > 0 {
            self.fast_waits -= 1;
            self.averages.slow.update([value]);
        } else {
            self.slow_waits -= 1;
            self.averages.fast.update([value]);
        }
        None
    }
}

/// Moving average convergence and divergence (Appel 1979).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Macd<A: Kernel<1, 1>, S: Kernel<1, 1>> {
    averages: Aligned<A>,
    signal: S,
}

impl<A: Kernel<1, 1>, S: Kernel<1, 1>> Kernel<1, 3> for Macd<A, S> {
    #[inline(always)]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 3]> {
        let (fast, slow) = self.averages.push(value)?;
        let macd = fast - slow;
        let [signal] = self.signal.update([macd])?;
        Some([macd, signal, macd - signal])
    }

    fn warmup(&self) -> usize {
        self.averages.averages.warmup().saturating_add(self.signal.warmup())
    }
}

/// An exponential average of any weight, which begins with the mean of the first `period` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Weighted {
    period: usize,
    weight: f64,
    /// Values that are still to come before the first average.
    missing: usize,
    /// Until then their sum.
    average: f64,
}

impl Weighted {
    fn new(period: usize, weight: f64) -> Weighted {
        Weighted { period, weight, missing: period, average: 0.0 }
    }
}

impl Kernel<1, 1> for Weighted {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        if self.missing == 0 {
            self.average += (value - self.average) * self.weight;
            return Some([self.average]);
        }
        self.missing -= 1;
        self.average += value;
        if self.missing > 0 {
            return None;
        }
        self.average /= self.period as f64;
        Some([self.average])
    }

    fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

/// What the fast average is above the slow one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Apo(Averages<AnyAverage>);

impl Kernel<1, 1> for Apo {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (fast, slow) = self.0.push(value)?;
        Some([fast - slow])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// What the fast average is above the slow one, in percent of that.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ppo(Averages<AnyAverage>);

impl Ppo {
    /// Below it TA-Lib takes the slow average for zero, and the result is zero.
    const ZERO: f64 = 1e-14;
}

impl Kernel<1, 1> for Ppo {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (fast, slow) = self.0.push(value)?;
        Some([if slow.abs() < Ppo::ZERO { 0.0 } else { (fast - slow) / slow * 100.0 }])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}
