//! The memory of trade signs.

use super::last::Last;
use crate::event::Side;

/// Most trades between two whose signs are compared.
pub const LAGS_MAX: usize = 5;

/// Autocorrelation of the signs of the last trades, 1 for a buyer and −1 for a seller (Lillo and Farmer, 2004): with
/// mean m over n signs, the sum of (s − m)(s' − m) over all pairs that are k apart, by the sum of (s − m)² over all.
#[derive(Clone, Debug)]
pub struct SignMemory {
    signs: Last<i8>,
    sum: i64,
    /// Sum of products of the signs that are 1, 2, … apart.
    products: [i64; LAGS_MAX],
}

impl SignMemory {
    /// Over the last `trades` trades, more than [`LAGS_MAX`].
    pub fn new(trades: usize) -> SignMemory {
        SignMemory { signs: Last::new(trades.max(LAGS_MAX + 1), 0), sum: 0, products: [0; LAGS_MAX] }
    }

    /// A trade; `side` is the aggressor's.
    #[inline]
    pub fn update(&mut self, side: Side) {
        let sign: i8 = if side == Side::Bid { 1 } else { -1 };
        if self.signs.is_full() {
            self.forget_oldest();
        }
        for (before, product) in self.products.iter_mut().enumerate() {
            *product += self.signs.back(before).map_or(0, |other| i64::from(other * sign));
        }
        self.sum += i64::from(sign);
        self.signs.push(sign);
    }

    fn forget_oldest(&mut self) {
        let age = self.signs.len() - 1;
        let Some(oldest) = self.signs.pop() else { return };
        self.sum -= i64::from(oldest);
        for (nearer, product) in (1..).zip(self.products.iter_mut()) {
            *product -=
                age.checked_sub(nearer).and_then(|age| self.signs.back(age)).map_or(0, |s| i64::from(s * oldest));
        }
    }

    /// At a lag of 1 to [`LAGS_MAX`] trades; `None` until there were enough, and where all signs are the same.
    pub fn value(&self, lag: usize) -> Option<f64> {
        let product = *self.products.get(lag.checked_sub(1)?)? as f64;
        let count = self.signs.len() as f64;
        let mean = self.sum as f64 / count;
        let variance = count * (1.0 - mean * mean);
        if !self.signs.is_full() || variance <= 0.0 {
            return None;
        }
        let sum =
            |ages: std::ops::Range<usize>| ages.filter_map(|age| self.signs.back(age)).map(f64::from).sum::<f64>();
        // Each sign is in a pair as the later one, except for the oldest, and as the earlier one, except for the newest.
        let (newest, oldest) = (sum(0..lag), sum(self.signs.len() - lag..self.signs.len()));
        let both = 2.0 * self.sum as f64 - newest - oldest;
        Some((product - mean * both + (count - lag as f64) * mean * mean) / variance)
    }
}
