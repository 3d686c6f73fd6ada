//! `wait_for` on a running market: what is told, by whom, and what happens between two calls.

use crate::binary::{replay_json, text};
use crate::client::Client;
use crate::storing::start;
use serde_json::{Value, json};
use tempfile::tempdir;

const KEY: &str = "BINANCE:BTCUSDT";

fn wait(client: &Client, condition: &str, wait_s: u64, handle: &Value) -> Value {
    let mut arguments = json!({ "instrument": KEY, "condition": condition, "interval": "1s", "wait_s": wait_s });
    if !handle.is_null() {
        arguments["handle"] = handle.clone();
    }
    let waited = client.call("wait_for", &arguments);
    assert!(waited["fired"].is_boolean(), "{waited}");
    assert_eq!(waited["fired"] == json!(true), waited["handle"].is_null(), "{waited}");
    waited
}

/// The market's time, in seconds since the epoch.
fn now(client: &Client) -> i64 {
    let status = client.call("get_status", &json!({}));
    let as_of: jiff::Timestamp = status["as_of"].as_str().unwrap().parse().unwrap();
    as_of.as_second()
}

#[test]
fn what_becomes_true_is_told_with_the_values_of_its_bar() {
    let folder = tempdir().unwrap();
    let (mut process, client) = start(folder.path());
    let condition = "close > lag(close, 1) and ema(close, 5) > 0";
    let (mut told, mut by_watch) = (0, 0);
    for round in 0..8 {
        let fired = wait(&client, condition, 20, &Value::Null);
        assert_eq!(fired["fired"], true, "{fired}");
        // The bar that the start fell into lacks what was traded before.
        assert!(round == 0 || fired["incomplete"] == json!(false), "{fired}");
        let at: jiff::Timestamp = fired["at"].as_str().unwrap().parse().unwrap();
        let expressions = ["close", "lag(close, 1)", "ema(close, 5)"];
        let asked = json!({
            "instruments": [KEY], "interval": "1s", "expressions": expressions, "to": at.to_string(), "limit": 1
        });
        let bars = client.call("compute_indicators", &asked);
        let row = &bars["values"]["rows"][0];
        assert_eq!(row[1].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second(), at.as_second() - 1);
        // Where both began with the same bar.
        if bars["primed_from"]["rows"][0][2] == fired["primed_from"] {
            let values: Vec<&Value> = expressions.iter().map(|text| &fired["values"][text]).collect();
            assert_eq!(values, row.as_array().unwrap().iter().skip(2).collect::<Vec<_>>(), "{fired}");
            told += 1;
        }
        by_watch += u64::from(fired["seen_by"] == "watch");
    }
    println!("{told} of 8 compared, {by_watch} seen by the watch");
    assert!(told > 0);
    let live = wait(&client, "live.close > 0", 20, &Value::Null);
    assert_eq!((&live["fired"], &live["seen_by"]), (&json!(true), &json!("watch")));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn nothing_is_missed_between_two_calls_nor_over_a_kill() {
    let folder = tempdir().unwrap();
    let (mut process, client) = start(folder.path());
    // It becomes true while nobody asks.
    let soon = format!("time >= {}", now(&client) + 4);
    let first = wait(&client, &soon, 1, &Value::Null);
    assert_eq!(first["fired"], false, "{first}");
    wait(&client, &format!("time >= {}", now(&client) + 6), 20, &Value::Null);
    let fired = wait(&client, &soon, 1, &first["handle"]);
    assert_eq!(
        (&fired["fired"], &fired["seen_by"], &fired["unwatched"]),
        (&json!(true), &json!("watch"), &Value::Null)
    );

    // The engine is killed with conditions attached; the recording tells what became true after it.
    let later = format!("time >= {}", now(&client) + 4);
    let before = wait(&client, &later, 1, &Value::Null);
    let never = wait(&client, "close < 0", 1, &Value::Null);
    process.kill().unwrap();
    process.wait().unwrap();
    let tape = folder.path().join("sim/tape");
    assert!(replay_json(folder.path(), &[text(&tape)])["trades"].as_u64().unwrap() > 0);
    let (mut process, client) = start(folder.path());
    let refused = client.call(
        "wait_for",
        &json!({
            "instrument": KEY, "condition": "close < 1", "interval": "1s", "handle": never["handle"]
        }),
    );
    assert_eq!((&refused["code"], &refused["field"]), (&json!("wrong_handle"), &json!("handle")));
    wait(&client, &format!("time >= {}", now(&client) + 6), 20, &Value::Null);
    let fired = wait(&client, &later, 1, &before["handle"]);
    assert_eq!((&fired["fired"], &fired["seen_by"]), (&json!(true), &json!("recording")), "{fired}");
    assert!(fired["unwatched"].is_array(), "the kill is named: {fired}");
    let still = wait(&client, "close < 0", 1, &never["handle"]);
    assert_eq!(still["fired"], false);
    assert!(still["unwatched"].is_array(), "{still}");
    process.kill().unwrap();
    process.wait().unwrap();
}
