use super::*;
use crate::catalog::Catalog;
use crate::kraken::naive::NaiveBook;
use tidegate_core::{
    Body, Bounds, Engine, Fact, Family, Flags, Gap, GapCause, Known, Market, Price, Side, Stamped, Stream, StreamState,
};

const ID: InstrumentId = InstrumentId(0);
const SYMBOL: &str = "BTC/USD";

/// A session, the market it feeds, and the venue's book.
struct Harness {
    session: KrakenSession,
    engine: Engine,
    venue: NaiveBook,
    gaps: Vec<(Family, GapCause, u64, u64)>,
    facts: Vec<(Family, Fact)>,
    now: Nanos,
}

impl Harness {
    fn new(settings: Settings) -> Harness {
        let bounds = Bounds {
            book_levels_max: 100,
            bars_max: 10,
            trades_max: 32,
            instruments_max: 10,
            stale_after: Nanos::new(i64::MAX),
        };
        let mut harness = Harness {
            session: KrakenSession::new(settings),
            engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
            venue: NaiveBook::new(settings.depth.levels()),
            gaps: Vec::new(),
            facts: Vec::new(),
            now: Nanos::ZERO,
        };
        let instrument = Catalog::default().kraken(SYMBOL, Default::default());
        harness.apply(&[Input::Define { id: ID, instrument: Box::new(instrument.clone()) }]);
        harness.session.add(SYMBOL, ID, instrument);
        harness
    }

    /// One whose connection is open and whose requests have been answered.
    fn open() -> Harness {
        let mut harness = Harness::new(Settings::new(Version::V2));
        harness.session.handle_open(harness.now);
        harness.answer_all(true);
        harness
    }

    fn apply(&mut self, inputs: &[Input]) {
        for input in inputs {
            match input {
                Input::Gap(Gap { family, cause, from, to, .. }) => self.gaps.push((*family, *cause, *from, *to)),
                Input::State { family, fact, .. } => self.facts.push((*family, *fact)),
                _ => {}
            }
            self.engine.input(self.now, input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
        }
    }

    fn frame(&mut self, frame: &str) -> Result<(), FrameError> {
        self.now = self.now.plus(Nanos::new(1));
        let mut out = Vec::new();
        let result = self.session.handle_message(self.now, Payload::Text(frame.as_bytes()), &mut out);
        self.apply(&out);
        result
    }

    /// What the session sends: every request that begins or ends a subscription, as method and channel.
    fn sent(&mut self) -> Vec<(String, String, u64)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let requests = std::iter::from_fn(|| self.session.poll_action()).map(|action| {
            let Action::Send(request) = action else { panic!("{action:?}") };
            let request: serde_json::Value = serde_json::from_str(&request).unwrap();
            let params = &request["params"];
            assert_eq!(params["symbol"][0], SYMBOL);
            (text(&request["method"]), text(&params["channel"]), request["req_id"].as_u64().unwrap())
        });
        requests.collect()
    }

    fn answer_all(&mut self, is_ok: bool) {
        for (method, _, request) in self.sent() {
            self.frame(&format!(r#"{{"method":"{method}","req_id":{request},"success":{is_ok}}}"#)).unwrap();
        }
    }

    /// The venue's book changes, and its message arrives, with `wrong` added to the checksum.
    fn book(&mut self, kind: &str, levels: &[(Side, &str, &str)], wrong: u32) {
        self.try_book(kind, levels, wrong).unwrap();
    }

    fn try_book(&mut self, kind: &str, levels: &[(Side, &str, &str)], wrong: u32) -> Result<(), FrameError> {
        let texts = levels.iter().map(|&(side, price, qty)| (side, (price.to_owned(), qty.to_owned())));
        if kind == "snapshot" {
            self.venue = NaiveBook::new(self.venue.depth);
        }
        self.venue.apply(&texts.collect::<Vec<_>>());
        let side = |wanted: Side| {
            let of_side = levels.iter().filter(|&&(side, _, _)| side == wanted);
            of_side.map(|(_, price, qty)| format!(r#"{{"price":{price},"qty":{qty}}}"#)).collect::<Vec<_>>().join(",")
        };
        let checksum = self.venue.checksum().wrapping_add(wrong);
        let (bids, asks) = (side(Side::Bid), side(Side::Ask));
        self.frame(&format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{SYMBOL}","bids":[{bids}],"asks":[{asks}],"checksum":{checksum},"timestamp":"2023-10-06T17:35:55.440295Z"}}]}}"#
        ))
    }

    fn snapshot(&mut self, bid: &str) {
        self.book("snapshot", &[(Side::Bid, bid, "1.0"), (Side::Ask, "99.5", "2.00")], 0);
    }

    fn trades(&mut self, kind: &str, ids: &[u64]) {
        let trade = |id: &u64| {
            format!(
                r#"{{"symbol":"{SYMBOL}","side":"buy","price":5,"qty":1,"trade_id":{id},"timestamp":"2023-10-06T17:35:55Z"}}"#
            )
        };
        let data = ids.iter().map(trade).collect::<Vec<_>>().join(",");
        self.frame(&format!(r#"{{"channel":"trade","type":"{kind}","data":[{data}]}}"#)).unwrap();
    }

    fn stream(&self) -> &Stream {
        self.engine.market().stream(ID).unwrap()
    }

    fn shown(&self) -> (StreamState, Option<String>) {
        let stream = self.stream();
        (stream.state(Family::Book), stream.book.top().bid.map(|level| level.price.to_string()))
    }

    /// What the market shows of the book is what the checksum has proved.
    fn check_book(&self) {
        for side in Side::BOTH {
            let book = &self.stream().book;
            let shown: Vec<_> = book.depth(side, 1_000).map(|it| (it.price.raw(), it.qty.raw())).collect();
            assert_eq!(shown, self.venue.raw(side));
            let end = shown.last().map_or(Known::All, |&(price, _)| Known::To(Price::from_raw(price).unwrap()));
            assert_eq!(book.known_to(side), end);
        }
    }

    /// The session wakes when it wants to, `now` being left to it.
    fn wake(&mut self) {
        self.now = self.session.next_timeout().unwrap();
        let mut out = Vec::new();
        self.session.handle_timeout(self.now, &mut out);
        self.apply(&out);
    }
}

fn names(sent: &[(String, String, u64)]) -> Vec<(&str, &str)> {
    sent.iter().map(|(method, channel, _)| (method.as_str(), channel.as_str())).collect()
}

fn live(bid: &str) -> (StreamState, Option<String>) {
    (StreamState::Live, Some(bid.to_owned()))
}

const SUBSCRIBED: [(&str, &str); 3] = [("subscribe", "book"), ("subscribe", "trade"), ("subscribe", "ticker")];
const BOOK_AGAIN: [(&str, &str); 2] = [("unsubscribe", "book"), ("subscribe", "book")];

#[test]
fn a_connection_subscribes_and_goes_live_with_the_snapshot() {
    let mut kraken = Harness::new(Settings::new(Version::V2));
    assert_eq!((kraken.sent(), kraken.session.next_timeout()), (vec![], None), "nothing is open yet");
    kraken.session.handle_open(kraken.now);
    let sent = kraken.sent();
    assert_eq!(names(&sent), SUBSCRIBED);
    for (_, _, request) in sent {
        kraken.frame(&format!(r#"{{"method":"subscribe","req_id":{request},"success":true}}"#)).unwrap();
    }
    assert_eq!(kraken.facts, [Family::Book, Family::Trades, Family::Quotes].map(|family| (family, Fact::Subscribed)));
    assert_eq!(kraken.shown(), (StreamState::Syncing, None));
    kraken.snapshot("40.0");
    kraken.check_book();
    kraken.book("update", &[(Side::Bid, "41.0", "1.0")], 0);
    assert_eq!(kraken.shown(), live("41"));
    kraken.check_book();
    assert_eq!((kraken.gaps.len(), kraken.sent().len()), (0, 0));
}

#[test]
fn a_symbol_added_late_is_asked_for_at_once() {
    let mut kraken = Harness::open();
    let instrument = Catalog::default().kraken("ETH/USD", Default::default());
    kraken.session.add("ETH/USD", InstrumentId(1), instrument);
    let actions = std::iter::from_fn(|| kraken.session.poll_action());
    assert_eq!(actions.filter(|it| matches!(it, Action::Send(text) if text.contains("ETH/USD"))).count(), 3);
}

#[test]
fn every_request_names_what_it_wants() {
    let mut requests = Vec::new();
    for version in [Version::V1, Version::V2] {
        let settings = Settings { depth: Depth::new(25).unwrap(), ..Settings::new(version) };
        let mut session = KrakenSession::new(settings);
        session.add("X/Y", ID, Catalog::default().kraken("X/Y", Default::default()));
        session.handle_open(Nanos::ZERO);
        requests.extend(std::iter::from_fn(|| session.poll_action()));
    }
    let expect = [
        r#"{"event":"subscribe","pair":["X/Y"],"reqid":2,"subscription":{"depth":25,"name":"book"}}"#,
        r#"{"method":"subscribe","params":{"channel":"book","depth":25,"symbol":["X/Y"]},"req_id":2}"#,
        r#"{"method":"subscribe","params":{"channel":"trade","snapshot":true,"symbol":["X/Y"]},"req_id":4}"#,
        r#"{"method":"subscribe","params":{"channel":"ticker","event_trigger":"bbo","symbol":["X/Y"]},"req_id":6}"#,
    ];
    assert_eq!(requests, expect.map(|text| Action::Send(text.to_owned())));
}

#[test]
fn what_is_not_answered_is_asked_again_and_then_the_connection_is_given_up() {
    let mut kraken = Harness::new(Settings { trades: false, ticker: false, ..Settings::new(Version::V2) });
    kraken.session.handle_open(kraken.now);
    assert_eq!(names(&kraken.sent()), SUBSCRIBED[..1]);
    for _ in 0..2 {
        kraken.now = kraken.session.next_timeout().unwrap();
        kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
        kraken.session.handle_timeout(kraken.now, &mut Vec::new());
        assert_eq!(names(&kraken.sent()), BOOK_AGAIN);
    }
    kraken.now = kraken.session.next_timeout().unwrap();
    kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
    kraken.session.handle_timeout(kraken.now, &mut Vec::new());
    assert!(matches!(kraken.session.poll_action(), Some(Action::Reconnect(why)) if why.contains("not answered")));
    assert_eq!((kraken.session.poll_action(), kraken.session.next_timeout()), (None, None), "once");
    kraken.session.handle_close(kraken.now, &mut Vec::new());
    kraken.session.handle_open(kraken.now);
    assert_eq!(names(&kraken.sent()), SUBSCRIBED[..1]);
}

#[test]
fn a_refused_subscription_rests_and_is_tried_again_without_end() {
    let mut kraken = Harness::new(Settings::new(Version::V2));
    kraken.session.handle_open(kraken.now);
    for round in 0..10 {
        let sent = kraken.sent();
        assert_eq!(sent.iter().filter(|(method, _, _)| method == "subscribe").count(), 3, "round {round}");
        for (_, _, request) in sent {
            kraken.frame(&format!(r#"{{"method":"subscribe","req_id":{request},"success":false}}"#)).unwrap();
        }
        assert_eq!(kraken.sent(), []);
        kraken.now = kraken.now.plus(Nanos::new(4_999_999_000));
        kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
        kraken.wake();
    }
    assert_eq!(kraken.facts, [], "nothing is delivered");
}

/// The snapshot of a request comes late, after the next request, which is refused: nothing flows then, and
/// what is shown would stay as it is.
#[test]
fn a_snapshot_that_came_late_does_not_answer_the_request_after_it() {
    let mut kraken = Harness::open();
    kraken.snapshot("99.0");
    kraken.book("update", &[(Side::Bid, "99.1", "1")], 1);
    assert_eq!(names(&kraken.sent()), BOOK_AGAIN);
    let mut again = Vec::new();
    for is_refused in [false, true] {
        kraken.now = kraken.now.plus(Nanos::new(4 * Nanos::SECOND.raw()));
        kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
        kraken.wake();
        again = kraken.sent();
        assert_eq!(names(&again), BOOK_AGAIN, "asked again until the venue has agreed");
        if !is_refused {
            kraken.snapshot("99.0");
            let refusal = format!(r#"{{"method":"subscribe","req_id":{},"success":false}}"#, again[1].2);
            kraken.frame(&refusal).unwrap();
        }
    }
    kraken.frame(&format!(r#"{{"method":"subscribe","req_id":{},"success":true}}"#, again[1].2)).unwrap();
    kraken.snapshot("99.2");
    assert_eq!(kraken.shown(), live("99.2"));
    assert!(kraken.session.subscriptions().all(|it| it.due.is_none()), "nothing is waited for any more");
}

#[test]
fn five_seconds_of_silence_give_the_connection_up() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.0");
    let heard = kraken.now;
    assert_eq!(kraken.session.next_timeout(), Some(heard.plus(Nanos::new(5_000_000_000))));
    kraken.now = heard.plus(Nanos::new(4_000_000_000));
    kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
    kraken.session.handle_timeout(heard.plus(Nanos::new(5_000_000_000)), &mut Vec::new());
    assert_eq!(kraken.session.poll_action(), None, "a heartbeat came");
    kraken.wake();
    assert!(matches!(kraken.session.poll_action(), Some(Action::Reconnect(_))));
    assert_eq!(kraken.session.next_timeout(), None);
}

#[test]
fn a_wrong_checksum_is_a_gap_and_a_new_snapshot_heals_it() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.0");
    kraken.book("update", &[(Side::Bid, "41.0", "1.0")], 1);
    assert_eq!(kraken.gaps, [(Family::Book, GapCause::Checksum, 0, 0)]);
    assert_eq!(kraken.shown(), (StreamState::Gapped, None));
    assert_eq!(names(&kraken.sent()), BOOK_AGAIN);
    kraken.book("update", &[(Side::Bid, "42.0", "1.0")], 0);
    assert_eq!(kraken.shown().0, StreamState::Gapped, "a change without a book says nothing");
    kraken.snapshot("43.0");
    assert_eq!(kraken.shown(), live("43"));
    assert_eq!((kraken.engine.market().counters().resyncs, kraken.gaps.len()), (1, 1));
    kraken.check_book();
}

#[test]
fn the_check_is_never_turned_off_and_a_venue_that_fails_it_is_not_flooded() {
    let mut kraken = Harness::open();
    let mut requests = 0;
    for round in 0..50 {
        kraken.snapshot("40.0");
        kraken.book("update", &[(Side::Bid, "41.0", "1.0")], 7);
        assert_eq!(kraken.shown(), (StreamState::Gapped, None), "round {round}");
        let at_once = kraken.sent();
        assert_eq!(at_once.is_empty(), round > 0, "round {round}");
        requests += at_once.len();
        if round > 0 {
            kraken.now = kraken.now.plus(Nanos::new(4_999_999_000));
            kraken.frame(r#"{"channel":"heartbeat"}"#).unwrap();
            kraken.wake();
            requests += kraken.sent().len();
        }
    }
    assert_eq!((kraken.gaps.len(), requests), (50, 100));
    kraken.snapshot("40.0");
    kraken.book("update", &[(Side::Bid, "41.0", "1.0")], 0);
    assert_eq!(kraken.shown(), live("41"), "a venue that is right again is believed again");
}

#[test]
fn a_snapshot_with_a_wrong_checksum_is_never_shown() {
    let mut kraken = Harness::open();
    kraken.book("snapshot", &[(Side::Bid, "40.0", "1.0"), (Side::Ask, "41.0", "1.0")], 3);
    assert_eq!((kraken.shown(), kraken.gaps.len()), ((StreamState::Gapped, None), 1));
}

#[test]
fn ten_levels_are_passed_on_and_deeper_ones_wait_for_their_turn() {
    let mut kraken = Harness::new(Settings { depth: Depth::new(25).unwrap(), ..Settings::new(Version::V2) });
    let prices: Vec<String> = (50..80).map(|price| format!("{price}.0")).collect();
    let asks: Vec<_> = prices.iter().map(|price| (Side::Ask, price.as_str(), "1.0")).collect();
    kraken.book("snapshot", &asks[..25], 0);
    kraken.check_book();
    assert_eq!(kraken.stream().book.known_to(Side::Bid), Known::All, "the venue says that there are none");
    kraken.book("update", &[(Side::Ask, "49.0", "1.0"), (Side::Bid, "48.0", "1.0")], 0);
    kraken.check_book();
    assert_eq!(kraken.stream().book.known_to(Side::Ask), Known::To(Price::parse(b"58").unwrap().value));
    kraken.book("update", &[(Side::Ask, "49.0", "0"), (Side::Ask, "50.0", "0")], 0);
    kraken.check_book();
    assert_eq!(kraken.stream().book.known_to(Side::Ask), Known::To(Price::parse(b"60").unwrap().value));
    kraken.book("update", &[(Side::Ask, "70.5", "3.0")], 0);
    kraken.check_book();
    assert_eq!(kraken.gaps, []);
}

#[test]
fn a_change_below_the_checked_levels_says_that_the_book_is_current() {
    let mut kraken = Harness::new(Settings { depth: Depth::new(25).unwrap(), ..Settings::new(Version::V2) });
    let prices: Vec<String> = (50..80).map(|price| format!("{price}.0")).collect();
    let asks: Vec<_> = prices.iter().map(|price| (Side::Ask, price.as_str(), "1.0")).collect();
    kraken.book("snapshot", &asks[..25], 0);
    let before = kraken.stream().last_event_any();
    kraken.book("update", &[(Side::Ask, "70.5", "3.0")], 0);
    assert!(kraken.stream().last_event_any() > before);
    kraken.check_book();
}

#[test]
fn a_message_is_one_message_with_the_venues_time() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.0");
    let mut out = Vec::new();
    let update = |time: &str| {
        let frame = format!(
            r#"{{"channel":"book","type":"snapshot","data":[{{"symbol":"{SYMBOL}","bids":[],"asks":[],"checksum":0{time}}}]}}"#
        );
        Payload::Text(frame.leak().as_bytes())
    };
    let now = Nanos::new(77);
    kraken.session.handle_message(now, update(""), &mut out).unwrap();
    kraken.session.handle_message(now, update(r#","timestamp":"1970-01-01T00:00:01Z""#), &mut out).unwrap();
    let whole = Flags::LAST.with(Flags::SNAPSHOT).with(Flags::COMPLETE);
    let clears: Vec<_> = out
        .iter()
        .filter_map(|input| match input {
            Input::Event(event) => Some((event.body, event.flags, event.venue_ts)),
            _ => None,
        })
        .collect();
    assert_eq!(
        clears,
        [(Body::Clear, whole.with(Flags::TIME_RECEIVED), now), (Body::Clear, whole, Nanos::new(1_000_000_000))]
    );
}

#[test]
fn missing_trades_are_a_gap_and_repeated_ones_are_applied_once() {
    let mut kraken = Harness::open();
    kraken.trades("snapshot", &[3, 4, 5]);
    assert_eq!(kraken.engine.market().counters().trades, 0, "older than the subscription");
    kraken.trades("update", &[6, 7]);
    kraken.trades("update", &[7, 10]);
    assert_eq!(kraken.gaps, [(Family::Trades, GapCause::Sequence, 8, 10)]);
    assert_eq!(kraken.engine.market().counters().trades, 3, "6, 7, 10");
    let mut out = Vec::new();
    kraken.session.handle_close(kraken.now, &mut out);
    kraken.apply(&out);
    assert_eq!(kraken.stream().state(Family::Trades), StreamState::Closed);
    kraken.session.handle_open(kraken.now);
    kraken.answer_all(true);
    assert_eq!(kraken.stream().state(Family::Trades), StreamState::Live);
    kraken.trades("snapshot", &[9, 10, 11, 12]);
    kraken.trades("update", &[12, 13]);
    assert_eq!(kraken.engine.market().counters().trades, 6, "11, 12 and 13 came too");
    assert_eq!(kraken.stream().last_trade.unwrap().trade_id, 13);
    assert_eq!(kraken.gaps.iter().filter(|gap| gap.0 == Family::Trades).count(), 1);
}

#[test]
fn a_lost_connection_is_a_gap_of_the_book_and_closes_the_rest() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.0");
    let ticker = format!(
        r#"{{"channel":"ticker","type":"snapshot","data":[{{"symbol":"{SYMBOL}","bid":1.5,"bid_qty":2,"ask":3,"ask_qty":4}}]}}"#
    );
    kraken.frame(&ticker).unwrap();
    assert_eq!(kraken.stream().quote.unwrap().bid.price.to_string(), "1.5");
    let mut out = Vec::new();
    kraken.session.handle_close(kraken.now, &mut out);
    kraken.apply(&out);
    assert_eq!(kraken.gaps, [(Family::Book, GapCause::Disconnected, 0, 0)]);
    let states = |kraken: &Harness| [Family::Book, Family::Trades, Family::Quotes].map(|it| kraken.stream().state(it));
    assert_eq!(states(&kraken), [StreamState::Gapped, StreamState::Closed, StreamState::Closed]);
    kraken.session.handle_close(kraken.now, &mut out);
    assert_eq!(out.len(), 3, "once");
    kraken.session.handle_open(kraken.now);
    kraken.answer_all(true);
    kraken.snapshot("41.0");
    assert_eq!(states(&kraken), [StreamState::Live; 3]);
    kraken.check_book();
}

#[test]
fn a_value_that_cannot_be_held_closes_its_stream_once() {
    let huge = format!(
        r#"{{"channel":"book","type":"update","data":[{{"symbol":"{SYMBOL}","bids":[{{"price":99999999999999999999,"qty":1}}],"asks":[],"checksum":1}}]}}"#
    );
    for is_in_the_ten in [true, false] {
        let mut kraken = Harness::open();
        kraken.snapshot("40.0");
        if is_in_the_ten {
            let result = kraken.try_book("update", &[(Side::Bid, "1000000000", "1")], 0);
            assert!(matches!(result, Err(FrameError::Unrepresentable { symbol, .. }) if symbol == SYMBOL));
        }
        let results = [kraken.frame(&huge), kraken.frame(&huge)];
        let told = results.iter().filter(|it| matches!(it, Err(FrameError::Unrepresentable { .. }))).count();
        assert_eq!(told, usize::from(!is_in_the_ten), "once, with the reason");
        assert!(matches!(&results[1], Err(FrameError::Decode(_))));
        assert_eq!(kraken.gaps, [(Family::Book, GapCause::Unrepresentable, 0, 0)]);
        kraken.snapshot("41.0");
        assert_eq!((kraken.shown(), kraken.sent().len()), ((StreamState::Closed, None), 0));
        kraken.trades("update", &[1]);
        assert_eq!(kraken.engine.market().counters().trades, 1, "the other families go on");
        let mut out = Vec::new();
        kraken.session.handle_close(kraken.now, &mut out);
        kraken.session.handle_open(kraken.now);
        assert_eq!(names(&kraken.sent()), SUBSCRIBED[1..], "closed for good");
    }
}

#[test]
fn a_price_that_nobody_means_is_held_and_not_passed_on() {
    let mut kraken = Harness::new(Settings { depth: Depth::new(25).unwrap(), ..Settings::new(Version::V2) });
    let prices: Vec<String> = (50..60).map(|price| format!("{price}.0")).collect();
    let mut asks: Vec<_> = prices.iter().map(|price| (Side::Ask, price.as_str(), "1.0")).collect();
    asks.push((Side::Ask, "9999999997.0", "1.0"));
    kraken.book("snapshot", &asks, 0);
    kraken.check_book();
    assert_eq!((kraken.stream().state(Family::Book), kraken.gaps.len()), (StreamState::Live, 0));
    let result = kraken.try_book("update", &[(Side::Ask, "50.0", "0")], 0);
    assert!(matches!(result, Err(FrameError::Unrepresentable { .. })), "{result:?}");
    assert_eq!(kraken.gaps, [(Family::Book, GapCause::Unrepresentable, 0, 0)], "now it is one of the ten");
}

#[test]
fn a_resnapshot_is_asked_for_once_and_the_book_goes_on() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.0");
    kraken.session.handle_resnapshot(ID);
    kraken.session.handle_resnapshot(ID);
    assert_eq!(names(&kraken.sent()), BOOK_AGAIN);
    kraken.book("update", &[(Side::Bid, "41.0", "1.0")], 0);
    assert_eq!(kraken.shown(), live("41"));
    kraken.snapshot("42.0");
    assert_eq!((kraken.shown(), kraken.gaps.len()), (live("42"), 0));
}

#[test]
fn a_snapshot_of_v1_is_shown_when_the_first_change_proves_it() {
    let mut kraken = Harness::new(Settings::new(Version::V1));
    kraken.frame(r#"[1,{"as":[["50.0","1.0","5.5"]],"bs":[["40.0","1.0","5.5"]]},"book-10","BTC/USD"]"#).unwrap();
    assert_eq!(kraken.shown(), (StreamState::Syncing, None));
    let texts = |price: &str| (Side::Bid, (price.to_owned(), "1.0".to_owned()));
    kraken.venue.apply(&[(Side::Ask, ("50.0".to_owned(), "1.0".to_owned())), texts("40.0"), texts("41.0")]);
    let change = format!(r#"[1,{{"b":[["41.0","1.0","6.5"]],"c":"{}"}},"book-10","BTC/USD"]"#, kraken.venue.checksum());
    kraken.frame(&change).unwrap();
    assert_eq!(kraken.shown(), live("41"));
    kraken.check_book();
}

#[test]
fn an_unknown_symbol_is_named_and_nothing_is_done() {
    let mut session = KrakenSession::new(Settings::new(Version::V1));
    let mut out = Vec::new();
    let frame = br#"[1,{"as":[["50.25","1","5.5"]],"bs":[]},"book-10","XBT/USD"]"#;
    let result = session.handle_message(Nanos::ZERO, Payload::Text(frame), &mut out);
    assert!(
        matches!(result, Err(FrameError::UnknownSymbol { symbol, decimals }) if symbol == "XBT/USD" && decimals.price == 2)
    );
    assert_eq!(out, []);
    assert!(matches!(
        session.handle_message(Nanos::ZERO, Payload::Binary(b"{}"), &mut out),
        Err(FrameError::Decode(_))
    ));
}

#[test]
fn decimals_grow_with_what_the_wire_shows() {
    let mut kraken = Harness::open();
    kraken.snapshot("40.125");
    let instrument = &kraken.stream().instrument;
    assert_eq!((instrument.price_decimals, instrument.qty_decimals), (3, 2));
}

#[test]
fn numbers_of_trades_begin_again() {
    let mut kraken = Harness::open();
    kraken.now = Nanos::new(1_696_613_755_000_000_000);
    let trade = |id: u64, minute: u32| {
        let time = format!("2023-10-06T17:{minute:02}:55Z");
        format!(r#"{{"symbol":"{SYMBOL}","side":"buy","price":5,"qty":1,"trade_id":{id},"timestamp":"{time}"}}"#)
    };
    let mut say = |kind: &str, trades: &[(u64, u32)]| {
        let data = trades.iter().map(|&(id, minute)| trade(id, minute)).collect::<Vec<_>>().join(",");
        kraken.frame(&format!(r#"{{"channel":"trade","type":"{kind}","data":[{data}]}}"#)).unwrap();
    };
    say("snapshot", &[(89, 34), (90, 35)]);
    say("update", &[(91, 35), (92, 36), (91, 35)]);
    say("snapshot", &[(90, 35), (91, 35), (92, 36)]);
    say("update", &[(1, 37), (2, 37)]);
    say("snapshot", &[(1, 37), (2, 37), (3, 38)]);
    assert_eq!(kraken.gaps, [(Family::Trades, GapCause::Sequence, 93, 1)], "what begins again is told once");
    assert_eq!(kraken.engine.market().counters().trades, 5);
}

/// The venue's depth is in its answer, or as long as its snapshot: not what was asked for.
#[test]
fn the_depth_of_a_book_is_the_venues_own() {
    for depth in [10, 25, 100, 500, 1_000] {
        for is_told in [false, true] {
            let mut kraken = Harness::new(Settings::new(Version::V2));
            kraken.venue = NaiveBook::new(depth);
            if is_told {
                let result = format!(r#"{{"channel":"book","depth":{depth},"symbol":"BTC\/USD"}}"#);
                kraken.frame(&format!(r#"{{"method":"subscribe","result":{result},"success":true}}"#)).unwrap();
            }
            let prices: Vec<String> = (0..depth).map(|n| format!("{}.0", 2_000 - n)).collect();
            let bids: Vec<_> = prices.iter().map(|price| (Side::Bid, price.as_str(), "1.0")).collect();
            // What the answer has told, a short snapshot need not.
            let (snapshot, later) = bids.split_at(if is_told { 5 } else { depth });
            kraken.book("snapshot", snapshot, 0);
            for level in later {
                kraken.book("update", &[*level], 0);
            }
            for gone in &prices[..depth - 5] {
                kraken.book("update", &[(Side::Bid, gone, "0")], 0);
            }
            kraken.book("update", &[(Side::Bid, "2001.0", "1.0"), (Side::Ask, "2002.0", "1.0")], 0);
            assert_eq!((kraken.gaps.as_slice(), kraken.shown()), (&[][..], live("2001")), "{depth}, told: {is_told}");
            kraken.check_book();
        }
    }
}

#[test]
fn texts_may_be_written_in_escapes() {
    let escaped = r#"{"channel":"\u0062ook","t\u0079pe":"snapshot","data":[{"symbol":"BTC\/U\u0053D","bids":[{"price":"\u0034\u0030.0","qty":1.0}],"asks":[],"checksum":CRC}]}"#;
    let mut kraken = Harness::open();
    kraken.venue.apply(&[(Side::Bid, ("40.0".to_owned(), "1.0".to_owned()))]);
    kraken.frame(&escaped.replace("CRC", &kraken.venue.checksum().to_string())).expect("an escape is JSON");
    assert_eq!(kraken.shown(), live("40"));
    let trade = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC\/USD","side":"b\u0075y","price":5,"qty":1,"trade_id":1,"timestamp":"2023-10-06T17:35:55Z"}]}"#;
    kraken.frame(trade).expect("an escape is JSON");
    let ticker = r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC\/USD","bid":0,"bid_qty":0,"ask":9999999999999,"ask_qty":1}]}"#;
    assert!(matches!(kraken.frame(ticker), Err(FrameError::Unrepresentable { symbol, .. }) if symbol == SYMBOL));
    assert_eq!((kraken.engine.market().counters().trades, kraken.gaps.len()), (1, 1));
    let mut v1 = Harness::new(Settings::new(Version::V1));
    v1.frame(r#"[1,{"as":[["50.0","1.0","5.5"]],"\u0062s":[["40.0","1.0","5.5"]]},"book-10","BTC\/USD"]"#)
        .expect("an escape is JSON");
}
