//! A meter is compared with the measures themselves, fed from what the inputs say.

use super::*;
use crate::event::{Body, Event, Family, Flags};
use crate::head::put_head;
use crate::input::{Fact, Gap, GapCause, Input};
use crate::instrument::tests::spot;
use crate::market::Bounds;
use crate::stream::StreamState;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 50,
    bars_max: 20,
    trades_max: 4,
    instruments_max: 100,
    stale_after: Nanos::new(5_000_000_000),
};
const ID: InstrumentId = InstrumentId(0);
const DAY: i64 = 86_400_000_000_000;

fn event(flags: Flags, ts: i64, body: Body) -> Input {
    let ts = Nanos::new(ts);
    Input::Event(Event { id: ID, flags, venue_ts: ts, receive_ts: ts, body })
}

fn level(flags: Flags, side: Side, ticks: i64, qty: i64) -> Input {
    let (price, qty) = (Price::from_raw(ticks).unwrap(), Qty::from_raw(qty).unwrap());
    event(flags, 0, Body::Level { side, orders: 0, price, qty })
}

fn trade(ts: i64, side: Side, ticks: i64, qty: i64) -> Input {
    let (price, qty) = (Price::from_raw(ticks).unwrap(), Qty::from_raw(qty).unwrap());
    event(Flags::LAST, ts, Body::Trade { side, price, qty, trade_id: 1 })
}

fn gap(family: Family) -> Input {
    Input::Gap(Gap { id: Some(ID), family, cause: GapCause::Sequence, from: 1, to: 2 })
}

fn state(family: Family, fact: Fact) -> Input {
    Input::State { id: ID, family, fact }
}

fn snapshot() -> Vec<Input> {
    let mut all = vec![
        event(Flags::SNAPSHOT, 0, Body::Message { first: 9, last: 9 }),
        event(Flags::SNAPSHOT, 0, Body::Clear),
        level(Flags::SNAPSHOT, Side::Ask, 1_020, 5),
    ];
    let bids = (1..20).map(|rank| level(Flags::SNAPSHOT, Side::Bid, 1_000 - rank, 10));
    all.extend(bids.chain((1..20).map(|rank| level(Flags::SNAPSHOT, Side::Ask, 1_000 + rank, 10))));
    all.push(level(Flags::SNAPSHOT.with(Flags::LAST), Side::Bid, 970, 5));
    all.push(state(Family::Book, Fact::SnapshotComplete));
    all
}

fn begun() -> Market {
    let mut market = Market::new(BOUNDS);
    let define = Input::Define { id: ID, instrument: Box::new(spot("BTCUSDT")) };
    let subscribed = [Family::Book, Family::Trades].map(|family| state(family, Fact::Subscribed));
    apply(&mut market, 0, [define].into_iter().chain(subscribed).chain(snapshot()));
    market
}

fn apply(market: &mut Market, ts: i64, inputs: impl IntoIterator<Item = Input>) {
    for input in inputs {
        market.apply(Nanos::new(ts), &input).unwrap();
    }
}

fn report(market: &Market) -> FlowReport {
    market.stream(ID).unwrap().flow().unwrap()
}

/// The measures, fed by hand: what is told of a book that may be shown where its best levels are others than before,
/// and of trades.
struct Shadow {
    pack: Microstructure,
    levels: Option<[Vec<Level>; 2]>,
    is_idle: bool,
    heard: i64,
}

impl Shadow {
    fn new(bucket: Qty) -> Shadow {
        let pack = Microstructure::new(Settings { levels: METER_LEVELS, ..Settings::new(Some(bucket)) });
        Shadow { pack, levels: None, is_idle: true, heard: 0 }
    }

    fn interrupt(&mut self, at: i64) {
        if !std::mem::replace(&mut self.is_idle, true) {
            self.pack.interrupt(Nanos::new(at));
            self.levels = None;
        }
    }

    /// `market` has taken the input.
    fn note(&mut self, ts: i64, input: &Input, market: &Market, swap: bool) {
        let stream = market.stream(ID).unwrap();
        match input {
            Input::Event(Event { body: Body::Trade { side, price, qty, .. }, .. }) => {
                let side = if swap { Side::BOTH[1 - usize::from(side.code())] } else { *side };
                self.pack.on_trade(Nanos::new(ts), side, *price, *qty);
                self.is_idle = false;
            }
            Input::Event(event) if event.flags.has(Flags::LAST) => {
                if stream.state(Family::Book) == StreamState::Live {
                    let levels = Side::BOTH.map(|side| stream.book.depth(side, METER_LEVELS).collect::<Vec<_>>());
                    let bare = |levels: &[Vec<Level>; 2]| {
                        levels.each_ref().map(|side| side.iter().map(|one| (one.price, one.qty)).collect::<Vec<_>>())
                    };
                    if self.levels.as_ref().map(bare) != Some(bare(&levels)) {
                        self.pack.on_book(Nanos::new(ts), &levels[0], &levels[1]);
                        self.levels = Some(levels);
                        self.is_idle = false;
                    }
                } else if self.levels.is_some() {
                    self.interrupt(ts);
                }
            }
            Input::Gap(gap) if [Family::Book, Family::Trades].contains(&gap.family) => self.interrupt(self.heard),
            _ => {}
        }
        if matches!(input, Input::Event(_)) {
            self.heard = ts;
        }
    }
}

fn bits(values: &[(&'static str, Option<f64>)]) -> Vec<(&'static str, Option<u64>)> {
    values.iter().map(|&(name, value)| (name, value.map(f64::to_bits))).collect()
}

/// One venue message, or what breaks the run of them.
fn happening() -> impl Strategy<Value = Vec<Input>> {
    let side = prop_oneof![3 => Just(Side::Bid), 2 => Just(Side::Ask)];
    // Now and then the sides cross.
    let distance = prop_oneof![1 => -3..1i64, 60 => 1..40i64];
    let change = (side.clone(), distance, 0..4i64).prop_map(|(side, distance, qty)| {
        let ticks = if side == Side::Bid { 1_000 - distance } else { 1_000 + distance };
        vec![level(Flags::LAST, side, ticks, qty * 10)]
    });
    let trade = (side, 990..1_010i64, 1..300i64).prop_map(|(side, ticks, qty)| vec![trade(0, side, ticks, qty)]);
    let family = prop_oneof![Just(Family::Book), Just(Family::Trades), Just(Family::Quotes)];
    prop_oneof![
        50 => change,
        50 => trade,
        1 => family.prop_map(|family| vec![gap(family)]),
        3 => Just(snapshot()),
    ]
}

proptest! {
    #[test]
    fn a_meter_shows_what_the_measures_make_of_the_same_inputs(
        all in prop::collection::vec((0..3_000_000_000i64, happening()), 1..1_600),
    ) {
        let mut market = begun();
        // A whole day before of 50 hundred.
        apply(&mut market, 0, [trade(1, Side::Bid, 1_000, 1), trade(DAY, Side::Bid, 1_000, 5_000)]);
        apply(&mut market, 2 * DAY, [trade(2 * DAY, Side::Bid, 1_000, 1)]);
        let mut now = 2 * DAY;
        market.measure(ID, Nanos::new(now));
        let mut shadow = Shadow::new(Qty::from_raw(100).unwrap());
        for (span, inputs) in all {
            now += span;
            for input in inputs {
                apply(&mut market, now, [input.clone()]);
                shadow.note(now, &input, &market, false);
            }
            prop_assert_eq!(bits(&report(&market).values), bits(&shadow.pack.values()));
        }
    }
}

/// Trades that take the ask four times in five, and a book whose best bid grows.
fn one_sided(market: &mut Market, mut each: impl FnMut(&Market, i64, &Input)) {
    for at in 0..2_100 {
        let (now, side) = (at * 1_000_000_000, if at % 5 == 0 { Side::Ask } else { Side::Bid });
        for input in [
            level(Flags::LAST, Side::Bid, 999, 10 + at),
            trade(now, side, if side == Side::Bid { 1_001 + at % 3 } else { 999 }, 10 + at % 7),
        ] {
            apply(market, now, [input.clone()]);
            each(market, now, &input);
        }
    }
}

#[test]
fn swapped_sides_are_noticed() {
    let mut market = begun();
    market.measure(ID, Nanos::ZERO);
    let bucket = Qty::from_raw(20).unwrap();
    let mut shadows = [Shadow::new(bucket), Shadow::new(bucket)];
    one_sided(&mut market, |market, now, input| {
        shadows[0].note(now, input, market, false);
        shadows[1].note(now, input, market, true);
    });
    let shown = report(&market);
    let [right, swapped] = shadows.map(|shadow| shadow.pack.values());
    for (at, (name, value)) in shown.values.into_iter().enumerate() {
        assert!(value.is_some(), "{name}");
        if name != "vpin" {
            assert_eq!(value.map(f64::to_bits), right[at].1.map(f64::to_bits), "{name}");
        }
        let is_signed = ["kyle_lambda", "effective_spread", "realized_spread", "price_impact"].contains(&name);
        assert_eq!(is_signed, value != swapped[at].1 && name != "vpin", "{name}");
    }
    assert!(shown.values.contains(&("order_flow", Some(100.0 / 1e8))), "{:?}", shown.values);
}

#[test]
fn nothing_is_measured_until_somebody_asks() {
    let mut market = begun();
    let plain = market.clone();
    assert_eq!(market.stream(ID).unwrap().flow(), None);
    apply(&mut market, 5, [level(Flags::LAST, Side::Bid, 999, 7), trade(5, Side::Bid, 1_001, 3)]);
    market.measure(ID, Nanos::new(6));
    let first = report(&market);
    assert_eq!((first.since, first.book_changes, first.trades, first.interruptions), (Nanos::new(6), 0, 0, 0));
    assert!(first.values.iter().all(|(_, value)| value.is_none()));
    apply(&mut market, 7, [level(Flags::LAST, Side::Bid, 999, 8), level(Flags::LAST, Side::Bid, 981, 2)]);
    apply(&mut market, 8, [event(Flags::LAST.with(Flags::DERIVED), 8, trade_body())]);
    market.measure(ID, Nanos::new(9));
    let second = report(&market);
    assert_eq!((second.since, second.book_changes), (Nanos::new(6), 1), "the nineteenth level is not looked at");
    assert_eq!((second.trades, second.guessed_sides), (1, 1));
    assert!(second.values.contains(&("spread", Some(2e-9))), "{:?}", second.values);
    // Asking changes nothing of the market.
    let heads = |market: &Market| {
        let mut head = Vec::new();
        put_head(market, Nanos::ZERO, &mut head);
        (head, market.digest())
    };
    let mut asked = plain.clone();
    asked.measure(ID, Nanos::new(6));
    assert_eq!(heads(&asked), heads(&plain));
    market.measure(InstrumentId(7), Nanos::ZERO);
}

fn trade_body() -> Body {
    let (price, qty) = (Price::from_raw(1_001).unwrap(), Qty::from_raw(3).unwrap());
    Body::Trade { side: Side::Ask, price, qty, trade_id: 2 }
}

#[test]
fn what_was_missed_interrupts_once() {
    let mut market = begun();
    market.measure(ID, Nanos::ZERO);
    let count = |market: &Market| report(market).interruptions;
    apply(&mut market, 1, [level(Flags::LAST, Side::Bid, 999, 7), gap(Family::Quotes), gap(Family::Statistics)]);
    assert_eq!(count(&market), 0);
    apply(&mut market, 2, [gap(Family::Trades), gap(Family::Trades)]);
    assert_eq!(count(&market), 1);
    // The book went on all the while.
    apply(&mut market, 3, [level(Flags::LAST, Side::Bid, 930, 7)]);
    assert_eq!((report(&market).book_changes, report(&market).values[0].1), (2, Some(1_000e-9)));
    let restart = Gap { id: None, family: Family::Book, cause: GapCause::Restart, from: 1, to: 2 };
    apply(&mut market, 4, [Input::Gap(restart)]);
    assert_eq!((count(&market), report(&market).values[0].1), (2, None), "all families at once");
    apply(&mut market, 5, snapshot());
    apply(&mut market, 6, [level(Flags::LAST, Side::Bid, 999, 7)]);
    assert_eq!(report(&market).values[0].1, Some(1_000e-9));
    // A crossed book is not shown; trades meanwhile are counted, and end nothing twice.
    apply(&mut market, 7, [level(Flags::LAST, Side::Bid, 1_005, 7), trade(7, Side::Bid, 1_001, 3)]);
    apply(&mut market, 8, [level(Flags::LAST, Side::Bid, 1_004, 7), trade(8, Side::Bid, 1_001, 3)]);
    assert_eq!((count(&market), report(&market).values[0].1), (3, None));
}

#[test]
fn a_bucket_is_a_fiftieth_of_a_day_that_is_known_whole() {
    let mut market = begun();
    market.measure(ID, Nanos::ZERO);
    assert_eq!((report(&market).bucket, report(&market).bucket_of), (None, BucketOf::FirstTrades));
    let trades = |count: u32| (0..count).map(|_| trade(1, Side::Bid, 1_001, 70)).collect::<Vec<_>>();
    apply(&mut market, 1, trades(FIRST_TRADES - 1));
    assert_eq!(report(&market).bucket, None);
    apply(&mut market, 1, trades(1));
    assert_eq!(report(&market).bucket, Qty::from_raw(1_400), "a fiftieth of 70,000");
    let vpin = |market: &Market| report(market).values.iter().find(|(name, _)| *name == "vpin").unwrap().1;
    // Of 20 trades a bucket is made, and 50 are needed.
    apply(&mut market, 1, trades(999));
    assert_eq!(vpin(&market), None);
    apply(&mut market, 1, trades(1));
    assert_eq!(vpin(&market), Some(1.0), "nobody sold");

    // The first day began nobody knows when; the second is whole; a trade of the third is missing.
    let mut market = begun();
    for (at, qty) in [(0, 1), (DAY, 600), (DAY + 1, 50), (2 * DAY, 9)] {
        apply(&mut market, at, [trade(at, Side::Bid, 1_000, qty)]);
    }
    apply(&mut market, 2 * DAY, [gap(Family::Trades)]);
    apply(&mut market, 3 * DAY, [trade(3 * DAY, Side::Bid, 1_000, 9)]);
    market.measure(ID, Nanos::new(3 * DAY));
    let report = report(&market);
    assert_eq!((report.bucket, report.bucket_of), (Qty::from_raw(13), BucketOf::Day(Nanos::new(DAY))));
}

#[test]
fn a_fiftieth_is_a_quantity() {
    let raw = |volume: i128| fiftieth(volume).raw();
    assert_eq!([raw(0), raw(49), raw(100), raw(i128::MAX)], [1, 1, 2, RAW_LIMIT - 1]);
}

#[test]
fn the_one_asked_about_longest_ago_makes_room() {
    let mut market = Market::new(BOUNDS);
    let count = METERS_MAX as u32 + 2;
    for id in 0..count {
        let instrument = Box::new(spot(&format!("S{id}")));
        apply(&mut market, 0, [Input::Define { id: InstrumentId(id), instrument }]);
    }
    (0..METERS_MAX as u32).for_each(|id| market.measure(InstrumentId(id), Nanos::ZERO));
    market.measure(ID, Nanos::ZERO);
    (METERS_MAX as u32..count).for_each(|id| market.measure(InstrumentId(id), Nanos::ZERO));
    let measured = |id: u32| market.stream(InstrumentId(id)).unwrap().flow().is_some();
    let missing: Vec<u32> = (0..count).filter(|&id| !measured(id)).collect();
    assert_eq!(missing, [1, 2]);
}
