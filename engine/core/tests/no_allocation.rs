//! Nothing between ring and board allocates once every structure has been as large as it gets.
//!
//! A test binary of its own, as it replaces the allocator.

#![allow(clippy::unwrap_used, reason = "a test, all of it")]

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_core::{
    Body, Bounds, Engine, Event, Fact, Family, Flags, Inlets, Input, Instrument, InstrumentId, Market, Nanos, Price,
    Qty, RingProducer, Settlement, Side, Stamped, StreamState, Terms, board, ring,
};

#[expect(clippy::disallowed_methods, reason = "how long a test runs is asked of its environment")]
#[path = "../../../tests/cases.rs"]
mod cases;

#[path = "../../../tests/allocations.rs"]
mod allocations;

use allocations::{allocated, allocations};
use tidegate_core::meter::METER_BYTES_MAX;

const INSTRUMENTS: u32 = 8;
const LEVELS_MAX: usize = 200;
const BARS_MAX: usize = 32;
const BOUNDS: Bounds = Bounds {
    book_levels_max: LEVELS_MAX,
    bars_max: BARS_MAX,
    trades_max: 32,
    instruments_max: INSTRUMENTS as usize,
    stale_after: Nanos::SECOND,
};
const TICK: i64 = 10_000_000;
const MINUTE: i64 = 60 * Nanos::SECOND.raw();

fn instrument(id: u32) -> Instrument {
    Instrument {
        key: format!("SIM:{id}"),
        source: "SIM".to_owned(),
        tick: Price::from_raw(TICK),
        lot: None,
        multiplier: None,
        settlement: Settlement::Linear,
        base: String::new(),
        quote: String::new(),
        price_decimals: 2,
        qty_decimals: 8,
        terms: Terms::default(),
        master_epoch_days: None,
    }
}

/// A generated venue: one random walk per instrument, whose messages follow each other like a session's.
struct Venue {
    rng: Pcg64Mcg,
    now: Nanos,
    middles: [i64; INSTRUMENTS as usize],
    inputs: Vec<Input>,
}

impl Venue {
    fn event(&mut self, id: u32, flags: Flags, body: Body) {
        let (venue_ts, receive_ts) = (self.now, self.now);
        self.inputs.push(Input::Event(Event { id: InstrumentId(id), flags, venue_ts, receive_ts, body }));
    }

    fn level(&mut self, id: u32, flags: Flags, side: Side, distance: i64, qty: i64) {
        let sign = if side == Side::Bid { -1 } else { 1 };
        let price = Price::from_raw((self.middles[id as usize] + sign * distance) * TICK).unwrap();
        let orders = self.rng.random_range(0..9);
        self.event(id, flags, Body::Level { side, orders, price, qty: Qty::from_raw(qty).unwrap() });
    }

    /// A snapshot as large as a book may be.
    fn snapshot(&mut self, id: u32) {
        self.event(id, Flags::SNAPSHOT, Body::Message { first: 1, last: 1 });
        self.event(id, Flags::SNAPSHOT, Body::Clear);
        for distance in 1..=LEVELS_MAX as i64 {
            self.level(id, Flags::SNAPSHOT, Side::Bid, distance, 1);
            let last = if distance == LEVELS_MAX as i64 { Flags::LAST } else { Flags::NONE };
            self.level(id, Flags::SNAPSHOT.with(last), Side::Ask, distance, 1);
        }
        self.inputs.push(Input::State { id: InstrumentId(id), family: Family::Book, fact: Fact::SnapshotComplete });
    }

    fn trade(&mut self, id: u32) {
        let price = Price::from_raw(self.middles[id as usize] * TICK).unwrap();
        self.event(
            id,
            Flags::LAST,
            Body::Trade { side: Side::Bid, price, qty: Qty::from_raw(5).unwrap(), trade_id: 1 },
        );
    }

    fn quote(&mut self, id: u32) {
        let middle = self.middles[id as usize];
        let [bid, ask] = [middle - 1, middle + 1].map(|ticks| Price::from_raw(ticks * TICK).unwrap());
        let qty = Qty::from_raw(7).unwrap();
        self.event(id, Flags::LAST, Body::Quote { bid, bid_qty: qty, ask, ask_qty: qty });
    }

    /// A change of a book, a trade, a quote, or a snapshot after the book has moved away from the last one.
    fn message(&mut self) {
        let id = self.rng.random_range(0..INSTRUMENTS);
        match self.rng.random_range(0..100) {
            0 => self.snapshot(id),
            1..=10 => self.trade(id),
            11..=20 => self.quote(id),
            _ => {
                self.event(id, Flags::NONE, Body::Message { first: 2, last: 2 });
                // The market moves by a tick: what stands in its way is gone.
                let step = self.rng.random_range(-1..=1);
                self.middles[id as usize] += step;
                self.level(id, Flags::NONE, Side::Bid, 0, 0);
                self.level(id, Flags::NONE, Side::Ask, 0, 0);
                for _ in 0..self.rng.random_range(1..30) {
                    let side = Side::BOTH[self.rng.random_range(0..2)];
                    let (distance, qty) = (self.rng.random_range(1..250), self.rng.random_range(0..4));
                    self.level(id, Flags::NONE, side, distance, qty);
                }
                self.level(id, Flags::LAST, Side::Bid, 1, 1);
            }
        }
    }
}

/// The path from one connection to the readers, on one thread.
struct Path {
    venue: Venue,
    producer: RingProducer,
    inlets: Inlets,
    engine: Engine,
    writer: tidegate_core::BoardWriter,
    reader: tidegate_core::BoardReader,
    events: u64,
}

impl Path {
    fn new() -> Path {
        let (producer, consumer) = ring(1_024);
        let (writer, reader) = board(BOUNDS.instruments_max);
        let venue = Venue {
            rng: Pcg64Mcg::seed_from_u64(4),
            now: Nanos::ZERO,
            middles: [10_000; INSTRUMENTS as usize],
            inputs: Vec::new(),
        };
        let engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
        Path { venue, producer, inlets: Inlets::new(vec![consumer], 256), engine, writer, reader, events: 0 }
    }

    /// Sends what the venue has written through ring, engine and board, and reads a slot of the board.
    fn pass(&mut self) {
        let now = self.venue.now;
        assert!(self.producer.push_message(now, &mut self.venue.inputs));
        let events = &mut self.events;
        let mut count = |_: &Market, stamped: Stamped<'_>| {
            *events += u64::from(matches!(stamped.input, Input::Event(_)));
        };
        self.inlets.turn(now, &mut self.engine, &mut count, &mut self.writer).unwrap();
        while self.engine.market_mut().poll_effect().is_some() {}
        let id = InstrumentId(self.venue.rng.random_range(0..INSTRUMENTS));
        assert!(self.reader.read(id).is_ok());
    }

    /// Everything once as large as it gets: books, messages, and all series of bars.
    fn warm_up(&mut self) {
        for id in 0..INSTRUMENTS {
            self.venue.inputs.push(Input::Define { id: InstrumentId(id), instrument: Box::new(instrument(id)) });
            for family in Family::ALL {
                self.venue.inputs.push(Input::State { id: InstrumentId(id), family, fact: Fact::Subscribed });
            }
        }
        self.pass();
        // Half of the instruments are measured for readers.
        for id in 0..INSTRUMENTS / 2 {
            self.engine.market_mut().measure(InstrumentId(id), Nanos::ZERO);
        }
        for hours in 0..24 * (BARS_MAX as i64 + 2) {
            self.venue.now = Nanos::new(hours * 60 * MINUTE);
            for id in 0..INSTRUMENTS {
                self.venue.trade(id);
                self.pass();
            }
        }
        for id in 0..INSTRUMENTS {
            self.venue.quote(id);
            self.pass();
            self.venue.snapshot(id);
            self.pass();
        }
    }

    fn run(&mut self, events: u64) {
        let end = self.events + events;
        while self.events < end {
            // Sometimes silent for long enough that streams go stale and bars close.
            let step = if self.venue.rng.random_range(0..1_000) == 0 { MINUTE } else { 3_000_000 };
            self.venue.now = self.venue.now.plus(Nanos::new(step));
            self.venue.message();
            self.pass();
        }
    }
}

#[test]
fn a_warm_path_from_ring_to_board_allocates_nothing() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1, "the counter counts");
    let count = cases::count(1_000_000, 10_000_000);
    let mut path = Path::new();
    let warm_up = allocations(|| path.warm_up());
    let (before, trades) = (path.events, path.engine.market().counters().trades);
    let allocated = allocations(|| path.run(count));
    println!("{} events from ring to board: {allocated} allocations ({warm_up} to warm up)", path.events - before);
    assert!(warm_up > 0);
    assert_eq!(allocated, 0);
    let market = path.engine.market();
    let live = market.streams().filter(|(_, stream)| stream.state(Family::Book) == StreamState::Live).count();
    assert!(live > 0 && market.counters().trades > trades);
    let flow = market.stream(InstrumentId(0)).unwrap().flow().unwrap();
    assert!(flow.book_changes > 20 && flow.trades > 100 && flow.interruptions > 0, "{flow:?}");
}

#[test]
fn a_meter_takes_no_more_than_is_said() {
    let mut path = Path::new();
    path.warm_up();
    let (_, bytes) = allocated(|| path.engine.market_mut().measure(InstrumentId(INSTRUMENTS - 1), Nanos::ZERO));
    println!("a meter takes {bytes} bytes");
    assert!((METER_BYTES_MAX / 2..=METER_BYTES_MAX).contains(&bytes), "{bytes}");
    let again = allocations(|| path.engine.market_mut().measure(InstrumentId(INSTRUMENTS - 1), Nanos::ZERO));
    assert_eq!(again, 0);
}
