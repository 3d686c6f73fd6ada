//! Exponential averages of exponential averages, each of which begins once the one before it has values enough.

use super::average::Ema;
use super::kernel::{Kernel, erase};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "dema",
        doc: "Double exponential moving average: twice the average less the average of it, which takes out its lag.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib DEMA",
        build: |params| erase(Dema::new(params.count(0))),
    },
    Function {
        name: "tema",
        doc: "Triple exponential moving average: three averages of averages combined so that their lag goes.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib TEMA",
        build: |params| erase(Tema::new(params.count(0))),
    },
    Function {
        name: "t3",
        doc: "Tillson's average: six exponential averages in a row, more responsive the greater the volume factor.",
        inputs: VALUE,
        params: &[Param::period("period", 5, 2), Param::number("volume_factor", 0.7, (0.0, 1.0))],
        outputs: VALUE,
        source: "TA-Lib T3",
        build: |params| erase(T3::new(params.count(0), params.number(1))),
    },
    Function {
        name: "trix",
        doc: "Change of a triple exponential average from the value before, in percent.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 1)],
        outputs: VALUE,
        source: "TA-Lib TRIX",
        build: |params| erase(Trix::new(params.count(0))),
    },
];

/// Twice the exponential average less the average of that average (Mulloy 1994).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dema(Ema, Ema);

impl Dema {
    /// Over `period` values.
    pub fn new(period: usize) -> Dema {
        Dema(Ema::new(period), Ema::new(period))
    }
}

impl Kernel<1, 1> for Dema {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let once = self.0.push(value)?;
        let twice = self.1.push(once)?;
        Some([2.0 * once - twice])
    }

    fn warmup(&self) -> usize {
        self.0.warmup().saturating_add(self.1.warmup())
    }
}

/// Three exponential averages, each of the one before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Triple(Ema, Ema, Ema);

impl Triple {
    /// Over `period` values each.
    pub fn new(period: usize) -> Triple {
        Triple(Ema::new(period), Ema::new(period), Ema::new(period))
    }

    /// Takes a value; the averages, once there were enough for all.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<[f64; 3]> {
        let once = self.0.push(value)?;
        let twice = self.1.push(once)?;
        let thrice = self.2.push(twice)?;
        Some([once, twice, thrice])
    }

    /// Values before the first averages.
    pub fn warmup(&self) -> usize {
        self.0.warmup().saturating_add(self.1.warmup()).saturating_add(self.2.warmup())
    }
}

/// Three averages in a row of which the lags cancel (Mulloy 1994).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tema(Triple);

impl Tema {
    /// Over `period` values.
    pub fn new(period: usize) -> Tema {
        Tema(Triple::new(period))
    }
}

impl Kernel<1, 1> for Tema {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let [once, twice, thrice] = self.0.push(value)?;
        Some([3.0 * once - 3.0 * twice + thrice])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// Three generalised double averages in a row, `(1 + v) average - v average of it`, multiplied out (Tillson 1998).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct T3 {
    first: Triple,
    second: Triple,
    /// The volume factor `v`.
    factor: f64,
}

impl T3 {
    /// Over `period` values, with a volume factor from 0 to 1.
    pub fn new(period: usize, factor: f64) -> T3 {
        T3 { first: Triple::new(period), second: Triple::new(period), factor }
    }
}

impl Kernel<1, 1> for T3 {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let [_, _, third] = self.first.push(value)?;
        let [fourth, fifth, sixth] = self.second.push(third)?;
        let (less, more) = (self.factor, 1.0 + self.factor);
        let [a, b, c] = [more * more * more, -3.0 * more * more * less, 3.0 * more * less * less];
        Some([a * third + b * fourth + c * fifth - less * less * less * sixth])
    }

    fn warmup(&self) -> usize {
        self.first.warmup().saturating_add(self.second.warmup())
    }
}

/// The rate of change of a triple exponential average (Hutson 1983).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trix {
    average: Triple,
    last: Option<f64>,
}

impl Trix {
    /// Over `period` values.
    pub fn new(period: usize) -> Trix {
        Trix { average: Triple::new(period), last: None }
    }
}

impl Kernel<1, 1> for Trix {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let [_, _, average] = self.average.push(value)?;
        let last = self.last.replace(average)?;
        Some([if last == 0.0 { 0.0 } else { (average - last) / last * 100.0 }])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().saturating_add(1)
    }
}
