//! The greatest and the smallest of the last values, and their sum.

use super::kernel::{Kernel, erase};
use super::oscillator::Channel;
use super::window::{Extreme, Sum, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "max",
        doc: "The greatest of the last values: `highest` by TA-Lib's name.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib MAX",
        build: |params| erase(One::greatest(params.count(0))),
    },
    Function {
        name: "min",
        doc: "The smallest of the last values: `lowest` by TA-Lib's name.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib MIN",
        build: |params| erase(One::smallest(params.count(0))),
    },
    Function {
        name: "max_age",
        doc: "How many values ago the greatest of the last values came, 0 for now; of equal ones the newest counts. \
              (TA-Lib gives its place in the array instead.)",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib MAXINDEX",
        build: |params| erase(Age(One::greatest(params.count(0)))),
    },
    Function {
        name: "min_age",
        doc: "How many values ago the smallest of the last values came, 0 for now; of equal ones the newest counts. \
              (TA-Lib gives its place in the array instead.)",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib MININDEX",
        build: |params| erase(Age(One::smallest(params.count(0)))),
    },
    Function {
        name: "minmax",
        doc: "The smallest and the greatest of the last values.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: &["min", "max"],
        source: "TA-Lib MINMAX",
        build: |params| erase(Both(Channel::new(params.count(0)))),
    },
    Function {
        name: "minmax_age",
        doc: "How many values ago the smallest and the greatest of the last values came, 0 for now; of equal ones the \
              newest counts. (TA-Lib gives their places in the array instead.)",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: &["min", "max"],
        source: "TA-Lib MINMAXINDEX",
        build: |params| erase(Ages::new(params.count(0))),
    },
    Function {
        name: "sum",
        doc: "The sum of the last values.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2)],
        outputs: VALUE,
        source: "TA-Lib SUM",
        build: |params| erase(WindowSum::new(params.count(0))),
    },
    Function {
        name: "cumsum",
        doc: "The sum of all values so far.",
        inputs: VALUE,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib CUMSUM",
        build: |_| erase(Sum::default()),
    },
];

/// The greatest of the last values, or the smallest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct One {
    extreme: Extreme,
    period: usize,
}

impl One {
    pub(super) fn greatest(period: usize) -> One {
        One { extreme: Extreme::greatest(period), period }
    }

    pub(super) fn smallest(period: usize) -> One {
        One { extreme: Extreme::smallest(period), period }
    }
}

impl Kernel<1, 1> for One {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.extreme.push(value).map(|(extreme, _)| [extreme])
    }

    fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Age(One);

impl Kernel<1, 1> for Age {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.extreme.push(value).map(|(_, age)| [age as f64])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// Of the smallest, and of the greatest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ages {
    smallest: One,
    greatest: One,
}

impl Ages {
    fn new(period: usize) -> Ages {
        Ages { smallest: One::smallest(period), greatest: One::greatest(period) }
    }
}

impl Kernel<1, 2> for Ages {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        let (smallest, greatest) = (self.smallest.extreme.push(value), self.greatest.extreme.push(value));
        let ((_, smallest), (_, greatest)) = (smallest?, greatest?);
        Some([smallest as f64, greatest as f64])
    }

    fn warmup(&self) -> usize {
        self.smallest.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Both(Channel);

impl Kernel<1, 2> for Both {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        self.0.push(value, value).map(|(greatest, smallest)| [smallest, greatest])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

impl Kernel<1, 1> for WindowSum {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|sum| [sum])
    }

    fn warmup(&self) -> usize {
        self.window().capacity() - 1
    }
}

impl Kernel<1, 1> for Sum {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.add(value);
        Some([self.value()])
    }

    fn warmup(&self) -> usize {
        0
    }
}
