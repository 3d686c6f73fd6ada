//! Which way the price goes, and how surely: Wilder's directional movement, and Chande's Aroon.

use super::kernel::{Kernel, erase};
use super::wilder::{TrueRange, Wilder};
use super::window::{Extreme, Window};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const HIGH_LOW: &[&str] = &["high", "low"];
const BAR: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "plus_dm",
        doc: "Plus directional movement, in price units: Wilder's sum of how far the highs went up where the lows \
              went down less far.",
        inputs: HIGH_LOW,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib PLUS_DM",
        build: |params| erase(DirectionalMovement::new(params.count(0), Side::Plus)),
    },
    Function {
        name: "minus_dm",
        doc: "Minus directional movement, in price units: Wilder's sum of how far the lows went down where the highs \
              went up less far.",
        inputs: HIGH_LOW,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib MINUS_DM",
        build: |params| erase(DirectionalMovement::new(params.count(0), Side::Minus)),
    },
    Function {
        name: "plus_di",
        doc: "Plus directional indicator: plus directional movement in percent of the true range; 0 where there is no \
              range. With a period of 1 it is a share and no percentage, as in TA-Lib.",
        inputs: BAR,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib PLUS_DI",
        build: |params| erase(DirectionalIndicator::new(params.count(0), Side::Plus)),
    },
    Function {
        name: "minus_di",
        doc: "Minus directional indicator: minus directional movement in percent of the true range; 0 where there is \
              no range. With a period of 1 it is a share and no percentage, as in TA-Lib.",
        inputs: BAR,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "TA-Lib MINUS_DI",
        build: |params| erase(DirectionalIndicator::new(params.count(0), Side::Minus)),
    },
    Function {
        name: "dx",
        doc: "Directional movement index: how far the two directional indicators are apart, in percent of their sum; \
              what it was before where that is zero.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib DX",
        build: |params| erase(Dx { lines: Directional::new(params.count(0)), last: 0.0 }),
    },
    Function {
        name: "adx",
        doc: "Average directional movement index: Wilder's average of dx.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib ADX",
        build: |params| erase(Adx::new(params.count(0))),
    },
    Function {
        name: "adxr",
        doc: "Average directional movement index rating: the mean of adx and of what it was period - 1 bars ago.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib ADXR",
        build: |params| erase(Adxr { adx: Adx::new(params.count(0)), window: Window::new(params.count(0)) }),
    },
    Function {
        name: "aroon",
        doc: "Aroon: how recent the lowest low and the highest high of the last period + 1 bars are, from 0 (period \
              bars ago) to 100 (now); of equal ones the newest counts.",
        inputs: HIGH_LOW,
        params: &[Param::period("period", 14, 2)],
        outputs: &["down", "up"],
        source: "TA-Lib AROON",
        build: |params| erase(Aroon::new(params.count(0))),
    },
    Function {
        name: "aroonosc",
        doc: "Aroon oscillator: aroon's up less its down.",
        inputs: HIGH_LOW,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib AROONOSC",
        build: |params| erase(AroonOscillator(Aroon::new(params.count(0)))),
    },
];

/// One of the two directions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Side {
    Plus,
    Minus,
}

impl Side {
    #[inline]
    fn of(self, [plus, minus]: [f64; 2]) -> f64 {
        match self {
            Side::Plus => plus,
            Side::Minus => minus,
        }
    }
}

/// How far a bar goes beyond the one before it, up or down: the greater counts, the other is zero.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Movement {
    before: Option<(f64, f64)>,
}

impl Movement {
    /// Takes a bar; plus and minus, once there is one before it.
    #[inline]
    fn push(&mut self, high: f64, low: f64) -> Option<[f64; 2]> {
        let (high_before, low_before) = self.before.replace((high, low))?;
        let (up, down) = (high - high_before, low_before - low);
        let plus = if up > down { up.max(0.0) } else { 0.0 };
        let minus = if down > up { down.max(0.0) } else { 0.0 };
        Some([plus, minus])
    }
}

/// Wilder's running sum: it loses one `period`th of itself with every value. It begins with the sum of `period` - 1
/// values, so that the first one that has lost something is the second.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RunningSum {
    period: usize,
    missing: usize,
    sum: f64,
}

impl RunningSum {
    fn new(period: usize) -> RunningSum {
        RunningSum { period, missing: period.saturating_sub(1), sum: 0.0 }
    }

    #[inline]
    fn push(&mut self, value: f64) -> Option<f64> {
        if self.missing == 0 {
            self.sum = self.sum - self.sum / self.period as f64 + value;
            return Some(self.sum);
        }
        self.missing -= 1;
        self.sum += value;
        (self.missing == 0).then_some(self.sum)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DirectionalMovement {
    movement: Movement,
    sum: RunningSum,
    side: Side,
}

impl DirectionalMovement {
    fn new(period: usize, side: Side) -> DirectionalMovement {
        DirectionalMovement { movement: Movement::default(), sum: RunningSum::new(period), side }
    }
}

impl Kernel<2, 1> for DirectionalMovement {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let movement = self.side.of(self.movement.push(high, low)?);
        self.sum.push(movement).map(|sum| [sum])
    }

    fn warmup(&self) -> usize {
        self.sum.period.saturating_sub(1).max(1)
    }
}

/// Both directional movements and the true range, summed up as Wilder does.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Directional {
    movement: Movement,
    range: TrueRange,
    plus: RunningSum,
    minus: RunningSum,
    ranges: RunningSum,
    /// The first sum, to which nothing was added since, counts for nothing yet.
    is_started: bool,
}

impl Directional {
    fn new(period: usize) -> Directional {
        let sum = RunningSum::new(period);
        let (movement, range) = (Movement::default(), TrueRange::default());
        Directional { movement, range, plus: sum.clone(), minus: sum.clone(), ranges: sum, is_started: period < 2 }
    }

    /// Takes a bar; plus and minus in units of the true range, once there were enough bars. `None` within where there
    /// is no range to measure by.
    #[inline]
    fn push(&mut self, [high, low, close]: [f64; 3]) -> Option<Option<[f64; 2]>> {
        let (movement, range) = (self.movement.push(high, low), self.range.push(high, low, close));
        let ([plus, minus], range) = movement.zip(range)?;
        let (plus, minus, ranges) = (self.plus.push(plus), self.minus.push(minus), self.ranges.push(range));
        let ((plus, minus), ranges) = plus.zip(minus).zip(ranges)?;
        if !std::mem::replace(&mut self.is_started, true) {
            return None;
        }
        Some((ranges != 0.0).then(|| [plus / ranges, minus / ranges]))
    }

    /// Takes a bar; the directional movement index. `None` within where nothing moved either way.
    #[inline]
    fn index(&mut self, bar: [f64; 3]) -> Option<Option<f64>> {
        let index = |[plus, minus]: [f64; 2]| {
            let both = plus + minus;
            (both != 0.0).then(|| 100.0 * ((plus - minus).abs() / both))
        };
        self.push(bar).map(|lines| lines.and_then(index))
    }

    fn warmup(&self) -> usize {
        self.ranges.period
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DirectionalIndicator {
    lines: Directional,
    side: Side,
    unit: f64,
}

impl DirectionalIndicator {
    fn new(period: usize, side: Side) -> DirectionalIndicator {
        let unit = if period > 1 { 100.0 } else { 1.0 };
        DirectionalIndicator { lines: Directional::new(period), side, unit }
    }
}

impl Kernel<3, 1> for DirectionalIndicator {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 1]> {
        let lines = self.lines.push(bar)?.unwrap_or_default();
        Some([self.unit * self.side.of(lines)])
    }

    fn warmup(&self) -> usize {
        self.lines.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Dx {
    lines: Directional,
    last: f64,
}

impl Kernel<3, 1> for Dx {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 1]> {
        if let Some(index) = self.lines.index(bar)? {
            self.last = index;
        }
        Some([self.last])
    }

    fn warmup(&self) -> usize {
        self.lines.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Adx {
    lines: Directional,
    average: Wilder,
    last: Option<f64>,
}

impl Adx {
    fn new(period: usize) -> Adx {
        Adx { lines: Directional::new(period), average: Wilder::new(period), last: None }
    }

    #[inline]
    fn push(&mut self, bar: [f64; 3]) -> Option<f64> {
        match (self.lines.index(bar)?, self.last) {
            // Nothing moved: the average stays, and its beginning takes it for zero.
            (None, Some(last)) => return Some(last),
            (index, _) => self.last = self.average.push(index.unwrap_or_default()),
        }
        self.last
    }
}

impl Kernel<3, 1> for Adx {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 1]> {
        self.push(bar).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        self.lines.warmup().saturating_add(self.average.warmup())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Adxr {
    adx: Adx,
    window: Window,
}

impl Kernel<3, 1> for Adxr {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 1]> {
        let adx = self.adx.push(bar)?;
        self.window.push(adx);
        let before = self.window.oldest().filter(|_| self.window.is_full())?;
        Some([(adx + before) / 2.0])
    }

    fn warmup(&self) -> usize {
        self.adx.warmup().saturating_add(self.window.capacity() - 1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Aroon {
    highest: Extreme,
    lowest: Extreme,
    period: usize,
}

impl Aroon {
    fn new(period: usize) -> Aroon {
        let window = period.saturating_add(1);
        Aroon { highest: Extreme::greatest(window), lowest: Extreme::smallest(window), period }
    }

    /// Takes a bar; how many bars old the lowest low and the highest high are.
    #[inline]
    fn push(&mut self, high: f64, low: f64) -> Option<[f64; 2]> {
        let (highest, lowest) = (self.highest.push(high), self.lowest.push(low));
        let ((_, highest), (_, lowest)) = highest.zip(lowest)?;
        Some([lowest as f64, highest as f64])
    }
}

impl Kernel<2, 2> for Aroon {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 2]> {
        let period = self.period as f64;
        let ages = self.push(high, low)?;
        Some(ages.map(|age| 100.0 * (period - age) / period))
    }

    fn warmup(&self) -> usize {
        self.period
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AroonOscillator(Aroon);

impl Kernel<2, 1> for AroonOscillator {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let [lowest, highest] = self.0.push(high, low)?;
        Some([100.0 * (lowest - highest) / self.0.period as f64])
    }

    fn warmup(&self) -> usize {
        self.0.period
    }
}
