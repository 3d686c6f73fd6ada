//! Pivot points: levels of this bar that follow from the bar before it. On daily bars they are the floor traders'.

use super::Function;
use super::kernel::{Kernel, erase};
use serde::{Deserialize, Serialize};

const HLC: &[&str] = &["high", "low", "close"];
const LEVELS: &[&str] = &["pivot", "r1", "s1", "r2", "s2"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "pivot",
        doc: "Classic pivot points of the bar before.",
        inputs: HLC,
        params: &[],
        outputs: LEVELS,
        source: "floor traders; Person, A Complete Guide to Technical Trading Tactics (2004)",
        build: |_| erase::<3, 5>(Pivot::new(Method::Classic)),
    },
    Function {
        name: "pivot_outer",
        doc: "Third resistance and support of the classic pivot points.",
        inputs: HLC,
        params: &[],
        outputs: &["r3", "s3"],
        source: "floor traders; Person, A Complete Guide to Technical Trading Tactics (2004)",
        build: |_| erase::<3, 2>(Pivot::new(Method::Classic)),
    },
    Function {
        name: "pivot_fibonacci",
        doc: "Pivot points of the bar before, at Fibonacci's ratios of its range.",
        inputs: HLC,
        params: &[],
        outputs: LEVELS,
        source: "StockCharts ChartSchool, Fibonacci pivot points",
        build: |_| erase::<3, 5>(Pivot::new(Method::Fibonacci)),
    },
    Function {
        name: "pivot_fibonacci_outer",
        doc: "Third resistance and support of the Fibonacci pivot points: a whole range from the pivot.",
        inputs: HLC,
        params: &[],
        outputs: &["r3", "s3"],
        source: "StockCharts ChartSchool, Fibonacci pivot points",
        build: |_| erase::<3, 2>(Pivot::new(Method::Fibonacci)),
    },
    Function {
        name: "pivot_camarilla",
        doc: "Camarilla's inner levels of the bar before, around its close.",
        inputs: HLC,
        params: &[],
        outputs: LEVELS,
        source: "Scott's Camarilla equation (1989), as TradingView's",
        build: |_| erase::<3, 5>(Pivot::new(Method::Camarilla)),
    },
    Function {
        name: "pivot_camarilla_outer",
        doc: "Camarilla's third and fourth levels of the bar before, where reversals and breakouts are traded.",
        inputs: HLC,
        params: &[],
        outputs: &["r3", "s3", "r4", "s4"],
        source: "Scott's Camarilla equation (1989), as TradingView's",
        build: |_| erase::<3, 4>(Pivot::new(Method::Camarilla)),
    },
    Function {
        name: "pivot_woodie",
        doc: "Woodie's pivot points of the bar before, whose close counts twice.",
        inputs: HLC,
        params: &[],
        outputs: LEVELS,
        source: "Woodie, in the form that takes the close of the bar before",
        build: |_| erase::<3, 5>(Pivot::new(Method::Woodie)),
    },
];

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Method {
    Classic,
    Fibonacci,
    Camarilla,
    Woodie,
}

/// A pivot and its levels from the innermost outwards, each a resistance and a support. Only Camarilla has a fourth.
struct Levels {
    pivot: f64,
    pairs: [[f64; 2]; 4],
}

impl Method {
    fn levels(self, [high, low, close]: [f64; 3]) -> Levels {
        let (range, typical) = (high - low, (high + low + close) / 3.0);
        let classic = |pivot: f64| {
            let (below, above) = (pivot - low, high - pivot);
            let third = [high + 2.0 * below, low - 2.0 * above];
            let pairs = [[pivot + below, pivot - above], [pivot + range, pivot - range], third, third];
            Levels { pivot, pairs }
        };
        let around = |middle: f64, ratios: [f64; 4]| {
            let pairs = ratios.map(|ratio| [middle + ratio * range, middle - ratio * range]);
            Levels { pivot: typical, pairs }
        };
        match self {
            Method::Classic => classic(typical),
            Method::Fibonacci => around(typical, [0.382, 0.618, 1.0, 1.0]),
            Method::Camarilla => around(close, [1.1 / 12.0, 1.1 / 6.0, 1.1 / 4.0, 1.1 / 2.0]),
            Method::Woodie => classic((high + low + 2.0 * close) / 4.0),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pivot {
    method: Method,
    before: Option<[f64; 3]>,
}

impl Pivot {
    fn new(method: Method) -> Pivot {
        Pivot { method, before: None }
    }

    /// Takes a bar; the levels that follow from the one before.
    fn push(&mut self, bar: [f64; 3]) -> Option<Levels> {
        self.before.replace(bar).map(|before| self.method.levels(before))
    }
}

/// The pivot and the first two levels.
impl Kernel<3, 5> for Pivot {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 5]> {
        let Levels { pivot, pairs: [[r1, s1], [r2, s2], ..] } = self.push(bar)?;
        Some([pivot, r1, s1, r2, s2])
    }

    fn warmup(&self) -> usize {
        1
    }
}

/// The third level.
impl Kernel<3, 2> for Pivot {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 2]> {
        Some(self.push(bar)?.pairs[2])
    }

    fn warmup(&self) -> usize {
        1
    }
}

/// The third and the fourth level.
impl Kernel<3, 4> for Pivot {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 4]> {
        let [.., [r3, s3], [r4, s4]] = self.push(bar)?.pairs;
        Some([r3, s3, r4, s4])
    }

    fn warmup(&self) -> usize {
        1
    }
}
