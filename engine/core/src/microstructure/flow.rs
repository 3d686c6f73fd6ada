//! Order-flow imbalance.

use super::QTY_UNITS;
use super::depth::{DEPTH_MAX, Depth, Rungs};
use super::last::Last;

/// Multi-level order-flow imbalance over the last book events: how much quantity came to the bids and left the asks,
/// less the reverse, at each level.
///
/// From one state of the book to the next, with level m's bid price and quantity p, q (before: p', q'), its bids
/// contribute q where p ≥ p', less q' where p ≤ p'; its asks contribute q' where p ≥ p', less q where p ≤ p'. (Cont,
/// Kukanov and Stoikov, The price impact of order book events, 2014, for the touch; Xu, Gould and Howison, Multi-level
/// order-flow imbalance, 2019, for the levels below.) A side of a level that is missing before or after contributes
/// nothing.
#[derive(Clone, Debug)]
pub struct OrderFlow {
    events: Last<[i64; DEPTH_MAX]>,
    sums: [i128; DEPTH_MAX],
    levels: usize,
}

impl OrderFlow {
    /// Over `events` changes of the best `levels` levels.
    pub fn new(events: usize, levels: usize) -> OrderFlow {
        OrderFlow {
            events: Last::new(events, [0; DEPTH_MAX]),
            sums: [0; DEPTH_MAX],
            levels: levels.clamp(1, DEPTH_MAX),
        }
    }

    /// The book was `before` and is `now`.
    #[inline]
    pub fn update(&mut self, before: &Depth, now: &Depth) {
        let bids = self.levels.min(before.bids.len).min(now.bids.len);
        let asks = self.levels.min(before.asks.len).min(now.asks.len);
        let mut news = [0; DEPTH_MAX];
        for (new, came) in news.iter_mut().zip(came(&before.bids, &now.bids, bids, 1)) {
            *new = came;
        }
        // An ask gets better downwards.
        for (new, came) in news.iter_mut().zip(came(&before.asks, &now.asks, asks, -1)) {
            *new -= came;
        }
        // What was there before the first event is zero.
        let event = self.events.turn();
        for ((flow, sum), new) in event.iter_mut().zip(&mut self.sums).zip(news).take(self.levels) {
            // Four quantities at most: they fit.
            *sum += i128::from(new - std::mem::replace(flow, new));
        }
    }

    /// The imbalance at a level, 0 for the touch, in units of quantity; `None` until there were as many changes as are
    /// looked at, and beyond the levels.
    pub fn value(&self, level: usize) -> Option<f64> {
        let sum = self.sums.get(level).filter(|_| level < self.levels && self.events.is_full())?;
        Some(*sum as f64 / QTY_UNITS)
    }

    /// The sum over all levels.
    pub fn total(&self) -> Option<f64> {
        let is_full = self.events.is_full();
        is_full.then(|| self.sums.iter().sum::<i128>() as f64 / QTY_UNITS)
    }
}

/// Quantity that came to each of the best `levels` of one side, less what left it; `better` is 1 where a price gets
/// better upwards.
#[inline]
fn came<'a>(before: &'a Rungs, now: &'a Rungs, levels: usize, better: i64) -> impl Iterator<Item = i64> + 'a {
    let before = before.prices[..levels].iter().zip(&before.qtys[..levels]);
    let now = now.prices[..levels].iter().zip(&now.qtys[..levels]);
    before.zip(now).map(move |((&price_before, &qty_before), (&price, &qty))| {
        let change = (price - price_before) * better;
        let new = if change >= 0 { qty } else { 0 };
        let old = if change <= 0 { qty_before } else { 0 };
        new - old
    })
}
