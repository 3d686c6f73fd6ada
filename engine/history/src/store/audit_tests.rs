//! Damaged tables: each damage is found and named, and no query answers with something else.

use super::super::tests::{BOUNDS, SIZES, Traded, instrument};
use super::*;
use crate::cases;
use crate::damages::{KINDS, damage};
use crate::store::{Follower, Retention};
use crate::tape::Recorder;
use arrow::util::pretty::pretty_format_batches;
use std::fs;
use tidegate_core::{Bar, BarFlags, INTERVALS, Price};
use tokio::runtime::Builder;

/// A tape and its tables: two days that are over, a third with recent files, and bars from before.
fn recorded(root: &Path) {
    let (tape, parquet) = (root.join("tape"), root.join("parquet"));
    let store = Store::open(&parquet).unwrap();
    let (mut recorder, _) = Recorder::open(&tape, BOUNDS).unwrap();
    let mut market = Traded::new(5);
    market.define(&mut recorder);
    for _ in 0..5 {
        (0..500).for_each(|_| market.step(&mut recorder));
        // Eight hours in which nothing happens.
        market.steps += 9_600;
    }
    recorder.finish().unwrap();
    // The second start removes what the first has merged.
    for _ in 0..2 {
        Follower::start_with(store.clone(), &tape, BOUNDS, SIZES).unwrap().finish().unwrap();
    }
    let price = Price::from_raw(5).unwrap();
    let bar = |start: Nanos| Bar {
        start,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 7,
        trades: 1,
        revision: 0,
        flags: BarFlags::CLOSED,
    };
    let minute = INTERVALS[1];
    let bars = |number: i64| (0..20).map(move |at| bar(Nanos::new((number * 1_000 + at) * minute.span.raw())));
    let past = |number: u32| (instrument(number), vec![(minute, bars(i64::from(number)).collect())]);
    store.add_pasts([0, 2, 4].map(past).into_iter()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

const QUESTIONS: [&str; 2] = [
    "select count(*), count(distinct seq), sum(seq), sum(price), sum(qty), sum(id1), count(body), min(ts), max(ts) from events",
    "select count(*), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(trades), sum(flags), min(ts), max(ts) \
     from bars",
];

/// What queries answer, as another process asks.
fn answers(root: &Path) -> Result<Vec<String>, ParquetStoreError> {
    let store = Store::read(&root.join("parquet"), &root.join("tape"), BOUNDS)?;
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = |question: &&str| {
        let batches = runtime.block_on(store.query(question, 10))?;
        Ok(pretty_format_batches(&batches)?.to_string())
    };
    QUESTIONS.iter().map(answer).collect()
}

fn faults(root: &Path) -> Vec<Fault> {
    let (parquet, tape) = (root.join("parquet"), root.join("tape"));
    match Store::open(&parquet) {
        Ok(store) => store.audit(&tape, false, false),
        Err(error) => {
            let mut faults = Vec::new();
            note(&Catalogue::path(&parquet), Err(error), &mut faults);
            faults
        }
    }
}

/// Files of a kind, below the store's folder.
fn files(root: &Path, folder: &str, prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in super::super::listed(&root.join("parquet").join(folder)).unwrap() {
        if path.is_dir() {
            found.extend(super::super::listed(&path).unwrap());
        } else {
            found.push(path);
        }
    }
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
    found.sort();
    found
}

#[test]
fn every_damage_of_a_table_is_found_and_named() {
    let root = tempfile::tempdir().unwrap();
    let (origin, work) = (root.path().join("origin"), root.path().join("work"));
    recorded(&origin);
    let whole = answers(&origin).unwrap();
    assert_eq!(faults(&origin), [], "nothing is wrong yet");
    let kinds = [
        ("recent", "events-"),
        ("recent", "bars-"),
        ("events", "20"),
        ("bars", "20"),
        ("bars", "1970"),
        ("", "catalogue"),
    ];
    for (folder, prefix) in kinds {
        let mut found = 0;
        for number in 0..cases::count(200, 400).max(KINDS as u64) as usize {
            copy(&origin, &work);
            let done = damage(&files(&work, folder, prefix), number);
            let name = format!("{folder}/{prefix} {number}: {}: {}", done.path.display(), done.what);
            // A second list under another name is nobody's.
            if !(done.is_extra && prefix == "catalogue") {
                let faults = faults(&work);
                assert!(faults.iter().any(|fault| fault.path == done.path), "{name}: {faults:?}");
                found += 1;
            }
            if let Ok(got) = answers(&work) {
                assert_eq!(got, whole, "{name}: queries answer something else");
            }
            fs::remove_dir_all(&work).unwrap();
        }
        println!("{found} damages of {folder}/{prefix}*, each found and named, 0 wrong answers");
    }
}

#[test]
fn a_list_that_is_gone_is_missed_where_the_tape_does_not_reach_back() {
    let root = tempfile::tempdir().unwrap();
    recorded(root.path());
    let (parquet, tape) = (root.path().join("parquet"), root.path().join("tape"));
    let whole = answers(root.path()).unwrap();
    let list = Catalogue::path(&parquet);
    let bytes = fs::read(&list).unwrap();
    fs::remove_file(&list).unwrap();
    let error = answers(root.path()).unwrap_err().to_string();
    assert!(error.contains("from before the tape"), "a reader does not leave them out: {error}");
    fs::write(&list, bytes).unwrap();
    let rules = Retention { tape: Some(Nanos::ZERO), days: None, bytes_max: u64::MAX };
    let retained = Store::open(&parquet).unwrap().retain(&tape, &rules, Nanos::new(i64::MAX)).unwrap();
    assert!(retained.segments > 0);
    assert_eq!(answers(root.path()).unwrap(), whole);
    assert_eq!(crate::tape::audit::audit(&tape, BOUNDS, false, false).faults, [], "what was given up is not missing");
    fs::remove_file(&list).unwrap();
    assert!(matches!(answers(root.path()), Err(ParquetStoreError::Catalogue(..))));
    let store = Store::open(&parquet).unwrap();
    assert_eq!(store.audit(&tape, false, false)[0].path, list);
    assert!(Follower::start_with(store, &tape, BOUNDS, SIZES).is_err(), "nothing is taken for rubbish");
    assert!(!files(root.path(), "events", "20").is_empty());
}

#[test]
fn a_list_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"version":1,"last_seq":7,"next_segment":3,"parts":[],"bars":[],"days":[],"pasts":{}}"#;
    fs::write(Catalogue::path(folder.path()), text).unwrap();
    let catalogue = Catalogue::read(folder.path()).unwrap();
    assert_eq!((catalogue.last_seq, catalogue.next_segment), (7, 3));
    catalogue.write(folder.path()).unwrap();
    let text = fs::read_to_string(Catalogue::path(folder.path())).unwrap();
    assert!(text.starts_with(r#"{"version":2,"sum":""#) && !text.contains("00000000"), "{text}");
    assert_eq!(Catalogue::read(folder.path()).unwrap().last_seq, 7);
}
