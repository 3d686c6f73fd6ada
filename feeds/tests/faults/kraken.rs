//! Kraken v2: ten levels a side under a checksum, nothing numbered but trades, a heartbeat each second.

use crate::protocol::{Delivery, Frame, Message, Protocol};
use crate::truth::{Levels, Scale, Truth};
use std::collections::BTreeMap;
use tidegate_core::{Family, Instrument, InstrumentId, Market, Nanos, Side, StreamState};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::kraken::{KrakenSession, Settings, Version};
use tidegate_feeds::link::Limits;
use tidegate_feeds::venue::Venue;
use tidegate_feeds::{Decimals, Session};

const SCALE: Scale = Scale { tick: 100_000_000, lot: 10, price_decimals: 1, qty_decimals: 8 };
const NAMES: [&str; 2] = ["BTC/USD", "ETH/USD"];
const CHECKED: usize = 10;
/// Trades that a snapshot repeats.
const REPEATED: u64 = 20;

#[derive(Clone, Debug)]
pub enum Note {
    /// The venue's ten levels after the message, bids first.
    Book {
        symbol: usize,
        top: [Levels; 2],
    },
    Trades,
    Ticker {
        symbol: usize,
        top: [(i64, i64); 2],
    },
}

/// What a connection has subscribed of a symbol; of the book, what it was told last.
#[derive(Clone, Debug, Default)]
struct Subscribed {
    book: Option<[Levels; 2]>,
    trades: bool,
    ticker: bool,
}

struct Listed {
    truth: Truth,
    told_trade: u64,
    told_top: [(i64, i64); 2],
}

pub struct Kraken {
    listed: Vec<Listed>,
    connections: BTreeMap<(u64, usize), Subscribed>,
    unit: i64,
    spoils_checksum: bool,
}

impl Kraken {
    fn stamp(&self, at: Nanos) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(at.raw() / self.unit)).unwrap().to_string()
    }

    /// The change from what was told to what is, with the checksum of what is: a level that was pushed out of
    /// the ten is not removed by any message.
    fn book(&mut self, now: Nanos, symbol: usize, told: Option<&[Levels; 2]>) -> Option<(String, Note)> {
        let truth = &self.listed[symbol].truth;
        let top = Side::BOTH.map(|side| truth.now.best(side, CHECKED));
        let changes = |side: Side| {
            let fresh = &top[usize::from(side.code())];
            let old = told.map_or(&[][..], |told| &told[usize::from(side.code())]);
            let set = fresh.iter().filter(|level| !old.contains(level)).map(|&(price, qty)| level(price, qty));
            let removed = old.iter().filter(|(price, _)| truth.now.qty(side, *price) == 0);
            removed.map(|&(price, _)| level(price, 0)).chain(set).collect::<Vec<_>>().join(",")
        };
        let [bids, asks] = Side::BOTH.map(changes);
        if told.is_some() && bids.is_empty() && asks.is_empty() {
            return None;
        }
        let mut checksum = crc(&top);
        if std::mem::take(&mut self.spoils_checksum) {
            checksum ^= 1;
        }
        let (name, kind, time) = (NAMES[symbol], if told.is_some() { "update" } else { "snapshot" }, self.stamp(now));
        let data = format!(
            r#"{{"symbol":"{name}","bids":[{bids}],"asks":[{asks}],"checksum":{checksum},"timestamp":"{time}"}}"#
        );
        Some((message("book", kind, &data), Note::Book { symbol, top }))
    }

    fn trades(&self, symbol: usize, ids: std::ops::RangeInclusive<u64>, kind: &str) -> Option<String> {
        let trade = |id| {
            let trade = self.listed[symbol].truth.trade_by_id(id)?;
            Some(format!(
                r#"{{"symbol":"{}","side":"{}","price":{},"qty":{},"ord_type":"limit","trade_id":{id},"timestamp":"{}"}}"#,
                NAMES[symbol],
                if trade.side == Side::Bid { "buy" } else { "sell" },
                SCALE.price_text(trade.price),
                SCALE.qty_text(trade.qty),
                self.stamp(trade.at)
            ))
        };
        let trades: Vec<String> = ids.filter_map(trade).collect();
        (!trades.is_empty()).then(|| message("trade", kind, &trades.join(",")))
    }

    fn ticker(&self, now: Nanos, symbol: usize) -> String {
        let [(bid, bid_qty), (ask, ask_qty)] = self.listed[symbol].told_top;
        let data = format!(
            r#"{{"symbol":"{}","bid":{},"bid_qty":{},"ask":{},"ask_qty":{},"timestamp":"{}"}}"#,
            NAMES[symbol],
            SCALE.price_text(bid),
            SCALE.qty_text(bid_qty),
            SCALE.price_text(ask),
            SCALE.qty_text(ask_qty),
            self.stamp(now)
        );
        message("ticker", "update", &data)
    }
}

fn message(channel: &str, kind: &str, data: &str) -> String {
    format!(r#"{{"channel":"{channel}","type":"{kind}","data":[{data}]}}"#)
}

fn level(price: i64, qty: i64) -> String {
    format!(r#"{{"price":{},"qty":{}}}"#, SCALE.price_text(price), SCALE.qty_text(qty))
}

fn crc(top: &[Levels; 2]) -> u32 {
    let digits = |text: String| text.replace('.', "").trim_start_matches('0').to_owned();
    let levels = top.iter().rev().flatten();
    let text: String =
        levels.map(|&(price, qty)| digits(SCALE.price_text(price)) + &digits(SCALE.qty_text(qty))).collect();
    crc32fast::hash(text.as_bytes())
}

impl Protocol for Kraken {
    type Note = Note;

    const LIMITS: Limits = Venue::Kraken.limits();
    const MUTE_MAX: Nanos = Nanos::new(5 * Nanos::SECOND.raw());
    const BEAT: Nanos = Nanos::SECOND;
    const HAS_TRADE_IDS: bool = true;
    const SYMBOLS: usize = NAMES.len();

    fn new(seed: u64) -> Kraken {
        let listed = (0..NAMES.len() as u64).map(|at| Truth::new(seed * 11 + at)).map(|truth| {
            let told_top = Side::BOTH.map(|side| truth.now.best(side, 1)[0]);
            Listed { told_trade: truth.trade_id(), truth, told_top }
        });
        Kraken { listed: listed.collect(), connections: BTreeMap::new(), unit: 1, spoils_checksum: false }
    }

    fn session() -> Box<dyn Session> {
        Box::new(KrakenSession::new(Settings::new(Version::V2)))
    }

    fn symbols() -> Vec<(String, Instrument)> {
        let seen = Decimals { price: 1, qty: 8 };
        NAMES.map(|name| (name.to_owned(), Catalog::default().kraken(name, seen))).to_vec()
    }

    fn act(&mut self, now: Nanos) {
        for listed in &mut self.listed {
            listed.truth.act(now);
        }
    }

    fn publish(&mut self, now: Nanos, out: &mut Vec<Message<Note>>) {
        for symbol in 0..NAMES.len() {
            let latest = self.listed[symbol].truth.trade_id();
            let told = std::mem::replace(&mut self.listed[symbol].told_trade, latest);
            let trades = self.trades(symbol, told + 1..=latest, "update");
            let top = Side::BOTH.map(|side| self.listed[symbol].truth.now.best(side, 1)[0]);
            let has_moved = std::mem::replace(&mut self.listed[symbol].told_top, top) != top;
            let ticker = has_moved.then(|| self.ticker(now, symbol));
            let mut connections = std::mem::take(&mut self.connections);
            for (&(connection, _), it) in connections.iter_mut().filter(|((_, of), _)| *of == symbol) {
                let mut push = |text: &str, note| {
                    out.push(Message { connection, frame: Frame::Text(text.to_owned()), note: Some(note) });
                };
                if let Some(text) = trades.as_ref().filter(|_| it.trades) {
                    push(text, Note::Trades);
                }
                if let Some(text) = ticker.as_ref().filter(|_| it.ticker) {
                    push(text, Note::Ticker { symbol, top });
                }
                if let Some(told) = &mut it.book
                    && let Some((text, note)) = self.book(now, symbol, Some(told))
                {
                    *told = Side::BOTH.map(|side| self.listed[symbol].truth.now.best(side, CHECKED));
                    push(&text, note);
                }
            }
            self.connections = connections;
        }
    }

    fn beat(&mut self, connections: &[u64], out: &mut Vec<Message<Note>>) {
        let frame = Frame::Text(r#"{"channel":"heartbeat"}"#.to_owned());
        out.extend(connections.iter().map(|&connection| Message { connection, frame: frame.clone(), note: None }));
    }

    fn receive(&mut self, now: Nanos, connection: u64, text: &str, refuse: bool, out: &mut Vec<Message<Note>>) {
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        let (method, params) = (request["method"].as_str().unwrap(), &request["params"]);
        let symbol = NAMES.iter().position(|&name| params["symbol"][0] == name).unwrap();
        let answer = format!(r#"{{"method":"{method}","success":{},"req_id":{}}}"#, !refuse, request["req_id"]);
        out.push(Message { connection, frame: Frame::Text(answer), note: None });
        if refuse {
            return;
        }
        let wanted = method == "subscribe";
        let mut it = self.connections.remove(&(connection, symbol)).unwrap_or_default();
        let mut push = |text: String, note| {
            out.push(Message { connection, frame: Frame::Text(text), note: Some(note) });
        };
        match params["channel"].as_str().unwrap() {
            "book" if !wanted => it.book = None,
            // The venue ignores what it delivers already.
            "book" if it.book.is_some() => {}
            "book" => {
                if let Some((text, note)) = self.book(now, symbol, None) {
                    it.book = Some(Side::BOTH.map(|side| self.listed[symbol].truth.now.best(side, CHECKED)));
                    push(text, note);
                }
            }
            "trade" => {
                it.trades = wanted;
                let latest = self.listed[symbol].told_trade;
                if let Some(text) = self.trades(symbol, latest - REPEATED + 1..=latest, "snapshot").filter(|_| wanted) {
                    push(text, Note::Trades);
                }
            }
            _ => it.ticker = wanted,
        }
        self.connections.insert((connection, symbol), it);
    }

    fn forget(&mut self, connection: u64) {
        self.connections.retain(|&(of, _), _| of != connection);
    }

    fn spoil_checksum(&mut self) -> bool {
        self.spoils_checksum = true;
        true
    }

    fn spoil_time(&mut self, is_wrong: bool) -> bool {
        self.unit = if is_wrong { 1_000 } else { 1 };
        true
    }

    /// A book is shown where it is the venue's ten levels, and a quote as it was said.
    fn judge(&mut self, delivery: &Delivery<'_, Note>) {
        match delivery.note {
            Note::Book { symbol, top } => {
                let stream = delivery.market.stream(InstrumentId(*symbol as u32)).unwrap();
                if stream.state(Family::Book) == StreamState::Live {
                    for (side, expect) in Side::BOTH.into_iter().zip(top) {
                        let expect: Vec<_> = expect.iter().map(|&(p, q)| (SCALE.price(p), SCALE.qty(q))).collect();
                        let seen: Vec<_> = stream.book.depth(side, 1_000).map(|it| (it.price, it.qty)).collect();
                        assert_eq!(seen, expect, "{side:?}");
                    }
                }
            }
            Note::Ticker { symbol, top } => {
                let quote = delivery.market.stream(InstrumentId(*symbol as u32)).unwrap().quote.unwrap();
                let seen = [quote.bid, quote.ask].map(|level| (level.price, level.qty));
                assert_eq!(seen, top.map(|(price, qty)| (SCALE.price(price), SCALE.qty(qty))));
            }
            Note::Trades => {}
        }
    }

    fn check_book(&mut self, _: InstrumentId, _: &Market) {}

    fn check_quote(&mut self, _: InstrumentId, _: &Market) {}

    fn check_end(&mut self, id: InstrumentId, market: &Market) {
        let stream = market.stream(id).unwrap();
        let truth = &self.listed[id.index()].truth;
        for family in [Family::Book, Family::Trades, Family::Quotes] {
            assert_eq!(stream.state(family), StreamState::Live, "{family:?} at the end");
        }
        for side in Side::BOTH {
            let expect = truth.now.best(side, CHECKED).into_iter().map(|(p, q)| (SCALE.price(p), SCALE.qty(q)));
            let seen = stream.book.depth(side, 1_000).map(|it| (it.price, it.qty));
            assert_eq!(seen.collect::<Vec<_>>(), expect.collect::<Vec<_>>(), "{side:?} at the end");
        }
    }

    fn trades(&self, id: InstrumentId) -> &Truth {
        &self.listed[id.index()].truth
    }

    fn scale() -> Scale {
        SCALE
    }
}
