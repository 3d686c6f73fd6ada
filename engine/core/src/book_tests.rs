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
    assert_eq!((book.known_to(Side::Bid), book.is_known()), (Known::Nothing, false));
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

#[test]
fn the_other_side_and_the_tick_extend_what_is_known() {
    let mut book = snapshot(50, &[99, 98], &[101, 102, 103]);
    for price in [99, 98] {
        book.set(Side::Bid, level(price, 0));
    }
    book.set(Side::Ask, level(95, 1));
    book.set(Side::Bid, level(94, 1));
    book.set(Side::Bid, level(92, 1));
    assert!(book.is_exhausted());
    book.settle(None);
    assert_eq!(book.known_to(Side::Bid), to(95), "no bid stands at or above an ask");
    assert!(book.is_exhausted(), "without a tick a bid at 94.5 is possible");
    book.settle(Price::from_raw(1));
    assert_eq!(prices(&book, Side::Bid, 9), [94], "93 may stand unseen, so 92 is not the second bid");
    assert!(!book.is_exhausted());
    book.set(Side::Bid, level(94, 0));
    assert!(book.is_exhausted());
}

/// The venue's book: every level, both sides, never crossed.
#[derive(Default)]
struct Venue {
    sides: [std::collections::BTreeMap<i64, i64>; 2],
}

impl Venue {
    /// Sets a level; what it crosses on the other side has traded away. Returns every level changed.
    fn set(&mut self, side: Side, price: i64, qty: i64) -> Vec<(Side, i64, i64)> {
        let mut changes = vec![(side, price, qty)];
        let [bids, asks] = &mut self.sides;
        let (mine, others, other) = if side == Side::Bid { (bids, asks, Side::Ask) } else { (asks, bids, Side::Bid) };
        mine.remove(&price);
        if qty > 0 {
            mine.insert(price, qty);
            let is_crossed = |at: i64| if side == Side::Bid { at <= price } else { at >= price };
            changes.extend(others.keys().filter(|&&at| is_crossed(at)).map(|&at| (other, at, 0)));
            others.retain(|&at, _| !is_crossed(at));
        }
        changes
    }

    fn best(&self, side: Side) -> Vec<(i64, i64)> {
        let levels = self.sides[usize::from(side.code())].iter().map(|(&price, &qty)| (price, qty));
        if side == Side::Bid { levels.rev().collect() } else { levels.collect() }
    }
}

fn side_of(is_bid: bool) -> Side {
    if is_bid { Side::Bid } else { Side::Ask }
}

proptest! {
    /// Whatever lies beyond the snapshot, whatever is forgotten, and wherever the market moves: what the
    /// book shows as known is exactly the venue's best levels.
    #[test]
    fn known_levels_are_the_venues_best(
        first in proptest::collection::vec((any::<bool>(), 1i64..80, 1i64..9), 1..60),
        snapshot_depth in 1usize..20,
        changes in proptest::collection::vec((any::<bool>(), 1i64..80, 0i64..3), 0..200),
        levels_max in 20usize..30,
        has_tick in any::<bool>(),
    ) {
        let tick = if has_tick { Price::from_raw(1) } else { None };
        let mut venue = Venue::default();
        for (is_bid, price, qty) in first {
            venue.set(side_of(is_bid), price, qty);
        }
        let mut book = Book::new(levels_max);
        for side in Side::BOTH {
            for &(price, qty) in venue.best(side).iter().take(snapshot_depth) {
                book.set(side, level(price, qty));
            }
        }
        book.complete_snapshot();
        for (is_bid, price, qty) in changes {
            for (side, price, qty) in venue.set(side_of(is_bid), price, qty) {
                book.set(side, level(price, qty));
            }
            book.settle(tick);
            for side in Side::BOTH {
                let shown: Vec<_> = book.depth(side, 100).map(|l| (l.price.raw(), l.qty.raw())).collect();
                prop_assert_eq!(&shown[..], &venue.best(side)[..shown.len()]);
                prop_assert!(book.levels(side).count() <= levels_max);
                let mut restored = Book::new(levels_max);
                let all: Vec<_> = book.levels(side).collect();
                restored.restore(side, &all, book.known_to(side), book.snapshot_levels(side));
                prop_assert!(restored.depth(side, 100).eq(book.depth(side, 100)));
                prop_assert_eq!(restored.side(side).known_count, book.side(side).known_count);
            }
        }
    }
}
