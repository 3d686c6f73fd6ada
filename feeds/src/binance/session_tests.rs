use super::*;
use crate::catalog::Catalog;
use tidegate_core::{Bounds, Engine, Fact, GapCause, Known, StreamState};

const ID: InstrumentId = InstrumentId(0);

/// A session and the market it feeds, as the shell joins them.
struct Harness {
    market: Market,
    session: BinanceSession,
    engine: Engine,
    gaps: Vec<(Family, GapCause, u64, u64)>,
    now: i64,
}

impl Harness {
    fn new(market: Market) -> Harness {
        let bounds = Bounds {
            book_levels_max: 100,
            bars_max: 10,
            trades_max: 32,
            instruments_max: 10,
            stale_after: Nanos::new(i64::MAX),
        };
        Harness {
            market,
            session: BinanceSession::new(market),
            engine: Engine::new(tidegate_core::Market::new(bounds), 0, Nanos::ZERO),
            gaps: Vec::new(),
            now: 0,
        }
    }

    fn apply(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Gap(gap) = input {
                self.gaps.push((gap.family, gap.cause, gap.from, gap.to));
            }
            self.engine.input(Nanos::new(self.now), input, &mut |_: &_, _: tidegate_core::Stamped<'_>| {}).unwrap();
        }
    }

    fn frame(&mut self, frame: &str) -> Result<(), FrameError> {
        self.now += 1;
        let mut out = Vec::new();
        let mut result = self.session.handle_message(Nanos::new(self.now), Payload::Text(frame.as_bytes()), &mut out);
        if let Err(FrameError::UnknownSymbol { symbol, decimals }) = &result {
            let id = InstrumentId(self.engine.market().streams().len() as u32);
            let instrument = Catalog::default().binance(self.market, symbol, *decimals);
            out.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
            self.session.add(symbol, id, instrument);
            self.session.assume_subscribed(symbol, &mut out);
            result = self.session.handle_message(Nanos::new(self.now), Payload::Text(frame.as_bytes()), &mut out);
        }
        self.apply(&out);
        result
    }

    fn depth(&mut self, first: u64, last: u64, previous: Option<u64>, bid: &str) {
        let pu = previous.map_or(String::new(), |pu| format!(r#""pu":{pu},"#));
        self.frame(&format!(
            r#"{{"stream":"x@depth","data":{{"E":1,"s":"X","U":{first},"u":{last},{pu}"b":[["{bid}","1"]],"a":[]}}}}"#
        ))
        .unwrap();
    }

    fn snapshot(&mut self, last: u64, bid: &str) {
        self.frame(&format!(r#"{{"lastUpdateId":{last},"bids":[["{bid}","1"],["1","1"]],"asks":[["99","1"]]}}"#))
            .unwrap();
    }

    fn trade(&mut self, stream: &str, id: u64) {
        self.frame(&format!(
            r#"{{"stream":"x@{stream}","data":{{"s":"X","t":{id},"a":{id},"p":"5","q":"1","T":5,"m":true}}}}"#
        ))
        .unwrap();
    }

    fn states(&self) -> Vec<StreamState> {
        self.engine.market().streams().map(|(_, stream)| stream.state(Family::Book)).collect()
    }

    fn actions(&mut self) -> usize {
        std::iter::from_fn(|| self.session.poll_action()).count()
    }

    fn shown(&self) -> (StreamState, Option<String>) {
        let stream = self.engine.market().stream(ID).unwrap();
        (stream.state(Family::Book), stream.book.top().bid.map(|level| level.price.to_string()))
    }
}

fn live(bid: &str) -> (StreamState, Option<String>) {
    (StreamState::Live, Some(bid.to_owned()))
}

#[test]
fn changes_wait_for_the_snapshot_and_follow_it() {
    let mut spot = Harness::new(Market::Spot);
    spot.depth(1, 5, None, "50");
    spot.depth(6, 9, None, "51");
    assert_eq!(spot.shown(), (StreamState::Syncing, None));
    assert_eq!(spot.actions(), 1, "a new symbol needs a snapshot");
    spot.snapshot(7, "40");
    assert_eq!(spot.shown(), live("51"), "the stale change is dropped, the one that contains id 8 applied");
    spot.depth(10, 12, None, "52");
    assert_eq!(spot.shown(), live("52"));
    assert_eq!(spot.gaps, []);
}

#[test]
fn a_hole_is_named_and_the_next_snapshot_heals_it() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(7, "40");
    spot.depth(8, 9, None, "41");
    assert_eq!(spot.shown(), live("41"));
    spot.actions();
    spot.depth(12, 13, None, "42");
    assert_eq!(spot.gaps, [(Family::Book, GapCause::Sequence, 10, 12)]);
    assert_eq!(spot.shown(), (StreamState::Gapped, None));
    assert_eq!(spot.actions(), 1);
    spot.depth(14, 15, None, "43");
    spot.snapshot(5, "40");
    assert_eq!(spot.shown().0, StreamState::Gapped, "a snapshot older than what waits does not connect");
    spot.snapshot(13, "44");
    assert_eq!(spot.shown(), live("44"));
    assert_eq!(spot.engine.market().counters().resyncs, 1);
    spot.snapshot(2, "90");
    assert_eq!(spot.shown(), live("44"), "nobody asked for this snapshot");
}

#[test]
fn a_hole_among_what_waits_is_found_too() {
    let mut spot = Harness::new(Market::Spot);
    spot.depth(8, 9, None, "41");
    spot.depth(12, 13, None, "42");
    spot.snapshot(7, "40");
    assert_eq!(spot.gaps, [(Family::Book, GapCause::Sequence, 10, 12)]);
    assert_eq!(spot.shown().0, StreamState::Gapped);
    spot.snapshot(11, "40");
    assert_eq!(spot.shown(), live("42"));
}

#[test]
fn usd_m_follows_pu_and_not_the_first_id() {
    let mut usdm = Harness::new(Market::UsdM);
    let mut previous = 100;
    usdm.frame(r#"{"lastUpdateId":100,"E":1,"T":1,"symbol":"X","bids":[["40","1"]],"asks":[["99","1"]]}"#).unwrap();
    for step in 0..20 {
        let last = previous + 7;
        usdm.depth(previous + 5, last, Some(previous), &format!("{}", 41 + step));
        previous = last;
    }
    assert_eq!((usdm.shown(), usdm.gaps.len()), (live("60"), 0));
    usdm.depth(previous + 1, previous + 2, Some(previous - 1), "70");
    assert_eq!(usdm.gaps, [(Family::Book, GapCause::Sequence, previous + 1, previous + 1)]);
}

#[test]
fn a_missing_trade_is_a_gap_that_leaves_the_book_alone() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(7, "40");
    spot.depth(8, 8, None, "41");
    for id in [5, 6, 6, 9, 8, 10] {
        spot.trade("trade", id);
    }
    assert_eq!(spot.gaps, [(Family::Trades, GapCause::Sequence, 7, 9)]);
    assert_eq!(spot.engine.market().counters().trades, 4, "5, 6, 9, 10");
    assert_eq!(spot.shown(), live("41"));
}

#[test]
fn one_trade_stream_is_counted() {
    let mut spot = Harness::new(Market::Spot);
    spot.trade("aggTrade", 5);
    spot.trade("trade", 90);
    spot.trade("aggTrade", 6);
    assert_eq!((spot.engine.market().counters().trades, spot.gaps.len()), (2, 0));
}

#[test]
fn a_value_that_cannot_be_held_closes_its_stream_once() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(7, "40");
    spot.depth(8, 8, None, "41");
    let huge = r#"{"stream":"x@depth","data":{"E":1,"s":"X","U":9,"u":9,"b":[["1000000000","1"]],"a":[]}}"#;
    let Err(FrameError::Unrepresentable { symbol, family, reason }) = spot.frame(huge) else { panic!("not closed") };
    assert_eq!((symbol.as_str(), family), ("X", Some(Family::Book)));
    assert!(reason.to_string().contains("price or quantity"), "{reason}");
    assert!(matches!(spot.frame(huge), Err(FrameError::Decode(_))), "once");
    assert_eq!(spot.gaps, [(Family::Book, GapCause::Unrepresentable, 0, 0)]);
    assert_eq!(spot.shown(), (StreamState::Closed, None));
    spot.depth(9, 9, None, "41");
    spot.snapshot(9, "41");
    assert_eq!(spot.shown(), (StreamState::Closed, None));
    spot.trade("trade", 1);
    assert_eq!(spot.engine.market().counters().trades, 1, "the other families go on");
}

#[test]
fn decimals_grow_with_what_the_wire_shows() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(7, "40");
    spot.depth(8, 8, None, "41.125");
    let instrument = &spot.engine.market().stream(ID).unwrap().instrument;
    assert_eq!((instrument.price_decimals, instrument.qty_decimals), (3, 0));
}

#[test]
fn a_nameless_snapshot_goes_to_the_symbol_it_connects_to() {
    let mut spot = Harness::new(Market::Spot);
    let depth = |symbol: &str, first: u64| {
        format!(
            r#"{{"stream":"x@depth","data":{{"E":1,"s":"{symbol}","U":{first},"u":{first},"b":[["5","1"]],"a":[]}}}}"#
        )
    };
    spot.frame(&depth("A", 1_000)).unwrap();
    spot.frame(&depth("B", 51)).unwrap();
    spot.snapshot(50, "4");
    spot.snapshot(999, "4");
    assert_eq!(spot.states(), [StreamState::Live, StreamState::Live]);
    assert_eq!(spot.gaps, []);
}

#[test]
fn a_nameless_snapshot_is_never_shown_as_another_symbols() {
    let mut spot = Harness::new(Market::Spot);
    let depth = |symbol: &str, first: u64| {
        format!(
            r#"{{"stream":"x@depth","data":{{"E":1,"s":"{symbol}","U":{first},"u":{first},"b":[["5","1"]],"a":[]}}}}"#
        )
    };
    spot.snapshot(50_000, "4");
    spot.frame(&depth("ETH", 30_001)).unwrap();
    assert_eq!(spot.states(), [StreamState::Syncing]);
    spot.frame(&depth("BTC", 50_001)).unwrap();
    assert_eq!(spot.states(), [StreamState::Syncing, StreamState::Live]);
    assert_eq!(spot.gaps, []);
}

#[test]
fn a_resnapshot_replaces_a_book_that_goes_on_until_it_comes() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(7, "40");
    spot.depth(8, 8, None, "41");
    spot.actions();
    spot.session.handle_resnapshot(ID);
    assert_eq!(spot.actions(), 1);
    spot.depth(9, 9, None, "42");
    spot.depth(10, 10, None, "43");
    assert_eq!(spot.shown(), live("43"));
    spot.snapshot(7, "60");
    assert_eq!((spot.shown().0, spot.actions()), (StreamState::Live, 1), "older than what is kept: another is needed");
    spot.snapshot(9, "30");
    assert_eq!(spot.shown(), live("43"), "the snapshot, and the change that it does not contain");
    spot.session.handle_resnapshot(ID);
    spot.snapshot(9, "90");
    assert_eq!(spot.shown(), live("43"), "a snapshot behind the book does not turn it back");
    spot.snapshot(12, "44");
    assert_eq!(spot.shown(), live("43"), "a snapshot ahead of the changes waits for them");
    spot.depth(11, 12, None, "42");
    spot.depth(13, 13, None, "41");
    assert_eq!((spot.shown(), spot.gaps.len()), (live("44"), 0));
}

fn connected(now: i64) -> (BinanceSession, Vec<Input>) {
    let mut session = BinanceSession::new(Market::Spot);
    session.add("BTCUSDT", ID, Catalog::default().binance(Market::Spot, "BTCUSDT", crate::Decimals::default()));
    assert_eq!(session.poll_action(), None, "nothing can be sent before the connection is open");
    session.handle_open(Nanos::new(now));
    (session, Vec::new())
}

fn sent(session: &mut BinanceSession) -> (u64, String) {
    let Some(Action::Send(text)) = session.poll_action() else { panic!("nothing was sent") };
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    (value["id"].as_u64().unwrap(), text)
}

fn say(session: &mut BinanceSession, now: i64, text: &str, out: &mut Vec<Input>) {
    session.handle_message(Nanos::new(now), Payload::Text(text.as_bytes()), out).unwrap();
}

#[test]
fn a_symbol_is_subscribed_when_the_venue_says_so() {
    let (mut session, mut out) = connected(0);
    let (id, text) = sent(&mut session);
    assert!(text.contains("btcusdt@depth@100ms") && text.contains("btcusdt@trade") && text.contains("@bookTicker"));
    assert!(out.is_empty() && session.poll_action().is_none());
    say(&mut session, 1, &format!(r#"{{"result":null,"id":{id}}}"#), &mut out);
    assert_eq!(out.len(), 3, "three families are subscribed: {out:?}");
    assert_eq!(session.poll_action(), Some(Action::FetchSnapshot("BTCUSDT".to_owned())));
    assert!(session.is_settled());
    session
        .handle_snapshot(Nanos::new(2), "BTCUSDT", br#"{"lastUpdateId":5,"bids":[["9","1"]],"asks":[]}"#, &mut out)
        .unwrap();
    assert!(out.iter().any(|input| matches!(input, Input::State { fact: Fact::SnapshotComplete, .. })));
    assert!(session.handle_snapshot(Nanos::new(3), "BTCUSDT", b"<html>", &mut out).is_err());
    assert_eq!(session.poll_action(), Some(Action::FetchSnapshot("BTCUSDT".to_owned())), "and it is asked for again");
}

/// What is known of the bids after a snapshot with so many of them.
fn known_bids(count: usize) -> Known {
    let (mut session, mut out) = connected(0);
    let (id, _) = sent(&mut session);
    say(&mut session, 1, &format!(r#"{{"result":null,"id":{id}}}"#), &mut out);
    let bids: Vec<String> = (1..=count).map(|price| format!(r#"["{price}","1"]"#)).collect();
    let body = format!(r#"{{"lastUpdateId":5,"bids":[{}],"asks":[["2000","1"]]}}"#, bids.join(","));
    session.handle_snapshot(Nanos::new(2), "BTCUSDT", body.as_bytes(), &mut out).unwrap();
    let bounds = Bounds {
        book_levels_max: 2_000,
        bars_max: 10,
        trades_max: 4,
        instruments_max: 1,
        stale_after: Nanos::new(i64::MAX),
    };
    let mut engine = Engine::new(tidegate_core::Market::new(bounds), 0, Nanos::ZERO);
    let instrument =
        Box::new(Catalog::default().binance(Market::Spot, "BTCUSDT", crate::Decimals { price: 8, qty: 8 }));
    for input in [Input::Define { id: ID, instrument }].into_iter().chain(out) {
        engine.input(Nanos::new(2), &input, &mut |_: &_, _: tidegate_core::Stamped<'_>| {}).unwrap();
    }
    let stream = engine.market().stream(ID).unwrap();
    assert_eq!((stream.state(Family::Book), stream.book.known_to(Side::Ask)), (StreamState::Live, Known::All));
    stream.book.known_to(Side::Bid)
}

#[test]
fn a_snapshot_shorter_than_asked_for_is_the_whole_side() {
    let worst = Known::To(tidegate_core::Price::parse(b"1").unwrap().value);
    for (count, expect) in [
        (0, Known::All),
        (1, Known::All),
        (99, Known::All),
        (999, Known::All),
        (1_000, worst),
        (1_001, worst),
        (100, worst),
        (20, worst),
    ] {
        assert_eq!(known_bids(count), expect, "{count} bids");
    }
    let mut captured = Harness::new(Market::Spot);
    captured.snapshot(10, "8");
    captured.depth(11, 11, None, "9");
    let (_, stream) = captured.engine.market().streams().next().unwrap();
    assert_eq!(stream.book.known_to(Side::Bid), worst, "nobody knows what the capture's was asked for");
}

#[test]
fn a_subscription_that_nobody_answers_is_asked_again_and_then_elsewhere() {
    let (mut session, mut out) = connected(0);
    let (first, _) = sent(&mut session);
    say(&mut session, 1, &format!(r#"{{"error":{{"code":2,"msg":"no"}},"id":{first}}}"#), &mut out);
    for attempt in 2..=ATTEMPTS_MAX {
        let timeout = session.next_timeout().unwrap();
        session.handle_timeout(timeout, &mut out);
        assert!(sent(&mut session).0 > first, "attempt {attempt}");
    }
    let timeout = session.next_timeout().unwrap();
    session.handle_timeout(timeout, &mut out);
    assert!(matches!(session.poll_action(), Some(Action::Reconnect(_))));
    assert!(out.is_empty());
    say(&mut session, 9, r#"{"e":"serverShutdown","E":1}"#, &mut out);
    assert!(matches!(session.poll_action(), Some(Action::Reconnect(_))));
}

#[test]
fn a_lost_connection_loses_the_book_and_trade_numbers_tell_the_rest() {
    let mut spot = Harness::new(Market::Spot);
    spot.snapshot(10, "8");
    spot.depth(11, 11, None, "9");
    spot.trade("trade", 6);
    let mut out = Vec::new();
    spot.session.handle_close(Nanos::new(spot.now), &mut out);
    spot.apply(&out);
    assert_eq!(spot.gaps, [(Family::Book, GapCause::Disconnected, 0, 0)]);
    assert_eq!(spot.shown().0, StreamState::Gapped);
    while spot.session.poll_action().is_some() {}
    spot.session.handle_open(Nanos::new(spot.now));
    let (id, _) = sent(&mut spot.session);
    spot.frame(&format!(r#"{{"result":null,"id":{id}}}"#)).unwrap();
    assert_eq!(spot.shown().0, StreamState::Syncing);
    spot.trade("trade", 6);
    spot.trade("trade", 7);
    assert_eq!(spot.gaps.len(), 1, "a trade sent again and the next one are no hole");
    spot.trade("trade", 9);
    assert_eq!(spot.gaps.last(), Some(&(Family::Trades, GapCause::Sequence, 8, 9)));
}

#[test]
fn a_quiet_connection_is_asked_whether_it_lives() {
    let (mut session, mut out) = connected(0);
    let (id, _) = sent(&mut session);
    say(&mut session, 0, &format!(r#"{{"result":null,"id":{id}}}"#), &mut out);
    session.poll_action();
    for _ in 0..100 {
        let quiet = session.next_timeout().unwrap();
        session.handle_timeout(quiet, &mut out);
        let (id, text) = sent(&mut session);
        assert!(text.contains("LIST_SUBSCRIPTIONS"));
        say(&mut session, quiet.raw() + 1, &format!(r#"{{"result":["x"],"id":{id}}}"#), &mut out);
        assert_eq!(session.poll_action(), None, "it lives");
    }
    let mute = session.next_timeout().unwrap();
    let reconnects = |session: &mut BinanceSession| matches!(session.poll_action(), Some(Action::Reconnect(_)));
    let mut now = mute;
    session.handle_timeout(now, &mut out);
    while !reconnects(&mut session) {
        now = session.next_timeout().unwrap();
        session.handle_timeout(now, &mut out);
    }
    assert!(now.since(mute) <= Nanos::new(2 * QUIET_MAX.raw()), "found within two heartbeats");
}

/// A time that can be believed, in milliseconds.
const TIME: i64 = 1_735_689_600_000;

#[test]
fn numbers_of_trades_begin_again() {
    for (market, stream) in [(Market::Spot, "trade"), (Market::UsdM, "aggTrade"), (Market::CoinM, "aggTrade")] {
        let mut harness = Harness::new(market);
        // The second connection of a rollover repeats what the first one has told, before and after.
        for (id, second) in [(90, 0), (91, 1), (90, 0), (91, 1), (1, 60), (2, 61), (1, 60), (2, 61), (3, 62), (5, 62)] {
            let (now, time) = (TIME + second * 1_000, TIME + second * 1_000);
            harness.now = now * 1_000_000;
            harness
                .frame(&format!(
                    r#"{{"stream":"x@{stream}","data":{{"s":"X","t":{id},"a":{id},"p":"5","q":"1","T":{time},"m":true}}}}"#
                ))
                .unwrap();
        }
        let gap = |from, to| (Family::Trades, GapCause::Sequence, from, to);
        assert_eq!(harness.gaps, [gap(92, 1), gap(4, 5)], "{market:?}: what begins again is told once");
        assert_eq!(harness.engine.market().counters().trades, 6);
    }
}

#[test]
fn numbers_of_changes_begin_again() {
    for market in [Market::Spot, Market::UsdM, Market::CoinM] {
        let mut harness = Harness::new(market);
        let change = |harness: &mut Harness, number: u64, second: i64, bid: &str| {
            let time = TIME + second * 1_000;
            harness.now = time * 1_000_000;
            let pu = if market == Market::Spot { String::new() } else { format!(r#""T":{time},"pu":{},"#, number - 1) };
            let change = format!(r#""E":{time},"s":"X","U":{number},"u":{number},{pu}"b":[["{bid}","1"]],"a":[]"#);
            harness.frame(&format!(r#"{{"stream":"x@depth","data":{{{change}}}}}"#)).unwrap();
        };
        change(&mut harness, 101, 0, "41");
        harness.snapshot(100, "40");
        for (number, second) in [(102, 30), (101, 0), (102, 30), (103, 90), (102, 30), (103, 90)] {
            change(&mut harness, number, second, "42");
        }
        assert_eq!((harness.gaps.len(), harness.shown()), (0, live("42")), "what is repeated is no gap");
        harness.actions();
        change(&mut harness, 7, 120, "50");
        assert_eq!(harness.gaps, [(Family::Book, GapCause::Sequence, 104, 7)], "{market:?}: it begins again");
        assert_eq!((harness.shown(), harness.actions()), ((StreamState::Gapped, None), 1));
        harness.snapshot(6, "45");
        change(&mut harness, 8, 121, "51");
        assert_eq!((harness.shown(), harness.gaps.len()), (live("51"), 1));
    }
}

#[test]
fn a_snapshot_that_cannot_be_held_closes_the_book_and_is_not_asked_for_again() {
    let huge = r#"{"lastUpdateId":7,"bids":[["1","23640926208"]],"asks":[]}"#;
    let fine = r#"{"lastUpdateId":7,"bids":[["1","2"]],"asks":[]}"#;
    let mut spot = Harness::new(Market::Spot);
    spot.depth(8, 8, None, "41");
    assert_eq!(spot.actions(), 1);
    for (body, is_told) in [(huge, true), (huge, false), (fine, false)] {
        let mut out = Vec::new();
        let result = spot.session.handle_snapshot(Nanos::new(spot.now), "X", body.as_bytes(), &mut out);
        assert_eq!(matches!(result, Err(FrameError::Unrepresentable { .. })), is_told, "{result:?}");
        assert!(is_told || result.is_ok(), "{result:?}");
        spot.apply(&out);
        assert_eq!(spot.actions(), 0, "a closed book is asked for");
    }
    assert_eq!(spot.gaps, [(Family::Book, GapCause::Unrepresentable, 0, 0)]);
    spot.session.handle_resnapshot(ID);
    let mut out = Vec::new();
    spot.session.handle_close(Nanos::ZERO, &mut out);
    spot.session.handle_open(Nanos::ZERO);
    let Some(Action::Send(request)) = spot.session.poll_action() else { panic!("nothing is asked") };
    assert!(request.contains("x@trade") && !request.contains("depth"), "{request}");
    spot.session.handle_message(Nanos::ZERO, Payload::Text(br#"{"result":null,"id":1}"#), &mut out).unwrap();
    assert_eq!(spot.actions(), 0, "a closed book is asked for after a new connection");
}

#[test]
fn a_snapshot_without_a_symbol_that_cannot_be_held_closes_its_book() {
    let huge = r#"{"lastUpdateId":7,"bids":[["1","23640926208"]],"asks":[]}"#;
    let unrepresentable = [(Family::Book, GapCause::Unrepresentable, 0, 0)];
    let mut before = Harness::new(Market::Spot);
    assert!(matches!(before.frame(huge), Err(FrameError::Decode(_))), "nobody knows whose it is");
    before.depth(8, 8, None, "41");
    assert_eq!((before.gaps.as_slice(), before.shown().0), (&unrepresentable[..], StreamState::Closed));
    let mut after = Harness::new(Market::Spot);
    after.depth(8, 8, None, "41");
    assert!(matches!(after.frame(huge), Err(FrameError::Unrepresentable { symbol, .. }) if symbol == "X"));
    after.depth(9, 9, None, "41");
    assert_eq!((after.gaps.as_slice(), after.shown().0), (&unrepresentable[..], StreamState::Closed));
    let mut nobodys = Harness::new(Market::Spot);
    nobodys.snapshot(7, "40");
    nobodys.depth(8, 8, None, "41");
    assert!(nobodys.frame(huge).is_err());
    assert_eq!((nobodys.gaps.len(), nobodys.shown()), (0, live("41")), "nobody asked for it");
}

#[test]
fn a_captured_snapshot_that_changes_do_not_reach_is_told_once() {
    for market in [Market::Spot, Market::UsdM, Market::CoinM] {
        let mut harness = Harness::new(market);
        let previous = |id: u64| (market != Market::Spot).then_some(id);
        harness.depth(90, 95, previous(89), "40");
        harness.depth(104, 106, previous(103), "41");
        harness.snapshot(100, "40");
        harness.snapshot(100, "40");
        assert_eq!(harness.gaps, [(Family::Book, GapCause::Sequence, 101, 104)], "{market:?}");
        assert_eq!(harness.shown(), (StreamState::Gapped, None));
        harness.snapshot(105, "40");
        assert_eq!((harness.shown(), harness.gaps.len()), (live("41"), 1), "the next one heals it");
        // One that was asked for is asked for again instead.
        let mut live = Harness::new(market);
        live.depth(104, 106, previous(103), "41");
        live.actions();
        let mut out = Vec::new();
        let body = br#"{"lastUpdateId":100,"bids":[],"asks":[]}"#;
        live.session.handle_snapshot(Nanos::ZERO, "X", body, &mut out).unwrap();
        assert_eq!((out.len(), live.actions()), (0, 1));
    }
}

/// Every text of the frame in escapes, and only its slashes.
fn escaped(frame: &str) -> [String; 2] {
    let mut is_in_text = false;
    let all = frame.chars().map(|character| match character {
        '"' => {
            is_in_text = !is_in_text;
            character.to_string()
        }
        _ if is_in_text => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
        _ => character.to_string(),
    });
    [all.collect(), frame.replace('/', "\\/")]
}

#[test]
fn texts_may_be_written_in_escapes() {
    let frames = [
        r#"{"stream":"币/x@depth","data":{"e":"depthUpdate","E":1735689600000,"s":"币/X","U":8,"u":8,"b":[["5","1"]],"a":[]}}"#,
        r#"{"lastUpdateId":7,"bids":[["4","1"]],"asks":[["9","1"]]}"#,
        r#"{"stream":"币/x@trade","data":{"e":"trade","s":"币/X","t":1,"p":"5","q":"1","T":1735689600000,"m":true}}"#,
        r#"{"stream":"币/x@bookTicker","data":{"u":8,"s":"币/X","b":"5","B":"1","a":"9","A":"1"}}"#,
        r#"{"stream":"币/x@trade","data":{"e":"trade","s":"币/X","t":2,"p":"5","q":"23640926208","T":1735689600000,"m":true}}"#,
        r#"{"result":null,"id":9}"#,
        r#"{"e":"serverShutdown","E":1735689600000}"#,
    ];
    let outcome = |write: &dyn Fn(&str) -> String| {
        let mut spot = Harness::new(Market::Spot);
        let results: Vec<String> = frames.iter().map(|frame| format!("{:?}", spot.frame(&write(frame)))).collect();
        let actions: Vec<_> = std::iter::from_fn(|| spot.session.poll_action()).collect();
        (results, actions, spot.gaps, spot.engine.market().digest())
    };
    let raw = outcome(&|frame| frame.to_owned());
    assert_eq!(raw.0.iter().filter(|result| *result == "Ok(())").count(), 6, "{:?}", raw.0);
    for way in 0..2 {
        assert_eq!(outcome(&|frame| escaped(frame)[way].clone()), raw, "an escape changes something");
    }
    let mut live = Harness::new(Market::Spot);
    live.frame(frames[0]).unwrap();
    live.actions();
    let mut out = Vec::new();
    live.session.handle_snapshot(Nanos::ZERO, "币/X", escaped(frames[1])[0].as_bytes(), &mut out).unwrap();
    live.apply(&out);
    assert_eq!((live.shown(), live.actions()), (self::live("5"), 0), "a fetched snapshot in escapes");
}
