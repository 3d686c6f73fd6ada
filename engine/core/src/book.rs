//! An order book of absolute levels that knows how far down it is complete.
//!
//! A snapshot is complete to its worst level; a change beyond that is kept, but what lies between is
//! unknown. When the market moves towards the unknown, two facts extend what is known without a new
//! snapshot: where an ask stands there is no bid at or above its price, and whatever comes there later
//! is a change that is seen; and a level that the book holds is exact, so one that lies a tick beyond
//! the end moves the end.

mod few;
mod ladder;
mod sorted;
mod window;

use crate::event::Side;
use crate::price::{Price, Qty};
use ladder::Ladder;
use window::Cell;

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
    /// Of which every price is a multiple; `None` where no master tells it, or a price was none.
    tick: Option<Price>,
    is_off_tick: bool,
    /// Since it was shown.
    is_changed: bool,
}

impl Book {
    /// An unknown book which keeps at most `levels_max` levels a side, of an instrument with this tick.
    pub fn new(levels_max: usize, tick: Option<Price>) -> Book {
        Book::with_sizes(Sizes::usual(levels_max), tick)
    }

    pub(crate) fn with_sizes(sizes: Sizes, tick: Option<Price>) -> Book {
        let (bids, asks) = (Ladder::new(Side::Bid, sizes), Ladder::new(Side::Ask, sizes));
        let mut book = Book { bids, asks, tick: None, is_off_tick: false, is_changed: true };
        book.use_tick(tick);
        book
    }

    /// Sets a level's absolute quantity; zero removes it.
    ///
    /// A price that is no multiple of the tick shows that the tick is wrong: nothing more is concluded from it.
    pub fn set(&mut self, side: Side, level: Level) {
        let mut ticks = 0;
        if let Some(tick) = self.tick {
            ticks = level.price.raw() / tick.raw();
            if ticks * tick.raw() != level.price.raw() {
                self.lose_tick();
                self.doubt();
            }
        }
        self.side_mut(side).set(&level, ticks);
    }

    /// A price was seen that is no multiple of the tick: the master is wrong.
    pub fn is_off_tick(&self) -> bool {
        self.is_off_tick
    }

    /// The master says another tick than before.
    pub fn retick(&mut self, tick: Option<Price>) {
        self.use_tick(None);
        let is_off = |level: Level| tick.is_some_and(|tick| tick > Price::ZERO && level.price.raw() % tick.raw() != 0);
        let has_off = Side::BOTH.into_iter().any(|side| self.levels(side).any(is_off));
        self.is_off_tick = has_off;
        self.use_tick(tick.filter(|_| !self.is_off_tick));
        self.doubt();
    }

    /// Goes on without the tick.
    pub(crate) fn lose_tick(&mut self) {
        self.is_off_tick = true;
        self.use_tick(None);
    }

    fn use_tick(&mut self, tick: Option<Price>) {
        self.tick = tick.filter(|&tick| tick > Price::ZERO);
        let tick = self.tick;
        Side::BOTH.into_iter().for_each(|side| self.side_mut(side).use_tick(tick));
    }

    /// Forgets everything: the book is unknown until [`Book::complete_snapshot`].
    pub fn clear(&mut self) {
        Side::BOTH.into_iter().for_each(|side| self.side_mut(side).clear());
    }

    /// Declares that what the book holds is a snapshot: each side is complete down to its worst level, an
    /// empty one to its end.
    pub fn complete_snapshot(&mut self) {
        Side::BOTH.into_iter().for_each(|side| self.side_mut(side).complete_snapshot());
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
    /// a tick less can be concluded.
    pub fn settle(&mut self) {
        let top = self.top();
        if top.is_crossed() {
            return;
        }
        self.side_mut(Side::Bid).extend(top.ask);
        self.side_mut(Side::Ask).extend(top.bid);
    }

    /// The tick was wrong: of what is known only that stays which needs no tick. (A bid at or above the best
    /// ask would have been seen.) A snapshot's own reach is given up with it: a new one is needed.
    fn doubt(&mut self) {
        let top = self.top();
        self.side_mut(Side::Bid).shrink_to(top.ask);
        self.side_mut(Side::Ask).shrink_to(top.bid);
    }

    /// True where a side that is not known to be empty has no known level left: the best price could be
    /// one that was never seen.
    pub fn is_exhausted(&self) -> bool {
        self.bids.is_exhausted() || self.asks.is_exhausted()
    }

    /// True once a snapshot is complete.
    pub fn is_known(&self) -> bool {
        self.bids.known_to() != Known::Nothing && self.asks.known_to() != Known::Nothing
    }

    /// The best `levels` levels of a side, best first; fewer where fewer are known.
    pub fn depth(&self, side: Side, levels: usize) -> impl Iterator<Item = Level> {
        self.side(side).known().take(levels)
    }

    /// Puts the best known levels of a side into `out`, best first; tells how many.
    pub(crate) fn fill(&self, side: Side, out: &mut [Level]) -> usize {
        self.side(side).fill(out)
    }

    /// True where something has changed since [`Book::note_shown`].
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Everybody has been shown what it holds.
    pub(crate) fn note_shown(&mut self) {
        self.is_changed = false;
    }

    /// How far the side is complete.
    pub fn known_to(&self, side: Side) -> Known {
        self.side(side).known_to()
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
        self.side(side).snapshot_levels()
    }

    /// Puts back what [`Book::levels`], [`Book::known_to`] and [`Book::snapshot_levels`] told.
    pub(crate) fn restore(&mut self, side: Side, levels: &[Level], known_to: Known, snapshot_levels: u32) {
        self.side_mut(side).clear();
        for &level in levels {
            self.set(side, level);
        }
        self.side_mut(side).restore(levels.len(), known_to, snapshot_levels);
    }

    fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    /// A ladder, to change it.
    fn side_mut(&mut self, side: Side) -> &mut Ladder {
        self.is_changed = true;
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

/// How large a book may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Levels kept on each side.
    pub levels_max: usize,
    /// A side with more levels than this gets a window.
    pub window_from: usize,
    /// Ticks of a window: a power of two, at least 128.
    pub window_ticks: usize,
}

impl Sizes {
    /// The sizes that won on captured books: nine changes in ten fall into such a window, and two of them stay in a
    /// core's cache.
    fn usual(levels_max: usize) -> Sizes {
        Sizes { levels_max, window_from: 64, window_ticks: 16_384 }
    }
}

/// A level by its rank, which is smaller for a better price on either side.
#[derive(Clone, Copy, Debug)]
struct Rung {
    rank: i64,
    qty: Qty,
    orders: u32,
}

impl Rung {
    fn of(cell: Cell, tick: i64) -> Rung {
        Rung { rank: cell.number * tick, qty: cell.qty, orders: cell.orders }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
