//! Which of a venue's times can be believed: a wrong unit, a wrong epoch or damage must not become a bar.

use tidegate_core::{Flags, Nanos};

/// How far a time may lie from where it should: more than any time zone, less than any wrong unit.
const TOLERANCE: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());

/// No market that is read here is older than 2000-01-01: an earlier time is of a wrong unit, such as milliseconds
/// that are seconds.
const EARLIEST: Nanos = Nanos::new(946_684_800 * Nanos::SECOND.raw());

/// The venue's clock as one stream of one connection tells it.
///
/// The first time may be any of the past that can be of a market, so that a capture which is served again is as good as
/// a live venue. From then on a time must be one that the venue's own clock can have reached since, or that our clock
/// shows: an instrument may wake after days.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VenueClock {
    /// The latest time that was believed, and when it was received.
    latest: Option<(Nanos, Nanos)>,
}

impl VenueClock {
    /// The time, where it can be believed.
    pub fn believe(&mut self, time: Option<Nanos>, now: Nanos) -> Option<Nanos> {
        let time = time.filter(|&time| self.is_sane(time, now))?;
        self.latest = Some((time, now));
        Some(time)
    }

    /// The time that an event bears: the venue's, or the receive time and the mark that says so.
    pub fn stamp(&mut self, time: Option<Nanos>, now: Nanos) -> (Flags, Nanos) {
        self.believe(time, now).map_or((Flags::TIME_RECEIVED, now), |time| (Flags::NONE, time))
    }

    fn is_sane(&self, time: Nanos, now: Nanos) -> bool {
        let is_past = time <= now.plus(TOLERANCE);
        let is_shown = is_past && time.plus(TOLERANCE) >= now;
        let Some((latest, received)) = self.latest else { return is_shown || (is_past && time >= EARLIEST) };
        let passed = now.since(received).max(Nanos::ZERO);
        let is_reached = time.plus(TOLERANCE) >= latest && time <= latest.plus(passed).plus(TOLERANCE);
        is_reached || is_shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::new(1_790_000_000_000_000_000);
    const YEAR: Nanos = Nanos::new(365 * TOLERANCE.raw());

    fn after(time: Nanos, days: i64) -> Nanos {
        time.plus(Nanos::new(days * TOLERANCE.raw()))
    }

    #[test]
    fn a_wrong_unit_is_marked_and_the_next_right_time_is_not() {
        let mut clock = VenueClock::default();
        assert_eq!(clock.stamp(Some(NOW), NOW), (Flags::NONE, NOW));
        for wrong in [NOW.raw() / 1_000, NOW.raw() / 1_000_000, 0, -1, i64::MAX, i64::MIN] {
            assert_eq!(clock.stamp(Some(Nanos::new(wrong)), NOW), (Flags::TIME_RECEIVED, NOW), "{wrong}");
        }
        assert_eq!(clock.stamp(None, NOW), (Flags::TIME_RECEIVED, NOW));
        assert_eq!(clock.stamp(Some(NOW), NOW), (Flags::NONE, NOW));
    }

    #[test]
    fn a_day_is_the_bound_and_time_that_passed_comes_on_top() {
        let old = Nanos::new(NOW.raw() - YEAR.raw());
        for (time, received, is_believed) in [
            (after(old, 1), NOW, true),
            (after(old, 1).plus(Nanos::new(1)), NOW, false),
            (after(old, -1), NOW, true),
            (after(old, -1).plus(Nanos::new(-1)), NOW, false),
            (after(old, 3), after(NOW, 2), true),
            (after(old, 3).plus(Nanos::new(1)), after(NOW, 2), false),
        ] {
            let mut clock = VenueClock::default();
            assert_eq!(clock.believe(Some(old), NOW), Some(old), "a capture served again passes");
            assert_eq!(clock.believe(Some(time), received).is_some(), is_believed, "{time} at {received}");
        }
    }

    #[test]
    fn a_first_time_is_of_the_past_and_of_a_market() {
        let day = |days: i64| Nanos::new(days * TOLERANCE.raw());
        for (first, is_believed) in [
            (NOW, true),
            (after(NOW, 1), true),
            (after(NOW, 1).plus(Nanos::new(1)), false),
            (after(NOW, -3_650), true),
            (EARLIEST, true),
            (EARLIEST.plus(Nanos::new(-1)), false),
            (Nanos::new(NOW.raw() / 1_000), false),
            (Nanos::new(NOW.raw() / 1_000_000), false),
            (Nanos::new(NOW.raw() / 1_000_000_000), false),
            (Nanos::new(i64::MAX), false),
            (Nanos::new(0), false),
            (day(-1), false),
            (Nanos::new(i64::MIN), false),
        ] {
            let mut clock = VenueClock::default();
            assert_eq!(clock.believe(Some(first), NOW).is_some(), is_believed, "{first}");
            assert_eq!(clock.stamp(Some(NOW), NOW), (Flags::NONE, NOW), "after {first}");
        }
    }

    #[test]
    fn what_our_own_clock_shows_is_believed_after_a_weekend_and_after_a_wrong_start() {
        for first in [after(NOW, -3), Nanos::new(NOW.raw() / 1_000)] {
            let mut clock = VenueClock::default();
            clock.stamp(Some(first), NOW);
            assert_eq!(clock.stamp(Some(NOW), NOW), (Flags::NONE, NOW));
        }
    }
}
