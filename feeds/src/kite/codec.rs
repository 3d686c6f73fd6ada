//! Kite's frames: big-endian packets of known lengths behind a count, and a few texts beside them.

use serde::Deserialize;
use std::borrow::Cow;
use tidegate_core::{Body, Nanos, Price, Qty, Side};

use super::Segment;
use crate::packet::{self, Row};

/// Most instruments on one connection, by the venue's rule.
pub const TOKENS_MAX: usize = 3_000;

/// Longest frame that is read, in bytes: a full packet of every instrument.
pub const FRAME_BYTES_MAX: usize = 2 + TOKENS_MAX * (2 + FULL);

const LTP: usize = 8;
const INDEX_QUOTE: usize = 28;
const INDEX_FULL: usize = 32;
const QUOTE: usize = 44;
const FULL: usize = 184;

/// Where the book stands in a full packet: five bids, five asks.
const BOOK: usize = 64;
const ROW: usize = 12;
const ROWS_A_SIDE: usize = 5;

/// A packet of this venue.
pub type Packet = packet::Packet<{ 2 * ROWS_A_SIDE }>;
type Depth = packet::Depth<{ 2 * ROWS_A_SIDE }>;

/// Why a frame is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("frame is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// It ends inside a packet, or holds fewer than it counts.
    #[error("frame is cut short")]
    Short,
    /// Bytes follow the last packet that it counts.
    #[error("frame has bytes left over")]
    Long,
    /// No packet is that long, for an index or for anything else.
    #[error("no packet is {0} bytes long")]
    Length(usize),
    /// The low byte of its token names no segment that is known.
    #[error("segment {0} is not known")]
    Segment(u8),
    /// A field has a value that makes no sense.
    #[error("field {0} is senseless")]
    Field(&'static str),
    /// Not JSON, or of no type that the venue documents.
    #[error("not a text of this venue")]
    Text,
}

/// One decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The connection is alive.
    Heartbeat,
    /// Packets, each of which stands alone.
    Packets(Packets<'a>),
}

/// The packets of a frame, which is as long as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packets<'a>(&'a [u8]);

/// What is wrong with one packet; those beside it are none the worse for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token {token}: {error}")]
pub struct PacketError {
    /// Whose it is; zero where it is too short to say.
    pub token: u32,
    /// What is wrong.
    pub error: DecodeError,
}

impl Iterator for Packets<'_> {
    type Item = Result<(u32, Packet), PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (packet, rest) = split(self.0).ok()?;
        self.0 = rest;
        let token = packet.first_chunk().map_or(0, |token| u32::from_be_bytes(*token));
        Some(decode_packet(packet).map(|packet| (token, packet)).map_err(|error| PacketError { token, error }))
    }
}

/// Decodes one binary message, as far as its packets are apart: one that cannot be read is passed over alone.
///
/// # Errors
/// [`DecodeError`], for the frame as a whole.
pub fn decode(frame: &[u8]) -> Result<Message<'_>, DecodeError> {
    let [high, low, packets @ ..] = frame else {
        return if frame.is_empty() { Err(DecodeError::Short) } else { Ok(Message::Heartbeat) };
    };
    if frame.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let mut rest = packets;
    for _ in 0..u16::from_be_bytes([*high, *low]) {
        (_, rest) = split(rest)?;
    }
    if rest.is_empty() { Ok(Message::Packets(Packets(packets))) } else { Err(DecodeError::Long) }
}

/// The exchange's time in a packet that bears one: a full packet, of an index or of anything else.
pub fn exchange_time(packet: &[u8]) -> Option<Nanos> {
    let at = match packet.len() {
        INDEX_FULL => 28,
        FULL => 60,
        _ => return None,
    };
    Nanos::from_millis(i64::from(word(packet, at)).checked_mul(1_000)?)
}

/// Puts one packet into a frame of its own, as the venue would send it.
pub fn put_frame(packet: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(packet);
}

/// The first packet and what follows it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let [high, low, rest @ ..] = bytes else { return Err(DecodeError::Short) };
    rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))).ok_or(DecodeError::Short)
}

fn decode_packet(packet: &[u8]) -> Result<Packet, DecodeError> {
    if !matches!(packet.len(), LTP | INDEX_QUOTE | INDEX_FULL | QUOTE | FULL) {
        return Err(DecodeError::Length(packet.len()));
    }
    let token = word(packet, 0);
    let segment = Segment::of(token).ok_or(DecodeError::Segment(token.to_be_bytes()[3]))?;
    let wire = Wire { packet, price_unit: segment.price_unit() };
    let last = Some(wire.price(4, "last_price")?);
    let is_index = segment == Segment::Indices;
    Ok(match packet.len() {
        LTP => Packet { last, ..Packet::EMPTY },
        // The order of an index is high, low, open, close; of others, open, high, low, close. The change of an
        // index at 24 follows from its last and close.
        INDEX_QUOTE | INDEX_FULL if is_index => Packet {
            last,
            time: if packet.len() == INDEX_FULL { wire.time(28) } else { None },
            statistics: [Some(wire.ohlc([16, 8, 12, 20])?), None, None, None],
            ..Packet::EMPTY
        },
        QUOTE | FULL if !is_index => decode_traded(&wire, last)?,
        length => return Err(DecodeError::Length(length)),
    })
}

/// A quote, or a full packet, which goes on from it.
fn decode_traded(wire: &Wire<'_>, last: Option<Price>) -> Result<Packet, DecodeError> {
    let is_full = wire.packet.len() == FULL;
    let last_time = if is_full { wire.time(44) } else { None };
    let volume = wire.qty(16);
    let day = Body::Day {
        volume,
        average: wire.price(12, "average_price")?,
        last_qty: wire.qty(8),
        last_time: last_time.unwrap_or_default(),
    };
    let pressure = Body::Pressure { buy: wire.qty(20), sell: wire.qty(24) };
    let interest = || Body::Interest { oi: wire.qty(48), high: wire.qty(52), low: wire.qty(56) };
    Ok(Packet {
        time: if is_full { wire.time(60) } else { None },
        sequence: None,
        last,
        last_time,
        volume: Some(volume),
        statistics: [Some(wire.ohlc([28, 32, 36, 40])?), Some(day), Some(pressure), is_full.then(interest)],
        depth: if is_full { Some(wire.depth()?) } else { None },
    })
}

/// A packet whose length is known to hold what is read from it.
struct Wire<'a> {
    packet: &'a [u8],
    price_unit: i64,
}

impl Wire<'_> {
    /// The venue's clients read prices unsigned, and none is negative: one beyond 2³¹ is damage.
    fn price(&self, at: usize, field: &'static str) -> Result<Price, DecodeError> {
        let steps = i32::try_from(word(self.packet, at)).map_err(|_| DecodeError::Field(field))?;
        Price::from_raw(i64::from(steps) * self.price_unit).ok_or(DecodeError::Field(field))
    }

    /// Every `u32` is in range.
    fn qty(&self, at: usize) -> Qty {
        Qty::from_raw(i64::from(word(self.packet, at)) * 10i64.pow(u32::from(Qty::SCALE))).unwrap_or_default()
    }

    /// Whole seconds of Unix time; zero where there is none.
    fn time(&self, at: usize) -> Option<Nanos> {
        let seconds = i64::from(word(self.packet, at));
        (seconds > 0).then(|| Nanos::new(seconds * Nanos::SECOND.raw()))
    }

    fn ohlc(&self, [open, high, low, close]: [usize; 4]) -> Result<Body, DecodeError> {
        Ok(Body::Ohlc {
            open: self.price(open, "open")?,
            high: self.price(high, "high")?,
            low: self.price(low, "low")?,
            close: self.price(close, "close")?,
        })
    }

    fn depth(&self) -> Result<Depth, DecodeError> {
        let mut depth = Depth::EMPTY;
        for row in 0..2 * ROWS_A_SIDE {
            let at = BOOK + row * ROW;
            let side = if row < ROWS_A_SIDE { Side::Bid } else { Side::Ask };
            let orders = u32::from(u16::from_be_bytes([self.packet[at + 8], self.packet[at + 9]]));
            depth.push(Row { side, orders, price: self.price(at + 4, "depth price")?, qty: self.qty(at) });
        }
        Ok(depth)
    }
}

/// The length is known to hold it.
#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}

/// One decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// An order update, a message to the user, or facts about the service: nothing for market data.
    Other,
    /// The venue refuses something.
    Error(Cow<'a, str>),
}

#[derive(Deserialize)]
struct WireText<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireError<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Decodes one text message.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_text(text: &[u8]) -> Result<Text<'_>, DecodeError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let wire: WireText<'_> = serde_json::from_slice(text).map_err(|_| DecodeError::Text)?;
    match &*wire.kind {
        "order" | "message" | "instruments_meta" | "app_code" => Ok(Text::Other),
        "error" => {
            let error: WireError<'_> = serde_json::from_slice(text).map_err(|_| DecodeError::Field("data"))?;
            Ok(Text::Error(error.data))
        }
        _ => Err(DecodeError::Text),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
