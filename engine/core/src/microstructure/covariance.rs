//! The covariance of the last pairs of values.

use super::last::Last;

/// Covariance and variances of the last pairs: sums of their distances from a pair near them, made afresh each time the
/// window has gone round, and where a variance has fallen so far that cancellation would show.
#[derive(Clone, Debug)]
pub(super) struct Covariance {
    pairs: Last<[f64; 2]>,
    pivot: [f64; 2],
    sums: Sums,
    /// Greatest mean squares since the sums were made.
    peak: [f64; 2],
    /// Pairs until the sums are made afresh.
    due: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    first: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl Sums {
    #[inline]
    fn add(&mut self, [x, y]: [f64; 2], sign: f64) {
        self.first[0] += sign * x;
        self.first[1] += sign * y;
        self.squares[0] += sign * (x * x);
        self.squares[1] += sign * (y * y);
        self.product += sign * (x * y);
    }
}

impl Covariance {
    /// A variance this much smaller than what the sums held has lost too many digits.
    const LOSS: f64 = 1e-5;
    /// A standard deviation below this part of the mean is rounding.
    const NOTHING: f64 = 1e-12;

    pub(super) fn new(pairs: usize) -> Covariance {
        Covariance { pairs: Last::new(pairs, [0.0; 2]), pivot: [0.0; 2], sums: Sums::default(), peak: [0.0; 2], due: 1 }
    }

    pub(super) fn push(&mut self, pair: [f64; 2]) {
        let gone = self.pairs.push(pair);
        self.due -= 1;
        if self.due == 0 {
            self.refresh();
            return;
        }
        self.sums.add(self.distance(pair), 1.0);
        if let Some(gone) = gone {
            self.sums.add(self.distance(gone), -1.0);
        }
        let count = self.pairs.len() as f64;
        for at in 0..2 {
            self.peak[at] = self.peak[at].max(self.sums.squares[at] / count);
        }
        let is_lost =
            |at: usize| self.peak[at] > self.floor(at) && self.variance(at) < self.peak[at] * Covariance::LOSS;
        if is_lost(0) || is_lost(1) {
            self.refresh();
        }
    }

    /// Covariance of the pairs, and variance of their first and second values, as of a population; `None` until there
    /// are enough.
    pub(super) fn value(&self) -> Option<(f64, [f64; 2])> {
        if !self.pairs.is_full() {
            return None;
        }
        let count = self.pairs.len() as f64;
        let covariance = self.sums.product / count - self.sums.first[0] / count * (self.sums.first[1] / count);
        let variances = [0, 1].map(|at| {
            let variance = self.variance(at);
            if variance > self.floor(at) { variance } else { 0.0 }
        });
        Some((covariance, variances))
    }

    fn variance(&self, at: usize) -> f64 {
        let count = self.pairs.len() as f64;
        let mean = self.sums.first[at] / count;
        self.sums.squares[at] / count - mean * mean
    }

    /// A variance up to this is rounding.
    fn floor(&self, at: usize) -> f64 {
        let deviation = Covariance::NOTHING * self.pivot[at];
        deviation * deviation
    }

    #[inline]
    fn distance(&self, pair: [f64; 2]) -> [f64; 2] {
        [pair[0] - self.pivot[0], pair[1] - self.pivot[1]]
    }

    #[inline(never)]
    fn refresh(&mut self) {
        let count = self.pairs.len() as f64;
        self.pivot = [0, 1].map(|at| self.pairs.iter().map(|pair| pair[at]).sum::<f64>() / count);
        let mut sums = Sums::default();
        self.pairs.iter().for_each(|pair| sums.add(self.distance(pair), 1.0));
        self.peak = sums.squares.map(|square| square / count);
        self.sums = sums;
        // As often while it fills as later: the first values alone would make a poor pivot.
        self.due = self.pairs.len();
    }
}
