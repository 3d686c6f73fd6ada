//! Bands around prices, and the middle between their extremes.

use super::average::{AnyAverage, Sma, ma_type};
use super::kernel::{Kernel, erase};
use super::maths::real;
use super::window::{Extreme, Moments, MovingSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const OUTPUTS: &[&str] = &["upper", "middle", "lower"];
/// Bands may be on one side, or turned over.
const DEVIATIONS: (f64, f64) = (-1_000.0, 1_000.0);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "bbands",
        doc: "Bollinger bands: an average, and standard deviations of the same values above and below it.",
        inputs: VALUE,
        params: &[
            Param::period("period", 20, 2),
            Param::number("deviations_up", 2.0, DEVIATIONS),
            Param::number("deviations_down", 2.0, DEVIATIONS),
            ma_type("ma_type", 0),
        ],
        outputs: OUTPUTS,
        source: "TA-Lib BBANDS",
        build: |params| {
            let period = params.count(0);
            let middle = match AnyAverage::new(period, params.count(3)) {
                AnyAverage::Sma(_) => Middle::Mean(MovingSum::default()),
                average => Middle::Other(Box::new(average)),
            };
            erase(Bollinger { middle, moments: Moments::new(period), up: params.number(1), down: params.number(2) })
        },
    },
    Function {
        name: "accbands",
        doc: "Acceleration bands: the average close, and those of high and low pushed apart by the range of the bar.",
        inputs: &["high", "low", "close"],
        params: &[Param::period("period", 20, 2)],
        outputs: OUTPUTS,
        source: "TA-Lib ACCBANDS",
        build: |params| {
            let average = || Sma::new(params.count(0));
            erase(Acceleration { upper: average(), middle: average(), lower: average() })
        },
    },
    Function {
        name: "midpoint",
        doc: "The middle between the greatest value and the smallest.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib MIDPOINT",
        build: |params| erase(Midpoint(Midprice::new(params.count(0)))),
    },
    Function {
        name: "midprice",
        doc: "The middle between the highest high and the lowest low.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib MIDPRICE",
        build: |params| erase(Midprice::new(params.count(0))),
    },
];

/// What the bands are around.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Middle {
    /// The simple average, whose values are those of the moments.
    Mean(MovingSum),
    Other(Box<AnyAverage>),
}

/// An average of any kind, and deviations of the population around the mean above and below it (Bollinger 2001).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bollinger {
    middle: Middle,
    moments: Moments,
    /// Standard deviations.
    up: f64,
    down: f64,
}

impl Kernel<1, 3> for Bollinger {
    #[inline(always)]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 3]> {
        let oldest = self.moments.turn(value);
        let average = match &mut self.middle {
            Middle::Mean(sum) => {
                sum.turn(value, oldest);
                Some(sum.value() / real(self.moments.window().capacity()))
            }
            Middle::Other(average) => average.push(value),
        };
        // The moments are looked at whether there is an average or not: it is how they notice what they lose.
        let moments = self.moments.value();
        let (average, (_, variance)) = average.zip(moments)?;
        let deviation = variance.sqrt();
        Some([average + self.up * deviation, average, average - self.down * deviation])
    }

    fn warmup(&self) -> usize {
        let own = self.moments.window().capacity() - 1;
        match &self.middle {
            Middle::Mean(_) => own,
            // The adaptive average of kind 7 has a warm-up that does not depend on the period.
            Middle::Other(average) => average.warmup().max(own),
        }
    }
}

/// Averages of the close and of prices beyond high and low (Headley 2002).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Acceleration {
    upper: Sma,
    middle: Sma,
    lower: Sma,
}

impl Kernel<3, 3> for Acceleration {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 3]> {
        let sum = high + low;
        let apart = if sum == 0.0 { 0.0 } else { 4.0 * (high - low) / sum };
        let upper = self.upper.update([high * (1.0 + apart)]);
        let middle = self.middle.update([close]);
        let lower = self.lower.update([low * (1.0 - apart)]);
        let ([upper], [middle], [lower]) = (upper?, middle?, lower?);
        Some([upper, middle, lower])
    }

    fn warmup(&self) -> usize {
        self.middle.warmup()
    }
}

/// The middle between the extremes of two series.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Midprice {
    highest: Extreme,
    lowest: Extreme,
    period: usize,
}

impl Midprice {
    fn new(period: usize) -> Midprice {
        Midprice { highest: Extreme::greatest(period), lowest: Extreme::smallest(period), period }
    }
}

impl Kernel<2, 1> for Midprice {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 1]> {
        let (highest, lowest) = (self.highest.push(high), self.lowest.push(low));
        let ((highest, _), (lowest, _)) = (highest?, lowest?);
        Some([(highest + lowest) / 2.0])
    }

    fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

/// The middle between the extremes of one series.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Midpoint(Midprice);

impl Kernel<1, 1> for Midpoint {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.update([value, value])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}
