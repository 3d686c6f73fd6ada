//! Starts after a start with a wrong clock: the recording ends ahead of the clock, and its time never goes back.

use crate::binary::{replay_json, run, text};
use crate::client::Client;
use crate::generated::{self, Market};
use crate::live::{Running, exchange, wait_until};
use crate::recording::read;
use crate::stdio_client::StdioClient;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::tempdir;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const YEAR: i64 = 365 * 24 * HOUR;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// A recording in `tape` that ends so far ahead of now, as an engine leaves it whose clock was.
fn record_ahead(folder: &Path, tape: &Path, ahead: i64) {
    let capture = generated::capture(Market::Spot, 61, 50).text;
    let at = |line: &str| line.split(' ').next().unwrap().parse::<i64>().unwrap();
    let by = now() + ahead - at(capture.lines().last().unwrap());
    let mut shifted = String::new();
    for line in capture.lines() {
        writeln!(shifted, "{} {}", at(line) + by, line.split_once(' ').unwrap().1).unwrap();
    }
    let path = folder.join("ahead.txt");
    fs::write(&path, shifted).unwrap();
    replay_json(folder, &["--record", text(tape), text(&path)]);
}

/// A capture that is served again at its own pace: its market lives as long as a test does.
fn venue(folder: &Path) -> (Running, String) {
    let path = folder.join("capture.txt");
    fs::write(&path, generated::capture(Market::Spot, 62, 20_000).text).unwrap();
    exchange(folder, &[text(&path)], "1", "127.0.0.1:0")
}

/// An engine that is connected there: its banner, and a client of it.
fn serve(data: &Path, at: &str, more: &[&str]) -> (Running, String, Client) {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--venue", "binance-spot", "--symbols", "X", "--at", at];
    let quick = ["--set", "market.stale_after_ms=300"];
    let mut running = Running::start(data, &[&arguments[..], &quick, more].concat());
    let banner = running.rest_of_banner("Ctrl-C");
    (running, banner, Client::of(data))
}

fn depth(client: &Client) -> Value {
    client.call("get_depth", &json!({"instrument": "BINANCE:X", "levels": 1}))
}

fn tape(data: &Path) -> PathBuf {
    data.join("replay/at/tape")
}

/// What `doctor` says of the recordings' time.
fn doctor(data: &Path) -> Vec<Value> {
    let output = run(data, &["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["text"].as_str().unwrap().contains("AHEAD OF THE CLOCK")).cloned().collect()
}

#[test]
fn nothing_is_live_on_a_recording_ahead_of_the_clock() {
    for ahead in [HOUR, 10 * YEAR] {
        let folder = tempdir().unwrap();
        let data = folder.path();
        record_ahead(data, &tape(data), ahead);
        let (_venue, at) = venue(data);
        // A kill between changes nothing: the recording is as far ahead, and no further.
        for _ in 0..2 {
            let (_engine, banner, client) = serve(data, &at, &[]);
            assert!(banner.contains("AHEAD OF THE CLOCK") && banner.contains("--accept-tape-time"), "{banner}");
            for _ in 0..20 {
                let status = client.call("get_status", &json!({}));
                assert_eq!(status["feeds_live"], json!(0), "{status}");
                assert!(status["warnings"][0].as_str().unwrap().contains("AHEAD OF THE CLOCK"), "{status}");
                let depth = depth(&client);
                assert_ne!(depth["feed_state"], json!("live"), "{depth}");
                assert_eq!((&depth["bids"], &depth["asks"]), (&json!([]), &json!([])));
            }
            assert_eq!(doctor(data).len(), 1);
        }
        assert_eq!(read(&tape(data)).restarts.len(), 2);
    }
}

#[test]
fn on_a_time_that_is_accepted_a_feed_that_stops_grows_old() {
    for ahead in [-HOUR, HOUR, 10 * YEAR] {
        let folder = tempdir().unwrap();
        let data = folder.path();
        record_ahead(data, &tape(data), ahead);
        let (venue, at) = venue(data);
        let (engine, banner, client) = serve(data, &at, &["--accept-tape-time"]);
        assert_eq!(banner.contains("AHEAD OF THE CLOCK"), ahead > 0, "{banner}");
        let status = wait_until(&client, "a live book", |status| status["feeds_live"] == json!(1));
        assert_eq!(status["warnings"].as_array().unwrap().len(), usize::from(ahead > 0), "{status}");
        venue.signal("STOP");
        let stale = wait_until(&client, "silence", |status| status["feeds"][0]["book_state"] == json!("stale"));
        let old = depth(&client);
        assert!(old["age_ms"].as_u64() >= Some(300) && old["bids"] == json!([]), "{old}");
        assert_eq!(stale["gaps"], json!(1), "the restart is the one gap");
        wait_until(&client, "age", |_| depth(&client)["age_ms"].as_u64() > old["age_ms"].as_u64());
        venue.signal("CONT");
        wait_until(&client, "the feed's return", |status| status["feeds_live"] == json!(1));
        engine.terminate();
        read(&tape(data)).assert_whole();
    }
}

#[test]
fn a_clock_that_has_caught_up_is_all_that_was_waited_for() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let (_venue, at) = venue(data);
    record_ahead(data, &tape(data), 3 * SECOND);
    let (_engine, banner, client) = serve(data, &at, &[]);
    assert!(banner.contains("AHEAD OF THE CLOCK"), "{banner}");
    let status = wait_until(&client, "a live book", |status| status["feeds_live"] == json!(1));
    assert_eq!(status["warnings"], json!([]));
    assert!(depth(&client)["age_ms"].as_u64() < Some(60_000));
}

/// Clients start engines themselves; a person then says what the time is.
#[test]
fn a_simulated_market_ahead_of_the_clock_waits_for_a_person() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    record_ahead(data, &data.join("sim/tape"), HOUR);
    let mut client = StdioClient::start(data);
    let status = client.call("get_status", &json!({}));
    assert_eq!((&status["data"], &status["feeds_live"]), (&json!("SIMULATED"), &json!(0)), "{status}");
    assert!(status["warnings"][0].as_str().unwrap().contains("AHEAD OF THE CLOCK"), "{status}");
    let engine = Running::start(data, &["serve", "--listen", "127.0.0.1:0", "--accept-tape-time"]);
    let status = wait_until(&Client::of(data), "a live market", |status| status["feeds_live"].as_u64() >= Some(52));
    assert!(status["warnings"][0].as_str().unwrap().contains("AHEAD OF THE CLOCK"), "{status}");
    engine.terminate();
    client.close();
}
