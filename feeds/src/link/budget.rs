//! What a venue allows in a span of time, counted exactly.

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
}

impl Budget {
    /// Nothing taken yet.
    pub fn new(rate: Rate) -> Budget {
        Budget { rate, taken: VecDeque::new() }
    }

    /// Takes one at `now`.
    ///
    /// # Errors
    /// When there is one again.
    pub fn take(&mut self, now: Nanos) -> Result<(), Nanos> {
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
