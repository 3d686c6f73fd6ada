//! Binance's JSON as the venue writes it: without blanks or escapes, under keys that are known.
//!
//! Whatever is written otherwise is left to the parser that knows all of JSON, and all that can be wrong: what is
//! read here, is read there alike.

use super::codec::{DepthFields, FRAME_BYTES_MAX, Fields, Kind, LEVELS_MAX, TickerFields, TradeFields};
use crate::wire::{Decimals, WireLevel};
use tidegate_core::{Parsed, Price, Qty, Side};

/// Powers of ten that an `i64` holds.
const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// The fields of a message of a combined stream; `None` where it is not written as usual. The levels of a depth
/// message are appended to `levels`, also where it ends in `None`.
pub(super) fn scan<'a>(frame: &'a [u8], levels: &mut Vec<WireLevel>) -> Option<Fields<'a>> {
    if frame.len() > FRAME_BYTES_MAX {
        return None;
    }
    let mut scanner = Scanner { rest: frame };
    scanner.eat(b"{\"stream\":\"")?;
    let kind = Kind::of(scanner.text()?)?;
    scanner.eat(b",\"data\":")?;
    let fields = match kind {
        Kind::Depth => scanner.depth(levels).map(Fields::Depth),
        Kind::Ticker => scanner.ticker().map(Fields::Ticker),
        Kind::Trade(stream) => scanner.trade().map(|fields| Fields::Trade(stream, fields)),
        Kind::Snapshot => None,
    }?;
    scanner.eat(b"}")?;
    scanner.rest.is_empty().then_some(fields)
}

/// What has not been read yet.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    #[inline(always)]
    fn eat(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Reads an object; `field` reads the value of each key.
    #[inline]
    fn object(&mut self, mut field: impl FnMut(&mut Scanner<'a>, &'a [u8]) -> Option<()>) -> Option<()> {
        self.eat(b"{\"")?;
        loop {
            // No key is longer than two letters.
            let length = if *self.rest.get(1)? == b'"' { 1 } else { 2 };
            let (key, rest) = self.rest.split_at_checked(length)?;
            self.rest = rest;
            self.eat(b"\":")?;
            field(self, key)?;
            let (&next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => self.eat(b"\"")?,
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn depth(&mut self, levels: &mut Vec<WireLevel>) -> Option<DepthFields<'a>> {
        let mut fields = DepthFields::default();
        let mut sides = [false; 2];
        self.object(|scanner, key| match key {
            b"e" | b"ps" => scanner.quoted().map(drop),
            b"s" => once(&mut fields.symbol, scanner.quoted()?),
            b"U" => once(&mut fields.first, scanner.number()?),
            b"u" => once(&mut fields.last, scanner.number()?),
            b"pu" => once(&mut fields.previous, scanner.number()?),
            b"E" => once(&mut fields.sent, scanner.number()?.try_into().ok()?),
            b"T" => once(&mut fields.made, scanner.number()?.try_into().ok()?),
            b"b" | b"a" => {
                let side = if key == b"b" { Side::Bid } else { Side::Ask };
                let is_repeated = std::mem::replace(&mut sides[usize::from(side.code())], true);
                scanner.levels(side, levels, &mut fields.decimals).filter(|()| !is_repeated)
            }
            _ => None,
        })?;
        (sides == [true; 2]).then_some(fields)
    }

    fn ticker(&mut self) -> Option<TickerFields<'a>> {
        let (mut symbol, mut last, mut time) = (None, None, None);
        let (mut prices, mut qtys) = ([None; 2], [None; 2]);
        self.object(|scanner, key| match key {
            b"e" | b"ps" => scanner.quoted().map(drop),
            b"E" => scanner.number().map(drop),
            b"s" => once(&mut symbol, scanner.quoted()?),
            b"u" => once(&mut last, scanner.number()?),
            b"T" => once(&mut time, scanner.number()?.try_into().ok()?),
            b"b" => once(&mut prices[0], scanner.quoted_price()?),
            b"a" => once(&mut prices[1], scanner.quoted_price()?),
            b"B" => once(&mut qtys[0], scanner.quoted_qty()?),
            b"A" => once(&mut qtys[1], scanner.quoted_qty()?),
            _ => None,
        })?;
        let mut decimals = Decimals::default();
        let mut level = |side: Side| {
            let at = usize::from(side.code());
            Some(wire_level(side, prices[at]?, qtys[at]?, &mut decimals))
        };
        let (bid, ask) = (level(Side::Bid)?, level(Side::Ask)?);
        Some(TickerFields { symbol: symbol?, last: last?, time, bid, ask, decimals })
    }

    fn trade(&mut self) -> Option<TradeFields<'a>> {
        let (mut symbol, mut trade, mut aggregate, mut time) = (None, None, None, None);
        let (mut price, mut qty, mut is_buyer_maker, mut kind) = (None, None, None, None);
        self.object(|scanner, key| match key {
            b"e" => scanner.quoted().map(drop),
            b"E" | b"f" | b"l" => scanner.number().map(drop),
            b"M" => scanner.truth().map(drop),
            b"s" => once(&mut symbol, scanner.quoted()?),
            b"X" => once(&mut kind, scanner.quoted()?),
            b"t" => once(&mut trade, scanner.number()?),
            b"a" => once(&mut aggregate, scanner.number()?),
            b"T" => once(&mut time, scanner.number()?.try_into().ok()?),
            b"m" => once(&mut is_buyer_maker, scanner.truth()?),
            b"p" => once(&mut price, scanner.quoted_price()?),
            b"q" => once(&mut qty, scanner.quoted_qty()?),
            _ => None,
        })?;
        let (price, qty): (Parsed<Price>, Parsed<Qty>) = (price?, qty?);
        Some(TradeFields {
            symbol: symbol?,
            trade,
            aggregate,
            time: time?,
            price: price.value,
            qty: qty.value,
            is_buyer_maker: is_buyer_maker?,
            kind,
            decimals: Decimals { price: price.decimals, qty: qty.decimals },
        })
    }

    #[inline(always)]
    fn levels(&mut self, side: Side, levels: &mut Vec<WireLevel>, decimals: &mut Decimals) -> Option<()> {
        self.eat(b"[")?;
        if self.eat(b"]").is_some() {
            return Some(());
        }
        loop {
            self.eat(b"[\"")?;
            let price = self.price()?;
            self.eat(b"\",\"")?;
            let qty = self.qty()?;
            self.eat(b"\"]")?;
            if levels.len() >= LEVELS_MAX {
                return None;
            }
            levels.push(wire_level(side, price, qty, decimals));
            let (&next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn truth(&mut self) -> Option<bool> {
        let truth = self.eat(b"true").map(|()| true);
        truth.or_else(|| self.eat(b"false").map(|()| false))
    }

    fn quoted(&mut self) -> Option<&'a str> {
        self.eat(b"\"")?;
        self.text()
    }

    fn quoted_price(&mut self) -> Option<Parsed<Price>> {
        self.eat(b"\"")?;
        let price = self.price()?;
        self.eat(b"\"")?;
        Some(price)
    }

    fn quoted_qty(&mut self) -> Option<Parsed<Qty>> {
        self.eat(b"\"")?;
        let qty = self.qty()?;
        self.eat(b"\"")?;
        Some(qty)
    }

    /// A text up to its closing quote, which is read too. An escape or anything but printable ASCII is unusual.
    fn text(&mut self) -> Option<&'a str> {
        let is_usual = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\';
        let length = self.rest.iter().position(|&byte| byte == b'"' || !is_usual(byte))?;
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.eat(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// A whole number below 10¹⁶, without a leading zero.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (count, high) = digits(self.rest);
        let starts_with_zero = self.rest.first() == Some(&b'0') && count > 1;
        self.rest = &self.rest[count..];
        if count < 8 {
            return (count > 0 && !starts_with_zero).then_some(high);
        }
        let (count, low) = digits(self.rest);
        self.rest = &self.rest[count..];
        let is_longer = count == 8 && self.rest.first()?.is_ascii_digit();
        (!starts_with_zero && !is_longer).then_some(high * POWERS[count] as u64 + low)
    }

    #[inline(always)]
    fn price(&mut self) -> Option<Parsed<Price>> {
        let before = self.rest;
        let fast = self.decimal(Price::SCALE);
        let fast = fast.and_then(|(raw, decimals)| Some(Parsed { value: Price::from_raw(raw)?, decimals }));
        fast.or_else(|| Price::parse(self.number_text(before)?).ok().filter(|price| price.value >= Price::ZERO))
    }

    #[inline(always)]
    fn qty(&mut self) -> Option<Parsed<Qty>> {
        let before = self.rest;
        let fast = self.decimal(Qty::SCALE);
        let fast = fast.and_then(|(raw, decimals)| Some(Parsed { value: Qty::from_raw(raw)?, decimals }));
        fast.or_else(|| Qty::parse(self.number_text(before)?).ok().filter(|qty| qty.value >= Qty::ZERO))
    }

    /// A decimal number up to its closing quote, in units of `10^-scale`, and how many decimals are written; at most
    /// eight digits on either side of the point.
    #[inline(always)]
    fn decimal(&mut self, scale: u8) -> Option<(i64, u8)> {
        let (count, whole) = digits(self.rest);
        let next = *self.rest.get(count)?;
        self.rest = &self.rest[count..];
        let whole = whole as i64 * POWERS[usize::from(scale)];
        if count == 0 || next == b'"' {
            return (count > 0).then_some((whole, 0));
        }
        self.eat(b".")?;
        let (count, fraction) = digits(self.rest);
        self.rest = &self.rest[count..];
        if count == 0 || *self.rest.first()? != b'"' {
            return None;
        }
        Some((whole + fraction as i64 * POWERS[usize::from(scale) - count], count as u8))
    }

    /// The text from `before` up to the closing quote.
    #[cold]
    fn number_text(&mut self, before: &'a [u8]) -> Option<&'a [u8]> {
        let (text, rest) = before.split_at(before.iter().position(|&byte| byte == b'"')?);
        self.rest = rest;
        Some(text)
    }
}

/// Takes a field's value; `None` where it had one.
#[inline]
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// A level, whose decimals are added to those seen.
#[inline]
pub(super) fn wire_level(side: Side, price: Parsed<Price>, qty: Parsed<Qty>, decimals: &mut Decimals) -> WireLevel {
    *decimals = decimals.max(Decimals { price: price.decimals, qty: qty.decimals });
    WireLevel { side, price: price.value, qty: qty.value }
}

/// How many of the next eight bytes are digits, and the number that they are.
///
/// All eight are looked at in one word: D. Lemire, "Quickly parsing eight digits", 2018.
#[inline(always)]
fn digits(bytes: &[u8]) -> (usize, u64) {
    let word = bytes.first_chunk().map_or_else(|| last_word(bytes), |chunk| u64::from_le_bytes(*chunk));
    let values = word ^ 0x3030_3030_3030_3030;
    // The high bit of a byte is set from the first one on that is no digit; behind it, carries may set any.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() / 8;
    // The digits move to the end of the word, and zeros stand before them.
    let values = values.unbounded_shl(64 - 8 * count);
    let pairs = values.wrapping_mul(2_561) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(6_553_601) >> 16 & 0x0000_ffff_0000_ffff;
    (count as usize, fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Fewer than eight bytes, and nothing behind them.
#[cold]
fn last_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
#[path = "scanner_tests.rs"]
mod tests;
