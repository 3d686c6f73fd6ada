use super::*;
use proptest::prelude::*;

fn check(frame: &str, expect: Result<Message<'_>, DecodeError>) -> Buffers {
    let mut buffers = Buffers::default();
    assert_eq!(decode(frame.as_bytes(), &mut buffers), expect, "{frame}");
    buffers
}

fn level(side: Side, price: &str, qty: &str) -> BookLevel {
    BookLevel::parse(side, price, qty).unwrap()
}

fn v2(channel: &str, kind: &str, data: &str) -> String {
    format!(r#"{{"channel":"{channel}","type":"{kind}","data":[{data}]}}"#)
}

/// 2023-10-06 17:35:55.440295 UTC.
const TIME: Nanos = Nanos::new(1_696_613_755_440_295_000);

#[test]
fn books_of_v2_keep_the_digits() {
    let data = r#"{"symbol":"BTC/USD","bids":[{"price":45283.5,"qty":0.10000000}],"asks":[{"qty":"0","price":"45285.20"}],"checksum":3310070434,"timestamp":"2023-10-06T17:35:55.440295Z"}"#;
    for (kind, is_snapshot) in [("snapshot", true), ("update", false)] {
        let buffers = check(
            &v2("book", kind, data),
            Ok(Message::Book {
                symbol: "BTC/USD",
                is_snapshot,
                checksum: Some(3_310_070_434),
                time: Some(TIME),
                depth: None,
                decimals: Decimals { price: 2, qty: 8 },
            }),
        );
        assert_eq!(buffers.levels, [level(Side::Bid, "45283.5", "0.10000000"), level(Side::Ask, "45285.20", "0")]);
    }
}

#[test]
fn books_of_v1_may_come_in_two_parts() {
    let message = |is_snapshot, checksum, time, decimals| {
        let depth = Depth::new(25);
        Ok(Message::Book { symbol: "XBT/USD", is_snapshot, checksum, time: Some(Nanos::new(time)), depth, decimals })
    };
    let decimals = Decimals { price: 5, qty: 8 };
    let buffers = check(
        r#"[1234,{"a":[["5541.30000","2.50700000","1534614248.456738","r"]]},{"b":[["5541.20000","0.00000000","1534614248.765567"]],"c":"974942666"},"book-25","XBT/USD"]"#,
        message(false, Some(974_942_666), 1_534_614_248_765_567_000, decimals),
    );
    assert_eq!(
        buffers.levels,
        [level(Side::Ask, "5541.30000", "2.50700000"), level(Side::Bid, "5541.20000", "0.00000000")]
    );
    check(
        r#"[0,{"as":[["5541.30000","2.50700000","5.5"]],"bs":[]},"book-25","XBT/USD"]"#,
        message(true, None, 5_500_000_000, decimals),
    );
}

#[test]
fn trades_and_tickers() {
    let trade = |symbol: &str, side: &str, id: u64| {
        format!(
            r#"{{"symbol":"{symbol}","side":"{side}","price":0.5147,"qty":6423.46326,"ord_type":"limit","trade_id":{id},"timestamp":"2023-10-06T17:35:55.440295Z"}}"#
        )
    };
    let decimals = Decimals { price: 4, qty: 5 };
    let both = format!("{},{}", trade("X/Y", "buy", 7), trade("X/Y", "sell", 8));
    let buffers =
        check(&v2("trade", "update", &both), Ok(Message::Trades { symbol: "X/Y", is_snapshot: false, decimals }));
    let fill = |side, id| Fill { id, time: TIME, level: level(side, "0.5147", "6423.46326").wire().unwrap() };
    assert_eq!(buffers.trades, [fill(Side::Bid, 7), fill(Side::Ask, 8)]);
    check(
        &v2(
            "ticker",
            "update",
            r#"{"symbol":"X/Y","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":1e3}"#,
        ),
        Ok(Message::Ticker {
            symbol: "X/Y",
            time: None,
            bid: level(Side::Bid, "0.10025", "740").wire().unwrap(),
            ask: level(Side::Ask, "0.10036", "1361.44813783").wire().unwrap(),
            decimals: Decimals { price: 5, qty: 8 },
        }),
    );
    let two = format!("{},{}", trade("X/Y", "buy", 7), trade("Y/X", "buy", 8));
    check(&v2("trade", "update", &two), Err(DecodeError::Field("symbol")));
    check(&v2("trade", "update", &trade("X/Y", "hold", 7)), Err(DecodeError::Field("side")));
    check(&v2("trade", "update", ""), Err(DecodeError::Field("symbol")));
    let many = vec![trade("X/Y", "buy", 7); TRADES_MAX + 1].join(",");
    check(&v2("trade", "snapshot", &many), Err(DecodeError::TooManyTrades));
}

#[test]
fn answers_and_signs_of_life() {
    let answer = |request, is_ok| Ok(Message::Answer { request, is_ok, book: None });
    let agreed =
        |request, depth| Ok(Message::Answer { request, is_ok: true, book: Some(("X/Y", Depth::new(depth).unwrap())) });
    for (frame, expect) in [
        (
            r#"{"method":"subscribe","req_id":7,"result":{"channel":"book","depth":10,"symbol":"X/Y"},"success":true}"#,
            agreed(Some(7), 10),
        ),
        (
            r#"{"method":"subscribe","result":{"symbol":"X/Y","depth":1000,"channel":"book"},"success":true}"#,
            agreed(None, 1_000),
        ),
        (
            r#"{"method":"subscribe","result":{"channel":"book","depth":11,"symbol":"X/Y"},"success":true}"#,
            answer(None, true),
        ),
        (
            r#"{"method":"subscribe","result":{"channel":"book","depth":10,"symbol":["X/Y"]},"success":true}"#,
            answer(None, true),
        ),
        (r#"{"method":"subscribe","result":{"channel":"trade","symbol":"X/Y"},"success":true}"#, answer(None, true)),
        (
            r#"{"error":"Currency pair not supported Z/Z","method":"subscribe","req_id":7,"success":false,"symbol":"Z/Z"}"#,
            answer(Some(7), false),
        ),
        (r#"{"error":"Malformed request","req_id":7,"success":false}"#, answer(Some(7), false)),
        (
            r#"{"channelID":1664,"channelName":"book-1000","event":"subscriptionStatus","pair":"X/Y","status":"subscribed","reqid":3,"subscription":{"depth":1000,"name":"book"}}"#,
            answer(Some(3), true),
        ),
        (
            r#"{"errorMessage":"Currency pair not supported","event":"subscriptionStatus","status":"error"}"#,
            answer(None, false),
        ),
        (r#"{"event":"subscriptionStatus","status":"unsubscribed","pair":"X/Y"}"#, Ok(Message::Alive)),
        (r#"{"method":"unsubscribe","result":{"channel":"book","symbol":"X/Y"},"success":true}"#, Ok(Message::Alive)),
        (r#"{"method":"pong","req_id":1}"#, Ok(Message::Alive)),
        (r#"{"channel":"heartbeat"}"#, Ok(Message::Alive)),
        (r#"{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}"#, Ok(Message::Alive)),
        (r#"{"event":"heartbeat"}"#, Ok(Message::Alive)),
        (
            r#"{"connectionID":17843232920108168701,"event":"systemStatus","status":"online","version":"1.8.3"}"#,
            Ok(Message::Alive),
        ),
        (r#"{"method":"subscribe","req_id":7}"#, Err(DecodeError::Field("success"))),
        (r#"{"event":"subscriptionStatus","status":"?"}"#, Err(DecodeError::Field("status"))),
    ] {
        check(frame, expect);
    }
}

#[test]
fn what_is_no_message_is_named() {
    let book = |fields: &str| v2("book", "update", &format!("{{{fields}}}"));
    let one = r#""symbol":"X","bids":[],"asks":[],"checksum":1"#;
    let priced = |price: &str, qty: &str| {
        book(&format!(r#""symbol":"X","bids":[{{"price":{price},"qty":{qty}}}],"asks":[],"checksum":1"#))
    };
    let v1 = |parts: &str| format!(r#"[1,{parts},"book-10","X"]"#);
    let cases = [
        (String::new(), DecodeError::Json),
        ("{}".to_owned(), DecodeError::UnknownChannel),
        ("[]".to_owned(), DecodeError::Json),
        (r#"{"channel":"ohlc","type":"update","data":[]}"#.to_owned(), DecodeError::UnknownChannel),
        (r#"{"channel":"book","data":[]}"#.to_owned(), DecodeError::Field("type")),
        (r#"{"channel":"book","type":"update"}"#.to_owned(), DecodeError::Field("data")),
        (v2("book", "update", ""), DecodeError::Json),
        (v2("book", "update", &format!("{{{one}}},{{{one}}}")), DecodeError::Json),
        (book(r#""bids":[],"asks":[],"checksum":1"#), DecodeError::Field("symbol")),
        (
            book(&format!(r#""symbol":"{}","bids":[],"asks":[],"checksum":1"#, "X".repeat(49))),
            DecodeError::Field("symbol"),
        ),
        (book(r#""symbol":"X","bids":[],"asks":[]"#), DecodeError::Field("checksum")),
        (book(r#""symbol":"X","bids":[],"checksum":1"#), DecodeError::Field("bids or asks")),
        (book(r#""symbol":"X","bids":[],"asks":[],"checksum":4294967296"#), DecodeError::Json),
        (book(&format!(r#"{one},"asks":[]"#)), DecodeError::Json),
        (book(&format!(r#"{one},"checksum":1"#)), DecodeError::Json),
        (book(&format!(r#"{one},"timestamp":"yesterday""#)), DecodeError::Field("timestamp")),
        (priced("0", "1"), DecodeError::Field("price")),
        (priced("-1", "1"), DecodeError::Number(NumberError::Malformed)),
        (priced("1", "-1"), DecodeError::Number(NumberError::Malformed)),
        (priced("1e5", "1"), DecodeError::Number(NumberError::Malformed)),
        (priced("1", "null"), DecodeError::Number(NumberError::Malformed)),
        (priced("99999999999999999999", "1"), DecodeError::Number(NumberError::OutOfRange)),
        (priced("1", "0.0000000000000000001"), DecodeError::Number(NumberError::TooPrecise)),
        (v1(r#"{"a":[["1","1","1"]]}"#), DecodeError::Field("c")),
        (v1(r#"{}"#), DecodeError::Field("a or b")),
        (v1(r#"{"as":[]}"#), DecodeError::Field("as or bs")),
        (v1(r#"{"a":[],"bs":[],"c":"1"}"#), DecodeError::Json),
        (v1(r#"{"a":[],"c":"1"},{"a":[]}"#), DecodeError::Json),
        (v1(r#"{"a":[],"c":"1"},{"b":[],"c":"1"}"#), DecodeError::Json),
        (v1(r#"{"a":[],"c":1}"#), DecodeError::Json),
        (v1(r#"{"a":[["1","1"]],"c":"1"}"#), DecodeError::Json),
        (v1(r#"{"a":[["1","1","x"]],"c":"1"}"#), DecodeError::Json),
        (v1(r#"{"a":[["1","1","1","x"]],"c":"1"}"#), DecodeError::Json),
        (r#"[1,{"a":[],"c":"1"},"book-11","X"]"#.to_owned(), DecodeError::Field("depth")),
        (r#"[1,{"a":[],"c":"1"},"spread","X"]"#.to_owned(), DecodeError::UnknownChannel),
        (r#"[1,{"a":[],"c":"1"},"book-10"]"#.to_owned(), DecodeError::Json),
        (r#"[1,{"a":[],"c":"1"},"book-10","X","Y"]"#.to_owned(), DecodeError::Json),
    ];
    for (frame, error) in cases {
        check(&frame, Err(error));
    }
    check(&"x".repeat(FRAME_BYTES_MAX + 1), Err(DecodeError::TooLong));
    let many = vec![r#"["1","1","1"]"#; LEVELS_MAX + 1].join(",");
    check(&v1(&format!(r#"{{"a":[{many}],"c":"1"}}"#)), Err(DecodeError::TooManyLevels));
}

#[test]
fn the_subject_of_a_frame_is_read_even_where_its_numbers_cannot_be() {
    let huge = r#"{"symbol":"X","bids":[{"price":9999999999,"qty":1}],"asks":[],"checksum":1}"#;
    assert_eq!(subject(v2("book", "update", huge).as_bytes()), Some((Family::Book, "X")));
    assert_eq!(subject(v2("trade", "update", r#"{"symbol":"X"}"#).as_bytes()), Some((Family::Trades, "X")));
    assert_eq!(subject(v2("ticker", "update", r#"{"symbol":"X"}"#).as_bytes()), Some((Family::Quotes, "X")));
    let v1 = br#"[1,{"a":[["9999999999","1","1"]],"c":"1"},"book-10","X"]"#;
    assert_eq!(subject(v1), Some((Family::Book, "X")));
    assert_eq!(subject(b"[]"), None);
}

proptest! {
    /// Both versions read the same levels from the same texts.
    #[test]
    fn levels_are_those_of_the_text(
        bids in proptest::collection::vec((1u32..2_000_000, 0u32..1_000_000), 0..40),
        asks in proptest::collection::vec((1u32..2_000_000, 0u32..1_000_000), 0..40),
    ) {
        let texts = |levels: &[(u32, u32)]| -> Vec<(String, String)> {
            let text = |&(p, q): &(u32, u32)| (format!("{}.{:02}", p / 100, p % 100), format!("{}.{:05}", q / 100_000, q % 100_000));
            levels.iter().map(text).collect()
        };
        let (bids, asks) = (texts(&bids), texts(&asks));
        let side = |side, texts: &[(String, String)]| -> Vec<_> {
            texts.iter().map(|(price, qty)| level(side, price, qty)).collect()
        };
        let expect = [side(Side::Bid, &bids), side(Side::Ask, &asks)].concat();
        let objects = |texts: &[(String, String)]| -> Vec<_> {
            texts.iter().map(|(price, qty)| format!(r#"{{"price":{price},"qty":{qty}}}"#)).collect()
        };
        let arrays = |texts: &[(String, String)]| -> Vec<_> {
            texts.iter().map(|(price, qty)| format!(r#"["{price}","{qty}","1.5"]"#)).collect()
        };
        let data = format!(
            r#"{{"symbol":"X","bids":[{}],"asks":[{}],"checksum":1}}"#, objects(&bids).join(","), objects(&asks).join(",")
        );
        let array = format!(
            r#"[1,{{"bs":[{}],"as":[{}]}},"book-10","X"]"#, arrays(&bids).join(","), arrays(&asks).join(",")
        );
        let mut buffers = Buffers::default();
        for frame in [v2("book", "snapshot", &data), array] {
            decode(frame.as_bytes(), &mut buffers).unwrap();
            prop_assert_eq!(&buffers.levels, &expect);
        }
    }
}
