//! Candlestick patterns: predicates over the last candles, as TA-Lib draws them with its default candle settings.
//!
//! What is long, short, near or equal is measured against the candles before the one looked at. Those few are added up
//! afresh each time, so that nothing of an outlier stays once it is out of sight.

mod four;
mod one;
mod three;
mod two;

pub(super) use four::FUNCTIONS as FOUR;
pub(super) use one::FUNCTIONS as ONE;
pub(super) use three::FUNCTIONS as THREE;
pub(super) use two::FUNCTIONS as TWO;

use super::kernel::{Erased, Kernel, erase};
use super::{Function, Param, Params, VALUE};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// How many candles are kept: five, and the ten before the oldest of them. A divisor of 256, so that a byte that counts
/// on and on always names the same place.
const KEPT: usize = 16;

/// The last candles: open, high, low and close of each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct History {
    ring: [[f64; 4]; KEPT],
    /// Where the next candle goes, modulo [`KEPT`].
    next: u8,
    /// Candles taken so far; it stops counting when it matters no more.
    seen: u8,
}

impl History {
    #[inline]
    fn push(&mut self, candle: [f64; 4]) {
        self.ring[usize::from(self.next) % KEPT] = candle;
        self.next = self.next.wrapping_add(1);
        self.seen = self.seen.saturating_add(1);
    }

    /// The candle that is `age` candles old, 0 for the newest.
    #[inline]
    fn candle(&self, age: usize) -> Candle<'_> {
        let [open, high, low, close] = self.ring[usize::from(self.next).wrapping_sub(age).wrapping_sub(1) % KEPT];
        Candle { open, high, low, close, age, history: self }
    }

    /// The last candles, oldest first.
    #[inline]
    fn last<const COUNT: usize>(&self) -> [Candle<'_>; COUNT] {
        std::array::from_fn(|at| self.candle(COUNT - 1 - at))
    }
}

/// What is measured of a candle.
#[derive(Clone, Copy)]
enum Measure {
    /// From open to close.
    Body,
    /// From low to high.
    Range,
    /// Half of both shadows.
    Shadow,
}

/// A length to compare with: the mean measure of `period` candles, times `factor`.
#[derive(Clone, Copy)]
struct Setting {
    measure: Measure,
    period: usize,
    factor: f64,
}

/// Longer bodies are long, shorter ones short.
const BODY: Setting = Setting { measure: Measure::Body, period: 10, factor: 1.0 };
/// The body of a doji is no longer.
const DOJI: Setting = Setting { measure: Measure::Range, period: 10, factor: 0.1 };
/// Shorter shadows are short.
const SHADOW: Setting = Setting { measure: Measure::Shadow, period: 10, factor: 1.0 };
/// Shorter shadows count as none.
const NO_SHADOW: Setting = Setting { measure: Measure::Range, period: 10, factor: 0.1 };
/// Prices no further apart are near each other.
const NEAR: Setting = Setting { measure: Measure::Range, period: 5, factor: 0.2 };
/// Prices further apart are far from each other.
const FAR: Setting = Setting { measure: Measure::Range, period: 5, factor: 0.6 };
/// Prices no further apart are equal.
const EQUAL: Setting = Setting { measure: Measure::Range, period: 5, factor: 0.05 };

/// One of the last candles, and those before it.
#[derive(Clone, Copy)]
struct Candle<'a> {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    age: usize,
    history: &'a History,
}

impl Candle<'_> {
    /// It did not fall.
    fn is_white(&self) -> bool {
        self.close >= self.open
    }

    /// It fell.
    fn is_black(&self) -> bool {
        !self.is_white()
    }

    /// 1 for white, -1 for black.
    fn color(&self) -> f64 {
        if self.is_white() { 1.0 } else { -1.0 }
    }

    /// Length of the body.
    fn body(&self) -> f64 {
        (self.close - self.open).abs()
    }

    /// From low to high.
    fn range(&self) -> f64 {
        self.high - self.low
    }

    /// Upper end of the body.
    fn top(&self) -> f64 {
        if self.is_white() { self.close } else { self.open }
    }

    /// Lower end of the body.
    fn bottom(&self) -> f64 {
        if self.is_white() { self.open } else { self.close }
    }

    /// Length of the upper shadow.
    fn upper(&self) -> f64 {
        self.high - self.top()
    }

    /// Length of the lower shadow.
    fn lower(&self) -> f64 {
        self.bottom() - self.low
    }

    fn measure(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Body => self.body(),
            Measure::Range => self.range(),
            Measure::Shadow => self.upper() + self.lower(),
        }
    }

    /// The length of a setting at this candle, from the candles before it.
    #[inline]
    fn average(&self, Setting { measure, period, factor }: Setting) -> f64 {
        // Oldest first, as TA-Lib begins: where a length is just the mean, the order can show in the last bit.
        let before = (1..=period).rev().map(|distance| self.history.candle(self.age.wrapping_add(distance)));
        let sum = before.fold(0.0, |sum, candle| sum + candle.measure(measure));
        let average = factor * (sum / period as f64);
        if matches!(measure, Measure::Shadow) { average / 2.0 } else { average }
    }

    /// Its body is longer than usual.
    fn is_long(&self) -> bool {
        self.body() > self.average(BODY)
    }

    /// Its body is shorter than usual.
    fn is_short(&self) -> bool {
        self.body() < self.average(BODY)
    }

    /// It has next to no body.
    fn is_doji(&self) -> bool {
        self.body() <= self.average(DOJI)
    }

    /// It has next to no upper shadow.
    fn is_shaven_head(&self) -> bool {
        self.upper() < self.average(NO_SHADOW)
    }

    /// It has next to no lower shadow.
    fn is_shaven_bottom(&self) -> bool {
        self.lower() < self.average(NO_SHADOW)
    }

    /// It has next to no shadows.
    fn is_marubozu(&self) -> bool {
        self.is_shaven_head() && self.is_shaven_bottom()
    }

    /// The price is inside the body, not at an end of it.
    fn spans(&self, price: f64) -> bool {
        price < self.top() && price > self.bottom()
    }

    /// Its body is above the other's, with a gap.
    fn gaps_up_from(&self, other: &Candle<'_>) -> bool {
        self.bottom() > other.top()
    }

    /// Its body is below the other's, with a gap.
    fn gaps_down_from(&self, other: &Candle<'_>) -> bool {
        self.top() < other.bottom()
    }

    /// All of it is above all of the other.
    fn clears_above(&self, other: &Candle<'_>) -> bool {
        self.low > other.high
    }

    /// All of it is below all of the other.
    fn clears_below(&self, other: &Candle<'_>) -> bool {
        self.high < other.low
    }
}

/// The two are no further apart than `most`.
fn is_within(value: f64, other: f64, most: f64) -> bool {
    value <= other + most && value >= other - most
}

/// Each is greater than the one after it.
fn falls(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] > pair[1])
}

/// Each is smaller than the one after it.
fn rises(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] < pair[1])
}

/// The value of a pattern that has the direction of `color`.
fn found(is_there: bool, color: f64) -> f64 {
    if is_there { 100.0 * color } else { 0.0 }
}

/// The value of a pattern that always points up, or has no direction.
fn bullish(is_there: bool) -> f64 {
    found(is_there, 1.0)
}

/// The value of a pattern that always points down.
fn bearish(is_there: bool) -> f64 {
    found(is_there, -1.0)
}

/// What makes a pattern.
trait Rule: Clone + 'static {
    /// How many candles before the newest it looks at, those for averages included.
    const LOOKBACK: usize;

    /// 0 where the newest candle does not complete the pattern; `penetration` where it has that parameter.
    fn judge(history: &History, penetration: f64) -> f64;
}

/// A rule by name: how far it looks back, and what it says of the last candles, oldest first.
macro_rules! rule {
    ($rule:ident, $lookback:literal, |[$($candle:ident),+] $(, $penetration:ident)?| $judge:expr) => {
        #[derive(Clone)]
        struct $rule;

        impl Rule for $rule {
            const LOOKBACK: usize = $lookback;

            #[inline]
            fn judge(history: &History, _penetration: f64) -> f64 {
                let [$($candle),+] = history.last();
                $(let $penetration = _penetration;)?
                $judge
            }
        }
    };
}
use rule;

/// A pattern that is being looked for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Pattern<R> {
    history: History,
    penetration: f64,
    rule: PhantomData<fn() -> R>,
}

impl<R: Rule> Kernel<4, 1> for Pattern<R> {
    #[inline]
    fn update(&mut self, candle: [f64; 4]) -> Option<[f64; 1]> {
        self.history.push(candle);
        (usize::from(self.history.seen) > R::LOOKBACK).then(|| [R::judge(&self.history, self.penetration)])
    }

    fn warmup(&self) -> usize {
        R::LOOKBACK
    }
}

fn build<R: Rule>(params: Params<'_>) -> Box<dyn Erased> {
    let penetration = params.0.first().copied().unwrap_or_default();
    erase(Pattern::<R> { history: History::default(), penetration, rule: PhantomData })
}

/// The catalogue's entry for a rule.
const fn pattern<R: Rule>(name: &'static str, doc: &'static str) -> Function {
    let inputs = &["open", "high", "low", "close"];
    Function { name, doc, inputs, params: &[], outputs: VALUE, source: "TA-Lib", build: build::<R> }
}

/// How far into the body of the first candle others come, in its lengths: at least, or for the mat hold at most.
const fn penetration(default: f64) -> Param {
    Param::number("penetration", default, (0.0, 10.0))
}

#[cfg(test)]
#[path = "candle_tests.rs"]
mod tests;
