use super::*;
use crate::directory::tests::directory;
use serde_json::json;

fn arguments(value: Value) -> Arguments {
    Arguments::new(value.as_object().unwrap().clone())
}

/// Field, code, what was got and the nearest right value of a refusal.
#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Refusal>, expect: (&str, &str, &str, Value)) {
    let refusal = result.unwrap_err();
    let nearest = refusal.nearest.clone().unwrap_or(Value::Null);
    let got = refusal.got.clone().unwrap_or_default();
    assert_eq!((refusal.field.as_deref().unwrap(), refusal.code, got.as_str(), nearest), expect);
    assert!(refusal.allowed.is_some() && !refusal.retryable);
}

#[test]
fn levels_are_whole_and_within_range() {
    let levels = |value: Value| arguments(json!({ "levels": value })).whole("levels", 1..=50, 10);
    assert_eq!(arguments(json!({})).whole("levels", 1..=50, 10), Ok(10));
    assert_eq!(levels(json!(1)), Ok(1));
    assert_eq!(levels(json!(50.0)), Ok(50));
    for (value, code, got, nearest) in [
        (json!(0), "out_of_range", "0", json!(1)),
        (json!(51), "out_of_range", "51", json!(50)),
        (json!(-3), "out_of_range", "-3", json!(1)),
        (json!(2.6), "out_of_range", "2.6", json!(3)),
        (json!(1e300), "out_of_range", "1e+300", json!(50)),
        (json!(u64::MAX), "out_of_range", "18446744073709551615", json!(50)),
        (json!("20"), "wrong_type", "20", json!(20)),
        (json!("all"), "wrong_type", "all", Value::Null),
        (json!(true), "wrong_type", "true", Value::Null),
        (json!([10]), "wrong_type", "a list of 1", Value::Null),
        (json!({}), "wrong_type", "an object of 0 fields", Value::Null),
    ] {
        check(levels(value), ("levels", code, got, nearest));
    }
}

#[test]
fn an_instrument_is_a_known_key_or_its_slip_is_named() {
    let directory = directory();
    let one = |value: Value| arguments(value).instrument("instrument", &directory).map(|(id, _)| id.0);
    assert_eq!(one(json!({ "instrument": "BINANCE:BTCUSDT@SIM" })), Ok(2));
    let field = "instrument";
    check(one(json!({})), (field, "missing_argument", "", Value::Null));
    check(one(json!({ "instrument": 5 })), (field, "wrong_type", "5", Value::Null));
    check(one(json!({ "instrument": "" })), (field, "unknown_instrument", "an empty string", Value::Null));
    check(one(json!({ "instrument": "btcusdt" })), (field, "unknown_instrument", "btcusdt", json!("BINANCE:BTCUSDT")));
    check(one(json!({ "instrument": "NSE:INFY" })), (field, "unknown_instrument", "NSE:INFY", Value::Null));
}

#[test]
fn a_list_of_instruments_names_the_item_at_fault() {
    let directory = directory();
    let many = |value: Value| {
        let ids = arguments(json!({ "instruments": value })).instruments("instruments", 1..=3, &directory);
        ids.map(|ids| ids.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    };
    assert_eq!(many(json!(["BINANCE:ETHUSDT", "BINANCE:BTCUSDT"])), Ok(vec![1, 0]));
    let field = "instruments";
    check(many(json!([])), (field, "out_of_range", "a list of 0", Value::Null));
    check(many(json!(["a", "b", "c", "d"])), (field, "out_of_range", "a list of 4", Value::Null));
    check(many(json!("BINANCE:BTCUSDT")), (field, "wrong_type", "BINANCE:BTCUSDT", json!(["BINANCE:BTCUSDT"])));
    check(
        many(json!(["BINANCE:BTCUSDT", "BINANCE:ETHUSD"])),
        ("instruments[1]", "unknown_instrument", "BINANCE:ETHUSD", json!("BINANCE:ETHUSDT")),
    );
    check(many(json!(["BINANCE:BTCUSDT", null])), ("instruments[1]", "wrong_type", "null", Value::Null));
    check(many(json!(null)), (field, "missing_argument", "", Value::Null));
}

#[test]
fn null_is_as_left_out_where_that_is_allowed() {
    let given =
        arguments(json!({ "levels": null, "qty": null, "from": null, "side": null, "cursor": null, "x": null }));
    assert_eq!(given.whole("levels", 1..=50, 10), Ok(10));
    assert_eq!(given.decimal("qty", tidegate_core::Qty::parse), Ok(None));
    assert_eq!(given.instant("from"), Ok(None));
    assert_eq!(given.choice("side", &["buy"]), Ok(None));
    assert_eq!(given.cursor("cursor", &["inf"]), Ok(None));
    assert!(!given.has("levels"));
    check(given.chosen("side", &["buy"]), ("side", "missing_argument", "", Value::Null));
    check(given.text("levels", 5), ("levels", "missing_argument", "", Value::Null));
    check(given.only(&["levels", "qty", "from", "side", "cursor"]), ("x", "unknown_argument", "null", Value::Null));
}

#[test]
fn a_list_that_was_written_as_text_is_the_nearest() {
    let directory = directory();
    let list = json!(["BINANCE:BTCUSDT", "BINANCE:ETHUSDT"]);
    for text in [
        r#"["BINANCE:BTCUSDT", "BINANCE:ETHUSDT"]"#,
        r#" ["BINANCE:BTCUSDT","BINANCE:ETHUSDT"] "#,
        "['BINANCE:BTCUSDT', 'BINANCE:ETHUSDT']",
        "[BINANCE:BTCUSDT, BINANCE:ETHUSDT]",
        "(BINANCE:BTCUSDT, BINANCE:ETHUSDT)",
        "BINANCE:BTCUSDT, BINANCE:ETHUSDT",
        "BINANCE:BTCUSDT,BINANCE:ETHUSDT,",
    ] {
        let given = arguments(json!({ "instruments": text }));
        let refusal = given.instruments("instruments", 1..=3, &directory).unwrap_err();
        assert_eq!((refusal.code, refusal.nearest), ("wrong_type", Some(list.clone())), "{text}");
        let one = given.instruments("instruments", 1..=1, &directory).unwrap_err();
        assert_eq!(one.nearest, None, "too many for one");
    }
    let strange = arguments(json!({ "instruments": "[\"BINANCE:BTCUSDT\", \"NSE:NOBODY\"]" }));
    assert_eq!(strange.instruments("instruments", 1..=3, &directory).unwrap_err().nearest, None);
    for (text, meant) in [
        (r#"["rsi(14)", "ema(close, 5)"]"#, json!(["rsi(14)", "ema(close, 5)"])),
        ("['rsi(14)', 'ema(close, 5)']", json!(["rsi(14)", "ema(close, 5)"])),
        ("ema(close, 5)", json!(["ema(close, 5)"])),
        ("rsi(14), ema(close, 5)", json!(["rsi(14), ema(close, 5)"])),
    ] {
        let given = arguments(json!({ "expressions": text }));
        assert_eq!(given.texts("expressions", 1..=3, 100).unwrap_err().nearest, Some(meant), "{text}");
    }
    let one = arguments(json!({ "instrument": ["BINANCE:ETHUSDT"] })).instrument("instrument", &directory);
    assert_eq!(one.unwrap_err().nearest, Some(json!("BINANCE:ETHUSDT")));
    assert_eq!(not_an_object(&json!("{\"levels\": 3}")).nearest, Some(json!({ "levels": 3 })));
    assert_eq!(not_an_object(&json!("levels")).nearest, Some(json!({})));
}

#[test]
fn an_unknown_argument_is_never_ignored() {
    let known = ["instrument", "levels"];
    assert_eq!(arguments(json!({ "levels": 1 })).only(&known), Ok(()));
    check(arguments(json!({ "level": 1 })).only(&known), ("level", "unknown_argument", "1", json!("levels")));
    check(
        arguments(json!({ "zzz": {} })).only(&known),
        ("zzz", "unknown_argument", "an object of 0 fields", Value::Null),
    );
    check(arguments(json!({ "a": 1 })).only(&[]), ("a", "unknown_argument", "1", Value::Null));
}

#[test]
fn what_is_echoed_is_short_and_harmless() {
    assert_eq!(echo("BINANCE:BTCUSDT"), "BINANCE:BTCUSDT");
    assert_eq!(echo("a\nb\u{1b}[31m\u{202e}\0\"'"), "a\\nb\\u{1b}[31m\\u{202e}\\0\"'");
    assert_eq!(echo("日本"), "日本");
    let huge = echo(&"🦀".repeat(100_000));
    assert_eq!(huge.chars().count(), ECHO_CHARS_MAX + 1);
    assert!(huge.ends_with('…'));
}

#[test]
fn a_text_is_a_string_of_bounded_length() {
    let text = |value: Value| arguments(json!({ "query": value })).text("query", 4).map(str::to_owned);
    assert_eq!(text(json!("")), Ok(String::new()));
    assert_eq!(text(json!("日本語!")), Ok("日本語!".to_owned()));
    check(text(json!("12345")), ("query", "out_of_range", "12345", json!("1234")));
    check(text(json!(5)), ("query", "wrong_type", "5", Value::Null));
    check(arguments(json!({})).text("query", 4), ("query", "missing_argument", "", Value::Null));
}

#[test]
fn a_choice_is_one_of_its_names() {
    let side = |value: Value| arguments(json!({ "side": value })).choice("side", &["buy", "sell"]);
    assert_eq!(side(json!("buy")), Ok(Some("buy")));
    assert_eq!(arguments(json!({})).choice("side", &["buy"]), Ok(None));
    check(side(json!("SELL")), ("side", "unknown_value", "SELL", json!("sell")));
    check(side(json!("sel")), ("side", "unknown_value", "sel", json!("sell")));
    check(side(json!("hold on")), ("side", "unknown_value", "hold on", Value::Null));
    check(side(json!(1)), ("side", "wrong_type", "1", Value::Null));
    let market = arguments(json!({ "market": "nse" })).choice("market", &["BINANCE", "NSE"]);
    check(market, ("market", "unknown_value", "nse", json!("NSE")));
}

#[test]
fn a_decimal_is_a_string_above_zero() {
    use tidegate_core::Qty;
    let qty = |value: Value| arguments(json!({ "qty": value })).decimal("qty", Qty::parse);
    assert_eq!(qty(json!("0.5")), Ok(Qty::from_raw(50_000_000)));
    assert_eq!(arguments(json!({})).decimal("qty", Qty::parse), Ok(None));
    for (value, code, got, nearest) in [
        (json!(0.5), "wrong_type", "0.5", json!("0.5")),
        (json!(7), "wrong_type", "7", json!("7")),
        (json!("1,000.5"), "wrong_format", "1,000.5", json!("1000.5")),
        (json!(" 2 BTC"), "wrong_format", " 2 BTC", json!("2")),
        (json!("much"), "wrong_format", "much", Value::Null),
        (json!("0"), "out_of_range", "0", Value::Null),
        (json!("-1"), "out_of_range", "-1", Value::Null),
        (json!("0.000000001"), "out_of_range", "0.000000001", Value::Null),
        (json!("10000000000"), "out_of_range", "10000000000", Value::Null),
        (json!([1]), "wrong_type", "a list of 1", Value::Null),
    ] {
        check(qty(value), ("qty", code, got, nearest));
    }
}

#[test]
fn a_moment_is_read_from_text_and_nanoseconds() {
    let from = |value: Value| arguments(json!({ "from": value })).instant("from");
    let noon = Ok(Some(Nanos::new(1_723_118_400_000_000_001)));
    assert_eq!(from(json!("2024-08-08T12:00:00.000000001Z")), noon);
    assert_eq!(from(json!("2024-08-08T17:30:00.000000001+05:30")), noon);
    assert_eq!(from(json!("1723118400000000001")), noon);
    assert_eq!(from(json!(1_723_118_400_000_000_001_i64)), noon);
    assert_eq!(arguments(json!({})).instant("from"), Ok(None));
    for (value, code, got, nearest) in [
        (json!("2024-08-08"), "wrong_format", "2024-08-08", json!("2024-08-08T00:00:00Z")),
        (json!("2024-08-08 12:30"), "wrong_format", "2024-08-08 12:30", json!("2024-08-08T12:30Z")),
        (json!("yesterday"), "wrong_format", "yesterday", Value::Null),
        (json!("9999-01-01T00:00:00Z"), "wrong_format", "9999-01-01T00:00:00Z", Value::Null),
        (json!(1.5), "wrong_format", "1.5", Value::Null),
        (json!(true), "wrong_type", "true", Value::Null),
    ] {
        check(from(value), ("from", code, got, nearest));
    }
}

#[test]
fn a_cursor_is_taken_back_with_its_own_question_only() {
    let sealed = cursor::seal("NSE:INFY", &["inf"]);
    let cursor = |value: Value, scope: &str| arguments(json!({ "cursor": value })).cursor("cursor", &[scope]);
    assert_eq!(cursor(json!(sealed), "inf"), Ok(Some("NSE:INFY".to_owned())));
    assert_eq!(arguments(json!({})).cursor("cursor", &["inf"]), Ok(None));
    check(cursor(json!(sealed), "infy"), ("cursor", "wrong_cursor", &sealed, Value::Null));
    check(cursor(json!(7), "inf"), ("cursor", "wrong_type", "7", Value::Null));
}
