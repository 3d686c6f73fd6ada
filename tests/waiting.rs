//! `wait_for` on a running market: what is told, by whom, and what happens between two calls.

use crate::binary::{replay_json, text};
use crate::client::Client;
use crate::stdio_client::StdioClient;
use crate::storing::start;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;
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

const MODERN: &str = "2026-07-28";
const QUOTES: &str = "tidegate://quotes/BINANCE:BTCUSDT";
const CONDITION: &str = "tidegate://condition/1s/BINANCE:BTCUSDT/close%20%3E%20lag(close%2C%201)";

/// The parameters of a request of a client of 2026-07-28.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    params
}

fn listen(uris: &[&str]) -> Value {
    modern(json!({ "notifications": { "resourceSubscriptions": uris, "toolsListChanged": true } }))
}

/// A stream over HTTP: what it tells, one message after the other.
fn stream(client: &Client, method: &str, params: &Value) -> impl Iterator<Item = Value> + use<> {
    let body = json!({ "jsonrpc": "2.0", "id": 5, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(&client.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\nContent-Length: {}\r\n{}\r\n{body}",
        body.len(),
        client.allowed()
    )
    .unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        let text = line.strip_prefix("data:").map_or(line.as_str(), str::trim);
        serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
    })
}

fn updated(message: &Value) -> Option<String> {
    let is_update = message["method"] == "notifications/resources/updated";
    is_update.then(|| message["params"]["uri"].as_str().unwrap().to_owned())
}

#[test]
fn a_stream_tells_that_quotes_and_conditions_have_changed() {
    let folder = tempdir().unwrap();
    let (mut process, client) = start(folder.path());
    let uris = [QUOTES, CONDITION, "file:///etc/passwd"];
    let mut heard = stream(&client, "subscriptions/listen", &listen(&uris));
    let first = heard.next().unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    let accepted = &first["params"]["notifications"];
    assert_eq!(accepted, &json!({ "resourceSubscriptions": [QUOTES, CONDITION] }), "{first}");
    let mut counts = [0, 0];
    for uri in heard.by_ref().filter_map(|message| updated(&message)) {
        counts[usize::from(uri == CONDITION)] += 1;
        if counts[0] >= 3 && counts[1] >= 2 {
            break;
        }
    }
    println!("heard of quotes {} times, of the condition {} times", counts[0], counts[1]);
    drop(heard);
    // What has changed is read.
    for (uri, field) in [(QUOTES, "quotes"), (CONDITION, "values")] {
        let read = modern(json!({ "uri": uri }));
        let answer = stream_one(&client, "resources/read", &read, uri);
        let contents = &answer["result"]["contents"][0];
        let said: Value = serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
        assert!(contents["uri"] == uri && !said[field].is_null() && said["mode"] == "PAPER", "{answer}");
    }
    let gone = stream_one(
        &client,
        "resources/read",
        &modern(json!({ "uri": "tidegate://quotes/A:B" })),
        "tidegate://quotes/A:B",
    );
    assert_eq!(gone["error"]["data"]["code"], "unknown_instrument", "{gone}");
    let wrong = ["tidegate://condition/1s/BINANCE:BTCUSDT/close"];
    let refused = stream(&client, "subscriptions/listen", &listen(&wrong)).find(|message| message["id"] == 5).unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("condition"), "{refused}");
    process.kill().unwrap();
    process.wait().unwrap();
}

/// One exchange; what a client of 2026-07-28 names in its parameters it repeats in a header.
fn stream_one(client: &Client, method: &str, params: &Value, name: &str) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 5, "method": method, "params": params });
    let headers =
        format!("{}MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n", client.allowed());
    serde_json::from_str(&client.post(&headers, &body).1).unwrap()
}

#[test]
fn a_stream_over_stdio_is_ended_by_its_client() {
    let folder = tempdir().unwrap();
    let (mut process, _) = start(folder.path());
    let mut client = StdioClient::start(folder.path());
    client.send("subscriptions/listen", &listen(&[QUOTES]));
    assert_eq!(client.next_message()["method"], "notifications/subscriptions/acknowledged");
    for _ in 0..3 {
        assert_eq!(updated(&client.next_message()).as_deref(), Some(QUOTES));
    }
    client.notify("notifications/cancelled", &json!({ "requestId": 1 }));
    // What was on its way may still come; then other requests are answered as ever.
    client.send("tools/call", &modern(json!({ "name": "get_status", "arguments": {} })));
    while client.next_message()["id"] != 2 {}
    process.kill().unwrap();
    process.wait().unwrap();
}
