//! Refusals, counted: whoever is turned away can ask again as fast as they like, and must not wash out the log by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often a reason is told.
const EVERY: Duration = Duration::from_secs(60);

/// What was refused and for which reasons; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    reasons: Arc<Mutex<BTreeMap<&'static str, Told>>>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// How many there were since.
    untold: u64,
}

/// What is to be done about one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is told.
    Tell,
    /// It is told then, with those that come until then.
    TellAt(Instant),
    /// It is told with others.
    Wait,
}

impl Refusals {
    /// Counts one. The first of a reason is told at once, the others together, once a minute. Called on a runtime.
    pub fn count(&self, reason: &'static str) {
        match self.note(reason, Instant::now()) {
            Next::Tell => tell(reason, 1),
            Next::TellAt(at) => {
                let refusals = self.clone();
                tokio::spawn(async move {
                    sleep_until(at).await;
                    tell(reason, refusals.take(reason, at));
                });
            }
            Next::Wait => {}
        }
    }

    fn note(&self, reason: &'static str, now: Instant) -> Next {
        let mut reasons = self.reasons();
        match reasons.get_mut(reason) {
            Some(told) if now < told.at + EVERY || told.untold > 0 => {
                told.untold += 1;
                if told.untold == 1 { Next::TellAt(told.at + EVERY) } else { Next::Wait }
            }
            _ => {
                reasons.insert(reason, Told { at: now, untold: 0 });
                Next::Tell
            }
        }
    }

    /// How many there were that were not told.
    fn take(&self, reason: &'static str, now: Instant) -> u64 {
        self.reasons().get_mut(reason).map_or(0, |told| {
            told.at = now;
            std::mem::take(&mut told.untold)
        })
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeMap<&'static str, Told>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing of a request is logged: it may hold a bearer that opens another engine.
fn tell(reason: &'static str, count: u64) {
    tracing::warn!(reason, count, "turned away");
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
