//! How restless the price is, by measures other than the variance of its returns.

use super::average::Ema;
use super::channel::Bollinger;
use super::kernel::{Kernel, erase};
use super::wilder::{Atr, TrueRange, Wilder};
use super::window::{Extreme, Moments, Window, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const HLC: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ulcer",
        doc: "Ulcer index: root of the mean square of the percentages by which the value is below the highest of the last \
              values.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "Martin and McCann, The Investor's Guide to Fidelity Funds (1989)",
        build: |params| erase(Ulcer::new(params.count(0))),
    },
    Function {
        name: "chaikin_volatility",
        doc: "By how many percent the exponential average of the bars' ranges has changed; 0 where it was zero.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 10, 1), Param::period("change_period", 10, 1)],
        outputs: &["value"],
        source: "Chaikin; Achelis, Technical Analysis from A to Z",
        build: |params| erase(ChaikinVolatility::new(params.count(0), params.count(1))),
    },
    Function {
        name: "relative_volatility",
        doc: "Relative volatility index: the share, in percent, that rising values have in the standard deviation, \
              smoothed as Wilder does; 50 where there is none.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 2), Param::period("smoothing", 14, 1)],
        outputs: VALUE,
        source: "Dorsey, Stocks & Commodities 11:6 (1993)",
        build: |params| erase(RelativeVolatility::new(params.count(0), params.count(1))),
    },
    Function {
        name: "random_walk",
        doc: "Random walk index: how far the price went up, and down, over the period, measured by how far a random walk \
              goes; 0 where the average range is zero.",
        inputs: HLC,
        params: &[Param::period("period", 14, 1)],
        outputs: &["high", "low"],
        source: "Poulos, Stocks & Commodities 9:2 (1991), over one period, with Wilder's average true range",
        build: |params| erase(RandomWalk::new(params.count(0))),
    },
    Function {
        name: "squeeze",
        doc: "Whether the Bollinger bands are inside of the Keltner channel (1 or 0), both around the simple average, with \
              the simple average of the true range.",
        inputs: HLC,
        params: &[
            Param::period("period", 20, 2),
            Param::number("deviations", 2.0, (0.0, 1_000.0)),
            Param::number("factor", 1.5, (0.0, 1_000.0)),
        ],
        outputs: &["value"],
        source: "Carter, Mastering the Trade (2005)",
        build: |params| erase(Squeeze::new(params.count(0), params.number(1), params.number(2))),
    },
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ulcer {
    highest: Extreme,
    squares: WindowSum,
}

impl Ulcer {
    fn new(period: usize) -> Ulcer {
        Ulcer { highest: Extreme::greatest(period), squares: WindowSum::new(period) }
    }
}

impl Kernel<1, 1> for Ulcer {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (highest, _) = self.highest.push(value)?;
        let percent = if highest == 0.0 { 0.0 } else { 100.0 * (value - highest) / highest };
        let mean = self.squares.push(percent * percent)? / self.squares.window().capacity() as f64;
        Some([mean.max(0.0).sqrt()])
    }

    fn warmup(&self) -> usize {
        (self.squares.window().capacity() - 1).saturating_mul(2)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChaikinVolatility {
    average: Ema,
    before: Window,
}

impl ChaikinVolatility {
    fn new(period: usize, change_period: usize) -> ChaikinVolatility {
        ChaikinVolatility { average: Ema::new(period), before: Window::new(change_period) }
    }
}

impl Kernel<2, 1> for ChaikinVolatility {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let average = self.average.push(high - low)?;
        let before = self.before.push(average)?;
        Some([if before == 0.0 { 0.0 } else { 100.0 * (average - before) / before }])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().saturating_add(self.before.capacity())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RelativeVolatility {
    moments: Moments,
    before: Option<f64>,
    up: Wilder,
    down: Wilder,
}

impl RelativeVolatility {
    fn new(period: usize, smoothing: usize) -> RelativeVolatility {
        let smooth = || Wilder::new(smoothing);
        RelativeVolatility { moments: Moments::new(period), before: None, up: smooth(), down: smooth() }
    }
}

impl Kernel<1, 1> for RelativeVolatility {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let before = self.before.replace(value).unwrap_or(value);
        let deviation = self.moments.push(value)?.1.sqrt();
        let part = |is_it: bool| if is_it { deviation } else { 0.0 };
        let (up, down) = (self.up.push(part(value > before)), self.down.push(part(value < before)));
        let (up, down) = (up?, down?);
        let both = up + down;
        Some([if both == 0.0 { 50.0 } else { 100.0 * up / both }])
    }

    fn warmup(&self) -> usize {
        (self.moments.window().capacity() - 1).saturating_add(self.up.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RandomWalk {
    atr: Atr,
    highs: Window,
    lows: Window,
}

impl RandomWalk {
    fn new(period: usize) -> RandomWalk {
        let window = || Window::new(period);
        RandomWalk { atr: Atr::new(period), highs: window(), lows: window() }
    }
}

impl Kernel<3, 2> for RandomWalk {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let (high_before, low_before) = (self.highs.push(high), self.lows.push(low));
        let walk = self.atr.push(high, low, close)? * (self.highs.capacity() as f64).sqrt();
        let (up, down) = (high - low_before?, high_before? - low);
        Some(if walk == 0.0 { [0.0, 0.0] } else { [up / walk, down / walk] })
    }

    fn warmup(&self) -> usize {
        self.highs.capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Squeeze {
    bollinger: Bollinger,
    range: TrueRange,
    ranges: WindowSum,
    factor: f64,
}

impl Squeeze {
    fn new(period: usize, deviations: f64, factor: f64) -> Squeeze {
        let (bollinger, ranges) = (Bollinger::new(period, deviations), WindowSum::new(period));
        Squeeze { bollinger, range: TrueRange::default(), ranges, factor }
    }
}

impl Kernel<3, 1> for Squeeze {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let bands = self.bollinger.push(close);
        let range = self.range.push(high, low, close)?;
        let mean = self.ranges.push(range)? / self.ranges.window().capacity() as f64;
        let (_, reach) = bands?;
        Some([if reach < self.factor * mean { 1.0 } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.ranges.window().capacity()
    }
}
