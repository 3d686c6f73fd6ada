//! The book of WebSocket v1: `[channel, {levels}, {levels}?, "book-10", "XBT/USD"]`.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use tidegate_core::{Family, Side};

use super::codec::{Buffers, DecodeError, LevelSink, LevelText, LevelsSeed, Message, named};
use super::{Depth, Version};
use crate::wire::seconds;

/// What the channel's name begins with; the subscribed depth follows.
const BOOK: &str = "book-";

pub(super) fn decode<'a>(frame: &'a str, buffers: &mut Buffers) -> Result<Message<'a>, DecodeError> {
    let mut sink = LevelSink::new(&mut buffers.levels);
    let mut json = serde_json::Deserializer::from_str(frame);
    let frame = FrameSeed(&mut sink).deserialize(&mut json).and_then(|frame| json.end().map(|()| frame));
    let frame = sink.finish(frame)?;
    let (Some(channel), Some(symbol)) = (frame.channel, frame.symbol) else { return Err(DecodeError::Json) };
    let depth = channel.strip_prefix(BOOK).ok_or(DecodeError::UnknownChannel)?;
    let depth = depth.parse().ok().and_then(Depth::new).ok_or(DecodeError::Field("depth"))?;
    let is_snapshot = frame.is_snapshot.ok_or(DecodeError::Field("a or b"))?;
    if is_snapshot && sink.sides != [true; 2] {
        return Err(DecodeError::Field("as or bs"));
    }
    if !is_snapshot && frame.checksum.is_none() {
        return Err(DecodeError::Field("c"));
    }
    let (checksum, time, decimals) = (frame.checksum, sink.time, sink.decimals);
    Ok(Message::Book { symbol: named(symbol)?, is_snapshot, checksum, time, depth: Some(depth), decimals })
}

pub(super) fn subject(frame: &str) -> Option<(Family, &str)> {
    let parts: Vec<&RawValue> = serde_json::from_str(frame).ok()?;
    let [.., channel, symbol] = parts[..] else { return None };
    let channel: &str = serde_json::from_str(channel.get()).ok()?;
    let symbol = serde_json::from_str(symbol.get()).ok()?;
    channel.starts_with(BOOK).then_some((Family::Book, symbol))
}

/// What an array says beside its levels.
#[derive(Default)]
struct Frame<'a> {
    is_snapshot: Option<bool>,
    checksum: Option<u32>,
    channel: Option<&'a str>,
    symbol: Option<&'a str>,
}

struct FrameSeed<'s, 'v>(&'s mut LevelSink<'v>);

impl<'de> DeserializeSeed<'de> for FrameSeed<'_, '_> {
    type Value = Frame<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FrameSeed<'_, '_> {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of a channel, levels and names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut frame = Frame::default();
        seq.next_element::<u64>()?;
        while seq.next_element_seed(Part { frame: &mut frame, sink: self.0 })?.is_some() {}
        Ok(frame)
    }
}

/// One element after the channel's number: levels, the channel's name, or the pair.
struct Part<'s, 'v, 'a> {
    frame: &'s mut Frame<'a>,
    sink: &'s mut LevelSink<'v>,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("levels or a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<(), E> {
        let place = if self.frame.channel.is_none() { &mut self.frame.channel } else { &mut self.frame.symbol };
        if place.replace(name).is_some() { Err(E::custom("a third name")) } else { Ok(()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.frame.channel.is_some() {
            return Err(A::Error::custom("levels after the names"));
        }
        while let Some(key) = map.next_key::<&str>()? {
            let (side, is_snapshot) = match key {
                "bs" => (Side::Bid, true),
                "as" => (Side::Ask, true),
                "b" => (Side::Bid, false),
                "a" => (Side::Ask, false),
                "c" => {
                    let checksum = map.next_value::<&str>()?.parse().map_err(A::Error::custom)?;
                    if self.frame.checksum.replace(checksum).is_some() {
                        return Err(A::Error::custom("repeated field"));
                    }
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let is_mixed = *self.frame.is_snapshot.get_or_insert(is_snapshot) != is_snapshot;
            let is_repeated = map.next_value_seed(LevelsSeed { version: Version::V1, side, sink: self.sink })?;
            if is_repeated || is_mixed {
                return Err(A::Error::custom("repeated side, or changes in a snapshot"));
            }
        }
        Ok(())
    }
}

/// `["price", "quantity", "seconds"]`, with a fourth element `"r"` where the level was sent before.
pub(super) struct WireLevel<'a>(pub LevelText<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for WireLevel<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(WireLevelVisitor)
    }
}

struct WireLevelVisitor;

impl<'de> Visitor<'de> for WireLevelVisitor {
    type Value = WireLevel<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of price, quantity and time")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut text = |field| seq.next_element::<&str>()?.ok_or_else(|| A::Error::missing_field(field));
        let [price, qty, time] = [text("price")?, text("quantity")?, text("time")?];
        let time = seconds(time.as_bytes()).ok_or_else(|| A::Error::custom("time"))?;
        match seq.next_element::<&str>()? {
            None | Some("r") => Ok(WireLevel(LevelText { price, qty, time: Some(time) })),
            Some(_) => Err(A::Error::custom("a mark that is not known")),
        }
    }
}
