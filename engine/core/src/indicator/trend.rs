//! Whether the price goes somewhere or back and forth.

use super::average::Ema;
use super::kernel::{Kernel, erase};
use super::maths::quotient;
use super::oscillator::Channel;
use super::wilder::TrueRange;
use super::window::WindowSum;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const BAR: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "vortex",
        doc: "Vortex indicator: how far the highs are from the lows before them (plus), and the lows from the highs \
              before them (minus), in units of the true range; 0 where there is no range.",
        inputs: BAR,
        params: &[Param::period("period", 14, 1)],
        outputs: &["plus", "minus"],
        source: "TA-Lib VORTEX; Botes and Siepman, Stocks & Commodities 28:1 (2010)",
        build: |params| erase(Vortex::new(params.count(0))),
    },
    Function {
        name: "choppiness",
        doc: "Choppiness index: how long the way of the price was in units of how far it came, on a logarithmic scale \
              from 0 (straight) to 100 (back and forth); 0 where it did not move.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "Dreiss, Choppiness Index (1993)",
        build: |params| erase(Choppiness::new(params.count(0))),
    },
    Function {
        name: "mass_index",
        doc: "Mass index: sum of the ratios of the exponential average of the bar's range to the average of that \
              average; a ratio is 1 where there is no range.",
        inputs: &["high", "low"],
        params: &[Param::period("average_period", 9, 2), Param::period("period", 25, 2)],
        outputs: VALUE,
        source: "TA-Lib MASSI; Dorsey, Stocks & Commodities 10:6 (1992)",
        build: |params| erase(Mass::new(params.count(1), params.count(0))),
    },
    Function {
        name: "efficiency_ratio",
        doc: "Kaufman's efficiency ratio: how far the value came in units of the way it took, from 0 to 1; 1 where it \
              did not move.",
        inputs: VALUE,
        params: &[Param::period("period", 10, 2)],
        outputs: VALUE,
        source: "TA-Lib ER; Kaufman, Smarter Trading (1995)",
        build: |params| erase(Efficiency::new(params.count(0))),
    },
    Function {
        name: "vhf",
        doc: "Vertical horizontal filter: how far the highest value is from the lowest, in units of the way between \
              the values; 0 where they did not move.",
        inputs: VALUE,
        params: &[Param::period("period", 28, 2)],
        outputs: VALUE,
        source: "TA-Lib VHF; White, Futures (August 1991)",
        build: |params| erase(VerticalHorizontal::new(params.count(0))),
    },
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vortex {
    before: Option<(f64, f64)>,
    range: TrueRange,
    plus: WindowSum,
    minus: WindowSum,
    ranges: WindowSum,
}

impl Vortex {
    fn new(period: usize) -> Vortex {
        let sum = WindowSum::new(period);
        Vortex { before: None, range: TrueRange::default(), plus: sum.clone(), minus: sum.clone(), ranges: sum }
    }
}

impl Kernel<3, 2> for Vortex {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let range = self.range.push(high, low, close);
        let ((high_before, low_before), range) = self.before.replace((high, low)).zip(range)?;
        let plus = self.plus.push((high - low_before).abs());
        let minus = self.minus.push((low - high_before).abs());
        let ((plus, minus), ranges) = plus.zip(minus).zip(self.ranges.push(range))?;
        Some([quotient(plus, ranges), quotient(minus, ranges)])
    }

    fn warmup(&self) -> usize {
        self.ranges.window().capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Choppiness {
    range: TrueRange,
    way: WindowSum,
    channel: Channel,
}

impl Choppiness {
    fn new(period: usize) -> Choppiness {
        Choppiness { range: TrueRange::default(), way: WindowSum::new(period), channel: Channel::new(period) }
    }
}

impl Kernel<3, 1> for Choppiness {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let channel = self.channel.push(high, low);
        let way = self.way.push(self.range.push(high, low, close)?);
        let ((highest, lowest), way) = channel.zip(way)?;
        let ratio = quotient(way, highest - lowest);
        let period = self.way.window().capacity() as f64;
        Some([if ratio > 0.0 { 100.0 * libm::log(ratio) / libm::log(period) } else { 0.0 }])
    }

    fn warmup(&self) -> usize {
        self.way.window().capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mass {
    range: Ema,
    average: Ema,
    ratios: WindowSum,
}

impl Mass {
    fn new(period: usize, average: usize) -> Mass {
        Mass { range: Ema::new(average), average: Ema::new(average), ratios: WindowSum::new(period) }
    }
}

impl Kernel<2, 1> for Mass {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let range = self.range.push(high - low)?;
        let average = self.average.push(range)?;
        self.ratios.push(if average == 0.0 { 1.0 } else { quotient(range, average) }).map(|sum| [sum])
    }

    fn warmup(&self) -> usize {
        let average = self.range.warmup().saturating_mul(2);
        average.saturating_add(self.ratios.window().capacity() - 1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Efficiency {
    before: Option<f64>,
    /// The moves, whose sum is how far the value came, and their lengths.
    moves: WindowSum,
    way: WindowSum,
}

impl Efficiency {
    fn new(period: usize) -> Efficiency {
        Efficiency { before: None, moves: WindowSum::new(period), way: WindowSum::new(period) }
    }
}

impl Kernel<1, 1> for Efficiency {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let change = value - self.before.replace(value)?;
        let (change, way) = self.moves.push(change).zip(self.way.push(change.abs()))?;
        // Rounding may make the whole longer than its parts.
        Some([if way == 0.0 { 1.0 } else { quotient(change.abs(), way).min(1.0) }])
    }

    fn warmup(&self) -> usize {
        self.way.window().capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VerticalHorizontal {
    before: Option<f64>,
    way: WindowSum,
    range: Channel,
}

impl VerticalHorizontal {
    fn new(period: usize) -> VerticalHorizontal {
        VerticalHorizontal { before: None, way: WindowSum::new(period), range: Channel::new(period) }
    }
}

impl Kernel<1, 1> for VerticalHorizontal {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let range = self.range.push(value, value);
        let change = value - self.before.replace(value)?;
        let ((highest, lowest), way) = range.zip(self.way.push(change.abs()))?;
        Some([quotient(highest - lowest, way)])
    }

    fn warmup(&self) -> usize {
        self.way.window().capacity()
    }
}
