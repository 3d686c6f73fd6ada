//! Seeded damage to frames: each gives what a second, plain reading of its bytes gives, or one error.

use super::super::encoder::{Traded, frame, index, infy, ltp};
use super::*;
use crate::cases;
use crate::catalog::Catalog;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegate_core::Body;

/// Frames of every kind of packet, alone and together.
fn frames() -> Vec<Vec<u8>> {
    let full = infy(1_625_461_887, 157_370, 1_192_471).bytes();
    let quote = Traded { full: None, ..infy(1, 157_370, 9) }.bytes();
    let index_quote = index(256_265, 1_583_450, [1, 2, 3, 4], -11_230, None);
    let index_full = index(256_265, 1_583_450, [1, 2, 3, 4], -11_230, Some(1_625_461_887));
    let mut frames: Vec<Vec<u8>> =
        [&full, &quote, &index_quote, &index_full].iter().map(|&packet| frame(std::slice::from_ref(packet))).collect();
    frames.push(frame(&[ltp(408_065, 157_370)]));
    frames.push(frame(&[index_full, full, ltp(408_065, 157_365), quote, index_quote]));
    frames
}

fn damage(frame: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 12));
        match rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            3 => bytes.iter_mut().take(4).for_each(|byte| *byte = byte.wrapping_add(rng.random_range(0..2))),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
    bytes
}

fn number(bytes: &[u8]) -> i128 {
    bytes.iter().fold(0, |sum, &byte| sum * 256 + i128::from(byte))
}

/// Token, last price in 10⁻⁹ and volume of a packet.
type Said = (u32, i128, Option<i128>);

/// The twin: what each packet says, if it is sound, or nothing where the frame is not.
fn read(frame: &[u8]) -> Option<Vec<Option<Said>>> {
    let mut packets = Vec::new();
    let mut rest = frame.get(2..)?;
    for _ in 0..number(&frame[..2]) {
        let length = number(rest.get(..2)?) as usize;
        let packet = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        packets.push(read_packet(packet));
    }
    rest.is_empty().then_some(packets)
}

fn read_packet(packet: &[u8]) -> Option<Said> {
    let length = packet.len();
    let kinds = if packet.get(3) == Some(&9) { [8, 28, 32] } else { [8, 44, 184] };
    if !kinds.contains(&length) || !matches!(packet[3], 1..=9 | 12) {
        return None;
    }
    let mut prices = vec![4];
    match length {
        28 | 32 => prices.extend([8, 12, 16, 20]),
        44 | 184 => prices.extend([12, 28, 32, 36, 40]),
        _ => {}
    }
    if length == 184 {
        prices.extend((0..10).map(|row| 68 + 12 * row));
    }
    if prices.iter().any(|&at| packet[at] >= 0x80) {
        return None;
    }
    let unit = [(3, 100), (6, 100_000), (12, 100_000)]
        .iter()
        .find(|(segment, _)| packet[3] == *segment)
        .map_or(10_000_000, |it| it.1);
    let volume = (length >= 44).then(|| number(&packet[16..20]) * 100_000_000);
    Some((number(&packet[..4]) as u32, number(&packet[4..8]) * unit, volume))
}

fn volume(packet: &crate::kite::codec::Packet) -> Option<i128> {
    packet.statistics.iter().flatten().find_map(|body| match body {
        Body::Day { volume, .. } => Some(i128::from(volume.raw())),
        _ => None,
    })
}

#[test]
fn damaged_frames_give_what_their_bytes_say_or_one_error_a_packet() {
    let count = cases::count(1_000_000, 10_000_000);
    let mut rng = SmallRng::seed_from_u64(5);
    let mut session = KiteSession::new(Mode::Full);
    for (id, token) in ["408065", "256265"].into_iter().enumerate() {
        let instrument = Catalog::default().kite(token, Decimals::default());
        session.add(token, InstrumentId(id as u32), instrument);
    }
    let frames = frames();
    let mut out = Vec::new();
    let (mut messages, mut partial, mut errors) = (0u64, 0u64, 0u64);
    for case in 0..count {
        let bytes = damage(&frames[case as usize % frames.len()], &mut rng);
        let decoded = match codec::decode(&bytes) {
            Ok(Message::Packets(packets)) => Some(
                packets
                    .map(|packet| {
                        let (token, packet) = packet.ok()?;
                        let last = packet.last.map_or(-1, |last| i128::from(last.raw()));
                        Some((token, last, volume(&packet)))
                    })
                    .collect::<Vec<_>>(),
            ),
            Ok(Message::Heartbeat) => {
                assert_eq!(bytes.len(), 1, "case {case}");
                Some(Vec::new())
            }
            Err(_) => None,
        };
        if bytes.len() != 1 {
            assert_eq!(decoded, read(&bytes), "case {case}: {bytes:02x?}");
        }
        out.clear();
        let result = session.handle_message(Nanos::new(case as i64), Payload::Binary(&bytes), &mut out);
        let is_taken = |it: &&Option<Said>| it.is_some_and(|(token, ..)| [408_065, 256_265].contains(&token));
        let taken = decoded.iter().flatten().filter(is_taken).count();
        let all = decoded.iter().flatten().count();
        match (&decoded, &result) {
            (Some(_), Ok(())) if taken == all => messages += 1,
            (Some(_), Err(FrameError::Partial { count, .. })) if *count as usize == all - taken => partial += 1,
            (Some(_), Err(FrameError::UnknownSymbol { .. })) if taken < all && out.is_empty() => messages += 1,
            (None, Err(FrameError::Decode(_))) if out.is_empty() => errors += 1,
            _ => panic!("case {case}: {result:?}"),
        }
        assert!(out.len() <= bytes.len(), "case {case}: {} inputs from {} bytes", out.len(), bytes.len());
    }
    let least = messages.min(partial).min(errors);
    assert!(least > count / 50, "{messages} messages, {partial} in part, {errors} errors");
    println!("{count} damaged frames: {messages} messages, {partial} in part, {errors} errors, 0 misread");
}
