//! A decimal as the venue wrote it: its digits, and where the point stands.

use tidegate_core::{NumberError, Price, Qty};

/// Most decimals that are read; the venue writes ten.
const DECIMALS_MAX: u8 = 18;

/// A decimal text without its sign, point and leading zeros. It reaches further than a [`Price`]: far from the
/// touch stand orders at prices that nobody means, and they belong to the book that a checksum is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    digits: u64,
    decimals: u8,
}

impl Written {
    /// Reads `digits[.digits]`.
    ///
    /// # Errors
    /// [`NumberError`] where the text is no such number, or longer than an order book needs.
    pub fn parse(text: &[u8]) -> Result<Written, NumberError> {
        let point = text.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = point.map_or((text, &[][..]), |at| (&text[..at], &text[at + 1..]));
        if whole.is_empty() || (point.is_some() && fraction.is_empty()) {
            return Err(NumberError::Malformed);
        }
        let mut digits = 0u64;
        for &byte in whole.iter().chain(fraction) {
            if !byte.is_ascii_digit() {
                return Err(NumberError::Malformed);
            }
            digits = digits
                .checked_mul(10)
                .and_then(|digits| digits.checked_add(u64::from(byte - b'0')))
                .ok_or(NumberError::OutOfRange)?;
        }
        match u8::try_from(fraction.len()) {
            Ok(decimals) if decimals <= DECIMALS_MAX => Ok(Written { digits, decimals }),
            _ => Err(NumberError::TooPrecise),
        }
    }

    /// The digits without leading zeros, as a number; zero for zero.
    pub const fn digits(self) -> u64 {
        self.digits
    }

    /// Digits after the point, trailing zeros included.
    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// Orders by value, whatever decimals were written.
    pub const fn rank(self) -> i128 {
        self.digits as i128 * 10i128.pow((DECIMALS_MAX - self.decimals) as u32)
    }

    /// The price.
    ///
    /// # Errors
    /// [`NumberError`] where it is none that the engine can hold.
    pub fn price(self) -> Result<Price, NumberError> {
        Price::from_raw(self.scaled(Price::SCALE)?).ok_or(NumberError::OutOfRange)
    }

    /// The quantity.
    ///
    /// # Errors
    /// [`NumberError`] where it is none that the engine can hold.
    pub fn qty(self) -> Result<Qty, NumberError> {
        Qty::from_raw(self.scaled(Qty::SCALE)?).ok_or(NumberError::OutOfRange)
    }

    fn scaled(self, scale: u8) -> Result<i64, NumberError> {
        let raw = match scale.checked_sub(self.decimals) {
            Some(missing) => self.digits.checked_mul(10u64.pow(u32::from(missing))).ok_or(NumberError::OutOfRange)?,
            None => {
                let unit = 10u64.pow(u32::from(self.decimals - scale));
                if !self.digits.is_multiple_of(unit) {
                    return Err(NumberError::TooPrecise);
                }
                self.digits / unit
            }
        };
        i64::try_from(raw).map_err(|_| NumberError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_price_that_nobody_means_is_read_and_is_no_price() {
        let joke = Written::parse(b"9999999997.00000").unwrap();
        assert_eq!((joke.digits(), joke.decimals()), (999_999_999_700_000, 5));
        assert_eq!(joke.price(), Err(NumberError::OutOfRange));
        assert_eq!(Written::parse(b"99999999999999999999"), Err(NumberError::OutOfRange));
        assert_eq!(Written::parse(b"0.0000000000000000000"), Err(NumberError::TooPrecise));
        for text in ["", ".", "1.", ".5", "-1", "1e5", "+1", " 1", "1.2.3", "null", "\"1\""] {
            assert_eq!(Written::parse(text.as_bytes()), Err(NumberError::Malformed), "{text}");
        }
    }

    proptest! {
        /// Where the engine's own reading holds a value, this one holds the same.
        #[test]
        fn it_reads_what_the_engine_reads(whole in 0u64..20_000_000_000, fraction in "[0-9]{0,9}0{0,3}") {
            let text = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let Ok(written) = Written::parse(text.as_bytes()) else {
                prop_assert!(text.len() > 20);
                return Ok(());
            };
            prop_assert_eq!(written.price().ok(), Price::parse(text.as_bytes()).map(|it| it.value).ok());
            prop_assert_eq!(written.qty().ok(), Qty::parse(text.as_bytes()).map(|it| it.value).ok());
            prop_assert_eq!(usize::from(written.decimals()), fraction.len());
            let digits = text.replace('.', "");
            let digits = digits.trim_start_matches('0');
            prop_assert_eq!(written.digits().to_string(), if digits.is_empty() { "0" } else { digits });
        }
    }
}
