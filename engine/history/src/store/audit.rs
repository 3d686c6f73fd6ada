//! Whether the files of a store are what its list says: every row of every file is read.

use super::bar_rows::{self, bars};
use super::catalogue::{Catalogue, Day, Part};
use super::{Store, unnamed};
use crate::ParquetStoreError;
use crate::columns::RowReader;
use crate::parquet_file::{read, read_unchecked};
use crate::projection::DAY;
use crate::tape::audit::Fault;
use arrow::array::RecordBatch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::{InstrumentId, Nanos};

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8_192;

/// What a file of events should hold.
struct Expected<'a> {
    symbol: Option<&'a str>,
    day: i64,
    /// The first and the last input, where they are known.
    seqs: Option<(u64, u64)>,
}

impl Store {
    /// Reads every file that the catalogue names, or (`quick`) opens it; where nobody `is_filling` the store from `tape`,
    /// files that it does not name are told too.
    pub fn audit(&self, tape: &Path, quick: bool, is_filling: bool) -> Vec<Fault> {
        let catalogue = Arc::clone(&self.view().catalogue);
        let mut faults = Vec::new();
        let list = Catalogue::path(self.folder());
        note(&list, self.must_have_list(tape), &mut faults);
        let left = if is_filling { Vec::new() } else { unnamed(self.folder(), &catalogue).unwrap_or_default() };
        if !left.is_empty() && !list.exists() && faults.is_empty() {
            let what = "is missing: the next start makes the tables again from the tape".to_owned();
            faults.push(Fault { path: list, what, is_left: true });
        }
        if quick {
            self.named().iter().for_each(|path| note(path, read_unchecked(path, 1).map(drop), &mut faults));
            return faults;
        }
        for part in &catalogue.parts {
            note(&part.path(self.folder()), check_part(self.folder(), part), &mut faults);
        }
        for day in &catalogue.days {
            self.check_day(day, &mut faults);
        }
        for bars in &catalogue.bars {
            let path = bars.path(self.folder());
            note(&path, check_bars(&path, None, None), &mut faults);
        }
        for (symbol, past) in &catalogue.pasts {
            let path = past.path(self.folder(), symbol);
            note(&path, check_bars(&path, Some(symbol), Some(past.rows)), &mut faults);
        }
        let what = "belongs to no table, or no longer: the next start removes it";
        faults.extend(left.into_iter().map(|path| Fault { path, what: what.to_owned(), is_left: true }));
        faults
    }

    /// The files that the catalogue names.
    fn named(&self) -> Vec<PathBuf> {
        let catalogue = Arc::clone(&self.view().catalogue);
        let events = super::event_files(self.folder(), &catalogue);
        events.into_iter().chain(super::bar_files(self.folder(), &catalogue)).map(|file| file.path).collect()
    }

    fn check_day(&self, day: &Day, faults: &mut Vec<Fault>) {
        let before = faults.len();
        let mut rows = 0;
        for symbol in &day.events {
            let path = day.events_path(self.folder(), symbol);
            let expected = Expected { symbol: Some(symbol), day: day.day, seqs: None };
            let checked = check_events(&path, &expected).map(|count| rows += count);
            note(&path, checked, faults);
        }
        if faults.len() == before && rows != day.rows {
            let path = self.folder().join(crate::projection::EVENTS);
            let day_name = crate::projection::date(Nanos::new(day.day));
            let what = format!("the files of {day_name} hold {rows} rows, and {} were written", day.rows);
            faults.push(Fault { path, what, is_left: false });
        }
        for symbol in &day.bars {
            let path = day.bars_path(self.folder(), symbol);
            note(&path, check_bars(&path, Some(symbol), None), faults);
        }
    }
}

fn note(path: &Path, checked: Result<(), ParquetStoreError>, faults: &mut Vec<Fault>) {
    if let Err(error) = checked {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let what = match &error {
            ParquetStoreError::Damaged(_, why) | ParquetStoreError::Catalogue(_, why) => why.clone(),
            _ => source.unwrap_or_else(|| error.to_string()),
        };
        faults.push(Fault { path: path.to_owned(), what, is_left: false });
    }
}

fn check_part(folder: &Path, part: &Part) -> Result<(), ParquetStoreError> {
    let path = part.path(folder);
    let expected = Expected { symbol: None, day: part.day, seqs: Some((part.first, part.last)) };
    expect_rows(&path, check_events(&path, &expected)?, part.rows)
}

fn expect_rows(path: &Path, got: u64, expected: u64) -> Result<(), ParquetStoreError> {
    if got == expected {
        return Ok(());
    }
    Err(ParquetStoreError::Damaged(path.to_owned(), format!("holds {got} rows, and {expected} were written")))
}

/// Reads every input of a file; tells how many there are.
fn check_events(path: &Path, expected: &Expected<'_>) -> Result<u64, ParquetStoreError> {
    let other = |why: &str| ParquetStoreError::Damaged(path.to_owned(), why.to_owned());
    let mut rows = 0;
    for batch in read(path, BATCH_ROWS)? {
        let batch: RecordBatch = batch?;
        let reader = RowReader::new(&batch)?;
        for at in 0..batch.num_rows() {
            let (seq, ts, _) = reader.input(at, InstrumentId(0))?;
            if expected.symbol.is_some_and(|symbol| reader.instrument(at).0 != symbol) {
                return Err(other("holds another symbol than its place tells"));
            }
            if ts.floor(DAY).raw() != expected.day {
                return Err(other("holds another day than its place tells"));
            }
            if expected.seqs.is_some_and(|(first, last)| !(first..=last).contains(&seq)) {
                return Err(other("holds other inputs than its place tells"));
            }
        }
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

/// Reads every bar of a file.
fn check_bars(path: &Path, symbol: Option<&str>, rows: Option<u64>) -> Result<(), ParquetStoreError> {
    let mut count = 0;
    for batch in read(path, BATCH_ROWS)? {
        let batch: RecordBatch = batch?;
        if batch.schema().fields() != bar_rows::schema().fields() {
            return Err(ParquetStoreError::Damaged(path.to_owned(), "holds other columns than bars".to_owned()));
        }
        bars(&batch)?;
        let is_other = |at| symbol.is_some_and(|symbol| bar_rows::name(&batch, 1, at) != symbol);
        if (0..batch.num_rows()).any(is_other) {
            let why = "holds another symbol than its place tells".to_owned();
            return Err(ParquetStoreError::Damaged(path.to_owned(), why));
        }
        count += batch.num_rows() as u64;
    }
    rows.map_or(Ok(()), |rows| expect_rows(path, count, rows))
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
