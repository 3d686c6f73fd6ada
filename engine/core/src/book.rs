//! An order book of absolute levels that knows how far down it is complete.
//!
//! A snapshot is complete to its worst level; a change beyond that is kept, but what lies between is
//! unknown. When the market moves towards the unknown, two facts extend what is known without a new
//! snapshot: where an ask stands there is no bid at or above its price, and whatever comes there later
//! is a change that is seen; and a level that the book holds is exact, so one that lies a tick beyond
//! the end moves the end.

use crate::event::Side;
use crate::price::{Price, Qty};
use std::collections::VecDeque;

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: Price,
    /// Total quantity waiting there; never zero in a book.
    pub qty: Qty,
    /// Number of orders, 0 where the venue does not count them.
    pub orders: u32,
}

/// Best level of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Highest bid.
    pub bid: Option<Level>,
    /// Lowest ask.
    pub ask: Option<Level>,
}

impl Top {
    /// True where the best bid reaches the best ask, which no matched market shows for long.
    pub fn is_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }
}

/// How far one side of a book is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing is known.
    Nothing,
    /// Complete from the touch to this price, which is included.
    To(Price),
    /// Complete without an end: the venue's snapshot said that the side was empty.
    All,
}

/// A book. Answers stop where it is no longer complete: see [`Book::known_to`].
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
}

impl Book {
    /// An unknown book which keeps at most `levels_max` levels a side.
    pub fn new(levels_max: usize) -> Book {
        Book { bids: Ladder::new(Side::Bid, levels_max), asks: Ladder::new(Side::Ask, levels_max) }
    }

    /// Sets a level's absolute quantity; zero removes it.
    pub fn set(&mut self, side: Side, level: Level) {
        self.side_mut(side).set(level);
    }

    /// Forgets everything: the book is unknown until [`Book::complete_snapshot`].
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Declares that what the book holds is a snapshot: each side is complete down to its worst level, an
    /// empty one to its end.
    pub fn complete_snapshot(&mut self) {
        self.bids.complete_snapshot();
        self.asks.complete_snapshot();
    }

    /// The snapshot that has just been completed holds the whole side.
    pub fn end_snapshot(&mut self, side: Side) {
        self.side_mut(side).end_snapshot();
    }

    /// Best level of each side of a complete snapshot and all changes since.
    pub fn top(&self) -> Top {
        Top { bid: self.bids.best(), ask: self.asks.best() }
    }

    /// A venue message has been applied as a whole: works out how far the book is complete now. Without
    /// a `tick` less can be concluded.
    pub fn settle(&mut self, tick: Option<Price>) {
        let top = self.top();
        if top.is_crossed() {
            return;
        }
        self.bids.extend(top.ask, tick);
        self.asks.extend(top.bid, tick);
    }

    /// The tick was wrong: of what is known only that stays which needs no tick. (A bid at or above the best
    /// ask would have been seen.) A snapshot's own reach is given up with it: a new one is needed.
    pub fn doubt(&mut self) {
        let top = self.top();
        self.bids.shrink_to(top.ask);
        self.asks.shrink_to(top.bid);
    }

    /// True where a side that is not known to be empty has no known level left: the best price could be
    /// one that was never seen.
    pub fn is_exhausted(&self) -> bool {
        self.bids.is_exhausted() || self.asks.is_exhausted()
    }

    /// True once a snapshot is complete.
    pub fn is_known(&self) -> bool {
        self.bids.known_to != Known::Nothing && self.asks.known_to != Known::Nothing
    }

    /// The best `levels` levels of a side, best first; fewer where fewer are known.
    pub fn depth(&self, side: Side, levels: usize) -> impl Iterator<Item = Level> {
        self.side(side).known().take(levels)
    }

    /// How far the side is complete.
    pub fn known_to(&self, side: Side) -> Known {
        self.side(side).known_to
    }

    /// True where less than a tenth of the snapshot's levels is still known on a side: time for a new
    /// snapshot, before the market has moved beyond them.
    pub fn is_too_thin(&self) -> bool {
        self.bids.is_too_thin() || self.asks.is_too_thin()
    }

    /// Every level of a side, best first, those beyond [`Book::known_to`] included.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.side(side).all()
    }

    /// Known levels of a side when its snapshot was taken.
    pub(crate) fn snapshot_levels(&self, side: Side) -> u32 {
        self.side(side).snapshot_levels
    }

    /// Puts back what [`Book::levels`], [`Book::known_to`] and [`Book::snapshot_levels`] told.
    pub(crate) fn restore(&mut self, side: Side, levels: &[Level], known_to: Known, snapshot_levels: u32) {
        let ladder = self.side_mut(side);
        ladder.clear();
        for &level in levels {
            ladder.set(level);
        }
        // Under a smaller bound than the book's own, levels have just been forgotten.
        ladder.known_to = match (known_to, ladder.worst()) {
            (Known::To(_) | Known::All, Some(worst)) if ladder.levels.len() < levels.len() => Known::To(worst.price),
            _ => known_to,
        };
        ladder.known_count = ladder.known().count();
        ladder.snapshot_levels = snapshot_levels;
    }

    fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

/// One side, sorted from its worst level to its best: a change near the touch moves few others. Levels are
/// keyed by rank, which is smaller for a better price on either side.
///
/// The array grows with the side, up to its bound, and never shrinks: a side that has been as long before
/// allocates nothing.
#[derive(Clone, Debug)]
struct Ladder {
    side: Side,
    levels_max: usize,
    levels: VecDeque<Rung>,
    known_to: Known,
    known_count: usize,
    snapshot_levels: u32,
}

#[derive(Clone, Copy, Debug)]
struct Rung {
    rank: i64,
    qty: Qty,
    orders: u32,
}

impl Ladder {
    fn new(side: Side, levels_max: usize) -> Ladder {
        Ladder {
            side,
            levels_max,
            levels: VecDeque::new(),
            known_to: Known::Nothing,
            known_count: 0,
            snapshot_levels: 0,
        }
    }

    fn rank(&self, price: Price) -> i64 {
        match self.side {
            Side::Bid => -price.raw(),
            Side::Ask => price.raw(),
        }
    }

    fn price(&self, rank: i64) -> Price {
        let raw = match self.side {
            Side::Bid => -rank,
            Side::Ask => rank,
        };
        // A rank is a price or its negative, and the range of prices is symmetric.
        Price::from_raw(raw).unwrap_or_default()
    }

    fn level(&self, rung: &Rung) -> Level {
        Level { price: self.price(rung.rank), qty: rung.qty, orders: rung.orders }
    }

    /// The worst rank that is still known; `None` where nothing is.
    fn known_rank(&self) -> Option<i64> {
        match self.known_to {
            Known::Nothing => None,
            Known::To(price) => Some(self.rank(price)),
            Known::All => Some(i64::MAX),
        }
    }

    fn is_known(&self, rank: i64) -> bool {
        self.known_rank().is_some_and(|known| rank <= known)
    }

    fn set(&mut self, level: Level) {
        let rank = self.rank(level.price);
        let rung = Rung { rank, qty: level.qty, orders: level.orders };
        let is_there = level.qty != Qty::ZERO;
        let index = self.worse_than(rank);
        let was_there = self.levels.get(index).is_some_and(|found| found.rank == rank);
        match (was_there, is_there) {
            (true, true) => self.levels[index] = rung,
            (true, false) => drop(self.levels.remove(index)),
            (false, true) => self.insert(index, rung),
            (false, false) => {}
        }
        if self.is_known(rank) {
            self.known_count = self.known_count + usize::from(is_there) - usize::from(was_there);
        }
        if self.levels.len() > self.levels_max {
            self.forget_worst();
        }
    }

    fn insert(&mut self, index: usize, rung: Rung) {
        if self.levels.len() == self.levels.capacity() {
            // One more than the bound: the worst is forgotten after the insertion.
            let capacity = (self.levels.len() * 2).max(16).min(self.levels_max + 1);
            self.levels.reserve_exact(capacity - self.levels.len());
        }
        self.levels.insert(index, rung);
    }

    /// How many levels are worse than `rank`: the place where it stands, or would stand.
    fn worse_than(&self, rank: i64) -> usize {
        let (worse, better) = self.levels.as_slices();
        match better.first() {
            Some(first) if first.rank > rank => worse.len() + worse_among(better, rank),
            _ => worse_among(worse, rank),
        }
    }

    fn forget_worst(&mut self) {
        let Some(forgotten) = self.levels.pop_front() else { return };
        if self.is_known(forgotten.rank) {
            self.known_count -= 1;
            self.known_to = self.worst().map_or(Known::Nothing, |worst| Known::To(worst.price));
        }
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.known_to = Known::Nothing;
        self.known_count = 0;
        self.snapshot_levels = 0;
    }

    fn complete_snapshot(&mut self) {
        self.known_to = self.worst().map_or(Known::All, |worst| Known::To(worst.price));
        self.known_count = self.levels.len();
        self.snapshot_levels = u32::try_from(self.known_count).unwrap_or(u32::MAX);
    }

    /// A side as long as it may be can have forgotten a part of the snapshot.
    fn end_snapshot(&mut self) {
        if matches!(self.known_to, Known::To(_)) && self.levels.len() < self.levels_max {
            self.known_to = Known::All;
            self.known_count = self.levels.len();
        }
    }

    fn worst(&self) -> Option<Level> {
        self.levels.front().map(|rung| self.level(rung))
    }

    fn best(&self) -> Option<Level> {
        if self.known_to == Known::Nothing {
            return None;
        }
        self.levels.back().map(|rung| self.level(rung))
    }

    /// Moves the end of what is known outwards: to the best level of the other side, beyond which none of
    /// this side can stand unseen, and on through levels that follow tick by tick.
    fn extend(&mut self, other: Option<Level>, tick: Option<Price>) {
        let Some(mut end) = self.known_rank().filter(|_| matches!(self.known_to, Known::To(_))) else { return };
        if let Some(other) = other {
            end = end.max(self.rank(other.price));
        }
        if let Some(tick) = tick.filter(|&tick| tick > Price::ZERO) {
            let mut beyond = self.worse_than(end);
            while beyond > 0 && self.levels[beyond - 1].rank <= end.saturating_add(tick.raw()) {
                beyond -= 1;
                if self.levels[beyond].rank == end.saturating_add(tick.raw()) {
                    end += tick.raw();
                    self.known_count += 1;
                }
            }
        }
        self.known_to = Known::To(self.price(end));
    }

    fn shrink_to(&mut self, other: Option<Level>) {
        if let (Known::To(_), Some(other)) = (self.known_to, other) {
            self.known_to = Known::To(other.price);
            self.known_count = self.known().count();
        }
    }

    fn is_exhausted(&self) -> bool {
        matches!(self.known_to, Known::To(_)) && self.known_count == 0
    }

    fn all(&self) -> impl Iterator<Item = Level> {
        self.levels.iter().rev().map(|rung| self.level(rung))
    }

    fn known(&self) -> impl Iterator<Item = Level> {
        // No rank is the lowest i64, so nothing is below it where nothing is known.
        let end = self.known_rank().unwrap_or(i64::MIN);
        self.levels.iter().rev().take_while(move |rung| rung.rank <= end).map(|rung| self.level(rung))
    }

    fn is_too_thin(&self) -> bool {
        matches!(self.known_to, Known::To(_)) && self.known_count * 10 < self.snapshot_levels as usize
    }
}

/// How many of `rungs` are worse than `rank`. The search leaves the touch in growing steps, as most changes
/// are near it, and ends by halving.
fn worse_among(rungs: &[Rung], rank: i64) -> usize {
    let (mut end, mut step) = (rungs.len(), 4);
    while end > 0 {
        let probe = end.saturating_sub(step);
        if rungs[probe].rank > rank {
            return probe + 1 + rungs[probe + 1..end].partition_point(|rung| rung.rank > rank);
        }
        (end, step) = (probe, step * 4);
    }
    0
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
