//! How far the price goes in a bar: the true range and its averages.

use super::kernel::{Kernel, erase};
use super::wilder::{Atr, TrueRange};
use super::window::WindowSum;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const BAR: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "trange",
        doc: "True range: from the lowest to the highest price since the close of the bar before.",
        inputs: BAR,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib TRANGE",
        build: |_| erase(TrueRange::default()),
    },
    Function {
        name: "atr",
        doc: "Average true range, smoothed as Wilder does.",
        inputs: BAR,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib ATR",
        build: |params| erase(Atr::new(params.count(0))),
    },
    Function {
        name: "natr",
        doc: "Normalized average true range: atr in percent of the close; 0 where that is 0. With a period of 1 it is \
              the true range itself, as in TA-Lib.",
        inputs: BAR,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib NATR",
        build: |params| erase(Natr { average: Atr::new(params.count(0)), is_plain: params.count(0) == 1 }),
    },
    Function {
        name: "adr",
        doc: "Average daily range: the mean of high less low over the last bars, gaps between them left out.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib ADR",
        build: |params| erase(AverageRange(WindowSum::new(params.count(0)))),
    },
];

impl Kernel<3, 1> for TrueRange {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        self.push(high, low, close).map(|range| [range])
    }

    fn warmup(&self) -> usize {
        1
    }
}

impl Kernel<3, 1> for Atr {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        self.push(high, low, close).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        Atr::warmup(self)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Natr {
    average: Atr,
    is_plain: bool,
}

impl Kernel<3, 1> for Natr {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let average = self.average.push(high, low, close)?;
        Some([match close {
            _ if self.is_plain => average,
            0.0 => 0.0,
            _ => 100.0 * (average / close),
        }])
    }

    fn warmup(&self) -> usize {
        self.average.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AverageRange(WindowSum);

impl Kernel<2, 1> for AverageRange {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let sum = self.0.push(high - low)?;
        Some([sum / self.0.window().capacity() as f64])
    }

    fn warmup(&self) -> usize {
        self.0.window().capacity() - 1
    }
}
