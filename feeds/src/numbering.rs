//! Numbers that grow by one, such as those of trades: which come next, which are repeated, and which begin again.

use tidegate_core::Nanos;

/// How a number follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// As the next one, or the first.
    Next,
    /// It was there already: two connections tell the same for a while when one replaces the other.
    Repeated,
    /// Not as the next one: others are missing, or the venue counts anew.
    Hole {
        /// The number that would have been next.
        expected: u64,
    },
}

/// The latest number of a stream, and the latest time that was believed beside one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbering {
    latest: Option<u64>,
    time: Option<Nanos>,
}

impl Numbering {
    /// True until a number has been taken.
    pub fn is_new(self) -> bool {
        self.latest.is_none()
    }

    /// Takes a number, and the venue's time beside it where that can be believed. A repetition repeats its time too: a
    /// number that falls while the time goes on has begun again.
    pub fn take(&mut self, number: u64, time: Option<Nanos>) -> Follows {
        let Some(latest) = self.latest else {
            (self.latest, self.time) = (Some(number), time);
            return Follows::Next;
        };
        let falls = number <= latest;
        if falls && (time.is_none() || self.time.is_none() || time <= self.time) {
            return Follows::Repeated;
        }
        (self.latest, self.time) = (Some(number), time.max(self.time));
        match latest.saturating_add(1) {
            expected if expected == number && !falls => Follows::Next,
            expected => Follows::Hole { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_falls_is_a_repetition_unless_the_time_went_on() {
        let at = |time: i64| Some(Nanos::new(time));
        for (number, time, expect) in [
            (5_003, at(70), Follows::Next),
            (5_003, at(60), Follows::Next),
            (5_003, None, Follows::Next),
            (5_002, at(70), Follows::Repeated),
            (4_000, at(69), Follows::Repeated),
            (1, None, Follows::Repeated),
            (5_005, at(71), Follows::Hole { expected: 5_003 }),
            (1, at(71), Follows::Hole { expected: 5_003 }),
            (0, at(71), Follows::Hole { expected: 5_003 }),
            (5_002, at(71), Follows::Hole { expected: 5_003 }),
        ] {
            let mut numbering = Numbering::default();
            assert_eq!(numbering.take(5_002, at(70)), Follows::Next);
            assert_eq!(numbering.take(number, time), expect, "{number} at {time:?}");
        }
    }

    #[test]
    fn whatever_begins_again_goes_on_from_there() {
        let mut numbering = Numbering::default();
        let taken = [(8, 1), (9, 2), (1, 3), (2, 3), (1, 3), (2, 3), (4, 5), (1, 6)]
            .map(|(number, time)| numbering.take(number, Some(Nanos::new(time))));
        let (next, repeated, hole) = (Follows::Next, Follows::Repeated, |expected| Follows::Hole { expected });
        assert_eq!(taken, [next, next, hole(10), next, repeated, repeated, hole(3), hole(5)]);
        let mut end = Numbering::default();
        let taken =
            [(u64::MAX, 1), (u64::MAX, 1), (0, 2)].map(|(number, time)| end.take(number, Some(Nanos::new(time))));
        assert_eq!(taken, [next, repeated, hole(u64::MAX)]);
    }

    /// A time that was not believed does not keep later numbers from beginning again, nor makes them.
    #[test]
    fn a_time_that_is_not_believed_tells_nothing() {
        let mut numbering = Numbering::default();
        let taken = [(5, Some(10)), (6, None), (5, Some(10)), (6, Some(9)), (1, Some(11))]
            .map(|(number, time)| numbering.take(number, time.map(Nanos::new)));
        let (next, repeated) = (Follows::Next, Follows::Repeated);
        assert_eq!(taken, [next, next, repeated, repeated, Follows::Hole { expected: 7 }]);
    }
}
