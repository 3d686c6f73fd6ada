//! Kraken's messages, read without a float and without an allocation per level.

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use tidegate_core::{Family, Nanos, NumberError, Side};

use super::{Depth, Version, Written, v1, v2};
use crate::wire::{Decimals, WireLevel};

/// Longest frame that is read, in bytes: several times a snapshot of 1,000 levels a side.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Most levels in one message: twice the deepest snapshot.
pub const LEVELS_MAX: usize = 4_000;

/// Most trades in one message; a snapshot has 50.
pub const TRADES_MAX: usize = 1_000;

/// Longest symbol, in bytes; the venue's own stay below 20.
pub const SYMBOL_BYTES_MAX: usize = 48;

/// Why a frame is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("frame is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// Kraken sends text only.
    #[error("binary frame")]
    Binary,
    /// Not JSON, or not the shape that the channel's documentation gives.
    #[error("not the JSON of this channel")]
    Json,
    /// A channel this session does not read.
    #[error("unknown channel")]
    UnknownChannel,
    /// A field is missing or has a value that makes no sense.
    #[error("field {0} is missing or senseless")]
    Field(&'static str),
    /// A price or quantity.
    #[error("price or quantity: {0}")]
    Number(NumberError),
    /// More than [`LEVELS_MAX`] levels.
    #[error("more than {LEVELS_MAX} levels")]
    TooManyLevels,
    /// More than [`TRADES_MAX`] trades.
    #[error("more than {TRADES_MAX} trades")]
    TooManyTrades,
}

/// One level as it was written: the checksum is over the digits of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// Which side.
    pub side: Side,
    /// Price; above zero.
    pub price: Written,
    /// Absolute quantity; zero removes the level.
    pub qty: Written,
}

impl BookLevel {
    /// Reads the texts of a price and a quantity.
    ///
    /// # Errors
    /// [`DecodeError`] where they are no numbers, or none that a level can have.
    pub fn parse(side: Side, price: &str, qty: &str) -> Result<BookLevel, DecodeError> {
        let level = BookLevel::parse_any(side, price, qty)?;
        if level.price.digits() == 0 { Err(DecodeError::Field("price")) } else { Ok(level) }
    }

    /// Reads the texts of a price, which is zero where a ticker tells that a side is empty, and a quantity.
    ///
    /// # Errors
    /// [`DecodeError`] where they are no numbers.
    pub(super) fn parse_any(side: Side, price: &str, qty: &str) -> Result<BookLevel, DecodeError> {
        let price = Written::parse(price.as_bytes()).map_err(DecodeError::Number)?;
        let qty = Written::parse(qty.as_bytes()).map_err(DecodeError::Number)?;
        Ok(BookLevel { side, price, qty })
    }

    /// Decimals that were written.
    pub fn decimals(&self) -> Decimals {
        Decimals { price: self.price.decimals(), qty: self.qty.decimals() }
    }

    /// The level in the engine's numbers.
    ///
    /// # Errors
    /// [`DecodeError::Number`] where they cannot hold it.
    pub fn wire(&self) -> Result<WireLevel, DecodeError> {
        let price = self.price.price().map_err(DecodeError::Number)?;
        let qty = self.qty.qty().map_err(DecodeError::Number)?;
        Ok(WireLevel { side: self.side, price, qty })
    }
}

/// One trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The venue's number, one more for each trade of the symbol.
    pub id: u64,
    /// The venue's clock.
    pub time: Nanos,
    /// Price and quantity; the side is the aggressor's.
    pub level: WireLevel,
}

/// What a message holds many of; reused from frame to frame.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Levels of a book message.
    pub levels: Vec<BookLevel>,
    /// Trades, as the venue ordered them.
    pub trades: Vec<Fill>,
}

/// One decoded message. Its levels and trades are in the buffers that were handed in.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Levels. v1 names the subscribed depth in every message, and has no checksum on a snapshot.
    Book {
        symbol: &'a str,
        is_snapshot: bool,
        checksum: Option<u32>,
        time: Option<Nanos>,
        depth: Option<Depth>,
        decimals: Decimals,
    },
    /// Trades of one symbol; a snapshot repeats the latest.
    Trades { symbol: &'a str, is_snapshot: bool, decimals: Decimals },
    /// The venue's own statement of the top.
    Ticker { symbol: &'a str, time: Option<Nanos>, bid: WireLevel, ask: WireLevel, decimals: Decimals },
    /// The answer to a subscription, under the number that it was asked with; for a book v2 tells to how many levels.
    Answer { request: Option<u64>, is_ok: bool, book: Option<(&'a str, Depth)> },
    /// Heartbeat, status, pong, end of a subscription: a sign of life.
    Alive,
}

impl Message<'_> {
    /// The venue symbol and the decimals written, of messages that bear data.
    pub fn subject(&self) -> Option<(&str, Decimals)> {
        match *self {
            Message::Book { symbol, decimals, .. }
            | Message::Trades { symbol, decimals, .. }
            | Message::Ticker { symbol, decimals, .. } => Some((symbol, decimals)),
            Message::Answer { .. } | Message::Alive => None,
        }
    }
}

/// Decodes one frame of either version: data of v1 are arrays, everything else is an object. `buffers` are
/// emptied and take levels or trades.
///
/// # Errors
/// [`DecodeError`]; `buffers` hold nothing of use then.
pub fn decode<'a>(frame: &'a [u8], buffers: &mut Buffers) -> Result<Message<'a>, DecodeError> {
    buffers.levels.clear();
    buffers.trades.clear();
    if frame.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    // Once for the whole frame: what is skipped of it would not be looked at.
    let frame = std::str::from_utf8(frame).map_err(|_| DecodeError::Json)?;
    if is_array(frame) { v1::decode(frame, buffers) } else { v2::decode(frame, buffers) }
}

/// Reads only whom a frame is about: for a frame whose numbers cannot be held.
pub(super) fn subject(frame: &[u8]) -> Option<(Family, &str)> {
    let frame = std::str::from_utf8(frame).ok()?;
    if is_array(frame) { v1::subject(frame) } else { v2::subject(frame) }
}

fn is_array(frame: &str) -> bool {
    frame.trim_ascii_start().starts_with('[')
}

/// A symbol becomes part of keys and folder names.
pub(super) fn named(symbol: &str) -> Result<&str, DecodeError> {
    let fits = !symbol.is_empty() && symbol.len() <= SYMBOL_BYTES_MAX;
    if fits { Ok(symbol) } else { Err(DecodeError::Field("symbol")) }
}

/// The text of a number, which the documentation of v2 shows with and without quotes.
pub(super) fn number(raw: &RawValue) -> &str {
    let text = raw.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The texts of one level, and its time, which v1 writes.
pub(super) struct LevelText<'a> {
    pub price: &'a str,
    pub qty: &'a str,
    pub time: Option<Nanos>,
}

/// Where levels go, straight from the JSON text.
pub(super) struct LevelSink<'v> {
    levels: &'v mut Vec<BookLevel>,
    pub decimals: Decimals,
    /// Latest time of a level.
    pub time: Option<Nanos>,
    /// The sides that have been there, by code.
    pub sides: [bool; 2],
    /// serde can only carry a text: the reason is kept here.
    error: Option<DecodeError>,
}

impl<'v> LevelSink<'v> {
    pub fn new(levels: &'v mut Vec<BookLevel>) -> LevelSink<'v> {
        LevelSink { levels, decimals: Decimals::default(), time: None, sides: [false; 2], error: None }
    }

    fn push(&mut self, side: Side, text: &LevelText<'_>) -> Result<(), DecodeError> {
        if self.levels.len() >= LEVELS_MAX {
            return Err(DecodeError::TooManyLevels);
        }
        let level = BookLevel::parse(side, text.price, text.qty)?;
        self.decimals = self.decimals.max(level.decimals());
        self.time = self.time.max(text.time);
        self.levels.push(level);
        Ok(())
    }

    /// Gives the reason of a failure, if it was ours.
    pub fn finish<T>(&self, result: serde_json::Result<T>) -> Result<T, DecodeError> {
        result.map_err(|_| self.error.unwrap_or(DecodeError::Json))
    }
}

/// Reads one side; its value tells whether the side had been there before.
pub(super) struct LevelsSeed<'s, 'v> {
    pub version: Version,
    pub side: Side,
    pub sink: &'s mut LevelSink<'v>,
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
        f.write_str("an array of levels")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        loop {
            let level = match self.version {
                Version::V1 => seq.next_element::<v1::WireLevel<'_>>()?.map(|level| level.0),
                Version::V2 => seq.next_element::<v2::WireLevel<'_>>()?.map(|level| level.text()),
            };
            let Some(level) = level else { break };
            if let Err(error) = self.sink.push(self.side, &level) {
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
