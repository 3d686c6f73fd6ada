//! Whose deadline comes first, without looking at every stream; standing conditions have theirs too, by their place.
//!
//! Most inputs only put a stream's deadline off, so the keys are lower bounds: putting off costs nothing until
//! the stream comes first. Only then is its key made exact, and the next one looked at: a key is repaired at
//! most once for each time that its deadline was put off.

use crate::time::Nanos;

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    At(Nanos),
    Never,
}

/// A tournament of all streams' deadlines by dense id: its winner is the first one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    /// A lower bound of each stream's deadline; filled up with `Never` to a power of two.
    keys: Vec<Due>,
    /// The winner among the leaves below each inner node; the root is 1, and 0 is not used.
    winners: Vec<u32>,
}

impl Deadlines {
    /// Makes room for streams with ids below `streams`.
    pub(crate) fn grow(&mut self, streams: usize) {
        let leaves = streams.next_power_of_two();
        if leaves <= self.keys.len() {
            return;
        }
        self.keys.resize(leaves, Due::Never);
        self.winners.resize(leaves, 0);
        for node in (1..leaves).rev() {
            self.winners[node] = self.better(node);
        }
    }

    /// Forgets every deadline.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.winners.clear();
    }

    /// Takes note that the deadline of stream `index` is `deadline` now. `exact` then tells that of any
    /// stream, and is asked until the first one is exact.
    pub(crate) fn set(&mut self, index: usize, deadline: Option<Nanos>, exact: impl Fn(usize) -> Option<Nanos>) {
        let due = deadline.map_or(Due::Never, Due::At);
        if due < self.keys[index] {
            self.write(index, due);
            return;
        }
        // As it was, or put off: a lower bound stays one, unless the stream was the first and has another now.
        let (mut index, mut due) = (index, due);
        while index == self.first() && due != self.keys[index] {
            self.write(index, due);
            index = self.first();
            due = exact(index).map_or(Due::Never, Due::At);
        }
    }

    /// The stream whose deadline is the first one, and the deadline; `None` where there is none.
    pub(crate) fn next(&self) -> Option<(usize, Nanos)> {
        let first = self.first();
        match self.keys.get(first) {
            Some(&Due::At(deadline)) => Some((first, deadline)),
            _ => None,
        }
    }

    /// The stream that comes first by the keys.
    fn first(&self) -> usize {
        self.winners.get(1).map_or(0, |&first| first as usize)
    }

    fn write(&mut self, index: usize, due: Due) {
        self.keys[index] = due;
        let mut node = (self.keys.len() + index) / 2;
        while node > 0 {
            self.winners[node] = self.better(node);
            node /= 2;
        }
    }

    /// The winner of the two below an inner node; of two equal ones the lower id.
    fn better(&self, node: usize) -> u32 {
        let leaves = self.keys.len();
        let below = |child: usize| if child >= leaves { (child - leaves) as u32 } else { self.winners[child] };
        let (one, two) = (below(2 * node), below(2 * node + 1));
        if self.keys[two as usize] < self.keys[one as usize] { two } else { one }
    }
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
