//! A side of a book in steps of price.

use crate::wire::{decimal_text, to_decimal};
use rust_decimal::Decimal;
use tidegate_core::{Instrument, Level, Price, Qty, Side};

/// What waits between two steps of price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Its end that is further from the touch, included; a multiple of the step.
    pub price: Price,
    /// A sum of quantities, in their units: it may be larger than one quantity can.
    qty: i128,
}

impl Bucket {
    /// The quantity, as a quantity is written.
    pub(super) fn qty_text(&self, instrument: &Instrument) -> String {
        let decimals = |qty: Qty| to_decimal(qty.raw(), Qty::SCALE).normalize().scale();
        let decimals = instrument.lot.map_or(u32::from(instrument.qty_decimals), decimals);
        // Thousands of quantities of 18 digits fit the 28 of a decimal.
        let qty = Decimal::try_from_i128_with_scale(self.qty, u32::from(Qty::SCALE)).unwrap_or(Decimal::MAX);
        decimal_text(qty, decimals)
    }
}

/// The best `count` buckets that hold anything, best first. The last is left out where it reaches beyond `known_to`:
/// there may be more in it.
pub(super) fn buckets(side: Side, levels: &[Level], known_to: Option<Price>, step: Price, count: usize) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for level in levels {
        let Some(price) = far_end(side, level.price, step) else { break };
        let qty = i128::from(level.qty.raw());
        if let Some(last) = buckets.last_mut().filter(|last| last.price == price) {
            last.qty += qty;
        } else if buckets.len() == count {
            break;
        } else {
            buckets.push(Bucket { price, qty });
        }
    }
    let is_cut = |bucket: &Bucket| match (side, known_to) {
        (_, None) => false,
        (Side::Bid, Some(known_to)) => bucket.price < known_to,
        (Side::Ask, Some(known_to)) => bucket.price > known_to,
    };
    buckets.pop_if(|last| is_cut(last));
    buckets
}

/// Bids are counted down to a step, asks up to one; `None` beyond the range of prices.
fn far_end(side: Side, price: Price, step: Price) -> Option<Price> {
    let floor = price.raw() - price.raw().rem_euclid(step.raw());
    Price::from_raw(match side {
        Side::Ask if floor != price.raw() => floor.checked_add(step.raw())?,
        _ => floor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::btcusdt;

    fn price(text: &str) -> Price {
        Price::parse(text.as_bytes()).unwrap().value
    }

    /// Levels of these prices, of quantity 1, 2, 3, ….
    fn levels(prices: &[&str]) -> Vec<Level> {
        let level = |(at, text): (usize, &&str)| {
            let qty = Qty::from_raw((at as i64 + 1) * 100_000_000).unwrap();
            Level { price: price(text), qty, orders: 0 }
        };
        prices.iter().enumerate().map(level).collect()
    }

    #[track_caller]
    fn check(side: Side, prices: &[&str], known_to: Option<&str>, count: usize, expect: &[(&str, i64)]) {
        let got = buckets(side, &levels(prices), known_to.map(price), price("5"), count);
        let expect: Vec<Bucket> =
            expect.iter().map(|(at, qty)| Bucket { price: price(at), qty: i128::from(*qty) * 100_000_000 }).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn bids_are_counted_down_and_asks_up_to_the_step() {
        check(Side::Bid, &["99.99", "95", "94.99", "80"], None, 9, &[("95", 3), ("90", 3), ("80", 4)]);
        check(Side::Ask, &["100", "100.01", "105", "119"], None, 9, &[("100", 1), ("105", 5), ("120", 4)]);
        check(Side::Bid, &["99.99", "95", "94.99", "80"], None, 1, &[("95", 3)]);
        check(Side::Bid, &[], None, 9, &[]);
    }

    #[test]
    fn a_bucket_that_is_not_known_whole_is_left_out() {
        check(Side::Bid, &["99", "94"], Some("94"), 9, &[("95", 1)]);
        check(Side::Bid, &["99", "94"], Some("90"), 9, &[("95", 1), ("90", 2)]);
        check(Side::Ask, &["101", "106"], Some("109.99"), 9, &[("105", 1)]);
        check(Side::Ask, &["101", "106"], Some("110"), 9, &[("105", 1), ("110", 2)]);
        check(Side::Ask, &["101"], Some("104"), 9, &[]);
    }

    #[test]
    fn a_sum_may_be_larger_than_a_quantity() {
        let most = Level { price: price("99"), qty: Qty::from_raw(999_999_999_999_999_999).unwrap(), orders: 0 };
        let buckets = buckets(Side::Bid, &[most; 3], None, price("5"), 1);
        assert_eq!(buckets[0].qty_text(&btcusdt()), "29999999999.99999997");
    }
}
