use super::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeMap;

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_raw(price).unwrap(), qty: Qty::from_raw(qty).unwrap(), orders: 0 }
}

fn snapshot(levels_max: usize, bids: &[i64], asks: &[i64]) -> Book {
    let mut book = Book::new(levels_max, None);
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
fn a_side_that_ends_with_its_snapshot_is_known_to_its_end() {
    let mut book = snapshot(4, &[99, 98], &[101, 102, 103, 104]);
    Side::BOTH.into_iter().for_each(|side| book.end_snapshot(side));
    assert_eq!((book.known_to(Side::Bid), book.known_to(Side::Ask)), (Known::All, to(104)), "asks may be cut off");
    book.set(Side::Bid, level(90, 5));
    assert_eq!(prices(&book, Side::Bid, 10), [99, 98, 90]);
    for price in [99, 98, 90] {
        book.set(Side::Bid, level(price, 0));
    }
    assert!(!book.is_too_thin() && !book.is_exhausted(), "an empty side is as it should be");
    for price in 90..95 {
        book.set(Side::Bid, level(price, 1));
    }
    assert_eq!(book.known_to(Side::Bid), to(91), "what is forgotten is not known");
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
    let mut book = Book::new(10, None);
    book.set(Side::Bid, level(99, 1));
    assert_eq!(book.top(), Top::default());
    assert_eq!((book.known_to(Side::Bid), book.is_known()), (Known::Nothing, false));
    book.restore(Side::Bid, &[level(99, 1)], to(99), 1);
    assert!(!book.is_known(), "one side alone is no book");
    book.restore(Side::Ask, &[], Known::All, 0);
    assert!(book.is_known());
    book = snapshot(10, &[99], &[]);
    assert_eq!(book.known_to(Side::Ask), Known::All);
    book.set(Side::Ask, level(500, 1));
    assert_eq!(book.top().ask, Some(level(500, 1)), "an empty side of a snapshot was complete");
    book.clear();
    assert_eq!(book.top(), Top::default());
}

#[test]
fn whatever_changes_a_book_is_noticed_and_looking_changes_nothing() {
    let mut book = snapshot(10, &[99], &[101]);
    let changes: [fn(&mut Book); 6] = [
        |book| book.set(Side::Ask, level(101, 2)),
        |book| book.settle(),
        |book| book.complete_snapshot(),
        |book| book.end_snapshot(Side::Bid),
        |book| book.retick(Price::from_raw(1)),
        |book| book.clear(),
    ];
    for change in changes {
        book.note_shown();
        let _ = (book.top(), book.depth(Side::Bid, 9).count(), book.is_too_thin(), book.known_to(Side::Ask));
        assert!(!book.is_changed());
        change(&mut book);
        assert!(book.is_changed());
    }
}

#[test]
fn a_tick_of_zero_is_none() {
    let mut book = Book::new(10, Some(Price::ZERO));
    book.set(Side::Bid, level(99, 1));
    book.retick(Some(Price::ZERO));
    book.complete_snapshot();
    book.set(Side::Bid, level(98, 1));
    book.settle();
    assert_eq!((prices(&book, Side::Bid, 9), book.is_off_tick()), (vec![99], false), "nothing follows from it");
}

#[test]
fn a_side_has_a_window_from_the_depth_on_that_it_is_told() {
    let sizes = Sizes { levels_max: 100, window_from: 4, window_ticks: 128 };
    let mut book = Book::with_sizes(sizes, Price::from_raw(1));
    for (price, has_window) in [(1, false), (2, false), (3, false), (4, false), (5, true), (6, true)] {
        book.set(Side::Ask, level(price, 1));
        assert_eq!(book.side(Side::Ask).has_window(), has_window, "{price}");
    }
    assert!(!book.side(Side::Bid).has_window());
}

/// Wherever the window of a side ends, levels that follow tick by tick carry on what is known.
#[test]
fn the_end_of_the_window_is_not_that_of_what_is_known() {
    for last in 30..200 {
        for side in Side::BOTH {
            let at = |distance: i64| if side == Side::Ask { 1_000 + distance } else { 1_000 - distance };
            let sizes = Sizes { levels_max: 400, window_from: 4, window_ticks: 128 };
            let mut book = Book::with_sizes(sizes, Price::from_raw(1));
            (0..last).for_each(|distance| book.set(side, level(at(distance), 1)));
            book.complete_snapshot();
            book.set(side, level(at(last), 1));
            book.set(side, level(at(last + 2), 1));
            book.settle();
            assert_eq!(book.known_to(side), to(at(last)), "{side:?}");
        }
    }
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
    assert_eq!(book.known_to(Side::Bid), to(98));
    for price in [99, 98] {
        book.set(Side::Bid, level(price, 0));
    }
    book.set(Side::Ask, level(95, 1));
    book.set(Side::Bid, level(94, 1));
    book.set(Side::Bid, level(92, 1));
    assert!(book.is_exhausted());
    book.settle();
    assert_eq!(book.known_to(Side::Bid), to(95), "no bid stands at or above an ask");
    assert!(book.is_exhausted(), "without a tick a bid at 94.5 is possible");
    book.retick(Price::from_raw(1));
    book.settle();
    assert_eq!(prices(&book, Side::Bid, 9), [94], "93 may stand unseen, so 92 is not the second bid");
    assert!(!book.is_exhausted());
    book.set(Side::Bid, level(94, 0));
    assert!(book.is_exhausted());
}

/// A tick of 5 becomes one of 10 while the bids are known to 1305: whether one stands at 1300 was never seen.
#[test]
fn an_end_between_two_ticks_is_not_carried_on() {
    let sizes = Sizes { levels_max: 100, window_from: 4, window_ticks: 128 };
    let mut book = Book::with_sizes(sizes, Price::from_raw(5));
    for price in (131..=200).map(|tens| tens * 10).chain([1305]) {
        book.set(Side::Bid, level(price, 1));
    }
    book.complete_snapshot();
    book.set(Side::Bid, level(1305, 0));
    book.set(Side::Bid, level(1290, 1));
    book.retick(Price::from_raw(10));
    book.set(Side::Bid, level(2010, 1));
    assert!(book.side(Side::Bid).has_window());
    book.settle();
    assert_eq!((book.known_to(Side::Bid), book.side(Side::Bid).known_count()), (to(1305), 71));
}

/// The venue's book: every level, both sides, never crossed.
#[derive(Default)]
struct Venue {
    sides: [BTreeMap<i64, i64>; 2],
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
        first in proptest::collection::vec((any::<bool>(), 1i64..800, 1i64..9), 1..60),
        snapshot_depth in 1usize..20,
        changes in proptest::collection::vec((any::<bool>(), 1i64..800, 0i64..3), 0..200),
        levels_max in 20usize..30,
        has_tick in any::<bool>(),
    ) {
        let tick = if has_tick { Price::from_raw(1) } else { None };
        let mut venue = Venue::default();
        for (is_bid, price, qty) in first {
            venue.set(side_of(is_bid), price, qty);
        }
        let sizes = Sizes { levels_max, window_from: 4, window_ticks: 128 };
        let mut book = Book::with_sizes(sizes, tick);
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
            book.settle();
            for side in Side::BOTH {
                let shown: Vec<_> = book.depth(side, 100).map(|l| (l.price.raw(), l.qty.raw())).collect();
                prop_assert_eq!(&shown[..], &venue.best(side)[..shown.len()]);
                prop_assert!(book.levels(side).count() <= levels_max);
                let mut restored = Book::with_sizes(sizes, tick);
                let all: Vec<_> = book.levels(side).collect();
                restored.restore(side, &all, book.known_to(side), book.snapshot_levels(side));
                prop_assert!(restored.depth(side, 100).eq(book.depth(side, 100)));
                prop_assert_eq!(restored.side(side).known_count(), book.side(side).known_count());
            }
        }
    }
}

/// The naive twin of a ladder: a tree keyed by rank, and nothing clever.
struct Twin {
    side: Side,
    levels_max: usize,
    levels: BTreeMap<i64, (Qty, u32)>,
    known_to: Known,
    known_count: usize,
    snapshot_levels: u32,
}

impl Twin {
    fn new(side: Side, levels_max: usize) -> Twin {
        let (known_to, known_count, snapshot_levels) = (Known::Nothing, 0, 0);
        Twin { side, levels_max, levels: BTreeMap::new(), known_to, known_count, snapshot_levels }
    }

    fn rank(&self, price: Price) -> i64 {
        if self.side == Side::Bid { -price.raw() } else { price.raw() }
    }

    fn level(&self, rank: i64, (qty, orders): (Qty, u32)) -> Level {
        let raw = if self.side == Side::Bid { -rank } else { rank };
        Level { price: Price::from_raw(raw).unwrap(), qty, orders }
    }

    fn known_rank(&self) -> Option<i64> {
        match self.known_to {
            Known::Nothing => None,
            Known::To(price) => Some(self.rank(price)),
            Known::All => Some(i64::MAX),
        }
    }

    fn is_known(&self, rank: i64) -> bool {
        self.known_rank().is_some_and(|known| rank <= known)
    }

    fn set(&mut self, level: Level) {
        let rank = self.rank(level.price);
        let is_there = level.qty != Qty::ZERO;
        let was_there = if is_there {
            self.levels.insert(rank, (level.qty, level.orders)).is_some()
        } else {
            self.levels.remove(&rank).is_some()
        };
        if self.is_known(rank) {
            self.known_count = self.known_count + usize::from(is_there) - usize::from(was_there);
        }
        if self.levels.len() > self.levels_max {
            let (forgotten, _) = self.levels.pop_last().unwrap();
            if self.is_known(forgotten) {
                self.known_count -= 1;
                self.known_to = self.worst().map_or(Known::Nothing, |worst| Known::To(worst.price));
            }
        }
    }

    fn clear(&mut self) {
        *self = Twin::new(self.side, self.levels_max);
    }

    fn complete_snapshot(&mut self) {
        self.known_to = self.worst().map_or(Known::All, |worst| Known::To(worst.price));
        self.known_count = self.levels.len();
        self.snapshot_levels = self.known_count as u32;
    }

    fn worst(&self) -> Option<Level> {
        self.levels.last_key_value().map(|(&rank, &value)| self.level(rank, value))
    }

    fn best(&self) -> Option<Level> {
        self.all().into_iter().next().filter(|_| self.known_to != Known::Nothing)
    }

    fn extend(&mut self, other: Option<Level>, tick: Option<Price>) {
        let Known::To(price) = self.known_to else { return };
        let mut end = self.rank(price).max(other.map_or(i64::MIN, |other| self.rank(other.price)));
        if let Some(tick) = tick {
            while self.levels.contains_key(&(end + tick.raw())) {
                end += tick.raw();
                self.known_count += 1;
            }
        }
        self.known_to = Known::To(self.level(end, (Qty::ZERO, 0)).price);
    }

    fn shrink_to(&mut self, other: Option<Level>) {
        if let (Known::To(_), Some(other)) = (self.known_to, other) {
            self.known_to = Known::To(other.price);
            self.known_count = self.known().len();
        }
    }

    fn restore(&mut self, levels: &[Level], known_to: Known, snapshot_levels: u32) {
        self.clear();
        for &level in levels {
            self.set(level);
        }
        self.known_to = match (known_to, self.worst()) {
            (Known::To(_) | Known::All, Some(worst)) if self.levels.len() < levels.len() => Known::To(worst.price),
            _ => known_to,
        };
        self.known_count = self.known().len();
        self.snapshot_levels = snapshot_levels;
    }

    fn all(&self) -> Vec<Level> {
        self.levels.iter().map(|(&rank, &value)| self.level(rank, value)).collect()
    }

    fn known(&self) -> Vec<Level> {
        self.all().into_iter().filter(|level| self.is_known(self.rank(level.price))).collect()
    }

    #[track_caller]
    fn assert_same(&self, book: &Book) {
        let ladder = book.side(self.side);
        assert!(book.levels(self.side).eq(self.all()), "{ladder:?}");
        assert!(book.depth(self.side, usize::MAX).eq(self.known()), "{ladder:?}");
        let mut filled = [level(1, 1); 48];
        for room in [0, 1, 5, 48] {
            let count = book.fill(self.side, &mut filled[..room]);
            let expect = self.known().into_iter().take(room);
            assert!(filled[..count].iter().copied().eq(expect), "{room} filled otherwise: {ladder:?}");
        }
        assert!(ladder.is_well_placed(), "{ladder:?}");
        let got = (ladder.known_to(), ladder.known_count(), ladder.snapshot_levels(), ladder.best());
        assert_eq!(got, (self.known_to, self.known_count, self.snapshot_levels, self.best()));
        let known_to_a_price = matches!(self.known_to, Known::To(_));
        assert_eq!(ladder.is_exhausted(), known_to_a_price && self.known_count == 0);
        assert_eq!(ladder.is_too_thin(), known_to_a_price && self.known_count * 10 < self.snapshot_levels as usize);
    }
}

/// What random operations keep to.
struct Course {
    span: i64,
    /// Below zero stand as many of its prices.
    below: i64,
    /// Every price is a multiple of it, but for a few that show the book that it is wrong.
    tick: i64,
    /// The book believes in the tick.
    has_tick: bool,
}

/// One random operation on a book and its twin: mostly changes, some of them of a whole book.
fn operate(rng: &mut Pcg64Mcg, course: &mut Course, book: &mut Book, [bids, asks]: &mut [Twin; 2]) {
    let is_crossed = |bids: &Twin, asks: &Twin| Top { bid: bids.best(), ask: asks.best() }.is_crossed();
    let Course { span, below, tick, .. } = *course;
    match rng.random_range(0..1_000) {
        0..10 => {
            book.clear();
            bids.clear();
            asks.clear();
        }
        10..40 => {
            book.complete_snapshot();
            bids.complete_snapshot();
            asks.complete_snapshot();
        }
        40..210 => {
            book.settle();
            if !is_crossed(bids, asks) {
                let tick = Price::from_raw(tick).filter(|_| course.has_tick);
                let (bid, ask) = (bids.best(), asks.best());
                bids.extend(ask, tick);
                asks.extend(bid, tick);
            }
        }
        210..212 => {
            let (bid, ask) = (bids.best(), asks.best());
            course.tick = rng.random_range(1..4);
            let tick = course.tick;
            book.retick(Price::from_raw(tick));
            bids.shrink_to(ask);
            asks.shrink_to(bid);
            let is_off = |level: &Level| level.price.raw() % tick != 0;
            course.has_tick = ![bids.all(), asks.all()].concat().iter().any(is_off);
            assert_eq!(book.is_off_tick(), !course.has_tick);
        }
        212 if tick > 1 && course.has_tick => {
            course.has_tick = false;
            let (bid, ask) = (bids.best(), asks.best());
            let level = level_of((span / 2 - below) * tick + 1, rng.random_range(0..2), 0);
            book.set(Side::Bid, level);
            bids.shrink_to(ask);
            asks.shrink_to(bid);
            bids.set(level);
        }
        213..223 => {
            let twin = if rng.random() { bids } else { asks };
            let (mut levels, known_to, snapshot_levels) = (twin.all(), twin.known_to, rng.random_range(0..50));
            let beyond = levels.last().map_or((span - below) * tick, |level| level.price.raw());
            let step = if twin.side == Side::Bid { -tick } else { tick };
            levels.extend((1..rng.random_range(1..6)).map(|n| level_of(beyond + n * step, 1, 0)));
            book.restore(twin.side, &levels, known_to, snapshot_levels);
            twin.restore(&levels, known_to, snapshot_levels);
        }
        _ => {
            // Bids mostly below asks, so that most of the time the book is not crossed.
            let is_bid = rng.random();
            let middle = if is_bid { 0 } else { span - span / 8 };
            let price = (middle - below + rng.random_range(0..span)) * tick;
            let level = level_of(price, rng.random_range(0..4), rng.random_range(0..3));
            let twin = if is_bid { bids } else { asks };
            book.set(twin.side, level);
            twin.set(level);
        }
    }
}

fn level_of(price: i64, qty: i64, orders: u32) -> Level {
    Level { orders, ..level(price, qty) }
}

/// Whatever happens to it, a book comes to what a tree comes to: without a tick, and with one under windows so
/// small that the market runs out of them all the time.
#[test]
fn a_book_equals_its_naive_twin() {
    let count = crate::cases::count(2_000_000, 20_000_000);
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    let (mut book, mut twins) = (Book::new(0, None), Side::BOTH.map(|side| Twin::new(side, 0)));
    let mut course = Course { span: 1, below: 0, tick: 1, has_tick: false };
    let mut windows = 0u64;
    for case in 0..count {
        if case % 500 == 0 {
            let levels_max = rng.random_range(0..40);
            let span = rng.random_range(4..1_000);
            let below = if rng.random() { rng.random_range(0..span) } else { 0 };
            course = Course { span, below, tick: rng.random_range(1..4), has_tick: rng.random() };
            let sizes =
                Sizes { levels_max, window_from: rng.random_range(0..10), window_ticks: 128 << rng.random_range(0..2) };
            book = Book::with_sizes(sizes, Price::from_raw(course.tick).filter(|_| course.has_tick));
            twins = Side::BOTH.map(|side| Twin::new(side, levels_max));
        }
        operate(&mut rng, &mut course, &mut book, &mut twins);
        twins.iter().for_each(|twin| twin.assert_same(&book));
        windows += u64::from(book.side(Side::Bid).has_window());
    }
    assert!(windows > count / 4 && windows < count, "{windows} of {count}");
    println!("{count} operations on a book and its twin, {windows} of them with a window: 0 differences");
}
