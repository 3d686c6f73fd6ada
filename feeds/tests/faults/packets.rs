//! The two Indian brokers: each packet is a whole book and the totals of the day. Angel numbers its packets.

use crate::bars::Bars;
use crate::protocol::{Delivery, Frame, Message, Protocol};
use crate::truth::{Levels, Scale, Truth};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::{
    Body, Family, Flags, GapCause, Input, Instrument, InstrumentId, Market, Nanos, Price, Side, StreamState,
};
use tidegate_feeds::angel::{self, AngelSession};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::kite::{self, KiteSession};
use tidegate_feeds::link::Limits;
use tidegate_feeds::venue::Venue;
use tidegate_feeds::{Decimals, Session};

const SCALE: Scale = Scale { tick: 50_000_000, lot: 100_000_000, price_decimals: 2, qty_decimals: 0 };
/// Steps of the wire in a tick.
const PAISE: i64 = 5;
const KITE: [&str; 2] = ["408065", "738561"];
const ANGEL: [&str; 2] = ["1:1594", "1:2885"];

/// What a packet says.
#[derive(Clone, Debug)]
pub struct Note {
    symbol: usize,
    number: u64,
    at: Nanos,
    last: i64,
    volume: i64,
    book: [Levels; 2],
}

/// What the packets that were delivered must have come to, one after the other.
#[derive(Clone, Debug)]
struct Twin {
    volume: Option<i64>,
    number: Option<u64>,
    has_hole: bool,
    bars: Bars,
}

/// What a packet came to, apart from its book and totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Gap(Family, u64, u64),
    /// Price and quantity of a derived trade.
    Trade(Price, i64),
}

struct Listed {
    truth: Truth,
    latest: Note,
    twin: Twin,
}

/// Kite, or Angel where `NUMBERED`.
pub struct Broker<const NUMBERED: bool> {
    listed: Vec<Listed>,
    /// By connection: the tokens that are subscribed, and those of them whose packets flow.
    connections: BTreeMap<u64, [BTreeSet<usize>; 2]>,
    is_wrong_time: bool,
}

impl<const NUMBERED: bool> Broker<NUMBERED> {
    const NAMES: [&str; 2] = if NUMBERED { ANGEL } else { KITE };

    fn frame(&self, note: &Note) -> Frame {
        // A wrong unit: a thousandth of what it should be.
        let at = if self.is_wrong_time { note.at.raw() / 1_000 } else { note.at.raw() };
        let name = Self::NAMES[note.symbol];
        Frame::Binary(if NUMBERED { angel_packet(name, at, note) } else { kite_frame(name, at, note) })
    }

    fn message(&self, connection: u64, symbol: usize) -> Message<Note> {
        let note = self.listed[symbol].latest.clone();
        Message { connection, frame: self.frame(&note), note: Some(note) }
    }
}

fn note(symbol: usize, number: u64, at: Nanos, truth: &Truth) -> Note {
    let last = truth.trade_by_id(truth.trade_id()).map_or(100_000, |trade| trade.price);
    let book = Side::BOTH.map(|side| truth.now.best(side, 5));
    // The day began before the market did.
    Note { symbol, number, at, last, volume: 1_000 + truth.volume, book }
}

fn kite_frame(token: &str, at: i64, note: &Note) -> Vec<u8> {
    let (second, last) = ((at / Nanos::SECOND.raw()) as u32, (note.last * PAISE) as u32);
    let words = [token.parse().unwrap(), last, 7, last, note.volume as u32, 5, 6, last, last, last, last];
    let mut packet: Vec<u8> =
        words.iter().chain(&[second, 0, 0, 0, second]).flat_map(|word: &u32| word.to_be_bytes()).collect();
    for &(price, qty) in note.book.iter().flatten() {
        packet.extend((qty as u32).to_be_bytes());
        packet.extend(((price * PAISE) as u32).to_be_bytes());
        packet.extend([0, 3, 0, 0]);
    }
    let mut frame = vec![0, 1];
    frame.extend((packet.len() as u16).to_be_bytes());
    frame.extend(packet);
    frame
}

fn angel_packet(symbol: &str, at: i64, note: &Note) -> Vec<u8> {
    let (_, token) = symbol.split_once(':').unwrap();
    let mut packet = vec![3, 1];
    packet.extend(token.bytes());
    packet.resize(27, 0);
    let longs = |packet: &mut Vec<u8>, values: &[i64]| packet.extend(values.iter().flat_map(|it| it.to_le_bytes()));
    let (ms, last) = (at / 1_000_000, note.last * PAISE);
    longs(&mut packet, &[note.number as i64, ms, last, 7, last, note.volume]);
    packet.extend([5.0f64, 6.0].iter().flat_map(|total| total.to_le_bytes()));
    longs(&mut packet, &[last, last, last, last, ms / 1_000, 0]);
    packet.extend(0.0f64.to_le_bytes());
    for (side, levels) in Side::BOTH.into_iter().zip(&note.book) {
        for &(price, qty) in levels {
            packet.extend(i16::from(side == Side::Bid).to_le_bytes());
            longs(&mut packet, &[qty, price * PAISE]);
            packet.extend(3i16.to_le_bytes());
        }
    }
    longs(&mut packet, &[1, 2, 3, 4]);
    packet
}

impl<const NUMBERED: bool> Protocol for Broker<NUMBERED> {
    type Note = Note;

    const LIMITS: Limits = if NUMBERED { Venue::Angel.limits() } else { Venue::Kite.limits() };
    /// Angel's own ping of 10 s and its answer; Kite is never silent for 5 s.
    const MUTE_MAX: Nanos = Nanos::new(if NUMBERED { 20 } else { 5 } * Nanos::SECOND.raw());
    const BEAT: Nanos = Nanos::new(2 * Nanos::SECOND.raw());
    const HAS_TRADE_IDS: bool = false;
    const SYMBOLS: usize = 2;

    fn new(seed: u64) -> Self {
        let listed = (0..2).map(|at| (at, Truth::new(seed * 13 + at as u64))).map(|(symbol, truth)| Listed {
            latest: note(symbol, 1, crate::world::START, &truth),
            truth,
            twin: Twin { volume: None, number: None, has_hole: false, bars: Bars::new() },
        });
        Broker { listed: listed.collect(), connections: BTreeMap::new(), is_wrong_time: false }
    }

    fn session() -> Box<dyn Session> {
        match NUMBERED {
            true => Box::new(AngelSession::new(angel::Mode::SnapQuote)),
            false => Box::new(KiteSession::new(kite::Mode::Full)),
        }
    }

    fn symbols() -> Vec<(String, Instrument)> {
        let (catalog, seen) = (Catalog::default(), Decimals { price: 2, qty: 0 });
        let instrument = |name: &str| if NUMBERED { catalog.angel(name, seen) } else { catalog.kite(name, seen) };
        Self::NAMES.map(|name| (name.to_owned(), instrument(name))).to_vec()
    }

    fn act(&mut self, now: Nanos) {
        for listed in &mut self.listed {
            listed.truth.act(now);
        }
    }

    fn publish(&mut self, now: Nanos, out: &mut Vec<Message<Note>>) {
        for symbol in 0..2 {
            let listed = &mut self.listed[symbol];
            listed.latest = note(symbol, listed.latest.number + 1, now, &listed.truth);
            for (&connection, [_, flowing]) in &self.connections {
                if flowing.contains(&symbol) {
                    out.push(self.message(connection, symbol));
                }
            }
        }
    }

    /// Kite says a single byte; Angel answers pings only.
    fn beat(&mut self, connections: &[u64], out: &mut Vec<Message<Note>>) {
        let beats = connections.iter().filter(|_| !NUMBERED);
        out.extend(beats.map(|&connection| Message { connection, frame: Frame::Binary(vec![0]), note: None }));
    }

    fn receive(&mut self, _: Nanos, connection: u64, text: &str, refuse: bool, out: &mut Vec<Message<Note>>) {
        let mut answer = |text: &str| {
            out.push(Message { connection, frame: Frame::Text(text.to_owned()), note: None });
        };
        if text == "ping" {
            return answer("pong");
        }
        if refuse {
            return answer(match NUMBERED {
                true => r#"{"correlationID":"1","errorCode":"E1002","errorMessage":"no"}"#,
                false => r#"{"type":"error","data":"no"}"#,
            });
        }
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        let tokens = |list: &serde_json::Value| {
            let is_in = |name: &str| {
                let token = name.trim_start_matches("1:");
                let is_it = |it: &serde_json::Value| it.as_str() == Some(token) || it.as_u64() == token.parse().ok();
                list.as_array().unwrap().iter().any(is_it)
            };
            (0..2).filter(|&symbol| is_in(Self::NAMES[symbol])).collect::<BTreeSet<usize>>()
        };
        let [subscribed, flowing] = self.connections.entry(connection).or_default();
        let fresh: Vec<usize> = if NUMBERED {
            // What flows already is ignored.
            let wanted = tokens(&request["params"]["tokenList"][0]["tokens"]);
            wanted.into_iter().filter(|&symbol| flowing.insert(symbol)).collect()
        } else if request["a"] == "subscribe" {
            subscribed.extend(tokens(&request["v"]));
            Vec::new()
        } else {
            let wanted: Vec<usize> = tokens(&request["v"][1]).intersection(subscribed).copied().collect();
            flowing.extend(&wanted);
            wanted
        };
        out.extend(fresh.into_iter().map(|symbol| self.message(connection, symbol)));
    }

    fn forget(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    fn spoil_time(&mut self, is_wrong: bool) -> bool {
        self.is_wrong_time = is_wrong;
        true
    }

    /// From the loss on the bar that was being made may lack trades, and says so at once.
    fn note_losses(&mut self, inputs: &[Input], market: &Market) {
        for input in inputs {
            if let Input::Gap(gap) = input
                && (gap.family, gap.cause) == (Family::Book, GapCause::Disconnected)
            {
                let id = gap.id.unwrap();
                let twin = &mut self.listed[id.index()].twin;
                (twin.number, twin.has_hole) = (None, true);
                twin.bars.lose();
                twin.bars.check(market.stream(id).unwrap());
            }
        }
    }

    /// The book is that of the packet; what was traded since the one before is told once, and before it as in doubt
    /// where something may be missing.
    fn judge(&mut self, delivery: &Delivery<'_, Note>) {
        let Note { symbol, number, last, volume, ref book, .. } = *delivery.note;
        let id = InstrumentId(symbol as u32);
        let stream = delivery.market.stream(id).unwrap();
        let twin = &mut self.listed[symbol].twin;
        let is_old = NUMBERED && twin.number.is_some_and(|before| number <= before);
        if is_old {
            return assert_eq!(delivery.inputs, [], "packet {number} is no news");
        }
        let mut expect = Vec::new();
        if let Some(before) = twin.number.filter(|&before| NUMBERED && number > before + 1) {
            expect.push(Told::Gap(Family::Book, before + 1, number));
            twin.has_hole = true;
        }
        let before = twin.volume.replace(volume);
        if let Some(before) = before.filter(|&before| volume < before || (twin.has_hole && volume != before)) {
            expect.push(Told::Gap(Family::Trades, before as u64 + 1, volume as u64 + 1));
            twin.bars.lose();
        }
        if let Some(before) = before.filter(|&before| volume > before) {
            expect.push(Told::Trade(SCALE.price(last), volume - before));
        }
        (twin.number, twin.has_hole) = (Some(number), false);
        let mut told = Vec::new();
        for input in delivery.inputs {
            match input {
                Input::Gap(gap) => told.push(Told::Gap(gap.family, gap.from, gap.to)),
                Input::Event(event) => {
                    if let Body::Trade { price, qty, .. } = event.body {
                        assert!(event.flags.has(Flags::DERIVED));
                        told.push(Told::Trade(price, qty.raw() / SCALE.lot));
                        twin.bars.trade(event.venue_ts);
                    }
                }
                _ => {}
            }
        }
        assert_eq!(told, expect, "packet {number}");
        twin.bars.check(stream);
        assert_eq!(stream.state(Family::Book), StreamState::Live);
        for (side, expect) in Side::BOTH.into_iter().zip(book) {
            let expect: Vec<_> = expect.iter().map(|&(price, qty)| (SCALE.price(price), SCALE.qty(qty))).collect();
            let seen: Vec<_> = stream.book.depth(side, 100).map(|level| (level.price, level.qty)).collect();
            assert_eq!(seen, expect, "{side:?} of packet {number}");
        }
    }

    fn check_book(&mut self, _: InstrumentId, _: &Market) {}

    fn check_quote(&mut self, _: InstrumentId, _: &Market) {}

    fn check_end(&mut self, id: InstrumentId, market: &Market) {
        let stream = market.stream(id).unwrap();
        for family in [Family::Book, Family::Trades, Family::Statistics] {
            assert_eq!(stream.state(family), StreamState::Live, "{family:?} at the end");
        }
        let best = self.listed[id.index()].truth.now.best(Side::Bid, 1)[0];
        assert_eq!(
            stream.book.top().bid.map(|level| (level.price, level.qty)),
            Some((SCALE.price(best.0), SCALE.qty(best.1)))
        );
    }

    fn trades(&self, id: InstrumentId) -> &Truth {
        &self.listed[id.index()].truth
    }

    fn scale() -> Scale {
        SCALE
    }
}
