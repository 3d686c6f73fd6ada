//! Seeded damage to frames: each gives a message that its text really says, or one error.

use super::*;
use crate::Decimals;
use crate::binance::codec::{decode, parse};
use crate::binance::scanner::scan;
use crate::cases;
use crate::catalog::Catalog;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::BTreeSet;

/// One frame of every kind, as the venue writes them.
const FRAMES: [&str; 6] = [
    r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"X","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["61730.17000000","1.20000000"]],"a":[["61837.64000000","1.54698000"]]}}"#,
    r#"{"stream":"btcusd_perp@depth@0ms","data":{"e":"depthUpdate","E":1723161257440,"T":1723161257432,"s":"X","ps":"XUSD","U":1007198631260,"u":1007198631565,"pu":1007198631198,"b":[["61773.6","1001"]],"a":[["61801.4","0"]]}}"#,
    r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"X","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255208,"s":"X","t":3719304856,"p":"61837.64000000","q":"0.00010000","T":1723161255207,"m":false,"M":true}}"#,
    r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161255208,"s":"X","a":3103413254,"p":"61837.64000000","q":"0.00010000","f":1,"l":2,"T":1723161255207,"m":true,"M":true}}"#,
    r#"{"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"],["61837.62000000","0.61700000"]],"asks":[["61837.64000000","1.54698000"]]}"#,
];

/// What damage likes to bring.
const PIECES: [&str; 16] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "-",
    "e9",
    "null",
    "99999999999999999999",
    "0.0000000001",
    "\\u0030",
    "\u{e9}",
    "[[\"1\",\"1\"]],",
    "\0",
];

fn damage(frame: &str, rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = frame.as_bytes().to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 12));
        match rng.random_range(0..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..end, PIECES[rng.random_range(0..PIECES.len())].bytes())),
            3 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
    bytes
}

/// The twin's view of the levels: the texts of a depth message or snapshot, bids first.
fn levels_of_text(frame: &[u8]) -> Option<Vec<(String, String)>> {
    let value: Value = serde_json::from_slice(frame).ok()?;
    let data = value.get("data").unwrap_or(&value);
    let side = |names: [&str; 2]| names.iter().find_map(|name| data.get(name)?.as_array().cloned());
    let both = [side(["b", "bids"])?, side(["a", "asks"])?].concat();
    both.iter().map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()))).collect()
}

/// A decimal text as an integer of 10⁻²⁰, by other means than the codec's.
fn wide(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !whole.is_empty() && !fraction.is_empty();
    let fraction = fraction.trim_end_matches('0');
    if is_number && fraction.len() <= 20 { format!("{whole}{fraction:0<20}").parse().ok() } else { None }
}

#[test]
fn damaged_frames_give_what_their_text_says_or_one_error() {
    let count = cases::count(1_000_000, 10_000_000);
    let mut rng = SmallRng::seed_from_u64(3);
    let mut session = BinanceSession::new(Market::Spot);
    let mut out = Vec::new();
    session.add("X", InstrumentId(0), Catalog::default().binance(Market::Spot, "X", Decimals::default()));
    session.assume_subscribed("X", &mut out);
    let (mut levels, mut parsed) = (Vec::new(), Vec::new());
    let (mut messages, mut errors, mut scanned) = (0u64, 0u64, 0u64);
    for case in 0..count {
        let frame = damage(FRAMES[case as usize % FRAMES.len()], &mut rng);
        out.clear();
        let result = session.handle_message(Nanos::new(case as i64), Payload::Text(&frame), &mut out);
        match &result {
            Ok(()) | Err(FrameError::UnknownSymbol { .. }) => messages += 1,
            Err(FrameError::Decode(_) | FrameError::Unrepresentable { .. }) => errors += 1,
            Err(FrameError::Partial { .. }) => panic!("case {case}: no packets here"),
        }
        let fast = decode(&frame, &mut levels);
        assert_eq!(fast, parse(&frame, &mut parsed), "case {case}: {}", String::from_utf8_lossy(&frame));
        assert!(fast.is_err() || levels == parsed, "case {case}: {}", String::from_utf8_lossy(&frame));
        scanned += u64::from(scan(&frame, &mut Vec::new()).is_some());
        assert!(out.len() <= 100_000, "case {case}: {} inputs from one frame", out.len());
        if let Ok(Message::Depth { .. } | Message::Snapshot { .. }) = fast {
            assert!(result.is_ok() || matches!(result, Err(FrameError::UnknownSymbol { .. })), "case {case}");
            let texts = levels_of_text(&frame).unwrap_or_else(|| panic!("case {case}: not JSON of this shape"));
            let said: Option<BTreeSet<_>> = texts.iter().map(|(price, qty)| Some((wide(price)?, wide(qty)?))).collect();
            let wider = |raw: i64, decimals: u32| i128::from(raw) * 10i128.pow(20 - decimals);
            let got = levels.iter().map(|level| (wider(level.price.raw(), 9), wider(level.qty.raw(), 8))).collect();
            assert_eq!(said, Some(got), "case {case}: {}", String::from_utf8_lossy(&frame));
            assert_eq!(texts.len(), levels.len(), "case {case}");
        }
    }
    assert!(messages > count / 100 && errors > count / 10, "{messages} messages, {errors} errors");
    assert!(scanned > count / 100 && scanned < messages, "{scanned} scanned");
    println!("{count} damaged frames: {messages} messages ({scanned} scanned), {errors} errors, 0 misread");
}
