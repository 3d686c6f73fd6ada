//! One side of a book, and how far it is complete.

use super::few::Few;
use super::window::{Cell, Change, Window};
use super::{Known, Level, Rung, Sizes};
use crate::event::Side;
use crate::price::{Price, Qty};

const KNOWN_NOTHING: i64 = i64::MIN;
const KNOWN_ALL: i64 = i64::MAX;

/// Levels of one side, keyed by rank, which is smaller for a better price on either side.
///
/// The levels around the touch of a deep side stand in a window, the others outside of it. What stands in the
/// window is better than all that stands outside; where the window is empty, nothing stands outside.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    side: Side,
    sizes: Sizes,
    /// What a number of the window stands for, in units of rank; `None` where a price may be no multiple of it.
    tick: Option<i64>,
    near: Option<Window>,
    far: Few,
    /// The best level: looked at after every change, and seldom changed.
    best: Option<Level>,
    /// Its rank; above every rank where there is none.
    best_rank: i64,
    /// The worst rank that is known: below every rank where nothing is, above every rank where all is.
    known_rank: i64,
    known_count: usize,
    snapshot_levels: u32,
}

impl Ladder {
    pub fn new(side: Side, sizes: Sizes) -> Ladder {
        Ladder {
            side,
            sizes,
            tick: None,
            near: None,
            // One more than the bound: the worst is forgotten after the insertion.
            far: Few::new(sizes.levels_max + 1),
            best: None,
            best_rank: i64::MAX,
            known_rank: KNOWN_NOTHING,
            known_count: 0,
            snapshot_levels: 0,
        }
    }

    /// From now on every price is a multiple of `tick`, those that are there included; with `None` any price.
    pub fn use_tick(&mut self, tick: Option<Price>) {
        let rungs = |cell: Cell| Rung::of(cell, self.tick.unwrap_or(1));
        if let Some(mut near) = self.near.take() {
            near.drain(None, |cell| self.far.push_best(rungs(cell)));
        }
        self.tick = tick.map(Price::raw);
    }

    /// Sets a level that stands at `ticks` multiples of the tick, where there is one; a quantity of zero removes it.
    #[inline]
    pub fn set(&mut self, level: &Level, ticks: i64) {
        let (rank, number) = match self.side {
            Side::Bid => (-level.price.raw(), -ticks),
            Side::Ask => (level.price.raw(), ticks),
        };
        let change = match &mut self.near {
            Some(near) if near.covers(number) => near.set(Cell { number, qty: level.qty, orders: level.orders }),
            _ => self.set_outside(Rung { rank, qty: level.qty, orders: level.orders }, number),
        };
        match change {
            Change::None => {}
            Change::Added => self.added(rank),
            Change::Removed => self.removed(rank),
        }
        if rank <= self.best_rank {
            self.note_best();
        }
    }

    /// Sets a level that no window covers.
    fn set_outside(&mut self, rung: Rung, number: i64) -> Change {
        match &self.near {
            Some(near) if near.is_empty() || near.is_before(number) => {}
            _ => return self.far.set(rung),
        }
        if rung.qty == Qty::ZERO {
            return Change::None;
        }
        self.move_window(number);
        let cell = Cell { number, qty: rung.qty, orders: rung.orders };
        self.near.as_mut().map_or(Change::None, |near| near.set(cell))
    }

    #[inline]
    fn added(&mut self, rank: i64) {
        self.known_count += usize::from(rank <= self.known_rank);
        if self.near.is_none() && self.far.len() > self.sizes.window_from {
            self.centre();
        }
        if self.len() > self.sizes.levels_max {
            self.forget_worst();
        }
    }

    #[inline]
    fn removed(&mut self, rank: i64) {
        self.known_count -= usize::from(rank <= self.known_rank);
        if self.near.is_some() && !self.far.is_empty() {
            self.centre();
        }
    }

    /// Sees to it that the window covers the levels around the touch. A side that has become deep gets its window
    /// here.
    fn centre(&mut self) {
        let Some(tick) = self.tick else { return };
        let near = self.near.get_or_insert_with(|| Window::new(self.sizes.window_ticks));
        if !near.is_off_centre() {
            return;
        }
        let best = near.best().map(|cell| cell.number);
        if let Some(best) = best.or_else(|| self.far.best().map(|rung| rung.rank / tick)) {
            self.move_window(best);
        }
    }

    /// Moves the window to where `best` is the best level.
    fn move_window(&mut self, best: i64) {
        let (Some(near), Some(tick)) = (&mut self.near, self.tick) else { return };
        let base = near.base_for(best);
        near.drain(Some(base), |cell| self.far.push_best(Rung::of(cell, tick)));
        near.move_to(base);
        while let Some(&Rung { rank, qty, orders }) = self.far.best().filter(|rung| rung.rank / tick < near.end()) {
            self.far.pop_best();
            near.set(Cell { number: rank / tick, qty, orders });
        }
    }

    fn forget_worst(&mut self) {
        let Some(forgotten) = self.worst_rung() else { return };
        match (&mut self.near, self.tick) {
            (Some(near), Some(tick)) if self.far.is_empty() => {
                let _ = near.set(Cell { number: forgotten.rank / tick, qty: Qty::ZERO, orders: 0 });
            }
            _ => drop(self.far.pop_worst()),
        }
        self.note_best();
        if forgotten.rank <= self.known_rank {
            self.known_count -= 1;
            self.known_rank = self.worst_rung().map_or(KNOWN_NOTHING, |worst| worst.rank);
        }
    }

    pub fn clear(&mut self) {
        self.near.iter_mut().for_each(Window::clear);
        self.far.clear();
        self.note_best();
        self.known_rank = KNOWN_NOTHING;
        self.known_count = 0;
        self.snapshot_levels = 0;
    }

    pub fn complete_snapshot(&mut self) {
        self.known_rank = self.worst_rung().map_or(KNOWN_ALL, |worst| worst.rank);
        self.known_count = self.len();
        self.snapshot_levels = u32::try_from(self.known_count).unwrap_or(u32::MAX);
    }

    /// A side as long as it may be can have forgotten a part of the snapshot.
    pub fn end_snapshot(&mut self) {
        if self.has_end() && self.len() < self.sizes.levels_max {
            self.known_rank = KNOWN_ALL;
            self.known_count = self.len();
        }
    }

    /// Puts back a side that was empty.
    pub fn restore(&mut self, held: usize, known_to: Known, snapshot_levels: u32) {
        // Under a smaller bound than the book's own, levels have just been forgotten.
        self.known_rank = match (known_to, self.worst_rung()) {
            (Known::To(_) | Known::All, Some(worst)) if self.len() < held => worst.rank,
            (Known::Nothing, _) => KNOWN_NOTHING,
            (Known::To(price), _) => self.rank(price),
            (Known::All, _) => KNOWN_ALL,
        };
        self.known_count = self.known().count();
        self.snapshot_levels = snapshot_levels;
    }

    /// Moves the end of what is known outwards: to the best level of the other side, beyond which none of
    /// this side can stand unseen, and on through levels that follow tick by tick.
    pub fn extend(&mut self, other: Option<Level>) {
        if !self.has_end() {
            return;
        }
        if let Some(other) = other {
            self.known_rank = self.known_rank.max(self.rank(other.price));
        }
        let Some(tick) = self.tick else { return };
        while self.contains(self.known_rank.saturating_add(tick), tick) {
            self.known_rank += tick;
            self.known_count += 1;
        }
    }

    pub fn shrink_to(&mut self, other: Option<Level>) {
        if let (true, Some(other)) = (self.has_end(), other) {
            self.known_rank = self.rank(other.price);
            self.known_count = self.known().count();
        }
    }

    pub fn known_to(&self) -> Known {
        match self.known_rank {
            KNOWN_NOTHING => Known::Nothing,
            KNOWN_ALL => Known::All,
            rank => Known::To(self.price(rank)),
        }
    }

    /// How many of its levels are known.
    #[cfg(test)]
    pub fn known_count(&self) -> usize {
        self.known_count
    }

    /// True where the side is so deep that it has got a window.
    #[cfg(test)]
    pub fn has_window(&self) -> bool {
        self.near.is_some()
    }

    /// True where what stands in the window is better than all that stands outside, and nothing stands outside of an
    /// empty one.
    #[cfg(test)]
    pub fn is_well_placed(&self) -> bool {
        let (Some(near), Some(tick)) = (&self.near, self.tick) else { return true };
        let worst = near.iter().last().map(|cell| cell.number * tick);
        self.far.iter().next().is_none_or(|best| worst.is_some_and(|worst| worst < best.rank))
    }

    pub fn snapshot_levels(&self) -> u32 {
        self.snapshot_levels
    }

    /// The best level, where anything is known.
    #[inline]
    pub fn best(&self) -> Option<Level> {
        if self.known_rank == KNOWN_NOTHING { None } else { self.best }
    }

    #[inline(never)]
    fn note_best(&mut self) {
        let in_window = || Some(Rung::of(self.near.as_ref()?.best()?, self.tick?));
        let rung = in_window().or_else(|| self.far.best().copied());
        self.best_rank = rung.map_or(i64::MAX, |rung| rung.rank);
        self.best = rung.map(|rung| self.level(&rung));
    }

    pub fn is_exhausted(&self) -> bool {
        self.has_end() && self.known_count == 0
    }

    pub fn is_too_thin(&self) -> bool {
        self.has_end() && self.known_count * 10 < self.snapshot_levels as usize
    }

    pub fn all(&self) -> impl Iterator<Item = Level> {
        self.rungs().map(|rung| self.level(&rung))
    }

    pub fn known(&self) -> impl Iterator<Item = Level> {
        self.rungs().take_while(|rung| rung.rank <= self.known_rank).map(|rung| self.level(&rung))
    }

    fn rungs(&self) -> impl Iterator<Item = Rung> {
        let tick = self.tick.unwrap_or(1);
        let near = self.near.iter().flat_map(Window::iter).map(move |cell| Rung::of(cell, tick));
        near.chain(self.far.iter())
    }

    /// Puts the best known levels into `out`, best first; tells how many.
    pub fn fill(&self, out: &mut [Level]) -> usize {
        let mut count = 0;
        let mut put = |rung: &Rung| {
            let place = out.get_mut(count).filter(|_| rung.rank <= self.known_rank);
            count += usize::from(place.is_some());
            place.map(|place| *place = self.level(rung)).is_some()
        };
        let mut is_full = false;
        if let (Some(near), Some(tick)) = (&self.near, self.tick) {
            near.visit(|cell| {
                is_full = !put(&Rung::of(cell, tick));
                !is_full
            });
        }
        if !is_full {
            let _ = self.far.iter().all(|rung| put(&rung));
        }
        count
    }

    fn len(&self) -> usize {
        self.near.as_ref().map_or(0, Window::len) + self.far.len()
    }

    /// True where what is known ends at a price.
    fn has_end(&self) -> bool {
        self.known_rank != KNOWN_NOTHING && self.known_rank != KNOWN_ALL
    }

    fn contains(&self, rank: i64, tick: i64) -> bool {
        match &self.near {
            // What is known may end between two ticks: at a level that was removed before the tick was another.
            _ if rank % tick != 0 => false,
            Some(near) if rank / tick < near.end() => near.contains(rank / tick),
            _ => self.far.contains(rank),
        }
    }

    fn worst_rung(&self) -> Option<Rung> {
        let in_window = || Some(Rung::of(self.near.as_ref()?.worst()?, self.tick?));
        self.far.worst().copied().or_else(in_window)
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
        Price::from_known_raw(raw)
    }

    fn level(&self, rung: &Rung) -> Level {
        Level { price: self.price(rung.rank), qty: rung.qty, orders: rung.orders }
    }
}
