//! Turning points of the price, each told only once it is known: never before the bars that confirm it.

use super::kernel::{Kernel, erase};
use super::window::{Extreme, Window};
use super::{Function, Param};
use serde::{Deserialize, Serialize};

const SWING: &[&str] = &["value", "age"];
const WINGS: &[Param] = &[Param::period("left", 10, 0), Param::period("right", 10, 0)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "swing_high",
        doc: "The latest swing high: a high that none of the bars to its left exceeds and none to its right reaches, known \
              when the last of these has come; age is how many bars ago it stood. Before the first, the greatest high so \
              far, with an age of -1. With 2 and 2 it is Williams' fractal.",
        inputs: &["high"],
        params: WINGS,
        outputs: SWING,
        source: "TradingView ta.pivothigh; Williams, Trading Chaos (1995)",
        build: |params| erase(Swing::high(params.count(0), params.count(1))),
    },
    Function {
        name: "swing_low",
        doc: "The latest swing low: a low that none of the bars to its left falls below and none to its right reaches, \
              known when the last of these has come; age is how many bars ago it stood. Before the first, the smallest \
              low so far, with an age of -1. With 2 and 2 it is Williams' fractal.",
        inputs: &["low"],
        params: WINGS,
        outputs: SWING,
        source: "TradingView ta.pivotlow; Williams, Trading Chaos (1995)",
        build: |params| erase(Swing::low(params.count(0), params.count(1))),
    },
    Function {
        name: "fractal",
        doc: "Williams' fractals: 100 at the bar that confirms one, which is the last of those to the right of the high that \
              is above all its neighbours (up), or of the low that is below them (down); else 0. A price that equals a \
              neighbour's is none. (swing_high tells the price, and keeps it.)",
        inputs: &["high", "low"],
        params: &[Param::period("left", 2, 1), Param::period("right", 2, 1)],
        outputs: &["up", "down"],
        source: "TA-Lib FRACTAL; Williams, Trading Chaos (1995)",
        build: |params| erase(Fractal::new(params.count(0), params.count(1))),
    },
    Function {
        name: "support_resistance",
        doc: "The nearest support below the close and the nearest resistance above it: the last sixteen swing lows and \
              swing highs, of which those within some percent of each other count as one level at their mean. The lowest \
              low and the highest high so far where there is none.",
        inputs: &["high", "low", "close"],
        params: &[Param::period("wing", 10, 1), Param::number("percent", 1.0, (0.0, 100.0))],
        outputs: &["support", "resistance"],
        source: "trading-mcp-server's levels, from swings that are confirmed",
        build: |params| erase(SupportResistance::new(params.count(0), params.number(1))),
    },
    Function {
        name: "zigzag",
        doc: "The last confirmed turning point, the extreme of the leg since then, and its direction, 1 or -1: a turn is \
              confirmed where the price has come back some percent from the extreme. The direction is 0, and both are the \
              middle of all prices, until the first leg is that long.",
        inputs: &["high", "low"],
        params: &[Param::number("percent", 5.0, (0.0, 100.0))],
        outputs: &["pivot", "extreme", "direction"],
        source: "Merrill, Filtered Waves (1977), told when confirmed",
        build: |params| erase(Zigzag::new(params.number(0))),
    },
];

/// Swings of one side.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Swing {
    /// 1 for highs, -1 for lows.
    sign: f64,
    window: Extreme,
    left: usize,
    right: usize,
    /// The extreme of all bars.
    best: Option<f64>,
    found: Option<f64>,
    /// Bars since the one that was found.
    age: u64,
}

impl Swing {
    fn high(left: usize, right: usize) -> Swing {
        Swing::new(1.0, Extreme::greatest(left + right + 1), left, right)
    }

    fn low(left: usize, right: usize) -> Swing {
        Swing::new(-1.0, Extreme::smallest(left + right + 1), left, right)
    }

    fn new(sign: f64, window: Extreme, left: usize, right: usize) -> Swing {
        Swing { sign, window, left, right, best: None, found: None, age: 0 }
    }

    /// Takes a bar's extreme; once there were enough, whether it confirms a swing.
    #[inline]
    fn push(&mut self, value: f64) -> Option<bool> {
        let best = self.best.get_or_insert(value);
        if value * self.sign > *best * self.sign {
            *best = value;
        }
        self.age = self.age.wrapping_add(1);
        // Of equal values the newest counts, so a swing is greater than all to its right.
        let (extreme, age) = self.window.push(value)?;
        let is_swing = age == self.right;
        if is_swing {
            (self.found, self.age) = (Some(extreme), age as u64);
        }
        Some(is_swing)
    }

    fn warmup(&self) -> usize {
        self.left.saturating_add(self.right)
    }
}

impl Kernel<1, 2> for Swing {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 2]> {
        self.push(value)?;
        match self.found {
            Some(found) => Some([found, self.age as f64]),
            None => self.best.map(|best| [best, -1.0]),
        }
    }

    fn warmup(&self) -> usize {
        Swing::warmup(self)
    }
}

/// A value that is greater than so many before it and after it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Peak {
    /// 1 for highs, -1 for lows.
    sign: f64,
    before: Extreme,
    after: Extreme,
    /// The candidate, and what came after it.
    window: Window,
}

impl Peak {
    fn new(sign: f64, left: usize, right: usize) -> Peak {
        let (before, after) = (Extreme::greatest(left), Extreme::greatest(right));
        Peak { sign, before, after, window: Window::new(right.saturating_add(1)) }
    }

    /// Takes a value; once there were enough, whether the candidate is a peak.
    #[inline]
    fn push(&mut self, value: f64) -> Option<bool> {
        let value = value * self.sign;
        let after = self.after.push(value);
        let before = self.window.push(value).and_then(|value| self.before.push(value));
        let candidate = self.window.oldest()?;
        Some(before?.0 < candidate && after?.0 < candidate)
    }
}

/// Peaks of highs, and of lows upside down.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fractal {
    up: Peak,
    down: Peak,
    warmup: usize,
}

impl Fractal {
    fn new(left: usize, right: usize) -> Fractal {
        let warmup = left.saturating_add(right);
        Fractal { up: Peak::new(1.0, left, right), down: Peak::new(-1.0, left, right), warmup }
    }
}

impl Kernel<2, 2> for Fractal {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 2]> {
        let (up, down) = (self.up.push(high), self.down.push(low));
        let mark = |is_peak| if is_peak { 100.0 } else { 0.0 };
        Some([mark(up?), mark(down?)])
    }

    fn warmup(&self) -> usize {
        self.warmup
    }
}

/// How many swings of each side are remembered.
const SWINGS: usize = 16;

/// The last swings of one side, and the levels that they make.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Levels {
    swing: Swing,
    swings: Window,
    levels: [Option<f64>; SWINGS],
}

impl Levels {
    fn new(swing: Swing) -> Levels {
        Levels { swing, swings: Window::new(SWINGS), levels: [None; SWINGS] }
    }

    /// Takes a bar's extreme; false while warming up.
    fn push(&mut self, value: f64, percent: f64) -> bool {
        let is_swing = self.swing.push(value);
        if let (Some(true), Some(found)) = (is_swing, self.swing.found) {
            self.swings.push(found);
            self.merge(percent);
        }
        is_swing.is_some()
    }

    /// Makes the levels: from the smallest swing upwards, each joins the level before it where it is near its mean.
    fn merge(&mut self, percent: f64) {
        let mut sorted = [f64::INFINITY; SWINGS];
        sorted.iter_mut().zip(self.swings.iter()).for_each(|(slot, swing)| *slot = swing);
        sorted.sort_unstable_by(f64::total_cmp);
        self.levels = [None; SWINGS];
        let mut free = self.levels.iter_mut();
        let (mut sum, mut count) = (0.0, 0.0);
        let mut level = free.next();
        for &swing in sorted.iter().take(self.swings.len()) {
            let mean: f64 = sum / count;
            // Not near anything before the first.
            if count > 0.0 && (swing - mean).abs() > mean.abs() * percent / 100.0 {
                (level, sum, count) = (free.next(), 0.0, 0.0);
            }
            (sum, count) = (sum + swing, count + 1.0);
            if let Some(level) = &mut level {
                **level = Some(sum / count);
            }
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SupportResistance {
    lows: Levels,
    highs: Levels,
    percent: f64,
}

impl SupportResistance {
    fn new(wing: usize, percent: f64) -> SupportResistance {
        SupportResistance {
            lows: Levels::new(Swing::low(wing, wing)),
            highs: Levels::new(Swing::high(wing, wing)),
            percent,
        }
    }
}

impl Kernel<3, 2> for SupportResistance {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let is_ready = [self.lows.push(low, self.percent), self.highs.push(high, self.percent)];
        if is_ready != [true, true] {
            return None;
        }
        let below = self.lows.levels.iter().flatten().copied().filter(|&level| level < close).reduce(f64::max);
        let above = self.highs.levels.iter().flatten().copied().filter(|&level| level > close).reduce(f64::min);
        Some([below.or(self.lows.swing.best)?, above.or(self.highs.swing.best)?])
    }

    fn warmup(&self) -> usize {
        self.lows.swing.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Zigzag {
    /// How far the price must come back, as a part of the extreme.
    part: f64,
    leg: Option<Leg>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Leg {
    /// No leg is long enough yet: greatest and smallest price.
    None {
        top: f64,
        bottom: f64,
    },
    Up {
        pivot: f64,
        top: f64,
    },
    Down {
        pivot: f64,
        bottom: f64,
    },
}

impl Zigzag {
    fn new(percent: f64) -> Zigzag {
        Zigzag { part: percent / 100.0, leg: None }
    }

    /// The leg after one more bar. Whether a bar's high or its low came first is not known: one that goes on with the
    /// leg does not end it.
    fn follow(&self, leg: Leg, high: f64, low: f64) -> Leg {
        let falls = |top: f64, low: f64| low <= top - top.abs() * self.part;
        let rises = |bottom: f64, high: f64| high >= bottom + bottom.abs() * self.part;
        match leg {
            Leg::None { top, bottom } if high > top && rises(bottom, high) => Leg::Up { pivot: bottom, top: high },
            Leg::None { top, bottom } if low < bottom && falls(top, low) => Leg::Down { pivot: top, bottom: low },
            Leg::None { top, bottom } => Leg::None { top: top.max(high), bottom: bottom.min(low) },
            Leg::Up { pivot, top } if high > top => Leg::Up { pivot, top: high },
            Leg::Up { top, .. } if falls(top, low) => Leg::Down { pivot: top, bottom: low },
            Leg::Down { pivot, bottom } if low < bottom => Leg::Down { pivot, bottom: low },
            Leg::Down { bottom, .. } if rises(bottom, high) => Leg::Up { pivot: bottom, top: high },
            Leg::Up { .. } | Leg::Down { .. } => leg,
        }
    }
}

impl Kernel<2, 3> for Zigzag {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 3]> {
        let leg = self.leg.map_or(Leg::None { top: high, bottom: low }, |leg| self.follow(leg, high, low));
        self.leg = Some(leg);
        Some(match leg {
            Leg::None { top, bottom } => [(top + bottom) / 2.0, (top + bottom) / 2.0, 0.0],
            Leg::Up { pivot, top } => [pivot, top, 1.0],
            Leg::Down { pivot, bottom } => [pivot, bottom, -1.0],
        })
    }

    fn warmup(&self) -> usize {
        0
    }
}
