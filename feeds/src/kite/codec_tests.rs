use super::super::encoder::{self, Traded, any_traded, frame, index, infy, ltp, price, qty, side};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;
use std::path::PathBuf;

/// The folder of the captures, or nothing and a line that says what is left out.
fn captures(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("left out, as TIDEGATE_MARKET_DATA is not set: {test}");
    }
    folder
}

fn only(frame: &[u8]) -> (u32, Packet) {
    let Ok(Message::Packets(mut packets)) = decode(frame) else { panic!("{:?}", decode(frame)) };
    let packet = packets.next().unwrap().unwrap();
    assert_eq!(packets.next(), None);
    packet
}

/// What each packet of a frame comes to.
fn each(frame: &[u8]) -> Result<Vec<Result<u32, PacketError>>, DecodeError> {
    match decode(frame)? {
        Message::Packets(packets) => Ok(packets.map(|packet| packet.map(|(token, _)| token)).collect()),
        Message::Heartbeat => panic!("a heartbeat"),
    }
}

/// The frame is whole and all its packets are good.
fn is_good(frame: &[u8]) -> bool {
    each(frame).is_ok_and(|packets| packets.iter().all(Result::is_ok))
}

fn price_of(json: &Value) -> Price {
    Price::parse(json.to_string().as_bytes()).unwrap().value
}

fn qty_of(json: &Value) -> Qty {
    Qty::parse(json.to_string().as_bytes()).unwrap().value
}

/// An RFC 3339 time of the samples, by the calendar.
fn time_of(json: &Value) -> Nanos {
    let time: jiff::Timestamp = json.as_str().unwrap().parse().unwrap();
    Nanos::new(time.as_nanosecond() as i64)
}

/// The venue's own samples: every field of a packet against the venue's JSON of it.
#[test]
fn samples_say_what_the_venue_says_of_them() {
    let Some(folder) = captures("Kite's sample packets against their JSON") else { return };
    let mut fields = 0;
    for name in ["ticker_quote", "ticker_full"] {
        let read = |extension: &str| std::fs::read(folder.join("kite").join(format!("{name}.{extension}"))).unwrap();
        let json: Value = serde_json::from_slice(&read("json")).unwrap();
        let bytes = STANDARD.decode(read("packet").trim_ascii()).unwrap();
        let mut frame = Vec::new();
        put_frame(&bytes, &mut frame);
        let (token, packet) = only(&frame);
        assert_eq!(u64::from(token), json["instrument_token"]);
        let is_full = json["mode"] == "full";
        let ohlc = &json["ohlc"];
        let [open, high, low, close] = ["open", "high", "low", "close"].map(|name| price_of(&ohlc[name]));
        let day = Body::Day {
            volume: qty_of(&json["volume"]),
            average: price_of(&json["average_price"]),
            last_qty: qty_of(&json["last_quantity"]),
            last_time: if is_full { time_of(&json["last_trade_time"]) } else { Nanos::ZERO },
        };
        let pressure = Body::Pressure { buy: qty_of(&json["buy_quantity"]), sell: qty_of(&json["sell_quantity"]) };
        let interest = is_full.then(|| {
            let [oi, high, low] = ["oi", "oi_day_high", "oi_day_low"].map(|name| qty_of(&json[name]));
            Body::Interest { oi, high, low }
        });
        let expect = [Some(Body::Ohlc { open, high, low, close }), Some(day), Some(pressure), interest];
        assert_eq!(packet.statistics, expect, "{name}");
        assert_eq!((packet.last, packet.volume), (Some(price_of(&json["last_price"])), Some(qty_of(&json["volume"]))));
        assert_eq!(packet.time, is_full.then(|| time_of(&json["timestamp"])));
        assert_eq!(packet.last_time, is_full.then(|| time_of(&json["last_trade_time"])));
        fields += if is_full { 17 } else { 11 };
        let rows = [("buy", Side::Bid), ("sell", Side::Ask)].into_iter().flat_map(|(name, side)| {
            let rows = json["depth"][name].as_array().cloned().unwrap_or_default();
            rows.into_iter().map(move |row| Row {
                side,
                orders: row["orders"].as_u64().unwrap() as u32,
                price: price_of(&row["price"]),
                qty: qty_of(&row["quantity"]),
            })
        });
        let rows: Vec<Row> = rows.collect();
        assert_eq!(packet.depth.map(|depth| depth.rows().to_vec()), is_full.then_some(rows.clone()), "{name}");
        fields += rows.len() * 3;
    }
    // Whole seconds since the Unix epoch, not since midnight or an Indian one: 2021-07-05 10:41:27 IST.
    println!("{fields} fields of 2 packets are those of the venue's JSON");
    assert_eq!(fields, 58);
}

#[test]
fn a_heartbeat_is_one_byte() {
    assert_eq!(decode(&[0]), Ok(Message::Heartbeat));
    assert_eq!(decode(&[7]), Ok(Message::Heartbeat));
    assert_eq!(decode(&[]), Err(DecodeError::Short));
}

#[test]
fn texts_are_known_by_their_type() {
    for text in [
        r#"{"type":"order","data":{"order_id":"1"}}"#,
        r#"{"type":"message","data":"hello"}"#,
        r#"{"type":"instruments_meta","data":{"count":1,"etag":"x"}}"#,
        r#"{"type":"app_code","timestamp":"2021-07-05T10:41:27+05:30"}"#,
    ] {
        assert_eq!(decode_text(text.as_bytes()), Ok(Text::Other), "{text}");
    }
    let refused = r#"{"type":"error","data":"too \"many\" tokens"}"#;
    assert_eq!(decode_text(refused.as_bytes()), Ok(Text::Error("too \"many\" tokens".into())));
    assert_eq!(decode_text(br#"{"type":"error"}"#), Err(DecodeError::Field("data")));
    for text in ["", "{}", "[]", "nonsense", r#"{"type":"new"}"#, r#"{"type":1}"#] {
        assert_eq!(decode_text(text.as_bytes()), Err(DecodeError::Text), "{text}");
    }
}

/// OpenAlgo's decoder reads bytes 44 to 48 as a change of price.
#[test]
fn trap_at_44_stands_the_time_of_the_last_trade() {
    let (_, packet) = only(&frame(&[infy(1_625_461_887, 157_370, 9).bytes()]));
    assert_eq!(packet.last_time, Some(Nanos::new(1_625_461_887_000_000_000)));
}

/// OpenAlgo's decoder reads the open interest from bytes 180 to 184, which are the last row's orders.
#[test]
fn trap_open_interest_stands_at_48() {
    let mut traded = infy(1, 157_370, 9);
    let full = traded.full.as_mut().unwrap();
    (full.oi, full.oi_high, full.oi_low, full.rows[9].2) = (11, 12, 13, 5);
    let (_, packet) = only(&frame(&[traded.bytes()]));
    assert_eq!(packet.statistics[3], Some(Body::Interest { oi: qty(11), high: qty(12), low: qty(13) }));
    assert_eq!(packet.depth.unwrap().rows()[9].orders, 5);
}

/// OpenAlgo's decoder divides by 100 everywhere, which makes USDINR 100,000 times what it is.
#[test]
fn trap_the_segment_tells_the_divisor() {
    for (segment, shown) in [
        (1, "8312345.67"),
        (2, "8312345.67"),
        (3, "83.1234567"),
        (4, "8312345.67"),
        (5, "8312345.67"),
        (6, "83123.4567"),
        (7, "8312345.67"),
        (8, "8312345.67"),
        (9, "8312345.67"),
        (12, "83123.4567"),
    ] {
        let (_, packet) = only(&frame(&[ltp(77 << 8 | segment, 831_234_567)]));
        assert_eq!(packet.last.unwrap().to_string(), shown, "segment {segment}");
    }
    let (_, nco) = only(&frame(&[ltp(31_131_404, 3_782_000)]));
    assert_eq!(nco.last.unwrap().display(Segment::Nco.price_decimals()).to_string(), "378.20");
    for segment in [0, 10, 11, 13, 255] {
        let error = PacketError { token: segment, error: DecodeError::Segment(segment as u8) };
        assert_eq!(each(&frame(&[ltp(segment, 1)])), Ok(vec![Err(error)]));
    }
}

/// OpenAlgo's decoder drops packets of 28 and 32 bytes; their order is high, low, open, close.
#[test]
fn trap_an_index_has_its_own_order_and_a_signed_change() {
    for time in [None, Some(1_625_461_887)] {
        let bytes = index(256_265, 1_583_450, [1_579_340, 1_584_590, 1_576_205, 1_572_220], -11_230, time);
        let (token, packet) = only(&frame(&[bytes]));
        let [open, high, low, close] = [1_579_340, 1_584_590, 1_576_205, 1_572_220].map(|steps| price(steps, 100));
        assert_eq!((token, packet.last), (256_265, Some(price(1_583_450, 100))));
        assert_eq!(packet.statistics, [Some(Body::Ohlc { open, high, low, close }), None, None, None]);
        assert_eq!(packet.time, time.map(|time| Nanos::new(i64::from(time) * Nanos::SECOND.raw())));
        assert_eq!((packet.volume, packet.depth), (None, None));
    }
}

#[test]
fn lengths_belong_to_kinds() {
    let of = |token: u32, length: usize| {
        let packet = [&token.to_be_bytes()[..], &vec![0; length - 4]].concat();
        each(&frame(&[packet])).unwrap()[0].err().map(|it| it.error)
    };
    let (of_index, of_share) = (|length| of(256_265, length), |length| of(408_065, length));
    for length in 4..400 {
        let wrong = Some(DecodeError::Length(length));
        assert_eq!(of_index(length), if [8, 28, 32].contains(&length) { None } else { wrong }, "{length}");
        assert_eq!(of_share(length), if [8, 44, 184].contains(&length) { None } else { wrong }, "{length}");
    }
}

#[test]
fn a_bad_packet_leaves_those_beside_it_alone() {
    let good = infy(1, 157_370, 9).bytes();
    let token = 408_065;
    let negative = Traded { close: 1 << 31, ..infy(1, 157_370, 9) }.bytes();
    let stranger = Traded { token: 31_263_502, ..infy(1, 157_370, 9) }.bytes();
    for (bad, token, error) in [
        (negative, token, DecodeError::Field("close")),
        (stranger, 31_263_502, DecodeError::Segment(14)),
        (good[..183].to_vec(), token, DecodeError::Length(183)),
        (good[..3].to_vec(), 0, DecodeError::Length(3)),
        (Vec::new(), 0, DecodeError::Length(0)),
    ] {
        let wrong = Err(PacketError { token, error });
        let share = Ok(408_065);
        for (packets, expect) in [
            (vec![bad.clone()], vec![wrong]),
            (vec![bad.clone(), good.clone()], vec![wrong, share]),
            (vec![good.clone(), bad.clone(), good.clone(), bad.clone()], vec![share, wrong, share, wrong]),
        ] {
            assert_eq!(each(&frame(&packets)), Ok(expect), "{error}");
        }
    }
}

#[test]
fn a_frame_is_as_long_as_its_packets() {
    let good = infy(1, 157_370, 9).bytes();
    let most = frame(&vec![good.clone(); TOKENS_MAX]);
    assert_eq!(most.len(), FRAME_BYTES_MAX);
    assert_eq!(each(&most), Ok(vec![Ok(408_065); TOKENS_MAX]));
    assert_eq!(decode(&frame(&vec![good; TOKENS_MAX + 1])), Err(DecodeError::TooLong));
}

/// Every end of every frame, every length that a packet can claim, every count that a frame can claim.
#[test]
fn truncations_and_false_claims_are_errors() {
    let full = infy(1, 157_370, 9).bytes();
    let quote = Traded { full: None, ..infy(1, 157_370, 9) }.bytes();
    let indices = [index(265, 5, [1, 2, 3, 4], -1, None), index(265, 5, [1, 2, 3, 4], -1, Some(7))];
    let [index, index_full] = indices;
    let mut checked = 0u64;
    for packets in [
        vec![ltp(257, 5)],
        vec![quote.clone()],
        vec![full.clone()],
        vec![index.clone(), full, ltp(257, 5), index_full, quote],
    ] {
        let whole = frame(&packets);
        assert!(is_good(&whole));
        for end in (0..whole.len()).filter(|&end| end != 1) {
            assert!(decode(&whole[..end]).is_err(), "cut at {end}");
            checked += 1;
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(decode(&longer), Err(DecodeError::Long));
        for count in (0..=u16::MAX).filter(|&count| usize::from(count) != packets.len()) {
            let mut bytes = whole.clone();
            bytes[..2].copy_from_slice(&count.to_be_bytes());
            assert!(!is_good(&bytes), "count {count}");
            checked += 1;
        }
        let mut at = 2;
        for packet in &packets {
            for length in (0..=u16::MAX).filter(|&length| usize::from(length) != packet.len()) {
                let mut bytes = whole.clone();
                bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
                assert!(!is_good(&bytes), "length {length} at {at}");
                checked += 1;
            }
            at += 2 + packet.len();
        }
    }
    println!("{checked} truncations and false claims: {checked} errors");
}

proptest! {
    /// The encoder is the codec's twin: what goes in comes out, prices by way of their decimal texts.
    #[test]
    fn what_is_encoded_is_decoded((traded, divisor) in any_traded()) {
        let (token, packet) = only(&frame(&[traded.bytes()]));
        prop_assert_eq!(token, traded.token);
        let price = |steps| encoder::price(steps, divisor);
        let time = |seconds: u32| (seconds > 0).then(|| Nanos::from_millis(i64::from(seconds) * 1_000).unwrap());
        let ohlc = Body::Ohlc {
            open: price(traded.open), high: price(traded.high), low: price(traded.low), close: price(traded.close),
        };
        let last_time = traded.full.as_ref().and_then(|full| time(full.last_time));
        let day = Body::Day {
            volume: qty(traded.volume),
            average: price(traded.average),
            last_qty: qty(traded.last_qty),
            last_time: last_time.unwrap_or_default(),
        };
        let pressure = Body::Pressure { buy: qty(traded.buy), sell: qty(traded.sell) };
        let interest = traded.full.as_ref().map(|full| {
            Body::Interest { oi: qty(full.oi), high: qty(full.oi_high), low: qty(full.oi_low) }
        });
        prop_assert_eq!(packet.statistics, [Some(ohlc), Some(day), Some(pressure), interest]);
        prop_assert_eq!((packet.last, packet.volume), (Some(price(traded.last)), Some(qty(traded.volume))));
        prop_assert_eq!((packet.last_time, packet.sequence), (last_time, None));
        prop_assert_eq!(packet.time, traded.full.as_ref().and_then(|full| time(full.time)));
        let rows = traded.full.map(|full| {
            let rows = full.rows.iter().enumerate().filter(|(_, (qty, price, _))| *qty > 0 && *price > 0);
            rows.map(|(row, &(units, steps, orders))| {
                Row { side: side(row), orders: orders.into(), price: price(steps), qty: qty(units) }
            }).collect::<Vec<_>>()
        });
        prop_assert_eq!(packet.depth.map(|depth| depth.rows().to_vec()), rows);
    }

    #[test]
    fn any_bytes_give_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Message::Packets(packets)) = decode(&bytes) {
            prop_assert!(packets.count() <= bytes.len() / 2);
        }
        let _ = decode_text(&bytes);
    }
}
