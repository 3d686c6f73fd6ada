//! WebSocket v2, and the events of v1, which are objects too.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use tidegate_core::{Family, Nanos, Side};

use super::codec::{
    BookLevel, Buffers, DecodeError, Fill, LevelSink, LevelText, LevelsSeed, Message, TRADES_MAX, named, number,
};
use super::{Depth, Version};
use crate::wire::Decimals;

#[derive(Deserialize)]
struct Envelope<'a> {
    channel: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    method: Option<&'a str>,
    success: Option<bool>,
    #[serde(alias = "reqid")]
    req_id: Option<u64>,
    event: Option<&'a str>,
    status: Option<&'a str>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// What the venue says that it will send.
#[derive(Deserialize)]
struct WireResult<'a> {
    channel: &'a str,
    symbol: &'a str,
    depth: u16,
}

impl<'a> Envelope<'a> {
    /// The answer to a subscription. What is agreed to is there for a book alone.
    fn answer(&self, is_ok: bool) -> Result<Message<'a>, DecodeError> {
        let result = self.result.map_or("", RawValue::get);
        let agreed = match serde_json::from_str::<WireResult<'_>>(result) {
            Ok(agreed) => Some(agreed).filter(|agreed| agreed.channel == "book"),
            // It may be one that is written in escapes, which cannot be borrowed.
            Err(_) if result.contains('\\') => return Err(DecodeError::Json),
            Err(_) => None,
        };
        let book = agreed.and_then(|agreed| Some((agreed.symbol, Depth::new(agreed.depth)?)));
        Ok(Message::Answer { request: self.req_id, is_ok, book })
    }
}

#[derive(Deserialize)]
struct WireTrade<'a> {
    symbol: &'a str,
    side: &'a str,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
    trade_id: u64,
    timestamp: &'a str,
}

#[derive(Deserialize)]
struct WireTicker<'a> {
    symbol: &'a str,
    #[serde(borrow)]
    bid: &'a RawValue,
    #[serde(borrow)]
    bid_qty: &'a RawValue,
    #[serde(borrow)]
    ask: &'a RawValue,
    #[serde(borrow)]
    ask_qty: &'a RawValue,
    timestamp: Option<&'a str>,
}

#[derive(Deserialize)]
struct WireSymbol<'a> {
    symbol: &'a str,
}

/// `{"price": 45283.5, "qty": 0.10000000}`.
#[derive(Deserialize)]
pub(super) struct WireLevel<'a> {
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

impl<'a> WireLevel<'a> {
    pub fn text(&self) -> LevelText<'a> {
        LevelText { price: number(self.price), qty: number(self.qty), time: None }
    }
}

pub(super) fn decode<'a>(frame: &'a str, buffers: &mut Buffers) -> Result<Message<'a>, DecodeError> {
    let envelope: Envelope<'_> = serde_json::from_str(frame).map_err(|_| DecodeError::Json)?;
    match (envelope.channel, envelope.method, envelope.event) {
        (Some(channel), None, None) => decode_channel(channel, &envelope, buffers),
        (None, Some("subscribe"), None) => {
            let is_ok = envelope.success.ok_or(DecodeError::Field("success"))?;
            envelope.answer(is_ok)
        }
        (None, Some("unsubscribe" | "ping" | "pong"), None) => Ok(Message::Alive),
        // A request that was not understood is answered without naming its method.
        (None, None, None) if envelope.success == Some(false) => envelope.answer(false),
        (None, None, Some("subscriptionStatus")) => match envelope.status {
            Some("subscribed") => envelope.answer(true),
            Some("error") => envelope.answer(false),
            Some("unsubscribed") => Ok(Message::Alive),
            _ => Err(DecodeError::Field("status")),
        },
        (None, None, Some("heartbeat" | "systemStatus" | "pong" | "error")) => Ok(Message::Alive),
        _ => Err(DecodeError::UnknownChannel),
    }
}

fn decode_channel<'a>(
    channel: &str,
    envelope: &Envelope<'a>,
    buffers: &mut Buffers,
) -> Result<Message<'a>, DecodeError> {
    if matches!(channel, "heartbeat" | "status") {
        return Ok(Message::Alive);
    }
    let is_snapshot = match envelope.kind {
        Some("snapshot") => true,
        Some("update") => false,
        _ => return Err(DecodeError::Field("type")),
    };
    let data = envelope.data.ok_or(DecodeError::Field("data"))?.get();
    match channel {
        "book" => decode_book(data, is_snapshot, buffers),
        "trade" => decode_trades(data, is_snapshot, buffers),
        "ticker" => decode_ticker(data),
        _ => Err(DecodeError::UnknownChannel),
    }
}

pub(super) fn subject(frame: &str) -> Option<(Family, &str)> {
    let envelope: Envelope<'_> = serde_json::from_str(frame).ok()?;
    let family = match envelope.channel? {
        "book" => Family::Book,
        "trade" => Family::Trades,
        "ticker" => Family::Quotes,
        _ => return None,
    };
    let data: Vec<WireSymbol<'_>> = serde_json::from_str(envelope.data?.get()).ok()?;
    Some((family, data.first()?.symbol))
}

fn decode_book<'a>(data: &'a str, is_snapshot: bool, buffers: &mut Buffers) -> Result<Message<'a>, DecodeError> {
    let mut sink = LevelSink::new(&mut buffers.levels);
    let mut json = serde_json::Deserializer::from_str(data);
    let fields = OneBook(&mut sink).deserialize(&mut json).and_then(|fields| json.end().map(|()| fields));
    let fields = sink.finish(fields)?;
    if sink.sides != [true; 2] {
        return Err(DecodeError::Field("bids or asks"));
    }
    Ok(Message::Book {
        symbol: named(fields.symbol.ok_or(DecodeError::Field("symbol"))?)?,
        is_snapshot,
        checksum: Some(fields.checksum.ok_or(DecodeError::Field("checksum"))?),
        time: fields.timestamp.map(timestamp).transpose()?,
        depth: None,
        decimals: sink.decimals,
    })
}

fn decode_trades<'a>(data: &'a str, is_snapshot: bool, buffers: &mut Buffers) -> Result<Message<'a>, DecodeError> {
    let mut sink = TradeSink { trades: &mut buffers.trades, symbol: None, decimals: Decimals::default(), error: None };
    let mut json = serde_json::Deserializer::from_str(data);
    let result = json.deserialize_seq(&mut sink).and_then(|()| json.end());
    result.map_err(|_| sink.error.unwrap_or(DecodeError::Json))?;
    let symbol = named(sink.symbol.ok_or(DecodeError::Field("symbol"))?)?;
    Ok(Message::Trades { symbol, is_snapshot, decimals: sink.decimals })
}

fn decode_ticker(data: &str) -> Result<Message<'_>, DecodeError> {
    let [wire]: [WireTicker<'_>; 1] = serde_json::from_str(data).map_err(|_| DecodeError::Json)?;
    let bid = BookLevel::parse_any(Side::Bid, number(wire.bid), number(wire.bid_qty))?;
    let ask = BookLevel::parse_any(Side::Ask, number(wire.ask), number(wire.ask_qty))?;
    Ok(Message::Ticker {
        symbol: named(wire.symbol)?,
        time: wire.timestamp.map(timestamp).transpose()?,
        bid: bid.wire()?,
        ask: ask.wire()?,
        decimals: bid.decimals().max(ask.decimals()),
    })
}

fn timestamp(text: &str) -> Result<Nanos, DecodeError> {
    let time = text.parse::<jiff::Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    time.map(Nanos::new).ok_or(DecodeError::Field("timestamp"))
}

/// The fields of a book message.
#[derive(Default)]
struct BookFields<'a> {
    symbol: Option<&'a str>,
    checksum: Option<u32>,
    timestamp: Option<&'a str>,
}

/// An array of exactly one book.
struct OneBook<'s, 'v>(&'s mut LevelSink<'v>);

impl<'de> DeserializeSeed<'de> for OneBook<'_, '_> {
    type Value = BookFields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OneBook<'_, '_> {
    type Value = BookFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of one book")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        seq.next_element_seed(BookSeed(self.0))?.ok_or_else(|| A::Error::invalid_length(0, &"one book"))
    }
}

struct BookSeed<'s, 'v>(&'s mut LevelSink<'v>);

impl<'de> DeserializeSeed<'de> for BookSeed<'_, '_> {
    type Value = BookFields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BookSeed<'_, '_> {
    type Value = BookFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a book")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = BookFields::default();
        while let Some(key) = map.next_key::<&str>()? {
            let is_repeated = match key {
                "symbol" => fields.symbol.replace(map.next_value()?).is_some(),
                "checksum" => fields.checksum.replace(map.next_value()?).is_some(),
                "timestamp" => fields.timestamp.replace(map.next_value()?).is_some(),
                "bids" => map.next_value_seed(levels(Side::Bid, self.0))?,
                "asks" => map.next_value_seed(levels(Side::Ask, self.0))?,
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

fn levels<'s, 'v>(side: Side, sink: &'s mut LevelSink<'v>) -> LevelsSeed<'s, 'v> {
    LevelsSeed { version: Version::V2, side, sink }
}

/// Where trades go, straight from the JSON text.
struct TradeSink<'v, 'a> {
    trades: &'v mut Vec<Fill>,
    symbol: Option<&'a str>,
    decimals: Decimals,
    error: Option<DecodeError>,
}

impl<'a> TradeSink<'_, 'a> {
    fn push(&mut self, wire: &WireTrade<'a>) -> Result<(), DecodeError> {
        if self.trades.len() >= TRADES_MAX {
            return Err(DecodeError::TooManyTrades);
        }
        if *self.symbol.get_or_insert(wire.symbol) != wire.symbol {
            return Err(DecodeError::Field("symbol"));
        }
        // The side of the taker's order.
        let side = match wire.side {
            "buy" => Side::Bid,
            "sell" => Side::Ask,
            _ => return Err(DecodeError::Field("side")),
        };
        let level = BookLevel::parse(side, number(wire.price), number(wire.qty))?;
        if level.qty.digits() == 0 {
            return Err(DecodeError::Field("qty"));
        }
        self.decimals = self.decimals.max(level.decimals());
        self.trades.push(Fill { id: wire.trade_id, time: timestamp(wire.timestamp)?, level: level.wire()? });
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut TradeSink<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of trades")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(wire) = seq.next_element::<WireTrade<'_>>()? {
            if let Err(error) = self.push(&wire) {
                self.error = Some(error);
                return Err(A::Error::custom("trade"));
            }
        }
        Ok(())
    }
}
