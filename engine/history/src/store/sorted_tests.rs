use super::*;
use crate::columns::{ORDER, Rows, schema};
use crate::store::librarian::EVENT_SYMBOL;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use tidegate_core::{Input, Nanos};

/// A day of very many starts, or of very many symbols, has more files than a process may have open.
#[test]
fn more_files_than_may_be_open_are_merged_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let count = 2 * OPEN_FILES_MAX + 3;
    let paths: Vec<PathBuf> = (0..count).map(|at| folder.path().join(format!("{at:05}.parquet"))).collect();
    for (at, path) in paths.iter().enumerate() {
        let mut rows = Rows::default();
        for symbol in ["A", "B"] {
            rows.push(at as u64 + 1, Nanos::ZERO, &Input::Time, symbol, "");
        }
        let mut file = NewFile::create(path.clone(), schema(), &ORDER).unwrap();
        file.write(&rows.finish().unwrap()).unwrap();
        file.publish(|_| Ok(())).unwrap();
    }
    let mut seqs = Vec::new();
    let scratch = folder.path().join("scratch");
    let take = |symbol: &str, rows: RecordBatch| {
        seqs.extend(rows.column(0).as_primitive::<Int64Type>().values().iter().map(|&seq| (symbol.to_owned(), seq)));
        Ok(())
    };
    merge(&paths, EVENT_SYMBOL, &scratch, take).unwrap();
    let expect = |symbol: &'static str| (1..=count as i64).map(move |seq| (symbol.to_owned(), seq));
    assert!(seqs == expect("A").chain(expect("B")).collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left");
}
