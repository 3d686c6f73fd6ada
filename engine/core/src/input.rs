//! Everything that can change the state, and how it is written down.
//!
//! The encodings are golden: little-endian, fixed layout, numbered by [`Input::kind`], appended and
//! never renumbered. Kinds 1–63 are market events, 64–127 the other inputs of this crate; other
//! crates number theirs from 128.

use crate::condition::Condition;
use crate::event::{Body, Event, Family, Flags, Side};
use crate::instrument::{Instrument, InstrumentId, OptionRight, Settlement, Terms};
use crate::price::{Price, Qty};
use crate::time::Nanos;
use bytes::{Buf, BufMut, TryGetError};

/// Highest kind of a market event.
pub const EVENT_KIND_MAX: u16 = 63;

/// What a session knows of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fact {
    /// The venue delivers this family from now on.
    Subscribed = 0,
    /// The snapshot and what followed it fit together: the book is the venue's.
    SnapshotComplete = 1,
    /// The venue delivers no more.
    Closed = 2,
    /// After [`Fact::SnapshotComplete`]: the snapshot ends where the bids do.
    AllBids = 3,
    /// After [`Fact::SnapshotComplete`]: the snapshot ends where the asks do.
    AllAsks = 4,
}

impl Fact {
    /// Every fact, by code.
    const ALL: [Fact; 5] = [Fact::Subscribed, Fact::SnapshotComplete, Fact::Closed, Fact::AllBids, Fact::AllAsks];
}

/// Why part of a stream is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GapCause {
    /// The venue's own numbering has a hole.
    Sequence = 0,
    /// The program was not running.
    Restart = 1,
    /// A value does not fit the engine's numbers.
    Unrepresentable = 2,
    /// More was waiting for a snapshot than may be kept.
    BufferFull = 3,
    /// The connection was lost.
    Disconnected = 4,
    /// The venue's checksum does not fit the book.
    Checksum = 5,
    /// The recorder could not keep up: what lies between is not on the tape.
    RecorderFull = 6,
    /// The engine could not keep up: what lies between was not applied.
    QueueFull = 7,
}

impl GapCause {
    /// Every cause, by code.
    pub const ALL: [GapCause; 8] = [
        GapCause::Sequence,
        GapCause::Restart,
        GapCause::Unrepresentable,
        GapCause::BufferFull,
        GapCause::Disconnected,
        GapCause::Checksum,
        GapCause::RecorderFull,
        GapCause::QueueFull,
    ];

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            GapCause::Sequence => "sequence",
            GapCause::Restart => "restart",
            GapCause::Unrepresentable => "unrepresentable",
            GapCause::BufferFull => "buffer_full",
            GapCause::Disconnected => "disconnected",
            GapCause::Checksum => "checksum",
            GapCause::RecorderFull => "recorder_full",
            GapCause::QueueFull => "queue_full",
        }
    }
}

/// A hole in what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose stream; `None` for every stream of every instrument.
    pub id: Option<InstrumentId>,
    /// Which family; ignored where `id` is `None`.
    pub family: Family,
    /// Why.
    pub cause: GapCause,
    /// The first number that is missing: a venue sequence, a trade id, or (`Restart`) a tape `seq`.
    pub from: u64,
    /// The first number that is there again; not above `from` where the venue has begun to count anew.
    pub to: u64,
}

/// One input. Only inputs change the state; everything else follows from them.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Market data.
    Event(Event),
    /// An instrument, new or with better facts, under its dense id.
    Define { id: InstrumentId, instrument: Box<Instrument> },
    /// What a session knows.
    State { id: InstrumentId, family: Family, fact: Fact },
    /// A hole.
    Gap(Gap),
    /// A deadline passed.
    Time,
    /// A standing condition, with what it has seen, is attached.
    Attach(Box<Condition>),
    /// The standing condition with this number is detached.
    Detach(u64),
    /// What this run of the engine is: its version and the hash of its configuration.
    Config { hash: [u8; 32], seed: u64, version: String },
}

/// Why bytes are not an [`Input`].
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("input kind {0} is cut short")]
    Short(u16),
    /// Bytes are left over.
    #[error("input kind {0} has bytes left over")]
    Long(u16),
    /// A field holds a value that has no meaning.
    #[error("input kind {kind}: field {field} has no such value")]
    Field { kind: u16, field: &'static str },
    /// The kind or its version is not known to this crate.
    #[error("input kind {kind} version {version} is unknown")]
    Unknown { kind: u16, version: u16 },
}

const DEFINE: u16 = 64;
const STATE: u16 = 65;
const GAP: u16 = 66;
const TIME: u16 = 67;
const CONFIG: u16 = 68;
const ATTACH: u16 = 70; // 69 is the head's.
const DETACH: u16 = 71;

/// Longest text in a `Define` or `Config`, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// Version of every encoding of this crate.
pub const VERSION: u16 = 1;

impl Input {
    /// The number of this input on the tape.
    pub fn kind(&self) -> u16 {
        match self {
            Input::Event(event) => event.body.kind(),
            Input::Define { .. } => DEFINE,
            Input::State { .. } => STATE,
            Input::Gap(_) => GAP,
            Input::Time => TIME,
            Input::Attach(_) => ATTACH,
            Input::Detach(_) => DETACH,
            Input::Config { .. } => CONFIG,
        }
    }

    /// The one instrument this input concerns, if it concerns one.
    pub fn instrument(&self) -> Option<InstrumentId> {
        match self {
            Input::Event(event) => Some(event.id),
            Input::Define { id, .. } | Input::State { id, .. } => Some(*id),
            Input::Gap(gap) => gap.id,
            Input::Time | Input::Attach(_) | Input::Detach(_) | Input::Config { .. } => None,
        }
    }

    /// Appends the encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Input::Event(event) => {
                // Put together in one place first, so that the vector grows once.
                let mut bytes = [0; 21 + BODY_BYTES_MAX];
                let mut rest = &mut bytes[..];
                rest.put_u32_le(event.id.0);
                rest.put_u8(event.flags.bits());
                rest.put_i64_le(event.venue_ts.raw());
                rest.put_i64_le(event.receive_ts.raw());
                encode_body(&event.body, &mut rest);
                let left = rest.len();
                out.put_slice(&bytes[..bytes.len() - left]);
            }
            Input::Define { id, instrument } => {
                out.put_u32_le(id.0);
                encode_instrument(instrument, out);
            }
            Input::State { id, family, fact } => {
                out.put_u32_le(id.0);
                out.put_u8(family.code());
                out.put_u8(*fact as u8);
            }
            Input::Gap(gap) => {
                // The id that no instrument has stands for all of them.
                out.put_u32_le(gap.id.map_or(u32::MAX, |id| id.0));
                out.put_u8(gap.family.code());
                out.put_u8(gap.cause as u8);
                out.put_u64_le(gap.from);
                out.put_u64_le(gap.to);
            }
            Input::Time => {}
            Input::Attach(condition) => out.put_slice(&condition.encode()),
            Input::Detach(id) => out.put_u64_le(*id),
            Input::Config { hash, seed, version } => {
                out.put_slice(hash);
                out.put_u64_le(*seed);
                put_text(version, out);
            }
        }
    }

    /// Reads one input of this kind and version, which must take up all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are not exactly one such input.
    pub fn decode(kind: u16, version: u16, bytes: &[u8]) -> Result<Input, DecodeError> {
        if version != VERSION {
            return Err(DecodeError::Unknown { kind, version });
        }
        let mut from = Decoder { kind, bytes };
        let input = match kind {
            1..=EVENT_KIND_MAX => Input::Event(decode_event(&mut from)?),
            DEFINE => Input::Define {
                id: InstrumentId(from.get(Buf::try_get_u32_le)?),
                instrument: Box::new(decode_instrument(&mut from)?),
            },
            STATE => Input::State {
                id: InstrumentId(from.get(Buf::try_get_u32_le)?),
                family: from.code("family", Family::from_code)?,
                fact: from.code("fact", |code| Fact::ALL.get(usize::from(code)).copied())?,
            },
            GAP => Input::Gap(decode_gap(&mut from)?),
            TIME => Input::Time,
            ATTACH => Condition::decode(std::mem::take(&mut from.bytes))
                .map(|condition| Input::Attach(Box::new(condition)))
                .map_err(|_| from.field("condition"))?,
            DETACH => Input::Detach(from.get(Buf::try_get_u64_le)?),
            CONFIG => {
                let mut hash = [0; 32];
                from.get(|bytes| bytes.try_copy_to_slice(&mut hash))?;
                Input::Config { hash, seed: from.get(Buf::try_get_u64_le)?, version: from.text("version")? }
            }
            _ => return Err(DecodeError::Unknown { kind, version }),
        };
        from.finish()?;
        Ok(input)
    }
}

/// Longest encoding of a body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 32;

/// Writes the body alone: also what a digest is made of.
#[inline]
pub(crate) fn encode_body(body: &Body, out: &mut impl BufMut) {
    match *body {
        Body::Level { side, orders, price, qty } => {
            out.put_u8(side.code());
            out.put_u32_le(orders);
            out.put_i64_le(price.raw());
            out.put_i64_le(qty.raw());
        }
        Body::Trade { side, price, qty, trade_id } => {
            out.put_u8(side.code());
            out.put_i64_le(price.raw());
            out.put_i64_le(qty.raw());
            out.put_u64_le(trade_id);
        }
        Body::Quote { bid, bid_qty, ask, ask_qty } => {
            for raw in [bid.raw(), bid_qty.raw(), ask.raw(), ask_qty.raw()] {
                out.put_i64_le(raw);
            }
        }
        Body::Ohlc { open, high, low, close } => {
            for price in [open, high, low, close] {
                out.put_i64_le(price.raw());
            }
        }
        Body::Day { volume, average, last_qty, last_time } => {
            for raw in [volume.raw(), average.raw(), last_qty.raw(), last_time.raw()] {
                out.put_i64_le(raw);
            }
        }
        Body::Pressure { buy, sell } => {
            out.put_i64_le(buy.raw());
            out.put_i64_le(sell.raw());
        }
        Body::Interest { oi, high, low } => {
            for qty in [oi, high, low] {
                out.put_i64_le(qty.raw());
            }
        }
        Body::Message { first, last } => {
            out.put_u64_le(first);
            out.put_u64_le(last);
        }
        Body::Clear => {}
    }
}

fn encode_instrument(instrument: &Instrument, out: &mut Vec<u8>) {
    put_text(&instrument.key, out);
    put_text(&instrument.source, out);
    put_text(&instrument.base, out);
    put_text(&instrument.quote, out);
    out.put_u8(matches!(instrument.settlement, Settlement::Inverse).into());
    out.put_u8(instrument.price_decimals);
    out.put_u8(instrument.qty_decimals);
    for raw in [
        instrument.tick.map(Price::raw),
        instrument.lot.map(Qty::raw),
        instrument.multiplier.map(Qty::raw),
        instrument.terms.strike.map(Price::raw),
        instrument.terms.expiry_days.map(i64::from),
        instrument.master_epoch_days.map(i64::from),
    ] {
        // No value of these six can be the lowest i64.
        out.put_i64_le(raw.unwrap_or(i64::MIN));
    }
    out.put_u8(match instrument.terms.right {
        None => 0,
        Some(OptionRight::Call) => 1,
        Some(OptionRight::Put) => 2,
    });
}

/// Venue symbols are bounded where they enter, far below this; a longer text is cut at a character.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    out.put_u8(end as u8);
    out.put_slice(&text.as_bytes()[..end]);
}

/// Reads fields and names the one that is wrong.
pub(crate) struct Decoder<'a> {
    pub kind: u16,
    pub bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Nothing may be left over.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Long(self.kind)) }
    }

    pub fn get<T>(&mut self, read: impl FnOnce(&mut &'a [u8]) -> Result<T, TryGetError>) -> Result<T, DecodeError> {
        let kind = self.kind;
        read(&mut self.bytes).map_err(|_| DecodeError::Short(kind))
    }

    pub fn code<T>(&mut self, field: &'static str, read: impl FnOnce(u8) -> Option<T>) -> Result<T, DecodeError> {
        let code = self.get(Buf::try_get_u8)?;
        read(code).ok_or(self.field(field))
    }

    pub fn price(&mut self, field: &'static str) -> Result<Price, DecodeError> {
        Price::from_raw(self.get(Buf::try_get_i64_le)?).ok_or(self.field(field))
    }

    pub fn qty(&mut self, field: &'static str) -> Result<Qty, DecodeError> {
        Qty::from_raw(self.get(Buf::try_get_i64_le)?).ok_or(self.field(field))
    }

    pub fn nanos(&mut self) -> Result<Nanos, DecodeError> {
        Ok(Nanos::new(self.get(Buf::try_get_i64_le)?))
    }

    /// A value of which the lowest `i64` means that there is none.
    pub fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(i64) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        match self.get(Buf::try_get_i64_le)? {
            i64::MIN => Ok(None),
            raw => read(raw).map(Some).ok_or(self.field(field)),
        }
    }

    fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let length = usize::from(self.get(Buf::try_get_u8)?);
        let mut text = vec![0; length];
        self.get(|bytes| bytes.try_copy_to_slice(&mut text))?;
        String::from_utf8(text).map_err(|_| self.field(field))
    }

    pub fn field(&self, field: &'static str) -> DecodeError {
        DecodeError::Field { kind: self.kind, field }
    }
}

fn decode_event(from: &mut Decoder<'_>) -> Result<Event, DecodeError> {
    Ok(Event {
        id: InstrumentId(from.get(Buf::try_get_u32_le)?),
        flags: from.code("flags", Flags::from_bits)?,
        venue_ts: from.nanos()?,
        receive_ts: from.nanos()?,
        body: decode_body(from)?,
    })
}

pub(crate) fn decode_body(from: &mut Decoder<'_>) -> Result<Body, DecodeError> {
    Ok(match from.kind {
        1 => Body::Level {
            side: from.code("side", Side::from_code)?,
            orders: from.get(Buf::try_get_u32_le)?,
            price: from.price("price")?,
            qty: from.qty("qty")?,
        },
        2 => Body::Trade {
            side: from.code("side", Side::from_code)?,
            price: from.price("price")?,
            qty: from.qty("qty")?,
            trade_id: from.get(Buf::try_get_u64_le)?,
        },
        3 => Body::Quote {
            bid: from.price("bid")?,
            bid_qty: from.qty("bid_qty")?,
            ask: from.price("ask")?,
            ask_qty: from.qty("ask_qty")?,
        },
        4 => Body::Ohlc {
            open: from.price("open")?,
            high: from.price("high")?,
            low: from.price("low")?,
            close: from.price("close")?,
        },
        5 => Body::Day {
            volume: from.qty("volume")?,
            average: from.price("average")?,
            last_qty: from.qty("last_qty")?,
            last_time: from.nanos()?,
        },
        6 => Body::Pressure { buy: from.qty("buy")?, sell: from.qty("sell")? },
        7 => Body::Interest { oi: from.qty("oi")?, high: from.qty("high")?, low: from.qty("low")? },
        8 => Body::Message { first: from.get(Buf::try_get_u64_le)?, last: from.get(Buf::try_get_u64_le)? },
        9 => Body::Clear,
        kind => return Err(DecodeError::Unknown { kind, version: VERSION }),
    })
}

fn decode_gap(from: &mut Decoder<'_>) -> Result<Gap, DecodeError> {
    let id = from.get(Buf::try_get_u32_le)?;
    Ok(Gap {
        id: (id != u32::MAX).then_some(InstrumentId(id)),
        family: from.code("family", Family::from_code)?,
        cause: from.code("cause", |code| GapCause::ALL.get(usize::from(code)).copied())?,
        from: from.get(Buf::try_get_u64_le)?,
        to: from.get(Buf::try_get_u64_le)?,
    })
}

fn decode_instrument(from: &mut Decoder<'_>) -> Result<Instrument, DecodeError> {
    let [key, source, base, quote] = [from.text("key")?, from.text("source")?, from.text("base")?, from.text("quote")?];
    let settlement =
        from.code("settlement", |code| [Settlement::Linear, Settlement::Inverse].get(usize::from(code)).copied())?;
    let price_decimals = from.get(Buf::try_get_u8)?;
    let qty_decimals = from.get(Buf::try_get_u8)?;
    let days = |raw: i64| i32::try_from(raw).ok();
    let tick = from.optional("tick", Price::from_raw)?;
    let lot = from.optional("lot", Qty::from_raw)?;
    let multiplier = from.optional("multiplier", Qty::from_raw)?;
    let strike = from.optional("strike", Price::from_raw)?;
    let expiry_days = from.optional("expiry", days)?;
    let master_epoch_days = from.optional("master_epoch", days)?;
    let right = from.code("right", |code| {
        [None, Some(OptionRight::Call), Some(OptionRight::Put)].get(usize::from(code)).copied()
    })?;
    Ok(Instrument {
        key,
        source,
        tick,
        lot,
        multiplier,
        settlement,
        base,
        quote,
        price_decimals,
        qty_decimals,
        terms: Terms { expiry_days, strike, right },
        master_epoch_days,
    })
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
