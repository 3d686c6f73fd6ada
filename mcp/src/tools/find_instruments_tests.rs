use super::*;
use crate::caller::Caller;
use crate::tools::ToolName;
use crate::tools::stage::stage;

async fn asked(facade: &Facade, arguments: Value) -> Value {
    let result =
        facade.call(ToolName::FindInstruments, arguments.as_object().unwrap().clone(), &Caller::program()).await;
    result.structured_content.unwrap()
}

/// Keys and scores of the matches.
async fn found(facade: &Facade, arguments: Value) -> Vec<(String, u64)> {
    let answer = asked(facade, arguments).await;
    let rows = answer["matches"]["rows"].as_array().unwrap_or_else(|| panic!("{answer}"));
    rows.iter().map(|row| (row[0].as_str().unwrap().to_owned(), row[13].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn keys_names_and_currencies_are_found_and_slips_are_guessed() {
    let facade = stage(2, 1);
    for (query, expect) in [
        ("BINANCE:BTCUSDT@SIM", vec![("BINANCE:BTCUSDT@SIM", 100)]),
        ("btcusdt", vec![("BINANCE:BTCUSDT", 100), ("BINANCE:BTCUSDT@SIM", 100)]),
        ("BTCUSD_", vec![("BINANCE-COINM:BTCUSD_PERP", 90)]),
        ("infosys", vec![("NSE:INFY", 80)]),
        ("sys", vec![("NSE:INFY", 70)]),
        ("INR", vec![("NSE:INFY", 80)]),
        ("INFI", vec![("NSE:INFY", 69)]),
        ("ETHUSTD", vec![("BINANCE:ETHUSDT", 69)]),
        ("no such thing at all", vec![]),
        ("日本語", vec![]),
    ] {
        let expect: Vec<(String, u64)> = expect.into_iter().map(|(key, score)| (key.to_owned(), score)).collect();
        assert_eq!(found(&facade, json!({ "query": query })).await, expect, "{query}");
    }
    let of_market = found(&facade, json!({ "query": "", "market": "NSE" })).await;
    assert_eq!(of_market, [("NSE:INFY".to_owned(), 100)]);
    let of_source = found(&facade, json!({ "query": "BTC", "source": "SIM" })).await;
    assert_eq!(of_source[0].0, "BINANCE:BTCUSDT@SIM");
}

#[tokio::test]
async fn pages_show_every_instrument_once_and_say_how_many_there_are() {
    let facade = stage(60, 1);
    let (mut keys, mut arguments, mut pages) = (Vec::new(), json!({ "query": "", "limit": 7 }), 0);
    loop {
        let answer = asked(&facade, arguments.clone()).await;
        let rows = answer["matches"]["rows"].as_array().unwrap().clone();
        assert_eq!(answer["coverage"], json!({ "shown": rows.len(), "total": 65 }));
        keys.extend(rows.iter().map(|row| row[0].as_str().unwrap().to_owned()));
        pages += 1;
        if answer["cursor"].is_null() {
            break;
        }
        arguments["cursor"] = answer["cursor"].clone();
    }
    assert_eq!((pages, &keys), (10, &facade.directory.keys()));
    arguments["query"] = json!("BTC");
    let refusal = asked(&facade, arguments).await;
    assert_eq!((&refusal["code"], &refusal["field"]), (&json!("wrong_cursor"), &json!("cursor")));
}

#[tokio::test]
async fn a_row_tells_the_facts_and_the_feed() {
    let facade = stage(0, 1);
    let answer = asked(&facade, json!({ "query": "COINM" })).await;
    assert_eq!(answer["matches"]["columns"], json!(COLUMNS));
    assert_eq!(
        answer["matches"]["rows"][0],
        json!([
            "BINANCE-COINM:BTCUSD_PERP",
            "BINANCE",
            null,
            "inverse",
            "0.01",
            "1",
            "100",
            "BTC",
            "USD",
            null,
            "live",
            false,
            "open",
            70
        ])
    );
    let share = asked(&facade, json!({ "query": "INFY" })).await;
    let row = &share["matches"]["rows"][0];
    assert_eq!(
        (&row[2], &row[9], &row[10], &row[11]),
        (&json!("Infosys"), &json!("NSE:NIFTY"), &json!("syncing"), &json!(true))
    );
    assert_eq!(share["feed_state"], "syncing");
}
