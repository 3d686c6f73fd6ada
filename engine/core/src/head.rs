//! The whole state written down, as every tape segment begins with it: so any moment is reached from
//! the nearest head, without what came before.
//!
//! A head is a run of frames: a `Define` and a [`HEAD_KIND`] frame for each stream, in the order of
//! dense ids, and an `Attach` for each standing condition. Frames of a head have no `seq` of their own; they say how things stood before the
//! segment's first input.

use crate::bar::{Bar, BarFlags, BarSeries, INTERVALS};
use crate::book::{Book, Known, Level};
use crate::digest::Chain;
use crate::event::{Family, Side};
use crate::frame::{Frame, put_frame, put_input};
use crate::input::{DecodeError, Decoder, Input};
use crate::instrument::InstrumentId;
use crate::market::{ApplyError, Market};
use crate::price::Price;
use crate::stream::{LastTrade, Quote, Stream, StreamState};
use crate::time::Nanos;
use bytes::{Buf, BufMut};

/// The kind of a frame that holds the state of one stream.
pub const HEAD_KIND: u16 = 69;
/// Version 2 ends with whether the stream shows the best levels alone, version 3 with which series may lack trades since
/// their newest bar (a bit each); earlier ones are read.
const HEAD_VERSION: u16 = 3;

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A frame is not what its kind says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The frames do not fit together.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Appends the state of `market` at tape time `ts`.
pub fn put_head(market: &Market, ts: Nanos, out: &mut Vec<u8>) {
    for (id, stream) in market.streams() {
        let instrument = Box::new((*stream.instrument).clone());
        put_input(ts, &Input::Define { id, instrument }, out);
        put_frame(ts, (HEAD_KIND, HEAD_VERSION), out, |out| put_stream(id, stream, out));
    }
    for condition in market.conditions() {
        put_input(ts, &Input::Attach(Box::new(condition.clone())), out);
    }
}

/// Applies one frame of a head to a market that has seen only the frames before it.
///
/// # Errors
/// [`HeadError`] where the frame cannot be read or does not fit the market.
pub fn restore_frame(market: &mut Market, frame: &Frame<'_>) -> Result<(), HeadError> {
    if frame.kind != HEAD_KIND {
        match frame.input()? {
            Input::Attach(condition) => market.restore_condition(&condition)?,
            input => {
                market.apply(frame.ts, &input)?;
            }
        }
        return Ok(());
    }
    if !(1..=HEAD_VERSION).contains(&frame.version) {
        return Err(DecodeError::Unknown { kind: HEAD_KIND, version: frame.version }.into());
    }
    let mut from = Decoder { kind: HEAD_KIND, bytes: frame.bytes };
    let id = InstrumentId(from.get(Buf::try_get_u32_le)?);
    market.change(id, |stream| take_stream(stream, frame.version, &mut from))??;
    Ok(from.finish()?)
}

fn put_stream(id: InstrumentId, stream: &Stream, out: &mut Vec<u8>) {
    out.put_u32_le(id.0);
    for family in Family::ALL {
        let code = usize::from(family.code());
        out.put_u8(stream.states[code] as u8);
        put_time(stream.last_event[code], out);
        out.put_slice(&stream.chains[code].hash);
        out.put_u64_le(stream.chains[code].messages);
    }
    out.put_u8(stream.was_gapped.into());
    out.put_u8(stream.book.is_off_tick().into());
    put_sequence(stream.book_sequence, out);
    put_quote(stream.quote.as_ref(), out);
    put_trade(stream.last_trade.as_ref(), out);
    for side in Side::BOTH {
        put_side(&stream.book, side, out);
    }
    for series in &stream.bars {
        put_bars(series, out);
    }
    out.put_u8(stream.shows_best_alone.into());
    let doubts = stream.bars.iter().enumerate().map(|(bit, series)| u16::from(series.is_doubtful()) << bit);
    out.put_u16_le(doubts.sum());
}

fn take_stream(stream: &mut Stream, version: u16, from: &mut Decoder<'_>) -> Result<(), DecodeError> {
    for code in 0..Family::ALL.len() {
        stream.states[code] = from.code("state", |code| StreamState::ALL.get(usize::from(code)).copied())?;
        stream.last_event[code] = take_time(from)?;
        let mut hash = [0; 32];
        from.get(|bytes| bytes.try_copy_to_slice(&mut hash))?;
        stream.chains[code] = Chain::from_parts(hash, from.get(Buf::try_get_u64_le)?);
    }
    stream.was_gapped = take_flag(from)?;
    if take_flag(from)? {
        stream.book.lose_tick();
    }
    stream.book_sequence = take_sequence(from)?;
    stream.quote = take_quote(from)?;
    stream.last_trade = take_trade(from)?;
    for side in Side::BOTH {
        take_side(&mut stream.book, side, from)?;
    }
    for series in &mut stream.bars {
        take_bars(series, from)?;
    }
    stream.shows_best_alone = version > 1 && take_flag(from)?;
    // An earlier version did not know: its bars are taken for what they said.
    let doubts = if version > 2 { from.get(Buf::try_get_u16_le)? } else { 0 };
    for (bit, series) in stream.bars.iter_mut().enumerate() {
        series.restore_doubt(doubts >> bit & 1 == 1);
    }
    stream.note_bars_due();
    Ok(())
}

/// The lowest `i64` is no time that ever was.
fn put_time(time: Option<Nanos>, out: &mut Vec<u8>) {
    out.put_i64_le(time.map_or(i64::MIN, Nanos::raw));
}

fn take_time(from: &mut Decoder<'_>) -> Result<Option<Nanos>, DecodeError> {
    from.optional("time", |raw| Some(Nanos::new(raw)))
}

fn put_sequence(sequence: Option<u64>, out: &mut Vec<u8>) {
    out.put_u8(sequence.is_some().into());
    out.put_u64_le(sequence.unwrap_or(0));
}

fn take_sequence(from: &mut Decoder<'_>) -> Result<Option<u64>, DecodeError> {
    let is_there = take_flag(from)?;
    let sequence = from.get(Buf::try_get_u64_le)?;
    Ok(is_there.then_some(sequence))
}

fn take_flag(from: &mut Decoder<'_>) -> Result<bool, DecodeError> {
    from.code("flag", |code| [false, true].get(usize::from(code)).copied())
}

fn put_level(level: &Level, out: &mut Vec<u8>) {
    out.put_i64_le(level.price.raw());
    out.put_i64_le(level.qty.raw());
    out.put_u32_le(level.orders);
}

fn take_level(from: &mut Decoder<'_>) -> Result<Level, DecodeError> {
    Ok(Level { price: from.price("price")?, qty: from.qty("qty")?, orders: from.get(Buf::try_get_u32_le)? })
}

fn put_quote(quote: Option<&Quote>, out: &mut Vec<u8>) {
    out.put_u8(quote.is_some().into());
    if let Some(quote) = quote {
        put_level(&quote.bid, out);
        put_level(&quote.ask, out);
        put_sequence(quote.venue_sequence, out);
    }
}

fn take_quote(from: &mut Decoder<'_>) -> Result<Option<Quote>, DecodeError> {
    if !take_flag(from)? {
        return Ok(None);
    }
    Ok(Some(Quote { bid: take_level(from)?, ask: take_level(from)?, venue_sequence: take_sequence(from)? }))
}

fn put_trade(trade: Option<&LastTrade>, out: &mut Vec<u8>) {
    out.put_u8(trade.is_some().into());
    if let Some(trade) = trade {
        out.put_i64_le(trade.price.raw());
        out.put_i64_le(trade.qty.raw());
        out.put_u8(trade.side.code());
        out.put_u64_le(trade.trade_id);
        put_time(trade.venue_ts, out);
        out.put_i64_le(trade.receive_ts.raw());
    }
}

fn take_trade(from: &mut Decoder<'_>) -> Result<Option<LastTrade>, DecodeError> {
    if !take_flag(from)? {
        return Ok(None);
    }
    Ok(Some(LastTrade {
        price: from.price("price")?,
        qty: from.qty("qty")?,
        side: from.code("side", Side::from_code)?,
        trade_id: from.get(Buf::try_get_u64_le)?,
        venue_ts: take_time(from)?,
        receive_ts: from.nanos()?,
    }))
}

fn put_side(book: &Book, side: Side, out: &mut Vec<u8>) {
    let (code, price) = match book.known_to(side) {
        Known::Nothing => (0, Price::ZERO),
        Known::To(price) => (1, price),
        Known::All => (2, Price::ZERO),
    };
    out.put_u8(code);
    out.put_i64_le(price.raw());
    out.put_u32_le(book.snapshot_levels(side));
    out.put_u32_le(book.levels(side).count() as u32);
    for level in book.levels(side) {
        put_level(&level, out);
    }
}

fn take_side(book: &mut Book, side: Side, from: &mut Decoder<'_>) -> Result<(), DecodeError> {
    let code = from.get(Buf::try_get_u8)?;
    let price = from.price("known_to")?;
    let known_to = match code {
        0 => Known::Nothing,
        1 => Known::To(price),
        2 => Known::All,
        _ => return Err(from.field("known_to")),
    };
    let snapshot_levels = from.get(Buf::try_get_u32_le)?;
    let mut levels = Vec::new();
    for _ in 0..from.get(Buf::try_get_u32_le)? {
        levels.push(take_level(from)?);
    }
    book.restore(side, &levels, known_to, snapshot_levels);
    Ok(())
}

fn put_bars(series: &BarSeries, out: &mut Vec<u8>) {
    out.put_u32_le(series.iter().len() as u32);
    for bar in series.iter() {
        for raw in [bar.start.raw(), bar.open.raw(), bar.high.raw(), bar.low.raw(), bar.close.raw()] {
            out.put_i64_le(raw);
        }
        out.put_i128_le(bar.volume);
        out.put_u64_le(bar.trades);
        out.put_u32_le(bar.revision);
        out.put_u8(bar.flags.bits());
    }
}

fn take_bars(series: &mut BarSeries, from: &mut Decoder<'_>) -> Result<(), DecodeError> {
    for _ in 0..from.get(Buf::try_get_u32_le)? {
        let start = from.nanos()?;
        let [open, high, low, close] =
            [from.price("open")?, from.price("high")?, from.price("low")?, from.price("close")?];
        let volume = from.get(Buf::try_get_i128_le)?;
        let trades = from.get(Buf::try_get_u64_le)?;
        let revision = from.get(Buf::try_get_u32_le)?;
        let flags = from.code("flags", BarFlags::from_bits)?;
        series.restore(Bar { start, open, high, low, close, volume, trades, revision, flags });
    }
    Ok(())
}

// The series of a head are those of this table, in this order: a change is a new version of the frame.
const _: () = assert!(INTERVALS.len() == 9);
