//! The flow that an engine shows of a captured market is what the measures make of the market's whole history.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, all of it")]

use std::path::PathBuf;
use tidegate_core::microstructure::{Microstructure, Settings};
use tidegate_core::{
    Body, Bounds, BucketOf, Engine, Family, Flags, FlowReport, Input, InstrumentId, Level, Nanos, Price, Qty, Side,
    Stamped, StreamState,
};
use tidegate_feeds::binance::{BinanceSession, Market};
use tidegate_feeds::capture::{Line, Reader};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::{FrameError, Payload, Session};

const ID: InstrumentId = InstrumentId(0);
const BOUNDS: Bounds = Bounds {
    book_levels_max: 8_192,
    bars_max: 500,
    trades_max: 32,
    instruments_max: 4,
    stale_after: Nanos::new(5_000_000_000),
};
const LEVELS: usize = 5;

/// What an instrument went through.
enum Happening {
    Book([Vec<Level>; 2]),
    Trade(Side, Price, Qty),
    Missed,
}

/// What is told of a market by its inputs and by what its book shows after each.
#[derive(Default)]
struct History {
    all: Vec<(Nanos, Happening)>,
    shown: Option<[Vec<(Price, Qty)>; 2]>,
}

impl History {
    fn note(&mut self, market: &tidegate_core::Market, stamped: Stamped<'_>) {
        match stamped.input {
            Input::Event(event) => match event.body {
                Body::Trade { side, price, qty, .. } => {
                    self.all.push((stamped.ts, Happening::Trade(side, price, qty)));
                }
                _ if event.flags.has(Flags::LAST) => self.look(market, stamped),
                _ => {}
            },
            Input::Gap(gap) => panic!("the capture has no gap: {gap:?}"),
            _ => {}
        }
    }

    fn look(&mut self, market: &tidegate_core::Market, stamped: Stamped<'_>) {
        let stream = market.stream(ID).unwrap();
        if stamped.end.is_none_or(|end| end.family != Family::Book) {
            return;
        }
        if stream.state(Family::Book) != StreamState::Live {
            if self.shown.take().is_some() {
                self.all.push((stamped.ts, Happening::Missed));
            }
            return;
        }
        let levels = Side::BOTH.map(|side| stream.book.depth(side, LEVELS).collect::<Vec<_>>());
        let shown = levels.each_ref().map(|side| side.iter().map(|level| (level.price, level.qty)).collect());
        if self.shown.replace(shown) != self.shown {
            self.all.push((stamped.ts, Happening::Book(levels)));
        }
    }

    /// All of it again: the volume of a bucket of VPIN is a fiftieth of that of the first thousand trades.
    fn replay(&self, side_of: impl Fn(Side) -> Side) -> Microstructure {
        let mut pack = Microstructure::new(Settings { levels: LEVELS, ..Settings::new(None) });
        let (mut trades, mut volume) = (0, 0);
        for (ts, happening) in &self.all {
            match happening {
                Happening::Book([bids, asks]) => pack.on_book(*ts, bids, asks),
                Happening::Trade(side, price, qty) => {
                    pack.on_trade(*ts, side_of(*side), *price, *qty);
                    (trades, volume) = (trades + 1, volume + qty.raw());
                    if trades == 1_000 {
                        pack.begin_buckets(Qty::from_raw(volume / 50).unwrap());
                    }
                }
                Happening::Missed => pack.interrupt(*ts),
            }
        }
        pack
    }
}

/// Plays a capture; the flow at its end, and everything that happened.
fn play(market: Market, path: PathBuf) -> (FlowReport, History) {
    let mut reader = Reader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut session = BinanceSession::new(market);
    let mut engine = Engine::new(tidegate_core::Market::new(BOUNDS), 0, Nanos::ZERO);
    let (mut history, mut inputs) = (History::default(), Vec::new());
    while let Some(line) = reader.next_line().unwrap() {
        let Line::Frame { receive_ts, frame } = line else { panic!("not a frame") };
        if let Err(error) = session.handle_message(receive_ts, Payload::Text(frame), &mut inputs) {
            let FrameError::UnknownSymbol { symbol, decimals } = error else { panic!("{error}") };
            let instrument = Catalog::built_in().unwrap().binance(market, &symbol, decimals);
            let define = Input::Define { id: ID, instrument: Box::new(instrument.clone()) };
            engine.input(receive_ts, &define, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
            engine.market_mut().measure(ID, receive_ts);
            session.add(&symbol, ID, instrument);
            session.assume_subscribed(&symbol, &mut inputs);
            session.handle_message(receive_ts, Payload::Text(frame), &mut inputs).unwrap();
        }
        for input in inputs.drain(..) {
            engine
                .input(receive_ts, &input, &mut |market: &_, stamped: Stamped<'_>| history.note(market, stamped))
                .unwrap();
        }
    }
    (engine.market().stream(ID).unwrap().flow().unwrap(), history)
}

fn bits(value: Option<f64>) -> Option<u64> {
    value.map(f64::to_bits)
}

#[test]
fn the_flow_of_a_capture_is_what_its_history_comes_to() {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from) else {
        return println!(
            "left out, as TIDEGATE_MARKET_DATA is not set: the_flow_of_a_capture_is_what_its_history_comes_to"
        );
    };
    for (market, file) in [
        (Market::Spot, "binance_spot/spot_btcusdt_20240808.gz"),
        (Market::CoinM, "binance_coinm/cm_btcusd_perp_20240808.gz"),
    ] {
        let (shown, history) = play(market, folder.join(file));
        let count = |is: fn(&Happening) -> bool| history.all.iter().filter(|(_, one)| is(one)).count() as u64;
        assert_eq!(shown.book_changes, count(|one| matches!(one, Happening::Book(_))), "{file}");
        assert_eq!(shown.trades, count(|one| matches!(one, Happening::Trade(..))), "{file}");
        assert_eq!(shown.interruptions, count(|one| matches!(one, Happening::Missed)), "{file}");
        assert_eq!((shown.bucket_of, shown.guessed_sides), (BucketOf::FirstTrades, 0), "{file}");
        println!("{file}: {shown:?}");
        let swap = |side: Side| if side == Side::Bid { Side::Ask } else { Side::Bid };
        let [expect, swapped] = [history.replay(|side| side).values(), history.replay(swap).values()];
        for (at, (name, value)) in shown.values.into_iter().enumerate() {
            assert!(value.is_some(), "{file}: {name}");
            assert_eq!((name, bits(value)), (expect[at].0, bits(expect[at].1)), "{file}");
            let is_of_sides = ["kyle_lambda", "effective_spread", "realized_spread", "price_impact"].contains(&name);
            assert_eq!(bits(value) != bits(swapped[at].1), is_of_sides, "{file}: buyers for sellers, {name}");
        }
    }
}
