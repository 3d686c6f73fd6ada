//! What was recorded, as tables: while it is recorded, after a kill, and after the end.

use crate::binary::{command, run};
use crate::client::Client;
use crate::recording::read;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the simulated market at a hundred times its pace.
pub fn start(data: &Path) -> (Child, Client) {
    let mut process = command(data)
        .args(["serve", "--listen", "127.0.0.1:0", "--rate", "10000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let banner = BufReader::new(process.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(banner.starts_with("PAPER, SIMULATED DATA"), "{banner}");
    (process, Client::of(data))
}

/// Runs until so many inputs more are seen by queries.
fn wait_for(client: &Client, inputs: u64) {
    let seen = || client.call("get_status", &json!({}))["history"]["seen_seq"].as_u64().unwrap();
    let (began, from) = (Instant::now(), seen());
    while seen() < from + inputs {
        assert!(began.elapsed() < PATIENCE, "nothing is seen");
    }
}

fn query(data: &Path, sql: &str) -> Vec<Value> {
    let output = run(data, &["query", "--format", "json", sql]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const CENSUS: &str = "select count(*) as rows, count(distinct seq) as inputs, max(seq) as last from events";

fn census(data: &Path) -> [u64; 3] {
    let row = query(data, CENSUS).remove(0);
    ["rows", "inputs", "last"].map(|column| row[column].as_u64().unwrap())
}

/// Inputs on the tape.
fn on_tape(data: &Path) -> u64 {
    read(&data.join("sim/tape")).seqs.len() as u64
}

#[test]
fn tables_hold_every_input_once_through_kills_and_to_the_end() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    for round in 0..3 {
        let (mut process, client) = start(data);
        wait_for(&client, 30_000);
        let [rows, inputs, last] = census(data);
        assert_eq!(rows, inputs, "while it is recorded");
        wait_for(&client, 30_000);
        let [rows, inputs, later] = census(data);
        assert!(rows == inputs && later > last);
        if round == 2 {
            assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
            assert!(process.wait().unwrap().success());
        } else {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let [rows, inputs, _] = census(data);
        assert_eq!((rows, rows), (inputs, on_tape(data)), "after the end of round {round}");
    }
    let bars = query(
        data,
        "select count(*) as bars, count(distinct ts) as starts from bars where symbol = 'BINANCE:BTCUSDT' and \"interval\" = '1m'",
    );
    assert_eq!(bars[0]["bars"], bars[0]["starts"], "a bar is told once: {bars:?}");
    let trades = query(data, "select count(*) as n from trades where symbol = 'BINANCE:BTCUSDT'");
    assert!(trades[0]["n"].as_u64() > Some(1_000), "{trades:?}");
    let listed = run(data, &["data", "ls", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let sim = &listed["recordings"][0];
    assert_eq!((&sim["name"], &sim["table_rows"]), (&json!("sim"), &json!(on_tape(data))), "{listed}");
}

#[test]
fn the_past_is_there_at_once_and_stays_the_same() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let arguments = json!({"instrument": "NSE:INFY", "interval": "1d", "limit": 100, "to": "2026-01-01T00:00:00Z"});
    let page = |client: &Client| client.call("get_bars", &arguments)["bars"]["rows"].as_array().unwrap().clone();
    let (mut process, client) = start(data);
    let first = page(&client);
    assert!(!first.is_empty() && first.iter().all(|row| row[7] == json!(true)));
    let began = Instant::now();
    let stored = || {
        query(data, "select count(*) as n from bars where symbol = 'NSE:INFY' and \"interval\" = '1d'")[0]["n"].as_u64()
    };
    while stored() < Some(364) {
        assert!(began.elapsed() < PATIENCE, "the past is not stored");
    }
    assert_eq!(page(&client), first, "stored as it was told");
    process.kill().unwrap();
    process.wait().unwrap();
    let (mut process, client) = start(data);
    assert_eq!(page(&client), first, "the next start tells the same");
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_query_that_is_none_is_refused_and_says_why() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let refused = |arguments: &[&str], part: &str| {
        let output = run(data, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{arguments:?}: {said}");
    };
    refused(&["query", "select 1"], "recorded are: nothing");
    let (mut process, client) = start(data);
    wait_for(&client, 5_000);
    process.kill().unwrap();
    process.wait().unwrap();
    for (sql, part) in [
        ("select prise from trades", "prise"),
        ("select * from orders", "orders"),
        ("drop table events", "DDL"),
        ("create table x as select 1", "DDL"),
        ("insert into bars select * from bars", "DML"),
        ("copy trades to '/tmp/x.csv'", "DML"),
        ("set datafusion.execution.batch_size = 1", "Statement"),
        ("select * from '/etc/passwd'", "passwd"),
        ("", "SQL"),
    ] {
        refused(&["query", sql], part);
    }
    refused(&["query", "--rows", "3", "select seq from events"], "more than 3 rows");
    refused(&["query", "--of", "nowhere", "select 1"], "recorded are: sim");
    let table = run(data, &["query", "select 1 as one"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("| one |"));
    let csv = run(data, &["query", "--format", "csv", "select 1 as one"]);
    assert_eq!(String::from_utf8_lossy(&csv.stdout), "one\n1\n");
}

/// A tape that lost its end to an accident, as a person would move a damaged segment away: what is recorded then must
/// not be taken for what the tables hold already.
#[test]
fn a_tape_shorter_than_its_tables_goes_on_behind_them_and_a_missing_table_is_named() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let (mut process, client) = start(data);
    wait_for(&client, 20_000);
    assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
    assert!(process.wait().unwrap().success());
    let [before, _, last] = census(data);
    let tape = data.join("sim/tape");
    for entry in std::fs::read_dir(&tape).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (mut process, client) = start(data);
    wait_for(&client, 20_000);
    process.kill().unwrap();
    process.wait().unwrap();
    let [rows, inputs, later] = census(data);
    assert!(rows == inputs && later > last, "{later} after {last}");
    assert_eq!(rows, before + on_tape(data), "nothing is taken for what was there");
    assert_eq!(query(data, "select distinct source from bars").len(), 1);
    assert!(!query(data, "explain select count(*) from trades").is_empty());
    let recent = data.join("sim/parquet/recent");
    let events = std::fs::read_dir(&recent).unwrap().map(|entry| entry.unwrap().path());
    let lost = events.filter(|path| path.to_str().unwrap().contains("events-")).min().unwrap();
    std::fs::remove_file(&lost).unwrap();
    let output = run(data, &["query", CENSUS]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(lost.file_name().unwrap().to_str().unwrap()), "{said}");
    let doctor = run(data, &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && said.contains("missing or damaged"), "{said}");
}
