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

/// Reads Unix time of which venues send several units: its size tells which one. A count that can be seconds since 2001
/// is; milliseconds, microseconds and nanoseconds begin where the unit before them ends, in the year 5138. Nothing
/// lies beyond the year 2200.
pub(crate) fn epoch(count: i64) -> Option<Nanos> {
    const SECONDS_MIN: i64 = 1_000_000_000;
    const MILLIS_MIN: i64 = 100_000_000_000;
    const MICROS_MIN: i64 = 100_000_000_000_000;
    const NANOS_MIN: i64 = 100_000_000_000_000_000;
    const END: i64 = 7_258_118_400_000_000_000;
    let nanos_each = match count {
        SECONDS_MIN..MILLIS_MIN => 1_000_000_000,
        // Nobody means the day of the epoch: what is smaller stays in the usual unit.
        ..MICROS_MIN => 1_000_000,
        MICROS_MIN..NANOS_MIN => 1_000,
        NANOS_MIN.. => 1,
    };
    count.checked_mul(nanos_each).filter(|&nanos| nanos < END).map(Nanos::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_time_tells_its_unit() {
        const NOW: i64 = 1_735_689_600_123_456_789;
        for unit in [1, 1_000, 1_000_000, 1_000_000_000] {
            assert_eq!(epoch(NOW / unit), Some(Nanos::new(NOW / unit * unit)), "{unit}");
            // From 2001 to the year 2200.
            for at in [1_000_000_000_000_000_000, 4_102_444_800_000_000_000, 7_258_118_399_999_999_999] {
                assert_eq!(epoch(at / unit), Some(Nanos::new(at / unit * unit)), "{at} in {unit}");
            }
        }
        for (count, expect) in
            [(0, 0), (1, 1_000_000), (5, 5_000_000), (-1, -1_000_000), (999_999_999, 999_999_999_000_000)]
        {
            assert_eq!(epoch(count), Some(Nanos::new(expect)), "{count}");
        }
        for count in [i64::MIN, i64::MAX, 7_258_118_400, 7_258_118_400_000_000_000, 99_999_999_999_999] {
            assert_eq!(epoch(count), None, "{count}");
        }
    }

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
