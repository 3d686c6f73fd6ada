use super::*;
use crate::columns::{ORDER, Rows, schema};
use crate::parquet_file::{NewFile, read};
use parquet::arrow::ArrowWriter;
use std::fs;
use std::path::PathBuf;
use tidegate_core::{Input, Nanos};

fn rows() -> arrow::array::RecordBatch {
    let mut rows = Rows::default();
    (1..50).for_each(|seq| rows.push(seq, Nanos::ZERO, &Input::Time, "A", ""));
    rows.finish().unwrap()
}

fn written(folder: &Path) -> PathBuf {
    let path = folder.join("events/symbol=A/2026-01-01.parquet");
    let mut file = NewFile::create(path.clone(), schema(), &ORDER).unwrap();
    file.write(&rows()).unwrap();
    file.publish(|_| Ok(())).unwrap();
    path
}

#[test]
fn every_changed_bit_and_every_cut_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    check(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let is_found = |what: &str| assert!(check(&path).is_err() || read(&path, 8).is_err(), "{what}");
    // Every byte once, a bit of it that differs from byte to byte.
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, changed).unwrap();
        is_found(&format!("a bit changed at {at}"));
    }
    for length in (0..bytes.len()).step_by(13) {
        fs::write(&path, &bytes[..length]).unwrap();
        is_found(&format!("cut at {length}"));
    }
    println!("{} bytes, each changed once, 0 unnoticed", bytes.len());
}

#[test]
fn a_file_in_the_place_of_another_is_told_and_a_folder_may_be_moved() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder.path().join("parquet"));
    for other in ["parquet/events/symbol=A/2026-01-02.parquet", "parquet/events/symbol=B/2026-01-01.parquet"] {
        let other = folder.path().join(other);
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::copy(&path, &other).unwrap();
        let error = check(&other).unwrap_err().to_string();
        assert!(error.contains("was written as another file"), "{error}");
    }
    let moved = folder.path().join("moved");
    fs::rename(folder.path().join("parquet"), &moved).unwrap();
    check(&moved.join("events/symbol=A/2026-01-01.parquet")).unwrap();
}

#[test]
fn files_of_earlier_versions_bear_no_sum_and_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2026-01-01.parquet");
    let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), schema(), None).unwrap();
    writer.write(&rows()).unwrap();
    writer.close().unwrap();
    assert_eq!(read(&path, 100).unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 49);
}
