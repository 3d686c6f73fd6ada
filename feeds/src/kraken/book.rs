//! The book that a checksum is over, with the digits that the venue wrote.

use super::codec::BookLevel;
use super::{Depth, Written};
use crc32fast::Hasher;
use std::collections::BTreeMap;
use tidegate_core::Side;

/// Levels of each side that the checksum covers, whatever depth is subscribed.
pub const CHECKED_LEVELS: usize = 10;

/// One symbol's book, to the subscribed depth.
#[derive(Clone, Debug)]
pub struct ChecksumBook {
    depth: usize,
    /// By side, then rank, which is smaller for a better price.
    sides: [BTreeMap<i128, BookLevel>; 2],
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
            let rank = rank(level.side, level.price);
            if level.qty.digits() == 0 {
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
                put_digits(price.digits(), &mut hasher);
                put_digits(qty.digits(), &mut hasher);
            }
        }
        hasher.finalize()
    }
}

fn rank(side: Side, price: Written) -> i128 {
    match side {
        Side::Bid => -price.rank(),
        Side::Ask => price.rank(),
    }
}

fn put_digits(number: u64, hasher: &mut Hasher) {
    let mut rest = number;
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    hasher.update(&digits[start..]);
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
