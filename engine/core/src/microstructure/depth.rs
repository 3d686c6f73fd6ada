//! The best levels of a book, and what they tell by themselves.

use super::{PRICE_UNITS, QTY_UNITS};
use crate::book::Level;
use crate::event::Side;

/// Most levels of a side that are looked at.
pub const DEPTH_MAX: usize = 10;

/// The best levels of one side, best first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rungs {
    pub(super) prices: [i64; DEPTH_MAX],
    pub(super) qtys: [i64; DEPTH_MAX],
    pub(super) len: usize,
}

impl Rungs {
    #[inline]
    fn set(&mut self, levels: &[Level]) {
        self.len = levels.len().min(DEPTH_MAX);
        let slots = self.prices.iter_mut().zip(&mut self.qtys);
        for ((price, qty), level) in slots.zip(levels) {
            (*price, *qty) = (level.price.raw(), level.qty.raw());
        }
    }

    /// True where it holds just these levels.
    #[inline]
    fn is(&self, levels: &[Level]) -> bool {
        let slots = self.prices.iter().zip(&self.qtys);
        self.len == levels.len()
            && slots.zip(levels).all(|((&price, &qty), level)| price == level.price.raw() && qty == level.qty.raw())
    }

    /// Total quantity of the best levels. No book holds a level of less than nothing, and ten of the greatest quantity
    /// fit.
    #[inline]
    pub(super) fn qty(&self, levels: usize) -> u64 {
        self.qtys.iter().take(levels.min(self.len)).map(|&qty| qty.unsigned_abs()).fold(0, u64::wrapping_add)
    }
}

/// The best levels of both sides at one moment. Nothing is defined where a side is empty or the sides cross.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    pub(super) bids: Rungs,
    pub(super) asks: Rungs,
}

/// Best bid and ask in raw units, not crossed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) bid: i64,
    pub(super) bid_qty: i64,
    pub(super) ask: i64,
    pub(super) ask_qty: i64,
}

impl Touch {
    /// Twice the mid: the mid itself may fall between two units.
    #[inline]
    pub(super) fn doubled_mid(&self) -> i64 {
        self.bid + self.ask
    }
}

impl Depth {
    /// The best levels, best first; those beyond [`DEPTH_MAX`] are not looked at.
    pub fn new(bids: &[Level], asks: &[Level]) -> Depth {
        let mut depth = Depth::default();
        depth.set(bids, asks);
        depth
    }

    /// Becomes other levels.
    #[inline]
    pub(super) fn set(&mut self, bids: &[Level], asks: &[Level]) {
        self.bids.set(bids);
        self.asks.set(asks);
    }

    /// True where its levels are these.
    #[inline]
    pub(super) fn is(&self, bids: &[Level], asks: &[Level]) -> bool {
        self.bids.is(bids) && self.asks.is(asks)
    }

    #[inline]
    pub(super) fn touch(&self) -> Option<Touch> {
        let (bid, ask) = (self.bids.prices[0], self.asks.prices[0]);
        let is_market = self.bids.len > 0 && self.asks.len > 0 && bid < ask;
        is_market.then(|| Touch { bid, bid_qty: self.bids.qtys[0], ask, ask_qty: self.asks.qtys[0] })
    }

    /// Halfway between best bid and best ask.
    pub fn mid(&self) -> Option<f64> {
        self.touch().map(|touch| touch.doubled_mid() as f64 / (2.0 * PRICE_UNITS))
    }

    /// Best ask less best bid.
    pub fn spread(&self) -> Option<f64> {
        self.touch().map(|touch| (touch.ask - touch.bid) as f64 / PRICE_UNITS)
    }

    /// The spread in basis points of the mid, where that is above zero.
    pub fn spread_bps(&self) -> Option<f64> {
        let touch = self.touch()?;
        let doubled_mid = touch.doubled_mid();
        (doubled_mid > 0).then(|| 20_000.0 * (touch.ask - touch.bid) as f64 / doubled_mid as f64)
    }

    /// The mid weighed by the quantities at the touch: bid + spread · bid_qty / (bid_qty + ask_qty), so that it leans
    /// towards the side that is about to be used up. Stoikov (The micro-price, 2018) calls this the weighted mid, the
    /// first approximation of his micro-price.
    pub fn microprice(&self) -> Option<f64> {
        let touch = self.touch()?;
        let (bid_qty, ask_qty) = (touch.bid_qty as f64, touch.ask_qty as f64);
        let both = bid_qty + ask_qty;
        let share = if both > 0.0 { bid_qty / both } else { 0.5 };
        Some((touch.bid as f64 + (touch.ask - touch.bid) as f64 * share) / PRICE_UNITS)
    }

    /// Queue imbalance over the best `levels` of each side: (bids − asks) / (bids + asks), from −1 to 1 (Gould and
    /// Bonart 2016). With one level it is that of the touch.
    pub fn imbalance(&self, levels: usize) -> Option<f64> {
        self.touch()?;
        let (bids, asks) = (self.bids.qty(levels) as f64, self.asks.qty(levels) as f64);
        (bids + asks > 0.0).then(|| (bids - asks) / (bids + asks))
    }

    /// Total quantity of the best `levels` of a side.
    pub fn qty(&self, side: Side, levels: usize) -> f64 {
        let rungs = if side == Side::Bid { &self.bids } else { &self.asks };
        rungs.qty(levels) as f64 / QTY_UNITS
    }
}
