//! The simulated market's past: what its instruments would have traded at before there was a recording.

use anyhow::Context;
use tidegate_core::{Bar, Instrument, Interval, Nanos};
use tidegate_feeds::sim::history::{DAILY, MINUTES, bars, index_bars};
use tidegate_feeds::sim::{Listing, Universe};
use tidegate_history::store::{STORED, Store};

const DAY: &str = "1d";

/// The past of the default universe, as a function. What is made of it is stored, once.
pub struct Past {
    seed: u64,
    universe: Universe,
    /// Where the recording begins.
    until: Nanos,
}

impl Past {
    /// The past before `until`.
    ///
    /// # Errors
    /// Where the built-in universe is wrong, which a test rules out.
    pub fn before(until: Nanos, seed: u64) -> anyhow::Result<Past> {
        Ok(Past { seed, universe: Universe::built_in()?, until })
    }

    /// Puts everything into the store that is not there yet.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn store(&self, store: &Store) -> anyhow::Result<()> {
        let index = &self.universe.index().instrument;
        let instruments = self.universe.listings().iter().map(|listing| &listing.instrument).chain([index]);
        let missing: Vec<&Instrument> = instruments.filter(|instrument| !store.has_past(&instrument.key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let series = |instrument: &Instrument| {
            let of = |interval: &Interval| (*interval, self.bars(instrument, *interval, Nanos::ZERO, self.until));
            (instrument.clone(), STORED.iter().map(of).collect())
        };
        store.add_pasts(missing.into_iter().map(series)).context("the simulated past cannot be stored")
    }

    /// The bars of an instrument that lie whole within `from..to`, as far as there is a past: a year of days, 30 days
    /// of all else; none of what is not in the universe, and no seconds.
    pub fn bars(&self, instrument: &Instrument, interval: Interval, from: Nanos, to: Nanos) -> Vec<Bar> {
        let reach = if interval.name == DAY { DAILY } else { MINUTES };
        let from = from.max(Nanos::new(self.until.raw().saturating_sub(reach.raw())));
        let to = to.min(self.until);
        let made = if instrument.key == self.universe.index().instrument.key {
            index_bars(self.seed, &self.universe, interval, from, to)
        } else {
            let listing = self.universe.find(&instrument.key).and_then(|at| self.universe.listings().get(at));
            listing.map_or(Ok(Vec::new()), |listing: &Listing| bars(self.seed, listing, interval, from, to))
        };
        // Seconds have no past; a longer range than is made has been cut above.
        made.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::INTERVALS;

    #[test]
    fn it_ends_before_the_recording_and_knows_what_is_listed() {
        let until = Nanos::new(1_763_000_000_000_000_000);
        let past = Past::before(until, 1).unwrap();
        let index = past.universe.index().instrument.clone();
        let member = past.universe.listings()[0].instrument.clone();
        let to = Nanos::new(i64::MAX);
        for instrument in [&index, &member] {
            let days = past.bars(instrument, INTERVALS[8], Nanos::ZERO, to);
            assert_eq!(days.len(), 364, "whole days of a year that begins amid one");
            assert!(days.iter().all(|bar| bar.start.plus(INTERVALS[8].span) <= until));
            let hour = past.bars(instrument, INTERVALS[1], Nanos::new(until.raw() - 3_600_000_000_000), to);
            assert_eq!(hour.len(), 59);
        }
        assert!(past.bars(&member, INTERVALS[0], Nanos::ZERO, to).is_empty(), "no seconds");
        let unlisted = Instrument { key: "NSE:NOBODY".to_owned(), ..member.clone() };
        assert!(past.bars(&unlisted, INTERVALS[8], Nanos::ZERO, to).is_empty());
    }
}
