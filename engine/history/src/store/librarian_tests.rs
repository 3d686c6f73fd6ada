//! A store that is killed at each of the steps by which it is filled and cut down.

use super::super::follower::Sizes;
use super::super::tests::{BOUNDS, Traded, census};
use super::super::{Follower, Retention};
use super::*;
use crate::files::tests::Killed;
use crate::tape::Recorder;
use std::fs;
use std::path::Path;

const SMALL: Sizes = Sizes { tail_rows: 60, merged_at_once: 2 };

/// Two days that are over, and a third; tells how many inputs.
fn record(tape: &Path) -> i64 {
    let (mut recorder, _) = Recorder::open(tape, BOUNDS).unwrap();
    let mut market = Traded::new(9);
    market.define(&mut recorder);
    for _ in 0..4 {
        (0..50).for_each(|_| market.step(&mut recorder));
        // Twelve hours in which nothing happens.
        market.steps += 14_400;
    }
    recorder.finish().unwrap();
    market.engine.seq() as i64
}

fn fill(parquet: &Path, tape: &Path) -> Result<Store, ParquetStoreError> {
    let store = Store::open(parquet)?;
    Follower::start_with(store.clone(), tape, BOUNDS, SMALL)?.finish()?;
    Ok(store)
}

fn check(what: &str, parquet: &Path, tape: &Path, inputs: i64) {
    let read = Store::read(parquet, tape, BOUNDS).unwrap();
    assert_eq!(census(&read), [inputs, inputs, 1, inputs], "{what}: before the next start");
    let store = fill(parquet, tape).unwrap();
    assert_eq!(census(&store), [inputs, inputs, 1, inputs], "{what}: after it");
    // What became part of another file is removed a minute later.
    assert!(store.audit(tape, false, false).iter().all(|fault| fault.is_left), "{what}");
}

fn root() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn a_store_may_be_killed_at_any_step_of_being_filled() {
    let root = root();
    let (tape, parquet) = (root.path().join("tape"), root.path().join("parquet"));
    let inputs = record(&tape);
    let mut steps = 0;
    loop {
        let killed = Killed::at(&parquet, steps);
        let is_over = fill(&parquet, &tape).is_ok();
        assert!(!is_over || killed.wanted() <= steps);
        drop(killed);
        check(&format!("killed at {steps}"), &parquet, &tape, inputs);
        fs::remove_dir_all(&parquet).unwrap();
        if is_over {
            break;
        }
        steps += 1;
    }
    assert!(steps > 100, "{steps}");
    println!("a store of {inputs} inputs, killed at each of {steps} steps: 0 rows lost or doubled");
}

#[test]
fn days_may_be_given_up_up_to_any_step_and_nothing_is_left_of_them() {
    let root = root();
    let (tape, parquet) = (root.path().join("tape"), root.path().join("parquet"));
    let everything = Retention { tape: Some(Nanos::ZERO), days: Some(Nanos::ZERO), bytes_max: 0 };
    record(&tape);
    let mut steps = 0;
    loop {
        let work = root.path().join("work");
        fs::create_dir(&work).unwrap();
        for entry in fs::read_dir(&tape).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, work.join(path.file_name().unwrap())).unwrap();
        }
        drop(fill(&parquet, &work).unwrap());
        let store = fill(&parquet, &work).unwrap();
        let killed = Killed::at(root.path(), steps);
        let is_over = store.retain(&work, &everything, Nanos::new(i64::MAX)).is_ok();
        drop(killed);
        let store = fill(&parquet, &work).unwrap();
        assert_eq!(unnamed(&parquet, &store.view().catalogue).unwrap(), Vec::<PathBuf>::new(), "killed at {steps}");
        let [rows, distinct, ..] = census(&store);
        assert_eq!((rows, store.audit(&work, false, false)), (distinct, Vec::new()), "killed at {steps}");
        assert_eq!(crate::tape::audit::audit(&work, BOUNDS, false, false).faults, [], "killed at {steps}");
        fs::remove_dir_all(&parquet).unwrap();
        fs::remove_dir_all(&work).unwrap();
        if is_over {
            break;
        }
        steps += 1;
    }
    println!("days given up, killed at each of {steps} steps: 0 files left that no list names");
}
