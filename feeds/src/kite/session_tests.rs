use super::super::encoder::{frame, index, infy, ltp};
use super::*;
use crate::catalog::Catalog;
use tidegate_core::{
    BarFlags, Body, Bounds, Engine, Event, Flags, GapCause, Known, Market, Side, Stamped, StreamState,
};

const ID: InstrumentId = InstrumentId(0);
const INDEX: InstrumentId = InstrumentId(1);
const TIME: u32 = 1_625_461_887;

/// A session and the market it feeds, as the shell joins them.
struct Harness {
    session: KiteSession,
    engine: Engine,
    gaps: Vec<(InstrumentId, Family, GapCause)>,
    now: Nanos,
}

impl Harness {
    fn new() -> Harness {
        let stale_after = Nanos::new(i64::MAX);
        let bounds = Bounds { book_levels_max: 100, bars_max: 10, trades_max: 32, instruments_max: 10, stale_after };
        let mut harness = Harness {
            session: KiteSession::new(Mode::Full),
            engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
            gaps: Vec::new(),
            now: seconds(i64::from(TIME)),
        };
        let catalog = Catalog::built_in().unwrap();
        for (id, token) in [(ID, "408065"), (INDEX, "256265")] {
            let instrument = catalog.kite(token, Decimals { price: 2, qty: 0 });
            harness.apply(&[Input::Define { id, instrument: Box::new(instrument.clone()) }]);
            harness.session.add(token, id, instrument);
        }
        harness
    }

    /// Applies; whoever looks between messages sees a live book or none.
    fn apply(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Gap(gap) = input {
                self.gaps.push((gap.id.unwrap(), gap.family, gap.cause));
            }
            let mut look = |market: &Market, stamped: Stamped<'_>| {
                if !market.is_message_open() && matches!(stamped.input, Input::Event(_)) {
                    let stream = market.stream(ID).unwrap();
                    let is_shown = stream.book.top().bid.is_some();
                    assert_eq!(is_shown, stream.state(Family::Book) == StreamState::Live);
                }
            };
            self.engine.input(self.now, input, &mut look).unwrap();
        }
    }

    fn binary(&mut self, frame: &[u8]) -> Result<(), FrameError> {
        let mut out = Vec::new();
        let result = self.session.handle_message(self.now, Payload::Binary(frame), &mut out);
        self.apply(&out);
        result
    }

    fn sent(&mut self) -> Vec<String> {
        actions(&mut self.session)
            .into_iter()
            .map(|action| match action {
                Action::Send(text) => text,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn state(&self, id: InstrumentId, family: Family) -> StreamState {
        self.engine.market().stream(id).unwrap().state(family)
    }

    /// Wakes the session at its own deadline.
    fn wake(&mut self) {
        self.now = self.session.next_timeout().unwrap();
        let mut out = Vec::new();
        self.session.handle_timeout(self.now, &mut out);
        assert_eq!(out, []);
    }
}

fn seconds(seconds: i64) -> Nanos {
    Nanos::new(seconds * Nanos::SECOND.raw())
}

fn actions(session: &mut KiteSession) -> Vec<Action> {
    std::iter::from_fn(|| session.poll_action()).collect()
}

#[test]
fn a_full_packet_is_a_live_book_of_five_levels() {
    let mut harness = Harness::new();
    harness.binary(&frame(&[infy(TIME, 157_000, 100).bytes()])).unwrap();
    let stream = harness.engine.market().stream(ID).unwrap();
    assert_eq!(stream.state(Family::Book), StreamState::Live);
    let bids: Vec<_> =
        stream.book.depth(Side::Bid, 9).map(|it| (it.price.to_string(), it.qty.to_string(), it.orders)).collect();
    let expect =
        [("1570", "10", 0), ("1569.95", "11", 1), ("1569.9", "12", 2), ("1569.85", "13", 3), ("1569.8", "14", 4)];
    assert_eq!(bids, expect.map(|(price, qty, orders)| (price.to_owned(), qty.to_owned(), orders)));
    let worst = |text: &[u8]| Known::To(tidegate_core::Price::parse(text).unwrap().value);
    assert_eq!(stream.book.known_to(Side::Bid), worst(b"1569.8"), "and nothing deeper");
    assert_eq!(stream.book.known_to(Side::Ask), worst(b"1570.25"));
    // A level that the next packet does not show is gone.
    let mut next = infy(TIME, 157_000, 100);
    next.full.as_mut().unwrap().rows[0] = (3, 156_998, 1);
    harness.binary(&frame(&[next.bytes()])).unwrap();
    let stream = harness.engine.market().stream(ID).unwrap();
    assert_eq!(stream.book.top().bid.map(|it| it.price.to_string()), Some("1569.98".to_owned()));
    assert_eq!(harness.gaps, []);
}

#[test]
fn derived_trades_make_bars_and_a_lost_connection_marks_them() {
    let mut harness = Harness::new();
    let packets = [(TIME, 157_000, 100), (TIME, 157_000, 110), (TIME + 1, 157_005, 130), (TIME + 1, 157_000, 150)];
    for (time, last, volume) in packets {
        harness.binary(&frame(&[infy(time, last, volume).bytes()])).unwrap();
    }
    let bars = |harness: &Harness| {
        let stream = harness.engine.market().stream(ID).unwrap();
        let bars = stream.bars[0].iter();
        bars.map(|bar| (bar.volume / 100_000_000, bar.trades, bar.flags.has(BarFlags::INCOMPLETE))).collect::<Vec<_>>()
    };
    assert_eq!(bars(&harness), [(10, 1, true), (40, 2, false)], "the first began before it was listened to");
    let mut out = Vec::new();
    harness.session.handle_close(harness.now, &mut out);
    harness.apply(&out);
    assert_eq!(harness.state(ID, Family::Book), StreamState::Gapped);
    assert_eq!(harness.state(ID, Family::Trades), StreamState::Closed);
    assert_eq!(harness.state(ID, Family::Statistics), StreamState::Closed);
    harness.binary(&frame(&[infy(TIME + 30, 157_000, 450).bytes()])).unwrap();
    assert_eq!(harness.state(ID, Family::Book), StreamState::Live);
    assert_eq!(harness.state(ID, Family::Trades), StreamState::Live);
    assert_eq!(
        bars(&harness),
        [(10, 1, true), (40, 2, true), (300, 1, true)],
        "the jump is in the first bar seen, marked, as the last one before is"
    );
    let lost = |family| (ID, family, GapCause::Disconnected);
    assert_eq!(harness.gaps, [Family::Book, Family::Trades, Family::Trades].map(lost));
    assert_eq!(harness.engine.market().counters().resyncs, 1);
}

#[test]
fn an_index_has_values_and_no_book() {
    let mut harness = Harness::new();
    harness.binary(&frame(&[index(256_265, 1_583_450, [1, 2, 3, 4], -5, Some(TIME))])).unwrap();
    assert_eq!(harness.state(INDEX, Family::Book), StreamState::Closed);
    assert_eq!(harness.state(INDEX, Family::Statistics), StreamState::Live);
    let stream = harness.engine.market().stream(INDEX).unwrap();
    assert_eq!(stream.last_trade.unwrap().price.to_string(), "15834.5");
    assert_eq!(stream.bars[1].iter().next().unwrap().volume, 0);
}

#[test]
fn a_frame_with_a_stranger_is_handed_in_again_once_he_is_known() {
    let mut harness = Harness::new();
    let mut out = Vec::new();
    let cut = &frame(&[infy(TIME, 157_000, 100).bytes()])[..90];
    let result = harness.session.handle_message(harness.now, Payload::Binary(cut), &mut out);
    assert!(matches!(result, Err(FrameError::Decode(_))) && out.is_empty(), "a frame that is cut is damage");
    let stranger = frame(&[infy(TIME, 157_000, 100).bytes(), ltp(2 << 8 | 3, 1)]);
    let result = harness.session.handle_message(harness.now, Payload::Binary(&stranger), &mut out);
    let Err(FrameError::UnknownSymbol { symbol, decimals }) = result else { panic!("{result:?}") };
    assert_eq!((symbol.as_str(), decimals, out.len()), ("515", Decimals { price: 4, qty: 0 }, 0));
    harness.session.add("515", InstrumentId(2), Catalog::default().kite("515", decimals));
    harness.session.handle_message(harness.now, Payload::Binary(&stranger), &mut out).unwrap();
    assert!(!out.is_empty());
}

#[test]
fn an_open_connection_asks_in_batches_and_again_for_what_does_not_come() {
    let mut harness = Harness::new();
    assert_eq!(harness.sent(), [""; 0]);
    harness.session.handle_open(harness.now);
    let both =
        [r#"{"a":"subscribe","v":[256265,408065]}"#, r#"{"a":"mode","v":["full",[256265,408065]]}"#].map(str::to_owned);
    assert_eq!(harness.sent(), both);
    let heartbeats = |harness: &mut Harness, until: Nanos| {
        while harness.session.next_timeout().unwrap() < until {
            harness.now = harness.now.plus(seconds(2));
            harness.binary(&[0]).unwrap();
        }
    };
    let start = harness.now;
    harness.binary(&frame(&[infy(TIME, 157_000, 100).bytes()])).unwrap();
    heartbeats(&mut harness, start.plus(seconds(10)));
    harness.wake();
    assert_eq!(harness.now, start.plus(seconds(10)));
    let one = [r#"{"a":"subscribe","v":[256265]}"#, r#"{"a":"mode","v":["full",[256265]]}"#].map(str::to_owned);
    assert_eq!(harness.sent(), one);
    heartbeats(&mut harness, start.plus(seconds(30)));
    harness.wake();
    assert_eq!((harness.now, harness.sent().len()), (start.plus(seconds(30)), 2), "twice as long");
    harness.binary(&frame(&[index(256_265, 5, [1; 4], 0, None)])).unwrap();
    heartbeats(&mut harness, start.plus(seconds(70)));
    harness.wake();
    assert_eq!(harness.sent(), [""; 0], "everything has come");
    harness.session.add("515", InstrumentId(2), Catalog::default().kite("515", Decimals::default()));
    assert_eq!(harness.sent().len(), 2, "at once where it is open");
}

#[test]
fn requests_are_bounded() {
    let mut session = KiteSession::new(Mode::Quote);
    for number in 0..TOKENS_MAX as u32 + 7 {
        let token = (number << 8 | 1).to_string();
        session.add(&token, InstrumentId(number), Catalog::default().kite(&token, Decimals::default()));
    }
    session.add("no token", InstrumentId(0), Catalog::default().kite("no token", Decimals::default()));
    session.handle_open(Nanos::ZERO);
    let sent = actions(&mut session);
    assert_eq!(sent.len(), 2 * TOKENS_MAX / REQUEST_TOKENS_MAX);
    let Action::Send(text) = &sent[1] else { panic!("{sent:?}") };
    assert!(text.starts_with(r#"{"a":"mode","v":["quote",[1,257,"#) && text.len() < 8_192, "{text}");
    assert_eq!(text.matches(',').count(), REQUEST_TOKENS_MAX + 1);
}

#[test]
fn silence_ends_the_connection_once() {
    let mut harness = Harness::new();
    harness.session.handle_open(harness.now);
    harness.sent();
    let start = harness.now;
    harness.now = harness.now.plus(seconds(4));
    harness.binary(&[0]).unwrap();
    harness.wake();
    assert_eq!(harness.now, start.plus(seconds(9)));
    assert_eq!(actions(&mut harness.session), [Action::Reconnect("no frame for 5 s")]);
    assert_eq!(harness.session.next_timeout(), None);
    let mut out = Vec::new();
    harness.session.handle_close(harness.now, &mut out);
    assert_eq!(out, [], "nothing had been delivered");
    harness.session.handle_open(harness.now);
    assert_eq!(harness.sent().len(), 2, "asked for anew");
}

#[test]
fn the_venues_own_words_are_an_error_and_its_other_texts_are_not() {
    let mut harness = Harness::new();
    let mut out = Vec::new();
    let mut text = |text: &str| {
        harness.session.handle_message(harness.now, Payload::Text(text.as_bytes()), &mut out).map_err(|e| e.to_string())
    };
    assert_eq!(text(r#"{"type":"app_code","data":1}"#), Ok(()));
    assert_eq!(text(r#"{"type":"error","data":"Too many"}"#), Err("the venue says: Too many".to_owned()));
    assert!(text("nonsense").is_err());
    assert_eq!(out, []);
}

/// A capture shows no request: its symbols are taken as subscribed, and quotes are stamped on receipt.
#[test]
fn a_capture_needs_no_connection() {
    let mut harness = Harness::new();
    let mut out = Vec::new();
    harness.session.assume_subscribed("408065", &mut out);
    assert_eq!(out.len(), 3);
    harness.apply(&out);
    assert_eq!(harness.state(ID, Family::Book), StreamState::Syncing);
    let quote = super::super::encoder::Traded { full: None, ..infy(TIME, 157_000, 100) };
    let mut out = Vec::new();
    harness.session.handle_message(harness.now, Payload::Binary(&frame(&[quote.bytes()])), &mut out).unwrap();
    let stamps = out.iter().map(|input| match input {
        Input::Event(Event {
            flags,
            venue_ts,
            body: Body::Ohlc { .. } | Body::Day { .. } | Body::Pressure { .. },
            ..
        }) => (flags.has(Flags::TIME_RECEIVED), *venue_ts),
        other => panic!("{other:?}"),
    });
    assert_eq!(stamps.collect::<Vec<_>>(), [(true, harness.now); 3]);
    assert_eq!((harness.session.next_timeout(), actions(&mut harness.session)), (None, vec![]));
}

#[test]
fn what_cannot_be_read_is_passed_over_alone() {
    let good = |volume| infy(TIME, 157_000, volume).bytes();
    let nobodys = |segment: u32| ltp(77 << 8 | segment, 5);
    let mut harness = Harness::new();
    let bad = [nobodys(13), vec![0; 9], ltp(408_065, 1 << 31)];
    for (number, bad) in (0..).zip(bad) {
        let result = harness.binary(&frame(&[bad.clone(), good(100 + 10 * number), bad]));
        let Err(FrameError::Partial { count: 2, first }) = result else { panic!("it spoils the frame: {result:?}") };
        assert!(first.to_string().starts_with("token "), "{first}");
    }
    assert_eq!((harness.engine.market().counters().trades, harness.gaps.len()), (2, 0));
    assert_eq!(harness.state(ID, Family::Book), StreamState::Live);
    // One that nobody asked for is told by its token first, and passed over from then on.
    let stranger = frame(&[nobodys(1), good(140)]);
    assert!(matches!(harness.binary(&stranger), Err(FrameError::UnknownSymbol { symbol, .. }) if symbol == "19713"));
    assert_eq!(harness.engine.market().counters().trades, 2, "nothing was done");
    for _ in 0..2 {
        let result = harness.binary(&stranger);
        assert!(matches!(&result, Err(FrameError::Partial { count: 1, first }) if first.to_string().contains("19713")));
    }
    assert_eq!(harness.engine.market().counters().trades, 3);
}
