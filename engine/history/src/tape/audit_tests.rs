//! Damaged tapes: each is found and named, and no replay of one comes to something else.

use super::super::Recorder;
use super::super::segment::{Block, SegmentReader};
use super::super::tests::{BOUNDS, feed, fresh, record};
use super::*;
use crate::damages::{Damage, KINDS, damage};
use std::fs;
use tidegate_core::Digest;

/// Five segments: an hour that ends within the first, and three starts.
fn recorded(folder: &Path) {
    record(folder, 30);
    for start in 1..4 {
        let (mut recorder, recovered) = Recorder::open(folder, BOUNDS).unwrap();
        let recovered = recovered.unwrap();
        let mut engine = recovered.engine;
        engine.restart(recovered.highest_seq, &mut recorder).unwrap();
        feed(&mut engine, &mut recorder, 1_723_160_000 + start * 100, 12);
        recorder.finish().unwrap();
    }
}

fn replayed(folder: &Path) -> Result<(Digest, Vec<u64>), TapeError> {
    let mut engine = fresh();
    let mut seqs = Vec::new();
    let reader = TapeReader::open(folder, |_| {})?;
    reader.replay_all(&mut engine, &mut |_: &Market, stamped: Stamped<'_>| seqs.push(stamped.seq))?;
    Ok((engine.market().digest(), seqs))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Damages that know what a segment is made of.
fn damage_blocks(path: &Path, number: usize) -> Damage {
    let bytes = fs::read(path).unwrap();
    let mut reader = SegmentReader::new(&bytes[..]).unwrap();
    let mut ends = vec![super::super::segment::PREAMBLE_BYTES];
    while let Some((block, _)) = reader.next_block().unwrap() {
        ends.push(usize::try_from(reader.offset()).unwrap());
        if block == Block::End {
            break;
        }
    }
    // The head, one block of inputs at least, the end.
    let block = |at: usize| &bytes[ends[at]..ends[at + 1]];
    let last = ends.len() - 2;
    let (what, changed) = match number % 5 {
        0 => ("a block is missing", [&bytes[..ends[last - 1]], &bytes[ends[last]..]].concat()),
        1 => ("a block is there twice", [&bytes[..ends[last]], block(last - 1), &bytes[ends[last]..]].concat()),
        2 => ("the head is missing", [&bytes[..ends[0]], &bytes[ends[1]..]].concat()),
        3 => ("cut behind a block", bytes[..ends[last - 1]].to_vec()),
        _ => ("cut behind the head", bytes[..ends[1]].to_vec()),
    };
    fs::write(path, changed).unwrap();
    Damage { path: path.to_owned(), what: what.to_owned(), is_extra: false }
}

#[test]
fn every_damage_of_a_tape_is_found_and_named() {
    let root = tempfile::tempdir().unwrap();
    let (origin, work) = (root.path().join("origin"), root.path().join("work"));
    recorded(&origin);
    let whole = audit(&origin, BOUNDS, false, false);
    let (digest, seqs) = replayed(&origin).unwrap();
    assert_eq!((whole.segments, whole.last_seq, &whole.faults[..]), (5, *seqs.last().unwrap(), &[][..]));
    let mut found = 0;
    for number in 0..KINDS * 20 + 25 {
        copy(&origin, &work);
        let all = segments(&work).unwrap();
        let done = match number.checked_sub(KINDS * 20) {
            None => damage(&all, number),
            Some(number) => damage_blocks(&all[number / 5], number),
        };
        let name = format!("{number}: {}: {}", done.path.display(), done.what);
        let faults = audit(&work, BOUNDS, false, false).faults;
        // Of what is missing, the segment behind it tells.
        let behind = all.iter().find(|path| **path > done.path);
        let is_named = |fault: &Fault| fault.path == done.path || Some(&fault.path) == behind;
        assert!(faults.iter().any(is_named), "{name}: {faults:?}");
        match replayed(&work) {
            Err(_) => {}
            Ok((got, read)) if done.path == all[0] => assert!(got == digest && seqs.ends_with(&read), "{name}"),
            Ok((_, read)) if done.path == all[4] => assert!(seqs.starts_with(&read), "{name}"),
            Ok((got, read)) => assert!(got == digest && read == seqs, "{name}: it is replayed to something else"),
        }
        fs::remove_dir_all(&work).unwrap();
        found += 1;
    }
    println!("{found} damages of a tape's segments, each found and named, 0 replayed to something else");
}

#[test]
fn what_tells_of_the_tape_is_judged_too() {
    let root = tempfile::tempdir().unwrap();
    let (origin, work) = (root.path().join("origin"), root.path().join("work"));
    recorded(&origin);
    let (digest, seqs) = replayed(&origin).unwrap();
    let mut found = 0;
    for name in [SYNCED, WRITTEN_SEQ, BEGINS] {
        for number in 0..KINDS - 1 {
            copy(&origin, &work);
            let path = work.join(name);
            let done = damage(std::slice::from_ref(&path), number);
            let faults = audit(&work, BOUNDS, false, false).faults;
            // Recordings of earlier versions have none of some; and a smaller number tells nothing wrong.
            let may_be_silent = done.what == "missing" || name != SYNCED;
            assert!(may_be_silent || !faults.is_empty(), "{name}: {}", done.what);
            assert_eq!(replayed(&work).unwrap(), (digest, seqs.clone()), "{name}: {}", done.what);
            found += usize::from(!faults.is_empty());
            fs::remove_dir_all(&work).unwrap();
        }
    }
    assert!(found > 2 * KINDS, "{found}");
}
