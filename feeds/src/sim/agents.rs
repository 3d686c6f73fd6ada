//! Who trades on the simulated market: a market maker, noise, momentum, and a large order in slices.
//!
//! Each acts on one instrument's book through a [`Desk`]. Prices are ticks, and 256ths of them where a value
//! moves slowly; quantities are lots.

use super::chance::{Chance, ONE};
use super::universe::{Profile, Spacing};
use tidegate_core::matching::{Fill, Matcher, NewOrder, Report, TimeInForce};
use tidegate_core::{Price, Side};

/// Fractions of a tick.
pub(super) const FINE: i64 = 256;
/// Quotes of the market maker on each side: levels of a book at rest, at least.
pub(super) const QUOTES: i64 = 24;
/// Orders of noise traders that may rest.
const NOISE_ORDERS: i64 = 48;
/// Ids: the maker's quotes by side and slot, then noise by slot, then whoever takes and never rests.
const FIRST_NOISE: u64 = 2 * QUOTES as u64;
const TAKER: u64 = FIRST_NOISE + NOISE_ORDERS as u64;

/// Distances of the market maker's sparse quotes from its best one, in ticks.
const SPARSE: [i64; QUOTES as usize] = [
    0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 160, 200, 300, 500, 800, 1_200, 1_600, 2_000, 3_000, 4_000, 5_000, 6_000,
];

/// The way of all agents to one book.
pub(super) struct Desk {
    pub profile: Profile,
    pub matcher: Matcher,
    pub chance: Chance,
    /// What the book has reported since somebody looked.
    pub reports: Vec<Report>,
}

impl Desk {
    fn submit(&mut self, id: u64, side: Side, ticks: i64, lots: i64, tif: TimeInForce) {
        let limit = Some(self.profile.price(ticks.max(1)));
        let order = NewOrder { id, side, limit, qty: self.profile.qty(lots.max(1)), tif };
        self.matcher.submit(order, &mut self.reports);
    }

    fn modify(&mut self, id: u64, ticks: i64, lots: i64) {
        let (price, open) = (self.profile.price(ticks.max(1)), self.profile.qty(lots.max(1)));
        self.matcher.modify(id, price, open, &mut self.reports);
    }

    fn best(&self, side: Side) -> Option<i64> {
        let top = self.matcher.top();
        let level = if side == Side::Bid { top.bid } else { top.ask };
        level.map(|level| self.ticks(level.price))
    }

    fn ticks(&self, price: Price) -> i64 {
        price.raw() / self.profile.tick
    }

    /// The middle of the book in fractions of a tick; `None` where a side is empty.
    pub(super) fn middle(&self) -> Option<i64> {
        Some((self.best(Side::Bid)? + self.best(Side::Ask)?) * FINE / 2)
    }

    /// Takes from the other side, at most a little way into the book.
    pub(super) fn take(&mut self, side: Side, lots: i64) {
        let Some(best) = self.best(side.opposite()) else { return };
        let reach = match self.profile.spacing {
            Spacing::Dense => 3,
            Spacing::Sparse => 200,
        };
        self.submit(TAKER, side, better(side, best, reach), lots, TimeInForce::Ioc);
    }

    /// The size of one more order: mostly small, now and then five times as large.
    pub(super) fn lots(&mut self) -> i64 {
        let lots = self.chance.exponential(self.profile.trade_lots);
        (if self.chance.is(ONE / 32) { 5 * lots } else { lots }).max(1)
    }
}

/// A price that is better for its own side by so many ticks.
fn better(side: Side, ticks: i64, by: i64) -> i64 {
    match side {
        Side::Bid => ticks + by,
        Side::Ask => ticks - by,
    }
}

/// Quotes both sides around a fair value, and leans against what it holds.
#[derive(Clone, Debug)]
pub(super) struct Maker {
    /// Lots bought less lots sold.
    inventory: i64,
    /// Between its best quotes, in ticks.
    pub spread: i64,
    quoted_bid: i64,
}

impl Maker {
    /// It holds nothing, and quotes a tick apart.
    pub(super) fn new() -> Maker {
        Maker { inventory: 0, spread: 1, quoted_bid: 0 }
    }

    /// True where an order is one of the maker's quotes.
    pub(super) fn owns(id: u64) -> bool {
        id < FIRST_NOISE
    }

    /// Counts a fill of so many lots, negative where the taker sold.
    pub(super) fn count(&mut self, fill: &Fill, lots: i64) {
        if Maker::owns(fill.taker) {
            self.inventory += lots;
        }
        if Maker::owns(fill.maker) {
            self.inventory -= lots;
        }
    }

    /// Moves all quotes to where they should be around `fair`, whose usual step is `step`.
    pub(super) fn quote(&mut self, desk: &mut Desk, fair: i64, step: i64) {
        // By a whole step once it holds 64 trades' worth.
        let most = 64 * desk.profile.trade_lots;
        let lean = self.inventory.clamp(-most, most) * step / most;
        let wanted = (fair - lean - self.spread * FINE / 2).div_euclid(FINE);
        let slack = match desk.profile.spacing {
            Spacing::Dense => 0,
            // Small next to what the market moves at once: not worth to move every quote.
            Spacing::Sparse => step / (2 * FINE),
        };
        let bid = if (wanted - self.quoted_bid).abs() <= slack { self.quoted_bid } else { wanted };
        let ask = bid + self.spread;
        // The side that the market moves towards makes room first: the maker never meets itself.
        let is_rising = bid >= self.quoted_bid;
        self.quoted_bid = bid;
        if is_rising {
            self.quote_side(desk, Side::Ask, ask);
            self.quote_side(desk, Side::Bid, bid);
        } else {
            self.quote_side(desk, Side::Bid, bid);
            self.quote_side(desk, Side::Ask, ask);
        }
    }

    fn quote_side(&self, desk: &mut Desk, side: Side, best: i64) {
        for number in 0..QUOTES {
            let ticks = target(desk.profile.spacing, side, best, number);
            let slot = match desk.profile.spacing {
                // A price keeps its slot: when the market moves by a tick, one quote of a side moves.
                Spacing::Dense => ticks.rem_euclid(QUOTES),
                Spacing::Sparse => number,
            };
            let id = (i64::from(side.code()) * QUOTES + slot) as u64;
            let lots = desk.profile.trade_lots * (3 + number);
            match desk.matcher.order(id) {
                Some(order) => {
                    let open = order.open.raw() / desk.profile.lot;
                    let is_right = (lots / 3..=lots * 3).contains(&open);
                    if desk.ticks(order.price) != ticks || !is_right {
                        let lots = varied(&mut desk.chance, lots);
                        desk.modify(id, ticks, lots);
                    }
                }
                None => {
                    let lots = varied(&mut desk.chance, lots);
                    desk.submit(id, side, ticks, lots, TimeInForce::Gtc);
                }
            }
        }
    }
}

fn varied(chance: &mut Chance, lots: i64) -> i64 {
    lots * (ONE / 2 + chance.below(ONE)) / ONE
}

/// The price of a quote, counted from the best one.
fn target(spacing: Spacing, side: Side, best: i64, number: i64) -> i64 {
    match spacing {
        Spacing::Dense => better(side, best, -number),
        Spacing::Sparse => {
            let at = number as usize;
            let gap = SPARSE.get(at + 1).map_or(1_024, |next| next - SPARSE[at]);
            // On a grid of half the gap to the next, so that small moves of the market leave it where it is.
            let grid = (gap / 2).max(1);
            let far = better(side, best, -SPARSE[at]);
            match side {
                Side::Bid => far - far.rem_euclid(grid),
                Side::Ask => far + (-far).rem_euclid(grid),
            }
        }
    }
}

/// A noise trader's order: a new one, or one of those resting is cancelled or moved.
pub(super) fn noise_rests(desk: &mut Desk, fair: i64) {
    let id = FIRST_NOISE + desk.chance.below(NOISE_ORDERS) as u64;
    let resting = desk.matcher.order(id);
    if resting.is_some() && desk.chance.is(ONE * 6 / 10) {
        desk.matcher.cancel(id, &mut desk.reports);
        return;
    }
    let side = resting.map_or_else(|| if desk.chance.is(ONE / 2) { Side::Bid } else { Side::Ask }, |it| it.side);
    let own = desk.best(side).unwrap_or(fair / FINE);
    let is_open = desk.best(side.opposite()).is_none_or(|other| (other - own).abs() > 1);
    let ticks = if is_open && desk.chance.is(ONE / 8) {
        better(side, own, 1)
    } else {
        let reach = match desk.profile.spacing {
            Spacing::Dense => 5,
            Spacing::Sparse => 150,
        };
        better(side, own, -desk.chance.exponential(reach))
    };
    let lots = desk.lots();
    if resting.is_some() {
        desk.modify(id, ticks, lots);
    } else {
        desk.submit(id, side, ticks, lots, TimeInForce::Gtc);
    }
}

/// A noise trader takes what is offered, a little more often on the side that is cheap.
pub(super) fn noise_takes(desk: &mut Desk, fair: i64, step: i64) {
    let Some(middle) = desk.middle() else { return };
    let lean = ((fair - middle) * ONE / (8 * step.max(1))).clamp(-ONE / 4, ONE / 4);
    let side = if desk.chance.is(ONE / 2 + lean) { Side::Bid } else { Side::Ask };
    let lots = desk.lots();
    desk.take(side, lots);
}

/// Follows a move of more than three usual steps away from the slow average of the market.
#[derive(Clone, Debug, Default)]
pub(super) struct Momentum {
    slow: i64,
}

impl Momentum {
    /// Sees the middle of the book; every other one moves the average by a 32nd.
    pub(super) fn see(&mut self, middle: i64) {
        self.slow = if self.slow == 0 { middle } else { self.slow + (middle - self.slow) / 32 };
    }

    /// Takes with the trend, where there is one.
    pub(super) fn act(&self, desk: &mut Desk, step: i64) {
        let Some(off) = desk.middle().map(|middle| middle - self.slow) else { return };
        if off.abs() > 3 * step {
            let lots = 2 * desk.lots();
            desk.take(if off > 0 { Side::Bid } else { Side::Ask }, lots);
        }
    }
}

/// A large order that somebody works off in slices.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    side: Side,
    slices: i64,
}

impl Parent {
    /// Nothing to do: the next one is still to come.
    pub(super) fn none() -> Parent {
        Parent { side: Side::Bid, slices: 0 }
    }

    /// A new order of 20 to 60 slices.
    pub(super) fn start(&mut self, chance: &mut Chance) {
        self.side = if chance.is(ONE / 2) { Side::Bid } else { Side::Ask };
        self.slices = 20 + chance.below(40);
    }

    /// True while slices are left.
    pub(super) fn is_working(&self) -> bool {
        self.slices > 0
    }

    /// Takes with one slice.
    pub(super) fn slice(&mut self, desk: &mut Desk) {
        self.slices -= 1;
        let lots = desk.profile.trade_lots * (ONE + desk.chance.below(2 * ONE)) / ONE;
        desk.take(self.side, lots);
    }
}

/// Every agents' order has a smaller id; those from outside have this or a larger one.
pub(super) const OUTSIDE: u64 = 1 << 16;
const _: () = assert!(TAKER < OUTSIDE);

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
