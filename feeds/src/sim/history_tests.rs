use super::*;
use crate::cases;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeMap;

/// 2025-06-30, 04:30 UTC.
const AT: Nanos = Nanos::new(1_751_257_800 * Nanos::SECOND.raw());

fn universe() -> Universe {
    Universe::with_instruments(60).unwrap()
}

/// The twin: bars of an interval from bars of minutes, sorted into buckets.
fn folded(minutes: &[Bar], interval: Interval) -> Vec<Bar> {
    let mut buckets: BTreeMap<Nanos, Vec<Bar>> = BTreeMap::new();
    for minute in minutes {
        buckets.entry(minute.start.floor(interval.span)).or_default().push(*minute);
    }
    buckets.retain(|_, bars| bars.len() as i64 == interval.span.raw() / MINUTE.raw());
    let bar = |(start, bars): (Nanos, Vec<Bar>)| Bar {
        start,
        open: bars[0].open,
        high: bars.iter().map(|bar| bar.high).max().unwrap(),
        low: bars.iter().map(|bar| bar.low).min().unwrap(),
        close: bars[bars.len() - 1].close,
        volume: bars.iter().map(|bar| bar.volume).sum(),
        trades: bars.iter().map(|bar| bar.trades).sum(),
        revision: 0,
        flags: BarFlags::CLOSED,
    };
    buckets.into_iter().map(bar).collect()
}

#[test]
fn every_interval_agrees_with_its_minutes() {
    let universe = universe();
    let count = cases::count(2_000, 20_000);
    let config = Config { cases: count as u32, failure_persistence: None, ..Config::default() };
    let case = (any::<u64>(), 0usize..60, -400i64..400, 0i64..1_440, 0i64..3_000, 1usize..INTERVALS.len());
    let bars_seen = Cell::new(0u64);
    let result = TestRunner::new(config).run(&case, |(seed, position, day, minute, length, interval)| {
        let listing = &universe.listings()[position];
        let from = AT.plus(Nanos::new(day * DAY.raw() + minute * MINUTE.raw()));
        let to = from.plus(Nanos::new(length * MINUTE.raw() + minute));
        let minutes = bars(seed, listing, INTERVALS[1], from, to).unwrap();
        prop_assert_eq!(minutes.len() as i64, to.floor(MINUTE).since(from.floor(MINUTE)).raw() / MINUTE.raw());
        for bar in &minutes {
            prop_assert!(Price::ZERO < bar.low && bar.low <= bar.open.min(bar.close), "{:?}", bar);
            prop_assert!(bar.high >= bar.open.max(bar.close), "{:?}", bar);
            prop_assert!(bar.trades > 0 && bar.volume >= i128::from(bar.trades) * i128::from(listing.profile.lot));
            prop_assert!(
                [bar.open, bar.high, bar.low, bar.close].iter().all(|it| it.raw() % listing.profile.tick == 0)
            );
        }
        for pair in minutes.windows(2) {
            prop_assert_eq!((pair[0].close, pair[0].start.plus(MINUTE)), (pair[1].open, pair[1].start));
        }
        let longer = bars(seed, listing, INTERVALS[interval], from, to).unwrap();
        prop_assert_eq!(longer, folded(&minutes, INTERVALS[interval]));
        bars_seen.set(bars_seen.get() + minutes.len() as u64);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
    println!("{count} ranges, {} minutes: every longer bar is the sum of its minutes", bars_seen.get());
}

#[test]
fn a_part_of_the_past_is_the_same_as_in_the_whole() {
    let universe = universe();
    let listing = &universe.listings()[36];
    let days = bars(7, listing, INTERVALS[8], AT.since(DAILY), AT).unwrap();
    assert_eq!(days.len(), 364, "whole days between two half ones");
    let some = bars(7, listing, INTERVALS[8], days[100].start, days[110].start).unwrap();
    assert_eq!(some, days[100..110]);
    let minutes = bars(7, listing, INTERVALS[1], days[100].start, days[101].start).unwrap();
    assert_eq!(folded(&minutes, INTERVALS[8]), days[100..101]);
    assert_eq!(bars(7, listing, INTERVALS[8], AT, AT).unwrap(), []);
    assert_eq!(bars(7, listing, INTERVALS[8], AT, AT.since(DAILY)).unwrap(), []);
}

#[test]
fn the_past_ends_where_the_market_starts() {
    let universe = universe();
    for at in [AT, AT.plus(Nanos::new(17)), AT.floor(DAY), AT.floor(DAY).since(Nanos::new(1))] {
        let prices = closes(3, &universe, at);
        for (listing, price) in universe.listings().iter().zip(prices) {
            let minutes = bars(3, listing, INTERVALS[1], at.since(Nanos::new(2 * MINUTE.raw())), at).unwrap();
            assert_eq!(minutes.last().unwrap().close, price, "{} at {at}", listing.instrument.key);
        }
    }
}

#[test]
fn the_index_is_made_of_its_members() {
    let universe = universe();
    let index = universe.index();
    let from = AT.since(DAY);
    let values = index_bars(3, &universe, INTERVALS[1], from, AT).unwrap();
    let members: Vec<Vec<Bar>> = universe.listings()[..index.members()]
        .iter()
        .map(|listing| bars(3, listing, INTERVALS[1], from, AT).unwrap())
        .collect();
    assert_eq!(values.len(), 1_440);
    for (minute, value) in values.iter().enumerate() {
        let parts = members.iter().enumerate().map(|(member, bars)| index.part(member, bars[minute].close.raw())).sum();
        assert_eq!(value.close, index.value(parts));
        assert!(value.low <= value.open.min(value.close) && value.high >= value.open.max(value.close));
        assert_eq!((value.volume, value.trades), (0, 0));
    }
    let hours = index_bars(3, &universe, INTERVALS[7], from, AT).unwrap();
    assert_eq!(hours, folded(&values, INTERVALS[7]));
}

#[test]
fn days_move_as_far_as_they_should() {
    let universe = universe();
    for key in ["NSE:RELIANCE", "NSE:INDUSINDBK", "BINANCE:BTCUSDT"] {
        let listing = &universe.listings()[universe.find(key).unwrap()];
        let seeds = cases::count(100, 1_000).max(40);
        let (mut squares, mut days, mut range, mut lowest, mut highest) = (0i128, 0, 0i128, i64::MAX, 0);
        for seed in 0..seeds {
            for bar in bars(seed, listing, INTERVALS[8], AT.since(Nanos::new(61 * DAY.raw())), AT).unwrap() {
                let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|it| i128::from(it.raw()));
                // In hundredths of a basis point.
                squares += ((close - open) * 1_000_000 / open).pow(2);
                range += (high - low) * 1_000_000 / open;
                (lowest, highest) = (lowest.min(bar.low.raw()), highest.max(bar.high.raw()));
                days += 1;
            }
        }
        let deviation = (squares / days).isqrt() as i64 / 100;
        let range = range as i64 / days as i64 / 100;
        let [low, high] = [lowest, highest].map(|raw| raw / listing.profile.tick * 100 / listing.profile.price_ticks);
        println!(
            "{key}: {days} days, deviation {deviation} bp ({} meant), mean range {range} bp, prices from {low} to \
             {high} % of the reference",
            listing.profile.volatility_bp
        );
        assert!((deviation - listing.profile.volatility_bp).abs() * 10 < listing.profile.volatility_bp);
        assert!(range > listing.profile.volatility_bp && low > 30 && high < 300);
    }
}

/// A change here rewrites every simulated past: say so in the changelog.
#[test]
fn the_past_of_a_seed_is_pinned() {
    let universe = universe();
    let listing = &universe.listings()[universe.find("NSE:INFY").unwrap()];
    let bar = bars(1, listing, INTERVALS[8], AT.since(DAILY), AT).unwrap()[0];
    let shown = format!("{} {} {} {} {} {}", bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades);
    assert_eq!(shown, "1224.3 1231.7 1208.9 1217.9 245755200000000 84624");
}

#[test]
fn what_cannot_be_answered_is_named() {
    let universe = universe();
    let refused = |interval, from| bars(1, &universe.listings()[0], interval, from, AT).unwrap_err().to_string();
    assert!(refused(INTERVALS[0], AT).starts_with("interval: 1s"));
    let odd = Interval { name: "7m", span: Nanos::new(7 * MINUTE.raw()) };
    assert!(refused(odd, AT).starts_with("interval: 7m"));
    assert_eq!(refused(INTERVALS[8], AT.since(Nanos::new(401 * DAY.raw()))), "from, to: more than 400 days");
}
