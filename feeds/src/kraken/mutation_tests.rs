//! Seeded damage to frames: each gives a message that its text really says, or one error.

use super::*;
use crate::cases;
use crate::catalog::Catalog;
use crate::kraken::Written;
use crate::kraken::book::ChecksumBook;
use crate::kraken::codec::decode;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// One frame of every kind, as the venue writes them; [`whole`] puts the checksums in.
const FRAMES: [&str; 10] = [
    r#"{"channel":"book","type":"snapshot","data":[{"symbol":"X","bids":[{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015}],"asks":[{"price":45285.2,"qty":0.00100000}],"checksum":0,"timestamp":"2023-10-06T17:35:55.440295Z"}]}"#,
    r#"{"channel":"book","type":"update","data":[{"symbol":"X","bids":[{"price":45283.5,"qty":0.00000000}],"asks":[],"checksum":0,"timestamp":"2023-10-06T17:35:56.440295Z"}]}"#,
    r#"{"channel":"trade","type":"update","data":[{"symbol":"X","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}"#,
    r#"{"channel":"ticker","type":"update","data":[{"symbol":"X","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148}]}"#,
    r#"{"method":"subscribe","req_id":2,"result":{"channel":"book","depth":10,"snapshot":true,"symbol":"X"},"success":true,"time_in":"2023-10-06T17:35:55.219022Z"}"#,
    r#"{"channel":"heartbeat"}"#,
    r#"[1664,{"as":[["13.284500","1396.00000000","1618678133.383209"]],"bs":[["13.264500","5.00000000","1618678133.365913"]]},"book-1000","X"]"#,
    r#"[1664,{"a":[["13.284500","1396.00000000","1618678133.383209"],["13.3","1.0","1.0","r"]],"c":"0"},"book-1000","X"]"#,
    r#"[1920,{"a":[["0.042990","364630.28272081","1618678145.920470"]]},{"b":[["0.042990","0.00000000","1618678145.920708"]],"c":"0"},"book-1000","X"]"#,
    r#"{"channelID":1664,"channelName":"book-1000","event":"subscriptionStatus","pair":"X","status":"subscribed","subscription":{"depth":1000,"name":"book"}}"#,
];

/// What damage likes to bring.
const PIECES: [&str; 17] = [
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
    "[\"1\",\"1\",\"1\"],",
    "{\"price\":1,\"qty\":1},",
    "\0",
];

fn damage(frame: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = frame.to_vec();
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

/// The frames, each with the checksum that is right after those before it.
fn whole() -> Vec<Vec<u8>> {
    let mut book = ChecksumBook::new(Depth::CHECKED);
    let mut buffers = Buffers::default();
    let with_checksum = |frame: &str| {
        if let Message::Book { is_snapshot, .. } = decode(frame.as_bytes(), &mut buffers).unwrap() {
            if is_snapshot {
                book = ChecksumBook::new(Depth::CHECKED);
            }
            book.apply(&buffers.levels);
        }
        let right = [format!(r#""checksum":{}"#, book.checksum()), format!(r#""c":"{}""#, book.checksum())];
        frame.replace(r#""checksum":0"#, &right[0]).replace(r#""c":"0""#, &right[1]).into_bytes()
    };
    FRAMES.into_iter().map(with_checksum).collect()
}

/// Synthetic frames, and those of the capture where it is there.
fn originals(test: &str) -> Vec<Vec<u8>> {
    let captured = super::capture_tests::frames(test).unwrap_or_default();
    let short = captured.into_iter().map(|(_, frame)| frame).filter(|frame| frame.len() < 1_000);
    whole().into_iter().chain(short).collect()
}

type Texts = Vec<(String, String)>;

/// A decimal text without the zeros that say nothing.
fn plain(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{}.{}", whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
}

/// The text of what the codec has read.
fn read(number: Written) -> String {
    let decimals = usize::from(number.decimals());
    let digits = format!("{:0>width$}", number.digits(), width = decimals);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    plain(&format!("{whole}.{fraction}"))
}

/// The twin's view of the levels of a book message, sorted.
fn levels_of_text(frame: &[u8]) -> Texts {
    let text = |raw: &RawValue| raw.get().trim_matches('"').to_owned();
    let pair = |price: &RawValue, qty: &RawValue| (plain(&text(price)), plain(&text(qty)));
    let mut levels = Vec::new();
    if frame.trim_ascii_start().starts_with(b"[") {
        let parts: Vec<Box<RawValue>> = serde_json::from_slice(frame).unwrap();
        for part in &parts[1..parts.len() - 2] {
            let sides: HashMap<String, Box<RawValue>> = serde_json::from_str(part.get()).unwrap();
            for (_, side) in sides.iter().filter(|(name, _)| ["a", "b", "as", "bs"].contains(&name.as_str())) {
                let side: Vec<Vec<Box<RawValue>>> = serde_json::from_str(side.get()).unwrap();
                levels.extend(side.iter().map(|level| pair(&level[0], &level[1])));
            }
        }
    } else {
        let frame: HashMap<String, Box<RawValue>> = serde_json::from_slice(frame).unwrap();
        let data: Vec<HashMap<String, Box<RawValue>>> = serde_json::from_str(frame["data"].get()).unwrap();
        for name in ["bids", "asks"] {
            let side: Vec<HashMap<String, Box<RawValue>>> = serde_json::from_str(data[0][name].get()).unwrap();
            levels.extend(side.iter().map(|level| pair(&level["price"], &level["qty"])));
        }
    }
    levels.sort_unstable();
    levels
}

fn session() -> KrakenSession {
    let mut session = KrakenSession::new(Settings::new(Version::V2));
    for symbol in ["X", "XBT/CHF", "ADA/XBT", "WAVES/EUR"] {
        session.add(symbol, InstrumentId(0), Catalog::default().kraken(symbol, Default::default()));
    }
    session.handle_open(Nanos::ZERO);
    while session.poll_action().is_some() {}
    session
}

#[test]
fn damaged_frames_give_what_their_text_says_or_one_error() {
    let count = cases::count(1_000_000, 10_000_000);
    let originals = originals("damage to captured frames");
    let mut rng = SmallRng::seed_from_u64(3);
    let mut session = session();
    let (mut out, mut buffers) = (Vec::new(), Buffers::default());
    let (mut messages, mut errors, mut books, mut live) = (0u64, 0u64, 0u64, 0u64);
    for case in 0..count {
        let now = Nanos::new(case as i64);
        if case % 1_000 == 0 {
            // A value that cannot be held has closed the book for good by now.
            session = self::session();
        }
        // Synthetic frames, each after a whole one, and captured ones by turns.
        let at = if case % 2 == 0 { case as usize / 2 % FRAMES.len() } else { rng.random_range(0..originals.len()) };
        if case % 2 == 0 {
            session.handle_message(now, Payload::Text(&originals[at]), &mut out).unwrap();
            live += out.iter().filter(|input| matches!(input, Input::Event(_))).count() as u64;
        }
        let frame = damage(&originals[(at + 1) % originals.len()], &mut rng);
        out.clear();
        let result = session.handle_message(now, Payload::Text(&frame), &mut out);
        match &result {
            Ok(()) | Err(FrameError::UnknownSymbol { .. }) => messages += 1,
            Err(FrameError::Decode(_) | FrameError::Unrepresentable { .. }) => errors += 1,
            Err(FrameError::Partial { .. }) => panic!("case {case}: no packets here"),
        }
        assert!(out.len() <= 100, "case {case}: {} inputs from one frame", out.len());
        assert!(std::iter::from_fn(|| session.poll_action()).count() <= 10, "case {case}");
        if let Ok(Message::Book { .. }) = decode(&frame, &mut buffers) {
            assert!(!matches!(result, Err(FrameError::Decode(_))), "case {case}");
            let mut got: Texts = buffers.levels.iter().map(|level| (read(level.price), read(level.qty))).collect();
            got.sort_unstable();
            assert_eq!(got, levels_of_text(&frame), "case {case}: {}", String::from_utf8_lossy(&frame));
            books += 1;
        }
    }
    assert!(messages > count / 100 && errors > count / 10, "{messages}, {errors}");
    assert!(books > count / 1_000 && live > count / 10, "{books}, {live}");
    println!(
        "{count} damaged frames of {}: {messages} messages ({books} books compared), {errors} errors, 0 misread",
        originals.len()
    );
}

#[test]
fn a_frame_that_is_cut_short_is_an_error_wherever_it_is_cut() {
    let originals = originals("cuts of captured frames");
    let mut buffers = Buffers::default();
    let mut cuts = 0u64;
    for frame in &originals {
        assert!(decode(frame, &mut buffers).is_ok(), "{}", String::from_utf8_lossy(frame));
        for end in 0..frame.len() {
            assert!(decode(&frame[..end], &mut buffers).is_err(), "{}", String::from_utf8_lossy(&frame[..end]));
            cuts += 1;
        }
    }
    println!("{cuts} cuts of {} frames: as many errors", originals.len());
}
