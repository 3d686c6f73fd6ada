//! How Binance numbers the changes of a book, and what makes a hole.

use super::Market;

/// The numbers of one depth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// `U`: first update id in the message.
    pub first: u64,
    /// `u`: last update id in the message.
    pub last: u64,
    /// `pu`: last update id of the message before it; futures only.
    pub previous: Option<u64>,
}

/// What to do with a depth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Already contained in the book.
    Stale,
    /// The next change.
    Apply,
    /// Something between the book and this message is missing.
    Gap,
}

impl Market {
    /// Judges the first message after a snapshot whose `lastUpdateId` is `snapshot`.
    ///
    /// Spot, "How to manage a local order book correctly", steps 5 and 7: drop `u <= lastUpdateId`; the
    /// first kept must contain `lastUpdateId + 1`.
    ///
    /// Futures, steps 4 and 5: drop `u < lastUpdateId`; the first kept has `U <= lastUpdateId <= u`.
    /// Futures ids skip numbers, and nothing changes between `pu` and `U`: a snapshot taken there is the
    /// book at `pu`, so `pu <= lastUpdateId <= u` is what continuity needs.
    pub fn judge_first(self, snapshot: u64, message: Numbers) -> Verdict {
        match self {
            Market::Spot => self.judge_next(snapshot, message),
            Market::UsdM | Market::CoinM if message.last < snapshot => Verdict::Stale,
            Market::UsdM | Market::CoinM => {
                let reaches_back = message.first <= snapshot || message.previous.is_some_and(|pu| pu <= snapshot);
                if reaches_back { Verdict::Apply } else { Verdict::Gap }
            }
        }
    }

    /// Judges a message when the book stands at update id `last`.
    ///
    /// Spot, step 7: `u <= last` is ignored; `U > last + 1` is a hole. Futures, step 6: `pu` equals `last`,
    /// or there is a hole; a message that ends at or before `last` is a repetition.
    pub fn judge_next(self, last: u64, message: Numbers) -> Verdict {
        if message.last <= last {
            return Verdict::Stale;
        }
        let continues = match self {
            Market::Spot => message.first <= last.saturating_add(1),
            Market::UsdM | Market::CoinM => message.previous == Some(last),
        };
        if continues { Verdict::Apply } else { Verdict::Gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Apply, Gap, Stale};

    fn numbers(first: u64, last: u64, previous: Option<u64>) -> Numbers {
        Numbers { first, last, previous }
    }

    #[test]
    fn spot_first_must_contain_the_next_id() {
        for (first, last, expect) in
            [(90, 99, Stale), (90, 100, Stale), (95, 105, Apply), (101, 105, Apply), (102, 105, Gap)]
        {
            assert_eq!(Market::Spot.judge_first(100, numbers(first, last, None)), expect, "{first}..{last}");
        }
    }

    #[test]
    fn spot_next_follows_without_a_hole() {
        for (first, last, expect) in [(101, 101, Apply), (99, 101, Apply), (99, 100, Stale), (102, 103, Gap)] {
            assert_eq!(Market::Spot.judge_next(100, numbers(first, last, None)), expect, "{first}..{last}");
        }
    }

    #[test]
    fn futures_first_reaches_back_to_the_snapshot() {
        for (first, last, previous, expect) in [
            (80, 99, 70, Stale),
            (90, 100, 80, Apply),
            (90, 120, 80, Apply),
            (110, 120, 100, Apply),
            (110, 120, 95, Apply),
            (110, 120, 101, Gap),
        ] {
            for market in [Market::UsdM, Market::CoinM] {
                let message = numbers(first, last, Some(previous));
                assert_eq!(market.judge_first(100, message), expect, "{first}..{last} after {previous}");
            }
        }
    }

    #[test]
    fn futures_next_names_its_predecessor() {
        for (first, last, previous, expect) in [
            (150, 160, Some(100), Apply),
            (101, 160, Some(99), Gap),
            (101, 160, Some(101), Gap),
            (101, 160, None, Gap),
            (90, 100, Some(80), Stale),
        ] {
            assert_eq!(Market::UsdM.judge_next(100, numbers(first, last, previous)), expect);
        }
    }
}
