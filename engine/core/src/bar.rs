//! Bars: trades folded into buckets of venue time.

use crate::price::{Price, Qty};
use crate::time::Nanos;
use std::collections::VecDeque;

/// Length of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The name shown to people and written in the `interval` column.
    pub name: &'static str,
    /// Length; buckets are counted from the Unix epoch, so a day is a UTC day.
    pub span: Nanos,
}

const fn interval(name: &'static str, seconds: i64) -> Interval {
    Interval { name, span: Nanos::new(seconds * Nanos::SECOND.raw()) }
}

/// The bars that are kept of every instrument, shortest first.
pub const INTERVALS: [Interval; 9] = [
    interval("1s", 1),
    interval("1m", 60),
    interval("3m", 180),
    interval("5m", 300),
    interval("10m", 600),
    interval("15m", 900),
    interval("30m", 1_800),
    interval("1h", 3_600),
    interval("1d", 86_400),
];

/// Marks on a [`Bar`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BarFlags(u8);

impl BarFlags {
    /// The bar's time is over: only a late trade changes it, as a new revision.
    pub const CLOSED: BarFlags = BarFlags(1);
    /// At least one trade bore no venue time and was counted at its receive time.
    pub const TIME_RECEIVED: BarFlags = BarFlags(2);
    /// Trades are missing: a gap fell into the bar.
    pub const INCOMPLETE: BarFlags = BarFlags(4);

    /// The flags with these bits; `None` where a bit has no meaning.
    pub const fn from_bits(bits: u8) -> Option<BarFlags> {
        if bits < 8 { Some(BarFlags(bits)) } else { None }
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True where every mark of `other` is set.
    pub const fn has(self, other: BarFlags) -> bool {
        self.0 & other.0 == other.0
    }

    fn add(&mut self, other: BarFlags) {
        self.0 |= other.0;
    }
}

/// One bar. Prices are as traded, not adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Start of the bucket, inclusive.
    pub start: Nanos,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price in the order of arrival.
    pub close: Price,
    /// Sum of quantities, in units of 10⁻⁸.
    pub volume: i128,
    /// Number of trades.
    pub trades: u64,
    /// Changes since the bar closed.
    pub revision: u32,
    /// Marks.
    pub flags: BarFlags,
}

impl Bar {
    fn fold(&mut self, price: Price, qty: Qty) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.volume += i128::from(qty.raw());
        self.trades += 1;
        if self.flags.has(BarFlags::CLOSED) {
            self.revision += 1;
        }
    }
}

/// The latest bars of one interval, oldest first, without empty ones.
///
/// Their content is a pure function of the order of trades: the passing of time closes a bar, and
/// never changes what it holds.
#[derive(Clone, Debug)]
pub struct BarSeries {
    span: Nanos,
    bars_max: usize,
    bars: VecDeque<Bar>,
    /// Trades may be missing since the newest bar: the next begins incomplete. So does the very first.
    is_doubtful: bool,
}

impl BarSeries {
    /// An empty series which keeps at most `bars_max` bars.
    pub fn new(interval: Interval, bars_max: usize) -> BarSeries {
        BarSeries { span: interval.span, bars_max, bars: VecDeque::new(), is_doubtful: true }
    }

    /// Counts a trade at venue time `at`; true where a bar began with it. A trade older than the oldest kept bar is not
    /// counted.
    pub fn push(&mut self, at: Nanos, time_received: bool, price: Price, qty: Qty) -> bool {
        // Nearly every trade falls into the newest bar.
        let span = self.span;
        if let Some(newest) = self.bars.back_mut().filter(|bar| bar.start <= at && at < bar.start.plus(span)) {
            newest.fold(price, qty);
            if time_received {
                newest.flags.add(BarFlags::TIME_RECEIVED);
            }
            // Trading goes on in the bar that bears the mark.
            self.is_doubtful = false;
            return false;
        }
        let start = at.floor(span);
        let position = self.bars.iter().rposition(|bar| bar.start <= start);
        let (index, begins) = match position {
            Some(index) if self.bars[index].start == start => {
                self.bars[index].fold(price, qty);
                (index, false)
            }
            _ => {
                let index = position.map_or(0, |index| index + 1);
                if index == 0 && self.bars.len() >= self.bars_max {
                    return false;
                }
                (self.insert(index, start, price, qty), true)
            }
        };
        if time_received {
            self.bars[index].flags.add(BarFlags::TIME_RECEIVED);
        }
        begins
    }

    fn insert(&mut self, mut index: usize, start: Nanos, price: Price, qty: Qty) -> usize {
        let mut bar = Bar {
            start,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: i128::from(qty.raw()),
            trades: 1,
            revision: 0,
            flags: BarFlags::default(),
        };
        if index < self.bars.len() {
            // A bucket that had passed without a trade: it opens closed and already amended. Amid a hole, whose ends
            // bear the mark, it may lack others.
            let lacks = |at: usize| self.bars.get(at).is_some_and(|bar| bar.flags.has(BarFlags::INCOMPLETE));
            if index.checked_sub(1).is_some_and(lacks) && lacks(index) {
                bar.flags.add(BarFlags::INCOMPLETE);
            }
            bar.flags.add(BarFlags::CLOSED);
            bar.revision = 1;
        } else {
            if std::mem::take(&mut self.is_doubtful) {
                bar.flags.add(BarFlags::INCOMPLETE);
            }
            if let Some(previous) = self.bars.back_mut() {
                previous.flags.add(BarFlags::CLOSED);
            }
        }
        // The oldest makes room first, so that the series never grows beyond its bound.
        if self.bars.len() >= self.bars_max {
            self.bars.pop_front();
            index -= 1;
        }
        if self.bars.len() == self.bars.capacity() {
            let capacity = (self.bars.len() * 2).max(4).min(self.bars_max);
            self.bars.reserve_exact(capacity.saturating_sub(self.bars.len()));
        }
        self.bars.insert(index, bar);
        index
    }

    /// Closes the newest bar if its time is over at `now`.
    pub fn close_until(&mut self, now: Nanos) {
        let span = self.span;
        if let Some(bar) = self.bars.back_mut().filter(|bar| bar.start.plus(span) <= now) {
            bar.flags.add(BarFlags::CLOSED);
        }
    }

    /// Trades are missing: in the newest bar, and at the start of the next, unless trading goes on in this one.
    pub fn mark_incomplete(&mut self) {
        self.is_doubtful = true;
        if let Some(bar) = self.bars.back_mut() {
            bar.flags.add(BarFlags::INCOMPLETE);
        }
    }

    /// When the newest bar's time is over, while it is still open.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let bar = self.bars.back()?;
        (!bar.flags.has(BarFlags::CLOSED)).then(|| bar.start.plus(self.span))
    }

    /// The bars, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Bar> {
        self.bars.iter()
    }

    /// The newest bar.
    pub fn newest(&self) -> Option<&Bar> {
        self.bars.back()
    }

    /// The first bar that ends after `until`.
    pub(crate) fn first_ending_after(&self, until: Nanos) -> Option<&Bar> {
        let has_ended = |bar: &Bar| bar.start.plus(self.span) <= until;
        // Mostly it is one of the last, and all others are out of every cache.
        let recent = self.bars.len().saturating_sub(3);
        if self.bars.get(recent).is_none_or(has_ended) {
            return self.bars.range(recent..).find(|bar| !has_ended(bar));
        }
        self.bars.get(self.bars.partition_point(has_ended))
    }

    /// True where no bar that began after `at` has had to make room.
    pub(crate) fn reaches_back_to(&self, at: Nanos) -> bool {
        self.bars.len() < self.bars_max || self.bars.front().is_none_or(|oldest| oldest.start <= at)
    }

    /// A series of the newest `bars_max` bars of this one.
    #[must_use]
    pub fn latest(&self, bars_max: usize) -> BarSeries {
        let skipped = self.bars.len().saturating_sub(bars_max);
        let bars = self.bars.iter().skip(skipped).copied().collect();
        BarSeries { bars_max, bars, ..*self }
    }

    /// True where trades may be missing since the newest bar.
    pub fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Goes on as [`BarSeries::is_doubtful`] told.
    pub(crate) fn restore_doubt(&mut self, is_doubtful: bool) {
        self.is_doubtful = is_doubtful;
    }

    /// Puts back a bar that [`BarSeries::iter`] told, after those already there.
    pub(crate) fn restore(&mut self, bar: Bar) {
        self.bars.push_back(bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn push(series: &mut BarSeries, at_ms: i64, price: i64, qty: i64) {
        let (price, qty) = (Price::from_raw(price).unwrap(), Qty::from_raw(qty).unwrap());
        series.push(Nanos::from_millis(at_ms).unwrap(), false, price, qty);
    }

    fn show(series: &BarSeries) -> Vec<String> {
        series
            .iter()
            .map(|b| {
                format!(
                    "{}s {}/{}/{}/{} v{} n{} r{} f{}",
                    b.start.raw() / Nanos::SECOND.raw(),
                    b.open.raw(),
                    b.high.raw(),
                    b.low.raw(),
                    b.close.raw(),
                    b.volume,
                    b.trades,
                    b.revision,
                    b.flags.bits()
                )
            })
            .collect()
    }

    #[test]
    fn trades_fold_into_buckets_of_venue_time() {
        let mut series = BarSeries::new(INTERVALS[0], 10);
        for (at, price, qty) in [(1_000, 5, 1), (1_500, 9, 2), (1_999, 4, 3), (3_000, 6, 1)] {
            push(&mut series, at, price, qty);
        }
        assert_eq!(show(&series), ["1s 5/9/4/4 v6 n3 r0 f5", "3s 6/6/6/6 v1 n1 r0 f0"]);
    }

    #[test]
    fn time_closes_a_bar_and_a_late_trade_amends_it() {
        let mut series = BarSeries::new(INTERVALS[0], 10);
        push(&mut series, 1_000, 5, 1);
        assert_eq!(series.next_deadline(), Nanos::from_millis(2_000));
        series.close_until(Nanos::from_millis(1_999).unwrap());
        assert!(series.next_deadline().is_some());
        series.close_until(Nanos::from_millis(2_000).unwrap());
        assert_eq!(series.next_deadline(), None);
        push(&mut series, 1_100, 7, 2);
        assert_eq!(show(&series), ["1s 5/7/5/7 v3 n2 r1 f5"]);
        push(&mut series, 400, 3, 1);
        assert_eq!(show(&series), ["0s 3/3/3/3 v1 n1 r1 f1", "1s 5/7/5/7 v3 n2 r1 f5"]);
    }

    #[test]
    fn the_oldest_bar_makes_room_and_does_not_come_back() {
        let mut series = BarSeries::new(INTERVALS[0], 2);
        for at in [1_000, 2_000, 3_000, 1_000] {
            push(&mut series, at, 5, 1);
        }
        assert_eq!(show(&series), ["2s 5/5/5/5 v1 n1 r0 f1", "3s 5/5/5/5 v1 n1 r0 f0"]);
    }

    #[test]
    fn a_series_takes_no_more_room_than_its_bound() {
        for bars_max in [1, 3, 5, 20] {
            let mut series = BarSeries::new(INTERVALS[0], bars_max);
            for second in 0..50 {
                push(&mut series, second * 1_000, 5, 1);
                assert!(series.bars.capacity() <= bars_max, "{} of {bars_max}", series.bars.capacity());
            }
            let mut latest = series.latest(2);
            push(&mut latest, 50_000, 5, 1);
            push(&mut latest, 51_000, 5, 1);
            assert_eq!(latest.iter().len(), 2, "as many as were asked for");
        }
    }

    #[test]
    fn what_a_gap_may_have_taken_is_marked_on_both_sides_of_it() {
        let flags =
            |series: &BarSeries| series.iter().map(|bar| bar.flags.has(BarFlags::INCOMPLETE)).collect::<Vec<_>>();
        let mut series = BarSeries::new(INTERVALS[0], 10);
        push(&mut series, 1_500, 5, 1);
        push(&mut series, 2_000, 5, 1);
        assert_eq!(flags(&series), [true, false], "the first began before it was listened to");
        series.mark_incomplete();
        push(&mut series, 4_700, 5, 1);
        push(&mut series, 5_000, 5, 1);
        assert_eq!(flags(&series), [true, true, true, false], "from the loss to where trading goes on");
        series.mark_incomplete();
        push(&mut series, 5_900, 5, 1);
        push(&mut series, 6_000, 5, 1);
        assert_eq!(flags(&series), [true, true, true, true, false], "within one bar it is that bar alone");
        series.mark_incomplete();
        push(&mut series, 2_100, 5, 1);
        push(&mut series, 7_000, 5, 1);
        assert_eq!(flags(&series)[4..], [true, true], "a late trade says nothing of where trading goes on");
        push(&mut series, 3_500, 5, 1);
        assert_eq!(flags(&series)[2..4], [true, true], "a late trade amid a hole is not all that was traded there");
        push(&mut series, 9_000, 5, 1);
        push(&mut series, 8_000, 5, 1);
        assert_eq!(flags(&series)[6..], [true, false, false], "and one behind it is");
    }

    proptest! {
        /// Twin: a look at every bar.
        #[test]
        fn the_first_bar_to_end_is_found(seconds in proptest::collection::btree_set(0i64..40, 0..12), until_ms in -1_000i64..45_000) {
            let mut series = BarSeries::new(INTERVALS[0], 100);
            seconds.iter().for_each(|second| push(&mut series, second * 1_000, 1, 1));
            let until = Nanos::from_millis(until_ms).unwrap();
            let twin = series.iter().find(|bar| bar.start.plus(INTERVALS[0].span) > until);
            prop_assert_eq!(series.first_ending_after(until), twin);
        }

        /// Twin: one fold per bucket in the order of arrival, whenever time closes the bars.
        #[test]
        fn content_depends_on_the_order_of_trades_alone(
            trades in proptest::collection::vec((0i64..20_000, 1i64..50, 1i64..9, any::<bool>()), 0..100),
        ) {
            let mut series = BarSeries::new(INTERVALS[0], 100);
            let mut twin: BTreeMap<i64, (i64, i64, i64, i64, i128, u64)> = BTreeMap::new();
            for (at, price, qty, close) in trades {
                push(&mut series, at, price, qty);
                twin.entry(at / 1_000)
                    .and_modify(|b| *b = (b.0, b.1.max(price), b.2.min(price), price, b.4 + i128::from(qty), b.5 + 1))
                    .or_insert((price, price, price, price, i128::from(qty), 1));
                if close {
                    series.close_until(Nanos::from_millis(at).unwrap());
                }
            }
            let got: Vec<_> = series.iter()
                .map(|b| (b.start.raw() / Nanos::SECOND.raw(),
                    (b.open.raw(), b.high.raw(), b.low.raw(), b.close.raw(), b.volume, b.trades)))
                .collect();
            prop_assert_eq!(got, twin.into_iter().collect::<Vec<_>>());
        }
    }
}
