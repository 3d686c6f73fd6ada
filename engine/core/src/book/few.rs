//! Levels outside of a window: up to twenty in an array in place, which is all that many venues show of a side, and
//! more of them in a sorted array of their own.

use super::Rung;
use super::sorted::Sorted;
use super::window::Change;
use crate::price::Qty;

/// Most rungs that stand in place: of the venues that send whole sides again and again, none sends more.
const FEW_MAX: usize = 20;

/// Rungs of one side. Those of a side that has become longer stay in the sorted array until there are none.
#[derive(Clone, Debug)]
pub(super) struct Few {
    /// Best first, as venues send them: a snapshot is written down one after another. Empty where `many` is not.
    rungs: [Rung; FEW_MAX],
    len: usize,
    many: Sorted,
}

impl Few {
    /// No rung, and never more than `rungs_max`.
    pub fn new(rungs_max: usize) -> Few {
        let none = Rung { rank: 0, qty: Qty::ZERO, orders: 0 };
        Few { rungs: [none; FEW_MAX], len: 0, many: Sorted::new(rungs_max) }
    }

    pub fn len(&self) -> usize {
        self.len + self.many.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn clear(&mut self) {
        self.len = 0;
        self.many.clear();
    }

    pub fn best(&self) -> Option<&Rung> {
        self.in_place().first().or_else(|| self.many.best())
    }

    pub fn worst(&self) -> Option<&Rung> {
        self.in_place().last().or_else(|| self.many.worst())
    }

    pub fn pop_best(&mut self) -> Option<Rung> {
        let Some(&best) = self.in_place().first() else { return self.many.pop_best() };
        self.remove(0);
        Some(best)
    }

    pub fn pop_worst(&mut self) -> Option<Rung> {
        let Some(&worst) = self.in_place().last() else { return self.many.pop_worst() };
        self.len -= 1;
        Some(worst)
    }

    /// Takes a rung that is better than all of them.
    pub fn push_best(&mut self, rung: Rung) {
        if self.has_room() {
            self.insert(0, rung);
        } else {
            self.many.push_best(rung);
        }
    }

    /// Sets a rung, or with a quantity of zero removes it.
    pub fn set(&mut self, rung: Rung) -> Change {
        if !self.many.is_empty() {
            return self.many.set(rung);
        }
        let index = self.better_than(rung.rank);
        let was_there = self.in_place().get(index).is_some_and(|found| found.rank == rung.rank);
        match (was_there, rung.qty != Qty::ZERO) {
            (true, true) => self.rungs[index] = rung,
            (true, false) => {
                self.remove(index);
                return Change::Removed;
            }
            (false, true) if self.has_room() => {
                self.insert(index, rung);
                return Change::Added;
            }
            (false, true) => return self.many.set(rung),
            (false, false) => {}
        }
        Change::None
    }

    pub fn contains(&self, rank: i64) -> bool {
        self.in_place().iter().any(|found| found.rank == rank) || self.many.contains(rank)
    }

    /// The rungs, best first.
    pub fn iter(&self) -> impl Iterator<Item = Rung> {
        self.in_place().iter().copied().chain(self.many.iter())
    }

    #[inline]
    fn in_place(&self) -> &[Rung] {
        &self.rungs[..self.len]
    }

    /// How many rungs in place are better than `rank`: looked for from the worst on, behind which the next one of a
    /// snapshot stands.
    #[inline]
    fn better_than(&self, rank: i64) -> usize {
        let mut index = self.len;
        while index > 0 && self.rungs[index - 1].rank >= rank {
            index -= 1;
        }
        index
    }

    /// True where one more may stand in place. Where there is no room all of them leave it.
    #[inline]
    fn has_room(&mut self) -> bool {
        if self.len == FEW_MAX {
            self.leave();
        }
        self.many.is_empty()
    }

    #[cold]
    fn leave(&mut self) {
        self.rungs[..self.len].iter().rev().for_each(|&rung| self.many.push_best(rung));
        self.len = 0;
    }

    #[inline]
    fn insert(&mut self, index: usize, rung: Rung) {
        // Most come in order, and nothing has to make way for them: the move would be an empty one.
        if index < self.len {
            self.rungs.copy_within(index..self.len, index + 1);
        }
        self.rungs[index] = rung;
        self.len += 1;
    }

    fn remove(&mut self, index: usize) {
        self.rungs.copy_within(index + 1..self.len, index);
        self.len -= 1;
    }
}

#[cfg(test)]
#[path = "few_tests.rs"]
mod tests;
