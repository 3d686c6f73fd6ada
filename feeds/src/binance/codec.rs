//! Binance's JSON, read without a float and without an allocation per level.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use tidegate_core::{Nanos, NumberError, Price, Qty, Side};

use super::scanner::{scan, wire_level};
use super::sequence::Numbers;
use crate::wire::{Decimals, WireLevel, epoch};

/// Longest frame that is read, in bytes: four times the largest snapshot (5,000 levels a side).
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most levels in one message: the deepest snapshot has 5,000 a side.
pub const LEVELS_MAX: usize = 10_000;

/// Longest symbol, in bytes; the venue's own stay below 40.
pub const SYMBOL_BYTES_MAX: usize = 48;

/// Why a frame is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("frame is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or not the shape that the stream's documentation gives.
    #[error("not the JSON of this stream")]
    Json,
    /// A stream this session does not read.
    #[error("unknown stream")]
    UnknownStream,
    /// A field is missing or has a value that makes no sense.
    #[error("field {0} is missing or senseless")]
    Field(&'static str),
    /// A price or quantity.
    #[error("price or quantity: {0}")]
    Number(NumberError),
    /// More than [`LEVELS_MAX`] levels.
    #[error("more than {LEVELS_MAX} levels")]
    TooManyLevels,
}

/// Which stream a trade came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeStream {
    /// `trade`: every fill, numbered by `t`.
    Trade,
    /// `aggTrade`: the fills of one taker order at one price, numbered by `a`.
    AggTrade,
}

/// One decoded message. Its levels are in the buffer that was handed in.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `depthUpdate`.
    Depth { symbol: &'a str, numbers: Numbers, time: Nanos, decimals: Decimals },
    /// The REST order book; spot's bears neither symbol nor time.
    Snapshot { symbol: Option<&'a str>, last: u64, time: Option<Nanos>, decimals: Decimals },
    /// `bookTicker`; spot's bears no time.
    Ticker { symbol: &'a str, last: u64, time: Option<Nanos>, bid: WireLevel, ask: WireLevel, decimals: Decimals },
    /// `trade` or `aggTrade`; `fill.side` is the aggressor's. Futures number other things too, which bear
    /// `X` and are no fill.
    Trade { symbol: &'a str, stream: TradeStream, id: u64, time: Nanos, fill: Option<WireLevel>, decimals: Decimals },
}

impl Message<'_> {
    /// The venue symbol, which only spot's snapshot lacks.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Message::Snapshot { symbol, .. } => *symbol,
            Message::Depth { symbol, .. } | Message::Ticker { symbol, .. } | Message::Trade { symbol, .. } => {
                Some(symbol)
            }
        }
    }

    /// Decimals written in the message.
    pub fn decimals(&self) -> Decimals {
        match self {
            Message::Depth { decimals, .. }
            | Message::Snapshot { decimals, .. }
            | Message::Ticker { decimals, .. }
            | Message::Trade { decimals, .. } => *decimals,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireTicker<'a> {
    u: u64,
    s: &'a str,
    b: &'a str,
    #[serde(rename = "B")]
    b_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    a_qty: &'a str,
    #[serde(rename = "T")]
    time: Option<i64>,
}

#[derive(Deserialize)]
struct WireTrade<'a> {
    s: &'a str,
    t: Option<u64>,
    a: Option<u64>,
    p: &'a str,
    q: &'a str,
    #[serde(rename = "T")]
    time: i64,
    m: bool,
    #[serde(rename = "X")]
    kind: Option<&'a str>,
}

/// What names the instrument, in every message that names one, and the number of a snapshot.
#[derive(Deserialize)]
struct WireSubject<'a> {
    #[serde(alias = "symbol")]
    s: Option<&'a str>,
    #[serde(rename = "lastUpdateId")]
    last: Option<u64>,
}

/// Which kind of message a stream name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Depth,
    Ticker,
    Trade(TradeStream),
    Snapshot,
}

impl Kind {
    /// What the name of a combined stream stands for.
    pub(super) fn of(stream: &str) -> Option<Kind> {
        let (_, name) = stream.split_once('@')?;
        Some(match name {
            "depth" | "depth@100ms" | "depth@250ms" | "depth@500ms" | "depth@0ms" => Kind::Depth,
            "bookTicker" => Kind::Ticker,
            "trade" => Kind::Trade(TradeStream::Trade),
            "aggTrade" => Kind::Trade(TradeStream::AggTrade),
            _ => return None,
        })
    }
}

fn envelope(frame: &[u8]) -> Result<(Kind, &[u8]), DecodeError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(frame).map_err(|_| DecodeError::Json)?;
    let Some(stream) = envelope.stream else { return Ok((Kind::Snapshot, frame)) };
    let data = envelope.data.ok_or(DecodeError::Field("data"))?.get().as_bytes();
    Ok((Kind::of(stream).ok_or(DecodeError::UnknownStream)?, data))
}

/// Reads only whom a frame is about, and the number of a snapshot: for a frame whose numbers cannot be held.
pub(super) fn subject(frame: &[u8]) -> Option<(Kind, Option<&str>, Option<u64>)> {
    let (kind, data) = envelope(frame).ok()?;
    let subject: WireSubject<'_> = serde_json::from_slice(data).ok()?;
    Some((kind, subject.s, subject.last))
}

/// Decodes one frame: a message of a combined stream (`{"stream":…,"data":…}`) or, without `stream`, the
/// answer of the REST order book. `levels` is emptied and takes the levels of a depth message.
///
/// # Errors
/// [`DecodeError`]; `levels` holds nothing of use then.
pub fn decode<'a>(frame: &'a [u8], levels: &mut Vec<WireLevel>) -> Result<Message<'a>, DecodeError> {
    levels.clear();
    match scan(frame, levels) {
        Some(fields) => fields.message(),
        None => parse(frame, levels),
    }
}

/// Decodes one frame however its JSON is written.
pub(super) fn parse<'a>(frame: &'a [u8], levels: &mut Vec<WireLevel>) -> Result<Message<'a>, DecodeError> {
    levels.clear();
    let (kind, data) = envelope(frame)?;
    let fields = match kind {
        Kind::Depth => Fields::Depth(depth_fields(data, levels)?),
        Kind::Snapshot => Fields::Snapshot(depth_fields(data, levels)?),
        Kind::Ticker => Fields::Ticker(ticker_fields(data)?),
        Kind::Trade(stream) => Fields::Trade(stream, trade_fields(data)?),
    };
    fields.message()
}

/// The fields of a message, each of its type, as they stand there.
pub(super) enum Fields<'a> {
    Depth(DepthFields<'a>),
    Snapshot(DepthFields<'a>),
    Ticker(TickerFields<'a>),
    Trade(TradeStream, TradeFields<'a>),
}

impl<'a> Fields<'a> {
    /// What the fields come to, if they make sense.
    fn message(self) -> Result<Message<'a>, DecodeError> {
        match self {
            Fields::Depth(fields) => fields.depth(),
            Fields::Snapshot(fields) => fields.snapshot(),
            Fields::Ticker(TickerFields { symbol, last, time, bid, ask, decimals }) => {
                let time = time.map(|time| stamp(time, "T")).transpose()?;
                Ok(Message::Ticker { symbol: named(symbol)?, last, time, bid, ask, decimals })
            }
            Fields::Trade(stream, fields) => fields.trade(stream),
        }
    }
}

/// The fields of a depth message and of a snapshot.
#[derive(Default)]
pub(super) struct DepthFields<'a> {
    pub symbol: Option<&'a str>,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub previous: Option<u64>,
    pub snapshot: Option<u64>,
    pub sent: Option<i64>,
    pub made: Option<i64>,
    pub decimals: Decimals,
}

impl<'a> DepthFields<'a> {
    fn depth(self) -> Result<Message<'a>, DecodeError> {
        let numbers = Numbers {
            first: self.first.ok_or(DecodeError::Field("U"))?,
            last: self.last.ok_or(DecodeError::Field("u"))?,
            previous: self.previous,
        };
        if numbers.first > numbers.last {
            return Err(DecodeError::Field("U"));
        }
        // Futures state when the matching engine made the change (T); spot only when it was sent (E).
        let time = self.made.or(self.sent).ok_or(DecodeError::Field("E"))?;
        let symbol = named(self.symbol.ok_or(DecodeError::Field("s"))?)?;
        Ok(Message::Depth { symbol, numbers, time: stamp(time, "E")?, decimals: self.decimals })
    }

    fn snapshot(self) -> Result<Message<'a>, DecodeError> {
        let last = self.snapshot.ok_or(DecodeError::Field("lastUpdateId"))?;
        let time = self.made.map(|time| stamp(time, "T")).transpose()?;
        let symbol = self.symbol.map(named).transpose()?;
        Ok(Message::Snapshot { symbol, last, time, decimals: self.decimals })
    }
}

/// The fields of a best bid and ask.
pub(super) struct TickerFields<'a> {
    pub symbol: &'a str,
    pub last: u64,
    pub time: Option<i64>,
    pub bid: WireLevel,
    pub ask: WireLevel,
    pub decimals: Decimals,
}

/// The fields of a trade.
pub(super) struct TradeFields<'a> {
    pub symbol: &'a str,
    /// `t`.
    pub trade: Option<u64>,
    /// `a`.
    pub aggregate: Option<u64>,
    pub time: i64,
    pub price: Price,
    pub qty: Qty,
    /// `m`: the seller was the aggressor.
    pub is_buyer_maker: bool,
    /// `X`.
    pub kind: Option<&'a str>,
    pub decimals: Decimals,
}

impl<'a> TradeFields<'a> {
    fn trade(self, stream: TradeStream) -> Result<Message<'a>, DecodeError> {
        let id = match stream {
            TradeStream::Trade => self.trade.ok_or(DecodeError::Field("t"))?,
            TradeStream::AggTrade => self.aggregate.ok_or(DecodeError::Field("a"))?,
        };
        let TradeFields { symbol, time, price, qty, kind, decimals, .. } = self;
        let side = if self.is_buyer_maker { Side::Ask } else { Side::Bid };
        let is_fill = kind.is_none_or(|kind| kind == "MARKET") && price > Price::ZERO && qty > Qty::ZERO;
        let fill = is_fill.then_some(WireLevel { side, price, qty });
        Ok(Message::Trade { symbol: named(symbol)?, stream, id, time: stamp(time, "T")?, fill, decimals })
    }
}

fn ticker_fields(data: &[u8]) -> Result<TickerFields<'_>, DecodeError> {
    let wire: WireTicker<'_> = serde_json::from_slice(data).map_err(|_| DecodeError::Json)?;
    let mut decimals = Decimals::default();
    let bid = level(Side::Bid, wire.b, wire.b_qty, &mut decimals)?;
    let ask = level(Side::Ask, wire.a, wire.a_qty, &mut decimals)?;
    Ok(TickerFields { symbol: wire.s, last: wire.u, time: wire.time, bid, ask, decimals })
}

fn trade_fields(data: &[u8]) -> Result<TradeFields<'_>, DecodeError> {
    let wire: WireTrade<'_> = serde_json::from_slice(data).map_err(|_| DecodeError::Json)?;
    let mut decimals = Decimals::default();
    let WireLevel { price, qty, .. } = level(Side::Bid, wire.p, wire.q, &mut decimals)?;
    let (trade, aggregate, kind, is_buyer_maker) = (wire.t, wire.a, wire.kind, wire.m);
    Ok(TradeFields { symbol: wire.s, trade, aggregate, time: wire.time, price, qty, is_buyer_maker, kind, decimals })
}

/// A symbol becomes part of keys and folder names.
fn named(symbol: &str) -> Result<&str, DecodeError> {
    let fits = !symbol.is_empty() && symbol.len() <= SYMBOL_BYTES_MAX;
    if fits { Ok(symbol) } else { Err(DecodeError::Field("s")) }
}

/// Milliseconds, or what the connection was opened with: `timeUnit=MICROSECOND`.
fn stamp(time: i64, field: &'static str) -> Result<Nanos, DecodeError> {
    epoch(time).ok_or(DecodeError::Field(field))
}

fn level(side: Side, price: &str, qty: &str, decimals: &mut Decimals) -> Result<WireLevel, DecodeError> {
    let price = Price::parse(price.as_bytes()).map_err(DecodeError::Number)?;
    let qty = Qty::parse(qty.as_bytes()).map_err(DecodeError::Number)?;
    if price.value < Price::ZERO {
        return Err(DecodeError::Field("price"));
    }
    if qty.value < Qty::ZERO {
        return Err(DecodeError::Field("quantity"));
    }
    Ok(wire_level(side, price, qty, decimals))
}

fn depth_fields<'a>(data: &'a [u8], levels: &mut Vec<WireLevel>) -> Result<DepthFields<'a>, DecodeError> {
    let mut sink = LevelSink { levels, decimals: Decimals::default(), error: None, sides: [false; 2] };
    let mut json = serde_json::Deserializer::from_slice(data);
    let fields = DepthSeed(&mut sink).deserialize(&mut json).and_then(|fields| json.end().map(|()| fields));
    match (fields, sink.error) {
        (_, Some(error)) => Err(error),
        (Err(_), None) => Err(DecodeError::Json),
        (Ok(_), None) if sink.sides != [true; 2] => Err(DecodeError::Field("b or a")),
        (Ok(fields), None) => Ok(DepthFields { decimals: sink.decimals, ..fields }),
    }
}

/// Where levels go, straight from the JSON text.
struct LevelSink<'v> {
    levels: &'v mut Vec<WireLevel>,
    decimals: Decimals,
    /// serde can only carry a text: the reason is kept here.
    error: Option<DecodeError>,
    sides: [bool; 2],
}

impl LevelSink<'_> {
    fn push(&mut self, side: Side, price: &str, qty: &str) -> Result<(), DecodeError> {
        if self.levels.len() >= LEVELS_MAX {
            return Err(DecodeError::TooManyLevels);
        }
        self.levels.push(level(side, price, qty, &mut self.decimals)?);
        Ok(())
    }
}

struct DepthSeed<'s, 'v>(&'s mut LevelSink<'v>);

impl<'de> DeserializeSeed<'de> for DepthSeed<'_, '_> {
    type Value = DepthFields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for DepthSeed<'_, '_> {
    type Value = DepthFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a depth message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = DepthFields::default();
        while let Some(key) = map.next_key::<&str>()? {
            let is_repeated = match key {
                "s" | "symbol" => fields.symbol.replace(map.next_value()?).is_some(),
                "U" => fields.first.replace(map.next_value()?).is_some(),
                "u" => fields.last.replace(map.next_value()?).is_some(),
                "pu" => fields.previous.replace(map.next_value()?).is_some(),
                "lastUpdateId" => fields.snapshot.replace(map.next_value()?).is_some(),
                "E" => fields.sent.replace(map.next_value()?).is_some(),
                "T" => fields.made.replace(map.next_value()?).is_some(),
                "b" | "bids" => map.next_value_seed(LevelsSeed { side: Side::Bid, sink: self.0 })?,
                "a" | "asks" => map.next_value_seed(LevelsSeed { side: Side::Ask, sink: self.0 })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if is_repeated {
                return Err(A::Error::custom("repeated field"));
            }
        }
        Ok(fields)
    }
}

/// Reads one side; its value tells whether the side had been there before.
struct LevelsSeed<'s, 'v> {
    side: Side,
    sink: &'s mut LevelSink<'v>,
}

impl<'de> DeserializeSeed<'de> for LevelsSeed<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LevelsSeed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of [price, quantity]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while let Some((price, qty)) = seq.next_element::<(&str, &str)>()? {
            if let Err(error) = self.sink.push(self.side, price, qty) {
                self.sink.error = Some(error);
                return Err(A::Error::custom("level"));
            }
        }
        Ok(std::mem::replace(&mut self.sink.sides[usize::from(self.side.code())], true))
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
