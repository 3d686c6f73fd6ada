//! `tidegate serve --replay` over HTTP and stdio, as far as no client library is needed.

use crate::binary::{command, run, text};
use crate::client::{Client, tool_call};
use crate::generated::{self, Market};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use tempfile::{TempDir, tempdir};

/// A served capture; it is killed with its owner.
struct Served {
    folder: TempDir,
    process: Child,
    client: Client,
    truth: generated::Capture,
}

impl Served {
    fn start(options: &[&str]) -> Served {
        let folder = tempdir().unwrap();
        let truth = generated::capture(Market::Spot, 21, 400);
        let capture = folder.path().join("monday.txt");
        fs::write(&capture, &truth.text).unwrap();
        let mut process = command(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--replay", text(&capture)])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The banner comes when the endpoint is published.
        let mut banner = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut banner).unwrap();
        assert!(banner.starts_with("REPLAY, RECORDED DATA"), "{banner}");
        let client = Client::of(&folder.path().join("replay/monday"));
        let bearer = String::from_utf8(run(folder.path(), &["token"]).stdout).unwrap().trim().to_owned();
        assert_eq!(client.bearer, bearer, "one bearer for the folder and its replays");
        Served { folder, process, client, truth }
    }

    fn wait_until_it_stands_still(&self) {
        for _ in 0..10_000 {
            if self.client.call("get_status", &json!({}))["playing"] == json!(false) {
                return;
            }
        }
        panic!("it never stands still");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_played_capture_stands_still_and_goes_on_answering() {
    let served = Served::start(&["--speed", "max"]);
    served.wait_until_it_stands_still();
    let depth = served.client.call("get_depth", &json!({"instrument": "BINANCE:X", "levels": 3}));
    let [bid, bid_qty, ask, ask_qty] = &served.truth.last_top;
    assert_eq!(depth["bids"][0], json!([bid, bid_qty]));
    assert_eq!(depth["asks"][0], json!([ask, ask_qty]));
    assert_eq!(
        (&depth["mode"], &depth["data"], &depth["feed_state"]),
        (&json!("REPLAY"), &json!("RECORDED"), &json!("live"))
    );
    let status = served.client.call("get_status", &json!({}));
    assert_eq!(status["seq"], depth["seq"]);
    assert_eq!(status["trades"], served.truth.trades);
    assert_eq!(
        served.client.call("get_quotes", &json!({"instruments": ["BINANCE:X"]}))["quotes"][0]["bid"],
        json!(bid)
    );
    assert!(!served.folder.path().join("run/endpoint.json").exists(), "a replay never takes the live folder");
}

/// The tools agree with each other: they are asked of one state that stands still.
#[test]
fn tools_say_the_same_of_one_book() {
    let served = Served::start(&["--speed", "max"]);
    served.wait_until_it_stands_still();
    let call = |tool, arguments: Value| served.client.call(tool, &arguments);
    let found = call("find_instruments", json!({"query": "binance:x"}));
    assert_eq!(found["matches"]["rows"][0][0], json!("BINANCE:X"));
    let quotes = call("get_quotes", json!({"instruments": ["BINANCE:X"], "trades": 20}));
    let quote = &quotes["quotes"][0];
    let trades = quote["trades"].as_array().unwrap();
    assert_eq!(trades.len(), 20);
    assert_eq!(trades[0], json!([quote["last"], quote["last_qty"], quote["last_side"], quote["last_at"]]));
    let at = |trade: &Value| trade[3].as_str().unwrap().to_owned();
    assert!(trades.windows(2).all(|two| at(&two[0]) >= at(&two[1])), "the latest first");
    let liquidity = call("analyze_liquidity", json!({"instrument": "BINANCE:X", "side": "buy", "qty": "0.001"}));
    assert_eq!(
        (&liquidity["prices"]["bid"], &liquidity["prices"]["ask"], &liquidity["seq"]),
        (&quote["bid"], &quote["ask"], &quotes["seq"])
    );
    assert_eq!(liquidity["costs"]["rows"][2][2], json!("0.001"));
    // Nothing comes after the first question.
    assert_eq!((&liquidity["flow"]["trades"], &liquidity["flow"]["values"]["vpin"]), (&json!(0), &Value::Null));
    // Whole thousandths, so that sums are exact.
    let thousandths = |qty: &Value| (qty.as_str().unwrap().parse::<f64>().unwrap() * 1_000.0).round() as i64;
    let rows = |depth: &Value| depth["bids"].as_array().unwrap().clone();
    let levels = rows(&call("get_depth", json!({"instrument": "BINANCE:X", "levels": 50})));
    let buckets = rows(&call("get_depth", json!({"instrument": "BINANCE:X", "levels": 1, "bucket": "0.2"})));
    let price = |row: &Value| row[0].as_str().unwrap().parse::<f64>().unwrap();
    let within = levels.iter().filter(|row| price(row) > price(&buckets[0]) - 0.001);
    assert_eq!(within.map(|row| thousandths(&row[1])).sum::<i64>(), thousandths(&buckets[0][1]));
    let refused = call("get_quotes", json!({"instruments": ["BINANCE:Y"]}));
    assert!(refused["message"].as_str().unwrap().contains("find_instruments"), "{refused}");
}

#[test]
fn until_stands_still_in_the_middle() {
    let whole = Served::start(&["--speed", "max"]);
    whole.wait_until_it_stands_still();
    let line = whole.truth.text.lines().nth(200).unwrap();
    let until = line.split_once(' ').unwrap().0;
    let part = Served::start(&["--speed", "max", "--until", until]);
    part.wait_until_it_stands_still();
    let status = part.client.call("get_status", &json!({}));
    let last_event = jiff::Timestamp::from_nanosecond(until.parse().unwrap()).unwrap();
    assert!(status["as_of"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() <= last_event);
    assert!(status["events"].as_u64() < whole.client.call("get_status", &json!({}))["events"].as_u64());
    assert!(status["events"].as_u64().unwrap() > 100);
}

#[test]
fn without_the_bearer_or_with_a_foreign_name_nothing_is_reached() {
    let served = Served::start(&["--speed", "max"]);
    let call = tool_call("get_status", &json!({}));
    let host = format!("Host: {}\r\n", served.client.address);
    let allowed = served.client.allowed();
    assert_eq!(served.client.post(&allowed, &call).0, 200);
    let refused = [
        (host.clone(), 401),
        (format!("{host}Authorization: Bearer tg_wrong\r\n"), 401),
        (allowed.replace(&served.client.address, "evil.example"), 403),
        (format!("{allowed}Origin: http://evil.example\r\n"), 403),
        (format!("{allowed}Forwarded: for=1.2.3.4\r\n"), 403),
        (format!("{allowed}x-forwarded-for: 1.2.3.4\r\n"), 403),
        (format!("{allowed}X-Forwarded-Anything: 1\r\n"), 403),
        (format!("{allowed}X-Real-IP: 1.2.3.4\r\n"), 403),
    ];
    for (headers, expect) in &refused {
        let (status, body) = served.client.post(headers, &call);
        assert_eq!(status, *expect, "{headers}");
        assert!(!body.contains("structuredContent") && !body.contains(&served.client.bearer), "{headers}: {body}");
    }
    println!("{} refusals, 0 answers", refused.len());
}

/// One request and its answer through `tidegate mcp`.
fn over_stdio(folder: &Path, messages: &[Value]) -> Vec<Value> {
    let mut proxy = command(folder).arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = proxy.stdin.take().unwrap();
    for message in messages {
        writeln!(input, "{message}").unwrap();
    }
    drop(input);
    let mut output = String::new();
    proxy.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(proxy.wait().unwrap().success());
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn stdio_finds_the_running_replay() {
    let served = Served::start(&["--speed", "max"]);
    served.wait_until_it_stands_still();
    let answers = over_stdio(served.folder.path(), &[tool_call("get_depth", &json!({"instrument": "BINANCE:X"}))]);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["result"]["structuredContent"]["bids"][0][0], json!(served.truth.last_top[0]));
}

#[test]
fn one_folder_has_one_owner() {
    let served = Served::start(&["--speed", "max"]);
    let capture = served.folder.path().join("monday.txt");
    let second = run(served.folder.path(), &["serve", "--listen", "127.0.0.1:0", "--replay", text(&capture)]);
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && stderr.contains(&served.process.id().to_string()), "{stderr}");
}

#[test]
fn a_signal_ends_it_in_order() {
    let mut served = Served::start(&["--speed", "1"]);
    let pid = served.process.id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(served.process.wait().unwrap().success());
    assert!(!served.folder.path().join("replay/monday/run/endpoint.json").exists());
}
