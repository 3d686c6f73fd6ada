//! Levels in one sorted array: for a side that is not deep, whose tick is unknown, or that reaches beyond its window.

use super::Rung;
use super::window::Change;
use crate::price::Qty;
use std::collections::VecDeque;

/// Sorted from the worst level to the best: a change near the touch moves few others.
///
/// The array grows with the side, up to its bound, and never shrinks: a side that has been as long before
/// allocates nothing.
#[derive(Clone, Debug)]
pub(super) struct Sorted {
    rungs: VecDeque<Rung>,
    rungs_max: usize,
}

impl Sorted {
    /// An empty array which never holds more than `rungs_max`.
    pub fn new(rungs_max: usize) -> Sorted {
        Sorted { rungs: VecDeque::new(), rungs_max }
    }

    pub fn len(&self) -> usize {
        self.rungs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rungs.is_empty()
    }

    pub fn clear(&mut self) {
        self.rungs.clear();
    }

    pub fn best(&self) -> Option<&Rung> {
        self.rungs.back()
    }

    pub fn worst(&self) -> Option<&Rung> {
        self.rungs.front()
    }

    pub fn pop_best(&mut self) -> Option<Rung> {
        self.rungs.pop_back()
    }

    pub fn pop_worst(&mut self) -> Option<Rung> {
        self.rungs.pop_front()
    }

    /// Takes a rung that is better than all of them.
    pub fn push_best(&mut self, rung: Rung) {
        self.make_room();
        self.rungs.push_back(rung);
    }

    /// Sets a rung, or with a quantity of zero removes it.
    pub fn set(&mut self, rung: Rung) -> Change {
        let index = self.worse_than(rung.rank);
        let was_there = self.rungs.get(index).is_some_and(|found| found.rank == rung.rank);
        match (was_there, rung.qty != Qty::ZERO) {
            (true, true) => self.rungs[index] = rung,
            (true, false) => {
                self.rungs.remove(index);
                return Change::Removed;
            }
            (false, true) => {
                self.make_room();
                self.rungs.insert(index, rung);
                return Change::Added;
            }
            (false, false) => {}
        }
        Change::None
    }

    pub fn contains(&self, rank: i64) -> bool {
        self.rungs.get(self.worse_than(rank)).is_some_and(|found| found.rank == rank)
    }

    /// The rungs, best first.
    pub fn iter(&self) -> impl Iterator<Item = Rung> {
        self.rungs.iter().rev().copied()
    }

    fn make_room(&mut self) {
        if self.rungs.len() == self.rungs.capacity() {
            let capacity = (self.rungs.len() * 2).max(16).min(self.rungs_max);
            self.rungs.reserve_exact(capacity.saturating_sub(self.rungs.len()));
        }
    }

    /// How many rungs are worse than `rank`: the place where it stands, or would stand.
    fn worse_than(&self, rank: i64) -> usize {
        // A rung of this very rank that is the first of `better` is found by either search.
        let (worse, better) = self.rungs.as_slices();
        match better.first() {
            Some(first) if first.rank > rank => worse.len() + worse_among(better, rank),
            _ => worse_among(worse, rank),
        }
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
#[path = "sorted_tests.rs"]
mod tests;
