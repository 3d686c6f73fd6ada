//! How far trades move the price.

use super::covariance::Covariance;
use super::{PRICE_UNITS, QTY_UNITS};
use crate::event::Side;
use crate::indicator::window::WindowSum;
use crate::price::{Price, Qty};

/// Kyle's lambda (Continuous auctions and insider trading, 1985), estimated as the slope of the regression, with a
/// constant, of price changes on the signed volumes that went with them: currency per unit of quantity.
#[derive(Clone, Debug)]
pub struct KyleLambda(Covariance);

impl KyleLambda {
    /// Over the last `count` changes.
    pub fn new(count: usize) -> KyleLambda {
        KyleLambda(Covariance::new(count))
    }

    /// The price changed by so much while so much more was bought than sold.
    pub fn update(&mut self, price_change: f64, signed_volume: f64) {
        self.0.push([signed_volume, price_change]);
    }

    /// `None` until there were enough, and where the volumes were all the same.
    pub fn value(&self) -> Option<f64> {
        let (covariance, [variance, _]) = self.0.value()?;
        (variance > 0.0).then(|| covariance / variance)
    }
}

/// Amihud's illiquidity (Illiquidity and stock returns, 2002): the mean of |return| by the worth traded, per unit of
/// currency.
#[derive(Clone, Debug)]
pub struct Amihud {
    ratios: WindowSum,
    value: Option<f64>,
}

impl Amihud {
    /// Over the last `count` returns.
    pub fn new(count: usize) -> Amihud {
        Amihud { ratios: WindowSum::new(count), value: None }
    }

    /// The price changed by the fraction `change` while `worth` was traded; where that was nothing, nothing is learned.
    pub fn update(&mut self, change: f64, worth: f64) {
        if worth > 0.0 && change.is_finite() {
            let sum = self.ratios.push(change.abs() / worth);
            self.value = sum.map(|sum| sum / self.ratios.window().capacity() as f64);
        }
    }

    /// `None` until there were enough.
    pub fn value(&self) -> Option<f64> {
        self.value
    }
}

/// So many trades as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradeBar {
    /// From the last price of the bar before to its own.
    pub price_change: f64,
    /// The same, as a fraction of the former.
    pub change: f64,
    /// Bought less sold.
    pub signed_volume: f64,
    /// Sum of price times quantity.
    pub worth: f64,
}

/// Makes bars of equally many trades.
#[derive(Clone, Debug)]
pub struct TradeBars {
    trades_per_bar: u32,
    count: u32,
    signed_volume: i128,
    /// In units of a price's times a quantity's.
    worth: i128,
    /// Last price of the bar before.
    before: Option<i64>,
}

impl TradeBars {
    /// Of so many trades each.
    pub fn new(trades_per_bar: u32) -> TradeBars {
        TradeBars { trades_per_bar: trades_per_bar.max(1), count: 0, signed_volume: 0, worth: 0, before: None }
    }

    /// A trade; the bar that it completes, except for the first, which no price stands before.
    pub fn update(&mut self, side: Side, price: Price, qty: Qty) -> Option<TradeBar> {
        let qty = i128::from(qty.raw());
        self.signed_volume += if side == Side::Bid { qty } else { -qty };
        self.worth = self.worth.saturating_add(qty * i128::from(price.raw()));
        self.count += 1;
        if self.count < self.trades_per_bar {
            return None;
        }
        let (signed_volume, worth) = (self.signed_volume as f64, self.worth as f64);
        (self.count, self.signed_volume, self.worth) = (0, 0, 0);
        let before = self.before.replace(price.raw())?;
        let difference = (price.raw() - before) as f64;
        Some(TradeBar {
            price_change: difference / PRICE_UNITS,
            change: difference / before as f64,
            signed_volume: signed_volume / QTY_UNITS,
            worth: worth / (PRICE_UNITS * QTY_UNITS),
        })
    }

    /// Trades were missed: begins anew.
    pub fn interrupt(&mut self) {
        *self = TradeBars::new(self.trades_per_bar);
    }
}
