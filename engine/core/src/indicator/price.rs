//! Other prices for a bar.

use super::kernel::{Kernel, erase};
use super::{Function, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "avgprice",
        doc: "Average price: the mean of open, high, low and close.",
        inputs: &["open", "high", "low", "close"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib AVGPRICE",
        build: |_| erase(Average),
    },
    Function {
        name: "medprice",
        doc: "Median price: midway between high and low.",
        inputs: &["high", "low"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib MEDPRICE",
        build: |_| erase(Median),
    },
    Function {
        name: "typprice",
        doc: "Typical price: the mean of high, low and close.",
        inputs: &["high", "low", "close"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib TYPPRICE",
        build: |_| erase(Typical),
    },
    Function {
        name: "wclprice",
        doc: "Weighted close price: the mean of high, low and close, which counts twice.",
        inputs: &["high", "low", "close"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib WCLPRICE",
        build: |_| erase(WeightedClose),
    },
    Function {
        name: "bop",
        doc: "Balance of power: the bar's body in units of its range, from -1 to 1; 0 where there is no range.",
        inputs: &["open", "high", "low", "close"],
        params: &[],
        outputs: VALUE,
        source: "TA-Lib BOP",
        build: |_| erase(BalanceOfPower),
    },
    Function {
        name: "heikin_ashi",
        doc: "Heikin-Ashi bars: the close is the mean of the bar's four prices, the open is midway between open and close of \
              the Heikin-Ashi bar before (at first of the bar itself), and high and low reach to both.",
        inputs: &["open", "high", "low", "close"],
        params: &[],
        outputs: &["open", "high", "low", "close"],
        source: "TA-Lib HA; Valcu, Using the Heikin-Ashi technique (2004)",
        build: |_| erase(HeikinAshi::default()),
    },
];

/// The mean of high, low and close.
#[inline]
pub fn typical(high: f64, low: f64, close: f64) -> f64 {
    (high + low + close) / 3.0
}

/// Midway between high and low.
#[inline]
pub fn median(high: f64, low: f64) -> f64 {
    (high + low) / 2.0
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Average;

impl Kernel<4, 1> for Average {
    #[inline]
    fn update(&mut self, [open, high, low, close]: [f64; 4]) -> Option<[f64; 1]> {
        Some([(open + high + low + close) / 4.0])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Median;

impl Kernel<2, 1> for Median {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        Some([median(high, low)])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Typical;

impl Kernel<3, 1> for Typical {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        Some([typical(high, low, close)])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WeightedClose;

impl Kernel<3, 1> for WeightedClose {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        Some([(high + low + 2.0 * close) / 4.0])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BalanceOfPower;

impl Kernel<4, 1> for BalanceOfPower {
    #[inline]
    fn update(&mut self, [open, high, low, close]: [f64; 4]) -> Option<[f64; 1]> {
        let range = high - low;
        Some([if range > 0.0 { (close - open) / range } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HeikinAshi {
    /// Open and close of the bar before.
    before: Option<(f64, f64)>,
}

impl Kernel<4, 4> for HeikinAshi {
    #[inline]
    fn update(&mut self, [open, high, low, close]: [f64; 4]) -> Option<[f64; 4]> {
        let (first, last) = self.before.unwrap_or((open, close));
        let (ha_open, ha_close) = ((first + last) / 2.0, (open + high + low + close) / 4.0);
        self.before = Some((ha_open, ha_close));
        Some([ha_open, high.max(ha_open).max(ha_close), low.min(ha_open).min(ha_close), ha_close])
    }

    fn warmup(&self) -> usize {
        0
    }
}
