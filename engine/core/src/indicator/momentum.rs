//! Momentum: how far the value has moved, and what share of its moves went up.

use super::kernel::{Kernel, erase};
use super::maths::{greater, quotient};
use super::wilder::Wilder;
use super::window::{Window, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "mom",
        doc: "Momentum: the difference from the value some inputs ago.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib MOM",
        build: |params| erase(Change::new(params.count(0), Measure::Difference)),
    },
    Function {
        name: "roc",
        doc: "Rate of change in percent: 100 * (value / before - 1), 0 where the value before is 0.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib ROC",
        build: |params| erase(Change::new(params.count(0), Measure::Percent)),
    },
    Function {
        name: "rocp",
        doc: "Rate of change: (value - before) / before, 0 where the value before is 0.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib ROCP",
        build: |params| erase(Change::new(params.count(0), Measure::Rate)),
    },
    Function {
        name: "rocr",
        doc: "Rate of change as a ratio: value / before, 0 where the value before is 0.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib ROCR",
        build: |params| erase(Change::new(params.count(0), Measure::Ratio)),
    },
    Function {
        name: "rocr100",
        doc: "Rate of change as a ratio in percent: 100 * value / before, 0 where the value before is 0.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 1)],
        outputs: VALUE,
        source: "TA-Lib ROCR100",
        build: |params| erase(Change::new(params.count(0), Measure::RatioPercent)),
    },
    Function {
        name: "rsi",
        doc: "Relative strength index: the share of the gains in all moves, both smoothed as Wilder does, from 0 to \
              100; 0 where nothing moved.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib RSI",
        build: |params| erase(Rsi::new(params.count(0))),
    },
    Function {
        name: "cmo",
        doc: "Chande momentum oscillator: gains less losses in percent of all moves, smoothed as Wilder does; 0 where \
              nothing moved.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib CMO",
        build: |params| erase(Cmo::new(params.count(0))),
    },
    Function {
        name: "cmou",
        doc: "Chande momentum oscillator as he had it: gains less losses in percent of all moves of the period, which \
              all count alike; 0 where nothing moved.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib CMOU",
        build: |params| erase(PlainChande::new(params.count(0))),
    },
    Function {
        name: "imi",
        doc: "Intraday momentum index: the share of rising bodies in the sum of all bodies, from 0 to 100; 50 where \
              there is none.",
        inputs: &["open", "close"],
        params: &[Param::period("period", 14, 2)],
        outputs: &["value"],
        source: "TA-Lib IMI",
        build: |params| erase(IntradayMomentum::new(params.count(0))),
    },
];

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Measure {
    /// The later less the earlier.
    Difference,
    /// The difference in units of the earlier.
    Rate,
    /// The same in percent.
    Percent,
    /// The later in units of the earlier.
    Ratio,
    /// The same in percent.
    RatioPercent,
}

impl Measure {
    /// Compares a value with one before it; 0 where the one before is 0 and something has to be divided by it.
    #[inline]
    pub fn of(self, value: f64, before: f64) -> f64 {
        match self {
            Measure::Difference => value - before,
            _ if before == 0.0 => 0.0,
            Measure::Rate => (value - before) / before,
            Measure::Percent => 100.0 * ((value - before) / before),
            Measure::Ratio => value / before,
            Measure::RatioPercent => 100.0 * (value / before),
        }
    }
}

/// A value compared with the one `period` inputs before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    window: Window,
    measure: Measure,
}

impl Change {
    /// Over `period` inputs.
    pub fn new(period: usize, measure: Measure) -> Change {
        Change { window: Window::new(period), measure }
    }

    /// Takes a value; how it compares, once there is one to compare with.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let before = self.window.push(value)?;
        Some(self.measure.of(value, before))
    }
}

impl Kernel<1, 1> for Change {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|change| [change])
    }

    fn warmup(&self) -> usize {
        self.window.capacity()
    }
}

/// The average gain and the average loss from one value to the next, as Wilder smooths them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Moves {
    gains: Wilder,
    losses: Wilder,
    before: Option<f64>,
}

impl Moves {
    fn new(period: usize) -> Moves {
        Moves { gains: Wilder::new(period), losses: Wilder::new(period), before: None }
    }

    /// Takes a value; average gain and average loss, both positive, once there were enough.
    #[inline]
    fn push(&mut self, value: f64) -> Option<(f64, f64)> {
        let change = value - self.before.replace(value)?;
        let gain = self.gains.push(greater(0.0, change));
        let loss = self.losses.push(greater(0.0, -change));
        gain.zip(loss)
    }

    fn warmup(&self) -> usize {
        self.gains.warmup().saturating_add(1)
    }
}

/// The relative strength index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rsi(Moves);

impl Rsi {
    /// Over `period` moves.
    pub fn new(period: usize) -> Rsi {
        Rsi(Moves::new(period))
    }

    /// Takes a value; the index, once there were enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let (gain, loss) = self.0.push(value)?;
        let all = gain + loss;
        Some(if all > 0.0 { 100.0 * (gain / all) } else { 0.0 })
    }
}

impl Kernel<1, 1> for Rsi {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|index| [index])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cmo(Moves);

impl Cmo {
    fn new(period: usize) -> Cmo {
        Cmo(Moves::new(period))
    }
}

impl Kernel<1, 1> for Cmo {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (gain, loss) = self.0.push(value)?;
        let all = gain + loss;
        Some([if all > 0.0 { 100.0 * ((gain - loss) / all) } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct IntradayMomentum {
    rising: WindowSum,
    falling: WindowSum,
}

impl IntradayMomentum {
    fn new(period: usize) -> IntradayMomentum {
        IntradayMomentum { rising: WindowSum::new(period), falling: WindowSum::new(period) }
    }
}

impl Kernel<2, 1> for IntradayMomentum {
    #[inline]
    fn update(&mut self, [open, close]: [f64; 2]) -> Option<[f64; 1]> {
        let body = close - open;
        let (rising, falling) = (self.rising.push(body.max(0.0)), self.falling.push((-body).max(0.0)));
        let (rising, falling) = rising.zip(falling)?;
        let all = rising + falling;
        Some([if all > 0.0 { 100.0 * (rising / all) } else { 50.0 }])
    }

    fn warmup(&self) -> usize {
        self.rising.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PlainChande {
    before: Option<f64>,
    moves: WindowSum,
    lengths: WindowSum,
}

impl PlainChande {
    fn new(period: usize) -> PlainChande {
        PlainChande { before: None, moves: WindowSum::new(period), lengths: WindowSum::new(period) }
    }
}

impl Kernel<1, 1> for PlainChande {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let change = value - self.before.replace(value)?;
        let (moves, lengths) = self.moves.push(change).zip(self.lengths.push(change.abs()))?;
        Some([100.0 * quotient(moves, lengths)])
    }

    fn warmup(&self) -> usize {
        self.lengths.window().capacity()
    }
}
