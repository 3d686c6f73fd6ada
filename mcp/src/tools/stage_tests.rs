//! A small market that stands still, for tests of all tools: a facade over a real engine.

use crate::directory::Directory;
use crate::directory::tests::btcusdt;
use crate::engine::{Asked, Command, Shown, Stamp, questions};
use crate::history::HistoryReader;
use crate::live::tell_firings;
use crate::server::Facade;
use crate::waits::Waits;
use crate::wire::{Data, Mode, Run};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tidegate_core::{
    Bar, BarFlags, Body, Bounds, Engine, Event, Fact, Family, Flags, INTERVALS, Input, Instrument, InstrumentId,
    Market, Nanos, Price, Qty, Settlement, Side, Stamped,
};
use tidegate_history::store::Store;
use tokio::sync::mpsc;

const NOW: Nanos = Nanos::new(1_723_118_400_000_000_000);
const CENT: i64 = 10_000_000;

/// Which instruments there are: a spot pair twice, an inverse contract, a share whose book is not live, and as many
/// simulated ones as it takes.
fn instruments(count: u32) -> Vec<Instrument> {
    let named = |key: &str, source: &str| Instrument { key: key.to_owned(), source: source.to_owned(), ..btcusdt() };
    let mut all = vec![
        btcusdt(),
        Instrument { base: "ETH".to_owned(), ..named("BINANCE:ETHUSDT", "BINANCE") },
        Instrument {
            lot: Qty::from_raw(100_000_000),
            multiplier: Qty::from_raw(10_000_000_000),
            settlement: Settlement::Inverse,
            quote: "USD".to_owned(),
            ..named("BINANCE-COINM:BTCUSD_PERP", "BINANCE")
        },
        Instrument { base: String::new(), quote: "INR".to_owned(), ..named("NSE:INFY", "SIM") },
        named("BINANCE:BTCUSDT", "SIM"),
    ];
    all.extend((1..).map(|number| named(&format!("SIM:S{number:04}"), "SIM")).take(count as usize));
    all
}

/// The inputs that make a book of `levels` levels a side, every seven units of price, and 25 trades.
fn history(id: InstrumentId, lot: i64, levels: i64) -> Vec<Input> {
    let event = |flags, body| Input::Event(Event { id, flags, venue_ts: NOW, receive_ts: NOW, body });
    let level = |flags, side, cents: i64, qty| {
        let (price, qty) = (Price::from_raw(cents * CENT).unwrap(), Qty::from_raw(qty).unwrap());
        event(flags, Body::Level { side, orders: 0, price, qty })
    };
    let mut inputs =
        vec![event(Flags::SNAPSHOT, Body::Message { first: 7, last: 7 }), event(Flags::SNAPSHOT, Body::Clear)];
    for number in 0..levels {
        let qty = lot * (50_000 + number);
        let flags = if number + 1 == levels { Flags::SNAPSHOT.with(Flags::LAST) } else { Flags::SNAPSHOT };
        inputs.push(level(Flags::SNAPSHOT, Side::Bid, 6_000_000 - number * 700, qty));
        inputs.push(level(flags, Side::Ask, 6_000_001 + number * 700, qty * 2));
    }
    inputs.push(Input::State { id, family: Family::Book, fact: Fact::SnapshotComplete });
    for trade_id in 1..=25 {
        let side = Side::BOTH[trade_id as usize % 2];
        let (price, qty) = (Price::from_raw(6_000_000 * CENT).unwrap(), Qty::from_raw(lot * trade_id).unwrap());
        inputs.push(event(Flags::LAST, Body::Trade { side, price, qty, trade_id: trade_id as u64 }));
    }
    inputs
}

/// A facade over `simulated` instruments besides the named ones, each with `levels` levels a side. Its engine's
/// thread ends with it.
pub fn stage(simulated: u32, levels: i64) -> Facade {
    let bounds = Bounds {
        book_levels_max: 200,
        bars_max: 10,
        trades_max: 32,
        instruments_max: 200,
        stale_after: Nanos::new(5_000_000_000),
    };
    let mut engine = Engine::new(Market::new(bounds), 0, NOW);
    let mut ignore = |_: &Market, _: Stamped<'_>| {};
    let directory = Arc::new(Directory::default());
    for (number, instrument) in instruments(simulated).into_iter().enumerate() {
        let id = InstrumentId(number as u32);
        directory.insert(id, instrument.clone());
        let is_live = instrument.key != "NSE:INFY";
        let lot = instrument.lot.unwrap_or_default().raw();
        let mut inputs = vec![Input::Define { id, instrument: Box::new(instrument) }];
        inputs.extend(Family::ALL[..2].iter().map(|&family| Input::State { id, family, fact: Fact::Subscribed }));
        inputs.extend(is_live.then(|| history(id, lot, levels)).into_iter().flatten());
        for input in inputs {
            engine.input(NOW, &input, &mut ignore).unwrap();
        }
    }
    let (client, questions) = questions(64);
    let (tell, firings) = mpsc::channel(8);
    let folder = tempfile::tempdir().unwrap();
    let store = store_days(folder.path(), &instruments(0)[1]);
    thread::spawn(move || {
        // It lives as long as there is somebody to ask.
        let _folder = folder;
        let as_of = NOW.plus(Nanos::new(12_000_000));
        loop {
            match questions.next_within(None) {
                Asked::Question(question) => {
                    question.prepare(&mut engine);
                    let engine = &engine;
                    let shown = Shown {
                        engine,
                        as_of,
                        playing: false,
                        decode_errors: 0,
                        unknown_symbols: 0,
                        recorder: None,
                        stages: None,
                    };
                    question.answer(&shown);
                }
                Asked::Command(Command::Attach(condition, reply)) => {
                    assert!(engine.attach_unrecorded(condition));
                    let _ = reply.send(Ok(Stamp { seq: engine.seq(), as_of }));
                }
                Asked::Command(Command::Detach(id)) => engine.detach_unrecorded(id),
                Asked::Nothing | Asked::Stop => break,
            }
            tell_firings(&mut engine, &tell);
        }
    });
    let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
    let waits = Waits::new(client.clone(), "stage");
    tokio::spawn(Arc::clone(&waits).run(firings));
    Facade::new(client, waits, directory, run).with_history(HistoryReader::of(store, None))
}

/// A store that holds 200 days of one instrument.
fn store_days(folder: &Path, instrument: &Instrument) -> Store {
    let store = Store::open(folder).unwrap();
    let day = INTERVALS[8];
    let price = |cents: i64| Price::from_raw(cents * CENT).unwrap();
    let bars = (1..=200).map(|number| Bar {
        start: Nanos::new(NOW.floor(day.span).raw() - number * day.span.raw()),
        open: price(6_000_000 + number * 11),
        high: price(6_010_000 + number * 13),
        low: price(5_990_000 + number * 7),
        close: price(6_003_000 + number * 5),
        volume: i128::from(number) * 123_456_789_000,
        trades: 1_234 + number as u64,
        revision: 0,
        flags: BarFlags::CLOSED,
    });
    store.add_pasts([(instrument.clone(), vec![(day, bars.rev().collect())])].into_iter()).unwrap();
    store
}
