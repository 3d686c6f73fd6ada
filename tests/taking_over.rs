//! What takes a real market's place when its engine dies, and how a person's engine takes a simulated one's.

use crate::binary::{command, run, text};
use crate::client::Client;
use crate::generated::{self, Market};
use crate::live::{Running, exchange, wait_until};
use crate::stdio_client::StdioClient;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// Long enough for anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

fn venue(folder: &Path) -> (Running, String) {
    let path = folder.join("capture.txt");
    fs::write(&path, generated::capture(Market::Spot, 71, 20_000).text).unwrap();
    exchange(folder, &[text(&path)], "1", "127.0.0.1:0")
}

/// What a person types to be connected there.
fn arguments(at: &str) -> [&str; 9] {
    ["serve", "--listen", "127.0.0.1:0", "--venue", "binance-spot", "--symbols", "X", "--at", at]
}

fn data_of(client: &mut StdioClient) -> Value {
    client.call("get_status", &json!({}))["data"].clone()
}

/// Asks until answers are about such prices: an engine that leaves is an error in between.
fn wait_for_data(client: &mut StdioClient, data: &str) {
    let began = Instant::now();
    loop {
        let answer = client.request("tools/call", &json!({"name": "get_status", "arguments": {}}));
        if answer["result"]["structuredContent"]["data"] == json!(data) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
    }
}

#[track_caller]
fn refused(client: &mut StdioClient) {
    let answer = client.request("tools/call", &json!({"name": "get_status"}));
    assert_eq!(answer["error"]["data"], json!({"code": "engine_unavailable", "retryable": true}), "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    for part in ["no engine is running", "RECORDED data", "only where it is asked for", "tidegate serve"] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
}

/// A real market's engine differs in its word for the prices alone: nothing here asks a venue.
#[test]
fn a_new_client_after_a_real_engines_death_gets_no_invented_prices() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let (_venue, at) = venue(folder.path());
    for signal in ["KILL", "TERM"] {
        let engine = Running::start(&data, &arguments(&at));
        let mut old = StdioClient::start(&data);
        assert_eq!(data_of(&mut old), json!("RECORDED"));
        engine.signal(signal);
        engine.wait_for_end();
        let mut new = StdioClient::start(&data);
        for client in [&mut new, &mut old] {
            (0..3).for_each(|_| refused(client));
        }
        assert!(!data.join("sim").exists());
        new.close();
        old.close();
    }
    // A person asks for the simulated market: from then on clients may.
    let engine = Running::start(&data, &["serve", "--listen", "127.0.0.1:0"]);
    let mut client = StdioClient::start(&data);
    assert_eq!(data_of(&mut client), json!("SIMULATED"));
    engine.terminate();
    wait_for_data(&mut client, "SIMULATED");
    client.close();
}

#[test]
fn a_simulated_owner_leaves_for_a_persons_engine_and_comes_back_for_nobody() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let (_venue, at) = venue(folder.path());
    let (mut owner, mut other) = (StdioClient::start(&data), StdioClient::start(&data));
    assert_eq!((data_of(&mut owner), data_of(&mut other)), (json!("SIMULATED"), json!("SIMULATED")));
    // From a client's engine to a person's simulated one, to a person's real one.
    let simulated = Running::start(&data, &["serve", "--listen", "127.0.0.1:0", "--seed", "3"]);
    assert_eq!(Client::endpoint(&data).unwrap()["pid"], json!(simulated.pid()));
    let real = Running::start(&data, &arguments(&at));
    simulated.ends();
    assert_eq!(Client::endpoint(&data).unwrap()["pid"], json!(real.pid()));
    wait_until(&Client::of(&data), "a live book", |status| status["feeds_live"] == json!(1));
    for client in [&mut owner, &mut other] {
        wait_for_data(client, "RECORDED");
    }
    for more in [&arguments(&at)[..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(&data, more);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains("already owned"), "a real one leaves for nobody: {error}");
    }
    real.signal("KILL");
    real.wait_for_end();
    for client in [&mut owner, &mut other] {
        refused(client);
    }
    owner.close();
    other.close();
}

/// A person's engine that is killed while it waits has changed nothing.
#[test]
fn a_person_who_gives_up_leaves_the_owner_where_it_is() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let mut owner = StdioClient::start(&data);
    assert_eq!(data_of(&mut owner), json!("SIMULATED"));
    owner.signal("STOP");
    let mut person = command(&data).args(arguments("127.0.0.1:1")).stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !data.join("run/claim").exists() {
        assert!(began.elapsed() < PATIENCE, "nobody asks");
    }
    person.kill().unwrap();
    person.wait().unwrap();
    owner.signal("CONT");
    assert_eq!(data_of(&mut owner), json!("SIMULATED"));
    assert_eq!(Client::endpoint(&data).unwrap()["pid"], json!(owner.pid()), "it has not left");
    owner.close();
}
