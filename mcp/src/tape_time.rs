//! A recording that ends ahead of the clock, as after a start with a wrong one.
//!
//! The time of a recording never goes back, so on such a one it would stand still: nothing would grow old, and a dead
//! feed stay live. Nothing is connected to it before the clock has caught up, unless a person has our time go on from
//! where the recording ends.

use crate::wire::rfc3339;
use tidegate_core::Nanos;

/// Two processes may read the clock so far apart: it is waited for without a word.
const TOLERANCE: Nanos = Nanos::SECOND;

/// How far a recording that ends at `ends` is ahead of the clock, where it is worth a word.
pub fn ahead(ends: Nanos, now: Nanos) -> Option<Nanos> {
    Some(ends.since(now)).filter(|ahead| *ahead > TOLERANCE)
}

/// What is to be said of a recording that ends ahead of the clock.
pub fn warning(ends: Nanos, now: Nanos) -> Option<String> {
    let ahead = ahead(ends, now)?;
    Some(format!(
        "the recording ends {} s AHEAD OF THE CLOCK, at {}: nothing is connected, no book is live, and as_of stands still \
         until the clock is there. If the clock is wrong, set it; if it was wrong before, move the recording away, or start \
         with {ACCEPT}, and time goes on from there",
        ahead.raw() / Nanos::SECOND.raw(),
        rfc3339(ends)
    ))
}

/// What is to be said of time that is so far ahead of the system's clock.
pub fn lead(ahead: Nanos) -> Option<String> {
    let seconds = (ahead > TOLERANCE).then_some(ahead.raw() / Nanos::SECOND.raw())?;
    Some(format!(
        "time is {seconds} s AHEAD OF THE CLOCK, which was set back, or a recording's time was accepted: as_of is ahead too; \
         ages and states are right"
    ))
}

/// How a person says that time goes on from there.
pub const ACCEPT: &str = "tidegate serve --accept-tape-time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_is_said_and_a_moment_is_not() {
        let at = |seconds: i64| Nanos::new(seconds * Nanos::SECOND.raw());
        for (ends, now) in
            [(at(0), at(0)), (at(5), at(9)), (at(10), at(9)), (Nanos::new(i64::MIN), Nanos::new(i64::MAX))]
        {
            assert_eq!(warning(ends, now), None);
        }
        let hour = warning(at(3_600), at(0)).unwrap();
        for part in ["3600 s AHEAD OF THE CLOCK", "1970-01-01T01:00:00", "--accept-tape-time"] {
            assert!(hour.contains(part), "{hour} lacks {part}");
        }
        assert!(warning(Nanos::new(i64::MAX), at(0)).is_some());
        assert_eq!((lead(at(1)), lead(at(-5))), (None, None));
        assert!(lead(at(2)).unwrap().contains("2 s AHEAD"));
    }
}
