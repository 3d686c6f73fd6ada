use super::super::encoder::{any_snap, any_twenty, infy, side, twenty};
use super::*;
use proptest::prelude::*;

/// 2021-07-05 10:41:27.250 IST.
const TIME: i64 = 1_625_461_887_250;

fn price(steps: i64, divisor: u32) -> Price {
    let divisor = i64::from(divisor);
    let decimals = divisor.ilog10() as usize;
    let text = format!("{}.{:0decimals$}", steps / divisor, steps % divisor);
    Price::parse(text.as_bytes()).unwrap().value
}

fn qty(units: i64) -> Qty {
    Qty::parse(units.to_string().as_bytes()).unwrap().value
}

fn millis(ms: i64) -> Option<Nanos> {
    (ms > 0).then(|| Nanos::new(ms * 1_000_000))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Exchange 1 and token 1594, up to the numbers.
const INFY: &str = "01 31353934 000000000000000000000000000000000000000000";

/// Number 66051, 1625461887250 ms, 157370 paise.
const LTP_NUMBERS: &str = "0302010000000000 121114757a010000 ba66020000000000";

/// Quantity 7, average 157037, volume 1192471, f64 256443 and 363009, open, high, low, close.
const QUOTE_NUMBERS: &str = "0700000000000000 6d65020000000000 1732120000000000 00000000d84d0f41 0000000004281641 \
    f364020000000000 3c67020000000000 c961020000000000 6c64020000000000";

/// The vectors below are written by hand from the table of the layout: no packet of this venue has been
/// published. Golden for mode 1.
#[test]
fn mode_1_is_51_bytes() {
    let packet = bytes(&format!("01 {INFY} {LTP_NUMBERS}"));
    assert_eq!(packet.len(), 51);
    let (mode, token, packet) = decode(&packet).unwrap();
    assert_eq!((mode, token.to_string().as_str(), token.exchange), (Mode::Ltp, "1:1594", Exchange::NseCm));
    let expect =
        Packet { sequence: Some(66_051), time: millis(TIME), last: Some(price(157_370, 100)), ..Packet::EMPTY };
    assert_eq!(packet, expect);
}

fn quote_statistics(last_time: Nanos) -> [Option<Body>; 3] {
    let [open, high, low, close] = [156_915, 157_500, 156_105, 156_780].map(|steps| price(steps, 100));
    let day = Body::Day { volume: qty(1_192_471), average: price(157_037, 100), last_qty: qty(7), last_time };
    let pressure = Body::Pressure { buy: qty(256_443), sell: qty(363_009) };
    [Some(Body::Ohlc { open, high, low, close }), Some(day), Some(pressure)]
}

/// Golden for mode 2.
#[test]
fn mode_2_is_123_bytes() {
    let packet = bytes(&format!("02 {INFY} {LTP_NUMBERS} {QUOTE_NUMBERS}"));
    assert_eq!(packet.len(), 123);
    let (mode, _, packet) = decode(&packet).unwrap();
    assert_eq!((mode, packet.volume, packet.depth), (Mode::Quote, Some(qty(1_192_471)), None));
    let [ohlc, day, pressure] = quote_statistics(Nanos::ZERO);
    assert_eq!(packet.statistics, [ohlc, day, pressure, None]);
}

/// Golden for mode 3: time of the last trade, open interest 11, 12.5 %, ten rows, limits and extremes.
#[test]
fn mode_3_is_379_bytes() {
    let bid = "0100 0500000000000000 9c66020000000000 0100";
    let ask = "0000 ac00000000000000 ba66020000000000 0300";
    let none = "0000 0000000000000000 0000000000000000 0000";
    let rows = [[bid, none, none, none, none], [ask, none, none, none, none]].concat().join("");
    let tail = format!("7f94e26000000000 0b00000000000000 0000000000002940 {rows} {}", "00".repeat(32));
    let packet = bytes(&format!("03 {INFY} {LTP_NUMBERS} {QUOTE_NUMBERS} {tail}"));
    assert_eq!(packet.len(), 379);
    let (mode, _, packet) = decode(&packet).unwrap();
    assert_eq!(mode, Mode::SnapQuote);
    let [ohlc, day, pressure] = quote_statistics(Nanos::new(1_625_461_887_000_000_000));
    let interest = Body::Interest { oi: qty(11), high: Qty::ZERO, low: Qty::ZERO };
    assert_eq!(packet.statistics, [ohlc, day, pressure, Some(interest)]);
    let row = |side, orders, steps, units| Row { side, orders, price: price(steps, 100), qty: qty(units) };
    assert_eq!(packet.depth.unwrap().rows(), [row(Side::Bid, 1, 157_340, 5), row(Side::Ask, 3, 157_370, 172)]);
}

/// Golden for mode 4: no number; the exchange's time, then the server's.
#[test]
fn mode_4_is_443_bytes() {
    let rows = ["05000000 9c660200 0100", "ac000000 ba660200 0300"].map(|row| format!("{row}{}", "00".repeat(190)));
    let packet = bytes(&format!("04 {INFY} 121114757a010000 531214757a010000 {}", rows.concat()));
    assert_eq!(packet.len(), 443);
    let (mode, _, packet) = decode(&packet).unwrap();
    assert_eq!((mode, packet.time, packet.sequence, packet.last), (Mode::Depth20, millis(TIME), None, None));
    let row = |side, orders, steps, units| Row { side, orders, price: price(steps, 100), qty: qty(units) };
    assert_eq!(packet.depth.unwrap().rows(), [row(Side::Bid, 1, 157_340, 5), row(Side::Ask, 3, 157_370, 172)]);
    assert_eq!(packet.statistics, [None; 4]);
}

/// The vendor's client reads the exchange's time of mode 4 from the place of the server's.
#[test]
fn trap_mode_4_has_the_exchanges_time_at_27() {
    let packet = twenty(TIME);
    assert_ne!(packet.time_ms, packet.received_ms);
    assert_eq!(decode(&packet.bytes()).unwrap().2.time, millis(packet.time_ms));
}

/// The vendor's client reads the change of the open interest, a float, as an integer: 4623226492472524800.
#[test]
fn trap_a_float_beside_the_open_interest_is_left_alone() {
    let mut snap = infy(1, TIME, 157_000, 9);
    snap.oi = 11;
    for change in [12.5, -3.0, f64::NAN, f64::from_bits(u64::MAX)] {
        snap.oi_change = change;
        let interest = Body::Interest { oi: qty(11), high: Qty::ZERO, low: Qty::ZERO };
        assert_eq!(decode(&snap.bytes()).unwrap().2.statistics[3], Some(interest));
    }
}

/// The vendor's client names its lists the wrong way round and swaps them back: flag 1 is a bid, wherever the
/// row stands.
#[test]
fn trap_the_flag_tells_the_side() {
    let mut snap = infy(1, TIME, 157_000, 9);
    snap.rows.reverse();
    let depth = decode(&snap.bytes()).unwrap().2.depth.unwrap();
    let side_of = |row: &Row| if row.price <= price(157_000, 100) { Side::Bid } else { Side::Ask };
    assert_eq!(depth.rows().len(), 10);
    assert!(depth.rows().iter().all(|row| row.side == side_of(row)));
    snap.rows[3].0 = 2;
    assert_eq!(decode(&snap.bytes()), Err(DecodeError::Field("best five flag")));
}

#[test]
fn an_index_has_neither_number_nor_volume_nor_book() {
    let index = decode(&infy(0, TIME, 1_583_450, 0).bytes()).unwrap().2;
    assert_eq!((index.sequence, index.volume, index.depth), (None, None, None));
    assert_eq!(index.last, Some(price(1_583_450, 100)));
}

#[test]
fn totals_are_whole_finite_and_in_range() {
    for (total, expect) in [
        (0.0, Ok(qty(0))),
        (-0.0, Ok(qty(0))),
        (1.0, Ok(qty(1))),
        (9_999_999_999.0, Ok(qty(9_999_999_999))),
        (10_000_000_000.0, Err(DecodeError::OutOfRange("total_buy_quantity"))),
        (9.0e18, Err(DecodeError::Field("total_buy_quantity"))),
        (0.5, Err(DecodeError::Field("total_buy_quantity"))),
        (256_443.25, Err(DecodeError::Field("total_buy_quantity"))),
        (-1.0, Err(DecodeError::Field("total_buy_quantity"))),
        (f64::NAN, Err(DecodeError::Field("total_buy_quantity"))),
        (f64::INFINITY, Err(DecodeError::Field("total_buy_quantity"))),
        (f64::MIN_POSITIVE, Err(DecodeError::Field("total_buy_quantity"))),
    ] {
        let mut snap = infy(1, TIME, 157_000, 9);
        snap.buy = total;
        let got = decode(&snap.bytes()).map(|(_, _, packet)| match packet.statistics[2] {
            Some(Body::Pressure { buy, .. }) => buy,
            other => panic!("{other:?}"),
        });
        assert_eq!(got, expect, "{total}");
    }
}

#[test]
fn senseless_fields_are_named() {
    let check = |change: fn(&mut super::super::encoder::Snap), expect| {
        let mut snap = infy(1, TIME, 157_000, 9);
        change(&mut snap);
        assert_eq!(decode(&snap.bytes()).err(), Some(expect));
    };
    check(|it| it.exchange = 6, DecodeError::Field("exchange_type"));
    check(|it| it.token = String::new(), DecodeError::Field("token"));
    check(|it| it.token = "15 94".to_owned(), DecodeError::Field("token"));
    check(|it| it.sequence = -1, DecodeError::Field("sequence_number"));
    check(|it| it.time_ms = -1, DecodeError::Field("exchange_timestamp"));
    check(|it| it.time_ms = i64::MAX, DecodeError::Field("exchange_timestamp"));
    check(|it| it.last = -1, DecodeError::Field("last_traded_price"));
    check(|it| it.last = 100_000_000_000, DecodeError::OutOfRange("last_traded_price"));
    check(|it| it.volume = i64::MAX, DecodeError::OutOfRange("volume"));
    check(|it| it.rows[0].3 = -1, DecodeError::Field("number of orders"));
    assert_eq!(decode(&[9; 51]), Err(DecodeError::Field("mode")));
    assert_eq!(decode(&[]), Err(DecodeError::Length { mode: 0, length: 0 }));
}

#[test]
fn a_symbol_is_exchange_and_token() {
    for symbol in ["1:1594", "13:A1b2", "7:1234567890123456789012345"] {
        assert_eq!(symbol.parse::<Token>().unwrap().to_string(), symbol);
    }
    for symbol in ["", "1594", "1:", ":1", "6:1", "1:1 2", "1:\"", "256:1", "1:12345678901234567890123456"] {
        assert!(symbol.parse::<Token>().is_err(), "{symbol}");
    }
}

#[test]
fn texts_are_pong_or_a_refusal() {
    assert_eq!(decode_text(b"pong"), Ok(Text::Pong));
    let refused = r#"{"correlationID":"0000000001","errorCode":"E1002","errorMessage":"limit \"1000\""}"#;
    let expect = Text::Error { code: "E1002".into(), message: "limit \"1000\"".into() };
    assert_eq!(decode_text(refused.as_bytes()), Ok(expect));
    for text in ["", "ping", "{}", "[]", r#"{"errorCode":"E1001"}"#, r#"{"errorCode":1,"errorMessage":""}"#] {
        assert_eq!(decode_text(text.as_bytes()), Err(DecodeError::Text), "{text}");
    }
}

/// A packet says its mode and nothing else of its length: every other length of each mode is refused.
#[test]
fn truncations_and_other_lengths_are_errors() {
    let snap = infy(1, TIME, 157_000, 9);
    let mut packets: Vec<Vec<u8>> =
        (1..4).map(|mode| super::super::encoder::Snap { mode, ..snap.clone() }.bytes()).collect();
    packets.push(twenty(TIME).bytes());
    let mut checked = 0;
    for packet in packets {
        assert!(decode(&packet).is_ok());
        for length in (0..=4 * 1024).filter(|&length| length != packet.len()) {
            let mut other = packet.clone();
            other.resize(length, 0);
            assert!(matches!(decode(&other), Err(DecodeError::Length { .. })), "{length}");
            checked += 1;
        }
        for mode in (0..=u8::MAX).filter(|&mode| mode != packet[0]) {
            let mut other = packet.clone();
            other[0] = mode;
            assert!(decode(&other).is_err(), "mode {mode}");
            checked += 1;
        }
    }
    println!("{checked} truncations and false claims: {checked} errors");
}

proptest! {
    /// The encoder is the codec's twin: what goes in comes out, prices by way of their decimal texts.
    #[test]
    fn what_is_encoded_is_decoded((snap, divisor) in any_snap()) {
        let (mode, token, packet) = decode(&snap.bytes()).unwrap();
        prop_assert_eq!(mode.code(), snap.mode);
        prop_assert_eq!(token.to_string(), format!("{}:{}", snap.exchange, snap.token));
        let is_index = snap.sequence == 0;
        let price = |steps| price(steps, divisor);
        prop_assert_eq!(packet.sequence, (!is_index).then_some(snap.sequence as u64));
        prop_assert_eq!((packet.time, packet.last), (millis(snap.time_ms), Some(price(snap.last))));
        prop_assert_eq!(packet.volume, (snap.mode > 1 && !is_index).then(|| qty(snap.volume)));
        let last_time = if snap.last_time < SECONDS_MAX { snap.last_time * 1_000 } else { snap.last_time };
        let ohlc = Body::Ohlc {
            open: price(snap.open), high: price(snap.high), low: price(snap.low), close: price(snap.close),
        };
        let day = Body::Day {
            volume: qty(snap.volume),
            average: price(snap.average),
            last_qty: qty(snap.last_qty),
            last_time: millis(last_time).filter(|_| snap.mode == 3).unwrap_or_default(),
        };
        let pressure = Body::Pressure { buy: qty(snap.buy as i64), sell: qty(snap.sell as i64) };
        let interest = Body::Interest { oi: qty(snap.oi), high: Qty::ZERO, low: Qty::ZERO };
        let expect = match snap.mode {
            1 => [None; 4],
            2 => [Some(ohlc), Some(day), Some(pressure), None],
            _ => [Some(ohlc), Some(day), Some(pressure), Some(interest)],
        };
        prop_assert_eq!(packet.statistics, expect);
        let rows = snap.rows.iter().filter(|row| row.1 > 0 && row.2 > 0).map(|&(flag, units, steps, orders)| Row {
            side: if flag == 1 { Side::Bid } else { Side::Ask },
            orders: orders as u32,
            price: price(steps),
            qty: qty(units),
        });
        let rows: Vec<Row> = rows.collect();
        prop_assert_eq!(packet.depth.map(|it| it.rows().to_vec()), (snap.mode == 3 && !is_index).then_some(rows));
    }

    #[test]
    fn twenty_levels_are_those_that_are_encoded((twenty, divisor) in any_twenty()) {
        let (_, token, packet) = decode(&twenty.bytes()).unwrap();
        prop_assert_eq!(token.text(), twenty.token);
        prop_assert_eq!(packet.time, millis(twenty.time_ms));
        let rows = twenty.rows.iter().enumerate().filter(|(_, row)| row.0 > 0 && row.1 > 0);
        let rows: Vec<Row> = rows.map(|(index, &(units, steps, orders))| Row {
            side: side(index),
            orders: orders as u32,
            price: price(steps.into(), divisor),
            qty: qty(units.into()),
        }).collect();
        prop_assert_eq!(packet.depth.map(|depth| depth.rows().to_vec()), Some(rows));
    }

    /// The bits of a float against the float.
    #[test]
    fn whole_numbers_are_those_of_the_float(
        number in prop_oneof![any::<f64>(), (0u64..1 << 62).prop_map(|n| n as f64), (0u32..).prop_map(|n| f64::from(n) / 4.0)],
    ) {
        let is_whole = number.is_finite() && number >= 0.0 && number.fract() == 0.0 && number < 2f64.powi(62);
        prop_assert_eq!(whole_number(number.to_bits()), is_whole.then_some(number as i64));
    }

    #[test]
    fn any_bytes_give_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = decode(&bytes);
        let _ = decode_text(&bytes);
    }
}
