use super::*;
use crate::engine::{Engine, Stamped};
use crate::event::{Flags, Side};
use crate::frame::take_frame;
use crate::head::{put_head, restore_frame};
use crate::input::Fact;
use crate::instrument::tests::spot;
use crate::price::{Price, Qty};
use crate::stream::StreamState;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 50,
    bars_max: 20,
    trades_max: 4,
    instruments_max: 2,
    stale_after: Nanos::new(5_000_000_000),
};
const ID: InstrumentId = InstrumentId(0);

fn ignore(_: &Market, _: Stamped<'_>) {}

fn define(id: u32, key: &str) -> Input {
    Input::Define { id: InstrumentId(id), instrument: Box::new(spot(key)) }
}

fn event(ts: i64, flags: Flags, body: Body) -> Input {
    Input::Event(Event { id: ID, flags, venue_ts: Nanos::new(ts), receive_ts: Nanos::new(ts), body })
}

fn level(ts: i64, flags: Flags, side: Side, price: i64, qty: i64) -> Input {
    let (price, qty) = (Price::from_raw(price).unwrap(), Qty::from_raw(qty).unwrap());
    event(ts, flags, Body::Level { side, orders: 0, price, qty })
}

fn trade(ts: i64, price: i64, trade_id: u64) -> Input {
    let (price, qty) = (Price::from_raw(price).unwrap(), Qty::from_raw(1).unwrap());
    event(ts, Flags::LAST, Body::Trade { side: Side::Bid, price, qty, trade_id })
}

fn state(family: Family, fact: Fact) -> Input {
    Input::State { id: ID, family, fact }
}

fn gap(id: Option<InstrumentId>, family: Family, cause: GapCause) -> Input {
    Input::Gap(Gap { id, family, cause, from: 1, to: 2 })
}

fn snapshot() -> Vec<Input> {
    vec![
        event(1, Flags::SNAPSHOT, Body::Message { first: 9, last: 9 }),
        event(1, Flags::SNAPSHOT, Body::Clear),
        level(1, Flags::SNAPSHOT, Side::Bid, 99, 1),
        level(1, Flags::SNAPSHOT.with(Flags::LAST), Side::Ask, 101, 1),
        state(Family::Book, Fact::SnapshotComplete),
    ]
}

fn engine(inputs: &[Input]) -> Engine {
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    for input in inputs {
        feed(&mut engine, 1, input);
    }
    engine
}

fn live() -> Engine {
    let mut inputs =
        vec![define(0, "B:X"), state(Family::Book, Fact::Subscribed), state(Family::Trades, Fact::Subscribed)];
    inputs.extend(snapshot());
    engine(&inputs)
}

fn feed(engine: &mut Engine, now: i64, input: &Input) {
    engine.input(Nanos::new(now), input, &mut ignore).unwrap();
}

fn book_state(engine: &Engine) -> StreamState {
    engine.market().stream(ID).unwrap().state(Family::Book)
}

fn bid(engine: &Engine) -> Option<i64> {
    engine.market().stream(ID).unwrap().book.top().bid.map(|level| level.price.raw())
}

#[test]
fn a_book_is_live_from_its_snapshot_to_the_next_hole() {
    let mut engine = engine(&[define(0, "B:X")]);
    assert_eq!(book_state(&engine), StreamState::Closed);
    feed(&mut engine, 1, &state(Family::Book, Fact::Subscribed));
    assert_eq!(book_state(&engine), StreamState::Syncing);
    snapshot().iter().for_each(|input| feed(&mut engine, 1, input));
    assert_eq!((book_state(&engine), bid(&engine)), (StreamState::Live, Some(99)));
    feed(&mut engine, 2, &gap(Some(ID), Family::Book, GapCause::Sequence));
    assert_eq!((book_state(&engine), bid(&engine)), (StreamState::Gapped, None));
    snapshot()[..4].iter().for_each(|input| feed(&mut engine, 3, input));
    assert_eq!(book_state(&engine), StreamState::Syncing);
    feed(&mut engine, 3, &state(Family::Book, Fact::SnapshotComplete));
    assert_eq!((book_state(&engine), bid(&engine)), (StreamState::Live, Some(99)));
    assert_eq!(engine.market().counters().resyncs, 1);
    assert_eq!(engine.market().counters().gaps, 1);
}

#[test]
fn what_has_been_applied_is_counted() {
    let mut engine = live();
    let before = engine.market().counters();
    assert_eq!(before, Counters { events: 4, trades: 0, gaps: 0, resyncs: 0 });
    for input in [trade(2, 100, 1), trade(2, 101, 2), level(2, Flags::LAST, Side::Bid, 98, 1), Input::Time] {
        feed(&mut engine, 2, &input);
    }
    assert_eq!(engine.market().counters(), Counters { events: 7, trades: 2, gaps: 0, resyncs: 0 });
    feed(&mut engine, 3, &gap(Some(ID), Family::Trades, GapCause::Sequence));
    feed(&mut engine, 3, &gap(None, Family::Book, GapCause::RecorderFull));
    assert_eq!(engine.market().counters().gaps, 2);
}

#[test]
fn room_to_mark_every_stream_is_made_when_it_is_defined() {
    let mut market = Market::new(Bounds { instruments_max: 40, ..BOUNDS });
    for id in 0..40 {
        market.apply(Nanos::ZERO, &define(id, &format!("B:{id}"))).unwrap();
        market.take_changed(|_, _| ());
        assert!(market.changed.ids.capacity() >= market.streams.len(), "{id}");
    }
}

/// The tape lacks inputs that were applied: nothing is missing of the state.
#[test]
fn what_was_not_recorded_is_a_gap_of_the_tape_alone() {
    let mut engine = live();
    feed(&mut engine, 2, &trade(2, 100, 7));
    let shown = |engine: &Engine| {
        let mut head = Vec::new();
        put_head(engine.market(), Nanos::ZERO, &mut head);
        head
    };
    let before = shown(&engine);
    feed(&mut engine, 3, &gap(None, Family::Book, GapCause::RecorderFull));
    assert!(shown(&engine) == before && book_state(&engine) == StreamState::Live);
    feed(&mut engine, 3, &gap(None, Family::Book, GapCause::Restart));
    assert_eq!(book_state(&engine), StreamState::Gapped);
}

#[test]
fn after_a_restart_what_was_subscribed_is_gapped_and_what_was_closed_stays_so() {
    let mut engine = live();
    feed(&mut engine, 2, &state(Family::Statistics, Fact::Subscribed));
    let states = |engine: &Engine| Family::ALL.map(|family| engine.market().stream(ID).unwrap().state(family));
    let of = |open: StreamState| Family::ALL.map(|it| if it == Family::Quotes { StreamState::Closed } else { open });
    assert_eq!(states(&engine), of(StreamState::Live));
    feed(&mut engine, 3, &gap(None, Family::Book, GapCause::Restart));
    assert_eq!(states(&engine), of(StreamState::Gapped));
}

/// Snapshots are of books: what is said of another family's changes nothing of the book.
#[test]
fn facts_of_other_families_do_not_concern_the_book() {
    for family in [Family::Trades, Family::Quotes, Family::Statistics] {
        let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
        let book = |engine: &Engine| {
            let stream = engine.market().stream(ID).unwrap();
            let known = Side::BOTH.map(|side| stream.book.known_to(side));
            (stream.state(Family::Book), stream.was_gapped, known, stream.book.top())
        };
        let all = |engine: &mut Engine| {
            for fact in [Fact::Subscribed, Fact::SnapshotComplete, Fact::AllBids, Fact::AllAsks, Fact::Closed] {
                let before = book(engine);
                feed(engine, 3, &state(family, fact));
                assert_eq!(book(engine), before, "{family:?}: {fact:?}");
            }
        };
        feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 99, 1));
        all(&mut engine);
        snapshot().iter().for_each(|input| feed(&mut engine, 2, input));
        all(&mut engine);
        feed(&mut engine, 4, &gap(Some(ID), Family::Book, GapCause::Sequence));
        all(&mut engine);
        assert_eq!(engine.market().counters().resyncs, 0);
    }
}

/// A message with nothing in it is an empty change of the book: it ends at once, and is no part of the next.
#[test]
fn an_empty_message_ends_by_itself() {
    let mut engine = live();
    let mut ends = Vec::new();
    for input in [event(2, Flags::LAST, Body::Message { first: 10, last: 12 }), trade(3, 100, 1)] {
        engine.input(Nanos::new(3), &input, &mut |_: &Market, stamped: Stamped<'_>| ends.push(stamped.end)).unwrap();
    }
    let end = |family, sequence| Some(MessageEnd { id: ID, family, is_snapshot: false, sequence });
    assert_eq!(ends[0].map(|end| (end.id, end.family)), Some((ID, Family::Book)));
    assert_eq!(ends[1], end(Family::Trades, None), "a trade has no number of the book's");
    assert_eq!(engine.market().stream(ID).unwrap().chains[usize::from(Family::Book.code())].messages, 2);
}

#[test]
fn better_facts_of_an_instrument_are_taken_over_and_doubt_what_its_tick_told() {
    const TICK: i64 = 10_000_000;
    let with_tick = |tick: i64, lot: i64| {
        let instrument = Instrument { tick: Price::from_raw(tick), lot: Qty::from_raw(lot), ..spot("B:X") };
        Input::Define { id: ID, instrument: Box::new(instrument) }
    };
    let mut engine = engine(&[with_tick(TICK, 5), state(Family::Book, Fact::Subscribed)]);
    for (at, side, price) in [(0, Side::Bid, 99), (1, Side::Bid, 98), (2, Side::Ask, 101)] {
        let flags = if at == 2 { Flags::SNAPSHOT.with(Flags::LAST) } else { Flags::SNAPSHOT };
        feed(&mut engine, 1, &level(1, flags, side, price * TICK, 1));
    }
    feed(&mut engine, 1, &state(Family::Book, Fact::SnapshotComplete));
    let seen = |engine: &Engine| {
        let stream = engine.market().stream(ID).unwrap();
        let known = stream.book.known_to(Side::Bid);
        (stream.instrument.tick, stream.instrument.lot, known, stream.book.is_off_tick())
    };
    let (tick, lot, price) = (Price::from_raw, Qty::from_raw, |at: i64| Price::from_raw(at * TICK).unwrap());
    feed(&mut engine, 2, &with_tick(TICK, 7));
    assert_eq!(seen(&engine), (tick(TICK), lot(7), crate::Known::To(price(98)), false), "the same tick");
    feed(&mut engine, 2, &with_tick(TICK / 2, 7));
    assert_eq!(seen(&engine), (tick(TICK / 2), lot(7), crate::Known::To(price(101)), false), "to the best ask alone");
    feed(&mut engine, 2, &with_tick(TICK * 2, 7));
    assert_eq!(seen(&engine), (tick(TICK * 2), lot(7), crate::Known::To(price(101)), true), "no multiple of it");
}

/// How large a snapshot was is part of a head: less than a tenth of it left is too little, before and after.
#[test]
fn a_restored_book_asks_for_a_snapshot_as_the_first_would() {
    let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
    for price in 80..100 {
        feed(&mut engine, 1, &level(1, Flags::SNAPSHOT, Side::Bid, price, 1));
    }
    feed(&mut engine, 1, &level(1, Flags::SNAPSHOT.with(Flags::LAST), Side::Ask, 101, 1));
    feed(&mut engine, 1, &state(Family::Book, Fact::SnapshotComplete));
    let mut head = Vec::new();
    put_head(engine.market(), engine.ts(), &mut head);
    let mut restored = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let mut bytes = &head[..];
    restored.restore(engine.seq() + 1, std::iter::from_fn(|| take_frame(0, &mut bytes))).unwrap();
    for price in (81..100).rev() {
        for engine in [&mut engine, &mut restored] {
            feed(engine, 2, &level(2, Flags::LAST, Side::Bid, price, 0));
            let expect = (price == 81).then_some(Effect::Resnapshot(ID));
            assert_eq!(engine.market_mut().poll_effect(), expect, "{price}");
        }
    }
}

/// A head is the whole state, whatever the engine held before.
#[test]
fn an_engine_that_forgets_goes_on_from_a_head_as_a_new_one_does() {
    let mut other = engine(&[define(0, "B:OTHER"), define(1, "B:MORE"), state(Family::Book, Fact::Subscribed)]);
    feed(&mut other, 1, &trade(1, 7, 1));
    let mut head = Vec::new();
    put_head(other.market(), other.ts(), &mut head);
    let mut used = live();
    feed(&mut used, 2, &level(2, Flags::LAST, Side::Bid, 99, 0));
    feed(&mut used, 2, &trade(2, 100, 7));
    feed(&mut used, 2, &event(2, Flags::NONE, Body::Message { first: 1, last: 1 }));
    used.market_mut().take_changed(|_, _| ());
    used.forget();
    let mut fresh = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let state = [&mut used, &mut fresh].map(|engine| {
        let mut bytes = &head[..];
        engine.restore(9, std::iter::from_fn(|| take_frame(0, &mut bytes))).unwrap();
        let mut again = Vec::new();
        put_head(engine.market(), Nanos::ZERO, &mut again);
        let (deadline, is_open) = (engine.market().next_deadline(), engine.market().is_message_open());
        let (mut changed, effect) = (Vec::new(), engine.market_mut().poll_effect());
        engine.market_mut().take_changed(|id, _| changed.push(id));
        (engine.seq(), again, deadline, is_open, changed, effect)
    });
    assert!(state[0] == state[1], "{state:?}");
}

#[test]
fn recent_trades_are_bounded_and_have_no_hole() {
    let mut engine = live();
    let recent = |engine: &Engine| -> Vec<u64> {
        engine.market().stream(ID).unwrap().recent_trades.iter().map(|trade| trade.trade_id).collect()
    };
    for trade_id in 1..=9 {
        feed(&mut engine, 2, &trade(2, 100, trade_id));
    }
    assert_eq!(recent(&engine), [9, 8, 7, 6], "the latest first, as many as there is room for");
    feed(&mut engine, 2, &gap(Some(ID), Family::Book, GapCause::Sequence));
    assert_eq!(recent(&engine).len(), 4, "a hole of the book is none of the trades");
    feed(&mut engine, 3, &gap(Some(ID), Family::Trades, GapCause::Sequence));
    assert!(recent(&engine).is_empty() && engine.market().stream(ID).unwrap().last_trade.is_some());
    feed(&mut engine, 3, &trade(3, 100, 12));
    assert_eq!(recent(&engine), [12]);
    feed(&mut engine, 3, &gap(None, Family::Book, GapCause::Restart));
    assert!(recent(&engine).is_empty());
    let none = Bounds { trades_max: 0, ..BOUNDS };
    let mut market = Market::new(none);
    market.apply(Nanos::ZERO, &define(0, "B:X")).unwrap();
    market.apply(Nanos::ZERO, &trade(1, 100, 1)).unwrap();
    assert_eq!(market.stream(ID).unwrap().recent_trades.iter().len(), 0);
}

/// A venue that sends packets replaces its whole book with each: whoever looks between messages, and at the
/// end of each, sees a live book.
#[test]
fn a_complete_snapshot_is_live_with_its_last_event() {
    let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
    let flags = Flags::SNAPSHOT.with(Flags::COMPLETE);
    let mut looks = 0;
    for best in [99, 95, 98] {
        for input in [
            event(1, flags, Body::Clear),
            level(1, flags, Side::Bid, best, 1),
            level(1, flags, Side::Bid, best - 2, 1),
            level(1, flags.with(Flags::LAST), Side::Ask, 101, 1),
        ] {
            let mut look = |market: &Market, _: Stamped<'_>| {
                let stream = market.stream(ID).unwrap();
                if !market.is_message_open() {
                    looks += 1;
                    assert_eq!(stream.state(Family::Book), StreamState::Live);
                    assert_eq!(stream.book.top().bid.map(|level| level.price.raw()), Some(best));
                    let known = stream.book.known_to(Side::Bid);
                    assert_eq!(known, crate::Known::To(Price::from_raw(best - 2).unwrap()), "and nothing deeper");
                }
            };
            engine.input(Nanos::new(1), &input, &mut look).unwrap();
        }
    }
    assert_eq!(looks, 3);
    feed(&mut engine, 2, &gap(Some(ID), Family::Book, GapCause::Disconnected));
    assert_eq!((book_state(&engine), bid(&engine)), (StreamState::Gapped, None));
    feed(&mut engine, 2, &state(Family::Book, Fact::Closed));
    feed(&mut engine, 3, &event(3, flags.with(Flags::LAST), Body::Clear));
    assert_eq!(book_state(&engine), StreamState::Closed, "what is closed stays so");
}

/// A venue that says nothing while its best levels stand is not gone: its session knows when it is.
#[test]
fn a_book_of_packets_may_be_silent_for_longer() {
    let second = |n: i64| n * 1_000_000_000;
    let flags = Flags::SNAPSHOT.with(Flags::COMPLETE).with(Flags::LAST);
    let quiet = |flags: Flags| {
        let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
        feed(&mut engine, second(1), &event(second(1), flags.with(Flags::SNAPSHOT), Body::Clear));
        feed(&mut engine, second(1), &state(Family::Book, Fact::SnapshotComplete));
        [5, 6, 60, 61].map(|n| {
            engine.pass_time(Nanos::new(second(n)), &mut |_: &Market, _: Stamped<'_>| {}).unwrap();
            book_state(&engine)
        })
    };
    use StreamState::{Live, Stale};
    assert_eq!(quiet(flags), [Live, Live, Live, Stale]);
    assert_eq!(quiet(Flags::LAST), [Live, Stale, Stale, Stale]);
}

#[test]
fn a_trade_gap_leaves_the_book_live_and_marks_the_bars() {
    let mut engine = live();
    feed(&mut engine, 1, &trade(1, 100, 1));
    feed(&mut engine, 1, &gap(Some(ID), Family::Trades, GapCause::Sequence));
    assert_eq!(book_state(&engine), StreamState::Live);
    let stream = engine.market().stream(ID).unwrap();
    assert!(stream.bars[0].iter().next().unwrap().flags.has(crate::BarFlags::INCOMPLETE));
}

#[test]
fn the_quote_of_a_lost_connection_is_not_shown_on_the_next() {
    let mut engine = live();
    let (price, qty) = (|raw| Price::from_raw(raw).unwrap(), Qty::from_raw(1).unwrap());
    let quote = Body::Quote { bid: price(1), bid_qty: qty, ask: price(2), ask_qty: qty };
    feed(&mut engine, 20, &state(Family::Quotes, Fact::Subscribed));
    feed(&mut engine, 21, &event(21, Flags::LAST, quote));
    assert!(engine.market().stream(ID).unwrap().quote.is_some());
    feed(&mut engine, 22, &state(Family::Quotes, Fact::Closed));
    feed(&mut engine, 23, &state(Family::Quotes, Fact::Subscribed));
    assert_eq!(engine.market().stream(ID).unwrap().quote, None);
}

#[test]
fn silence_makes_a_stream_stale_at_its_deadline_and_an_event_revives_it() {
    let mut engine = live();
    assert_eq!(engine.market().next_deadline(), Some(Nanos::new(1 + 5_000_000_000)));
    let mut times = Vec::new();
    engine
        .input(
            Nanos::new(6_000_000_000),
            &trade(6_000_000_000, 100, 1),
            &mut |market: &Market, stamped: Stamped<'_>| {
                times.push((stamped.seq, stamped.ts.raw(), market.stream(ID).unwrap().state(Family::Book)));
            },
        )
        .unwrap();
    assert_eq!(
        times,
        [(9, 5_000_000_001, StreamState::Stale), (10, 6_000_000_000, StreamState::Stale)],
        "the deadline comes before the input that shows it has passed"
    );
    feed(&mut engine, 6_100_000_000, &level(6_100_000_000, Flags::LAST, Side::Bid, 98, 1));
    assert_eq!(book_state(&engine), StreamState::Live);
}

#[test]
fn a_crossed_book_is_degraded_until_it_uncrosses() {
    let mut engine = live();
    feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 101, 1));
    assert_eq!(book_state(&engine), StreamState::Degraded);
    feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 101, 0));
    assert_eq!(book_state(&engine), StreamState::Live);
}

#[test]
fn an_exhausted_book_is_not_live_and_asks_for_a_snapshot_once() {
    let mut engine = live();
    feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 99, 0));
    assert_eq!(book_state(&engine), StreamState::Syncing);
    feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 42, 1));
    assert_eq!(book_state(&engine), StreamState::Syncing, "a better bid than 42 may stand unseen");
    feed(&mut engine, 2, &level(2, Flags::LAST, Side::Bid, 99, 1));
    assert_eq!(book_state(&engine), StreamState::Live);
    assert_eq!(engine.market_mut().poll_effect(), Some(Effect::Resnapshot(ID)));
    assert_eq!(engine.market_mut().poll_effect(), None);
}

#[test]
fn a_price_beside_the_tick_ends_every_conclusion_from_the_tick() {
    const TICK: i64 = 10_000_000;
    for (strange, expect) in [(5 * TICK, StreamState::Live), (5 * TICK + 1, StreamState::Syncing)] {
        let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
        for input in [
            event(1, Flags::SNAPSHOT, Body::Clear),
            level(1, Flags::SNAPSHOT, Side::Bid, 9 * TICK, 1),
            level(1, Flags::SNAPSHOT.with(Flags::LAST), Side::Ask, 11 * TICK, 1),
            state(Family::Book, Fact::SnapshotComplete),
            // The market falls below everything that the snapshot showed of the bids.
            level(2, Flags::NONE, Side::Bid, strange, 1),
            level(2, Flags::NONE, Side::Bid, 9 * TICK, 0),
            level(2, Flags::NONE, Side::Bid, 7 * TICK, 1),
            level(2, Flags::LAST, Side::Ask, 8 * TICK, 1),
        ] {
            feed(&mut engine, 2, &input);
        }
        assert_eq!(book_state(&engine), expect, "between 7 and 8 ticks there is room only off the tick");
    }
}

#[test]
fn a_restart_empties_every_book_and_an_unrepresentable_value_closes_its_stream() {
    let mut engine = live();
    feed(&mut engine, 2, &gap(None, Family::Book, GapCause::Restart));
    assert_eq!((book_state(&engine), bid(&engine)), (StreamState::Gapped, None));
    feed(&mut engine, 2, &gap(Some(ID), Family::Book, GapCause::Unrepresentable));
    assert_eq!(book_state(&engine), StreamState::Closed);
}

/// Golden: a change here is a change of every tape's heads and needs a new version of the frame.
#[test]
fn the_layout_of_a_head_is_fixed() {
    let mut engine = live();
    feed(&mut engine, 2, &trade(2, 100, 7));
    let mut head = Vec::new();
    put_head(engine.market(), Nanos::new(3), &mut head);
    assert_eq!(head.len(), 1_097);
    let hash = |head: &[u8]| blake3::hash(head).to_hex().to_string();
    assert_eq!(hash(&head), "a2cf0aff37bc03e9cdc4a493f50fe32197f8377e22851447b870c59519bcad1a");
    // Version 2 lacked the last two bytes, version 1 the one before them too; both are read.
    let define_bytes = 16 + u32::from_le_bytes(head[12..16].try_into().unwrap()) as usize;
    for (version, lacks, expect) in [
        (2u16, 2, "6953ef0742db577ead892c6f8911bca060c7942fe5b158542f7d517abd5cc112"),
        (1, 1, "79fd75c0c435166642985e23426fc944f4da76f471269c9f5d8a6af4ea0d4cd2"),
    ] {
        head.truncate(head.len() - lacks);
        let length = (head.len() - define_bytes - 16) as u32;
        head[define_bytes + 10..define_bytes + 12].copy_from_slice(&version.to_le_bytes());
        head[define_bytes + 12..define_bytes + 16].copy_from_slice(&length.to_le_bytes());
        assert_eq!(hash(&head), expect, "version {version}");
        restores(&engine, &head);
    }
}

/// A head is read, whatever its version, and comes to the state of `engine`.
fn restores(engine: &Engine, head: &[u8]) {
    let mut bytes = head;
    let mut old = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    old.restore(1, std::iter::from_fn(|| crate::frame::take_frame(0, &mut bytes))).unwrap();
    assert_eq!(old.market().digest(), engine.market().digest());
    assert_eq!(
        engine.market().digest().to_hex().as_str(),
        "607e235556fbbd98ebcdb194ec347437e6b092860d6a32cb7cc0052bc4ffc1b3"
    );
}

#[test]
fn inputs_that_do_not_fit_change_nothing() {
    let mut market = Market::new(BOUNDS);
    let now = Nanos::ZERO;
    assert_eq!(market.apply(now, &trade(1, 1, 1)), Err(ApplyError::Undefined(0)));
    assert_eq!(market.apply(now, &define(1, "B:X")), Err(ApplyError::BadDefine(1)));
    market.apply(now, &define(0, "B:X")).unwrap();
    assert_eq!(market.apply(now, &define(0, "B:Y")), Err(ApplyError::BadDefine(0)));
    market.apply(now, &define(1, "B:Y")).unwrap();
    assert_eq!(market.apply(now, &define(2, "B:Z")), Err(ApplyError::TooMany(2)));
    assert_eq!(market.streams().len(), 2);
}

#[test]
fn the_clock_may_step_back_and_the_tape_does_not() {
    let mut engine = live();
    feed(&mut engine, 500, &trade(500, 100, 1));
    feed(&mut engine, 400, &trade(400, 100, 2));
    assert_eq!(engine.ts(), Nanos::new(500));
    let recorded = trade(500, 100, 3);
    assert!(matches!(
        engine.replay(engine.seq(), Nanos::new(500), &recorded, &mut ignore),
        Err(crate::EngineError::OutOfOrder { .. })
    ));
    let mut late = Engine::new(Market::new(BOUNDS), crate::frame::SEQ_LIMIT - 1, Nanos::ZERO);
    assert_eq!(late.input(Nanos::ZERO, &Input::Time, &mut ignore), Err(crate::EngineError::SequenceExhausted));
}

fn any_input() -> impl Strategy<Value = Input> {
    let flags = prop_oneof![Just(Flags::LAST), Just(Flags::NONE), Just(Flags::LAST.with(Flags::COMPLETE))];
    prop_oneof![
        8 => (1i64..8_000_000_000, flags, any::<bool>(), 90i64..110, 0i64..3).prop_map(|(ts, flags, ask, price, qty)| {
            level(ts, flags, if ask { Side::Ask } else { Side::Bid }, price, qty)
        }),
        4 => (1i64..8_000_000_000, 90i64..110, 1u64..99).prop_map(|(ts, price, id)| trade(ts, price, id)),
        1 => any::<u64>().prop_map(|n| event(1, Flags::NONE, Body::Message { first: n, last: n })),
        1 => Just(event(1, Flags::LAST, Body::Clear)),
        1 => Just(gap(Some(ID), Family::Book, GapCause::Sequence)),
        1 => Just(state(Family::Book, Fact::SnapshotComplete)),
        1 => Just(Input::Time),
    ]
}

/// What a feed of the best `shown` levels sends when the venue's best levels change from `old` to `new`.
fn window(side: Side, old: &[(i64, i64)], new: &[(i64, i64)], shown: usize) -> Vec<(Side, i64, i64)> {
    let (old, new) = (&old[..old.len().min(shown)], &new[..new.len().min(shown)]);
    let is_gone = |&&(price, _): &&(i64, i64)| !new.iter().any(|&(at, _)| at == price);
    let gone = old.iter().filter(is_gone).map(|&(price, _)| (side, price, 0));
    gone.chain(new.iter().filter(|level| !old.contains(level)).map(|&(price, qty)| (side, price, qty))).collect()
}

#[test]
fn a_level_that_leaves_the_shown_ones_is_not_taken_for_gone() {
    let shown = |flags: Flags| {
        let mut engine = live();
        feed(&mut engine, 2, &level(2, Flags::NONE, Side::Bid, 99, 0));
        feed(&mut engine, 2, &level(2, flags, Side::Bid, 100, 1));
        feed(&mut engine, 3, &level(3, Flags::NONE, Side::Bid, 100, 0));
        feed(&mut engine, 3, &level(3, flags, Side::Bid, 98, 1));
        let book = &engine.market().stream(ID).unwrap().book;
        (book.known_to(Side::Bid), book.depth(Side::Bid, 9).count(), book_state(&engine))
    };
    let to = |price| crate::Known::To(Price::from_raw(price).unwrap());
    assert_eq!(shown(Flags::LAST.with(Flags::COMPLETE)), (to(98), 1, StreamState::Live));
    assert_eq!(shown(Flags::LAST), (to(99), 0, StreamState::Syncing), "a change of a whole book says less");
    let unknown = engine(&[define(0, "B:X"), level(1, Flags::LAST.with(Flags::COMPLETE), Side::Bid, 5, 1)]);
    assert_eq!(bid(&unknown), None, "only a snapshot begins a book");
}

proptest! {
    /// A feed that shows the venue's best levels and no more: the book is exactly these after every message,
    /// whatever its tick, and known no further.
    #[test]
    fn a_book_of_the_best_levels_is_known_to_its_worst(
        changes in proptest::collection::vec((any::<bool>(), 1i64..60, 0i64..4), 1..120),
        shown in 1usize..12,
    ) {
        let mut engine = engine(&[define(0, "B:X"), state(Family::Book, Fact::Subscribed)]);
        feed(&mut engine, 1, &event(1, Flags::LAST.with(Flags::SNAPSHOT), Body::Clear));
        feed(&mut engine, 1, &state(Family::Book, Fact::SnapshotComplete));
        // Bids below 100, asks above: a tick that is held to would be believed.
        let mut venue = [std::collections::BTreeMap::new(), std::collections::BTreeMap::new()];
        for (is_ask, distance, qty) in changes {
            let best = |side: &std::collections::BTreeMap<i64, i64>, sign: i64| -> Vec<_> {
                side.iter().map(|(&distance, &qty)| (10_000_000 * (100 + sign * distance), qty)).collect()
            };
            let (side, sign) = if is_ask { (Side::Ask, 1) } else { (Side::Bid, -1) };
            let ladder = &mut venue[usize::from(side.code())];
            let old = best(ladder, sign);
            if qty == 0 { ladder.remove(&distance) } else { ladder.insert(distance, qty) };
            let new = best(ladder, sign);
            let steps = window(side, &old, &new, shown);
            for (at, &(side, price, qty)) in steps.iter().enumerate() {
                let last = if at + 1 == steps.len() { Flags::LAST } else { Flags::NONE };
                feed(&mut engine, 1, &level(1, last.with(Flags::COMPLETE), side, price, qty));
            }
            let book = &engine.market().stream(ID).unwrap().book;
            let seen: Vec<_> = book.depth(side, 100).map(|level| (level.price.raw(), level.qty.raw())).collect();
            let best = &new[..new.len().min(shown)];
            prop_assert_eq!(&seen[..], best);
            let end = best.last().map_or(crate::Known::All, |&(price, _)| {
                crate::Known::To(Price::from_raw(price).unwrap())
            });
            prop_assert!(steps.is_empty() || book.known_to(side) == end);
        }
    }

    /// From any head on, the rest of the inputs comes to the same state as from the beginning.
    #[test]
    fn a_head_stands_for_everything_before_it(
        before in proptest::collection::vec((0i64..9_000_000_000, any_input()), 0..60),
        after in proptest::collection::vec((0i64..9_000_000_000, any_input()), 0..60),
    ) {
        let mut whole = live();
        for (now, input) in &before {
            feed(&mut whole, *now, input);
        }
        // A segment ends between messages.
        feed(&mut whole, 0, &level(1, Flags::LAST, Side::Bid, 1, 1));
        let mut head = Vec::new();
        put_head(whole.market(), whole.ts(), &mut head);
        let mut market = Market::new(BOUNDS);
        let mut bytes = &head[..];
        while !bytes.is_empty() {
            restore_frame(&mut market, &take_frame(0, &mut bytes).unwrap()).unwrap();
        }
        prop_assert_eq!(market.digest(), whole.market().digest());
        let mut rest = Engine::new(market, whole.seq(), whole.ts());
        for (now, input) in &after {
            feed(&mut whole, *now, input);
            feed(&mut rest, *now, input);
            prop_assert_eq!(book_state(&rest), book_state(&whole));
        }
        prop_assert_eq!(rest.market().digest(), whole.market().digest());
        prop_assert_eq!((rest.seq(), rest.ts()), (whole.seq(), whole.ts()));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        put_head(whole.market(), whole.ts(), &mut one);
        put_head(rest.market(), rest.ts(), &mut two);
        prop_assert!(one == two);
    }

    /// A head that is cut or changed gives an error or a market, never a panic.
    #[test]
    fn a_damaged_head_does_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let whole = live();
        let mut head = Vec::new();
        put_head(whole.market(), whole.ts(), &mut head);
        let at = at.index(head.len());
        head[at] = byte;
        let mut market = Market::new(BOUNDS);
        let mut bytes = &head[..];
        while let Some(frame) = take_frame(0, &mut bytes) {
            let _ = restore_frame(&mut market, &frame);
        }
    }
}

const MANY: Bounds = Bounds { instruments_max: 6, ..BOUNDS };

/// An input for any of several instruments.
fn any_of_many() -> impl Strategy<Value = Input> {
    let ids = 0..MANY.instruments_max as u32;
    let facts = [Fact::Subscribed, Fact::SnapshotComplete, Fact::Closed, Fact::AllBids, Fact::AllAsks];
    let facts = proptest::sample::select(facts.to_vec());
    let families = proptest::sample::select(Family::ALL.to_vec());
    prop_oneof![
        20 => (ids.clone(), any_input()).prop_map(|(id, input)| match input {
            Input::Event(event) => Input::Event(Event { id: InstrumentId(id), ..event }),
            Input::State { family, fact, .. } => Input::State { id: InstrumentId(id), family, fact },
            Input::Gap(one) => Input::Gap(Gap { id: Some(InstrumentId(id)), ..one }),
            other => other,
        }),
        4 => (ids, families, facts).prop_map(|(id, family, fact)| Input::State { id: InstrumentId(id), family, fact }),
        1 => Just(gap(None, Family::Book, GapCause::Restart)),
        1 => any::<u32>().prop_map(|id| define(id % 6, &format!("B:{}", id % 6))),
    ]
}

/// Twin of [`Market::next_deadline`]: what every stream says by itself.
fn first_deadline(market: &Market) -> Option<Nanos> {
    let of_stream = |stream: &Stream| {
        let silence_max = MANY.stale_after.raw() * if stream.shows_best_alone { 12 } else { 1 };
        let stale = [Family::Book, Family::Quotes, Family::Statistics]
            .into_iter()
            .filter(|&family| stream.state(family) == StreamState::Live)
            .filter_map(|family| Some(stream.last_event[usize::from(family.code())]?.plus(Nanos::new(silence_max))));
        stale.chain(stream.bars.iter().filter_map(crate::bar::BarSeries::next_deadline)).min()
    };
    market.streams().filter_map(|(_, stream)| of_stream(stream)).min()
}

proptest! {
    /// What is kept about all streams is what a scan of all of them gives: the next deadline, whether a message
    /// is open, whom a deadline concerns, and who has changed.
    #[test]
    fn what_is_kept_of_all_streams_equals_a_scan(
        inputs in proptest::collection::vec((0i64..20_000_000_000, any_of_many(), any::<bool>()), 0..150),
    ) {
        let mut market = Market::new(MANY);
        for id in 0..MANY.instruments_max as u32 {
            market.apply(Nanos::ZERO, &define(id, &format!("B:{id}"))).unwrap();
            for family in Family::ALL {
                let id = InstrumentId(id);
                market.apply(Nanos::ZERO, &Input::State { id, family, fact: Fact::Subscribed }).unwrap();
            }
        }
        let shown = |stream: &Stream| {
            let mut stream = stream.clone();
            stream.book.note_shown();
            format!("{stream:?}")
        };
        let mut taken: Vec<Option<String>> = vec![None; MANY.instruments_max];
        let mut books = taken.clone();
        for (at, input, takes) in inputs {
            let at = Nanos::new(at);
            let mut passed = market.clone();
            market.apply(at, &input).unwrap();
            if matches!(input, Input::Time) {
                passed.streams.iter_mut().for_each(|stream| stream.pass(at, MANY.stale_after));
                prop_assert_eq!(format!("{:?}", passed.streams), format!("{:?}", market.streams));
            }
            prop_assert_eq!(market.next_deadline(), first_deadline(&market));
            prop_assert_eq!(market.is_message_open(), market.streams.iter().any(Stream::is_message_open));
            if takes {
                let mut seen = Vec::new();
                market.take_changed(|id, stream| {
                    seen.push(id);
                    taken[id.index()] = Some(shown(stream));
                    let mut book = stream.book.clone();
                    book.note_shown();
                    let before = books[id.index()].replace(format!("{book:?}"));
                    assert!(stream.book.is_changed() || before == books[id.index()], "a change that nobody is told");
                });
                let count = seen.len();
                seen.sort();
                seen.dedup();
                prop_assert_eq!(count, seen.len(), "each once");
                for (id, stream) in market.streams().filter(|(_, stream)| !stream.is_message_open()) {
                    prop_assert_eq!(taken[id.index()].as_ref(), Some(&shown(stream)));
                }
                prop_assert!(seen.iter().all(|id| !market.streams[id.index()].is_message_open()));
            }
        }
    }
}
