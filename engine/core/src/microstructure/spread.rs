//! What trading costs, from the trades.

use super::PRICE_UNITS;
use super::covariance::Covariance;
use super::last::{Last, LastMean};
use crate::event::Side;
use crate::price::Price;
use crate::time::Nanos;

/// Roll's spread (A simple implicit measure of the effective bid-ask spread, 1984): 2·√−c, where c is the covariance of
/// each price change with the one before it. Where c is positive, which a spread cannot explain, it is −2·√c: a negative
/// value says that there is no estimate.
#[derive(Clone, Debug)]
pub struct RollSpread {
    changes: Covariance,
    price: Option<i64>,
    change: Option<f64>,
}

impl RollSpread {
    /// Over the last `count` pairs of changes.
    pub fn new(count: usize) -> RollSpread {
        RollSpread { changes: Covariance::new(count), price: None, change: None }
    }

    /// A trade.
    pub fn update(&mut self, price: Price) {
        let Some(before) = self.price.replace(price.raw()) else { return };
        let change = (price.raw() - before) as f64;
        if let Some(before) = self.change.replace(change) {
            self.changes.push([before, change]);
        }
    }

    /// Trades were missed: the next change is none.
    pub fn interrupt(&mut self) {
        (self.price, self.change) = (None, None);
    }

    /// In units of currency; `None` until there were enough.
    pub fn value(&self) -> Option<f64> {
        let (covariance, [before, after]) = self.changes.value()?;
        // The covariance of something with a constant is rounding.
        let covariance = if before > 0.0 && after > 0.0 { covariance } else { 0.0 };
        Some(-covariance.signum() * 2.0 * covariance.abs().sqrt() / PRICE_UNITS + 0.0)
    }
}

/// Effective and realized spread: means over the last trades of 2·d·(p − m), where d is 1 for a buyer and −1 for a
/// seller, p the price of the trade and m the mid; for the effective spread the mid when it was traded, for the realized
/// one the mid when the horizon has passed. Their difference is the price impact. (Huang and Stoll, 1996.)
#[derive(Clone, Debug)]
pub struct TradeCost {
    horizon: Nanos,
    effective: LastMean,
    realized: LastMean,
    pending: Last<Pending>,
    unsampled: u64,
}

/// A trade whose horizon has not passed.
#[derive(Clone, Copy, Debug)]
struct Pending {
    due: Nanos,
    side: Side,
    price: i64,
}

/// 2·d·(p − m), of twice the mid.
fn cost(side: Side, price: i64, doubled_mid: i64) -> i64 {
    // Prices are below 10¹⁸: four of them fit.
    let above = 2 * price - doubled_mid;
    if side == Side::Bid { above } else { -above }
}

impl TradeCost {
    /// Most trades that wait for their horizon.
    pub const PENDING_MAX: usize = 1024;

    /// Means over `count` trades; `horizon` is that of the realized spread.
    pub fn new(count: usize, horizon: Nanos) -> TradeCost {
        let filler = Pending { due: Nanos::ZERO, side: Side::Bid, price: 0 };
        let pending = Last::new(TradeCost::PENDING_MAX, filler);
        TradeCost { horizon, effective: LastMean::new(count), realized: LastMean::new(count), pending, unsampled: 0 }
    }

    /// It is `now`, and twice the mid was `doubled_mid` until now: to be told before the book or a trade changes it.
    /// Trades whose horizon passed while there was no mid are not sampled.
    #[inline]
    pub(super) fn advance(&mut self, now: Nanos, doubled_mid: Option<i64>) {
        while self.pending.oldest().is_some_and(|trade| trade.due < now) {
            let Some(trade) = self.pending.pop() else { return };
            match doubled_mid {
                Some(doubled_mid) => self.realized.push(cost(trade.side, trade.price, doubled_mid)),
                None => self.unsampled += 1,
            }
        }
    }

    /// A trade, while twice the mid is `doubled_mid`.
    pub(super) fn update(&mut self, now: Nanos, side: Side, price: Price, doubled_mid: i64) {
        let price = price.raw();
        self.effective.push(cost(side, price, doubled_mid));
        if self.pending.is_full() {
            self.unsampled += 1;
        } else {
            self.pending.push(Pending { due: now.plus(self.horizon), side, price });
        }
    }

    /// The book or trades were missed: what waits is not sampled.
    pub fn interrupt(&mut self) {
        self.unsampled += self.pending.len() as u64;
        self.pending.clear();
    }

    /// The effective spread in units of currency; `None` until there were enough trades.
    pub fn effective(&self) -> Option<f64> {
        self.effective.value().map(|mean| mean / PRICE_UNITS)
    }

    /// The realized spread in units of currency; `None` until the horizon of enough trades has passed.
    pub fn realized(&self) -> Option<f64> {
        self.realized.value().map(|mean| mean / PRICE_UNITS)
    }

    /// Trades that the realized spread lacks: too many waited, or there was no mid.
    pub fn unsampled(&self) -> u64 {
        self.unsampled
    }
}
