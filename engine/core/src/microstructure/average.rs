//! Spread and depth, over events and over time.

use super::depth::Depth;
use super::last::LastMean;
use super::{PRICE_UNITS, QTY_UNITS};
use crate::event::Side;
use crate::time::Nanos;

/// Mean spread and depth: over the last book events, and over all the time for which the book was known.
#[derive(Clone, Debug)]
pub struct BookAverages {
    levels: usize,
    spread: LastMean,
    /// Of the bids and the asks.
    qtys: [LastMean; 2],
    /// Nanoseconds with a spread.
    time: i128,
    /// Integrals over that time.
    spread_time: i128,
    qty_times: [i128; 2],
    /// What holds since when.
    now: Option<(Nanos, State)>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    spread: i64,
    qtys: [i64; 2],
}

impl BookAverages {
    /// Over `events` book events, of the best `levels` of each side.
    pub fn new(events: usize, levels: usize) -> BookAverages {
        let mean = || LastMean::new(events);
        let (spread, qtys) = (mean(), [mean(), mean()]);
        BookAverages { levels, spread, qtys, time: 0, spread_time: 0, qty_times: [0; 2], now: None }
    }

    /// The book is `depth` from `now` on; a book without a market counts neither as an event nor as time.
    #[inline]
    pub fn update(&mut self, now: Nanos, depth: &Depth) {
        let now = self.advance(now);
        let Some(touch) = depth.touch() else {
            self.now = None;
            return;
        };
        // Beyond the integers' reach lie no quantities that any book has held.
        let qty = |total: u64| i64::try_from(total).unwrap_or(i64::MAX);
        let qtys = [qty(depth.bids.qty(self.levels)), qty(depth.asks.qty(self.levels))];
        let state = State { spread: touch.ask - touch.bid, qtys };
        self.spread.push(state.spread);
        self.qtys[0].push(state.qtys[0]);
        self.qtys[1].push(state.qtys[1]);
        self.now = Some((now, state));
    }

    /// Counts the time until `now`, from which on something else holds, and which it tells back: a clock that goes back is taken to stand still.
    fn advance(&mut self, now: Nanos) -> Nanos {
        let Some((since, state)) = self.now else { return now };
        let now = now.max(since);
        let span = i128::from(now.since(since).raw());
        self.time += span;
        self.spread_time = self.spread_time.saturating_add(i128::from(state.spread) * span);
        for (integral, qty) in self.qty_times.iter_mut().zip(state.qtys) {
            *integral = integral.saturating_add(i128::from(qty) * span);
        }
        now
    }

    /// The book is unknown from `now` on.
    pub fn interrupt(&mut self, now: Nanos) {
        self.advance(now);
        self.now = None;
    }

    /// Mean spread over the last events, in units of currency; `None` until there were enough.
    pub fn spread(&self) -> Option<f64> {
        self.spread.value().map(|mean| mean / PRICE_UNITS)
    }

    /// Mean quantity of a side over the last events; `None` until there were enough.
    pub fn qty(&self, side: Side) -> Option<f64> {
        self.qtys[usize::from(side.code())].value().map(|mean| mean / QTY_UNITS)
    }

    /// Mean spread over time, up to the last event, in units of currency.
    pub fn spread_over_time(&self) -> Option<f64> {
        self.over_time(self.spread_time).map(|mean| mean / PRICE_UNITS)
    }

    /// Mean quantity of a side over time, up to the last event.
    pub fn qty_over_time(&self, side: Side) -> Option<f64> {
        self.over_time(self.qty_times[usize::from(side.code())]).map(|mean| mean / QTY_UNITS)
    }

    fn over_time(&self, integral: i128) -> Option<f64> {
        (self.time > 0).then(|| integral as f64 / self.time as f64)
    }
}
