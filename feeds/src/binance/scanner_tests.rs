use super::*;
use crate::binance::codec::{decode, parse};
use crate::capture::{Line, Reader};
use proptest::prelude::*;
use std::fs::File;
use std::path::Path;

proptest! {
    #[test]
    fn digits_are_counted_and_read(number in 0u64..100_000_000, width in 1usize..=8, behind in "[^0-9]{0,9}") {
        let number = number % 10u64.pow(width as u32);
        let text = format!("{number:0width$}{behind}");
        prop_assert_eq!(digits(text.as_bytes()), (width, number));
    }

    #[test]
    fn any_bytes_are_read_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let count = bytes.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
        let number = bytes[..count].iter().fold(0, |number, byte| number * 10 + u64::from(byte - b'0'));
        prop_assert_eq!(digits(&bytes), (count, number));
    }

    /// Numbers of any length, with and without a point, within the quick way and beyond it.
    #[test]
    fn decimals_are_what_the_slow_way_reads(text in "[0-9]{0,11}[.]?[0-9]{0,12}", behind in "[\"],x]{0,9}") {
        let whole = format!("{text}\"{behind}");
        let mut scanner = Scanner { rest: whole.as_bytes() };
        prop_assert_eq!(scanner.price(), Price::parse(text.as_bytes()).ok());
        let mut scanner = Scanner { rest: whole.as_bytes() };
        let qty = scanner.qty();
        prop_assert_eq!(qty, Qty::parse(text.as_bytes()).ok());
        prop_assert!(qty.is_none() || scanner.rest.starts_with(b"\""));
    }
}

#[test]
fn numbers_have_no_leading_zero_and_sixteen_digits_at_most() {
    for (text, expect) in [
        ("0,", Some(0)),
        ("7}", Some(7)),
        ("12345678,", Some(12_345_678)),
        ("1723161257465}}", Some(1_723_161_257_465)),
        ("1234567890123456,", Some(1_234_567_890_123_456)),
        ("12345678901234567,", None),
        ("01,", None),
        ("-1,", None),
        (",", None),
        ("", None),
    ] {
        assert_eq!(Scanner { rest: text.as_bytes() }.number(), expect, "{text}");
    }
}

#[test]
fn what_is_written_unusually_is_left_to_the_parser() {
    let usual = r#"{"stream":"x@trade","data":{"e":"trade","s":"X","t":1,"p":"5.5","q":"1","T":5,"m":true}}"#;
    let scanned = |text: &str| scan(text.as_bytes(), &mut Vec::new()).is_some();
    assert!(scanned(usual));
    for (from, to) in [
        (":{", ": {"),
        ("\"X\"", "\"\\u0058\""),
        ("\"X\"", "\"\u{e9}\""),
        ("\"t\":1", "\"t\":1,\"t\":1"),
        ("\"t\":1", "\"t\":1.0"),
        ("\"t\":1", "\"trade\":1"),
        ("\"5.5\"", "\"-5.5\""),
        ("}}", "}} "),
        ("}}", "},\"x\":1}"),
    ] {
        assert!(!scanned(&usual.replacen(from, to, 1)), "{from} as {to}");
    }
}

/// What the venue really sends is scanned, all but the REST snapshot, and says what the parser reads.
#[test]
fn captured_frames_are_scanned_and_say_what_the_parser_reads() {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA") else { return };
    let files = ["binance_spot/spot_btcusdt_20240808.gz", "binance_coinm/cm_btcusd_perp_20240808.gz"];
    let (mut frames, mut left) = (0u64, 0u64);
    let (mut levels, mut parsed) = (Vec::new(), Vec::new());
    for file in files {
        let mut reader = Reader::new(File::open(Path::new(&folder).join(file)).unwrap()).unwrap();
        while let Some(line) = reader.next_line().unwrap() {
            let Line::Frame { frame, .. } = line else { continue };
            assert_eq!(decode(frame, &mut levels), parse(frame, &mut parsed));
            assert_eq!(levels, parsed);
            frames += 1;
            left += u64::from(scan(frame, &mut Vec::new()).is_none());
        }
    }
    println!("{frames} captured frames: {left} left to the parser, 0 differences");
    assert!(frames > 10_000 && left <= 10, "{left} of {frames}");
}
