//! A tape as Parquet: `events/symbol=<encoded key>/<yyyy-mm-dd>.parquet`, days by tape time (UTC).
//!
//! Rows are ordered by `(symbol, ts, seq)` and the files say so. A file gets its name only after it has
//! been synced, opened again and found to hold what was meant.

use crate::ParquetStoreError;
use crate::columns::{NO_SYMBOL, ORDER, Rows, schema};
use crate::files;
use crate::parquet_file::{NewFile, Written, io_error};
use crate::store::librarian::EVENT_SYMBOL;
use crate::store::sorted::{merge, sort};
use crate::tape::{TapeReader, segments};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_core::{Input, Nanos};

/// The folder of the `events` table inside a Parquet folder.
pub const EVENTS: &str = "events";

/// Length of a day.
pub(crate) const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());
/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Rows that are held in memory: some 60 MB.
const PART_ROWS: usize = 262_144;
/// Where rows lie that are not sorted by symbol yet, inside the Parquet folder.
const SCRATCH: &str = "parts.new";

/// What a projection wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectionReport {
    /// Rows, one an input.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

/// Writes the Parquet files of a tape (a folder or one segment) below `to`.
///
/// # Errors
/// [`ParquetStoreError`]; files that were finished before stay.
pub fn project(
    tape: &Path,
    to: &Path,
    progress: impl FnMut(u64) + Send + 'static,
) -> Result<ProjectionReport, ParquetStoreError> {
    let reader = TapeReader::open(tape, progress)?;
    if !reader.begins_empty()? {
        let first = segments(tape)?.swap_remove(0);
        return Err(ParquetStoreError::NoBeginning(first));
    }
    let mut projection = Projection {
        to: to.to_owned(),
        names: Vec::new(),
        day: Nanos::ZERO,
        rows: Rows::default(),
        gathered: Vec::new(),
        gathered_rows: 0,
        parts: Vec::new(),
        report: ProjectionReport::default(),
    };
    let scratch = projection.scratch();
    let result = reader.for_each(|seq, ts, input| projection.push(seq, ts, input)).and_then(|()| projection.end_day());
    if scratch.is_dir() {
        fs::remove_dir_all(&scratch).map_err(io_error(&scratch))?;
    }
    result.map(|()| projection.report)
}

/// The folder name of a key: bytes outside `[A-Za-z0-9-]` become `_` and two hex digits.
pub fn encode_key(key: &str) -> String {
    key.bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(name, "_{byte:02x}")),
        }
        name
    })
}

/// Rows of a day are gathered in the order of their inputs, and sorted by symbol when the day is over: so one file is
/// written at a time, however many symbols there are.
struct Projection {
    to: PathBuf,
    /// Key and source by dense id.
    names: Vec<(String, String)>,
    day: Nanos,
    rows: Rows,
    gathered: Vec<RecordBatch>,
    gathered_rows: usize,
    /// Rows of the day that were too many for the memory, each file sorted by symbol.
    parts: Vec<PathBuf>,
    report: ProjectionReport,
}

impl Projection {
    fn push(&mut self, seq: u64, ts: Nanos, input: &Input) -> Result<(), ParquetStoreError> {
        if let Input::Define { id, instrument } = input
            && id.index() == self.names.len()
        {
            self.names.push((instrument.key.clone(), instrument.source.clone()));
        }
        let day = ts.floor(DAY);
        if self.day != day {
            self.end_day()?;
            self.day = day;
        }
        let name = input.instrument().and_then(|id| self.names.get(id.index()));
        let (symbol, source) = name.map_or((NO_SYMBOL, ""), |(symbol, source)| (symbol, source));
        self.rows.push(seq, ts, input, symbol, source);
        self.gathered_rows += 1;
        if self.rows.len() >= BATCH_ROWS {
            self.gathered.push(self.rows.finish()?);
        }
        if self.gathered_rows >= PART_ROWS { self.end_part() } else { Ok(()) }
    }

    /// Makes room in memory.
    fn end_part(&mut self) -> Result<(), ParquetStoreError> {
        let path = self.scratch().join(format!("part-{:06}.parquet", self.parts.len()));
        let mut file = NewFile::create(path.clone(), schema(), &ORDER)?;
        sort(&self.take_gathered()?, EVENT_SYMBOL, |_, rows| file.write(&rows))?;
        file.publish(|_| Ok(()))?;
        self.parts.push(path);
        Ok(())
    }

    fn take_gathered(&mut self) -> Result<Vec<RecordBatch>, ParquetStoreError> {
        self.gathered_rows = 0;
        if !self.rows.is_empty() {
            self.gathered.push(self.rows.finish()?);
        }
        Ok(std::mem::take(&mut self.gathered))
    }

    /// Writes the files of the day.
    fn end_day(&mut self) -> Result<(), ParquetStoreError> {
        let mut files = DayFiles { table: self.to.join(EVENTS), day: self.day, open: None, report: self.report };
        if self.parts.is_empty() {
            sort(&self.take_gathered()?, EVENT_SYMBOL, |symbol, rows| files.push(symbol, &rows))?;
        } else {
            if self.gathered_rows > 0 {
                self.end_part()?;
            }
            merge(&self.parts, EVENT_SYMBOL, &self.scratch(), |symbol, rows| files.push(symbol, &rows))?;
            for part in self.parts.drain(..) {
                files::remove(&part).map_err(io_error(&part))?;
            }
        }
        self.report = files.end()?;
        Ok(())
    }

    fn scratch(&self) -> PathBuf {
        self.to.join(SCRATCH)
    }
}

/// The files of a day, one after the other.
struct DayFiles {
    table: PathBuf,
    day: Nanos,
    open: Option<(String, PathBuf, NewFile)>,
    report: ProjectionReport,
}

impl DayFiles {
    fn push(&mut self, symbol: &str, rows: &RecordBatch) -> Result<(), ParquetStoreError> {
        if self.open.as_ref().is_some_and(|(open, _, _)| open != symbol) {
            self.close()?;
        }
        let (_, _, file) = match &mut self.open {
            Some(open) => open,
            None => {
                let path = day_file(&self.table, symbol, self.day);
                if path.exists() {
                    return Err(ParquetStoreError::Exists(path));
                }
                let file = NewFile::create(path.clone(), schema(), &ORDER)?;
                self.open.insert((symbol.to_owned(), path, file))
            }
        };
        file.write(rows)
    }

    fn close(&mut self) -> Result<(), ParquetStoreError> {
        let Some((_, path, file)) = self.open.take() else { return Ok(()) };
        let Written { rows, bytes } = file.publish(check_order(&path))?;
        self.report.rows += rows;
        self.report.files += 1;
        self.report.bytes += bytes;
        Ok(())
    }

    fn end(mut self) -> Result<ProjectionReport, ParquetStoreError> {
        self.close()?;
        Ok(self.report)
    }
}

/// The file of a symbol's day below the folder of a table.
pub(crate) fn day_file(table: &Path, symbol: &str, day: Nanos) -> PathBuf {
    table.join(format!("symbol={}", encode_key(symbol))).join(format!("{}.parquet", date(day)))
}

/// A day as `yyyy-mm-dd`.
pub(crate) fn date(day: Nanos) -> String {
    jiff::Timestamp::from_second(day.raw().div_euclid(Nanos::SECOND.raw()))
        .map_or_else(|_| "0000-00-00".to_owned(), |day| day.strftime("%Y-%m-%d").to_string())
}

/// What was meant: rows in `seq` order.
fn check_order(path: &Path) -> impl FnMut(&RecordBatch) -> Result<(), ParquetStoreError> {
    let mut last = i64::MIN;
    move |batch| {
        for &seq in batch.column(0).as_primitive::<Int64Type>().values() {
            if seq <= last {
                return Err(ParquetStoreError::Unverified(path.to_owned()));
            }
            last = seq;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_folder_names_that_tell_them_apart() {
        assert_eq!(encode_key("BINANCE-COINM:BTCUSD_PERP"), "BINANCE-COINM_3aBTCUSD_5fPERP");
        assert_eq!(encode_key("NSE:M&M"), "NSE_3aM_26M");
        assert_eq!(encode_key("*"), "_2a");
        assert_eq!(encode_key("../é"), "_2e_2e_2f_c3_a9");
    }
}
