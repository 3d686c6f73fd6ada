//! What an operator sees of a running engine: metrics, logs, and the terminal.

use crate::binary::{command, run, text};
use crate::client::{Client, tool_call};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

/// Long enough for anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulated market, with a book to look at.
struct Served {
    folder: TempDir,
    process: Child,
    client: Client,
    banner: Vec<String>,
}

impl Served {
    fn start(options: &[&str]) -> Served {
        let folder = tempdir().unwrap();
        let mut process = command(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let banner: Vec<String> = lines.map_while(Result::ok).take(4).collect();
        let client = Client::of(folder.path());
        let served = Served { folder, process, client, banner };
        let began = Instant::now();
        let depth = || served.client.call("get_depth", &json!({"instrument": "BINANCE:BTCUSDT"}));
        let last = || served.client.call("get_quotes", &json!({"instruments": ["BINANCE:BTCUSDT"]}));
        while depth()["feed_state"] != json!("live") || last()["quotes"][0]["last"].is_null() {
            assert!(began.elapsed() < PATIENCE, "the book is never live: {}", depth());
        }
        served
    }

    /// Status, headers and body of `GET /metrics`.
    fn scrape(&self, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.client.address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("logs/errors.jsonl")).unwrap()
    }

    /// Ends it as Ctrl-C would; all that waited for the log is in it then.
    fn terminate(&mut self) {
        let pid = self.process.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success(), "it ends in order");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

/// The names of the series, every line being understood.
fn series(exposition: &str) -> BTreeSet<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    let mut names = BTreeSet::new();
    let mut described = BTreeSet::new();
    let lines: Vec<&str> = exposition.lines().collect();
    assert_eq!(lines.last(), Some(&"# EOF"));
    for line in &lines[..lines.len() - 1] {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            let (name, text) = rest.split_once(' ').unwrap();
            assert!(["HELP", "TYPE", "UNIT"].contains(&kind) && is_name(name) && !text.is_empty(), "{line}");
            assert!(kind != "TYPE" || described.insert(name.to_owned()), "{name} is described twice");
            continue;
        }
        let (name_and_labels, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        let (name, labels) = name_and_labels.split_once('{').unwrap_or((name_and_labels, "}"));
        assert!(is_name(name) && name.starts_with("tidegate_"), "{line}");
        let labels = labels.strip_suffix('}').unwrap();
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once("=\"").unwrap();
            assert!(is_name(key) && !value.trim_end_matches('"').contains('"'), "{line}");
        }
        let of = |described: &String| name.starts_with(described.as_str());
        assert!(described.iter().any(of), "{name} has no type");
        names.insert(name.to_owned());
    }
    names
}

/// The metrics that a dashboard or a rule names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    words.filter(|word| word.starts_with("tidegate_")).map(str::to_owned).collect()
}

#[test]
fn metrics_are_behind_the_guard_and_dashboard_and_alerts_find_theirs() {
    let served = Served::start(&[]);
    let allowed = served.client.allowed();
    let host = format!("Host: {}\r\n", served.client.address);
    for (headers, expect) in [
        (host.clone(), 401),
        (format!("{host}Authorization: Bearer tg_wrong\r\n"), 401),
        (allowed.replace(&served.client.address, "evil.example"), 403),
        (format!("{allowed}Origin: http://evil.example\r\n"), 403),
        (format!("{allowed}X-Forwarded-For: 1.2.3.4\r\n"), 403),
    ] {
        let (status, _, body) = served.scrape(&headers);
        assert_eq!(status, expect, "{headers}");
        assert!(!body.contains("tidegate_"), "{body}");
    }
    served.client.call("get_depth", &json!({"instrument": "BINANCE:NOTHING"}));
    let (status, head, body) = served.scrape(&allowed);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let series = series(&body);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config");
    for file in ["alerts.yml", "grafana/tidegate.json"] {
        let named = named(&fs::read_to_string(root.join(file)).unwrap());
        assert!(named.len() > 8, "{file} names {named:?}");
        let missing: Vec<_> = named.difference(&series).collect();
        assert!(missing.is_empty(), "{file} names {missing:?}, which nobody tells");
    }
    let dashboard: Value = serde_json::from_slice(&fs::read(root.join("grafana/tidegate.json")).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
    let value = |name: &str| -> f64 {
        let line = body.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {body}")).rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value("tidegate_engine_up"), 1.0);
    assert!(value("tidegate_events_total") > 0.0 && value("tidegate_recorder_written_seq") > 0.0);
    assert_eq!(value("tidegate_mcp_calls_total{tool=\"get_depth\",outcome=\"refused\"}"), 1.0);
    assert_eq!(value("tidegate_gaps_total") + value("tidegate_recorder_full_total"), 0.0);
}

#[test]
fn what_goes_wrong_is_on_file_without_what_was_sent() {
    let mut served = Served::start(&[]);
    let secret = "tg_0123456789abcdef";
    let word = "tell-nobody";
    let host = format!("Host: {}\r\nAuthorization: Bearer {secret}\r\n", served.client.address);
    assert_eq!(served.client.post(&host, &tool_call("get_status", &json!({}))).0, 401);
    let allowed = served.client.allowed();
    let origin = format!("{allowed}Origin: http://{word}.example\r\n");
    assert_eq!(served.client.post(&origin, &tool_call("get_status", &json!({}))).0, 403);
    for call in [
        tool_call("get_depth", &json!({"instrument": word})),
        tool_call("get_depth", &json!({word: word})),
        tool_call("get_depth", &json!([word])),
        tool_call(word, &json!({})),
        json!({"jsonrpc": "2.0", "id": word, "method": word, "params": {"a": word}}),
        json!({"jsonrpc": "2.0", "method": word}),
        json!([word]),
        json!(word),
    ] {
        served.client.post(&allowed, &call);
    }
    served.terminate();
    let log = served.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let turned_away = |reason: &str| {
        let is_it = |line: &&Value| line["message"] == "turned away" && line["reason"] == reason;
        lines.iter().filter(is_it).count()
    };
    assert_eq!((turned_away("bearer"), turned_away("origin")), (1, 1), "{log}");
    let stderr = fs::read_to_string(served.folder.path().join("stderr")).unwrap();
    assert!(stderr.contains("turned away reason=\"bearer\""), "{stderr}");
    for never in [secret, word, &served.client.bearer, "0123456789abcdef"] {
        assert!(!log.contains(never) && !stderr.contains(never), "{never} is in {log} or {stderr}");
    }
    assert!(lines.iter().all(|line| ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap())), "{log}");
    assert_eq!(fs::read_dir(served.folder.path().join("logs")).unwrap().count(), 1);
}

#[test]
fn only_an_engine_that_serves_keeps_a_log() {
    let folder = tempdir().unwrap();
    assert!(run(folder.path(), &["token"]).status.success());
    assert!(!run(folder.path(), &["watch", "--once", "X:Y"]).status.success());
    assert!(!folder.path().join("logs").exists());
}

#[test]
fn watch_shows_a_frame_of_what_a_client_would_be_told() {
    let served = Served::start(&["--seed", "3"]);
    let output = run(served.folder.path(), &["watch", "--once", "BINANCE:BTCUSDT", "NSE:INFY"]);
    let frame = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = frame.lines().collect();
    assert_eq!(lines.len(), 24, "{frame}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{frame}");
    assert!(lines[0].starts_with(" PAPER  SIMULATED DATA") && lines[0].contains("  seq "), "{frame}");
    assert!(lines[1].starts_with(" BINANCE:BTCUSDT@SIM  book live  trades live  age "), "{frame}");
    assert!(lines[1].contains(" ms  market open") && lines[23].contains("instrument 1 of 2"), "{frame}");
    assert!(frame.contains("spread ") && frame.contains("last trades"), "{frame}");
    assert!(frame.contains("1m bars, ") && frame.contains(" O ") && frame.contains('┃'), "{frame}");
    let price = |line: &str| line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    let ladder: Vec<f64> = lines[2..23].iter().filter_map(|line| price(line.get(..38).unwrap_or(line))).collect();
    assert_eq!(ladder.len(), 20, "ten levels of each side: {frame}");
    assert!(ladder.is_sorted_by(|a, b| a > b), "from the worst ask down to the worst bid: {frame}");
}

#[test]
fn watch_says_why_there_is_nothing_to_see() {
    let served = Served::start(&[]);
    let refused = |arguments: &[&str], data: &Path| {
        let output = run(data, &[&["watch", "--once"], arguments].concat());
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = refused(&["BINANCE:BTCUSD"], served.folder.path());
    assert!(unknown.contains("nearest: BINANCE:BTCUSDT"), "{unknown}");
    let nobody = tempdir().unwrap();
    let gone = refused(&["BINANCE:BTCUSDT"], nobody.path());
    assert!(gone.contains("no engine is running on") && gone.contains(text(nobody.path())), "{gone}");
    let piped = run(served.folder.path(), &["watch", "BINANCE:BTCUSDT"]);
    assert!(String::from_utf8_lossy(&piped.stderr).contains("use --once"), "{piped:?}");
}

#[test]
fn a_faster_market_tells_more_and_where_it_is() {
    // Packets of best levels are sent at a pace of their own, trades are not.
    let trades = |served: &Served| {
        let count = || served.client.call("get_status", &json!({}))["trades"].as_u64().unwrap();
        let (before, began) = (count(), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        (count() - before) as f64 / began.elapsed().as_secs_f64()
    };
    let (usual, fast) = (Served::start(&[]), Served::start(&["--rate", "1000"]));
    let (slow_rate, fast_rate) = (trades(&usual), trades(&fast));
    println!("trades a second: {slow_rate:.0} at the usual pace, {fast_rate:.0} at ten times that");
    assert!(fast_rate > 2.0 * slow_rate, "{fast_rate} beside {slow_rate}");
    let line = usual.banner.iter().find_map(|line| line.strip_prefix("simulated exchange at ws://")).unwrap();
    let address = line.split_once("/stream").unwrap().0;
    assert!(TcpStream::connect(address).is_ok(), "{address}");
}
