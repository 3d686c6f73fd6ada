//! Where a value stands among the last ones.

use super::kernel::{Kernel, erase};
use super::maths::quotient;
use super::momentum::{Measure, Rsi};
use super::oscillator::Channel;
use super::price::median;
use super::ranked::Ranked;
use super::window::Moments;
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "zscore",
        doc: "How many standard deviations (of the population) the value is from the mean of the last ones, itself \
              among them; 0 where there is no deviation.",
        inputs: VALUE,
        params: &[Param::period("period", 20, 2)],
        outputs: VALUE,
        source: "Standard score",
        build: |params| erase(ZScore(Moments::new(params.count(0)))),
    },
    Function {
        name: "percent_rank",
        doc: "How many of the values before it, in percent, are less than the value. Takes time with the logarithm of \
              the period.",
        inputs: VALUE,
        params: &[Param::period("period", 100, 2)],
        outputs: VALUE,
        source: "TA-Lib PERCENTRANK; Connors Research, An Introduction to ConnorsRSI (2012)",
        build: |params| erase(PercentRank(Ranked::new(params.count(0)))),
    },
    Function {
        name: "median",
        doc: "The median of the last values: the middle one, or the mean of the two in the middle. Takes time with \
              the logarithm of the period.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 1)],
        outputs: VALUE,
        source: "Running median",
        build: |params| erase(Middle(Ranked::new(params.count(0)))),
    },
    Function {
        name: "percentile",
        doc: "The smallest of the last values that no fewer than so many percent of them do not exceed: the nearest \
              rank, of 50 the lower middle one. Takes time with the logarithm of the period.",
        inputs: VALUE,
        params: &[Param::period("period", 30, 2), Param::number("percentile", 50.0, (0.0, 100.0))],
        outputs: VALUE,
        source: "TA-Lib PERCENTILE",
        build: |params| erase(Percentile { values: Ranked::new(params.count(0)), percentile: params.number(1) }),
    },
    Function {
        name: "connors_rsi",
        doc: "Connors' RSI: the mean of the value's rsi, of the rsi of how many times it has risen or fallen on end, \
              and of the percent rank of its last change.",
        inputs: VALUE,
        params: &[
            Param::period("period", 3, 2),
            Param::period("streak_period", 2, 2),
            Param::period("rank_period", 100, 1),
        ],
        outputs: VALUE,
        source: "Connors Research, An Introduction to ConnorsRSI (2012)",
        build: |params| erase(ConnorsRsi::new([0, 1, 2].map(|at| params.count(at)))),
    },
    Function {
        name: "fisher_transform",
        doc: "Fisher transform of where the median price is in the range of the last ones, smoothed; the signal is \
              its value one bar before.",
        inputs: &["high", "low"],
        params: &[Param::period("period", 10, 1)],
        outputs: &["fisher", "signal"],
        source: "Ehlers, Using the Fisher Transform, Stocks & Commodities 20:11 (2002)",
        build: |params| erase(Fisher { range: Channel::new(params.count(0)), position: 0.0, fisher: None }),
    },
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ZScore(Moments);

impl Kernel<1, 1> for ZScore {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let (mean, variance) = self.0.push(value)?;
        Some([quotient(value - mean, variance.sqrt())])
    }

    fn warmup(&self) -> usize {
        self.0.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PercentRank(Ranked);

impl PercentRank {
    #[inline]
    fn push(&mut self, value: f64) -> Option<f64> {
        let count = self.0.len();
        let rank = (count == self.0.capacity()).then(|| 100.0 * self.0.below(value) as f64 / count as f64);
        self.0.push(value);
        rank
    }
}

impl Kernel<1, 1> for PercentRank {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.push(value).map(|rank| [rank])
    }

    fn warmup(&self) -> usize {
        self.0.capacity()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Middle(Ranked);

impl Kernel<1, 1> for Middle {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.push(value);
        let count = self.0.capacity();
        if self.0.len() < count {
            return None;
        }
        let (lower, upper) = (self.0.at((count - 1) / 2)?, self.0.at(count / 2)?);
        Some([(lower + upper) / 2.0])
    }

    fn warmup(&self) -> usize {
        self.0.capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Percentile {
    values: Ranked,
    percentile: f64,
}

impl Kernel<1, 1> for Percentile {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.values.push(value);
        let count = self.values.capacity();
        if self.values.len() < count {
            return None;
        }
        let rank = (self.percentile / 100.0 * count as f64).ceil() as usize;
        self.values.at(rank.clamp(1, count) - 1).map(|value| [value])
    }

    fn warmup(&self) -> usize {
        self.values.capacity() - 1
    }
}

/// How many times on end a value has risen; negative where it has fallen, 0 where it stayed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Streak {
    before: Option<f64>,
    length: f64,
}

impl Streak {
    #[inline]
    fn push(&mut self, value: f64) -> f64 {
        self.length = match self.before.replace(value) {
            Some(before) if value > before => self.length.max(0.0) + 1.0,
            Some(before) if value < before => self.length.min(0.0) - 1.0,
            _ => 0.0,
        };
        self.length
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ConnorsRsi {
    before: Option<f64>,
    strength: Rsi,
    streak: Streak,
    streak_strength: Rsi,
    rank: PercentRank,
}

impl ConnorsRsi {
    fn new([period, streak, rank]: [usize; 3]) -> ConnorsRsi {
        ConnorsRsi {
            before: None,
            strength: Rsi::new(period),
            streak: Streak::default(),
            streak_strength: Rsi::new(streak),
            rank: PercentRank(Ranked::new(rank)),
        }
    }
}

impl Kernel<1, 1> for ConnorsRsi {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        let strength = self.strength.push(value);
        let streak = self.streak.push(value);
        let streak_strength = self.streak_strength.push(streak);
        let before = self.before.replace(value)?;
        let rank = self.rank.push(Measure::Rate.of(value, before));
        let ((strength, streak_strength), rank) = strength.zip(streak_strength).zip(rank)?;
        Some([(strength + streak_strength + rank) / 3.0])
    }

    fn warmup(&self) -> usize {
        let rank = self.rank.warmup().saturating_add(1);
        self.strength.warmup().max(self.streak_strength.warmup()).max(rank)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fisher {
    range: Channel,
    /// Where the price is in the range, from -1 to 1, smoothed.
    position: f64,
    fisher: Option<f64>,
}

impl Kernel<2, 2> for Fisher {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 2]> {
        let price = median(high, low);
        let (highest, lowest) = self.range.push(price, price)?;
        let range = highest - lowest;
        let place = if range > 0.0 { (price - lowest) / range - 0.5 } else { 0.0 };
        let position = 0.33 * 2.0 * place + 0.67 * self.position;
        self.position = if position.abs() > 0.99 { 0.999_f64.copysign(position) } else { position };
        let transformed = 0.5 * libm::log((1.0 + self.position) / (1.0 - self.position));
        let fisher = transformed + 0.5 * self.fisher.unwrap_or_default();
        let signal = self.fisher.replace(fisher)?;
        Some([fisher, signal])
    }

    fn warmup(&self) -> usize {
        self.range.warmup().saturating_add(1)
    }
}
