//! Starts that are killed at each of their steps, and ends that a power cut leaves.

use super::super::segment::{HEAD_PART_BYTES, SegmentError, put_head, put_inputs, put_preamble};
use super::super::synced::SYNCED;
use super::super::tests::{BOUNDS, feed, fresh, record, replay};
use super::super::{Recorder, segment_name};
use super::*;
use crate::cases;
use crate::files::tests::Killed;
use crate::store::Store;
use crate::tape::{Recorded, Step};
use std::collections::BTreeSet;
use std::fs;
use tidegate_core::frame::put_input;
use tidegate_core::{Digest, Flags, Input};

const SECOND: i64 = 1_723_161_700;

/// In memory where there is such a folder: thousands of starts sync more than a disk likes.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A start with a few inputs, up to where it is killed; the digest where it is not.
fn start(folder: &Path) -> Option<Digest> {
    let (mut recorder, recovered) = Recorder::open(folder, BOUNDS).ok()?;
    let mut engine = fresh();
    if let Some(recovered) = recovered {
        engine = recovered.engine;
        engine.restart(recovered.highest_seq, &mut recorder).unwrap();
    }
    feed(&mut engine, &mut recorder, SECOND, 2);
    recorder.finish().ok()?;
    Some(engine.market().digest())
}

/// The highest input that readers were told is there.
fn published(folder: &Path) -> u64 {
    fs::read_to_string(folder.join(WRITTEN_SEQ)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A segment as earlier versions left it when they were killed between a start's state and its gap.
fn put_state_alone(folder: &Path) -> PathBuf {
    let last = segments(folder).unwrap().pop().unwrap();
    let mut engine = fresh();
    TapeReader::open(&last, |_| {}).unwrap().replay_all(&mut engine, &mut |_: &Market, _: Stamped<'_>| {}).unwrap();
    let next_seq = engine.seq() + RESTART_STRIDE + 1;
    let (mut head, mut bytes) = (Vec::new(), Vec::new());
    tidegate_core::head::put_head(engine.market(), engine.ts(), &mut head);
    put_preamble(&mut bytes);
    put_head(next_seq, &head, HEAD_PART_BYTES, &mut bytes).unwrap();
    let path = folder.join(segment_name(engine.ts(), next_seq));
    fs::write(&path, bytes).unwrap();
    path
}

/// What a start may find: nothing, an orderly end, a half-written block, zeros, and what earlier versions left.
fn found(root: &Path) -> Vec<(&'static str, PathBuf)> {
    let names = ["nothing", "torn", "state alone", "zeros", "states alone", "closed"];
    let names = names.into_iter().take(cases::count(3, 6).max(2) as usize);
    names
        .map(|name| (name, root.join(name)))
        .inspect(|(name, folder)| {
            fs::create_dir(folder).unwrap();
            if *name == "nothing" {
                return;
            }
            record(folder, 30);
            let last = segments(folder).unwrap().pop().unwrap();
            let whole = fs::read(&last).unwrap();
            match *name {
                "torn" => fs::write(&last, &whole[..whole.len() - 25]).unwrap(),
                "zeros" => {
                    fs::remove_file(folder.join(SYNCED)).unwrap();
                    fs::write(&last, [&whole[..whole.len() - 25], &[0; 5_000]].concat()).unwrap();
                }
                "state alone" => drop(put_state_alone(folder)),
                "states alone" => (0..3).for_each(|_| drop(put_state_alone(folder))),
                _ => {}
            }
        })
        .collect()
}

/// Everything that was there before is read, and what the starts added begins with inputs.
fn check(what: &str, folder: &Path, before: &[u64], published: Option<u64>, digest: Digest) {
    let (replayed, seqs) = replay(folder);
    assert_eq!(replayed, digest, "{what}: it does not come to what was recorded");
    assert_eq!(&seqs[..before.len()], before, "{what}: something is lost");
    assert!(published.is_none_or(|seq| seqs.contains(&seq)), "{what}: {published:?} was published");
}

/// Segments that hold a state and nothing else.
fn states_alone(folder: &Path) -> usize {
    segments(folder).unwrap().iter().filter(|segment| replay(segment).1.is_empty()).count()
}

/// Queries see what a replay does.
fn check_tables(folder: &Path) {
    let store = Store::read(&folder.join("parquet"), folder, BOUNDS).unwrap();
    assert_eq!(store.extent().hot_rows, replay(folder).1.len() as u64);
}

#[test]
fn two_starts_in_a_row_may_be_killed_at_any_step() {
    let root = folder();
    let (mut pairs, mut steps) = (0, Vec::new());
    for (name, origin) in found(root.path()) {
        let (before, alone) =
            if name == "nothing" { (Vec::new(), 0) } else { (readable(&origin), states_alone(&origin)) };
        let work = root.path().join("work");
        let killed_at = |at: usize| {
            let killed = Killed::at(&work, at);
            start(&work);
            killed.wanted() > at
        };
        let mut first = 0;
        loop {
            let mut second = 0;
            loop {
                copy(&origin, &work);
                killed_at(first);
                let is_killed = killed_at(second);
                let told = published(&work);
                let what = format!("{name}, killed at {first} and {second}");
                let digest = start(&work).unwrap_or_else(|| panic!("{what}: it does not start"));
                let told = Some(told).filter(|&told| told != published(&origin));
                check(&what, &work, &before, told, digest);
                if second == 0 || !is_killed {
                    check_tables(&work);
                    assert_eq!(states_alone(&work), alone, "{what}: a start left a state without the restart");
                }
                fs::remove_dir_all(&work).unwrap();
                pairs += 1;
                if !is_killed {
                    break;
                }
                second += 1;
            }
            copy(&origin, &work);
            let one = killed_at(first);
            fs::remove_dir_all(&work).unwrap();
            if !one {
                break;
            }
            first += 1;
        }
        steps.push(format!("{name} {first}"));
    }
    println!("{pairs} pairs of kills at the steps of a start ({}): 0 unreadable, 0 lost", steps.join(", "));
}

/// The inputs that the segments hold, whatever the numbers between them.
fn readable(folder: &Path) -> Vec<u64> {
    let mut seqs = Vec::new();
    for segment in segments(folder).unwrap() {
        seqs.extend(replay(&segment).1);
    }
    seqs
}

#[test]
fn what_earlier_versions_recorded_behind_a_state_alone_is_read() {
    let folder = folder();
    record(folder.path(), 30);
    let before = readable(folder.path());
    for round in 0..4 {
        (0..=round % 2).for_each(|_| drop(put_state_alone(folder.path())));
        let digest = start(folder.path()).unwrap();
        check(&format!("round {round}"), folder.path(), &before, None, digest);
        check_tables(folder.path());
    }
    assert_eq!(replay(folder.path()).1, readable(folder.path()));
}

#[test]
fn a_segment_that_is_missing_before_a_state_alone_is_told() {
    let folder = folder();
    record(folder.path(), 30);
    start(folder.path()).unwrap();
    let lost = segments(folder.path()).unwrap().pop().unwrap();
    put_state_alone(folder.path());
    start(folder.path()).unwrap();
    fs::remove_file(lost).unwrap();
    let mut reader = TapeReader::open(folder.path(), |_| {}).unwrap();
    let error = loop {
        match reader.read_next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the hole is not told"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TapeError::Hole { .. }), "{error}");
}

/// The last segment in blocks of a venue message each, not closed; tells where each block ends and with which input.
fn in_blocks(folder: &Path) -> (PathBuf, Vec<u8>, Vec<(usize, u64)>) {
    record(folder, 400);
    let all = segments(folder).unwrap();
    let last = all.last().unwrap().clone();
    let whole = fs::read(&last).unwrap();
    let mut reader = SegmentReader::new(&whole[..]).unwrap();
    reader.next_block().unwrap();
    let mut bytes = whole[..usize::try_from(reader.offset()).unwrap()].to_vec();
    let mut ends = vec![(bytes.len(), 0)];
    let (mut frames, mut first, mut count) = (Vec::new(), 0, 0);
    let mut tape = TapeReader::open(&last, |_| {}).unwrap();
    while let Some(step) = tape.read_next().unwrap() {
        let Step::Input(Recorded { seq, ts, input }) = step else { continue };
        first = if count == 0 { seq } else { first };
        put_input(ts, &input, &mut frames);
        count += 1;
        if !matches!(&input, Input::Event(event) if !event.flags.has(Flags::LAST)) {
            put_inputs(first, count, &frames, &mut bytes).unwrap();
            ends.push((bytes.len(), seq));
            frames.clear();
            count = 0;
        }
    }
    fs::write(&last, &bytes).unwrap();
    (last, bytes, ends)
}

/// Ends of a file of which everything from `from` on was not synced, in pages of `page` bytes.
fn lost_ends(bytes: &[u8], from: usize, page: usize) -> Vec<(String, Vec<u8>)> {
    let mut ends = Vec::new();
    let pages: BTreeSet<usize> = (from..bytes.len()).filter(|at| at % page == 0 || *at == from).collect();
    for &at in &pages {
        ends.push((format!("cut at {at}"), bytes[..at].to_vec()));
        let zeros = |length: usize| [&bytes[..at], &vec![0; length - at][..]].concat();
        ends.push((format!("zeros from {at}"), zeros(bytes.len())));
        ends.push((format!("zeros from {at}, longer"), zeros(bytes.len() + 65_536)));
        let mut without = bytes.to_vec();
        let end = (at + page - at % page).min(bytes.len());
        without[at..end].fill(0);
        ends.push((format!("a page of zeros at {at}"), without));
    }
    ends
}

#[test]
fn what_a_power_cut_leaves_is_cut_off_and_kept_beside() {
    let origin = folder();
    let (last, bytes, ends) = in_blocks(origin.path());
    let (synced, synced_seq) = ends[ends.len() / 2];
    let mut tried = 0;
    for has_record in [true, false] {
        for (what, end) in lost_ends(&bytes, synced, 1_024) {
            let work = folder();
            copy(origin.path(), work.path());
            let last = work.path().join(last.file_name().unwrap());
            fs::write(&last, &end).unwrap();
            match has_record {
                true => fs::write(work.path().join(SYNCED), Synced::of(&last, synced as u64).to_text()).unwrap(),
                false => fs::remove_file(work.path().join(SYNCED)).unwrap(),
            }
            let readable = replay(work.path());
            let recovered = recover(work.path(), BOUNDS).unwrap_or_else(|error| panic!("{what}: {error}")).unwrap();
            assert!(recovered.engine.seq() >= synced_seq, "{what}: something that was synced is lost");
            assert_eq!(readable.0, recovered.engine.market().digest(), "{what}: read before it was cut off");
            let left = fs::read(&last).unwrap();
            let kept = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().path());
            let kept = kept.filter(|path| path.extension().is_some_and(|extension| extension == CUT));
            let kept: Vec<u8> = kept.flat_map(|path| fs::read(path).unwrap()).collect();
            assert!([left, kept].concat() == end, "{what}: what was cut off is beside it");
            if tried % 8 == 0 {
                let digest = start(work.path()).unwrap();
                assert_eq!(replay(work.path()).0, digest, "{what}");
            }
            tried += 1;
        }
    }
    println!("{tried} ends as a power cut leaves them, 0 refused, 0 synced inputs lost");
}

#[test]
fn what_was_synced_is_never_taken_for_a_lost_end() {
    let folder = folder();
    let (last, bytes, ends) = in_blocks(folder.path());
    let (synced, _) = ends[ends.len() / 2];
    let is_refused = |bytes: &[u8]| {
        fs::write(&last, bytes).unwrap();
        let error = recover(folder.path(), BOUNDS).unwrap_err();
        assert!(matches!(error, TapeError::Segment { .. }), "{error}");
        assert!(TapeReader::open(folder.path(), |_| {}).unwrap().for_each(|_, _, _| Ok::<(), TapeError>(())).is_err());
        assert!(fs::read(&last).unwrap() == bytes, "nothing was cut");
    };
    fs::write(folder.path().join(SYNCED), Synced::of(&last, synced as u64).to_text()).unwrap();
    let mut tried = 0;
    for at in (PREAMBLE_END..synced).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        is_refused(&damaged);
        tried += 1;
    }
    fs::remove_file(folder.path().join(SYNCED)).unwrap();
    is_refused(&[&bytes[..], &vec![0; LOST_BYTES_MAX as usize + 1]].concat());
    let head = ends[0].0;
    for end in [PREAMBLE_END, PREAMBLE_END + 7, head / 2, head - 1] {
        fs::write(&last, &bytes[..end]).unwrap();
        let error = recover(folder.path(), BOUNDS).unwrap_err();
        assert!(matches!(error, TapeError::Segment { source: SegmentError::TornHead { .. }, .. }), "{end}: {error}");
        let read = TapeReader::open(folder.path(), |_| {}).unwrap().for_each(|_, _, _| Ok::<(), TapeError>(()));
        assert!(matches!(read, Err(TapeError::Segment { source: SegmentError::TornHead { .. }, .. })), "{end}");
    }
    println!("{tried} damages of what was synced, each refused");
}

const PREAMBLE_END: usize = super::super::segment::PREAMBLE_BYTES;
