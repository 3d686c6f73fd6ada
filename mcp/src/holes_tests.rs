use super::*;
use crate::engine::Stamp;
use tidegate_core::{BarSeries, INTERVALS, Price, Qty};

const MINUTE: Interval = INTERVALS[1];

fn minutes(count: i64) -> Nanos {
    Nanos::new(count * 60 * Nanos::SECOND.raw())
}

/// A series in which each of these minutes is traded, or at its place something is lost.
fn series(what: &[Option<i64>]) -> BarSeries {
    let mut series = BarSeries::new(MINUTE, 100);
    for at in what {
        match at {
            Some(minute) => {
                series.push(minutes(*minute), false, Price::from_raw(1).unwrap(), Qty::ZERO);
            }
            None => series.mark_incomplete(),
        }
    }
    series
}

/// The holes, in minutes, of what is asked for of a series that is all in memory.
fn holes(what: &[Option<i64>], trades: StreamState, (from, to): (i64, i64), now: i64) -> Vec<(i64, Option<i64>)> {
    let series = series(what);
    let stamp = Stamp { seq: 1, as_of: minutes(now) };
    let bars: Vec<Bar> = series.iter().copied().collect();
    let view = BarsView { stamp, trades, is_doubtful: series.is_doubtful(), bars, last_event: None };
    let (from, to) = (minutes(from), minutes(to));
    let first = view.bars.iter().rposition(|bar| bar.start < from).unwrap_or(0);
    let last = view.bars.iter().position(|bar| bar.start >= to).unwrap_or(view.bars.len());
    let bars = &view.bars[first.min(last)..last];
    let row = Row { interval: MINUTE, reach: (from, to), bars, next: view.bars.get(last), view: &view };
    let minute = |at: Nanos| at.raw() / minutes(1).raw();
    row.holes().into_iter().map(|hole| (minute(hole.from), hole.to.map(minute))).collect()
}

#[test]
fn a_hole_is_where_both_ends_lack_trades_and_no_bar_is() {
    use StreamState::{Closed, Live};
    let all = (0, 1_000);
    let quiet = [Some(1), Some(2), Some(5)];
    assert_eq!(holes(&quiet, Live, all, 9), [], "nothing was traded: that is no hole");
    let lost = [Some(1), Some(2), None, Some(5), Some(6)];
    assert_eq!(holes(&lost, Live, all, 9), [(3, Some(5))]);
    assert_eq!(holes(&[Some(1), None, Some(2), Some(3)], Live, all, 9), [], "not a minute is without a bar");
    // What is asked for lies within, before, behind or across it.
    for (reach, expect) in [
        ((3, 4), vec![(3, Some(4))]),
        ((4, 1_000), vec![(4, Some(5))]),
        ((0, 4), vec![(3, Some(4))]),
        ((0, 3), vec![]),
        ((5, 1_000), vec![]),
    ] {
        assert_eq!(holes(&lost, Live, reach, 9), expect, "{reach:?}");
    }
    // It is not over.
    let gone = [Some(1), Some(2), None];
    assert_eq!(holes(&gone, Closed, all, 9), [(3, None)]);
    assert_eq!(holes(&gone, Live, all, 9), [(3, None)], "heard again, and nothing traded yet");
    assert_eq!(holes(&gone, Closed, (0, 5), 9), [(3, Some(5))]);
    assert_eq!(holes(&gone, Closed, all, 3), [], "the minute is not over");
    // Numbered trades tell a loss when they come back: until then it is the feed that is gone.
    assert_eq!(holes(&quiet, Closed, all, 9), [(6, None)]);
    assert_eq!(holes(&quiet, Live, all, 9), []);
    assert_eq!(holes(&[], Closed, all, 9), [], "nothing was ever heard");
}

#[test]
fn what_follows_in_the_store_and_is_not_at_hand_may_be_anything() {
    let lost = series(&[Some(1), Some(2), None]);
    let newest: Vec<Bar> = series(&[Some(50)]).iter().copied().collect();
    let stamp = Stamp { seq: 1, as_of: minutes(60) };
    let view = BarsView { stamp, trades: StreamState::Live, is_doubtful: false, bars: newest, last_event: None };
    let bars: Vec<Bar> = lost.iter().copied().collect();
    let row = |bars| Row { interval: MINUTE, reach: (minutes(0), minutes(9)), bars, next: None, view: &view };
    assert_eq!(row(&bars[..]).holes(), [Hole { from: minutes(3), to: Some(minutes(9)) }]);
    let whole: Vec<Bar> = series(&[Some(1), Some(2)]).iter().copied().collect();
    assert_eq!(row(&whole[..]).holes(), []);
}
