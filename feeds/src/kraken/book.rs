//! The book that a checksum is over, with the digits that the venue wrote.

use super::Depth;
use super::codec::BookLevel;
use crc32fast::Hasher;
use std::collections::BTreeMap;
use tidegate_core::{Price, Qty, Side};

/// Levels of each side that the checksum covers, whatever depth is subscribed.
pub const CHECKED_LEVELS: usize = 10;

/// One symbol's book, to the subscribed depth.
#[derive(Clone, Debug)]
pub struct ChecksumBook {
    depth: usize,
    /// By side, then rank, which is smaller for a better price.
    sides: [BTreeMap<i64, BookLevel>; 2],
}

impl ChecksumBook {
    /// An empty book.
    pub fn new(depth: Depth) -> ChecksumBook {
        ChecksumBook { depth: depth.levels(), sides: Default::default() }
    }

    /// Applies the levels of one message. "After each update, truncate your book to the subscribed depth": no
    /// change tells that a level has left it.
    pub fn apply(&mut self, levels: &[BookLevel]) {
        for level in levels {
            let side = &mut self.sides[usize::from(level.side.code())];
            let rank = rank(level.side, level.price.value);
            if level.qty.value == Qty::ZERO {
                side.remove(&rank);
            } else {
                side.insert(rank, *level);
            }
        }
        for side in &mut self.sides {
            while side.len() > self.depth {
                side.pop_last();
            }
        }
    }

    /// The levels of a side that the checksum covers, best first.
    pub fn checked(&self, side: Side) -> impl ExactSizeIterator<Item = &BookLevel> {
        self.sides[usize::from(side.code())].values().take(CHECKED_LEVELS)
    }

    /// CRC-32 of the digits of price and quantity, without point and leading zeros: the best ten asks, then
    /// the best ten bids, each best first.
    pub fn checksum(&self) -> u32 {
        let mut hasher = Hasher::new();
        for side in [Side::Ask, Side::Bid] {
            for BookLevel { price, qty, .. } in self.checked(side) {
                put_digits(price.value.raw(), Price::SCALE, price.decimals, &mut hasher);
                put_digits(qty.value.raw(), Qty::SCALE, qty.decimals, &mut hasher);
            }
        }
        hasher.finalize()
    }
}

fn rank(side: Side, price: Price) -> i64 {
    match side {
        Side::Bid => -price.raw(),
        Side::Ask => price.raw(),
    }
}

/// Hashes the text that `raw · 10^-scale` was read from: an integer of so many decimals, its digits.
fn put_digits(raw: i64, scale: u8, decimals: u8, hasher: &mut Hasher) {
    let mut rest = raw.unsigned_abs() / 10u64.pow(u32::from(scale.saturating_sub(decimals)));
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    hasher.update(&digits[start..]);
    // Decimals beyond the scale can only be zeros.
    for _ in scale..decimals {
        hasher.update(b"0");
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
