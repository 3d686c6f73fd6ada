//! The snapshots that a link has yet to fetch: which, and not before when.

use super::Budget;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_core::Nanos;

/// Snapshots that wait to be fetched.
const FETCHES_MAX: usize = 4_096;
/// How long a snapshot that could not be had is left alone; as long again after each failure, up to the last of these.
const AGAIN_AFTER: Nanos = Nanos::SECOND;
const AGAIN_AFTER_MAX: Nanos = Nanos::new(64 * Nanos::SECOND.raw());

/// What one life of a session's streams has asked for.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    /// Symbols, and from when on each may be fetched.
    waiting: VecDeque<(String, Nanos)>,
    /// How often in a row a symbol's snapshot could not be had.
    failures: BTreeMap<String, u32>,
    /// Symbols of which there will be no snapshot, however often it is asked for.
    refused: BTreeSet<String>,
}

impl Fetches {
    /// A symbol's snapshot is wanted.
    pub fn ask(&mut self, now: Nanos, symbol: String) {
        let is_waiting = self.waiting.iter().any(|(waiting, _)| *waiting == symbol);
        if is_waiting || self.refused.contains(&symbol) || self.waiting.len() >= FETCHES_MAX {
            return;
        }
        let wait = self.failures.get(&symbol).map_or(Nanos::ZERO, |&failures| again_after(failures));
        self.waiting.push_back((symbol, now.plus(wait)));
    }

    /// The snapshot came.
    pub fn succeed(&mut self, symbol: &str) {
        self.failures.remove(symbol);
    }

    /// The snapshot could not be had: the next time it is asked for later.
    pub fn fail(&mut self, symbol: &str) {
        let failures = self.failures.entry(symbol.to_owned()).or_default();
        *failures = failures.saturating_add(1);
    }

    /// There will be none.
    pub fn refuse(&mut self, symbol: &str) {
        self.refused.insert(symbol.to_owned());
        self.waiting.retain(|(waiting, _)| waiting != symbol);
    }

    /// Takes the next that may be fetched at `now`, out of `budget` too.
    pub fn next(&mut self, now: Nanos, budget: &mut Budget) -> Result<String, Option<Nanos>> {
        let due = self.waiting.iter().position(|&(_, at)| at <= now);
        let Some(due) = due else { return Err(self.waiting.iter().map(|&(_, at)| at).min()) };
        budget.take(now).map_err(Some)?;
        self.waiting.remove(due).map(|(symbol, _)| symbol).ok_or(None)
    }

    /// The connection is gone, and with it what was asked for.
    pub fn clear(&mut self) {
        *self = Fetches::default();
    }
}

fn again_after(failures: u32) -> Nanos {
    let doubled = AGAIN_AFTER.raw() << failures.saturating_sub(1).min(10);
    Nanos::new(doubled).min(AGAIN_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Rate;

    fn seconds(count: i64) -> Nanos {
        Nanos::new(count * Nanos::SECOND.raw())
    }

    fn budget(count: usize) -> Budget {
        Budget::new(Rate { count, span: seconds(60) })
    }

    #[test]
    fn a_snapshot_that_cannot_be_had_is_asked_for_ever_more_rarely() {
        let (mut fetches, mut budget) = (Fetches::default(), budget(1_000));
        let (mut now, mut waits) = (Nanos::ZERO, Vec::new());
        for _ in 0..9 {
            fetches.ask(now, "A".to_owned());
            let at = fetches.next(now, &mut budget).err().flatten().unwrap_or(now);
            waits.push(at.since(now).raw() / Nanos::SECOND.raw());
            now = at;
            drop(fetches.next(now, &mut budget));
            fetches.fail("A");
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
        fetches.succeed("A");
        fetches.ask(now, "A".to_owned());
        assert_eq!(fetches.next(now, &mut budget), Ok("A".to_owned()), "of use again");
    }

    #[test]
    fn one_that_waits_holds_nobody_else_up() {
        let (mut fetches, mut budget) = (Fetches::default(), budget(1));
        fetches.fail("A");
        for symbol in ["A", "B", "C", "B"] {
            fetches.ask(Nanos::ZERO, symbol.to_owned());
        }
        fetches.refuse("C");
        fetches.ask(Nanos::ZERO, "C".to_owned());
        assert_eq!(fetches.next(Nanos::ZERO, &mut budget), Ok("B".to_owned()));
        assert_eq!(fetches.next(Nanos::ZERO, &mut budget), Err(Some(seconds(1))), "C is refused, B taken");
        assert_eq!(fetches.next(seconds(1), &mut budget), Err(Some(seconds(60))), "the budget is empty");
        assert_eq!(fetches.next(seconds(60), &mut budget), Ok("A".to_owned()));
        assert_eq!(fetches.next(seconds(60), &mut budget), Err(None));
    }
}
