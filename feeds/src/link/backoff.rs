//! When to connect again: exponential back-off with full jitter
//! (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), one attempt at a random
//! moment of each of a row of windows.
//!
//! Windows double, and follow each other without a hole. Drawing each wait afresh from nothing to the bound
//! would bring twice as many clients back in the first second after an outage as in the seconds that
//! follow; windows bring the same number in each.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_core::Nanos;

/// The longest wait after the first failure.
const BASE: Nanos = Nanos::new(500_000_000);
/// The longest wait after any.
const CAP: Nanos = Nanos::new(30_000_000_000);

/// The failures of one connection in a row.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    window_end: Nanos,
    random: Pcg64Mcg,
}

impl Backoff {
    /// No failure yet. Clients of one venue must not share a seed: they would come back together.
    pub fn new(seed: u64) -> Backoff {
        Backoff { failures: 0, window_end: Nanos::ZERO, random: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// When to try again after one more failure at `now`: later by the doubled bound at most.
    pub fn next_attempt(&mut self, now: Nanos) -> Nanos {
        let bound = BASE.raw() << self.failures.min(10);
        let window = bound.min(CAP.raw()) / 2;
        self.failures = self.failures.saturating_add(1);
        let begin = self.window_end.max(now);
        self.window_end = begin.plus(Nanos::new(window));
        begin.plus(Nanos::new(self.random.random_range(0..=window)))
    }

    /// The connection has been of use.
    pub fn reset(&mut self) {
        (self.failures, self.window_end) = (0, Nanos::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_below_a_bound_that_doubles_to_its_end() {
        let mut longest = [Nanos::ZERO; 12];
        for seed in 0..2_000 {
            let (mut backoff, mut now) = (Backoff::new(seed), Nanos::SECOND);
            for longest in &mut longest {
                let attempt = backoff.next_attempt(now);
                *longest = (*longest).max(attempt.since(now));
                now = attempt;
            }
        }
        for (failures, longest) in longest.into_iter().enumerate() {
            let bound = (BASE.raw() << failures).min(CAP.raw());
            assert!(longest.raw() <= bound && longest.raw() > bound * 4 / 10, "{failures}: {longest:?}");
        }
    }

    #[test]
    fn neighbouring_seeds_do_not_back_off_together() {
        let first = |seed| Backoff::new(seed).next_attempt(Nanos::ZERO);
        let attempts: std::collections::BTreeSet<Nanos> = (0..1_000).map(first).collect();
        assert!(attempts.len() > 990, "{} of 1,000 differ", attempts.len());
    }

    #[test]
    fn a_connection_that_was_of_use_begins_anew() {
        let mut backoff = Backoff::new(1);
        let last = (0..1_000).fold(Nanos::ZERO, |now, _| backoff.next_attempt(now));
        backoff.reset();
        assert!(backoff.next_attempt(last).since(last) <= BASE);
    }
}
