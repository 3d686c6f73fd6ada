//! Price-time matching: a book of orders, as an exchange keeps it.
//!
//! The better price goes first, and at one price whoever came first. Orders live in one arena, linked per
//! level in their order of arrival; levels are sorted arrays, the best one last, where nearly all changes
//! fall. Once these have grown to what the market needs, an operation allocates nothing.

mod ids;

use crate::book::{Level, Top};
use crate::event::Side;
use crate::price::{Price, Qty, RAW_LIMIT};
use ids::Ids;

/// What orders must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Smallest price step; positive.
    pub tick: Price,
    /// Smallest quantity step; positive.
    pub lot: Qty,
    /// Orders that may rest at one time.
    pub orders_max: u32,
}

/// How long an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    Gtc,
    /// What is not filled at once is cancelled.
    Ioc,
    /// All of it at once, or nothing.
    Fok,
}

/// An order as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Chosen by the caller; no two resting orders share one.
    pub id: u64,
    /// Buy (`Bid`) or sell (`Ask`).
    pub side: Side,
    /// Worst price; `None` for a market order, of which nothing ever rests.
    pub limit: Option<Price>,
    /// Quantity.
    pub qty: Qty,
    /// How long it stands.
    pub tif: TimeInForce,
}

/// Why an order or a change of one is not accepted. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No order of this id rests.
    #[error("id: no such order")]
    UnknownId,
    /// An order of this id rests already.
    #[error("id: taken by a resting order")]
    IdTaken,
    /// The price is not a positive multiple of the tick.
    #[error("price: not a positive multiple of the tick")]
    OffTick,
    /// The quantity is not a positive multiple of the lot.
    #[error("qty: not a positive multiple of the lot")]
    OffLot,
    /// The level's total would leave the range of a quantity.
    #[error("qty: the level's total would be out of range")]
    LevelFull,
    /// As many orders rest as may.
    #[error("the book holds its maximum of orders")]
    BookFull,
    /// All of it was asked for, and less is there.
    #[error("qty: cannot be filled at once (fill or kill)")]
    NotFillable,
}

/// Two orders met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The order that rested.
    pub maker: u64,
    /// The order that came.
    pub taker: u64,
    /// The taker's side.
    pub side: Side,
    /// The maker's price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// What is still open of the maker.
    pub maker_open: Qty,
    /// What is still open of the taker.
    pub taker_open: Qty,
}

/// What an operation did, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The order is in; fills follow.
    Accepted {
        /// Whose.
        id: u64,
    },
    /// The order now has this price and this open quantity; fills follow where it crosses.
    Modified {
        /// Whose.
        id: u64,
        /// Price.
        price: Price,
        /// Open quantity.
        qty: Qty,
    },
    /// A fill.
    Fill(Fill),
    /// The rest of the order is gone: asked for, or because it may not rest.
    Cancelled {
        /// Whose.
        id: u64,
        /// What was still open.
        qty: Qty,
    },
    /// Nothing was done.
    Rejected {
        /// Whose.
        id: u64,
        /// Why.
        reason: Refusal,
    },
    /// A level as it is now, at most once per operation: after the fills at its price. Quantity 0 removes it.
    Level {
        /// Which side.
        side: Side,
        /// Its total and number of orders.
        level: Level,
    },
}

/// An order that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Its id.
    pub id: u64,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// What is still open of it.
    pub open: Qty,
}

/// The end of a level's list of orders.
const NIL: u32 = u32::MAX;

/// An order in the arena, between its neighbours of the same level.
#[derive(Clone, Copy, Debug)]
struct Slot {
    order: Resting,
    before: u32,
    after: u32,
}

/// The orders at one price, first come first.
#[derive(Clone, Copy, Debug)]
struct Queue {
    price: Price,
    total: i64,
    orders: u32,
    first: u32,
    last: u32,
}

impl Queue {
    fn level(&self) -> Level {
        Level { price: self.price, qty: qty(self.total), orders: self.orders }
    }
}

/// A book of orders that matches them.
#[derive(Clone, Debug)]
pub struct Matcher {
    rules: Rules,
    /// By code of side, worst price first.
    queues: [Vec<Queue>; 2],
    slots: Vec<Slot>,
    free: Vec<u32>,
    ids: Ids,
}

impl Matcher {
    /// An empty book.
    pub fn new(rules: Rules) -> Matcher {
        Matcher { rules, queues: [Vec::new(), Vec::new()], slots: Vec::new(), free: Vec::new(), ids: Ids::default() }
    }

    /// What orders must keep to.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Takes an order in: fills what crosses, then rests, or is cancelled.
    pub fn submit(&mut self, order: NewOrder, out: &mut Vec<Report>) {
        match self.check_new(&order) {
            Ok(()) => {
                out.push(Report::Accepted { id: order.id });
                self.execute(order, out);
            }
            Err(reason) => out.push(Report::Rejected { id: order.id, reason }),
        }
    }

    /// Takes a resting order out.
    pub fn cancel(&mut self, id: u64, out: &mut Vec<Report>) {
        let Some(place) = self.ids.get(id) else {
            out.push(Report::Rejected { id, reason: Refusal::UnknownId });
            return;
        };
        let order = self.slots[place as usize].order;
        self.unlink(place, order.open.raw());
        out.push(Report::Cancelled { id, qty: order.open });
        self.report_level(order.side, order.price, out);
    }

    /// Gives a resting order another price and open quantity. Only a smaller quantity at the same price keeps
    /// its place in the queue; anything else arrives anew.
    pub fn modify(&mut self, id: u64, price: Price, open: Qty, out: &mut Vec<Report>) {
        let (place, old) = match self.check_change(id, price, open) {
            Ok(found) => found,
            Err(reason) => {
                out.push(Report::Rejected { id, reason });
                return;
            }
        };
        out.push(Report::Modified { id, price, qty: open });
        if price == old.price && open <= old.open {
            self.reduce(place, old.open.raw() - open.raw());
            if open < old.open {
                self.report_level(old.side, price, out);
            }
            return;
        }
        self.unlink(place, old.open.raw());
        if price != old.price {
            self.report_level(old.side, old.price, out);
        }
        self.execute(NewOrder { id, side: old.side, limit: Some(price), qty: open, tif: TimeInForce::Gtc }, out);
    }

    /// Best level of each side.
    pub fn top(&self) -> Top {
        let best = |side| self.queues(side).last().map(Queue::level);
        Top { bid: best(Side::Bid), ask: best(Side::Ask) }
    }

    /// The best `levels` levels of a side, best first.
    pub fn depth(&self, side: Side, levels: usize) -> impl Iterator<Item = Level> {
        self.queues(side).iter().rev().take(levels).map(Queue::level)
    }

    /// A resting order.
    pub fn order(&self, id: u64) -> Option<Resting> {
        self.ids.get(id).map(|place| self.slots[place as usize].order)
    }

    /// The orders at a price, first come first.
    pub fn queue(&self, side: Side, price: Price) -> impl Iterator<Item = Resting> {
        let first = self.find(side, price).map_or(NIL, |at| self.queues(side)[at].first);
        let slot = |place: u32| self.slots.get(place as usize);
        std::iter::successors(slot(first), move |found| slot(found.after)).map(|found| found.order)
    }

    /// Number of resting orders.
    pub fn orders(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn check_new(&self, order: &NewOrder) -> Result<(), Refusal> {
        if self.ids.get(order.id).is_some() {
            return Err(Refusal::IdTaken);
        }
        self.check_steps(order.limit, order.qty)?;
        if order.tif == TimeInForce::Fok && !self.is_fillable(order) {
            return Err(Refusal::NotFillable);
        }
        let Some(price) = order.limit.filter(|_| order.tif == TimeInForce::Gtc) else { return Ok(()) };
        // An order that crosses either leaves nothing over, or has freed the place of a maker; and at a price
        // that crosses there is no level of its own side.
        if self.crossed(order.side, Some(price)).is_none() {
            self.check_level(order.side, price, order.qty.raw())?;
            if self.orders() >= self.rules.orders_max as usize {
                return Err(Refusal::BookFull);
            }
        }
        Ok(())
    }

    fn check_change(&self, id: u64, price: Price, open: Qty) -> Result<(u32, Resting), Refusal> {
        let place = self.ids.get(id).ok_or(Refusal::UnknownId)?;
        let old = self.slots[place as usize].order;
        self.check_steps(Some(price), open)?;
        let leaves = if price == old.price { old.open.raw() } else { 0 };
        self.check_level(old.side, price, open.raw() - leaves)?;
        Ok((place, old))
    }

    fn check_steps(&self, price: Option<Price>, open: Qty) -> Result<(), Refusal> {
        let on = |raw: i64, step: i64| raw > 0 && raw % step == 0;
        if price.is_some_and(|price| !on(price.raw(), self.rules.tick.raw())) {
            return Err(Refusal::OffTick);
        }
        if on(open.raw(), self.rules.lot.raw()) { Ok(()) } else { Err(Refusal::OffLot) }
    }

    fn check_level(&self, side: Side, price: Price, more: i64) -> Result<(), Refusal> {
        let total = self.find(side, price).map_or(0, |at| self.queues(side)[at].total);
        // Both are below a limit that leaves room for their sum.
        if total + more < RAW_LIMIT { Ok(()) } else { Err(Refusal::LevelFull) }
    }

    fn is_fillable(&self, order: &NewOrder) -> bool {
        let mut missing = order.qty.raw();
        for queue in self.queues(order.side.opposite()).iter().rev() {
            if missing <= 0 || !reaches(order.side, order.limit, queue.price) {
                break;
            }
            missing -= queue.total;
        }
        missing <= 0
    }

    fn execute(&mut self, order: NewOrder, out: &mut Vec<Report>) {
        let mut open = order.qty.raw();
        while open > 0
            && let Some(price) = self.crossed(order.side, order.limit)
        {
            open = self.take(&order, open, out);
            self.report_level(order.side.opposite(), price, out);
        }
        match order.limit.filter(|_| order.tif == TimeInForce::Gtc) {
            _ if open == 0 => {}
            Some(price) => {
                self.rest(Resting { id: order.id, side: order.side, price, open: qty(open) });
                self.report_level(order.side, price, out);
            }
            None => out.push(Report::Cancelled { id: order.id, qty: qty(open) }),
        }
    }

    /// Fills from the best level of the other side; returns what is still open.
    fn take(&mut self, order: &NewOrder, mut open: i64, out: &mut Vec<Report>) -> i64 {
        let Some(&Queue { orders, mut first, .. }) = self.queues(order.side.opposite()).last() else { return open };
        for _ in 0..orders {
            let Slot { order: maker, after, .. } = self.slots[first as usize];
            let traded = open.min(maker.open.raw());
            open -= traded;
            let maker_open = maker.open.raw() - traded;
            out.push(Report::Fill(Fill {
                maker: maker.id,
                taker: order.id,
                side: order.side,
                price: maker.price,
                qty: qty(traded),
                maker_open: qty(maker_open),
                taker_open: qty(open),
            }));
            if maker_open > 0 {
                self.reduce(first, traded);
            } else {
                self.unlink(first, traded);
                first = after;
            }
            if open == 0 {
                break;
            }
        }
        open
    }

    /// The best price of the other side, where it lies within the limit.
    fn crossed(&self, side: Side, limit: Option<Price>) -> Option<Price> {
        let best = self.queues(side.opposite()).last()?.price;
        reaches(side, limit, best).then_some(best)
    }

    fn rest(&mut self, order: Resting) {
        let at = self.find_or_insert(order.side, order.price);
        let place = self.free.pop().unwrap_or(self.slots.len() as u32);
        let queue = &mut self.queues[usize::from(order.side.code())][at];
        let slot = Slot { order, before: queue.last, after: NIL };
        queue.total += order.open.raw();
        queue.orders += 1;
        queue.last = place;
        match slot.before {
            NIL => queue.first = place,
            before => self.slots[before as usize].after = place,
        }
        match self.slots.get_mut(place as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.ids.insert(order.id, place);
    }

    /// Takes `less` off an order that stays.
    fn reduce(&mut self, place: u32, less: i64) {
        let order = &mut self.slots[place as usize].order;
        order.open = qty(order.open.raw() - less);
        let (side, price) = (order.side, order.price);
        if let Some(at) = self.find(side, price) {
            self.queues[usize::from(side.code())][at].total -= less;
        }
    }

    /// Takes an order out, with the `open` quantity that its level still counts of it.
    fn unlink(&mut self, place: u32, open: i64) {
        let Slot { order, before, after } = self.slots[place as usize];
        self.ids.remove(order.id);
        self.free.push(place);
        if let Some(neighbour) = self.slots.get_mut(before as usize) {
            neighbour.after = after;
        }
        if let Some(neighbour) = self.slots.get_mut(after as usize) {
            neighbour.before = before;
        }
        let Some(at) = self.find(order.side, order.price) else { return };
        let queues = &mut self.queues[usize::from(order.side.code())];
        let queue = &mut queues[at];
        queue.total -= open;
        queue.orders -= 1;
        if before == NIL {
            queue.first = after;
        }
        if after == NIL {
            queue.last = before;
        }
        if queue.orders == 0 {
            queues.remove(at);
        }
    }

    fn report_level(&self, side: Side, price: Price, out: &mut Vec<Report>) {
        let gone = Level { price, qty: Qty::ZERO, orders: 0 };
        let level = self.find(side, price).map_or(gone, |at| self.queues(side)[at].level());
        out.push(Report::Level { side, level });
    }

    fn queues(&self, side: Side) -> &[Queue] {
        &self.queues[usize::from(side.code())]
    }

    /// Where the levels worse than a price end.
    fn worse(&self, side: Side, price: Price) -> usize {
        self.queues(side).partition_point(|queue| match side {
            Side::Bid => queue.price < price,
            Side::Ask => queue.price > price,
        })
    }

    fn find(&self, side: Side, price: Price) -> Option<usize> {
        let at = self.worse(side, price);
        self.queues(side).get(at).filter(|queue| queue.price == price).map(|_| at)
    }

    fn find_or_insert(&mut self, side: Side, price: Price) -> usize {
        let at = self.worse(side, price);
        let queues = &mut self.queues[usize::from(side.code())];
        if queues.get(at).is_none_or(|queue| queue.price != price) {
            queues.insert(at, Queue { price, total: 0, orders: 0, first: NIL, last: NIL });
        }
        at
    }
}

/// True where an order of this side and limit takes `price`.
fn reaches(side: Side, limit: Option<Price>, price: Price) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Bid => price <= limit,
        Side::Ask => price >= limit,
    })
}

/// A part of an accepted quantity, or a level's total, which is checked on the way in: both are in range.
fn qty(raw: i64) -> Qty {
    Qty::from_raw(raw).unwrap_or_default()
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
