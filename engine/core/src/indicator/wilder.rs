//! Wilder's smoothing and his true range (New Concepts in Technical Trading Systems, 1978).

use super::maths::{greater, real};
use serde::{Deserialize, Serialize};

/// Wilder's average: it begins with the mean of the first `period` values, and each further one has a weight of
/// 1/period.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wilder {
    /// A count, as the number that it is needed as.
    period: f64,
    /// Values that are still to come before the first average.
    missing: usize,
    /// Until then their sum.
    average: f64,
}

impl Wilder {
    /// Over `period` values.
    pub fn new(period: usize) -> Wilder {
        let period = period.max(1);
        Wilder { period: real(period), missing: period, average: 0.0 }
    }

    /// Takes a value; the average, once there were enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if self.missing == 0 {
            self.average = (self.average * (self.period - 1.0) + value) / self.period;
            return Some(self.average);
        }
        self.missing -= 1;
        self.average += value;
        if self.missing > 0 {
            return None;
        }
        self.average /= self.period;
        Some(self.average)
    }

    /// Values before the first that brings an average.
    pub fn warmup(&self) -> usize {
        (self.period as usize).saturating_sub(1)
    }
}

/// How far the price went in a bar, from the close before it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrueRange {
    close: Option<f64>,
}

impl TrueRange {
    /// Takes a bar; its true range, which the first bar has none of.
    #[inline]
    pub fn push(&mut self, high: f64, low: f64, close: f64) -> Option<f64> {
        let before = self.close.replace(close)?;
        Some(greater(greater(high - low, (high - before).abs()), (low - before).abs()))
    }
}

/// The average true range.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Atr {
    range: TrueRange,
    average: Wilder,
}

impl Atr {
    /// Over `period` true ranges, the first of which needs two bars.
    pub fn new(period: usize) -> Atr {
        Atr { range: TrueRange::default(), average: Wilder::new(period) }
    }

    /// Takes a bar; the average, once there were enough.
    #[inline]
    pub fn push(&mut self, high: f64, low: f64, close: f64) -> Option<f64> {
        self.range.push(high, low, close).and_then(|range| self.average.push(range))
    }

    /// Bars before the first that brings an average.
    pub fn warmup(&self) -> usize {
        self.average.warmup().saturating_add(1)
    }
}
