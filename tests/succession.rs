//! Who runs the engine of a data folder: one process at a time, and another when that one is gone.

use crate::binary::{command, run, text};
use crate::client::{Client, tool_call};
use crate::generated::{self, Market};
use crate::recording::read;
use crate::stdio_client::StdioClient;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const PATIENCE: Duration = Duration::from_secs(60);

fn initialize() -> Value {
    let client = json!({"name": "e2e", "version": "1"});
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
}

fn owner(data: &Path) -> Option<u64> {
    Client::endpoint(data)?["pid"].as_u64()
}

/// Asks until the whole market is live and on disk; the status then.
fn live(client: &mut StdioClient) -> Value {
    let began = Instant::now();
    loop {
        let status = client.call("get_status", &json!({}));
        if status["feeds_live"].as_u64() >= Some(52) && status["recorder"]["written_seq"].as_u64() > Some(0) {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "the market does not come up: {status}");
    }
}

/// Waits until another process than `old` owns the folder.
fn successor(data: &Path, old: u64) -> u64 {
    let began = Instant::now();
    loop {
        match owner(data) {
            Some(pid) if pid != old => return pid,
            _ => assert!(began.elapsed() < PATIENCE, "nobody takes over"),
        }
        sleep(Duration::from_millis(10));
    }
}

/// Waits until every thread of a process stands still: the signal is sent before it is heeded.
fn wait_until_stopped(pid: u64) {
    let began = Instant::now();
    // proc(5): the state stands behind the name, which is in brackets.
    let stands = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    while !fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(|thread| stands(thread.unwrap())) {
        assert!(began.elapsed() < PATIENCE, "{pid} goes on");
        sleep(Duration::from_millis(1));
    }
}

/// Waits until the owner, which stands still, has been sent something that it has not read.
fn wait_until_unread(data: &Path) {
    let address = Client::of(data).address;
    let port = format!(":{:04X}", address.rsplit(':').next().unwrap().parse::<u16>().unwrap());
    let began = Instant::now();
    // proc(5): local address, remote address, state, tx_queue:rx_queue, in hexadecimal.
    let is_unread = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let unread = columns.get(4).and_then(|queues| queues.split(':').nth(1)).is_some_and(|rx| rx != "00000000");
        columns.get(1).is_some_and(|local| local.ends_with(&port)) && columns.get(3) == Some(&"01") && unread
    };
    while !fs::read_to_string("/proc/net/tcp").unwrap().lines().any(is_unread) {
        assert!(began.elapsed() < PATIENCE, "the question does not arrive");
        sleep(Duration::from_millis(10));
    }
}

fn seq(status: &Value) -> u64 {
    status["seq"].as_u64().unwrap()
}

#[test]
fn clients_over_stdio_and_http_share_one_engine() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let mut first = StdioClient::start(data);
    let answer = first.request("initialize", &initialize());
    assert_eq!(answer["result"]["serverInfo"]["name"], json!("tidegate"), "{answer}");
    let mut last = seq(&live(&mut first));
    let mut second = StdioClient::start(data);
    let http = Client::of(data);
    assert_eq!(owner(data), Some(first.pid()), "who came first runs the engine");
    for _ in 0..20 {
        for status in [
            first.call("get_status", &json!({})),
            second.call("get_status", &json!({})),
            http.call("get_status", &json!({})),
        ] {
            assert_eq!((&status["mode"], &status["data"]), (&json!("PAPER"), &json!("SIMULATED")));
            assert!(seq(&status) >= last, "one numbering: {} after {last}", seq(&status));
            last = seq(&status);
        }
    }
    assert_eq!(owner(data), Some(first.pid()));
    second.close();
    first.close();
    assert_eq!(owner(data), None, "an owner that ends in order leaves no endpoint");
    let tape = read(&data.join("sim/tape"));
    tape.assert_whole();
    assert_eq!(tape.restarts, [], "one engine, one tape");
    assert!(tape.seqs.last() >= Some(&last));
}

#[test]
fn a_killed_owner_is_succeeded_and_the_recording_goes_on() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let mut clients = vec![StdioClient::start(data)];
    live(&mut clients[0]);
    clients.push(StdioClient::start(data));
    clients.push(StdioClient::start(data));
    let (mut written, mut slowest) = (Vec::new(), Duration::ZERO);
    while clients.len() > 1 {
        let pid = owner(data).unwrap();
        let at = clients.iter().position(|client| client.pid() == pid).expect("one of us runs the engine");
        let killed = clients.remove(at);
        written.push(clients[0].call("get_status", &json!({}))["recorder"]["written_seq"].as_u64().unwrap());
        // Stopped first, so that the call is under way when the engine dies.
        killed.signal("STOP");
        wait_until_stopped(pid);
        clients[0].send("tools/call", &json!({"name": "get_status", "arguments": {}}));
        wait_until_unread(data);
        killed.signal("KILL");
        let began = Instant::now();
        let answer = clients[0].answer();
        assert_eq!(answer["error"]["data"], json!({"code": "engine_unavailable", "retryable": true}), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("went away"), "{answer}");
        let heir = successor(data, pid);
        assert!(clients.iter().any(|client| client.pid() == heir));
        slowest = slowest.max(began.elapsed());
        for client in &mut clients {
            assert!(seq(&live(client)) > *written.last().unwrap());
        }
        let by_http = Client::of(data).call("get_status", &json!({}));
        assert_eq!(by_http["gaps"], json!(written.len()), "each restart is a gap");
    }
    clients.pop().unwrap().close();
    let tape = read(&data.join("sim/tape"));
    tape.assert_whole();
    assert_eq!(tape.restarts.len(), written.len(), "no hole but the restarts");
    for (written, (before, _)) in written.iter().zip(&tape.restarts) {
        assert!(before >= written, "{written} was on disk, the tape went on from {before}");
    }
    println!("{} owners killed; the slowest succession took {} ms", written.len(), slowest.as_millis());
}

#[test]
fn what_a_killed_owner_leaves_behind_is_in_nobodys_way() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let mut first = StdioClient::start(data);
    live(&mut first);
    let pid = first.pid();
    first.signal("KILL");
    drop(first);
    assert_eq!(owner(data), Some(pid), "lock and endpoint lie there");
    let mut second = StdioClient::start(data);
    assert_eq!(live(&mut second)["gaps"], json!(1));
    assert_eq!(owner(data), Some(second.pid()));
    second.close();
    fs::write(data.join("run/endpoint.json"), "{").unwrap();
    let mut third = StdioClient::start(data);
    live(&mut third);
    third.close();
}

/// A person who ends the program in the terminal ends the engine in order too.
#[test]
fn a_signal_ends_an_owner_in_order() {
    let folder = tempdir().unwrap();
    let mut client = StdioClient::start(folder.path());
    live(&mut client);
    client.signal("TERM");
    assert!(client.wait().success());
    assert_eq!(owner(folder.path()), None);
    let output = run(folder.path(), &["replay", "--json", text(&folder.path().join("sim/tape"))]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn another_version_is_refused_on_both_sides() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let mut client = StdioClient::start(data);
    let version = live(&mut client)["version"].as_str().unwrap().to_owned();
    let http = Client::of(data);
    let (status, body) =
        http.post(&format!("{}Tidegate-Version: 0.0.1\r\n", http.allowed()), &tool_call("get_status", &json!({})));
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("0.0.1") && body.contains(&version) && !body.contains("structuredContent"), "{body}");
    client.close();

    // An owner of another version: it holds the lock, and listens.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let mut lock = File::options().read(true).write(true).open(data.join("run/lock")).unwrap();
    lock.try_lock().unwrap();
    lock.set_len(0).unwrap();
    write!(lock, "{}", std::process::id()).unwrap();
    let address = other.local_addr().unwrap();
    let published = json!({"url": format!("http://{address}/mcp"), "version": "9.9.9", "pid": std::process::id()});
    fs::write(data.join("run/endpoint.json"), published.to_string()).unwrap();
    let mut client = StdioClient::start(data);
    for (method, params) in [("initialize", initialize()), ("tools/call", json!({"name": "get_status"}))] {
        let answer = client.request(method, &params);
        assert_eq!(answer["error"]["data"], json!({"code": "other_version", "retryable": false}), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        for part in ["9.9.9", &version, "restart", &std::process::id().to_string()] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    }
    assert!(other.accept().is_err(), "nothing was sent there");
    // When it ends, its place is taken.
    drop(lock);
    live(&mut client);
    client.close();
}

#[test]
fn an_engine_that_cannot_run_says_why() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("sim")).unwrap();
    fs::write(folder.path().join("sim/tape"), "no folder").unwrap();
    let mut client = StdioClient::start(folder.path());
    let message = client.request("initialize", &initialize())["error"]["message"].to_string();
    assert!(message.contains("no engine can run") && message.contains("sim/tape"), "{message}");
    client.close();
}

/// Invented prices never take the place of recorded ones behind a client's back.
#[test]
fn a_replay_that_ends_has_no_successor() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let capture = data.join("monday.txt");
    fs::write(&capture, generated::capture(Market::Spot, 51, 100).text).unwrap();
    let mut replay = command(data)
        .args(["serve", "--listen", "127.0.0.1:0", "--replay", text(&capture)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    successor(&data.join("replay/monday"), 0);
    let mut client = StdioClient::start(data);
    assert_eq!(client.call("get_status", &json!({}))["data"], json!("RECORDED"));
    replay.kill().unwrap();
    replay.wait().unwrap();
    // Longer than it takes somebody to notice.
    sleep(Duration::from_secs(1));
    let answer = client.request("tools/call", &json!({"name": "get_status"}));
    assert_eq!(answer["error"]["data"], json!({"code": "engine_unavailable", "retryable": true}), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("no engine is running"), "{answer}");
    assert!(!data.join("sim").exists());
    client.close();
}

#[test]
fn two_folders_on_one_machine_share_nothing() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let (mut first, mut second) = (StdioClient::start(one.path()), StdioClient::start(two.path()));
    live(&mut first);
    live(&mut second);
    let (first_http, second_http) = (Client::of(one.path()), Client::of(two.path()));
    assert_ne!(first_http.address, second_http.address);
    assert_ne!(first_http.bearer, second_http.bearer);
    let crossed = Client { address: first_http.address.clone(), bearer: second_http.bearer.clone() };
    let call = tool_call("get_status", &json!({}));
    assert_eq!(crossed.post(&crossed.allowed(), &call).0, 401, "one folder's bearer opens no other's engine");
    let pid = first.pid();
    first.signal("KILL");
    drop(first);
    let status = live(&mut second);
    assert_eq!((owner(two.path()), &status["gaps"]), (Some(second.pid()), &json!(0)));
    assert_eq!(owner(one.path()), Some(pid), "nobody looks after a folder without clients");
    second.close();
}
