use super::*;
use proptest::prelude::*;

fn check(frame: &str, expect: Result<Message<'_>, DecodeError>) -> Vec<WireLevel> {
    let mut levels = Vec::new();
    assert_eq!(decode(frame.as_bytes(), &mut levels), expect, "{frame}");
    levels
}

fn wire(side: Side, price: &str, qty: &str) -> WireLevel {
    let mut decimals = Decimals::default();
    level(side, price, qty, &mut decimals).unwrap()
}

fn ms(ms: i64) -> Nanos {
    Nanos::from_millis(ms).unwrap()
}

#[test]
fn spot_depth() {
    let levels = check(
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":7,"s":"BTCUSDT","U":1,"u":2,"b":[["61737.63000000","0.00000000"]],"a":[["61837.64000000","1.54698000"],["61839","1"]]}}"#,
        Ok(Message::Depth {
            symbol: "BTCUSDT",
            numbers: Numbers { first: 1, last: 2, previous: None },
            time: ms(7),
            decimals: Decimals { price: 8, qty: 8 },
        }),
    );
    assert_eq!(
        levels,
        [wire(Side::Bid, "61737.63", "0"), wire(Side::Ask, "61837.64", "1.54698"), wire(Side::Ask, "61839", "1")]
    );
}

#[test]
fn futures_depth_takes_the_engine_time() {
    check(
        r#"{"stream":"btcusd_perp@depth@0ms","data":{"e":"depthUpdate","E":8,"T":7,"s":"BTCUSD_PERP","ps":"BTCUSD","U":5,"u":6,"pu":3,"b":[],"a":[]}}"#,
        Ok(Message::Depth {
            symbol: "BTCUSD_PERP",
            numbers: Numbers { first: 5, last: 6, previous: Some(3) },
            time: ms(7),
            decimals: Decimals::default(),
        }),
    );
}

#[test]
fn snapshots_of_both_kinds() {
    let decimals = Decimals { price: 1, qty: 0 };
    check(
        r#"{"lastUpdateId":9,"bids":[["1.5","2"]],"asks":[]}"#,
        Ok(Message::Snapshot { symbol: None, last: 9, time: None, decimals }),
    );
    check(
        r#"{"lastUpdateId":9,"E":2,"T":1,"symbol":"BTCUSD_PERP","pair":"BTCUSD","bids":[["1.5","2"]],"asks":[]}"#,
        Ok(Message::Snapshot { symbol: Some("BTCUSD_PERP"), last: 9, time: Some(ms(1)), decimals }),
    );
}

#[test]
fn tickers_and_trades() {
    check(
        r#"{"stream":"x@bookTicker","data":{"u":4,"s":"X","b":"1.0","B":"2","a":"3.00","A":"4"}}"#,
        Ok(Message::Ticker {
            symbol: "X",
            last: 4,
            time: None,
            bid: wire(Side::Bid, "1", "2"),
            ask: wire(Side::Ask, "3", "4"),
            decimals: Decimals { price: 2, qty: 0 },
        }),
    );
    for (stream, id, name) in [(TradeStream::Trade, 11, "trade"), (TradeStream::AggTrade, 12, "aggTrade")] {
        for (maker, side) in [(true, Side::Ask), (false, Side::Bid)] {
            check(
                &format!(
                    r#"{{"stream":"x@{name}","data":{{"e":"{name}","s":"X","t":11,"a":12,"p":"1","q":"2","T":5,"m":{maker}}}}}"#
                ),
                Ok(Message::Trade {
                    symbol: "X",
                    stream,
                    id,
                    time: ms(5),
                    fill: Some(wire(side, "1", "2")),
                    decimals: Decimals::default(),
                }),
            );
        }
    }
}

#[test]
fn what_futures_number_beside_trades_is_no_fill() {
    for fields in [r#""p":"0","q":"0","X":"NA""#, r#""p":"5","q":"1","X":"INSURANCE_FUND""#, r#""p":"5","q":"0""#] {
        let frame = format!(r#"{{"stream":"x@trade","data":{{"s":"X","t":1,{fields},"T":5,"m":true}}}}"#);
        let message = decode(frame.as_bytes(), &mut Vec::new());
        assert!(matches!(message, Ok(Message::Trade { id: 1, fill: None, .. })), "{message:?}");
    }
}

#[test]
fn what_is_no_message_is_named() {
    let depth = |fields: &str| format!(r#"{{"stream":"x@depth","data":{{{fields}}}}}"#);
    let cases = [
        (String::new(), DecodeError::Json),
        ("[]".to_owned(), DecodeError::Json),
        ("{}".to_owned(), DecodeError::Field("b or a")),
        (r#"{"stream":"x@kline_1m","data":{}}"#.to_owned(), DecodeError::UnknownStream),
        (r#"{"stream":"x@depth"}"#.to_owned(), DecodeError::Field("data")),
        (r#"{"stream":"x@depth20","data":{}}"#.to_owned(), DecodeError::UnknownStream),
        (depth(r#""s":"X","E":1,"U":2,"u":1,"b":[],"a":[]"#), DecodeError::Field("U")),
        (depth(r#""s":"X","E":1,"u":1,"b":[],"a":[]"#), DecodeError::Field("U")),
        (depth(r#""s":"X","U":1,"u":1,"b":[],"a":[]"#), DecodeError::Field("E")),
        (depth(r#""E":1,"U":1,"u":1,"b":[],"a":[]"#), DecodeError::Field("s")),
        (depth(&format!(r#""s":"{}","E":1,"U":1,"u":1,"b":[],"a":[]"#, "X".repeat(49))), DecodeError::Field("s")),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"a":[]"#), DecodeError::Field("b or a")),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"u":1,"b":[],"a":[]"#), DecodeError::Json),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[],"b":[],"a":[]"#), DecodeError::Json),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[["1"]],"a":[]"#), DecodeError::Json),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[[1,2]],"a":[]"#), DecodeError::Json),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[["-1","2"]],"a":[]"#), DecodeError::Field("price")),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[["1","-2"]],"a":[]"#), DecodeError::Field("quantity")),
        (depth(r#""s":"X","E":1,"U":1,"u":1,"b":[["x","2"]],"a":[]"#), DecodeError::Number(NumberError::Malformed)),
        (depth(r#""s":"X","E":1,"U":-1,"u":1,"b":[],"a":[]"#), DecodeError::Json),
        (depth(r#""s":"X","E":9999999999999999,"U":1,"u":1,"b":[],"a":[]"#), DecodeError::Field("E")),
    ];
    for (frame, error) in cases {
        check(&frame, Err(error));
    }
    check(&"x".repeat(FRAME_BYTES_MAX + 1), Err(DecodeError::TooLong));
    let many = vec![r#"["1","1"]"#; LEVELS_MAX + 1].join(",");
    check(&depth(&format!(r#""s":"X","E":1,"U":1,"u":1,"b":[{many}],"a":[]"#)), Err(DecodeError::TooManyLevels));
}

#[test]
fn the_subject_of_a_frame_is_read_even_where_its_numbers_cannot_be() {
    let frame = br#"{"stream":"x@trade","data":{"s":"X","t":1,"p":"9999999999","q":"1","T":5,"m":true}}"#;
    assert_eq!(decode(frame, &mut Vec::new()), Err(DecodeError::Number(NumberError::OutOfRange)));
    assert!(matches!(subject(frame), Some((Kind::Trade(TradeStream::Trade), Some("X"), None))));
    let snapshot = br#"{"lastUpdateId":7,"bids":[["1","99999999999"]],"asks":[]}"#;
    assert_eq!(decode(snapshot, &mut Vec::new()), Err(DecodeError::Number(NumberError::OutOfRange)));
    assert!(matches!(subject(snapshot), Some((Kind::Snapshot, None, Some(7)))));
}

/// The twin: the same message through `serde_json::Value`, texts and all.
fn twin(frame: &[u8]) -> Option<Vec<(Side, String, String)>> {
    let value: serde_json::Value = serde_json::from_slice(frame).ok()?;
    let data = value.get("data")?;
    let side = |name: &str, side: Side| -> Option<Vec<(Side, String, String)>> {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        data.get(name)?.as_array()?.iter().map(|pair| Some((side, text(&pair[0])?, text(&pair[1])?))).collect()
    };
    Some([side("b", Side::Bid)?, side("a", Side::Ask)?].concat())
}

proptest! {
    #[test]
    fn levels_are_those_of_the_text(
        bids in proptest::collection::vec((0u32..2_000_000, 0u32..1_000_000), 0..40),
        asks in proptest::collection::vec((0u32..2_000_000, 0u32..1_000_000), 0..40),
    ) {
        let side = |levels: &[(u32, u32)]| {
            let levels: Vec<_> = levels.iter()
                .map(|(p, q)| format!(r#"["{}.{:02}","{}.{:05}"]"#, p / 100, p % 100, q / 100_000, q % 100_000))
                .collect();
            levels.join(",")
        };
        let frame = format!(
            r#"{{"stream":"x@depth","data":{{"e":"depthUpdate","E":1,"s":"X","U":1,"u":1,"b":[{}],"a":[{}]}}}}"#,
            side(&bids), side(&asks)
        );
        let mut levels = Vec::new();
        decode(frame.as_bytes(), &mut levels).unwrap();
        let shown: Vec<_> = levels.iter()
            .map(|l| (l.side, l.price.display(2).to_string(), l.qty.display(5).to_string()))
            .collect();
        prop_assert_eq!(Some(shown), twin(frame.as_bytes()));
    }
}
