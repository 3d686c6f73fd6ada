//! Where bars are missing because nobody listened, and not because nothing was traded.
//!
//! The bars at both ends of what was missed say that they lack trades; between them there may be none at all.

use crate::engine::BarsView;
use tidegate_core::{Bar, BarFlags, Interval, Nanos, StreamState};

/// A time without any bar in which trades may have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its first bar would start here.
    pub from: Nanos,
    /// The next bar starts here, or what was asked for ends; `None`: it is not over.
    pub to: Option<Nanos>,
}

/// Bars in a row, and what lies around them.
pub struct Row<'a> {
    /// Their length.
    pub interval: Interval,
    /// What was asked for: starts from the first until before the second.
    pub reach: (Nanos, Nanos),
    /// Oldest first, without any left out, beginning with the one before what was asked for, where there is one.
    pub bars: &'a [Bar],
    /// The bar after them, where it is known.
    pub next: Option<&'a Bar>,
    /// What the engine says.
    pub view: &'a BarsView,
}

/// True where the bar may lack trades.
pub fn lacks(bar: &Bar) -> bool {
    bar.flags.has(BarFlags::INCOMPLETE)
}

impl Row<'_> {
    /// The holes among the bars and at their end, oldest first.
    pub fn holes(&self) -> Vec<Hole> {
        let (from, to) = self.reach;
        let end = |bar: &Bar| bar.start.plus(self.interval.span);
        let pairs = self.bars.iter().zip(self.bars.iter().skip(1).chain(self.next));
        let between = pairs.filter(|(one, next)| lacks(one) && lacks(next)).map(|(one, next)| (end(one), next.start));
        let within = between.map(|(start, end)| (start.max(from), end.min(to))).filter(|(start, end)| start < end);
        let holes = within.map(|(from, to)| Hole { from, to: Some(to) });
        holes.chain(self.open_hole()).collect()
    }

    /// What is missing behind the last bar, where no later one is known.
    fn open_hole(&self) -> Option<Hole> {
        let (from, to) = self.reach;
        let last = self.bars.last().filter(|_| self.next.is_none())?;
        let is_newest = self.view.bars.last().is_none_or(|newest| newest.start <= last.start);
        let is_missing = if is_newest {
            self.view.is_doubtful || self.view.trades != StreamState::Live
        } else {
            // Of a bar that is not at hand nobody knows whether trading went on before it.
            lacks(last)
        };
        let from = last.start.plus(self.interval.span).max(from);
        let now = if is_newest { self.view.stamp.as_of } else { to };
        (is_missing && from < to.min(now)).then(|| Hole { from, to: Some(to).filter(|&to| to <= now) })
    }
}

#[cfg(test)]
#[path = "holes_tests.rs"]
mod tests;
