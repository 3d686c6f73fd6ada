//! `tidegate serve` of a live market: over real sockets, from `tidegate exchange`.

use crate::binary::{captures, command, replay_json, text};
use crate::cases::count;
use crate::client::Client;
use crate::generated::{self, Market};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

/// Long enough for anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of ours that runs until it is dropped, and the first line it printed.
pub struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
    banner: String,
}

impl Running {
    pub fn start(data: &Path, arguments: &[&str]) -> Running {
        let mut process = command(data).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        output.read_line(&mut banner).unwrap();
        assert!(!banner.is_empty(), "{arguments:?} ended at once");
        Running { process, output, banner }
    }

    pub fn pid(&self) -> u64 {
        u64::from(self.process.id())
    }

    /// What it printed before the line that begins with `last`.
    pub fn rest_of_banner(&mut self, last: &str) -> String {
        self.output.by_ref().lines().map(Result::unwrap).take_while(|line| !line.starts_with(last)).collect()
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until it has ended, however that was.
    pub fn wait_for_end(mut self) {
        self.process.wait().unwrap();
    }

    /// Waits until it ends by itself, in order.
    pub fn ends(mut self) {
        assert!(self.process.wait().unwrap().success(), "it ends in order");
    }

    /// Ends it as Ctrl-C would.
    pub fn terminate(self) {
        self.signal("TERM");
        self.ends();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

pub fn exchange(folder: &Path, paths: &[&str], speed: &str, listen: &str) -> (Running, String) {
    let running = Running::start(folder, &[&["exchange", "--speed", speed, "--listen", listen], paths].concat());
    let address = running.banner.trim().rsplit(' ').next().unwrap().to_owned();
    (running, address)
}

fn serve(data: &Path, venue: &str, symbol: &str, at: &str) -> (Running, Client) {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--venue", venue, "--symbols", symbol, "--at", at];
    let running = Running::start(data, &arguments);
    assert!(running.banner.starts_with("PAPER, RECORDED DATA"), "{}", running.banner);
    let client = Client::of(data);
    (running, client)
}

/// Asks until `holds` is true of the status.
pub fn wait_until(client: &Client, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let (mut moved, mut last) = (Instant::now(), 0);
    loop {
        let status = client.call("get_status", &json!({}));
        if holds(&status) {
            return status;
        }
        if events(&status) != last {
            (moved, last) = (Instant::now(), events(&status));
        }
        assert!(moved.elapsed() < PATIENCE, "{what} does not happen: {status}");
    }
}

fn events(status: &Value) -> u64 {
    status["events"].as_u64().unwrap()
}

/// Serves the capture again over sockets, records what arrives, and expects the market of its direct replay.
fn same_over_sockets(folder: &TempDir, venue: &str, symbol: &str, paths: &[&str], speed: &str) {
    let direct = replay_json(folder.path(), paths);
    let data = folder.path().join(format!("{venue}-{speed}"));
    let (_exchange, at) = exchange(folder.path(), paths, speed, "127.0.0.1:0");
    let (served, client) = serve(&data, venue, symbol, &at);
    let all = direct["events"].as_u64().unwrap();
    let status = wait_until(&client, "the end of the capture", |status| events(status) >= all);
    assert_eq!((events(&status), &status["gaps"]), (all, &json!(0)), "{venue} at {speed}");
    served.terminate();
    let tape = replay_json(folder.path(), &[text(&data.join("replay/at/tape"))]);
    assert_eq!(tape["digest"], direct["digest"], "{venue} at {speed}");
    assert_eq!(tape["trades"], direct["trades"]);
}

fn write(folder: &TempDir, name: &str, capture: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, capture).unwrap();
    path
}

#[test]
fn a_capture_served_over_sockets_is_the_market_of_its_replay() {
    for (market, seed) in [(Market::Spot, 41), (Market::UsdM, 42), (Market::CoinM, 43)] {
        let folder = tempdir().unwrap();
        let path = write(&folder, "capture.txt", &generated::capture(market, seed, 2_000).text);
        for speed in ["max", "1000"] {
            same_over_sockets(&folder, market.venue(), "X", &[text(&path)], speed);
        }
    }
}

#[test]
fn a_real_capture_served_over_sockets_is_the_market_of_its_replay() {
    let Some(data) = captures("a_real_capture_served_over_sockets_is_the_market_of_its_replay") else { return };
    let folder = tempdir().unwrap();
    for (venue, symbol, name) in [
        ("binance-spot", "BTCUSDT", "binance_spot/spot_btcusdt_20240808.gz"),
        ("binance-coinm", "BTCUSD_PERP", "binance_coinm/cm_btcusd_perp_20240808.gz"),
    ] {
        same_over_sockets(&folder, venue, symbol, &[text(&data.join(name))], "max");
    }
}

#[test]
fn symbols_are_taken_in_either_case_or_refused_with_the_venues_spelling() {
    let folder = tempdir().unwrap();
    let path = write(&folder, "capture.txt", &generated::capture(Market::Spot, 45, 500).text);
    same_over_sockets(&folder, "binance-spot", "x", &[text(&path)], "max");
    for (venue, symbol, hint) in [
        ("binance-spot", "btc/usdt", "BTCUSDT"),
        ("kraken", "btcusd", "BTC/USD"),
        ("kite", "NSE:INFY", "408065"),
        ("angel", "1594", "1:1594"),
    ] {
        let arguments = ["serve", "--venue", venue, "--symbols", symbol, "--at", "127.0.0.1:1"];
        let output = command(folder.path()).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(symbol) && said.contains(hint), "{venue}: {said}");
    }
}

#[test]
fn messages_of_symbols_that_were_not_asked_for_are_counted_and_named() {
    let folder = tempdir().unwrap();
    let path = write(&folder, "capture.txt", &generated::capture(Market::Spot, 46, 500).text);
    let (_exchange, at) = exchange(folder.path(), &[text(&path)], "max", "127.0.0.1:0");
    let (served, client) = serve(&folder.path().join("live"), "binance-spot", "Y", &at);
    let status = wait_until(&client, "a stranger", |status| status["unknown_symbols"].as_u64() > Some(100));
    let warnings = status["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|it| it.as_str().unwrap().starts_with("X: messages of it come")), "{warnings:?}");
    served.terminate();
}

/// Larger than any quantity that is represented: once, with the reason, and the other families go on.
#[test]
fn a_snapshot_that_cannot_be_represented_closes_the_book_with_the_reason() {
    let folder = tempdir().unwrap();
    let mut lines = String::new();
    let begin = 1_735_689_600_000_u64;
    for n in 0..200 {
        let ms = begin + n;
        if n == 10 {
            let asks = r#""asks":[["0.00001240","99999999999999.00"]]"#;
            lines += &format!("{ms}000000 {{\"lastUpdateId\":5,\"bids\":[],{asks}}}\n");
        }
        let depth = format!(r#""e":"depthUpdate","E":{ms},"s":"PEPEUSDT","U":{0},"u":{0},"b":[],"a":[]"#, n + 1);
        lines += &format!("{ms}000000 {{\"stream\":\"pepeusdt@depth@100ms\",\"data\":{{{depth}}}}}\n");
        let trade =
            format!(r#""e":"trade","E":{ms},"s":"PEPEUSDT","t":{n},"p":"0.00001234","q":"7.00","T":{ms},"m":true"#);
        lines += &format!("{ms}000000 {{\"stream\":\"pepeusdt@trade\",\"data\":{{{trade}}}}}\n");
    }
    let path = write(&folder, "capture.txt", &lines);
    let (_exchange, at) = exchange(folder.path(), &[text(&path)], "max", "127.0.0.1:0");
    let (served, client) = serve(&folder.path().join("live"), "binance-spot", "PEPEUSDT", &at);
    let status = wait_until(&client, "all trades and a closed book", |status| {
        status["trades"] == json!(200) && status["feeds"][0]["book_state"] == json!("closed")
    });
    assert_eq!((&status["gaps"], &status["decode_errors"]), (&json!(1), &json!(1)), "once: {status}");
    let trouble = status["warnings"][0].as_str().unwrap();
    assert!(trouble.contains("PEPEUSDT: book closed for good") && trouble.contains("out of range"), "{status}");
    let log = fs::read_to_string(folder.path().join("live/logs/errors.jsonl")).unwrap();
    assert_eq!(log.matches("book closed for good").count(), 1, "{log}");
    served.terminate();
}

/// The first seconds of a capture, as a file of its own.
fn beginning(folder: &TempDir, capture: &Path, seconds: i64) -> PathBuf {
    let mut lines = BufReader::new(GzDecoder::new(fs::File::open(capture).unwrap())).lines().map(Result::unwrap);
    let at = |line: &str| line.split(' ').next().unwrap().parse::<i64>().unwrap();
    let first = lines.next().unwrap();
    let end = at(&first) + seconds * 1_000_000_000;
    let kept: Vec<String> = std::iter::once(first).chain(lines.take_while(|line| at(line) < end)).collect();
    let name = format!("{}.txt", capture.file_stem().unwrap().to_str().unwrap());
    write(folder, &name, &(kept.join("\n") + "\n"))
}

/// At the capture's own pace, and at ten times that: sixty seconds of each (full: all of it, eleven minutes).
#[test]
fn a_real_capture_keeps_its_pace_over_sockets() {
    let Some(data) = captures("a_real_capture_keeps_its_pace_over_sockets") else { return };
    let folder = tempdir().unwrap();
    let seconds = count(60, 3_600).max(2) as i64;
    println!("{seconds} s of each capture, where it is as long, at its pace and at ten times that");
    let captures = [
        ("binance-spot", "BTCUSDT", "binance_spot/spot_btcusdt_20240808.gz"),
        ("binance-coinm", "BTCUSD_PERP", "binance_coinm/cm_btcusd_perp_20240808.gz"),
    ];
    std::thread::scope(|scope| {
        for (venue, symbol, name) in captures {
            let path = beginning(&folder, &data.join(name), seconds);
            for speed in ["1", "10"] {
                let (folder, path) = (&folder, path.clone());
                scope.spawn(move || same_over_sockets(folder, venue, symbol, &[text(&path)], speed));
            }
        }
    });
}

/// The venue goes away and comes back: the hole is told, the book is new, and nothing was lost unsaid.
#[test]
fn a_venue_that_goes_away_is_found_again_and_its_absence_recorded() {
    let folder = tempdir().unwrap();
    let capture = generated::capture(Market::Spot, 44, 4_000);
    let path = write(&folder, "capture.txt", &capture.text);
    let data = folder.path().join("live");
    // At this speed the capture takes longer than the first venue lives.
    let (first, at) = exchange(folder.path(), &[text(&path)], "1", "127.0.0.1:0");
    let (served, client) = serve(&data, "binance-spot", "X", &at);
    wait_until(&client, "the first book", |status| status["feeds_live"] == json!(1));
    drop(first);
    wait_until(&client, "the loss", |status| status["gaps"] == json!(1) && status["feeds_live"] == json!(0));
    let depth = client.call("get_depth", &json!({"instrument": "BINANCE:X", "levels": 1}));
    assert_ne!(depth["feed_state"], json!("live"), "{depth}");
    let (_second, _) = exchange(folder.path(), &[text(&path)], "1", &at);
    let status = wait_until(&client, "the return", |status| status["feeds_live"] == json!(1));
    assert_eq!(status["resyncs"], json!(1));
    served.terminate();
    let tape = replay_json(folder.path(), &[text(&data.join("replay/at/tape"))]);
    assert_eq!((&tape["gaps"], &tape["resyncs"]), (&json!(1), &json!(1)), "and all of it is on the tape");
}

#[test]
fn a_simulated_market_needs_nothing_and_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--seed", "7"];
    let first = Running::start(folder.path(), &arguments);
    assert!(
        first.banner.starts_with("PAPER, SIMULATED DATA: 52 simulated instruments, recorded in"),
        "{}",
        first.banner
    );
    let client = Client::of(folder.path());
    let status = wait_until(&client, "a live market", |status| {
        status["feeds_live"].as_u64() >= Some(52) && status["recorder"]["written_seq"].as_u64() > Some(0)
    });
    assert_eq!((&status["mode"], &status["data"]), (&json!("PAPER"), &json!("SIMULATED")));
    assert_eq!((&status["feeds_total"], &status["gaps"], &status["decode_errors"]), (&json!(53), &json!(0), &json!(0)));
    let quote = |client: &Client, key: &str| {
        let answer = client.call("get_quotes", &json!({"instruments": [key]}));
        let quote = answer["quotes"][0].clone();
        let price = |field: &str| quote[field].as_str().unwrap_or_default().parse::<f64>().unwrap_or(0.0);
        (price("bid"), price("ask"), price("last"))
    };
    for key in ["NSE:RELIANCE", "NSE:SBIN", "BINANCE:BTCUSDT"] {
        let began = Instant::now();
        let (bid, ask, last) = loop {
            let (bid, ask, last) = quote(&client, key);
            if last > 0.0 {
                break (bid, ask, last);
            }
            assert!(began.elapsed() < PATIENCE, "{key} never trades");
        };
        assert!(0.0 < bid && bid < ask && (last / bid - 1.0).abs() < 0.05, "{key}: {bid} {ask} {last}");
    }
    let (_, _, before) = quote(&client, "BINANCE:BTCUSDT");
    first.terminate();
    let second = Running::start(folder.path(), &arguments);
    assert!(second.banner.contains("closed since"), "{}", second.banner);
    let client = Client::of(folder.path());
    wait_until(&client, "the market again", |status| status["feeds_live"].as_u64() >= Some(52));
    let (bid, _, _) = quote(&client, "BINANCE:BTCUSDT");
    assert!((bid / before - 1.0).abs() < 0.02, "it goes on from {before}: {bid}");
    second.terminate();
    let tape = replay_json(folder.path(), &[text(&folder.path().join("sim/tape"))]);
    assert_eq!((&tape["gaps"], &tape["decode_errors"]), (&json!(1), &json!(0)), "the restart is the one gap");
}
