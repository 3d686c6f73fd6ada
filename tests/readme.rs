//! Every command that the README shows is run as it stands there, on a machine that knows nothing of Tidegate.

use crate::binary;
use crate::client::Client;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const README: &str = include_str!("../README.md");

/// What is not run: both begin what runs these tests.
const LEFT_OUT: [&str; 2] = ["cargo run --release", "tests/run"];

/// What these print is a market's that runs already.
const ASKS: [&str; 10] =
    ["mcp", "connect", "token", "query", "data", "watch", "doctor", "config", "completions", "replay"];

const PATIENCE: Duration = Duration::from_secs(60);

/// The lines of all blocks of shell.
fn commands() -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// A command as a shell runs it, with a home of its own.
fn shell(line: &str, home: &Path, data: &Path) -> Command {
    let tidegate = binary::path();
    let path = format!("{}:{}", tidegate.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    // What is killed is the program, not the shell.
    command.args(["-c", &format!("exec {line}")]).current_dir(home).env("PATH", path).env("HOME", home);
    command.env("XDG_DATA_HOME", data).env("XDG_CONFIG_HOME", home.join(".config")).env_remove("RUST_LOG");
    command
}

/// Starts what runs until it is told to end; its first line.
fn start(line: &str, home: &Path, data: &Path) -> (Child, String) {
    let mut child = shell(line, home, data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(!first.is_empty(), "{line} says nothing");
    (child, first)
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn names_a_capture(line: &str) -> bool {
    line.contains("spot_btcusdt") || line.contains("PORT") || line.contains(" tape") || line.contains(" parquet")
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let folder = tempdir().unwrap();
    let (home, data) = (folder.path().join("home"), folder.path().join("data"));
    std::fs::create_dir(&home).unwrap();
    let captures = binary::captures("the README's commands over captures").map(|data| data.join("binance_spot"));
    for capture in captures.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let capture = capture.unwrap().path();
        symlink(&capture, home.join(capture.file_name().unwrap())).unwrap();
    }
    // A market to ask: what `cargo run --release` starts.
    let (market, _) = start("tidegate", &home, &data);
    let client = Client::of(&data.join("tidegate"));
    let began = Instant::now();
    while client.call("get_status", &json!({}))["feeds_live"] != json!(53) {
        assert!(began.elapsed() < PATIENCE, "the market does not come up");
    }
    let mut exchange: Option<(Child, String)> = None;
    let mut ran = 0;
    for (number, line) in commands().into_iter().enumerate() {
        if LEFT_OUT.contains(&line) || (names_a_capture(line) && captures.is_none()) {
            continue;
        }
        ran += 1;
        let verb = line.split_whitespace().nth(1).unwrap_or_default();
        if ASKS.contains(&verb) {
            // In a test there is no terminal to draw on.
            let line = if verb == "watch" { format!("{line} --once") } else { line.to_owned() };
            let output = shell(&line, &home, &data).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {said}");
            continue;
        }
        let fresh: PathBuf = folder.path().join(format!("fresh-{number}"));
        let port = exchange.as_ref().and_then(|(_, first)| first.split("127.0.0.1:").nth(1)).map(digits);
        let line = line.replace("PORT", &port.unwrap_or_default());
        let started = start(&line, &home, &fresh);
        if verb == "exchange" {
            exchange = Some(started);
        } else {
            assert!(started.1.contains(" DATA: "), "{line}: {}", started.1);
            end(started.0);
        }
    }
    exchange.into_iter().for_each(|(child, _)| end(child));
    end(market);
    assert!(ran >= 10, "{ran} commands");
    println!("{ran} of {} commands run", commands().len());
}

fn digits(text: &str) -> String {
    text.chars().take_while(char::is_ascii_digit).collect()
}
