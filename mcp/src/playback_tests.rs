use super::*;
use crate::directory::Directory;
use indicatif::ProgressBar;
use std::fmt::Write;
use std::path::PathBuf;
use std::{fs, iter};
use tempfile::TempDir;
use tidegate_core::{Known, Price, Side};

const LEVELS: u64 = 40;

/// A spot capture, one change a second, that empties the bids but one, and so makes the market ask for a
/// new snapshot; that comes `delay` changes later, without anybody having sent for it.
fn capture(delay: u64) -> String {
    let second = |n: u64| 1_723_161_590_000_000_000 + n * 1_000_000_000;
    let bid = |n: u64| format!("[\"{}\",\"1\"]", 1_000 - n);
    let change = |text: &mut String, update: u64, bids: &str| {
        let stream =
            format!("{{\"e\":\"depthUpdate\",\"E\":1723161590000,\"s\":\"BTCUSDT\",\"U\":{update},\"u\":{update}");
        let line = format!("{{\"stream\":\"btcusdt@depth\",\"data\":{stream},\"b\":[{bids}],\"a\":[]}}}}");
        writeln!(text, "{} {line}", second(update)).unwrap();
    };
    let snapshot = |text: &mut String, update: u64, bids: &str| {
        let line = format!("{{\"lastUpdateId\":{update},\"bids\":[{bids}],\"asks\":[[\"1001\",\"1\"]]}}");
        writeln!(text, "{} {line}", second(update)).unwrap();
    };
    let mut text = String::new();
    snapshot(&mut text, 0, &(0..LEVELS).map(bid).collect::<Vec<_>>().join(","));
    for n in 1..LEVELS {
        change(&mut text, n, &format!("[\"{}\",\"0\"]", 1_000 - n));
    }
    for n in LEVELS..LEVELS + delay {
        change(&mut text, n, &bid(0));
    }
    let fresh = LEVELS + delay - 1;
    snapshot(&mut text, fresh, &iter::once(0).chain(100..140).map(bid).collect::<Vec<_>>().join(","));
    change(&mut text, fresh + 1, &bid(0));
    text
}

fn play(format: Format, path: PathBuf, record: Option<&Path>) -> (Engine, Arc<Directory>) {
    let source = Source::open(format, &[path], &ProgressBar::hidden()).unwrap();
    let directory = Arc::new(Directory::default());
    let config = Config::built_in().unwrap();
    let mut playback = Playback::new(&config, source, record, Watch::default(), Arc::clone(&directory)).unwrap();
    playback.play().unwrap();
    (playback.finish().unwrap().0, directory)
}

fn play_capture(text: &str, folder: &TempDir) -> Engine {
    let path = folder.path().join("capture.txt");
    fs::write(&path, text).unwrap();
    play(Format::BinanceSpot, path, Some(&tempfile::tempdir_in(folder).unwrap().path().join("tape"))).0
}

/// A request reaches the session as many messages later as batches go round, and never by chance.
#[test]
fn a_request_for_a_snapshot_takes_the_same_way_in_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let lag = Config::built_in().unwrap().engine.batches_max as u64;
    // The request is raised when fewer than a tenth of the levels is known: four changes before the last.
    let (early, late) = (capture(lag - 8), capture(lag + 8));
    let known = |engine: &Engine| {
        let (_, stream) = engine.market().streams().next().unwrap();
        (stream.book.known_to(Side::Bid), stream.book.depth(Side::Bid, 100).count())
    };
    let price = |units: i64| Price::from_raw(units * 1_000_000_000).unwrap();
    let (ignored, applied) = (play_capture(&early, &folder), play_capture(&late, &folder));
    assert_eq!(known(&ignored), (Known::To(price(1_001 - LEVELS as i64)), 1), "nobody had asked yet");
    assert_eq!(known(&applied), (Known::To(price(861)), 41));
    for _ in 0..20 {
        assert_eq!(play_capture(&early, &folder).market().digest(), ignored.market().digest());
        assert_eq!(play_capture(&late, &folder).market().digest(), applied.market().digest());
    }
}

#[test]
fn the_instruments_of_a_head_are_in_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (path, tape) = (folder.path().join("capture.txt"), folder.path().join("tape"));
    // From ten seconds before an hour to after it.
    fs::write(&path, capture(1)).unwrap();
    let (whole, _) = play(Format::BinanceSpot, path, Some(&tape));
    let segments = tidegate_history::tape::segments(&tape).unwrap();
    let (from_head, directory) = play(Format::Tidegate, segments[1].clone(), None);
    assert_eq!(from_head.market().digest(), whole.market().digest());
    assert!(directory.resolve("BINANCE:BTCUSDT").is_some());
}
