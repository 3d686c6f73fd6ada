use super::super::encoder::{Snap, infy, twenty};
use super::*;
use crate::catalog::Catalog;
use tidegate_core::{Bounds, Engine, GapCause, Known, Market, Price, Side, Stamped, StreamState};

const ID: InstrumentId = InstrumentId(0);
const TIME: i64 = 1_625_461_887_250;

/// A session and the market it feeds, as the shell joins them.
struct Harness {
    session: AngelSession,
    engine: Engine,
    gaps: Vec<(Family, GapCause, u64, u64)>,
    now: Nanos,
}

impl Harness {
    fn new(mode: Mode, symbols: &[&str]) -> Harness {
        let stale_after = Nanos::new(i64::MAX);
        let bounds = Bounds { book_levels_max: 100, bars_max: 10, trades_max: 32, instruments_max: 10, stale_after };
        let mut harness = Harness {
            session: AngelSession::new(mode),
            engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
            gaps: Vec::new(),
            now: Nanos::from_millis(TIME).unwrap(),
        };
        for (id, symbol) in symbols.iter().enumerate() {
            let id = InstrumentId(id as u32);
            let instrument = Catalog::built_in().unwrap().angel(symbol, Decimals { price: 2, qty: 0 });
            harness.apply(&[Input::Define { id, instrument: Box::new(instrument.clone()) }]);
            harness.session.add(symbol, id, instrument);
        }
        harness
    }

    fn apply(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Gap(gap) = input {
                self.gaps.push((gap.family, gap.cause, gap.from, gap.to));
            }
            self.engine.input(self.now, input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
        }
    }

    fn packet(&mut self, packet: &[u8]) -> Result<(), FrameError> {
        let mut out = Vec::new();
        let result = self.session.handle_message(self.now, Payload::Binary(packet), &mut out);
        self.apply(&out);
        result
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let mut out = Vec::new();
        let result = self.session.handle_message(self.now, Payload::Text(text.as_bytes()), &mut out);
        assert_eq!(out, []);
        result.map_err(|error| error.to_string())
    }

    fn close(&mut self) {
        let mut out = Vec::new();
        self.session.handle_close(self.now, &mut out);
        self.apply(&out);
    }

    fn wake(&mut self) -> Vec<Action> {
        self.now = self.session.next_timeout().unwrap();
        self.session.handle_timeout(self.now, &mut Vec::new());
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    fn state(&self, family: Family) -> StreamState {
        self.engine.market().stream(ID).unwrap().state(family)
    }

    fn trades(&self) -> u64 {
        self.engine.market().counters().trades
    }

    fn levels(&self) -> [usize; 2] {
        Side::BOTH.map(|side| self.engine.market().stream(ID).unwrap().book.depth(side, 99).count())
    }
}

fn request(number: u32, mode: u8, list: &str) -> Action {
    Action::Send(format!(
        r#"{{"correlationID":"{number:010}","action":1,"params":{{"mode":{mode},"tokenList":[{list}]}}}}"#
    ))
}

fn ping() -> Action {
    Action::Send("ping".to_owned())
}

#[test]
fn a_snap_quote_is_a_live_book_with_its_number() {
    let mut harness = Harness::new(Mode::SnapQuote, &["1:1594"]);
    harness.packet(&infy(7, TIME, 157_000, 100).bytes()).unwrap();
    harness.packet(&infy(8, TIME, 157_005, 112).bytes()).unwrap();
    let stream = harness.engine.market().stream(ID).unwrap();
    assert_eq!(stream.state(Family::Book), StreamState::Live);
    assert_eq!((stream.book_sequence, harness.levels()), (Some(8), [5, 5]));
    assert_eq!(stream.last_trade.map(|it| (it.side, it.qty.to_string())), Some((Side::Bid, "12".to_owned())));
    assert_eq!(stream.book.known_to(Side::Ask), Known::To(Price::parse(b"1570.25").unwrap().value));
    assert_eq!(harness.gaps, []);
}

#[test]
fn a_hole_is_a_gap_and_what_is_old_is_dropped() {
    let mut harness = Harness::new(Mode::SnapQuote, &["1:1594"]);
    for (number, volume) in [(7, 100), (8, 110), (8, 110), (7, 100), (11, 130)] {
        harness.packet(&infy(number, TIME, 157_000, volume).bytes()).unwrap();
    }
    let expect = [(Family::Book, GapCause::Sequence, 9, 11), (Family::Trades, GapCause::Sequence, 111, 131)];
    assert_eq!(harness.gaps, expect);
    assert_eq!((harness.trades(), harness.state(Family::Book)), (2, StreamState::Live), "healed by the same packet");
    // The venue's count begins anew while its clock goes on.
    harness.packet(&infy(3, TIME + 1, 157_000, 130).bytes()).unwrap();
    assert_eq!(harness.gaps[2..], [(Family::Book, GapCause::Sequence, 12, 3)]);
    harness.packet(&infy(4, TIME + 2, 157_000, 131).bytes()).unwrap();
    assert_eq!((harness.gaps.len(), harness.trades()), (3, 3));
}

#[test]
fn an_index_is_not_numbered() {
    let mut harness = Harness::new(Mode::SnapQuote, &["1:1594"]);
    for _ in 0..3 {
        harness.packet(&infy(0, TIME, 1_583_450, 0).bytes()).unwrap();
    }
    assert_eq!((harness.gaps.len(), harness.trades(), harness.levels()), (0, 1, [0, 0]));
    assert_eq!(harness.state(Family::Book), StreamState::Syncing, "a book that never came is not an empty one");
}

#[test]
fn twenty_levels_make_the_book_where_they_are_asked_for() {
    let mut harness = Harness::new(Mode::Depth20, &["1:1594", "2:7"]);
    harness.session.handle_open(harness.now);
    let both = r#"{"exchangeType":1,"tokens":["1594"]},{"exchangeType":2,"tokens":["7"]}"#;
    let expect = [request(1, 3, both), request(2, 4, r#"{"exchangeType":1,"tokens":["1594"]}"#)];
    assert_eq!(harness.actions(), expect, "futures have no mode 4");
    harness.packet(&infy(7, TIME, 157_000, 100).bytes()).unwrap();
    assert_eq!((harness.levels(), harness.state(Family::Statistics)), ([0, 0], StreamState::Live));
    harness.packet(&twenty(TIME).bytes()).unwrap();
    harness.packet(&infy(8, TIME, 157_000, 100).bytes()).unwrap();
    harness.packet(&twenty(TIME).bytes()).unwrap();
    assert_eq!((harness.levels(), harness.state(Family::Book)), ([20, 20], StreamState::Live));
    assert_eq!(harness.gaps, []);
}

/// The vendor's client loses its list at the first unsubscription and never asks again after a reconnect.
#[test]
fn trap_every_connection_asks_for_everything() {
    let mut harness = Harness::new(Mode::Quote, &["1:1594", "13:5"]);
    let list = r#"{"exchangeType":1,"tokens":["1594"]},{"exchangeType":13,"tokens":["5"]}"#;
    for number in 1..4 {
        harness.session.handle_open(harness.now);
        assert_eq!(harness.actions(), [request(number, 2, list)]);
        harness.packet(&Snap { mode: 2, ..infy(1, TIME, 157_000, 100) }.bytes()).unwrap();
        assert_eq!(harness.state(Family::Trades), StreamState::Live);
        harness.close();
        assert_eq!(harness.state(Family::Trades), StreamState::Closed);
        assert_eq!((harness.actions(), harness.session.next_timeout()), (vec![], None));
    }
    let lost = (Family::Trades, GapCause::Disconnected, 0, 0);
    assert_eq!(harness.gaps, [lost; 3], "each connection has numbers of its own");
}

#[test]
fn a_lost_connection_is_a_gap_of_the_book() {
    let mut harness = Harness::new(Mode::SnapQuote, &["1:1594"]);
    harness.packet(&infy(7, TIME, 157_000, 100).bytes()).unwrap();
    harness.close();
    assert_eq!(harness.state(Family::Book), StreamState::Gapped);
    assert_eq!(harness.state(Family::Statistics), StreamState::Closed);
    harness.packet(&infy(99, TIME, 157_000, 150).bytes()).unwrap();
    let lost = |family, from, to| (family, GapCause::Disconnected, from, to);
    let expect = [lost(Family::Book, 0, 0), lost(Family::Trades, 0, 0), lost(Family::Trades, 101, 151)];
    assert_eq!((harness.gaps.as_slice(), harness.state(Family::Book)), (&expect[..], StreamState::Live));
}

#[test]
fn a_ping_goes_out_every_ten_seconds_and_needs_its_pong() {
    let mut harness = Harness::new(Mode::Ltp, &["1:1594"]);
    let start = harness.now;
    harness.session.handle_open(start);
    harness.actions();
    harness.packet(&Snap { mode: 1, ..infy(1, TIME, 157_000, 0) }.bytes()).unwrap();
    for count in 1..4 {
        assert_eq!(harness.wake(), [ping()]);
        assert_eq!(harness.now.since(start), Nanos::new(count * PING_EVERY.raw()));
        harness.text("pong").unwrap();
    }
    assert_eq!(harness.wake(), [ping()]);
    // Packets go on, and yet the server does not answer.
    harness.packet(&Snap { mode: 1, ..infy(2, TIME, 157_000, 0) }.bytes()).unwrap();
    assert_eq!(harness.wake(), [Action::Reconnect("no pong within 10 s")]);
    assert_eq!(harness.session.next_timeout(), None, "once");
}

#[test]
fn a_refusal_is_told_and_tried_again_ever_later() {
    let mut harness = Harness::new(Mode::Ltp, &["1:1594"]);
    let start = harness.now;
    harness.session.handle_open(start);
    assert_eq!(harness.actions().len(), 1);
    let refused = harness.text(r#"{"correlationID":"0000000001","errorCode":"E1002","errorMessage":"limit"}"#);
    assert_eq!(refused, Err("the venue says: E1002 limit".to_owned()));
    let mut asked = Vec::new();
    while harness.now.since(start) < Nanos::new(200 * Nanos::SECOND.raw()) {
        let actions = harness.wake();
        if actions.iter().any(|action| *action != ping()) {
            asked.push(harness.now.since(start).raw() / Nanos::SECOND.raw());
        }
        harness.text("pong").unwrap();
    }
    assert_eq!(asked, [10, 30, 70, 150]);
    harness.packet(&Snap { mode: 1, ..infy(1, TIME, 157_000, 0) }.bytes()).unwrap();
    for _ in 0..40 {
        assert!(harness.wake().iter().all(|action| *action == ping()));
        harness.text("pong").unwrap();
    }
}

#[test]
fn requests_are_bounded() {
    let mut session = AngelSession::new(Mode::Depth20);
    for number in 0..SUBSCRIPTIONS_MAX as u32 {
        let symbol = format!("1:{number}");
        session.add(&symbol, InstrumentId(number), Catalog::default().angel(&symbol, Decimals::default()));
    }
    session.add("6:1", InstrumentId(0), Catalog::default().angel("6:1", Decimals::default()));
    session.handle_open(Nanos::ZERO);
    let sent: Vec<Action> = std::iter::from_fn(|| session.poll_action()).collect();
    let count = |action: &Action| match action {
        Action::Send(text) => (text.contains(r#""mode":4"#), text.matches('"').count() / 2 - 8),
        other => panic!("{other:?}"),
    };
    let subscriptions: Vec<_> = sent.iter().map(count).collect();
    assert_eq!(subscriptions, [(false, REQUEST_TOKENS_MAX), (false, 450), (true, DEPTH20_TOKENS_MAX)]);
}

#[test]
fn a_value_that_cannot_be_held_closes_its_token_once() {
    let mut harness = Harness::new(Mode::SnapQuote, &["1:1594"]);
    harness.packet(&infy(7, TIME, 157_000, 100).bytes()).unwrap();
    let [first, second] = [8, 9].map(|number| harness.packet(&infy(number, TIME, 157_000, i64::MAX).bytes()));
    assert!(matches!(first, Err(FrameError::Unrepresentable { symbol, family: None, .. }) if symbol == "1:1594"));
    assert!(matches!(second, Err(FrameError::Decode(error)) if error.to_string().starts_with("packet of 1:1594: ")));
    assert_eq!(harness.gaps.len(), 3);
    assert!(harness.gaps.iter().all(|gap| gap.1 == GapCause::Unrepresentable));
    harness.packet(&infy(10, TIME, 157_000, 101).bytes()).unwrap();
    for family in [Family::Book, Family::Trades, Family::Statistics] {
        assert_eq!(harness.state(family), StreamState::Closed);
    }
}

#[test]
fn a_stranger_is_named() {
    let mut harness = Harness::new(Mode::SnapQuote, &[]);
    let usdinr = Snap { exchange: 13, token: "1234".to_owned(), ..infy(1, TIME, 157_000, 100) };
    let Err(FrameError::UnknownSymbol { symbol, decimals }) = harness.packet(&usdinr.bytes()) else { panic!() };
    assert_eq!((symbol.as_str(), decimals), ("13:1234", Decimals { price: 4, qty: 0 }));
}
