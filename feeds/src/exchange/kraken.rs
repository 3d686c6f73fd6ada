//! The simulated market as Kraken's WebSocket v2 tells it: books under a checksum, numbered trades, tickers.
//!
//! Sources: <https://docs.kraken.com/api/docs/websocket-v2/book>,
//! <https://docs.kraken.com/api/docs/guides/spot-ws-book-v2>.

use crate::Decimals;
use crate::kraken::Depth;
use crate::kraken::book::CHECKED_LEVELS;
use crate::sim::{Listing, Output, SimMarket, What};
use crc32fast::Hasher;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use tidegate_core::matching::Fill;
use tidegate_core::{Nanos, Price, Qty, Side, Top};

/// How long a connection may be silent.
pub(super) const HEARTBEAT_EVERY: Nanos = Nanos::SECOND;
/// What is said then.
pub(super) const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;
/// Trades that a new listener is shown.
const TRADES_SHOWN: usize = 50;
/// Symbols of one request.
const SYMBOLS_MAX: usize = 100;

/// Price and quantity of each side's levels, bids first, best first.
type Sides = [Vec<(Price, Qty)>; 2];

/// What is said to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// About its request.
    Answer(String),
    /// Of the market.
    Data(String),
}

#[derive(Clone, Copy, Debug)]
enum Channel {
    Book(Depth),
    Trade,
    Ticker,
}

/// One book to one depth.
#[derive(Debug, Default)]
struct Book {
    /// As its listeners have it.
    shown: Sides,
    clients: BTreeSet<u64>,
}

/// One pair, and who listens to what of it.
#[derive(Debug)]
struct Pair {
    symbol: String,
    decimals: Decimals,
    /// Those that somebody listens to.
    books: BTreeMap<Depth, Book>,
    trades: VecDeque<(Nanos, u64, Fill)>,
    trade_clients: BTreeSet<u64>,
    ticker_clients: BTreeSet<u64>,
}

/// Every pair of the venue, by position in the universe.
#[derive(Debug)]
pub(super) struct Floor {
    pairs: BTreeMap<u32, Pair>,
}

impl Floor {
    pub(super) fn new(market: &SimMarket) -> Floor {
        let listings = (0..).zip(market.universe().listings());
        Floor { pairs: listings.filter_map(|(position, listing)| Some((position, Pair::new(listing)?))).collect() }
    }

    /// A client has gone.
    pub(super) fn forget(&mut self, client: u64) {
        for pair in self.pairs.values_mut() {
            pair.trade_clients.remove(&client);
            pair.ticker_clients.remove(&client);
            pair.books.retain(|_, book| {
                book.clients.remove(&client);
                !book.clients.is_empty()
            });
        }
    }

    /// What is told at once of something that has happened, and to whom.
    pub(super) fn tell(&mut self, output: &Output) -> Option<(&BTreeSet<u64>, String)> {
        let pair = self.pairs.get_mut(&output.instrument)?;
        match output.what {
            What::Trade { id, fill } => {
                pair.trades.push_back((output.at, id, fill));
                if pair.trades.len() > TRADES_SHOWN {
                    pair.trades.pop_front();
                }
                let text = || pair.trades_text("update", std::iter::once(&(output.at, id, fill)));
                (!pair.trade_clients.is_empty()).then(|| (&pair.trade_clients, text()))
            }
            What::Top { top, .. } if !pair.ticker_clients.is_empty() => {
                Some((&pair.ticker_clients, pair.ticker_text("update", output.at, &top)?))
            }
            What::Top { .. } | What::Level { .. } | What::Index(_) => None,
        }
    }

    /// What has changed in the books that somebody listens to.
    pub(super) fn changes(&mut self, market: &SimMarket) -> impl Iterator<Item = (&BTreeSet<u64>, String)> {
        self.pairs.iter_mut().flat_map(move |(&position, pair)| {
            let Pair { symbol, decimals, books, .. } = pair;
            books.iter_mut().filter_map(move |(&depth, book)| {
                let fresh = best(market, position, depth);
                let changes = changes(&book.shown, &fresh, depth);
                book.shown = fresh;
                let is_news = changes.iter().any(|side| !side.is_empty());
                let checksum = checksum(&book.shown, *decimals);
                let text = || book_text("update", symbol, *decimals, &changes, checksum, market.now());
                is_news.then(|| (&book.clients, text()))
            })
        })
    }

    /// Does what a client asks for; returns what it is told.
    pub(super) fn request(&mut self, market: &SimMarket, client: u64, text: &str, is_refused: bool) -> Vec<Said> {
        let wire: WireRequest = match serde_json::from_str(text) {
            Ok(wire) => wire,
            Err(error) => return vec![refusal(None, None, &format!("Malformed request: {error}"), market.now())],
        };
        let listens = match wire.method.as_str() {
            "ping" => return vec![Said::Answer(answer("pong", wire.req_id, market.now(), json!({})))],
            "subscribe" => true,
            "unsubscribe" => false,
            _ => return vec![refusal(None, wire.req_id, "Unsupported method", market.now())],
        };
        let symbols = wire.params.symbol.as_deref().unwrap_or_default();
        let channel = if is_refused { Err("Refused by plan") } else { wire.params.channel() };
        if symbols.is_empty() || symbols.len() > SYMBOLS_MAX {
            return vec![refusal(Some(&wire.method), wire.req_id, "Invalid arguments: symbol", market.now())];
        }
        let mut said = Vec::new();
        for symbol in symbols {
            let outcome = channel.and_then(|channel| self.change(market, client, symbol, channel, listens));
            match outcome {
                Ok(data) => {
                    let result = json!({"channel": wire.params.channel, "symbol": symbol});
                    let fields = json!({"success": true, "result": result});
                    said.push(Said::Answer(answer(&wire.method, wire.req_id, market.now(), fields)));
                    said.extend(data.map(Said::Data));
                }
                Err(why) => {
                    said.push(refusal(Some(&wire.method), wire.req_id, &format!("{why} {symbol}"), market.now()))
                }
            }
        }
        said
    }

    /// Begins or ends a subscription; returns the snapshot that it begins with.
    fn change(
        &mut self,
        market: &SimMarket,
        client: u64,
        symbol: &str,
        channel: Channel,
        listens: bool,
    ) -> Result<Option<String>, &'static str> {
        let pair = self.pairs.iter_mut().find(|(_, pair)| pair.symbol == symbol);
        let (&position, pair) = pair.ok_or("Currency pair not supported")?;
        let clients = match channel {
            Channel::Book(depth) => {
                let book = pair.books.entry(depth).or_default();
                if book.clients.is_empty() {
                    book.shown = best(market, position, depth);
                }
                &mut book.clients
            }
            Channel::Trade => &mut pair.trade_clients,
            Channel::Ticker => &mut pair.ticker_clients,
        };
        let has_changed = if listens { clients.insert(client) } else { clients.remove(&client) };
        let snapshot = if listens { pair.snapshot(market, position, channel) } else { None };
        pair.books.retain(|_, book| !book.clients.is_empty());
        match (has_changed, listens) {
            (true, _) => Ok(snapshot),
            (false, true) => Err("Already subscribed"),
            (false, false) => Err("Subscription Not Found"),
        }
    }
}

impl Pair {
    /// A pair that nobody listens to; `None` where the listing is none of this venue's.
    fn new(listing: &Listing) -> Option<Pair> {
        let it = &listing.instrument;
        Some(Pair {
            symbol: symbol(listing)?,
            decimals: Decimals { price: it.price_decimals, qty: it.qty_decimals },
            books: BTreeMap::new(),
            trades: VecDeque::new(),
            trade_clients: BTreeSet::new(),
            ticker_clients: BTreeSet::new(),
        })
    }

    fn snapshot(&self, market: &SimMarket, position: u32, channel: Channel) -> Option<String> {
        match channel {
            Channel::Book(depth) => {
                let shown = &self.books.get(&depth)?.shown;
                let checksum = checksum(shown, self.decimals);
                Some(book_text("snapshot", &self.symbol, self.decimals, shown, checksum, market.now()))
            }
            Channel::Trade if self.trades.is_empty() => None,
            Channel::Trade => Some(self.trades_text("snapshot", self.trades.iter())),
            Channel::Ticker => self.ticker_text("snapshot", market.now(), &market.top(position)),
        }
    }

    fn trades_text<'a>(&self, kind: &str, trades: impl Iterator<Item = &'a (Nanos, u64, Fill)>) -> String {
        let mut text = format!(r#"{{"channel":"trade","type":"{kind}","data":["#);
        for (number, (at, id, fill)) in trades.enumerate() {
            let _ = write!(
                text,
                r#"{}{{"symbol":"{}","side":"{}","price":{},"qty":{},"ord_type":"limit","trade_id":{id},"timestamp":"{}"}}"#,
                if number == 0 { "" } else { "," },
                self.symbol,
                // The side of the taker's order.
                if fill.side == Side::Bid { "buy" } else { "sell" },
                fill.price.display(self.decimals.price),
                fill.qty.display(self.decimals.qty),
                rfc3339(*at),
            );
        }
        text.push_str("]}");
        text
    }

    /// The best levels; nothing is said while a side is empty.
    fn ticker_text(&self, kind: &str, at: Nanos, top: &Top) -> Option<String> {
        let (bid, ask) = (top.bid?, top.ask?);
        let Decimals { price, qty } = self.decimals;
        Some(format!(
            r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{}","bid":{},"bid_qty":{},"ask":{},"ask_qty":{},"timestamp":"{}"}}]}}"#,
            self.symbol,
            bid.price.display(price),
            bid.qty.display(qty),
            ask.price.display(price),
            ask.qty.display(qty),
            rfc3339(at),
        ))
    }
}

/// The venue's symbol of a listing; `None` where it is none of this venue's.
pub(super) fn symbol(listing: &Listing) -> Option<String> {
    let it = &listing.instrument;
    super::binance::symbol(listing).map(|_| format!("{}/{}", it.base, it.quote))
}

fn best(market: &SimMarket, position: u32, depth: Depth) -> Sides {
    let side = |side| market.depth(position, side, depth.levels()).map(|level| (level.price, level.qty)).collect();
    Side::BOTH.map(side)
}

/// What turns the book that a client has into the fresh one. A level that better ones have pushed out is not
/// mentioned: the client cuts its book to the depth that it asked for.
fn changes(shown: &Sides, fresh: &Sides, depth: Depth) -> Sides {
    Side::BOTH.map(|side| {
        let (shown, fresh) = (&shown[usize::from(side.code())], &fresh[usize::from(side.code())]);
        let end = fresh.last().filter(|_| fresh.len() == depth.levels()).map(|&(price, _)| price);
        let is_beyond = |price: Price| end.is_some_and(|end| if side == Side::Bid { price < end } else { price > end });
        let is_gone = |price: Price| !is_beyond(price) && !fresh.iter().any(|&(other, _)| other == price);
        let gone = shown.iter().filter(|&&(price, _)| is_gone(price)).map(|&(price, _)| (price, Qty::ZERO));
        gone.chain(fresh.iter().filter(|level| !shown.contains(level)).copied()).collect()
    })
}

/// CRC-32 of the best ten asks, then bids: the digits of price and quantity as they are written, without point
/// and leading zeros.
fn checksum(sides: &Sides, decimals: Decimals) -> u32 {
    let mut hasher = Hasher::new();
    for side in [Side::Ask, Side::Bid] {
        for (price, qty) in sides[usize::from(side.code())].iter().take(CHECKED_LEVELS) {
            for text in [price.display(decimals.price).to_string(), qty.display(decimals.qty).to_string()] {
                hasher.update(text.replace('.', "").trim_start_matches('0').as_bytes());
            }
        }
    }
    hasher.finalize()
}

fn book_text(kind: &str, symbol: &str, decimals: Decimals, sides: &Sides, checksum: u32, at: Nanos) -> String {
    let mut text = format!(r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","#);
    for (levels, name) in sides.iter().zip(["bids", "asks"]) {
        let _ = write!(text, r#""{name}":["#);
        for (number, (price, qty)) in levels.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (price, qty) = (price.display(decimals.price), qty.display(decimals.qty));
            let _ = write!(text, r#"{comma}{{"price":{price},"qty":{qty}}}"#);
        }
        text.push_str("],");
    }
    let _ = write!(text, r#""checksum":{checksum},"timestamp":"{}"}}]}}"#, rfc3339(at));
    text
}

#[derive(Deserialize)]
struct WireRequest {
    method: String,
    #[serde(default)]
    params: WireParams,
    req_id: Option<u64>,
}

#[derive(Default, Deserialize)]
struct WireParams {
    channel: Option<String>,
    symbol: Option<Vec<String>>,
    depth: Option<u16>,
}

impl WireParams {
    fn channel(&self) -> Result<Channel, &'static str> {
        match self.channel.as_deref() {
            Some("book") => {
                let depth = self.depth.map_or(Some(Depth::CHECKED), Depth::new);
                depth.map(Channel::Book).ok_or("Subscription depth not supported")
            }
            Some("trade") => Ok(Channel::Trade),
            Some("ticker") => Ok(Channel::Ticker),
            _ => Err("Unsupported channel"),
        }
    }
}

/// What a connection begins with.
pub(super) fn greeting() -> String {
    let status = json!({"system": "online", "api_version": "v2", "version": "2.0.0"});
    json!({"channel": "status", "type": "update", "data": [status]}).to_string()
}

fn answer(method: &str, req_id: Option<u64>, now: Nanos, mut fields: Value) -> String {
    let time = rfc3339(now);
    fields["method"] = method.into();
    (fields["time_in"], fields["time_out"]) = (time.as_str().into(), time.as_str().into());
    if let Some(req_id) = req_id {
        fields["req_id"] = req_id.into();
    }
    fields.to_string()
}

/// A request that was not understood is answered without a method.
fn refusal(method: Option<&str>, req_id: Option<u64>, why: &str, now: Nanos) -> Said {
    let fields = json!({"success": false, "error": why});
    Said::Answer(match method {
        Some(method) => answer(method, req_id, now, fields),
        None => json!({"success": false, "error": why, "req_id": req_id}).to_string(),
    })
}

/// The venue writes microseconds.
fn rfc3339(at: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at.raw())).map(|at| format!("{at:.6}")).unwrap_or_default()
}
