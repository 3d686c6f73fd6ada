use super::*;
use proptest::prelude::*;

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_raw(price).unwrap(), qty: Qty::from_raw(qty).unwrap(), orders: 0 }
}

fn snapshot(levels_max: usize, bids: &[i64], asks: &[i64]) -> Book {
    let mut book = Book::new(levels_max);
    for &price in bids {
        book.set(Side::Bid, level(price, 1));
    }
    for &price in asks {
        book.set(Side::Ask, level(price, 1));
    }
    book.complete_snapshot();
    book
}

fn prices(book: &Book, side: Side, levels: usize) -> Vec<i64> {
    book.depth(side, levels).map(|level| level.price.raw()).collect()
}

fn to(price: i64) -> Known {
    Known::To(Price::from_raw(price).unwrap())
}

#[test]
fn answers_stop_where_the_snapshot_stopped() {
    let mut book = snapshot(10, &[98, 99, 97], &[101, 103]);
    book.set(Side::Bid, level(90, 5));
    book.set(Side::Ask, level(104, 5));
    assert_eq!(prices(&book, Side::Bid, 10), [99, 98, 97]);
    assert_eq!(prices(&book, Side::Ask, 10), [101, 103]);
    assert_eq!(prices(&book, Side::Bid, 2), [99, 98]);
    assert_eq!((book.known_to(Side::Bid), book.known_to(Side::Ask)), (to(97), to(103)));
}

#[test]
fn a_new_level_inside_is_known_and_a_removed_one_gone() {
    let mut book = snapshot(10, &[99, 97], &[101]);
    book.set(Side::Bid, level(98, 2));
    book.set(Side::Bid, level(99, 0));
    assert_eq!(prices(&book, Side::Bid, 10), [98, 97]);
    assert_eq!(book.top().bid, Some(level(98, 2)));
}

#[test]
fn forgetting_a_known_level_moves_the_end_inwards() {
    let mut book = snapshot(3, &[99, 98, 97], &[101]);
    book.set(Side::Bid, level(100, 1));
    assert_eq!(book.known_to(Side::Bid), to(98));
    book.set(Side::Bid, level(97, 7));
    assert_eq!(prices(&book, Side::Bid, 10), [100, 99, 98], "the forgotten price does not come back as known");
    book.set(Side::Bid, level(100, 0));
    book.set(Side::Bid, level(99, 0));
    book.set(Side::Bid, level(96, 1));
    assert_eq!(prices(&book, Side::Bid, 10), [98]);
}

#[test]
fn an_unknown_book_answers_nothing() {
    let mut book = Book::new(10);
    book.set(Side::Bid, level(99, 1));
    assert_eq!(book.top(), Top::default());
    assert_eq!(book.known_to(Side::Bid), Known::Nothing);
    book = snapshot(10, &[99], &[]);
    assert_eq!(book.known_to(Side::Ask), Known::All);
    book.set(Side::Ask, level(500, 1));
    assert_eq!(book.top().ask, Some(level(500, 1)), "an empty side of a snapshot was complete");
    book.clear();
    assert_eq!(book.top(), Top::default());
}

#[test]
fn a_side_thins_out_when_less_than_a_tenth_of_the_snapshot_is_left() {
    let bids: Vec<i64> = (1..=20).collect();
    let mut book = snapshot(100, &bids, &[50]);
    for price in 3..=20 {
        book.set(Side::Bid, level(price, 0));
    }
    assert!(!book.is_too_thin(), "two of twenty");
    book.set(Side::Bid, level(2, 0));
    assert!(book.is_too_thin(), "one of twenty");
    let mut one = snapshot(100, &[1], &[]);
    assert!(!one.is_too_thin());
    one.set(Side::Bid, level(1, 0));
    assert!(one.is_too_thin(), "whatever lies below the only known level is unknown");
}

/// The naive twin: every level ever set, and the venue's truth beside it.
#[derive(Default)]
struct Twin {
    levels: Vec<(i64, i64)>,
}

impl Twin {
    fn set(&mut self, price: i64, qty: i64) {
        self.levels.retain(|&(at, _)| at != price);
        if qty > 0 {
            self.levels.push((price, qty));
        }
    }

    fn best_bids(&self) -> Vec<(i64, i64)> {
        let mut sorted = self.levels.clone();
        sorted.sort_by_key(|&(price, _)| -price);
        sorted
    }
}

proptest! {
    /// Whatever is forgotten, what the book shows as known is exactly the venue's best levels.
    #[test]
    fn known_levels_are_the_venues_best(
        first in proptest::collection::vec((1i64..60, 1i64..9), 1..30),
        snapshot_depth in 1usize..20,
        changes in proptest::collection::vec((1i64..60, 0i64..3), 0..200),
        levels_max in 20usize..30,
    ) {
        let mut venue = Twin::default();
        for (price, qty) in first {
            venue.set(price, qty);
        }
        let mut book = Book::new(levels_max);
        for &(price, qty) in venue.best_bids().iter().take(snapshot_depth) {
            book.set(Side::Bid, level(price, qty));
        }
        book.complete_snapshot();
        for (price, qty) in changes {
            venue.set(price, qty);
            book.set(Side::Bid, level(price, qty));
            let shown: Vec<_> = book.depth(Side::Bid, 100).map(|l| (l.price.raw(), l.qty.raw())).collect();
            prop_assert_eq!(&shown[..], &venue.best_bids()[..shown.len()]);
            prop_assert!(book.levels(Side::Bid).count() <= levels_max);
            let mut restored = Book::new(levels_max);
            let all: Vec<_> = book.levels(Side::Bid).collect();
            restored.restore(Side::Bid, &all, book.known_to(Side::Bid), book.snapshot_levels(Side::Bid));
            prop_assert!(restored.depth(Side::Bid, 100).eq(book.depth(Side::Bid, 100)));
            prop_assert_eq!(restored.is_too_thin(), book.is_too_thin());
        }
    }
}
