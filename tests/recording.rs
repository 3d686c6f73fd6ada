//! Recording across kills and restarts.

use crate::binary::{captures, command, replay_json, text};
use crate::cases;
use crate::generated::{self, Market};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;
use tidegate_core::frame::RESTART_STRIDE;
use tidegate_core::{GapCause, Input};
use tidegate_history::tape::segment::{Block, SegmentError, SegmentReader};
use tidegate_history::tape::{TapeError, TapeReader, segments};

/// Long enough for anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a tape holds: its sequence numbers, and the restarts as (last before, first after).
#[derive(Debug, Default)]
pub struct Tape {
    pub seqs: Vec<u64>,
    pub restarts: Vec<(u64, u64)>,
}

impl Tape {
    /// Numbers go up without a hole but for the restarts.
    pub fn assert_whole(&self) {
        assert!(self.seqs.is_sorted_by(|a, b| a < b), "a seq is there twice");
        for pair in self.seqs.windows(2) {
            let is_restart = self.restarts.contains(&(pair[0], pair[1]));
            assert!(pair[1] == pair[0] + 1 || is_restart, "between {} and {} something is missing", pair[0], pair[1]);
            assert!(!is_restart || pair[1] > pair[0] + RESTART_STRIDE);
        }
    }
}

pub fn read(tape: &Path) -> Tape {
    let mut found = Tape::default();
    TapeReader::open(tape, |_| {})
        .unwrap()
        .for_each(|seq, _, input| {
            found.seqs.push(seq);
            if let Input::Gap(gap) = input
                && gap.cause == GapCause::Restart
            {
                found.restarts.push((gap.from - 1, gap.to));
            }
            Ok::<(), TapeError>(())
        })
        .unwrap();
    found
}

/// The last `seq` in the files, of which only the newest may end in a half-written block.
fn last_readable(tape: &Path) -> u64 {
    let segments = segments(tape).unwrap();
    let mut last = 0;
    for (at, path) in segments.iter().enumerate() {
        let mut reader = SegmentReader::new(fs::File::open(path).unwrap()).unwrap();
        loop {
            match reader.next_block() {
                Ok(Some((Block::Inputs { first_seq, count }, _))) => last = first_seq + u64::from(count) - 1,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(SegmentError::Torn { .. }) if at + 1 == segments.len() => break,
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }
    last
}

fn written_seq(tape: &Path) -> u64 {
    let published = fs::read_to_string(tape.join("written_seq")).unwrap_or_default();
    published.trim().parse().unwrap_or(0)
}

/// Starts a recording, and kills it `after` a number of writes have been published.
fn record_and_kill(folder: &Path, capture: &Path, tape: &Path, writes: u32, after: Duration) -> u64 {
    let mut recording: Child = command(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--speed", "40", "--record", text(tape), "--replay", text(capture)])
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut published, mut seen, began) = (written_seq(tape), 0, Instant::now());
    while seen < writes {
        assert!(began.elapsed() < PATIENCE, "nothing is written");
        assert!(recording.try_wait().unwrap().is_none(), "the recording ended by itself");
        let now = written_seq(tape);
        seen += u32::from(now != published);
        published = now;
        std::thread::yield_now();
    }
    let began = Instant::now();
    while began.elapsed() < after {
        std::hint::spin_loop();
    }
    published = published.max(written_seq(tape));
    recording.kill().unwrap();
    recording.wait().unwrap();
    published
}

#[test]
fn a_killed_recording_keeps_what_it_published_and_goes_on_after_a_gap() {
    let folder = tempdir().unwrap();
    let (capture, tape) = (folder.path().join("capture.txt"), folder.path().join("tape"));
    fs::write(&capture, generated::capture(Market::Spot, 5, 60_000).text).unwrap();
    let kills = cases::count(20, 100).max(3);
    let mut rng = SmallRng::seed_from_u64(11);
    let mut ends = Vec::new();
    for kill in 0..kills {
        let published = record_and_kill(
            folder.path(),
            &capture,
            &tape,
            rng.random_range(1..4),
            Duration::from_micros(rng.random_range(0..60_000)),
        );
        let last = last_readable(&tape);
        assert!(last >= published, "kill {kill}: {published} was published, {last} is there");
        ends.push(last);
    }
    // The last run ends in order, and mends what the last kill left behind.
    replay_json(folder.path(), &[text(&capture), "--record", text(&tape)]);
    let found = read(&tape);
    found.assert_whole();
    let restarts: Vec<u64> = found.restarts.iter().map(|&(before, _)| before).collect();
    assert_eq!(restarts, ends, "every restart is a gap that begins where the files ended");
    println!("{kills} kills, {} inputs, 0 lost after being published, 0 seq twice", found.seqs.len());
}

#[test]
fn recording_twice_into_one_folder_continues_the_tape() {
    let folder = tempdir().unwrap();
    let (capture, tape) = (folder.path().join("capture.txt"), folder.path().join("tape"));
    fs::write(&capture, generated::capture(Market::CoinM, 6, 500).text).unwrap();
    let first = replay_json(folder.path(), &[text(&capture), "--record", text(&tape)]);
    let end = first["record"]["written_seq"].as_u64().unwrap();
    let second = replay_json(folder.path(), &[text(&capture), "--record", text(&tape)]);
    let found = read(&tape);
    assert_eq!(found.restarts, [(end, end + RESTART_STRIDE + 1)]);
    let again = replay_json(folder.path(), &[text(&tape)]);
    assert_eq!(again["digest"], second["digest"], "the tape comes to what the second run came to");
    assert_eq!(again["gaps"], 1, "the restart");
    for segment in segments(&tape).unwrap() {
        replay_json(folder.path(), &[text(&segment)]);
    }
}

#[test]
fn a_real_capture_is_recorded_and_tells_its_longest_wait() {
    let Some(data) = captures("a_real_capture_is_recorded_and_tells_its_longest_wait") else { return };
    let folder = tempdir().unwrap();
    let (capture, tape): (PathBuf, PathBuf) =
        (data.join("binance_coinm/cm_btcusd_perp_20240808.gz"), folder.path().join("tape"));
    record_and_kill(folder.path(), &capture, &tape, 20, Duration::ZERO);
    let report = replay_json(folder.path(), &[text(&capture), "--record", text(&tape)]);
    println!("longest time between writes at full speed: {} ms", report["record"]["longest_write_interval_ms"]);
    assert!(report["record"]["inputs"].as_u64().unwrap() > 100_000);
    let again = replay_json(folder.path(), &[text(&tape)]);
    assert_eq!((&again["digest"], &again["gaps"]), (&report["digest"], &json!(1)), "the kill is the one gap");
}
