//! Wilder's parabolic stop and reverse (New Concepts in Technical Trading Systems, 1978).

use super::kernel::{Kernel, erase};
use super::{Function, INPUT_MAX, Param, VALUE};
use serde::{Deserialize, Serialize};

const HIGH_LOW: &[&str] = &["high", "low"];
const FACTORS: (f64, f64) = (0.0, 1_000.0);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "sar",
        doc: "Parabolic stop and reverse: a stop that follows the price ever faster and changes sides where it is met.",
        inputs: HIGH_LOW,
        params: &[Param::number("acceleration", 0.02, FACTORS), Param::number("maximum", 0.2, FACTORS)],
        outputs: VALUE,
        source: "TA-Lib SAR",
        build: |params| {
            let (step, maximum) = (params.number(0), params.number(1));
            let pace = Pace::new(step, step, maximum);
            erase(Sar(Parabolic::new(0.0, 0.0, pace, pace)))
        },
    },
    Function {
        name: "sarext",
        doc: "Parabolic stop and reverse with settings for each side; negative while short. A start value above zero \
              begins long, one below short.",
        inputs: HIGH_LOW,
        params: &[
            Param::number("start_value", 0.0, (-INPUT_MAX, INPUT_MAX)),
            Param::number("offset_on_reverse", 0.0, FACTORS),
            Param::number("acceleration_init_long", 0.02, FACTORS),
            Param::number("acceleration_long", 0.02, FACTORS),
            Param::number("acceleration_max_long", 0.2, FACTORS),
            Param::number("acceleration_init_short", 0.02, FACTORS),
            Param::number("acceleration_short", 0.02, FACTORS),
            Param::number("acceleration_max_short", 0.2, FACTORS),
        ],
        outputs: VALUE,
        source: "TA-Lib SAREXT",
        build: |params| {
            let pace = |at| Pace::new(params.number(at), params.number(at + 1), params.number(at + 2));
            erase(SarExt(Parabolic::new(params.number(0), params.number(1), pace(2), pace(5))))
        },
    },
];

/// How fast a stop follows the price: the part of the way to the best price that it goes in a bar.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pace {
    initial: f64,
    /// Added at each better price.
    step: f64,
    maximum: f64,
}

impl Pace {
    fn new(initial: f64, step: f64, maximum: f64) -> Pace {
        Pace { initial: initial.min(maximum), step: step.min(maximum), maximum }
    }
}

/// A bar seen from one side of the market: prices, or while short their negatives, so that up is good on either side.
#[derive(Clone, Copy, Debug)]
struct Side {
    best: f64,
    worst: f64,
}

/// High and low of a bar.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Range {
    high: f64,
    low: f64,
}

impl Range {
    #[inline]
    fn seen(self, is_long: bool) -> Side {
        if is_long { Side { best: self.high, worst: self.low } } else { Side { best: -self.low, worst: -self.high } }
    }
}

/// The stop. Stop and best price are as seen from the side it is on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parabolic {
    start: f64,
    /// How much further away a stop begins, as a part of it.
    offset: f64,
    long: Pace,
    short: Pace,
    last: Option<Range>,
    is_begun: bool,
    is_long: bool,
    stop: f64,
    best: f64,
    acceleration: f64,
}

impl Parabolic {
    fn new(start: f64, offset: f64, long: Pace, short: Pace) -> Parabolic {
        let (last, is_begun, is_long) = (None, false, true);
        Parabolic { start, offset, long, short, last, is_begun, is_long, stop: 0.0, best: 0.0, acceleration: 0.0 }
    }

    fn pace(&self) -> Pace {
        if self.is_long { self.long } else { self.short }
    }

    /// Begins with the second bar: with the start value, or on the side where the price went, at the end of the first.
    fn begin(&mut self, first: Range, second: Range) {
        let (up, down) = (second.high - first.high, first.low - second.low);
        self.is_long = if self.start == 0.0 { down <= 0.0 || up >= down } else { self.start > 0.0 };
        self.stop = if self.start == 0.0 { first.seen(self.is_long).worst } else { self.start };
        self.best = second.seen(self.is_long).best;
        self.acceleration = self.pace().initial;
        self.is_begun = true;
    }

    /// Changes sides: the stop begins at the best price of the side that was left.
    fn turn(&mut self, last: Range, bar: Range) -> Side {
        self.is_long = !self.is_long;
        let (last, side) = (last.seen(self.is_long), bar.seen(self.is_long));
        let away = if self.is_long { 1.0 - self.offset } else { 1.0 + self.offset };
        self.stop = (-self.best).min(last.worst).min(side.worst) * away;
        self.best = side.best;
        self.acceleration = self.pace().initial;
        side
    }

    /// Takes a bar; the stop for it and whether it is that of a long position.
    #[inline]
    fn push(&mut self, bar: Range) -> Option<(f64, bool)> {
        let mut last = self.last.replace(bar)?;
        if !self.is_begun {
            self.begin(last, bar);
            last = bar;
        }
        let mut side = bar.seen(self.is_long);
        let stop = if side.worst <= self.stop {
            side = self.turn(last, bar);
            self.stop
        } else {
            if side.best > self.best {
                let pace = self.pace();
                self.best = side.best;
                self.acceleration = (self.acceleration + pace.step).min(pace.maximum);
            }
            self.stop
        };
        // Never into the last two bars.
        let next = self.stop + self.acceleration * (self.best - self.stop);
        self.stop = next.min(last.seen(self.is_long).worst).min(side.worst);
        Some((if self.is_long { stop } else { -stop }, self.is_long))
    }
}

/// The stop alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sar(Parabolic);

impl Kernel<2, 1> for Sar {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        self.0.push(Range { high, low }).map(|(stop, _)| [stop])
    }

    fn warmup(&self) -> usize {
        1
    }
}

/// The stop, negative while short.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SarExt(Parabolic);

impl Kernel<2, 1> for SarExt {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        self.0.push(Range { high, low }).map(|(stop, is_long)| [if is_long { stop } else { -stop }])
    }

    fn warmup(&self) -> usize {
        1
    }
}
