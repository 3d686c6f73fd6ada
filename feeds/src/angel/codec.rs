//! Angel One's messages: little-endian packets of one length for each mode, and a few texts beside them.

use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use tidegate_core::{Body, Nanos, Price, Qty, Side};

use super::{Exchange, Mode};
use crate::packet::{self, Row};
use crate::wire::epoch;

/// Longest message that is read, in bytes: far above any packet, for the texts.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a token on the wire.
pub const TOKEN_BYTES: usize = 25;

/// Bytes of a packet of each mode.
pub(crate) const LTP: usize = 51;
pub(crate) const QUOTE: usize = 123;
pub(crate) const SNAP_QUOTE: usize = 379;
const DEPTH20: usize = 443;

/// Where the best five stand in a snap quote, and their size.
const BEST_FIVE: usize = 147;
const BEST_FIVE_ROW: usize = 20;
const BEST_FIVE_ROWS: usize = 10;

/// Where the levels stand in mode 4: twenty bids, twenty asks.
const DEPTH20_ROWS: usize = 43;
const DEPTH20_ROW: usize = 10;

/// Seconds and milliseconds cannot be mistaken for each other: this is the year 2255 or April 1970.
const SECONDS_MAX: i64 = 9_000_000_000;

/// Most levels a side that a packet shows.
const LEVELS_MAX: usize = 20;

/// A packet of this venue.
pub type Packet = packet::Packet<{ 2 * LEVELS_MAX }>;
type Depth = packet::Depth<{ 2 * LEVELS_MAX }>;

/// Why a message is not one of this venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Its mode has packets of another length.
    #[error("a packet of mode {mode} is not {length} bytes long")]
    Length {
        /// The first byte.
        mode: u8,
        /// Bytes of the message.
        length: usize,
    },
    /// A field has a value that makes no sense.
    #[error("field {0} is senseless")]
    Field(&'static str),
    /// A field has a value that may be a real one and that this engine cannot hold.
    #[error("field {0} is out of range")]
    OutOfRange(&'static str),
    /// Not JSON, or of no shape that the venue documents.
    #[error("not a text of this venue")]
    Text,
}

/// What an instrument is called: exchange and token, written `1:1594`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// Where it is traded.
    pub exchange: Exchange,
    /// Letters and digits, then zeros.
    text: [u8; TOKEN_BYTES],
}

impl Token {
    fn new(exchange: Exchange, text: &[u8]) -> Option<Token> {
        let mut token = Token { exchange, text: [0; TOKEN_BYTES] };
        let is_name = !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric);
        token.text.get_mut(..text.len()).filter(|_| is_name)?.copy_from_slice(text);
        Some(token)
    }

    /// The venue's token, without the exchange.
    pub fn text(&self) -> &str {
        let end = self.text.iter().position(|&byte| byte == 0).unwrap_or(TOKEN_BYTES);
        // Letters and digits, by construction.
        std::str::from_utf8(&self.text[..end]).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.exchange.code(), self.text())
    }
}

impl FromStr for Token {
    type Err = DecodeError;

    fn from_str(symbol: &str) -> Result<Token, DecodeError> {
        let (exchange, text) = symbol.split_once(':').ok_or(DecodeError::Field("token"))?;
        let exchange =
            exchange.parse().ok().and_then(Exchange::from_code).ok_or(DecodeError::Field("exchange_type"))?;
        Token::new(exchange, text.as_bytes()).ok_or(DecodeError::Field("token"))
    }
}

/// Reads only whom a packet is about: for one whose numbers cannot be held.
pub(super) fn subject(packet: &[u8]) -> Result<Token, DecodeError> {
    let exchange = packet.get(1).copied().and_then(Exchange::from_code).ok_or(DecodeError::Field("exchange_type"))?;
    let text = packet.get(2..2 + TOKEN_BYTES).ok_or(DecodeError::Field("token"))?;
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(TOKEN_BYTES);
    Token::new(exchange, &text[..end]).ok_or(DecodeError::Field("token"))
}

/// What a packet says of whom it is, however senseless that may be.
pub(super) fn whose(packet: &[u8]) -> String {
    let exchange = packet.get(1).copied().unwrap_or_default();
    let text = packet.get(2..).unwrap_or_default().iter().take(TOKEN_BYTES).take_while(|byte| byte.is_ascii_graphic());
    format!("{exchange}:{}", text.map(|&byte| char::from(byte)).collect::<String>())
}

/// Decodes one binary message, which is one packet.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(packet: &[u8]) -> Result<(Mode, Token, Packet), DecodeError> {
    let code = packet.first().copied().unwrap_or_default();
    let wrong = DecodeError::Length { mode: code, length: packet.len() };
    let mode = Mode::from_code(code).ok_or(if packet.is_empty() { wrong } else { DecodeError::Field("mode") })?;
    let length = match mode {
        Mode::Ltp => LTP,
        Mode::Quote => QUOTE,
        Mode::SnapQuote => SNAP_QUOTE,
        Mode::Depth20 => DEPTH20,
    };
    if packet.len() != length {
        return Err(wrong);
    }
    let token = subject(packet)?;
    let wire = Wire { packet, price_unit: token.exchange.price_unit() };
    let packet = match mode {
        Mode::Ltp => decode_ltp(&wire)?,
        Mode::Quote => decode_quote(&wire)?,
        Mode::SnapQuote => decode_snap_quote(&wire)?,
        Mode::Depth20 => decode_depth20(&wire)?,
    };
    Ok((mode, token, packet))
}

fn decode_ltp(wire: &Wire<'_>) -> Result<Packet, DecodeError> {
    let sequence = u64::try_from(wire.long(27)).map_err(|_| DecodeError::Field("sequence_number"))?;
    Ok(Packet {
        // An index has no number.
        sequence: Some(sequence).filter(|&sequence| sequence > 0),
        time: wire.millis(35, "exchange_timestamp")?,
        last: Some(wire.price(43, "last_traded_price")?),
        ..Packet::EMPTY
    })
}

fn decode_quote(wire: &Wire<'_>) -> Result<Packet, DecodeError> {
    let volume = wire.qty(67, "volume")?;
    let day = Body::Day {
        volume,
        average: wire.price(59, "average_traded_price")?,
        last_qty: wire.qty(51, "last_traded_quantity")?,
        last_time: Nanos::ZERO,
    };
    let pressure =
        Body::Pressure { buy: wire.total(75, "total_buy_quantity")?, sell: wire.total(83, "total_sell_quantity")? };
    let ohlc = Body::Ohlc {
        open: wire.price(91, "open")?,
        high: wire.price(99, "high")?,
        low: wire.price(107, "low")?,
        close: wire.price(115, "close")?,
    };
    let packet = decode_ltp(wire)?;
    // An index is not traded.
    let volume = packet.sequence.map(|_| volume);
    Ok(Packet { volume, statistics: [Some(ohlc), Some(day), Some(pressure), None], ..packet })
}

fn decode_snap_quote(wire: &Wire<'_>) -> Result<Packet, DecodeError> {
    let mut packet = decode_quote(wire)?;
    if let Some(Body::Day { last_time, .. }) = &mut packet.statistics[1] {
        *last_time = wire.seconds_or_millis(123, "last_traded_timestamp")?.unwrap_or_default();
    }
    let oi = wire.qty(131, "open_interest")?;
    packet.statistics[3] = Some(Body::Interest { oi, high: Qty::ZERO, low: Qty::ZERO });
    let mut depth = Depth::EMPTY;
    for row in 0..BEST_FIVE_ROWS {
        let at = BEST_FIVE + row * BEST_FIVE_ROW;
        let side = match wire.short(at) {
            1 => Side::Bid,
            0 => Side::Ask,
            _ => return Err(DecodeError::Field("best five flag")),
        };
        let (price, qty) = (wire.price(at + 10, "best five price")?, wire.qty(at + 2, "best five quantity")?);
        depth.push(Row { side, orders: wire.orders(at + 18)?, price, qty });
    }
    // An index has no book, which is not the same as an empty one.
    packet.depth = packet.sequence.map(|_| depth);
    Ok(packet)
}

fn decode_depth20(wire: &Wire<'_>) -> Result<Packet, DecodeError> {
    let mut depth = Depth::EMPTY;
    for row in 0..2 * LEVELS_MAX {
        let at = DEPTH20_ROWS + row * DEPTH20_ROW;
        let side = if row < LEVELS_MAX { Side::Bid } else { Side::Ask };
        let qty = scaled(i64::from(wire.int(at)), 10i64.pow(u32::from(Qty::SCALE)), "depth quantity")?;
        let price = scaled(i64::from(wire.int(at + 4)), wire.price_unit, "depth price")?;
        let price = Price::from_raw(price).ok_or(DecodeError::OutOfRange("depth price"))?;
        let qty = Qty::from_raw(qty).ok_or(DecodeError::OutOfRange("depth quantity"))?;
        depth.push(Row { side, orders: wire.orders(at + 8)?, price, qty });
    }
    // At 35 stands when the venue's server received the packet, which is not the exchange's clock.
    Ok(Packet { time: wire.millis(27, "exchange_timestamp")?, depth: Some(depth), ..Packet::EMPTY })
}

/// A packet whose length is known to hold what is read from it.
struct Wire<'a> {
    packet: &'a [u8],
    price_unit: i64,
}

impl Wire<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        // In one piece: the length was looked at before, and each byte would be looked at again.
        self.packet.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.bytes(at))
    }

    fn int(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.bytes(at))
    }

    fn long(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.bytes(at))
    }

    fn orders(&self, at: usize) -> Result<u32, DecodeError> {
        u32::try_from(self.short(at)).map_err(|_| DecodeError::Field("number of orders"))
    }

    fn price(&self, at: usize, field: &'static str) -> Result<Price, DecodeError> {
        let raw = scaled(self.long(at), self.price_unit, field)?;
        Price::from_raw(raw).ok_or(DecodeError::OutOfRange(field))
    }

    fn qty(&self, at: usize, field: &'static str) -> Result<Qty, DecodeError> {
        let raw = scaled(self.long(at), 10i64.pow(u32::from(Qty::SCALE)), field)?;
        Qty::from_raw(raw).ok_or(DecodeError::OutOfRange(field))
    }

    /// A quantity that the venue writes as a float: read from its bits, so that only a whole number is one.
    fn total(&self, at: usize, field: &'static str) -> Result<Qty, DecodeError> {
        let whole = whole_number(u64::from_le_bytes(self.bytes(at))).ok_or(DecodeError::Field(field))?;
        let raw = scaled(whole, 10i64.pow(u32::from(Qty::SCALE)), field)?;
        Qty::from_raw(raw).ok_or(DecodeError::OutOfRange(field))
    }

    fn millis(&self, at: usize, field: &'static str) -> Result<Option<Nanos>, DecodeError> {
        match self.long(at) {
            0 => Ok(None),
            1.. => epoch(self.long(at)).map(Some).ok_or(DecodeError::Field(field)),
            _ => Err(DecodeError::Field(field)),
        }
    }

    /// The venue does not state the unit of this one.
    fn seconds_or_millis(&self, at: usize, field: &'static str) -> Result<Option<Nanos>, DecodeError> {
        match self.long(at) {
            seconds @ 1..SECONDS_MAX => Nanos::from_millis(seconds * 1_000).map(Some).ok_or(DecodeError::Field(field)),
            _ => self.millis(at, field),
        }
    }
}

fn scaled(value: i64, unit: i64, field: &'static str) -> Result<i64, DecodeError> {
    if value < 0 {
        return Err(DecodeError::Field(field));
    }
    value.checked_mul(unit).ok_or(DecodeError::OutOfRange(field))
}

/// The value of a binary64 that is a whole number, not negative and below 2⁶².
fn whole_number(bits: u64) -> Option<i64> {
    const FRACTION_BITS: u32 = 52;
    let exponent = (bits >> FRACTION_BITS) as u32;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match exponent {
        // Both zeros.
        0 | 2048 if fraction == 0 => Some(0),
        // From 2⁰ to 2⁶²; a larger exponent is larger, not finite, or has the sign.
        1023..1085 => {
            let significand = (1 << FRACTION_BITS) | fraction;
            let shift = exponent - 1023;
            if shift >= FRACTION_BITS {
                i64::try_from(significand << (shift - FRACTION_BITS)).ok()
            } else {
                let below = FRACTION_BITS - shift;
                i64::try_from(significand >> below).ok().filter(|_| significand.trailing_zeros() >= below)
            }
        }
        _ => None,
    }
}

/// One decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// The answer to `ping`.
    Pong,
    /// The venue refuses a request.
    Error {
        /// `E1001`: the request makes no sense; `E1002`: too many subscriptions.
        code: Cow<'a, str>,
        /// For people.
        message: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireError<'a> {
    #[serde(borrow)]
    error_code: Cow<'a, str>,
    #[serde(borrow)]
    error_message: Cow<'a, str>,
}

/// Decodes one text message.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_text(text: &[u8]) -> Result<Text<'_>, DecodeError> {
    if text == b"pong" {
        return Ok(Text::Pong);
    }
    if text.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::Text);
    }
    let error: WireError<'_> = serde_json::from_slice(text).map_err(|_| DecodeError::Text)?;
    Ok(Text::Error { code: error.error_code, message: error.error_message })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
