//! Seeded damage to packets: each gives what a second, plain reading of its bytes gives, or one error.

use super::super::encoder::{Snap, infy, twenty};
use super::*;
use crate::cases;
use crate::catalog::Catalog;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegate_core::{Body, GapCause};

const TIME: i64 = 1_625_461_887_250;

fn damage(packet: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..20) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, [rng.random()])),
            2 => bytes.iter_mut().take(1).for_each(|mode| *mode = rng.random_range(0..6)),
            3 => bytes.iter_mut().skip(1).take(1).for_each(|exchange| *exchange = rng.random_range(0..15)),
            4..10 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
    bytes
}

/// What a packet says: mode, symbol, last price, volume, totals, and the book's prices and quantities.
type Said = (u8, String, i128, [i128; 3], Vec<(bool, i128, i128)>);

fn long(bytes: &[u8]) -> i128 {
    let size = bytes.len() as u32 * 8;
    let unsigned = bytes.iter().rev().fold(0, |sum, &byte| sum * 256 + i128::from(byte));
    if unsigned >= 1 << (size - 1) { unsigned - (1 << size) } else { unsigned }
}

/// A number that is not negative, times `unit`, and below 10¹⁸.
fn held(value: i128, unit: i128) -> Option<i128> {
    value.checked_mul(unit).filter(|product| (0..10i128.pow(18)).contains(product))
}

/// The twin: by way of wide integers and real floats, in the order of the table.
fn read(bytes: &[u8]) -> Option<Said> {
    let mode = *bytes.first()?;
    let (_, length) = [(1, 51), (2, 123), (3, 379), (4, 443)].into_iter().find(|it| it.0 == mode)?;
    let exchange = *bytes.get(1)?;
    if bytes.len() != length || ![1, 2, 3, 4, 5, 7, 13].contains(&exchange) {
        return None;
    }
    let token: Vec<u8> = bytes[2..27].iter().copied().take_while(|&byte| byte != 0).collect();
    let token = String::from_utf8(token).ok().filter(|it| !it.is_empty())?;
    if !token.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let symbol = format!("{exchange}:{token}");
    let (price_unit, qty_unit) = (if exchange == 13 { 100 } else { 10_000_000 }, 100_000_000);
    let at = |at: usize, size: usize| long(&bytes[at..at + size]);
    // Seconds, milliseconds, microseconds or nanoseconds, up to the year 2200.
    let units =
        [(1_000_000_000, 10i128.pow(9), 10i128.pow(11)), (1_000_000, 0, 10i128.pow(14)), (1_000, 0, 10i128.pow(17))];
    let time = |at_byte: usize| {
        let count = at(at_byte, 8);
        let unit = units.iter().find(|(_, least, end)| (*least..*end).contains(&count)).map_or(1, |it| it.0);
        (count >= 0 && count * unit < 7_258_118_400_000_000_000).then_some(())
    };
    let mut rows = Vec::new();
    let mut row = |is_bid, qty, price, orders: i128| {
        let (qty, price) = (held(qty, qty_unit)?, held(price, price_unit)?);
        if qty > 0 && price > 0 {
            rows.push((is_bid, price, qty));
        }
        (orders >= 0).then_some(())
    };
    time(if mode == 4 { 27 } else { 35 })?;
    if mode == 4 {
        for index in 0..40 {
            let start = 43 + 10 * index;
            row(index < 20, at(start, 4), at(start + 4, 4), at(start + 8, 2))?;
        }
        return Some((mode, symbol, -1, [-1; 3], rows));
    }
    let last = held(at(43, 8), price_unit)?;
    let sequence = Some(at(27, 8)).filter(|&sequence| sequence >= 0)?;
    let mut totals = [-1; 3];
    if mode >= 2 {
        held(at(51, 8), qty_unit)?;
        totals[0] = held(at(67, 8), qty_unit)?;
        for (index, start) in [75, 83].into_iter().enumerate() {
            let float = f64::from_le_bytes(bytes[start..start + 8].try_into().unwrap());
            totals[index + 1] = held(Some(float as i128).filter(|&whole| whole as f64 == float)?, qty_unit)?;
        }
        for start in [59, 91, 99, 107, 115] {
            held(at(start, 8), price_unit)?;
        }
    }
    if mode == 3 {
        if !(0..9_000_000_000).contains(&at(123, 8)) {
            time(123)?;
        }
        held(at(131, 8), qty_unit)?;
        for index in 0..10 {
            let start = 147 + 20 * index;
            let flag = Some(at(start, 2)).filter(|flag| [0, 1].contains(flag))?;
            row(flag == 1, at(start + 2, 8), at(start + 10, 8), at(start + 18, 2))?;
        }
        if sequence == 0 {
            rows.clear();
        }
    }
    Some((mode, symbol, last, totals, rows))
}

fn said((mode, token, packet): (Mode, Token, Packet)) -> Said {
    let totals = packet.statistics.iter().flatten().fold([-1; 3], |totals, body| match *body {
        Body::Day { volume, .. } => [i128::from(volume.raw()), totals[1], totals[2]],
        Body::Pressure { buy, sell } => [totals[0], i128::from(buy.raw()), i128::from(sell.raw())],
        _ => totals,
    });
    let is_bid = |row: &crate::packet::Row| row.side == tidegate_core::Side::Bid;
    let row = |row: &crate::packet::Row| (is_bid(row), i128::from(row.price.raw()), i128::from(row.qty.raw()));
    let rows = packet.depth.map_or(Vec::new(), |depth| depth.rows().iter().map(row).collect());
    let last = packet.last.map_or(-1, |last| i128::from(last.raw()));
    (mode.code(), token.to_string(), last, totals, rows)
}

#[test]
fn damaged_packets_give_what_their_bytes_say_or_one_error() {
    let count = cases::count(1_000_000, 10_000_000);
    let mut rng = SmallRng::seed_from_u64(6);
    let new_session = || {
        let mut session = AngelSession::new(Mode::SnapQuote);
        session.add("1:1594", InstrumentId(0), Catalog::default().angel("1:1594", Decimals::default()));
        session
    };
    let mut session = new_session();
    let snap = infy(1, TIME, 157_000, 1_192_471);
    let mut packets: Vec<Vec<u8>> = (1..4).map(|mode| Snap { mode, ..snap.clone() }.bytes()).collect();
    packets.push(twenty(TIME).bytes());
    let mut out = Vec::new();
    let (mut messages, mut errors, mut closed) = (0u64, 0u64, 0u64);
    for case in 0..count {
        let bytes = damage(&packets[case as usize % packets.len()], &mut rng);
        let decoded = codec::decode(&bytes);
        assert_eq!(decoded.ok().map(said), read(&bytes), "case {case}: {decoded:?} {bytes:02x?}");
        out.clear();
        let result = session.handle_message(Nanos::new(case as i64), Payload::Binary(&bytes), &mut out);
        match (decoded.is_ok(), &result) {
            (true, Ok(()) | Err(FrameError::UnknownSymbol { .. })) => messages += 1,
            (false, Err(FrameError::Decode(_) | FrameError::Unrepresentable { .. })) => errors += 1,
            (false, Err(FrameError::UnknownSymbol { .. })) => errors += 1,
            _ => panic!("case {case}: {result:?}"),
        }
        assert!(out.len() <= 64, "case {case}: {} inputs from one packet", out.len());
        let is_closing = |it: &Input| matches!(it, Input::Gap(gap) if gap.cause == GapCause::Unrepresentable);
        if out.iter().any(is_closing) {
            assert!(result.is_err() && out.iter().all(is_closing), "case {case}");
            closed += 1;
            session = new_session();
        }
        assert!(result.is_ok() || out.iter().all(is_closing), "case {case}: a refused packet was half applied");
    }
    assert!(messages > count / 10 && errors > count / 10 && closed > 0, "{messages}, {errors}, {closed}");
    println!("{count} damaged packets: {messages} messages, {errors} errors ({closed} out of range), 0 misread");
}
