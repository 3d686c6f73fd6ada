//! Prices, quantities and their products, as integers at one fixed scale each.
//!
//! One scale for all instruments means that columns and sums need no lookup, and 18 digits are what
//! Parquet stores as a plain `INT64` decimal. The cost is a range: see [`RAW_LIMIT`].

use std::fmt;

/// Every raw price and quantity satisfies `|raw| < RAW_LIMIT`: the reach of `Decimal(18, _)`.
pub const RAW_LIMIT: i64 = 1_000_000_000_000_000_000;

/// Why a decimal text is not a [`Price`] or a [`Qty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not `-?digits[.digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// A non-zero digit lies beyond the scale.
    #[error("more decimals than the scale holds")]
    TooPrecise,
    /// The value is not below [`RAW_LIMIT`].
    #[error("value out of range")]
    OutOfRange,
}

impl NumberError {
    /// True where the number is a real one that this engine cannot hold: the stream must be closed
    /// rather than the message dropped.
    pub fn is_unrepresentable(self) -> bool {
        !matches!(self, NumberError::Malformed)
    }
}

/// A decimal text turned into an integer, with the number of decimals that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The value.
    pub value: T,
    /// Digits after the point, trailing zeros included.
    pub decimals: u8,
}

/// Parses `-?digits[.digits]` to units of `10^-scale`, without passing through a float.
fn parse(text: &[u8], scale: u8) -> Result<Parsed<i64>, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let point = digits.iter().position(|&b| b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() || (point.is_some() && fraction.is_empty()) || fraction.len() > 64 {
        return Err(NumberError::Malformed);
    }
    let mut raw: i64 = 0;
    for &byte in whole.iter().chain(fraction.iter().take(usize::from(scale))) {
        raw = push_digit(raw, byte)?;
    }
    for &byte in fraction.iter().skip(usize::from(scale)) {
        match byte {
            b'0' => {}
            b'1'..=b'9' => return Err(NumberError::TooPrecise),
            _ => return Err(NumberError::Malformed),
        }
    }
    for _ in fraction.len()..usize::from(scale) {
        raw = push_digit(raw, b'0')?;
    }
    let value = if negative { -raw } else { raw };
    Ok(Parsed { value, decimals: fraction.len() as u8 })
}

fn push_digit(raw: i64, byte: u8) -> Result<i64, NumberError> {
    if !byte.is_ascii_digit() {
        return Err(NumberError::Malformed);
    }
    raw.checked_mul(10)
        .and_then(|raw| raw.checked_add(i64::from(byte - b'0')))
        .filter(|&raw| raw < RAW_LIMIT)
        .ok_or(NumberError::OutOfRange)
}

/// Writes `raw · 10^-scale` with at least `decimals` digits after the point, and more where the
/// value has more: printing never rounds.
fn print(f: &mut fmt::Formatter<'_>, raw: i64, scale: u8, decimals: u8) -> fmt::Result {
    let unit = 10u64.pow(u32::from(scale));
    let (whole, fraction) = (raw.unsigned_abs() / unit, raw.unsigned_abs() % unit);
    let digits = format!("{fraction:0width$}", width = usize::from(scale));
    let significant = digits.trim_end_matches('0').len();
    let shown = usize::from(decimals.min(scale)).max(significant);
    let sign = if raw < 0 { "-" } else { "" };
    write!(f, "{sign}{whole}")?;
    if shown > 0 {
        write!(f, ".{}", &digits[..shown])?;
    }
    // A venue that writes more decimals than the scale can only have written zeros there.
    let padding = usize::from(decimals.saturating_sub(scale));
    write!(f, "{:0<padding$}", "")
}

macro_rules! fixed_point {
    ($name:ident, $scale:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Decimals of the scale.
            pub const SCALE: u8 = $scale;
            /// Zero.
            pub const ZERO: $name = $name(0);

            /// Wraps a raw value; `None` unless `|raw| < RAW_LIMIT`.
            pub const fn from_raw(raw: i64) -> Option<$name> {
                if -RAW_LIMIT < raw && raw < RAW_LIMIT { Some($name(raw)) } else { None }
            }

            /// The value in units of the scale.
            pub const fn raw(self) -> i64 {
                self.0
            }

            /// Parses a venue's decimal text.
            ///
            /// # Errors
            /// [`NumberError`] where the text is no decimal number or does not fit the scale.
            pub fn parse(text: &[u8]) -> Result<Parsed<$name>, NumberError> {
                let Parsed { value, decimals } = parse(text, $scale)?;
                Ok(Parsed { value: $name(value), decimals })
            }

            /// Shows the value with `decimals` digits after the point, as its venue writes it.
            pub fn display(self, decimals: u8) -> impl fmt::Display {
                Shown { raw: self.0, scale: $scale, decimals }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(f, self.0, $scale, 0)
            }
        }
    };
}

fixed_point!(Price, 9, "A price in units of 10⁻⁹ of the quote currency.");
fixed_point!(Qty, 8, "A quantity in units of 10⁻⁸: of the base currency, of shares, or of contracts.");

struct Shown {
    raw: i64,
    scale: u8,
    decimals: u8,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.raw, self.scale, self.decimals)
    }
}

/// A worth in units of 10⁻¹⁷ of a currency: the product of a [`Price`] and a [`Qty`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Notional(i128);

impl Notional {
    /// Decimals of the scale.
    pub const SCALE: u8 = Price::SCALE + Qty::SCALE;

    /// Wraps a raw value.
    pub const fn from_raw(raw: i128) -> Notional {
        Notional(raw)
    }

    /// The value in units of 10⁻¹⁷.
    pub const fn raw(self) -> i128 {
        self.0
    }
}

impl Price {
    /// The price with a raw value that a price has had before, or its negative: the range is symmetric.
    pub(crate) const fn from_known_raw(raw: i64) -> Price {
        debug_assert!(-RAW_LIMIT < raw && raw < RAW_LIMIT);
        Price(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(i64, u8), NumberError>) {
        let got = Price::parse(text.as_bytes()).map(|p| (p.value.raw(), p.decimals));
        assert_eq!(got, expect, "{text:?}");
    }

    #[test]
    fn reads_what_venues_write_and_nothing_else() {
        check("61602.01000000", Ok((61_602_010_000_000, 8)));
        check("0.000000001", Ok((1, 9)));
        check("61600", Ok((61_600_000_000_000, 0)));
        check("-0.5", Ok((-500_000_000, 1)));
        check("1.0000000000", Ok((1_000_000_000, 10)));
        check("999999999.999999999", Ok((999_999_999_999_999_999, 9)));
        check("1000000000", Err(NumberError::OutOfRange));
        check("99999999999999999999999999", Err(NumberError::OutOfRange));
        check("0.0000000001", Err(NumberError::TooPrecise));
        for text in ["", "-", ".", "1.", ".5", "1e5", "+1", " 1", "1 ", "0x1", "1.2.3", "NaN", "--1", "1_0", "१"] {
            check(text, Err(NumberError::Malformed));
        }
    }

    #[test]
    fn decimals_are_counted_up_to_sixty_four() {
        let zeros = |count: usize| format!("1.{}", "0".repeat(count));
        check(&zeros(64), Ok((1_000_000_000, 64)));
        check(&zeros(65), Err(NumberError::Malformed));
        check(&zeros(300), Err(NumberError::Malformed));
    }

    #[test]
    fn only_a_real_number_closes_a_stream() {
        let closes = [NumberError::Malformed, NumberError::TooPrecise, NumberError::OutOfRange]
            .map(NumberError::is_unrepresentable);
        assert_eq!(closes, [false, true, true]);
    }

    #[test]
    fn a_quantity_keeps_eight_decimals() {
        assert_eq!(Qty::parse(b"1.67177").unwrap().value.raw(), 167_177_000);
        assert_eq!(Qty::parse(b"0.000000001"), Err(NumberError::TooPrecise));
    }

    #[test]
    fn shows_the_digits_of_the_venue_and_never_rounds() {
        let price = Price::parse(b"61602.01").unwrap().value;
        assert_eq!(price.display(8).to_string(), "61602.01000000");
        assert_eq!(price.display(2).to_string(), "61602.01");
        assert_eq!(price.display(0).to_string(), "61602.01", "decimals that exist are shown");
        assert_eq!(price.display(12).to_string(), "61602.010000000000");
        assert_eq!(price.to_string(), "61602.01");
        assert_eq!(Qty::from_raw(2_700_000_000).unwrap().display(0).to_string(), "27");
        assert_eq!(Price::from_raw(-1).unwrap().to_string(), "-0.000000001");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_was_read(raw in -RAW_LIMIT + 1..RAW_LIMIT, decimals in 0u8..12) {
            let price = Price::from_raw(raw).unwrap();
            let text = price.display(decimals).to_string();
            let parsed = Price::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(parsed.value, price);
            prop_assert!(parsed.decimals >= decimals);
        }

        #[test]
        fn reading_agrees_with_wide_integers(whole in 0u64..2_000_000_000, fraction in "[0-9]{0,11}") {
            let text = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let wide: i128 = format!("{whole}{fraction:0<11}").parse().unwrap();
            let expect = if i128::from(whole) >= 1_000_000_000 {
                Err(NumberError::OutOfRange)
            } else if wide % 100 != 0 {
                Err(NumberError::TooPrecise)
            } else {
                Ok((wide / 100) as i64)
            };
            prop_assert_eq!(Price::parse(text.as_bytes()).map(|p| p.value.raw()), expect);
        }

        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Qty::parse(&bytes);
        }
    }
}
