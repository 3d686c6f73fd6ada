use super::*;
use crate::board::{BoardReader, Snapshot, board};
use crate::event::{Body, Event, Family, Flags, Side};
use crate::input::{Fact, Gap, GapCause, Input};
use crate::instrument::InstrumentId;
use crate::instrument::tests::spot;
use crate::market::{Bounds, Market};
use crate::price::{Price, Qty};
use crate::ring::{RingProducer, ring};
use crate::{Observer, Stamped};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const INSTRUMENTS: u32 = 3;
const BOUNDS: Bounds = Bounds {
    book_levels_max: 20,
    bars_max: 5,
    trades_max: 32,
    instruments_max: 3,
    stale_after: Nanos::new(2_000_000_000),
};

/// What a recorder would write: place, time and encoding of every input.
#[derive(Default, PartialEq, Debug)]
struct Tape(Vec<u8>);

impl Observer for Tape {
    fn after(&mut self, _market: &Market, stamped: Stamped<'_>) {
        self.0.extend(stamped.seq.to_le_bytes());
        self.0.extend(stamped.ts.raw().to_le_bytes());
        self.0.extend(stamped.input.kind().to_le_bytes());
        stamped.input.encode(&mut self.0);
    }
}

fn engine() -> Engine {
    Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO)
}

fn event(id: u32, at: Nanos, flags: Flags, body: Body) -> Input {
    Input::Event(Event { id: InstrumentId(id), flags, venue_ts: at, receive_ts: at, body })
}

fn level(rng: &mut Pcg64Mcg) -> Body {
    let side = Side::BOTH[rng.random_range(0..2)];
    let price = if side == Side::Bid { 0 } else { 12 } + rng.random_range(1..15);
    let (price, qty) = (Price::from_raw(price * 10_000_000).unwrap(), Qty::from_raw(rng.random_range(0..3)).unwrap());
    Body::Level { side, orders: 0, price, qty }
}

/// A venue message: a change of a book, a snapshot with the fact that completes it, a trade, a gap.
fn message(rng: &mut Pcg64Mcg, at: Nanos) -> Vec<Input> {
    let id = rng.random_range(0..INSTRUMENTS);
    match rng.random_range(0..20) {
        0 => {
            let gap =
                Gap { id: Some(InstrumentId(id)), family: Family::Book, cause: GapCause::Sequence, from: 1, to: 2 };
            vec![Input::Gap(gap)]
        }
        kind @ 1..=14 => {
            let mut inputs = vec![event(id, at, Flags::NONE, Body::Message { first: 1, last: rng.random() })];
            if kind < 3 {
                inputs.push(event(id, at, Flags::SNAPSHOT, Body::Clear));
            }
            inputs.extend((0..rng.random_range(0..20)).map(|_| event(id, at, Flags::NONE, level(rng))));
            inputs.push(event(id, at, Flags::LAST, level(rng)));
            if kind < 3 {
                inputs.push(Input::State { id: InstrumentId(id), family: Family::Book, fact: Fact::SnapshotComplete });
            }
            inputs
        }
        _ => {
            let (price, qty) = (Price::from_raw(rng.random_range(1..30)).unwrap(), Qty::from_raw(1).unwrap());
            // Some trades are late: the bar that they open is over already.
            let venue_ts = Nanos::new(at.raw() - rng.random_range(0..3_000_000_000));
            let body = Body::Trade { side: Side::Bid, price, qty, trade_id: 1 };
            let id = InstrumentId(id);
            vec![Input::Event(Event { id, flags: Flags::LAST, venue_ts, receive_ts: at, body })]
        }
    }
}

fn session(rng: &mut Pcg64Mcg, messages: usize) -> Vec<(Nanos, Vec<Input>)> {
    let mut all: Vec<(Nanos, Vec<Input>)> = Vec::new();
    for id in (0..INSTRUMENTS).map(InstrumentId) {
        let subscribed = |family| Input::State { id, family, fact: Fact::Subscribed };
        let instrument = Box::new(spot(&format!("B:{}", id.0)));
        let inputs = vec![Input::Define { id, instrument }, subscribed(Family::Book), subscribed(Family::Trades)];
        all.push((Nanos::ZERO, inputs));
    }
    let mut at = Nanos::ZERO;
    for _ in 0..messages {
        // Mostly quick, now and then silent for longer than a stream may be, and sometimes a clock that goes back.
        let step = match rng.random_range(0..30) {
            0 => rng.random_range(0..9_000_000_000),
            1 => -rng.random_range(0..500_000_000),
            _ => rng.random_range(0..50_000_000),
        };
        at = at.plus(Nanos::new(step));
        all.push((at, message(rng, at)));
    }
    all
}

/// Whatever is between two messages is on the board as it is.
fn assert_board_is_current(engine: &Engine, reader: &BoardReader) {
    for (id, stream) in engine.market().streams().filter(|(_, stream)| !stream.is_message_open()) {
        let got = reader.read(id).unwrap();
        assert_eq!(got, Snapshot::new(stream, got.seq, got.ts));
        assert!(got.seq <= engine.seq() && got.ts <= engine.ts());
    }
}

/// Pushes the whole session through one ring, with turns of any size at any moment.
fn through_a_ring(rng: &mut Pcg64Mcg, all: &[(Nanos, Vec<Input>)]) -> (Engine, Tape) {
    let (mut engine, mut tape) = (engine(), Tape::default());
    let (mut producer, consumer) = ring(rng.random_range(4..40));
    let mut inlets = Inlets::new(vec![consumer], rng.random_range(1..30));
    let (mut writer, reader) = board(BOUNDS.instruments_max);
    let mut now = Nanos::ZERO;
    let mut turn = |now| {
        inlets.turn(now, &mut engine, &mut tape, &mut writer).unwrap();
        assert_board_is_current(&engine, &reader);
    };
    for (index, (receive_ts, inputs)) in all.iter().enumerate() {
        let mut inputs = inputs.clone();
        now = now.max(*receive_ts);
        while !producer.push_message(*receive_ts, &mut inputs) {
            turn(now);
        }
        let next = all.get(index + 1).map_or(now, |(next, _)| now.max(*next));
        if rng.random_range(0..3) == 0 {
            turn(Nanos::new(rng.random_range(now.raw()..=next.raw())));
        }
    }
    while inlets.turn(now, &mut engine, &mut tape, &mut writer).unwrap() > 0 {}
    (engine, tape)
}

/// However a ring cuts them up, the same inputs give the same tape and digest as plain calls.
#[test]
fn a_ring_changes_neither_tape_nor_digest() {
    let count = crate::cases::count(10_000, 100_000);
    let mut rng = Pcg64Mcg::seed_from_u64(21);
    let mut applied = 0;
    for case in 0..count {
        let all = session(&mut rng, 100);
        let (mut plain, mut expect) = (engine(), Tape::default());
        let mut now = Nanos::ZERO;
        for (receive_ts, inputs) in &all {
            now = now.max(*receive_ts);
            inputs.iter().for_each(|input| plain.input(*receive_ts, input, &mut expect).unwrap());
        }
        plain.pass_time(now, &mut expect).unwrap();
        let (engine, tape) = through_a_ring(&mut rng, &all);
        assert!(tape == expect, "case {case}: the tapes differ");
        assert_eq!(engine.market().digest(), plain.market().digest(), "case {case}");
        applied += engine.seq();
    }
    println!("{count} sessions of {applied} inputs through rings of any size: the same tape and digest");
}

fn push(producer: &mut RingProducer, id: u32, at: i64, levels: usize) {
    let at = Nanos::new(at);
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut inputs: Vec<Input> = (0..levels).map(|_| event(id, at, Flags::NONE, level(&mut rng))).collect();
    inputs.push(event(id, at, Flags::LAST, level(&mut rng)));
    assert!(producer.push_message(at, &mut inputs));
}

#[test]
fn rings_take_turns_by_whole_messages_and_time_waits_for_the_slower_one() {
    let mut engine = engine();
    for (receive_ts, inputs) in session(&mut Pcg64Mcg::seed_from_u64(1), 0) {
        inputs.iter().for_each(|input| engine.input(receive_ts, input, &mut |_: &Market, _: Stamped<'_>| {}).unwrap());
    }
    let ((mut one, from_one), (mut two, from_two)) = (ring(100), ring(100));
    for at in [1, 2, 3] {
        push(&mut one, 0, at, 2);
    }
    push(&mut two, 1, 2, 4);
    one.push_message(Nanos::new(4), &mut vec![event(0, Nanos::new(4), Flags::LAST, trade())]);
    let mut inlets = Inlets::new(vec![from_one, from_two], 10);
    let (mut writer, reader) = board(BOUNDS.instruments_max);
    let mut order = Vec::new();
    let mut note = |_: &Market, stamped: Stamped<'_>| order.push(stamped.input.instrument().map(|id| id.0));
    let late = Nanos::new(60_000_000_000);
    assert_eq!(inlets.turn(late, &mut engine, &mut note, &mut writer), Ok(11), "the message at ten is taken whole");
    assert_eq!(engine.market().counters().trades, 0);
    assert_eq!(inlets.turn(late, &mut engine, &mut note, &mut writer), Ok(4));
    assert_eq!(order[..15], [vec![Some(0); 3], vec![Some(1); 5], vec![Some(0); 3 + 3 + 1]].concat());
    assert!(order[15..].iter().all(Option::is_none) && order.len() > 15, "then the bars' time passes: {order:?}");
    assert_eq!(reader.read(InstrumentId(1)).map(|it| it.state(Family::Book)), Ok(crate::StreamState::Syncing));
}

fn trade() -> Body {
    Body::Trade { side: Side::Bid, price: Price::ZERO, qty: Qty::ZERO, trade_id: 1 }
}

#[test]
fn an_input_that_does_not_fit_stops_the_turn() {
    let (mut producer, consumer) = ring(10);
    push(&mut producer, 7, 1, 0);
    let mut inlets = Inlets::new(vec![consumer], 10);
    let (mut writer, _reader) = board(1);
    let result = inlets.turn(Nanos::ZERO, &mut engine(), &mut Tape::default(), &mut writer);
    assert_eq!(result, Err(EngineError::Apply(crate::market::ApplyError::Undefined(7))));
}
