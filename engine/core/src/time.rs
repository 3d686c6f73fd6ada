//! Instants and spans as integers.

use std::fmt;

/// Nanoseconds: an instant since the Unix epoch (UTC), or a span between two of them.
///
/// An `i64` reaches from 1677 to 2262. Arithmetic saturates: a clock value at the edge is already
/// nonsense, and must not become a panic or wrap into the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(i64);

impl Nanos {
    /// The Unix epoch, or an empty span.
    pub const ZERO: Nanos = Nanos(0);
    /// One second.
    pub const SECOND: Nanos = Nanos(1_000_000_000);

    /// Wraps a count of nanoseconds.
    pub const fn new(ns: i64) -> Nanos {
        Nanos(ns)
    }

    /// Converts a venue's milliseconds; `None` if the instant lies outside what nanoseconds reach.
    pub fn from_millis(ms: i64) -> Option<Nanos> {
        ms.checked_mul(1_000_000).map(Nanos)
    }

    /// The count of nanoseconds.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// `self + span`.
    #[must_use]
    pub const fn plus(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to `self`.
    #[must_use]
    pub const fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// The start of the bucket of length `span` (which must be positive) that holds `self`,
    /// buckets being counted from the epoch.
    #[must_use]
    pub const fn floor(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(self.0.rem_euclid(span.0)))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_start_at_or_before_the_instant_on_both_sides_of_the_epoch() {
        let second = Nanos::SECOND;
        assert_eq!(Nanos::new(1_999_999_999).floor(second), Nanos::new(1_000_000_000));
        assert_eq!(Nanos::new(2_000_000_000).floor(second), Nanos::new(2_000_000_000));
        assert_eq!(Nanos::new(-1).floor(second), Nanos::new(-1_000_000_000));
    }
}
