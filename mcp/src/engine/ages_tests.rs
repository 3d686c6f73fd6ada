//! Of which family an age is told, whoever answers: the engine or the board.

use super::*;
use crate::directory::tests::btcusdt;
use tidegate_core::{Body, Bounds, Event, Fact, Flags, Input, Market, Qty, Stamped};

const ID: InstrumentId = InstrumentId(0);
const AS_OF: Nanos = Nanos::new(100 * Nanos::SECOND.raw());

fn at(second: i64) -> Nanos {
    Nanos::new(second * Nanos::SECOND.raw())
}

/// One message of a family.
fn message(family: Family, second: i64) -> Input {
    let (price, qty) = (Price::from_raw(1_000_000_000).unwrap(), Qty::from_raw(1).unwrap());
    let (flags, body) = match family {
        Family::Book => (Flags::SNAPSHOT, Body::Clear),
        Family::Trades => (Flags::NONE, Body::Trade { side: Side::Bid, price, qty, trade_id: second as u64 }),
        Family::Quotes => (Flags::NONE, Body::Quote { bid: price, bid_qty: qty, ask: price, ask_qty: qty }),
        Family::Statistics => (Flags::NONE, Body::Pressure { buy: qty, sell: qty }),
    };
    let ts = at(second);
    Input::Event(Event { id: ID, flags: flags.with(Flags::LAST), venue_ts: ts, receive_ts: ts, body })
}

/// An engine whose families spoke last at these seconds, 0 being never; without a book for an index.
fn engine(seconds: [i64; 4], has_book: bool) -> Engine {
    let bounds =
        Bounds { book_levels_max: 9, bars_max: 9, trades_max: 9, instruments_max: 1, stale_after: at(1_000_000) };
    let mut engine = Engine::new(Market::new(bounds), 0, Nanos::ZERO);
    let mut ignore = |_: &Market, _: Stamped<'_>| {};
    let mut inputs = vec![(0, Input::Define { id: ID, instrument: Box::new(btcusdt()) })];
    let families = Family::ALL.into_iter().filter(|family| has_book || *family != Family::Book);
    inputs.extend(families.map(|family| (0, Input::State { id: ID, family, fact: Fact::Subscribed })));
    let spoken = Family::ALL.into_iter().zip(seconds).filter(|(_, second)| *second > 0);
    inputs.extend(spoken.map(|(family, second)| (second, message(family, second))));
    inputs.sort_by_key(|(second, _)| *second);
    for (second, input) in inputs {
        engine.input(at(second), &input, &mut ignore).unwrap();
    }
    engine
}

fn answered<T>(engine: &mut Engine, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> T {
    let (reply, mut answer) = oneshot::channel();
    let question = question(reply);
    question.prepare(engine);
    let shown = Shown {
        engine,
        as_of: AS_OF,
        playing: true,
        decode_errors: 0,
        unknown_symbols: 0,
        recorder: None,
        stages: None,
    };
    question.answer(&shown);
    answer.try_recv().unwrap()
}

#[test]
fn an_age_is_that_of_what_is_asked_for_and_no_other_familys() {
    let some = |second: i64| (second > 0).then_some(at(second));
    let mut cases = 0;
    for code in 0..4_i64.pow(4) {
        let seconds: [i64; 4] = std::array::from_fn(|place| code / 4_i64.pow(place as u32) % 4);
        for has_book in [true, false].into_iter().filter(|has_book| *has_book || seconds[0] == 0) {
            let mut engine = engine(seconds, has_book);
            let [book, trades, _, _] = seconds.map(some);
            let shown = if has_book { book } else { trades };
            let latest = seconds.into_iter().max().and_then(some);

            let depth = answered(&mut engine, |reply| Question::Depth(ID, 10, reply));
            let liquidity = answered(&mut engine, |reply| Question::Liquidity(ID, reply));
            let bars = answered(&mut engine, |reply| Question::Bars(ID, 0, reply));
            let status = answered(&mut engine, Question::Status);
            let quotes = answered(&mut engine, |reply| Question::Quotes(vec![ID], 5, reply));
            assert_eq!((depth.last_event, liquidity.depth.last_event), (book, book), "{seconds:?}");
            assert_eq!((bars.last_event, status.feeds[0].last_event), (trades, shown), "{seconds:?} {has_book}");

            let stream = engine.market().stream(ID).unwrap();
            let snapshot = Snapshot::new(stream, engine.seq(), engine.ts());
            let published = board_view::quotes(&snapshot, &stream.instrument);
            for quote in [&quotes.quotes[0], &published.quotes[0]] {
                assert_eq!((quote.shown_event(), quote.latest_event()), (shown, latest), "{seconds:?} {has_book}");
                assert_eq!(quote.event_of(Family::Trades), trades, "{seconds:?}");
            }
            assert_eq!(board_view::depth(&snapshot, Arc::clone(&stream.instrument), 10).last_event, book);
            cases += 1;
        }
    }
    println!("{cases} orders in which families spoke last");
}
