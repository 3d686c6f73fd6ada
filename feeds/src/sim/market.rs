//! The simulated market in virtual time: every instrument's agents, and the index over some of them.

use super::agents::OUTSIDE;
use super::history;
use super::pit::Pit;
use super::universe::{Hours, Index, Universe};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tidegate_core::matching::{Fill, NewOrder, Report, Resting};
use tidegate_core::{Level, Nanos, Price, Qty, Side, Top};

/// Orders from outside bear this id or a larger one: the smaller ones are the agents'.
pub const FIRST_ORDER_ID: u64 = OUTSIDE;
/// [`SimMarket::advance`] returns once so many outputs have gathered in one call.
pub const OUTPUTS_MAX: usize = 65_536;
/// Rates that make sense: from a hundredth to a hundred times the usual pace.
pub const RATE_PERCENT: std::ops::RangeInclusive<i64> = 1..=10_000;

pub(super) const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());

/// What a market is made from, beside its universe and prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Everything random comes from this.
    pub seed: u64,
    /// Pace of the agents; 100 is the usual one. Prices move as far in a day at any pace.
    pub rate_percent: i64,
}

/// Why a market does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// One price for each listing is needed.
    #[error("prices: {got} for {want} instruments")]
    Prices {
        /// Prices given.
        got: usize,
        /// Listings.
        want: usize,
    },
    /// Not a price to start from.
    #[error("{key}: start price {price} is not above zero")]
    Price {
        /// Whose.
        key: String,
        /// What was given.
        price: Price,
    },
    /// Outside [`RATE_PERCENT`].
    #[error("rate_percent: {0} is outside 1..=10000")]
    Rate(i64),
}

/// No instrument has this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instrument: nothing trades at position {0}")]
pub struct UnknownInstrument(pub u32);

/// What a client of the market asks for. Ids below [`FIRST_ORDER_ID`] are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new order.
    Submit(NewOrder),
    /// Take the rest of an order out.
    Cancel(u64),
    /// Give an order another price and open quantity.
    Modify {
        /// Whose.
        id: u64,
        /// New price.
        price: Price,
        /// New open quantity.
        open: Qty,
    },
}

impl Command {
    /// The id of the order that is meant.
    pub const fn id(&self) -> u64 {
        match *self {
            Command::Submit(NewOrder { id, .. }) | Command::Cancel(id) | Command::Modify { id, .. } => id,
        }
    }
}

/// Something that happened on the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// When, in virtual time.
    pub at: Nanos,
    /// Position in [`Universe::listings`]; the index stands after the last: [`SimMarket::index_position`].
    pub instrument: u32,
    /// What.
    pub what: What,
}

/// What happened. A trade comes before the change of its level, and a top after all changes of one act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A trade. Orders from outside are known by [`FIRST_ORDER_ID`].
    Trade {
        /// Counts up within the instrument, also over a restart.
        id: u64,
        /// Who met whom, at what price.
        fill: Fill,
    },
    /// A level's new total; quantity 0 removes it.
    Level {
        /// Counts up by one within the instrument, without a hole.
        update_id: u64,
        /// Which side.
        side: Side,
        /// Its total and number of orders.
        level: Level,
    },
    /// The best levels have changed.
    Top {
        /// The latest change of a level.
        update_id: u64,
        /// As they are now.
        top: Top,
    },
    /// The index has changed; at most once a second.
    Index(Day),
}

/// The day of an instrument or index so far: India's for what has Indian hours and for the index, UTC's otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its midnight.
    pub start: Nanos,
    /// First price: the start price, or the close of the day before.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Latest price.
    pub last: Price,
    /// Last price of the day before; the start price where the market started in this day.
    pub previous_close: Price,
    /// Quantity of the last trade.
    pub last_qty: Qty,
    /// Time of the last trade.
    pub last_at: Nanos,
    /// Sum of quantities, in units of 10⁻⁸.
    pub volume: i128,
    /// Sum of price times quantity, in units of 10⁻¹⁷.
    pub turnover: i128,
    /// Number of trades.
    pub trades: u64,
}

impl Day {
    /// The first day, whose midnight was at `start`.
    pub(super) fn new(start: Nanos, at: Nanos, price: Price) -> Day {
        Day {
            start,
            open: price,
            high: price,
            low: price,
            last: price,
            previous_close: price,
            last_qty: Qty::ZERO,
            last_at: at,
            volume: 0,
            turnover: 0,
            trades: 0,
        }
    }

    /// The day as it is at a time: a new one where midnight has passed.
    pub(super) fn at(self, at: Nanos) -> Day {
        let start = self.start.plus(at.since(self.start).floor(DAY));
        let rolled = Day { last_qty: self.last_qty, last_at: self.last_at, ..Day::new(start, at, self.last) };
        if start > self.start { rolled } else { self }
    }

    pub(super) fn trade(&mut self, at: Nanos, price: Price, qty: Qty) {
        self.see(at, price);
        self.last_qty = qty;
        self.volume += i128::from(qty.raw());
        self.turnover += i128::from(price.raw()) * i128::from(qty.raw());
        self.trades += 1;
    }

    fn see(&mut self, at: Nanos, price: Price) {
        *self = self.at(at);
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.last = price;
        self.last_at = at;
    }
}

/// The market.
pub struct SimMarket {
    universe: Universe,
    now: Nanos,
    pits: Vec<Pit>,
    /// Who acts next: time, then position. The index stands after the last instrument.
    due: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// What the members' last prices add up to.
    parts: i128,
    index_day: Day,
    reports: Vec<Report>,
}

impl SimMarket {
    /// A market that starts at a time, each instrument from a price: of [`SimMarket::first_prices`], or the last
    /// recorded ones, by position in the universe.
    ///
    /// # Errors
    /// [`StartError`], naming the instrument.
    pub fn start(universe: Universe, settings: Settings, at: Nanos, prices: &[Price]) -> Result<SimMarket, StartError> {
        if !RATE_PERCENT.contains(&settings.rate_percent) {
            return Err(StartError::Rate(settings.rate_percent));
        }
        let listings = universe.listings();
        if prices.len() != listings.len() {
            return Err(StartError::Prices { got: prices.len(), want: listings.len() });
        }
        let mut pits = Vec::with_capacity(listings.len());
        for ((position, listing), &price) in (0..).zip(listings).zip(prices) {
            if price <= Price::ZERO {
                return Err(StartError::Price { key: listing.instrument.key.clone(), price });
            }
            // The tick may have been finer when the price was recorded.
            let price = price.max(listing.profile.price(1));
            pits.push(Pit::new(position, listing, settings, at, price));
        }
        let index_due = at.floor(Nanos::SECOND).plus(Nanos::SECOND);
        let mut due: BinaryHeap<_> = (0..).zip(&pits).map(|(position, pit)| Reverse((pit.due(), position))).collect();
        due.push(Reverse((index_due, pits.len() as u32)));
        let index = universe.index();
        let parts = prices.iter().take(index.members()).enumerate();
        let parts = parts.map(|(member, price)| index.part(member, price.raw())).sum();
        let index_day = Day::new(Hours::Indian.midnight(at), at, index.value(parts));
        Ok(SimMarket { universe, now: at, pits, due, parts, index_day, reports: Vec::new() })
    }

    /// Where the simulated past ends: the prices of the very first start.
    pub fn first_prices(universe: &Universe, seed: u64, at: Nanos) -> Vec<Price> {
        history::closes(seed, universe, at)
    }

    /// Lets everything happen that is due up to and including `to`, in order of time, then of position. It
    /// stops early with [`OUTPUTS_MAX`] new outputs; true says that `to` is reached.
    pub fn advance(&mut self, to: Nanos, out: &mut Vec<Output>) -> bool {
        let start = out.len();
        while let Some(&Reverse((at, position))) = self.due.peek().filter(|Reverse((at, _))| *at <= to) {
            if out.len() - start >= OUTPUTS_MAX {
                return false;
            }
            self.now = at;
            let next = match self.pits.get_mut(position as usize) {
                Some(pit) => {
                    let before = pit.day.last;
                    pit.act(&mut self.reports, out);
                    self.parts += moved(self.universe.index(), position, before, pit.day.last);
                    pit.due()
                }
                None => self.tick_index(out),
            };
            if let Some(mut first) = self.due.peek_mut() {
                *first = Reverse((next, position));
            }
        }
        self.now = self.now.max(to);
        true
    }

    /// The virtual time that is reached.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// When something happens next.
    pub fn next_due(&self) -> Option<Nanos> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// What is listed.
    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// The position that outputs of the index bear.
    pub fn index_position(&self) -> u32 {
        self.pits.len() as u32
    }

    /// The latest update id of an instrument; `None` where there is no such position.
    pub fn update_id(&self, position: u32) -> Option<u64> {
        self.pits.get(position as usize).map(|pit| pit.update_id)
    }

    /// Best level of each side of an instrument's book.
    pub fn top(&self, position: u32) -> Top {
        self.pits.get(position as usize).map(|pit| pit.desk.matcher.top()).unwrap_or_default()
    }

    /// The best `levels` levels of a side, best first.
    pub fn depth(&self, position: u32, side: Side, levels: usize) -> impl Iterator<Item = Level> {
        self.pits.get(position as usize).into_iter().flat_map(move |pit| pit.desk.matcher.depth(side, levels))
    }

    /// The day of an instrument, or of the index.
    pub fn day(&self, position: u32) -> Option<Day> {
        if position == self.index_position() {
            return Some(self.index_day.at(self.now));
        }
        self.pits.get(position as usize).map(|pit| pit.day.at(self.now))
    }

    /// The last prices by position: what a later start continues from.
    pub fn last_prices(&self) -> Vec<Price> {
        self.pits.iter().map(|pit| pit.day.last).collect()
    }

    /// An order from outside that rests.
    pub fn order(&self, position: u32, id: u64) -> Option<Resting> {
        self.pits.get(position as usize)?.desk.matcher.order(id)
    }

    /// Applies a command from outside at [`SimMarket::now`]: appends its reports, and what the market shows of it.
    ///
    /// # Errors
    /// [`UnknownInstrument`] where no instrument has this position. An index has no book either.
    pub fn apply(
        &mut self,
        position: u32,
        command: Command,
        reports: &mut Vec<Report>,
        out: &mut Vec<Output>,
    ) -> Result<(), UnknownInstrument> {
        let pit = self.pits.get_mut(position as usize).ok_or(UnknownInstrument(position))?;
        let before = pit.day.last;
        self.reports.clear();
        pit.apply(self.now, command, &mut self.reports, out);
        self.parts += moved(self.universe.index(), position, before, pit.day.last);
        reports.extend_from_slice(&self.reports);
        Ok(())
    }

    /// Tells the index if it has changed in the second that ends now; returns when to look again.
    fn tick_index(&mut self, out: &mut Vec<Output>) -> Nanos {
        let value = self.universe.index().value(self.parts);
        if value != self.index_day.last {
            self.index_day.see(self.now, value);
            out.push(Output { at: self.now, instrument: self.index_position(), what: What::Index(self.index_day) });
        }
        self.now.plus(Nanos::SECOND)
    }
}

/// What a member's new price adds to the index.
fn moved(index: &Index, position: u32, before: Price, after: Price) -> i128 {
    let member = position as usize;
    if member < index.members() { index.part(member, after.raw()) - index.part(member, before.raw()) } else { 0 }
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
