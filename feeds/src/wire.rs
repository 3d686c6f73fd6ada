//! What the codecs of all venues share.

use tidegate_core::{Nanos, Price, Qty, Side};

/// Most decimals written in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decimals {
    /// Of its prices.
    pub price: u8,
    /// Of its quantities.
    pub qty: u8,
}

impl Decimals {
    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Decimals) -> Decimals {
        Decimals { price: self.price.max(other.price), qty: self.qty.max(other.qty) }
    }
}

/// One level as the venue sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLevel {
    /// Which side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Absolute quantity; zero removes the level.
    pub qty: Qty,
}

/// Reads Unix time as `seconds[.fraction]`, of at most nine decimals.
pub(crate) fn seconds(text: &[u8]) -> Option<Nanos> {
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b"0"[..]),
    };
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let padding = std::iter::repeat_n(&b'0', 9 - fraction.len());
    let digits = whole.iter().chain(fraction).chain(padding);
    let ns = digits.into_iter().try_fold(0i64, |ns, &byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        ns.checked_mul(10)?.checked_add(digit)
    });
    ns.map(Nanos::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_to_the_nanosecond_and_never_rounded() {
        for (text, expect) in [
            ("1618678132.8258188", Some(1_618_678_132_825_818_800)),
            ("1618678132", Some(1_618_678_132_000_000_000)),
            ("0.000000001", Some(1)),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("1.0000000001", None),
        ] {
            assert_eq!(seconds(text.as_bytes()).map(Nanos::raw), expect, "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "1e5", "1.2.3", " 1", "99999999999"] {
            assert_eq!(seconds(text.as_bytes()), None, "{text}");
        }
    }
}
