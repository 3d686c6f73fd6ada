//! Binance spot: numbered changes every 100 ms, a snapshot beside the stream, trades with ids.

use crate::protocol::{Delivery, Frame, Message, Protocol};
use crate::truth::{Scale, Sides, Truth};
use crate::world::START;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::{Family, GapCause, Input, Instrument, InstrumentId, Known, Market, Nanos, Side, StreamState};
use tidegate_feeds::binance::{self, BinanceSession};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::link::Limits;
use tidegate_feeds::venue::Venue;
use tidegate_feeds::{Decimals, Session};

const SCALE: Scale = Scale { tick: 10_000_000, lot: 1_000, price_decimals: 8, qty_decimals: 8 };
const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
/// Levels of a snapshot: fewer than there are, so that what is known has an end.
const SNAPSHOT_LEVELS: usize = 20;

#[derive(Clone, Debug)]
pub enum Note {
    Depth { symbol: usize, first: u64, last: u64 },
    Trade { symbol: usize, id: u64 },
    Ticker,
}

#[derive(Clone, Debug)]
struct Listed {
    truth: Truth,
    told_change: u64,
    told_trade: u64,
    told_top: u64,
    /// The latest trade that the link has passed on.
    passed: Option<u64>,
    /// The latest update id at which the book was shown, since it was lost last.
    shown: Option<u64>,
}

pub struct Binance {
    listed: Vec<Listed>,
    connections: BTreeMap<u64, BTreeSet<String>>,
    flush_at: Nanos,
    unit: i64,
}

impl Binance {
    fn depth(&mut self, symbol: usize, now: Nanos) -> Option<(String, Note)> {
        let unit = self.unit;
        let listed = &mut self.listed[symbol];
        let (first, last) = (listed.told_change + 1, listed.truth.update_id());
        if first > last {
            return None;
        }
        let changes = listed.truth.changes_after(listed.told_change);
        let touched: BTreeMap<(Side, i64), i64> = changes.iter().map(|it| ((it.side, it.price), it.qty)).collect();
        let side = |side| {
            let levels = touched.iter().filter(|((of, _), _)| *of == side);
            let levels: Vec<_> = levels.map(|((_, price), qty)| pair(*price, *qty)).collect();
            levels.join(",")
        };
        let (bids, asks, name) = (side(Side::Bid), side(Side::Ask), NAMES[symbol]);
        listed.told_change = last;
        let data = format!(
            r#"{{"e":"depthUpdate","E":{},"s":"{name}","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}"#,
            time(now, unit)
        );
        Some((data, Note::Depth { symbol, first, last }))
    }

    fn ticker(&mut self, symbol: usize) -> Option<String> {
        let listed = &mut self.listed[symbol];
        let last = listed.truth.update_id();
        if std::mem::replace(&mut listed.told_top, last) == last {
            return None;
        }
        let [(bid, bid_qty), (ask, ask_qty)] = Side::BOTH.map(|side| listed.truth.now.best(side, 1)[0]);
        Some(format!(
            r#"{{"u":{last},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
            NAMES[symbol],
            SCALE.price_text(bid),
            SCALE.qty_text(bid_qty),
            SCALE.price_text(ask),
            SCALE.qty_text(ask_qty)
        ))
    }

    fn tell(&self, stream: &str, symbol: usize, data: &str, note: &Note, out: &mut Vec<Message<Note>>) {
        let name = format!("{}@{stream}", NAMES[symbol].to_lowercase());
        for (&connection, streams) in &self.connections {
            if streams.contains(&name) {
                let frame = Frame::Text(format!(r#"{{"stream":"{name}","data":{data}}}"#));
                out.push(Message { connection, frame, note: Some(note.clone()) });
            }
        }
    }
}

fn time(now: Nanos, unit: i64) -> i64 {
    now.raw() / unit
}

fn pair(price: i64, qty: i64) -> String {
    format!(r#"["{}","{}"]"#, SCALE.price_text(price), SCALE.qty_text(qty))
}

impl Protocol for Binance {
    type Note = Note;

    const LIMITS: Limits = Venue::Binance(binance::Market::Spot).limits();
    /// Quiet for 15 s, then three questions of 5 s each.
    const MUTE_MAX: Nanos = Nanos::new(30 * Nanos::SECOND.raw());
    const BEAT: Nanos = Nanos::new(20 * Nanos::SECOND.raw());
    const HAS_TRADE_IDS: bool = true;
    const SYMBOLS: usize = NAMES.len();
    const SILENCE_FACTOR: i64 = 1;

    fn new(seed: u64) -> Binance {
        let listed = (0..NAMES.len() as u64).map(|at| Truth::new(seed * 7 + at)).map(|truth| {
            let (told_change, told_trade) = (truth.update_id(), truth.trade_id());
            Listed { truth, told_change, told_trade, told_top: 0, passed: None, shown: None }
        });
        Binance { listed: listed.collect(), connections: BTreeMap::new(), flush_at: START, unit: 1_000_000 }
    }

    fn session() -> Box<dyn Session> {
        Box::new(BinanceSession::new(binance::Market::Spot))
    }

    fn symbols() -> Vec<(String, Instrument)> {
        let catalog = Catalog::built_in().unwrap();
        let instrument = |name: &str| Instrument {
            tick: Some(SCALE.price(1)),
            ..catalog.binance(binance::Market::Spot, name, Decimals { price: 8, qty: 8 })
        };
        NAMES.map(|name| (name.to_owned(), instrument(name))).to_vec()
    }

    fn act(&mut self, now: Nanos) {
        for listed in &mut self.listed {
            listed.truth.act(now);
        }
    }

    fn publish(&mut self, now: Nanos, out: &mut Vec<Message<Note>>) {
        for (symbol, name) in NAMES.into_iter().enumerate() {
            let latest = self.listed[symbol].truth.trade_id();
            let told = std::mem::replace(&mut self.listed[symbol].told_trade, latest);
            for id in told + 1..=latest {
                let trade = self.listed[symbol].truth.trade_by_id(id).unwrap();
                let data = format!(
                    r#"{{"e":"trade","E":1,"s":"{}","t":{id},"p":"{}","q":"{}","T":{},"m":{},"M":true}}"#,
                    name,
                    SCALE.price_text(trade.price),
                    SCALE.qty_text(trade.qty),
                    time(trade.at, self.unit),
                    trade.side == Side::Ask
                );
                self.tell("trade", symbol, &data, &Note::Trade { symbol, id }, out);
            }
            if let Some(data) = self.ticker(symbol) {
                self.tell("bookTicker", symbol, &data, &Note::Ticker, out);
            }
        }
        if now >= self.flush_at {
            self.flush_at = now.plus(Nanos::new(100_000_000));
            for symbol in 0..NAMES.len() {
                if let Some((data, note)) = self.depth(symbol, now) {
                    self.tell("depth@100ms", symbol, &data, &note, out);
                }
            }
        }
    }

    fn beat(&mut self, _: &[u64], _: &mut Vec<Message<Note>>) {}

    fn receive(&mut self, _: Nanos, connection: u64, text: &str, refuse: bool, out: &mut Vec<Message<Note>>) {
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        let id = &request["id"];
        let answer = if refuse { r#""error":{"code":2,"msg":"no"}"# } else { r#""result":null"# };
        if !refuse && request["method"] == "SUBSCRIBE" {
            let streams = request["params"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
            self.connections.entry(connection).or_default().extend(streams);
        }
        out.push(Message { connection, frame: Frame::Text(format!(r#"{{{answer},"id":{id}}}"#)), note: None });
    }

    fn forget(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    fn snapshot(&mut self, symbol: &str, age: u64) -> String {
        let symbol = NAMES.iter().position(|&name| name == symbol).unwrap();
        let truth = &mut self.listed[symbol].truth;
        let id = truth.update_id().saturating_sub(age).max(1_078);
        let book = truth.at(id).clone();
        let side = |side| {
            let levels = book.best(side, SNAPSHOT_LEVELS);
            levels.iter().map(|&(price, qty)| pair(price, qty)).collect::<Vec<_>>().join(",")
        };
        format!(r#"{{"lastUpdateId":{id},"bids":[{}],"asks":[{}]}}"#, side(Side::Bid), side(Side::Ask))
    }

    fn spoil_time(&mut self, is_wrong: bool) -> bool {
        self.unit = if is_wrong { 1_000_000_000 } else { 1_000_000 };
        true
    }

    fn farewell(&self) -> Option<Frame> {
        Some(Frame::Text(r#"{"e":"serverShutdown","E":1}"#.to_owned()))
    }

    fn note_losses(&mut self, inputs: &[Input], _: &Market) {
        for input in inputs {
            if let Input::Gap(gap) = input
                && gap.family == Family::Book
            {
                self.listed[gap.id.unwrap().index()].shown = None;
            }
        }
    }

    /// Numbers prove: a hole is told with the very message that shows it, and nothing else ever is.
    fn judge(&mut self, delivery: &Delivery<'_, Note>) {
        let gaps = delivery.inputs.iter().filter_map(|input| match input {
            Input::Gap(gap) if gap.cause == GapCause::Sequence => Some((gap.family, gap.from, gap.to)),
            _ => None,
        });
        let gaps: Vec<_> = gaps.collect();
        match *delivery.note {
            Note::Ticker => assert_eq!(gaps, []),
            Note::Trade { symbol, id } => {
                let passed = &mut self.listed[symbol].passed;
                let before = passed.filter(|&before| id > before + 1);
                let expect: Vec<_> = before.map(|before| (Family::Trades, before + 1, id)).into_iter().collect();
                assert_eq!(gaps, expect, "trade {id}");
                *passed = (*passed).max(Some(id));
            }
            Note::Depth { symbol, first, last } => {
                let after = delivery.market.stream(InstrumentId(symbol as u32)).unwrap();
                match delivery.sequences[symbol] {
                    Some(before) if last > before && first > before + 1 => {
                        assert_eq!(gaps, [(Family::Book, before + 1, first)]);
                        assert_eq!(after.state(Family::Book), StreamState::Gapped);
                    }
                    Some(before) => {
                        assert_eq!(gaps, [], "{first}..{last} after {before}");
                        assert_eq!(after.book_sequence, Some(before.max(last)));
                    }
                    None => assert_eq!(gaps, []),
                }
            }
        }
    }

    fn check_book(&mut self, id: InstrumentId, market: &Market) {
        let stream = market.stream(id).unwrap();
        if stream.state(Family::Book) == StreamState::Live {
            let listed = &mut self.listed[id.index()];
            assert!(stream.book_sequence >= listed.shown, "a live book goes back to {:?}", stream.book_sequence);
            listed.shown = stream.book_sequence;
            let truth = listed.truth.at(stream.book_sequence.unwrap());
            compare_known(truth, stream);
        }
    }

    fn check_quote(&mut self, id: InstrumentId, market: &Market) {
        let stream = market.stream(id).unwrap();
        if let Some(quote) = stream.quote.filter(|_| stream.state(Family::Quotes) == StreamState::Live) {
            let truth = self.listed[id.index()].truth.at(quote.venue_sequence.unwrap());
            let best = |side| truth.best(side, 1)[0];
            let seen = [quote.bid, quote.ask].map(|level| (level.price, level.qty));
            let expect = [best(Side::Bid), best(Side::Ask)].map(|(price, qty)| (SCALE.price(price), SCALE.qty(qty)));
            assert_eq!(seen, expect, "quote {:?}", quote.venue_sequence);
        }
    }

    fn check_end(&mut self, id: InstrumentId, market: &Market) {
        let stream = market.stream(id).unwrap();
        let truth = &self.listed[id.index()].truth;
        for family in [Family::Book, Family::Trades, Family::Quotes] {
            assert_eq!(stream.state(family), StreamState::Live, "{family:?} at the end");
        }
        assert_eq!(stream.book_sequence, Some(truth.update_id()));
        assert_eq!(stream.quote.unwrap().venue_sequence, Some(truth.update_id()));
    }

    fn trades(&self, id: InstrumentId) -> &Truth {
        &self.listed[id.index()].truth
    }

    fn scale() -> Scale {
        SCALE
    }
}

/// What is known of a book is the truth, and all of it.
fn compare_known(truth: &Sides, stream: &tidegate_core::Stream) {
    for side in Side::BOTH {
        let is_known = |price: i64| match (stream.book.known_to(side), side) {
            (Known::Nothing, _) => false,
            (Known::All, _) => true,
            (Known::To(end), Side::Bid) => SCALE.price(price) >= end,
            (Known::To(end), Side::Ask) => SCALE.price(price) <= end,
        };
        let expect = truth.best(side, usize::MAX).into_iter().filter(|&(price, _)| is_known(price));
        let expect: Vec<_> = expect.map(|(price, qty)| (SCALE.price(price), SCALE.qty(qty))).collect();
        let seen: Vec<_> = stream.book.depth(side, usize::MAX).map(|level| (level.price, level.qty)).collect();
        assert_eq!(seen, expect, "{side:?} at {:?}", stream.book_sequence);
    }
}
