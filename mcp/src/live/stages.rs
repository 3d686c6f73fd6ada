//! How long the stages of the engine's thread take, in microseconds.

#![deny(clippy::disallowed_types, reason = "no lock on the engine path")]

use hdrhistogram::Histogram;
use std::time::{Duration, Instant};
use tidegate_core::Nanos;

/// Longer than this is written down as this long: an hour.
const HIGHEST_US: u64 = 3_600_000_000;
/// Two significant digits: a percent is enough, and a histogram stays small.
const DIGITS: u8 = 2;

/// What a histogram comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How often it was measured.
    pub count: u64,
    /// Half of the times are no longer.
    pub p50_us: u64,
    /// 99 in 100 are no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// One stage. Its memory is taken when it is made.
struct Stage(Histogram<u64>);

impl Stage {
    fn new() -> anyhow::Result<Stage> {
        Ok(Stage(Histogram::new_with_bounds(1, HIGHEST_US, DIGITS)?))
    }

    fn note(&mut self, micros: u128) {
        self.0.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
    }

    fn spread(&self) -> Spread {
        Spread {
            count: self.0.len(),
            p50_us: self.0.value_at_quantile(0.5),
            p99_us: self.0.value_at_quantile(0.99),
            max_us: self.0.max(),
        }
    }
}

/// The stages of a turn of the thread.
pub struct Stages {
    queued: Stage,
    applied: Stage,
    answered: Stage,
}

/// What the stages come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StagesView {
    /// From the receipt of a turn's first input to the turn.
    pub queued: Spread,
    /// A turn that applied something: books, bars, recorder, and the board published.
    pub applied: Spread,
    /// An answer to a question.
    pub answered: Spread,
}

impl Stages {
    /// Nothing measured yet.
    ///
    /// # Errors
    /// Never, with these bounds.
    pub fn new() -> anyhow::Result<Stages> {
        Ok(Stages { queued: Stage::new()?, applied: Stage::new()?, answered: Stage::new()? })
    }

    /// A turn that began at `now` by the clock, and at `began`, has applied inputs, the first received at `first`.
    pub fn applied(&mut self, now: Nanos, first: Nanos, began: Instant) {
        // The clock may have stepped back since.
        self.queued.note(u128::try_from(now.since(first).raw() / 1_000).unwrap_or(0));
        self.applied.note(began.elapsed().as_micros());
    }

    /// A question has been answered.
    pub fn answered(&mut self, took: Duration) {
        self.answered.note(took.as_micros());
    }

    /// What they come to so far.
    pub fn view(&self) -> StagesView {
        StagesView { queued: self.queued.spread(), applied: self.applied.spread(), answered: self.answered.spread() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_and_no_clock_breaks_them() {
        let mut stages = Stages::new().unwrap();
        for micros in 1..=100 {
            stages.applied(Nanos::new(micros * 1_000), Nanos::ZERO, Instant::now());
        }
        stages.applied(Nanos::ZERO, Nanos::SECOND, Instant::now());
        stages.applied(Nanos::new(i64::MAX), Nanos::ZERO, Instant::now());
        stages.answered(Duration::from_secs(u64::MAX));
        let view = stages.view();
        assert_eq!((view.queued.count, view.queued.p50_us), (102, 50));
        assert!(view.queued.max_us >= HIGHEST_US && view.answered.max_us >= HIGHEST_US);
    }
}
