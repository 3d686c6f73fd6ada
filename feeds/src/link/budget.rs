//! What a venue allows in a span of time, counted exactly.

use super::Limits;
use std::collections::VecDeque;
use tidegate_core::Nanos;

/// At most `count` in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// In which time.
    pub span: Nanos,
}

/// A sliding window: exact, where buckets of time would let twice as much pass at their seam.
#[derive(Clone, Debug)]
pub struct Budget {
    rate: Rate,
    taken: VecDeque<Nanos>,
    /// Nothing is taken before: the venue's own word.
    held_until: Nanos,
}

/// What all connections to a venue share, as it counts by address.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Attempts to connect.
    pub connects: Budget,
    /// Snapshots fetched.
    pub snapshots: Budget,
}

impl Budgets {
    /// Nothing taken yet of what `limits` allow.
    pub fn new(limits: &Limits) -> Budgets {
        Budgets { connects: Budget::new(limits.connects), snapshots: Budget::new(limits.snapshots) }
    }
}

impl Budget {
    /// Nothing taken yet.
    pub fn new(rate: Rate) -> Budget {
        Budget { rate, taken: VecDeque::new(), held_until: Nanos::new(i64::MIN) }
    }

    /// Nothing more is to be had before `until`, whoever asks.
    pub fn hold(&mut self, until: Nanos) {
        self.held_until = self.held_until.max(until);
    }

    /// Takes one at `now`.
    ///
    /// # Errors
    /// When there is one again.
    pub fn take(&mut self, now: Nanos) -> Result<(), Nanos> {
        if now < self.held_until {
            return Err(self.held_until);
        }
        while self.taken.front().is_some_and(|&oldest| oldest.plus(self.rate.span) <= now) {
            self.taken.pop_front();
        }
        match self.taken.front() {
            Some(&oldest) if self.taken.len() >= self.rate.count => Err(oldest.plus(self.rate.span)),
            _ => {
                self.taken.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_held_is_not_to_be_had_and_no_later_word_shortens_it() {
        let mut budget = Budget::new(Rate { count: 5, span: Nanos::new(100) });
        assert_eq!(budget.take(Nanos::new(1)), Ok(()));
        budget.hold(Nanos::new(500));
        budget.hold(Nanos::new(300));
        for now in [2, 299, 300, 499] {
            assert_eq!(budget.take(Nanos::new(now)), Err(Nanos::new(500)), "at {now}");
        }
        assert_eq!(budget.take(Nanos::new(500)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_span_ever_holds_more_and_nothing_waits_for_nothing(steps in prop::collection::vec(0i64..40, 1..200)) {
            let rate = Rate { count: 5, span: Nanos::new(100) };
            let mut budget = Budget::new(rate);
            let (mut now, mut taken) = (0, Vec::new());
            for step in steps {
                now += step;
                let in_span = taken.iter().filter(|&&at| at > now - rate.span.raw()).count();
                match budget.take(Nanos::new(now)) {
                    Ok(()) => {
                        prop_assert!(in_span < rate.count);
                        taken.push(now);
                    }
                    Err(again) => {
                        prop_assert_eq!(in_span, rate.count);
                        prop_assert!(again > Nanos::new(now));
                        prop_assert!(budget.clone().take(again).is_ok());
                    }
                }
            }
        }
    }
}
