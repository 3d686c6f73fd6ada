//! What kernels keep of the past: the last values, their sum, their extremes, their moments.

use super::maths::{greater, real};
use serde::{Deserialize, Serialize};

/// The last `capacity` values, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Window {
    values: Box<[f64]>,
    /// Where the next value goes: at the oldest one, once the window is full.
    next: usize,
    len: usize,
}

/// A window as it was written down.
#[derive(Deserialize)]
struct Parts {
    values: Box<[f64]>,
    next: usize,
    len: usize,
}

impl TryFrom<Parts> for Window {
    type Error = &'static str;

    fn try_from(Parts { values, next, len }: Parts) -> Result<Window, &'static str> {
        if next < values.len() && len <= values.len() { Ok(Window { values, next, len }) } else { Err("no window") }
    }
}

impl Window {
    /// An empty window of `capacity` values, at least one.
    pub fn new(capacity: usize) -> Window {
        Window { values: vec![0.0; capacity.max(1)].into_boxed_slice(), next: 0, len: 0 }
    }

    /// Puts a value in; the oldest, if it had to go.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let slot = &mut self.values[self.next];
        let oldest = std::mem::replace(slot, value);
        self.next += 1;
        if self.next == self.values.len() {
            self.next = 0;
        }
        if self.len == self.values.len() {
            Some(oldest)
        } else {
            self.len += 1;
            None
        }
    }

    /// True once it holds as many as it can.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len == self.values.len()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many it can hold.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.values.len()
    }

    /// The value that is `age` pushes old, 0 for the newest.
    #[inline]
    pub fn back(&self, age: usize) -> Option<f64> {
        if age >= self.len {
            return None;
        }
        let at = if self.next > age { self.next - 1 - age } else { self.next + self.values.len() - 1 - age };
        Some(self.values[at])
    }

    /// The oldest value.
    pub fn oldest(&self) -> Option<f64> {
        self.back(self.len.checked_sub(1)?)
    }

    /// The values, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        let (wrapped, first) = self.values.split_at(self.next);
        // While it fills, everything stands before `next`.
        let first = if self.is_full() { first } else { &[] };
        first.iter().chain(wrapped).copied()
    }
}

/// A sum to which terms are added and from which they are taken, with what rounding lost kept beside it
/// (Neumaier 1974).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// Adds a term; to take it away, add its negative.
    #[inline]
    pub fn add(&mut self, term: f64) {
        // Knuth's two-sum: exact whichever is greater.
        let sum = self.sum + term;
        let part = sum - self.sum;
        self.lost += (self.sum - (sum - part)) + (term - part);
        self.sum = sum;
    }

    /// What the sum came to, and what rounding lost of it.
    #[inline]
    pub fn parts(self) -> (f64, f64) {
        (self.sum, self.lost)
    }

    /// The sum.
    #[inline]
    pub fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// The sum of the values of a window.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct MovingSum {
    sum: Sum,
    /// How many of the values are not zero: without any the sum is zero, whatever rounding left of it.
    moved: usize,
}

impl MovingSum {
    /// A value came into the window, and the oldest went, if it was full.
    #[inline]
    pub fn turn(&mut self, value: f64, oldest: Option<f64>) {
        self.sum.add(value);
        if let Some(oldest) = oldest {
            self.sum.add(-oldest);
        }
        // Where something that is not zero came for something that is not zero, as many are left, and one at least.
        if value == 0.0 || oldest.is_none_or(|oldest| oldest == 0.0) {
            self.count(value, oldest);
        }
    }

    #[inline(never)]
    fn count(&mut self, value: f64, oldest: Option<f64>) {
        self.moved = self.moved.saturating_add(usize::from(value != 0.0));
        if let Some(oldest) = oldest {
            self.moved = self.moved.saturating_sub(usize::from(oldest != 0.0));
            if self.moved == 0 {
                self.sum = Sum::default();
            }
        }
    }

    /// The sum.
    #[inline]
    pub fn value(self) -> f64 {
        self.sum.value()
    }
}

/// The sum of the last values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WindowSum {
    window: Window,
    sum: MovingSum,
}

impl WindowSum {
    /// A sum of `period` values.
    pub fn new(period: usize) -> WindowSum {
        WindowSum { window: Window::new(period), sum: MovingSum::default() }
    }

    /// Takes a value; the sum, once there are enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let oldest = self.window.push(value);
        self.sum.turn(value, oldest);
        self.value()
    }

    /// The sum, once there were enough values.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.window.is_full().then(|| self.sum.value())
    }

    /// The values.
    pub fn window(&self) -> &Window {
        &self.window
    }
}

/// The greatest of the last values, or the smallest, and its age: a queue of candidates, each of which beats all that
/// came after it (Lemire 2006). Of equal values the newest counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Extreme {
    /// 1 for the greatest, -1 for the smallest.
    sign: f64,
    candidates: Candidates,
    /// Values taken so far.
    count: u64,
}

/// A queue in place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "CandidateParts")]
struct Candidates {
    /// Value, times the sign, and when it came.
    entries: Box<[(f64, u64)]>,
    first: usize,
    len: usize,
}

#[derive(Deserialize)]
struct CandidateParts {
    entries: Box<[(f64, u64)]>,
    first: usize,
    len: usize,
}

impl TryFrom<CandidateParts> for Candidates {
    type Error = &'static str;

    fn try_from(CandidateParts { entries, first, len }: CandidateParts) -> Result<Candidates, &'static str> {
        if first < entries.len() && len <= entries.len() {
            Ok(Candidates { entries, first, len })
        } else {
            Err("no queue")
        }
    }
}

impl Candidates {
    fn place(&self, at: usize) -> usize {
        let place = self.first + at;
        if place >= self.entries.len() { place - self.entries.len() } else { place }
    }

    fn front(&self) -> Option<(f64, u64)> {
        (self.len > 0).then(|| self.entries[self.first])
    }

    fn back(&self) -> Option<(f64, u64)> {
        (self.len > 0).then(|| self.entries[self.place(self.len - 1)])
    }

    fn pop_front(&mut self) {
        self.first = self.place(1);
        self.len -= 1;
    }
}

impl Extreme {
    /// The greatest of `period` values.
    pub fn greatest(period: usize) -> Extreme {
        Extreme::new(period, 1.0)
    }

    /// The smallest of `period` values.
    pub fn smallest(period: usize) -> Extreme {
        Extreme::new(period, -1.0)
    }

    fn new(period: usize, sign: f64) -> Extreme {
        let period = period.max(1);
        let entries = vec![(0.0, 0); period].into_boxed_slice();
        Extreme { sign, candidates: Candidates { entries, first: 0, len: 0 }, count: 0 }
    }

    /// Takes a value; the extreme and how many values ago it came, once there are enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<(f64, usize)> {
        let (signed, now) = (value * self.sign, self.count);
        self.count = now.wrapping_add(1);
        let queue = &mut self.candidates;
        let period = queue.entries.len();
        while queue.back().is_some_and(|(other, _)| other <= signed) {
            queue.len -= 1;
        }
        // A full queue has one that is too old, unless the state was damaged.
        if queue.len == period || queue.front().is_some_and(|(_, at)| now.wrapping_sub(at) >= period as u64) {
            queue.pop_front();
        }
        let place = queue.place(queue.len);
        queue.entries[place] = (signed, now);
        queue.len += 1;
        let (best, at) = queue.front()?;
        (self.count >= period as u64).then(|| (best * self.sign, now.wrapping_sub(at) as usize))
    }
}

/// Mean and variance of the last values: sums of their distances from a value near them. They are made afresh from the
/// window each time it has gone round, and where the variance has fallen so far that cancellation would show.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moments {
    window: Window,
    pivot: f64,
    first: f64,
    second: f64,
    /// Greatest mean square since the sums were made.
    peak: f64,
    /// Values until the sums are made afresh.
    due: usize,
}

impl Moments {
    /// A variance this much smaller than what the sums held since they were made has lost too many digits.
    const LOSS: f64 = 1e-5;

    /// Moments of `period` values.
    pub fn new(period: usize) -> Moments {
        Moments { window: Window::new(period), pivot: 0.0, first: 0.0, second: 0.0, peak: 0.0, due: 1 }
    }

    /// Takes a value; mean and variance of the population, once there are enough.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<(f64, f64)> {
        self.turn(value);
        self.value()
    }

    /// Takes a value; the oldest, if it had to go.
    #[inline]
    pub fn turn(&mut self, value: f64) -> Option<f64> {
        let oldest = self.window.push(value);
        self.due = self.due.saturating_sub(1);
        if self.due == 0 {
            self.refresh();
        } else {
            let new = value - self.pivot;
            let old = oldest.map_or(0.0, |oldest| oldest - self.pivot);
            self.first += new - old;
            self.second += (new - old) * (new + old);
        }
        oldest
    }

    /// Mean and variance of the population, once there were enough values.
    #[inline]
    pub fn value(&mut self) -> Option<(f64, f64)> {
        self.window.is_full().then(|| self.moments())
    }

    /// The values.
    pub fn window(&self) -> &Window {
        &self.window
    }

    #[inline]
    fn moments(&mut self) -> (f64, f64) {
        let (mut mean, mut square) = self.means();
        self.peak = greater(self.peak, square);
        if square - mean * mean < self.peak * Moments::LOSS {
            self.refresh();
            (mean, square) = self.means();
        }
        (self.pivot + mean, (square - mean * mean).max(0.0))
    }

    #[inline]
    fn means(&self) -> (f64, f64) {
        let count = real(self.window.capacity());
        (self.first / count, self.second / count)
    }

    #[inline(never)]
    fn refresh(&mut self) {
        let count = self.window.len() as f64;
        // One of the values and not their mean: of equal values nothing is left then, not even a rounding.
        self.pivot = self.window.back(0).unwrap_or_default();
        let (pivot, mut first, mut second) = (self.pivot, 0.0, 0.0);
        self.window.iter().for_each(|value| {
            let distance = value - pivot;
            first += distance;
            second += distance * distance;
        });
        (self.first, self.second) = (first, second);
        self.peak = self.second / count;
        self.due = self.window.capacity();
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
