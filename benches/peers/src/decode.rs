//! A captured depth message of Binance from its text to integers.

use crate::rounds::{Contender, Table, compare, timed};
use benches::captures::{Binance, Frame};
use benches::steps;
use serde::Deserialize;
use tidegate_core::{Price, Qty};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Depth<'a>,
}

#[expect(dead_code, reason = "what a reader of the message needs, though the sum leaves some out")]
#[derive(Deserialize)]
struct Depth<'a> {
    #[serde(rename = "E")]
    time: i64,
    #[serde(borrow)]
    s: &'a str,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

/// A decimal text in units of `10^-scale`, with as little care as it takes.
fn fixed(text: &str, scale: u8) -> i64 {
    let (mut raw, mut decimals, mut is_fraction) = (0i64, 0, false);
    for byte in text.bytes() {
        if byte == b'.' {
            is_fraction = true;
        } else {
            raw = raw * 10 + i64::from(byte - b'0');
            decimals += u8::from(is_fraction);
        }
    }
    raw * 10i64.pow(u32::from(scale - decimals))
}

fn sum(depth: &Depth<'_>) -> i64 {
    let levels = depth.b.iter().chain(&depth.a);
    levels.fold(depth.u as i64, |sum, [price, qty]| {
        sum.wrapping_add(fixed(price, Price::SCALE)).wrapping_add(fixed(qty, Qty::SCALE))
    })
}

fn total<'a>(frames: &'a [Frame], decode: impl FnMut(&'a Frame) -> i64) -> i64 {
    frames.iter().map(decode).fold(0, i64::wrapping_add)
}

/// Whoever decodes a message must know that it is text.
fn text(frame: &Frame) -> &str {
    std::str::from_utf8(&frame.1).expect("text")
}

/// The comparison on all depth messages of the spot capture.
pub fn measure() -> Option<Table> {
    let is_depth = |text: &[u8]| text[..40.min(text.len())].windows(6).any(|at| at == b"@depth");
    let mut frames = Binance::Spot.frames(usize::MAX)?;
    frames.retain(|(_, text)| is_depth(text));
    let bytes: usize = frames.iter().map(|(_, text)| text.len()).sum();
    let (mut levels, mut copy, mut buffers) = (Vec::new(), Vec::new(), simd_json::Buffers::new(4_096));
    let serde = |frame: &Frame| sum(&serde_json::from_str::<Envelope<'_>>(text(frame)).expect("a depth").data);
    let sonic = |frame: &Frame| sum(&sonic_rs::from_str::<Envelope<'_>>(text(frame)).expect("a depth").data);
    let mut simd = |frame: &Frame| {
        copy.clone_from(&frame.1);
        let read = simd_json::serde::from_slice_with_buffers::<Envelope<'_>>(&mut copy, &mut buffers);
        sum(&read.expect("a depth").data)
    };
    let contenders: Vec<Contender<'_>> = vec![
        Contender { name: "Tidegate decode", run: Box::new(|| timed(|| steps::decode_binance(&frames, &mut levels))) },
        Contender { name: "serde_json", run: Box::new(|| timed(|| total(&frames, serde))) },
        Contender { name: "sonic-rs", run: Box::new(|| timed(|| total(&frames, sonic))) },
        Contender { name: "simd-json", run: Box::new(|| timed(|| total(&frames, &mut simd))) },
    ];
    Some(compare("decode: Binance depth", "byte", bytes, contenders))
}
