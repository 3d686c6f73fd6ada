//! The simulated market as Binance spot tells it: requests, streams, REST.
//!
//! Sources: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>,
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api>.

use super::Reply;
use crate::sim::{Listing, SimMarket};
use hyper::StatusCode;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tidegate_core::matching::Fill;
use tidegate_core::{Level, Nanos, Price, Qty, Side, Top};

/// How often changes of a book are told.
pub(super) const DEPTH_EVERY: Nanos = Nanos::new(100_000_000);
/// How often the venue pings.
pub(super) const PING_EVERY: Nanos = Nanos::new(20 * Nanos::SECOND.raw());
/// Streams of one connection.
const STREAMS_MAX: usize = 1_024;
/// Levels of a side in a snapshot, unless asked for more, and at most.
const LEVELS: usize = 100;
const LEVELS_MAX: usize = 5_000;
/// Decimals of every number.
const DECIMALS: u8 = 8;

/// What a stream tells of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Depth,
    Trade,
    Ticker,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Depth, Kind::Trade, Kind::Ticker];

    const fn name(self) -> &'static str {
        match self {
            Kind::Depth => "depth@100ms",
            Kind::Trade => "trade",
            Kind::Ticker => "bookTicker",
        }
    }
}

/// One stream: the position of its symbol, and what is told of it.
pub(super) type Stream = (u32, Kind);

/// A symbol and what is still to be told of its book.
#[derive(Debug)]
pub(super) struct Pair {
    symbol: String,
    lower: String,
    /// Update ids of the batch; `first` follows the last one of the batch before.
    first: u64,
    last: u64,
    levels: BTreeMap<(Side, Price), Qty>,
    /// The clients of each kind of stream, by its position in [`Kind::ALL`].
    clients: [BTreeSet<u64>; 3],
}

impl Pair {
    /// A pair whose book stands at `update_id`; `None` where the listing is none of this venue's.
    pub(super) fn new(listing: &Listing, update_id: u64) -> Option<Pair> {
        let symbol = symbol(listing)?.to_owned();
        let (lower, levels) = (symbol.to_lowercase(), BTreeMap::new());
        Some(Pair { symbol, lower, first: update_id + 1, last: update_id, levels, clients: Default::default() })
    }

    /// Who listens to a stream.
    pub(super) fn clients(&self, kind: Kind) -> &BTreeSet<u64> {
        &self.clients[kind as usize]
    }

    /// Lets a client listen to a stream, or no more.
    pub(super) fn set_listener(&mut self, client: u64, kind: Kind, listens: bool) {
        let clients = &mut self.clients[kind as usize];
        let _ = if listens { clients.insert(client) } else { clients.remove(&client) };
    }

    /// A client has gone.
    pub(super) fn forget(&mut self, client: u64) {
        Kind::ALL.into_iter().for_each(|kind| self.set_listener(client, kind, false));
    }

    /// Takes a change of the book into the batch.
    pub(super) fn push(&mut self, update_id: u64, side: Side, level: Level) {
        self.last = update_id;
        self.levels.insert((side, level.price), level.qty);
    }

    /// Ends the batch; its text, unless nothing has changed or nobody listens.
    pub(super) fn depth(&mut self, now: Nanos) -> Option<String> {
        if self.levels.is_empty() {
            return None;
        }
        let levels = std::mem::take(&mut self.levels);
        let first = std::mem::replace(&mut self.first, self.last + 1);
        if self.clients(Kind::Depth).is_empty() {
            return None;
        }
        let mut text = self.open(Kind::Depth);
        let _ = write!(
            text,
            r#""e":"depthUpdate","E":{},"s":"{}","U":{first},"u":{},"#,
            millis(now),
            self.symbol,
            self.last
        );
        for (side, name) in [(Side::Bid, "b"), (Side::Ask, "a")] {
            let of_side = levels.iter().filter(|((of, _), _)| *of == side);
            put_levels(&mut text, name, of_side.map(|(&(_, price), &qty)| (price, qty)));
            text.push(if side == Side::Bid { ',' } else { '}' });
        }
        text.push('}');
        Some(text)
    }

    /// A trade.
    pub(super) fn trade(&self, at: Nanos, id: u64, fill: &Fill) -> String {
        let mut text = self.open(Kind::Trade);
        let _ = write!(
            text,
            r#""e":"trade","E":{0},"s":"{1}","t":{id},"p":"{2}","q":"{3}","T":{0},"m":{4},"M":true}}}}"#,
            millis(at),
            self.symbol,
            fill.price.display(DECIMALS),
            fill.qty.display(DECIMALS),
            // `m`: the buyer was there first.
            fill.side == Side::Ask
        );
        text
    }

    /// The best levels; zeros where a side is empty.
    pub(super) fn ticker(&self, update_id: u64, top: &Top) -> String {
        let mut text = self.open(Kind::Ticker);
        let _ = write!(text, r#""u":{update_id},"s":"{}""#, self.symbol);
        for (level, price, qty) in [(top.bid, "b", "B"), (top.ask, "a", "A")] {
            let (of_price, of_qty) = level.map_or((Price::ZERO, Qty::ZERO), |level| (level.price, level.qty));
            let _ =
                write!(text, r#","{price}":"{}","{qty}":"{}""#, of_price.display(DECIMALS), of_qty.display(DECIMALS));
        }
        text.push_str("}}");
        text
    }

    fn open(&self, kind: Kind) -> String {
        format!(r#"{{"stream":"{}@{}","data":{{"#, self.lower, kind.name())
    }
}

/// The venue's symbol of a listing; `None` where it is none of this venue's.
pub(super) fn symbol(listing: &Listing) -> Option<&str> {
    listing.instrument.key.strip_prefix("BINANCE:")
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe(Vec<Stream>),
    Unsubscribe(Vec<Stream>),
    List,
}

#[derive(Deserialize)]
struct WireRequest<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<Vec<Cow<'a, str>>>,
    id: Option<u64>,
}

/// Reads a request of a client that listens to so many streams.
///
/// # Errors
/// The answer to a request that cannot be met.
pub(super) fn read(text: &str, pairs: &BTreeMap<u32, Pair>, listens: usize) -> Result<(Option<u64>, Request), String> {
    let wire: WireRequest<'_> =
        serde_json::from_str(text).map_err(|error| refusal(None, 3, &format!("Invalid JSON: {error}")))?;
    let id = wire.id;
    let streams = || {
        let params = wire.params.iter().flatten();
        let streams = params.map(|name| stream(name, pairs).ok_or_else(|| format!("unknown stream {name}")));
        let streams: Vec<Stream> =
            streams.collect::<Result<_, _>>().map_err(|why| refusal(id, 2, &format!("Invalid request: {why}")))?;
        if streams.is_empty() { Err(refusal(id, 2, "Invalid request: params names no stream")) } else { Ok(streams) }
    };
    let request = match &*wire.method {
        "SUBSCRIBE" => Request::Subscribe(streams()?),
        "UNSUBSCRIBE" => Request::Unsubscribe(streams()?),
        "LIST_SUBSCRIPTIONS" => Request::List,
        other => return Err(refusal(id, 2, &format!("Invalid request: unknown method {other}"))),
    };
    match &request {
        Request::Subscribe(streams) if listens + streams.len() > STREAMS_MAX => {
            Err(refusal(id, 2, &format!("Invalid request: more than {STREAMS_MAX} streams")))
        }
        _ => Ok((id, request)),
    }
}

fn stream(name: &str, pairs: &BTreeMap<u32, Pair>) -> Option<Stream> {
    let (lower, kind) = name.split_once('@')?;
    let kind = Kind::ALL.into_iter().find(|it| it.name() == kind)?;
    let (&position, _) = pairs.iter().find(|(_, pair)| pair.lower == lower)?;
    Some((position, kind))
}

/// The answer to a request that is met, with the names of `streams` where it asks for them.
pub(super) fn acceptance(id: Option<u64>, streams: Option<&[Stream]>, pairs: &BTreeMap<u32, Pair>) -> String {
    let name = |&(position, kind): &Stream| Some(format!("{}@{}", pairs.get(&position)?.lower, kind.name()));
    let result = streams.map(|streams| streams.iter().filter_map(name).collect::<Vec<_>>());
    serde_json::json!({"result": result, "id": id}).to_string()
}

/// The answer to a request that is not met.
pub(super) fn refusal(id: Option<u64>, code: i32, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "msg": message}, "id": id}).to_string()
}

/// What the venue says before it closes a connection.
pub(super) fn farewell(now: Nanos) -> String {
    format!(r#"{{"e":"serverShutdown","E":{}}}"#, millis(now))
}

/// Answers over REST.
pub(super) fn get(market: &SimMarket, path: &str, query: &str) -> Reply {
    match path {
        "/api/v3/time" => Reply::ok(format!(r#"{{"serverTime":{}}}"#, millis(market.now()))),
        "/api/v3/exchangeInfo" => Reply::ok(exchange_info(market)),
        "/api/v3/depth" => depth(market, query),
        _ => Reply::NOT_FOUND,
    }
}

fn exchange_info(market: &SimMarket) -> String {
    let number = |value: Option<String>| value.unwrap_or_default();
    let symbols = market.universe().listings().iter().filter_map(|listing| {
        let it = &listing.instrument;
        let tick = number(it.tick.map(|tick| tick.display(DECIMALS).to_string()));
        let lot = number(it.lot.map(|lot| lot.display(DECIMALS).to_string()));
        Some(serde_json::json!({
            "symbol": symbol(listing)?,
            "status": "TRADING",
            "baseAsset": it.base,
            "baseAssetPrecision": DECIMALS,
            "quoteAsset": it.quote,
            "quotePrecision": DECIMALS,
            "quoteAssetPrecision": DECIMALS,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": true,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "999999999.00000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "999999999.00000000", "stepSize": lot},
            ],
        }))
    });
    let symbols: Vec<_> = symbols.collect();
    let info = serde_json::json!({
        "timezone": "UTC",
        "serverTime": millis(market.now()),
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": symbols,
    });
    info.to_string()
}

/// The book as it is now, which can be in the middle of what the stream tells next.
fn depth(market: &SimMarket, query: &str) -> Reply {
    let fields = || query.split('&').filter_map(|field| field.split_once('='));
    let field = |name| fields().find(|(key, _)| *key == name).map(|(_, value)| value);
    let Some(wanted) = field("symbol").filter(|wanted| !wanted.is_empty()) else {
        return bad_request(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
    };
    let Ok(limit) = field("limit").map_or(Ok(LEVELS), str::parse::<usize>) else {
        return bad_request(-1100, "Illegal characters found in parameter 'limit'.");
    };
    let listings = market.universe().listings();
    let position = listings.iter().position(|listing| symbol(listing) == Some(wanted));
    let Some((position, update_id)) = position.and_then(|at| Some((at as u32, market.update_id(at as u32)?))) else {
        return bad_request(-1121, "Invalid symbol.");
    };
    let mut text = format!(r#"{{"lastUpdateId":{update_id},"#);
    for (side, name) in [(Side::Bid, "bids"), (Side::Ask, "asks")] {
        let levels = market.depth(position, side, limit.clamp(1, LEVELS_MAX));
        put_levels(&mut text, name, levels.map(|level| (level.price, level.qty)));
        text.push(if side == Side::Bid { ',' } else { '}' });
    }
    Reply::ok(text)
}

fn bad_request(code: i32, message: &str) -> Reply {
    let body = serde_json::json!({"code": code, "msg": message}).to_string();
    Reply { status: StatusCode::BAD_REQUEST, body }
}

fn put_levels(text: &mut String, name: &str, levels: impl Iterator<Item = (Price, Qty)>) {
    let _ = write!(text, r#""{name}":["#);
    for (number, (price, qty)) in levels.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(text, r#"{comma}["{}","{}"]"#, price.display(DECIMALS), qty.display(DECIMALS));
    }
    text.push(']');
}

const fn millis(at: Nanos) -> i64 {
    at.raw().div_euclid(1_000_000)
}
