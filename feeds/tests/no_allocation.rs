//! A warm session makes inputs of frames without allocating.
//!
//! A test binary of its own, as it replaces the allocator.

#![allow(clippy::unwrap_used, reason = "a test, all of it")]

#[path = "../../tests/allocations.rs"]
mod allocations;

use allocations::allocations;
use tidegate_core::{Input, InstrumentId, Nanos};
use tidegate_feeds::binance::{BinanceSession, Market};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::kite::{KiteSession, Mode};
use tidegate_feeds::{Decimals, Payload, Session};

const FRAMES: u64 = 10_000;
/// Of the first venue time, in milliseconds.
const BEGAN: u64 = 1_723_161_255_000;

/// Changes, trades and best prices in turn, numbered as the venue does.
fn binance(number: u64) -> String {
    let at = BEGAN + number;
    let cents = number % 90 + 10;
    match number % 3 {
        0 => format!(
            r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{at},"s":"BTCUSDT","U":{number},"u":{},"b":[["61737.{cents}000000","{}.00000000"],["61730.17000000","1.20000000"]],"a":[["61837.{cents}000000","1.54698000"]]}}}}"#,
            number + 2,
            number % 2
        ),
        1 => format!(
            r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{at},"s":"BTCUSDT","t":{},"p":"61737.{cents}000000","q":"0.00010000","T":{at},"m":false,"M":true}}}}"#,
            number / 3
        ),
        _ => format!(
            r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{number},"s":"BTCUSDT","b":"61737.{cents}000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}}}"#
        ),
    }
}

#[test]
fn a_warm_session_of_binance_allocates_nothing() {
    let frames: Vec<String> = (0..2 * FRAMES).map(binance).collect();
    let mut session = BinanceSession::new(Market::Spot);
    let (mut out, mut inputs) = (Vec::new(), 0);
    let instrument = Catalog::built_in().unwrap().binance(Market::Spot, "BTCUSDT", Decimals { price: 8, qty: 8 });
    session.add("BTCUSDT", InstrumentId(0), instrument);
    session.assume_subscribed("BTCUSDT", &mut out);
    let snapshot =
        r#"{"lastUpdateId":0,"bids":[["61730.00000000","1.00000000"]],"asks":[["61840.00000000","1.00000000"]]}"#;
    session
        .handle_snapshot(Nanos::from_millis(BEGAN as i64).unwrap(), "BTCUSDT", snapshot.as_bytes(), &mut out)
        .unwrap();
    while session.poll_action().is_some() {}
    let mut run = |frames: &[String], first: u64| {
        for (number, frame) in (first..).zip(frames) {
            out.clear();
            let now = Nanos::from_millis((BEGAN + number) as i64).unwrap();
            session.handle_message(now, Payload::Text(frame.as_bytes()), &mut out).unwrap();
            inputs += out.len();
            assert!(!out.iter().any(|input| matches!(input, Input::Gap(_))), "{frame}");
        }
    };
    run(&frames[..FRAMES as usize], 0);
    let allocated = allocations(|| run(&frames[FRAMES as usize..], FRAMES));
    println!("{FRAMES} frames, {inputs} inputs: {allocated} allocations");
    assert_eq!(allocated, 0);
    assert!(inputs > 2 * FRAMES as usize, "{inputs}");
}

/// A full packet of one instrument, with this price and volume.
fn kite(token: u32, number: u32) -> Vec<u8> {
    let mut words = [0u32; 46];
    (words[0], words[1], words[4]) = (token, 100_000 + number % 50, number);
    (words[11], words[15]) = (1_625_461_887, 1_625_461_887 + number);
    for row in 0..10 {
        // Quantity and price; the orders stay zero.
        (words[16 + 3 * row], words[17 + 3 * row]) =
            (5, if row < 5 { 99_999 - row as u32 } else { 100_100 + row as u32 });
    }
    let mut frame = vec![0, 1, 0, 184];
    words.iter().for_each(|word| frame.extend_from_slice(&word.to_be_bytes()));
    frame
}

#[test]
fn a_warm_session_of_kite_allocates_nothing() {
    const TOKEN: u32 = 408_065;
    let mut session = KiteSession::new(Mode::Full);
    let symbol = TOKEN.to_string();
    session.add(&symbol, InstrumentId(0), Catalog::built_in().unwrap().kite(&symbol, Decimals { price: 2, qty: 0 }));
    let frames: Vec<Vec<u8>> = (0..2 * FRAMES as u32).map(|number| kite(TOKEN, number)).collect();
    let (mut out, mut inputs) = (Vec::new(), 0);
    let mut run = |frames: &[Vec<u8>]| {
        for frame in frames {
            out.clear();
            let at = u32::from_be_bytes([frame[64], frame[65], frame[66], frame[67]]);
            let now = Nanos::from_millis(i64::from(at) * 1_000).unwrap();
            session.handle_message(now, Payload::Binary(frame), &mut out).unwrap();
            inputs += out.len();
        }
    };
    run(&frames[..FRAMES as usize]);
    let allocated = allocations(|| run(&frames[FRAMES as usize..]));
    println!("{FRAMES} packets, {inputs} inputs: {allocated} allocations");
    assert_eq!(allocated, 0);
    assert!(inputs > 30 * FRAMES as usize, "{inputs}");
}
