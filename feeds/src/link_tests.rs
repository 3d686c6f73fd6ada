use super::*;
use crate::binance::{BinanceSession, Market};
use crate::catalog::Catalog;
use std::collections::BTreeMap;
use tidegate_core::{Bounds, Engine, Fact, Family, GapCause, Market as Model, Stamped, StreamState};

const LIMITS: Limits = Limits {
    connects: Rate { count: 300, span: Nanos::new(300 * Nanos::SECOND.raw()) },
    messages: Rate { count: 5, span: Nanos::SECOND },
    snapshots: Rate { count: 60, span: Nanos::new(60 * Nanos::SECOND.raw()) },
    silence_max: Nanos::new(20 * Nanos::SECOND.raw()),
    ping_every: Nanos::new(15 * Nanos::SECOND.raw()),
    life_max: Some(Nanos::new(3_600 * Nanos::SECOND.raw())),
};

const SNAPSHOT: &[u8] = br#"{"lastUpdateId":5,"bids":[],"asks":[]}"#;

fn seconds(count: i64) -> Nanos {
    Nanos::new(count * Nanos::SECOND.raw())
}

fn link(symbols: &[&str], seed: u64) -> Link {
    let budgets = Arc::new(Mutex::new(Budgets::new(&LIMITS)));
    let mut link = Link::new(Box::new(BinanceSession::new(Market::Spot)), LIMITS, budgets, seed);
    for (id, symbol) in symbols.iter().enumerate() {
        let instrument = Catalog::default().binance(Market::Spot, symbol, crate::Decimals::default());
        link.add(Nanos::ZERO, symbol, InstrumentId(id as u32), instrument);
    }
    link
}

fn io(link: &mut Link) -> Vec<Io> {
    std::iter::from_fn(|| link.poll_io()).collect()
}

/// A link whose socket of this generation is open and whose symbol is subscribed.
fn opened(now: Nanos) -> (Link, Vec<Input>) {
    let (mut link, mut out) = (link(&["BTCUSDT"], 7), Vec::new());
    link.handle_timeout(now, &mut out);
    assert_eq!(io(&mut link), [Io::Connect(1)]);
    link.handle_open(now, 1);
    assert!(matches!(&io(&mut link)[..], [Io::Send(1, _)]));
    answer(&mut link, now, 1, 1, &mut out);
    assert_eq!(io(&mut link), [Io::Fetch(1, "BTCUSDT".to_owned())]);
    (link, out)
}

fn answer(link: &mut Link, now: Nanos, generation: u64, request: u64, out: &mut Vec<Input>) {
    let text = format!(r#"{{"result":null,"id":{request}}}"#);
    link.handle_message(now, generation, Payload::Text(text.as_bytes()), out);
}

fn trade(link: &mut Link, now: Nanos, generation: u64, id: u64, out: &mut Vec<Input>) {
    let data = format!(r#"{{"s":"BTCUSDT","t":{id},"p":"5","q":"1","T":5,"m":true}}"#);
    let text = format!(r#"{{"stream":"btcusdt@trade","data":{data}}}"#);
    link.handle_message(now, generation, Payload::Text(text.as_bytes()), out);
}

fn is_disconnected(inputs: &[Input]) -> bool {
    inputs.iter().any(|it| matches!(it, Input::Gap(gap) if gap.cause == GapCause::Disconnected))
}

#[test]
fn a_lost_socket_is_told_and_replaced_and_never_heard_again() {
    let (mut link, mut out) = opened(seconds(1));
    trade(&mut link, seconds(2), 1, 6, &mut out);
    out.clear();
    link.handle_closed(seconds(3), 1, None, &mut out);
    assert!(is_disconnected(&out));
    assert_eq!(io(&mut link), [Io::Close(1)]);
    out.clear();
    trade(&mut link, seconds(3), 1, 7, &mut out);
    assert!(out.is_empty(), "what an old socket says is not heard: {out:?}");
    let again = link.next_timeout().unwrap();
    assert!(again > seconds(3) && again <= Nanos::new(3_500_000_000));
    link.handle_timeout(again, &mut out);
    assert_eq!(io(&mut link), [Io::Connect(2)]);
    link.handle_open(again, 1);
    assert_eq!(io(&mut link), [Io::Close(1)], "an old socket that opens late is closed");
}

#[test]
fn the_venues_own_word_on_when_to_come_again_is_kept() {
    let (mut link, mut out) = opened(seconds(1));
    link.handle_closed(seconds(2), 1, Some(seconds(120)), &mut out);
    assert_eq!(link.next_timeout(), Some(seconds(122)));
}

#[test]
fn a_mute_socket_is_given_up_and_a_quiet_one_is_not() {
    let (mut link, mut out) = opened(seconds(0));
    let mut now = seconds(0);
    // Six quiet hours: nothing but pongs. Rollovers happen; nothing is lost.
    let mut generation = 1;
    let (mut pings, mut connects) = (0, 0);
    while now < seconds(6 * 3_600 - 60) {
        now = link.next_timeout().unwrap().max(now);
        link.handle_timeout(now, &mut out);
        for io in io(&mut link) {
            match io {
                Io::Ping(alive) => {
                    pings += 1;
                    link.handle_sign_of_life(now, alive);
                }
                Io::Connect(new) => {
                    connects += 1;
                    generation = new;
                    link.handle_open(now, new);
                }
                Io::Send(on, text) => {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    answer(&mut link, now, on, value["id"].as_u64().unwrap(), &mut out);
                }
                Io::Close(_) | Io::Fetch(..) => {}
            }
        }
    }
    assert!(!is_disconnected(&out) && link.counters().losses == 0);
    assert!(pings >= 1_400 && connects == 5, "{pings} pings, {connects} rollovers");
    // From now on nothing comes back.
    let mute = now;
    while !is_disconnected(&out) {
        now = link.next_timeout().unwrap();
        link.handle_timeout(now, &mut out);
        assert!(now.since(mute) <= Nanos::new(2 * LIMITS.ping_every.raw()), "generation {generation}");
    }
}

#[test]
fn a_rollover_hears_both_and_loses_nothing() {
    let (mut link, mut out) = opened(seconds(0));
    link.handle_snapshot(seconds(0), 1, "BTCUSDT", Answer::Body(SNAPSHOT), &mut out);
    trade(&mut link, seconds(3_599), 1, 1, &mut out);
    for now in (15..3_600).step_by(15).map(seconds) {
        link.handle_timeout(now, &mut out);
        link.handle_sign_of_life(now, 1);
    }
    io(&mut link);
    out.clear();
    link.handle_timeout(seconds(3_600), &mut out);
    assert!(io(&mut link).contains(&Io::Connect(2)));
    link.handle_open(seconds(3_600), 2);
    let Some(Io::Send(2, request)) = io(&mut link).pop() else { panic!("the new socket subscribes") };
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    trade(&mut link, seconds(3_601), 1, 2, &mut out);
    answer(&mut link, seconds(3_602), 2, request["id"].as_u64().unwrap(), &mut out);
    trade(&mut link, seconds(3_603), 2, 2, &mut out);
    trade(&mut link, seconds(3_603), 2, 3, &mut out);
    trade(&mut link, seconds(3_603), 1, 3, &mut out);
    link.handle_timeout(seconds(3_605), &mut out);
    assert!(io(&mut link).contains(&Io::Close(1)));
    trade(&mut link, seconds(3_606), 2, 4, &mut out);
    let trades: Vec<u64> = out
        .iter()
        .filter_map(|input| match input {
            Input::Event(tidegate_core::Event { body: tidegate_core::Body::Trade { trade_id, .. }, .. }) => {
                Some(*trade_id)
            }
            _ => None,
        })
        .collect();
    assert_eq!(trades, [2, 3, 4], "each once, in order");
    assert!(!out.iter().any(|it| matches!(it, Input::Gap(_) | Input::State { fact: Fact::Subscribed, .. })), "{out:?}");
    assert_eq!(link.counters().losses, 0);
}

/// A link whose only connection is at the end of its life, and what it asks for then.
fn at_the_end_of_its_life() -> (Link, Vec<Input>) {
    let (mut link, mut out) = opened(seconds(0));
    trade(&mut link, seconds(3_599), 1, 1, &mut out);
    link.handle_timeout(seconds(3_600), &mut out);
    assert!(io(&mut link).contains(&Io::Connect(2)));
    (link, out)
}

#[test]
fn a_rollover_that_waits_for_an_answer_does_not_spin() {
    let (mut link, mut out) = at_the_end_of_its_life();
    link.handle_open(seconds(3_600), 2);
    trade(&mut link, seconds(3_601), 2, 2, &mut out);
    // The overlap is over, and the venue has not answered what was asked on the new connection.
    link.handle_timeout(seconds(3_605), &mut out);
    for now in [seconds(3_606), seconds(3_607)] {
        link.handle_timeout(now, &mut out);
        assert!(link.next_timeout().unwrap() > now);
    }
    assert!(!io(&mut link).contains(&Io::Close(1)), "the old connection is kept until then");
}

#[test]
fn a_replacement_that_is_refused_waits_for_the_back_off() {
    let (mut link, mut out) = at_the_end_of_its_life();
    let (mut now, mut attempts) = (seconds(3_600), 0);
    link.handle_closed(now, 2, None, &mut out);
    while now < seconds(3_630) {
        link.handle_timeout(now, &mut out);
        trade(&mut link, now, 1, attempts, &mut out);
        for io in io(&mut link) {
            if let Io::Connect(generation) = io {
                attempts += 1;
                link.handle_closed(now, generation, None, &mut out);
            }
        }
        assert!(link.next_timeout().unwrap() > now);
        now = link.next_timeout().unwrap();
    }
    assert!((3..12).contains(&attempts), "{attempts} attempts in 30 s");
    assert!(!is_disconnected(&out));
}

#[test]
fn no_second_sees_more_messages_than_the_venue_allows() {
    let symbols: Vec<String> = (0..2_000).map(|n| format!("S{n}USDT")).collect();
    let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let (mut link, mut out) = (link(&symbols, 7), Vec::new());
    link.handle_timeout(seconds(1), &mut out);
    link.handle_open(seconds(1), 1);
    let mut sent: Vec<Nanos> = Vec::new();
    let mut now = seconds(1);
    while sent.len() < 40 {
        sent.extend(io(&mut link).iter().filter(|io| matches!(io, Io::Send(..) | Io::Ping(_))).map(|_| now));
        now = link.next_timeout().unwrap();
        link.handle_timeout(now, &mut out);
    }
    for &at in &sent {
        let in_second = sent.iter().filter(|&&other| other >= at && other < at.plus(Nanos::SECOND)).count();
        assert!(in_second <= LIMITS.messages.count);
    }
    assert!(now < seconds(10), "40 messages at 5 a second: {now:?}");
}

/// One venue is away for two minutes; ten thousand programs come back to it.
#[test]
fn ten_thousand_clients_come_back_evenly_and_within_their_budgets() {
    const CLIENTS: u64 = 10_000;
    let back = seconds(120);
    let mut returned = BTreeMap::new();
    for client in 0..CLIENTS {
        let (mut link, mut out, mut attempts) = (link(&[], client), Vec::new(), Vec::new());
        link.handle_timeout(Nanos::ZERO, &mut out);
        link.handle_open(Nanos::ZERO, 1);
        io(&mut link);
        link.handle_closed(seconds(1), 1, None, &mut out);
        loop {
            let now = link.next_timeout().unwrap();
            link.handle_timeout(now, &mut out);
            for io in io(&mut link) {
                if let Io::Connect(generation) = io {
                    attempts.push(now);
                    if now < back {
                        link.handle_closed(now, generation, None, &mut out);
                    } else {
                        link.handle_open(now, generation);
                    }
                }
            }
            if link.is_open() {
                *returned.entry(now.since(back).raw() / Nanos::SECOND.raw()).or_insert(0_u64) += 1;
                break;
            }
        }
        assert!(attempts.len() <= LIMITS.connects.count);
    }
    let (busiest, span) = (*returned.values().max().unwrap(), *returned.keys().last().unwrap() + 1);
    let mean = CLIENTS / span as u64;
    println!("{CLIENTS} clients back in {span} s: busiest second {busiest}, mean {mean}");
    assert!(span <= 30 && busiest <= 2 * mean);
}

#[test]
fn all_links_of_a_venue_share_its_connects() {
    let few = Rate { count: 3, span: seconds(60) };
    let budgets = Arc::new(Mutex::new(Budgets::new(&Limits { connects: few, ..LIMITS })));
    let mut out = Vec::new();
    let mut links: Vec<Link> = (0..5)
        .map(|seed| Link::new(Box::new(BinanceSession::new(Market::Spot)), LIMITS, Arc::clone(&budgets), seed))
        .collect();
    let mut attempts = 0;
    for link in &mut links {
        link.handle_timeout(seconds(1), &mut out);
        attempts += io(link).len();
    }
    assert_eq!(attempts, 3);
    assert_eq!(links[4].next_timeout(), Some(seconds(61)));
    assert!(out.iter().all(|it| !matches!(it, Input::State { family: Family::Book, .. })));
}

/// What a book of an engine is that hears everything that a link tells.
struct Heard(Engine);

impl Heard {
    fn new() -> Heard {
        let bounds =
            Bounds { book_levels_max: 100, bars_max: 10, trades_max: 32, instruments_max: 10, stale_after: seconds(5) };
        let mut heard = Heard(Engine::new(Model::new(bounds), 0, Nanos::ZERO));
        let instrument = Catalog::default().binance(Market::Spot, "BTCUSDT", crate::Decimals::default());
        heard.state(seconds(1), &mut vec![Input::Define { id: InstrumentId(0), instrument: Box::new(instrument) }]);
        heard
    }

    fn state(&mut self, at: Nanos, inputs: &mut Vec<Input>) -> StreamState {
        for input in inputs.drain(..) {
            self.0.input(at, &input, &mut |_: &Model, _: Stamped<'_>| {}).unwrap();
        }
        self.0.market().stream(InstrumentId(0)).unwrap().state(Family::Book)
    }
}

#[test]
fn a_snapshot_of_a_lost_connection_is_not_heard_while_there_is_none_nor_on_the_next() {
    let (mut link, mut out) = opened(seconds(1));
    let mut heard = Heard::new();
    heard.state(seconds(1), &mut out);
    // The socket is lost while the snapshot is being fetched.
    link.handle_closed(seconds(2), 1, None, &mut out);
    assert_eq!(heard.state(seconds(2), &mut out), StreamState::Gapped);
    link.handle_snapshot(seconds(3), 1, "BTCUSDT", Answer::Body(SNAPSHOT), &mut out);
    assert_eq!(heard.state(seconds(3), &mut out), StreamState::Gapped, "no socket is open");
    link.handle_timeout(seconds(3), &mut out);
    assert_eq!(io(&mut link), [Io::Close(1), Io::Connect(2)]);
    link.handle_open(seconds(3), 2);
    answer(&mut link, seconds(3), 2, 2, &mut out);
    assert!(io(&mut link).contains(&Io::Fetch(2, "BTCUSDT".to_owned())));
    link.handle_snapshot(seconds(4), 1, "BTCUSDT", Answer::Body(SNAPSHOT), &mut out);
    assert_eq!(heard.state(seconds(4), &mut out), StreamState::Syncing, "it was asked for before the loss");
    link.handle_snapshot(seconds(4), 2, "BTCUSDT", Answer::Body(SNAPSHOT), &mut out);
    assert_eq!(heard.state(seconds(4), &mut out), StreamState::Live);
}

#[test]
fn a_failed_fetch_of_a_lost_connection_is_not_asked_for_again() {
    let (mut link, mut out) = opened(seconds(1));
    link.handle_closed(seconds(2), 1, None, &mut out);
    io(&mut link);
    link.handle_snapshot(seconds(3), 1, "BTCUSDT", FAILED, &mut out);
    assert_eq!(io(&mut link), []);
    link.handle_timeout(seconds(3), &mut out);
    link.handle_open(seconds(3), 2);
    answer(&mut link, seconds(3), 2, 2, &mut out);
    io(&mut link);
    link.handle_snapshot(seconds(4), 1, "BTCUSDT", FAILED, &mut out);
    for now in (5..70).map(seconds) {
        link.handle_timeout(now, &mut out);
        link.handle_sign_of_life(now, 2);
        assert!(!io(&mut link).iter().any(|io| matches!(io, Io::Fetch(..))), "the next connection has asked itself");
    }
}

/// A fetch is of the streams, which outlive the socket that they began with where another replaces it in time.
#[test]
fn a_snapshot_that_was_asked_for_before_a_rollover_is_heard() {
    let (mut link, mut out) = at_the_end_of_its_life();
    link.handle_open(seconds(3_600), 2);
    let Some(Io::Send(2, request)) = io(&mut link).pop() else { panic!("the new socket subscribes") };
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    answer(&mut link, seconds(3_600), 2, request["id"].as_u64().unwrap(), &mut out);
    trade(&mut link, seconds(3_601), 2, 2, &mut out);
    link.handle_timeout(seconds(3_606), &mut out);
    assert!(io(&mut link).contains(&Io::Close(1)));
    link.handle_snapshot(seconds(3_607), 1, "BTCUSDT", Answer::Body(SNAPSHOT), &mut out);
    assert!(out.iter().any(|input| matches!(input, Input::State { fact: Fact::SnapshotComplete, .. })));
}

const FAILED: Answer<'_> = Answer::Failed { reason: "status 500", hold: None };

/// What is fetched until `end`, and when; each fetch is answered at once.
fn fetches(link: &mut Link, from: i64, end: i64, answer: Answer<'_>, out: &mut Vec<Input>) -> Vec<i64> {
    let mut fetched = Vec::new();
    for second in from..end {
        link.handle_timeout(seconds(second), out);
        link.handle_sign_of_life(seconds(second), 1);
        trade(link, seconds(second), 1, second as u64, out);
        while let Some(io) = link.poll_io() {
            if let Io::Fetch(generation, symbol) = io {
                fetched.push(second);
                link.handle_snapshot(seconds(second), generation, &symbol, answer, out);
            }
        }
    }
    fetched
}

#[test]
fn a_snapshot_that_cannot_be_had_or_read_is_asked_for_ever_more_rarely_and_told() {
    for answer in [FAILED, Answer::Body(b"<html>")] {
        let (mut link, mut out) = opened(seconds(1));
        link.handle_snapshot(seconds(1), 1, "BTCUSDT", answer, &mut out);
        assert_eq!(fetches(&mut link, 1, 200, answer, &mut out), [2, 4, 8, 16, 32, 64, 128, 192], "{answer:?}");
        let troubles = link.take_troubles().unwrap();
        assert!(troubles.len() == 1 && troubles[0].contains("snapshot of BTCUSDT"), "{troubles:?}");
        assert_eq!(fetches(&mut link, 200, 300, Answer::Body(SNAPSHOT), &mut out), [256]);
        assert_eq!(link.take_troubles(), Some(Vec::new()), "it is over");
    }
}

#[test]
fn the_venues_word_on_snapshots_holds_for_all_links_of_a_venue() {
    let budgets = Arc::new(Mutex::new(Budgets::new(&LIMITS)));
    let mut out = Vec::new();
    let mut links: Vec<Link> = ["BTCUSDT", "ETHUSDT"]
        .map(|symbol| {
            let mut link = Link::new(
                Box::new(BinanceSession::new(Market::Spot)),
                LIMITS,
                Arc::clone(&budgets),
                symbol.len() as u64,
            );
            let instrument = Catalog::default().binance(Market::Spot, symbol, crate::Decimals::default());
            link.add(Nanos::ZERO, symbol, InstrumentId(0), instrument);
            link.handle_timeout(seconds(1), &mut out);
            link.handle_open(seconds(1), 1);
            link
        })
        .into();
    answer(&mut links[0], seconds(1), 1, 1, &mut out);
    let banned = Answer::Failed { reason: "status 418", hold: Some(seconds(120)) };
    // Also where nobody waits for the answer any more.
    links[0].handle_closed(seconds(2), 1, None, &mut out);
    links[0].handle_snapshot(seconds(2), 1, "BTCUSDT", banned, &mut out);
    answer(&mut links[1], seconds(3), 1, 1, &mut out);
    assert_eq!(fetches(&mut links[1], 3, 200, Answer::Body(SNAPSHOT), &mut out), [122]);
    let troubles = links[0].take_troubles().unwrap();
    assert_eq!(troubles, ["no snapshot is fetched before 1970-01-01T00:02:02Z: status 418"]);
}

#[test]
fn what_is_refused_for_good_is_told_and_asked_for_once_on_each_connection() {
    let (mut link, mut out) = opened(seconds(1));
    let refused = Answer::Refused("status 400 Invalid symbol.");
    link.handle_snapshot(seconds(1), 1, "BTCUSDT", refused, &mut out);
    assert_eq!(fetches(&mut link, 2, 1_000, refused, &mut out), [0; 0]);
    let expect = "snapshot of BTCUSDT refused for good: status 400 Invalid symbol.";
    assert_eq!(link.take_troubles().unwrap(), [expect]);
}

#[test]
fn a_handshake_that_is_refused_is_told_and_holds_all_links_of_a_venue() {
    let budgets = Arc::new(Mutex::new(Budgets::new(&LIMITS)));
    let mut out = Vec::new();
    let link = |seed| Link::new(Box::new(BinanceSession::new(Market::Spot)), LIMITS, Arc::clone(&budgets), seed);
    let (mut first, mut second) = (link(1), link(2));
    first.handle_timeout(seconds(1), &mut out);
    assert_eq!(io(&mut first), [Io::Connect(1)]);
    first.handle_refused(seconds(2), 1, "cannot connect: 429", Some(seconds(60)), &mut out);
    second.handle_timeout(seconds(3), &mut out);
    assert_eq!((io(&mut second), second.next_timeout()), (Vec::new(), Some(seconds(62))));
    assert_eq!(first.take_troubles().unwrap(), ["cannot connect: 429"]);
    first.handle_timeout(seconds(62), &mut out);
    assert!(io(&mut first).contains(&Io::Connect(2)));
    first.handle_open(seconds(62), 2);
    assert_eq!(first.take_troubles(), Some(Vec::new()));
}

#[test]
fn a_snapshot_that_cannot_be_held_ends_the_book_once_and_nothing_more_is_asked_for() {
    let (mut link, mut out) = opened(seconds(1));
    let mut heard = Heard::new();
    out.clear();
    let body = br#"{"lastUpdateId":7,"bids":[["40","99999999999999999999"]],"asks":[]}"#;
    link.handle_snapshot(seconds(1), 1, "BTCUSDT", Answer::Body(body), &mut out);
    let ends = |out: &[Input]| {
        out.iter().filter(|it| matches!(it, Input::Gap(gap) if gap.cause == GapCause::Unrepresentable)).count()
    };
    assert_eq!(ends(&out), 1);
    assert_eq!(fetches(&mut link, 2, 300, Answer::Body(body), &mut out), [0; 0]);
    // Nor on the next connection.
    link.handle_closed(seconds(300), 1, None, &mut out);
    link.handle_timeout(seconds(301), &mut out);
    link.handle_open(seconds(301), 2);
    answer(&mut link, seconds(301), 2, 2, &mut out);
    assert!(!io(&mut link).iter().any(|io| matches!(io, Io::Fetch(..))));
    link.handle_resnapshot(seconds(302), InstrumentId(0));
    assert_eq!((io(&mut link), ends(&out)), (Vec::new(), 1));
    let troubles = link.take_troubles().unwrap();
    let has_reason = |line: &String| line.starts_with("BTCUSDT: book closed for good") && line.contains("out of range");
    assert!(troubles.iter().any(has_reason), "{troubles:?}");
    assert_eq!(heard.state(seconds(302), &mut out), StreamState::Closed);
}

#[test]
fn messages_of_a_symbol_that_was_not_asked_for_are_counted_and_named() {
    let (mut link, mut out) = opened(seconds(1));
    let text = br#"{"stream":"ethusdt@trade","data":{"s":"ETHUSDT","t":1,"p":"5","q":"1","T":5,"m":true}}"#;
    for _ in 0..3 {
        link.handle_message(seconds(1), 1, Payload::Text(text), &mut out);
    }
    assert_eq!(link.counters().unknown_symbols, 3);
    assert_eq!(link.take_troubles().unwrap(), ["ETHUSDT: messages of it come, and it was not asked for"]);
}
