//! Bad or missing input: one clear line, a non-zero exit, nothing on stdout.

use crate::binary::{run, text};
use crate::generated::{self, Market};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use tempfile::tempdir;

#[track_caller]
fn refused(data: &Path, arguments: &[&str], expect: &[&str]) {
    let output = run(data, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} was accepted");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    for word in expect {
        assert!(stderr.contains(word), "{arguments:?}: {stderr} does not say {word:?}");
    }
}

#[test]
fn paths_that_cannot_be_played_are_named() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = generated::capture(Market::Spot, 1, 300).text;
    fs::write(path("whole.txt"), &whole).unwrap();
    fs::write(path("garbage.bin"), [0u8, 159, 146, 150].repeat(1_000)).unwrap();
    fs::write(path("empty.txt"), "").unwrap();
    fs::create_dir(path("folder")).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(whole.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    fs::write(path("cut.gz"), &gzip[..gzip.len() / 2]).unwrap();
    fs::write(path("bad.tape"), b"TIDETAPE\x01\0\0\0nonsense that is no block").unwrap();
    fs::write(path("later.tape"), b"TIDETAPE\x09\0\0\0").unwrap();
    let data = folder.path();
    refused(data, &["replay", "--venue", "binance-spot", text(&path("nowhere"))], &["nowhere", "No such file"]);
    refused(data, &["replay", text(&path("nowhere"))], &["nowhere"]);
    refused(data, &["replay", text(&path("garbage.bin"))], &["garbage.bin", "--venue"]);
    refused(data, &["replay", "--venue", "binance-spot", text(&path("garbage.bin"))], &["garbage.bin", "no message"]);
    refused(data, &["replay", "--venue", "binance-spot", text(&path("empty.txt"))], &["empty.txt", "no message"]);
    refused(data, &["replay", "--venue", "binance-spot", text(&path("folder"))], &["folder"]);
    refused(data, &["replay", text(&path("folder"))], &["folder", "no tape segment"]);
    refused(data, &["replay", "--venue", "binance-spot", text(&path("cut.gz"))], &["cut.gz", "after line"]);
    refused(data, &["replay", text(&path("bad.tape"))], &["bad.tape", "the block at byte 12"]);
    refused(data, &["replay", text(&path("later.tape"))], &["later.tape", "version 9"]);
    let futures = generated::capture(Market::CoinM, 1, 300).text;
    fs::write(path("futures.txt"), futures).unwrap();
    refused(data, &["replay", text(&path("whole.txt")), text(&path("futures.txt"))], &["different markets"]);
    refused(data, &["replay", "--venue", "tidegate", text(&path("whole.txt"))], &["whole.txt", "TIDETAPE"]);
    refused(data, &["replay", text(&path("whole.txt")), "--record", "/proc/tape"], &["/proc/tape"]);
    refused(data, &["replay", text(&path("whole.txt")), "--tops", "/nowhere/tops.csv"], &["/nowhere/tops.csv"]);
    refused(data, &["data", "project", text(&path("folder")), text(&path("out"))], &["no tape segment"]);
    refused(data, &["serve", "--replay", text(&path("nowhere"))], &["nowhere"]);
    refused(data, &["mcp", "--replay", "monday"], &["no engine is running", "tidegate serve --replay"]);
}

#[test]
fn a_taken_port_names_its_holder() {
    let folder = tempdir().unwrap();
    let capture = folder.path().join("capture.txt");
    fs::write(&capture, generated::capture(Market::Spot, 1, 10).text).unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let pid = std::process::id().to_string();
    refused(folder.path(), &["serve", "--replay", text(&capture), "--listen", &address], &[&address, &pid]);
    refused(folder.path(), &["serve", "--replay", text(&capture), "--listen", "0.0.0.0:0"], &["0.0.0.0"]);
}

#[test]
fn a_projection_never_overwrites() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("capture.txt"), generated::capture(Market::Spot, 1, 50).text).unwrap();
    let record =
        |tape: &str| run(folder.path(), &["replay", text(&path("capture.txt")), "--record", text(&path(tape))]);
    assert!(record("tape").status.success());
    let project = ["data", "project", text(&path("tape")), text(&path("parquet"))].map(str::to_owned);
    assert!(run(folder.path(), &project).status.success());
    let again: Vec<&str> = project.iter().map(String::as_str).collect();
    refused(folder.path(), &again, &["is there already"]);
    refused(folder.path(), &["replay", text(&path("parquet")), "--record", text(&path("tape"))], &["new folder"]);
}

#[test]
fn a_market_that_cannot_be_connected_to_is_told_before_anything_is_touched() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    refused(&data, &["serve", "--venue", "binance-spot"], &["--symbols"]);
    refused(&data, &["serve", "--venue", "tidegate", "--symbols", "X"], &["--replay"]);
    refused(&data, &["serve", "--venue", "kite", "--symbols", "408065"], &["credentials"]);
    assert!(!data.exists());
    refused(&data, &["serve", "--instruments", "3"], &["--instruments"]);
    let tape = folder.path().join("later.tape");
    fs::write(&tape, b"TIDETAPE\x09\0\0\0").unwrap();
    refused(&data, &["exchange", text(&tape)], &["not a capture of a venue"]);
}
