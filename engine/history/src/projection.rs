//! A tape as Parquet: `events/symbol=<encoded key>/<yyyy-mm-dd>.parquet`, days by tape time (UTC).
//!
//! Rows are ordered by `(symbol, ts, seq)` and the files say so. A file gets its name only after it has
//! been synced, opened again and found to hold what was meant.

use crate::ParquetStoreError;
use crate::columns::{NO_SYMBOL, ORDER, Rows, schema};
use crate::parquet_file::{NewFile, Written};
use crate::tape::{TapeReader, segments};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tidegate_core::{Input, InstrumentId, Nanos};

/// The folder of the `events` table inside a Parquet folder.
pub const EVENTS: &str = "events";

/// Length of a day.
pub(crate) const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());
/// Rows gathered in memory before they go to the writer, per instrument.
const BATCH_ROWS: usize = 8_192;

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
    let mut projection = Projection {
        to: to.to_owned(),
        files: BTreeMap::new(),
        names: Vec::new(),
        report: ProjectionReport::default(),
    };
    let reader = TapeReader::open(tape, progress)?;
    if !reader.begins_empty()? {
        let first = segments(tape)?.swap_remove(0);
        return Err(ParquetStoreError::NoBeginning(first));
    }
    reader.for_each(|seq, ts, input| projection.push(seq, ts, input))?;
    let symbols: Vec<_> = projection.files.keys().cloned().collect();
    for symbol in symbols {
        projection.close(&symbol)?;
    }
    Ok(projection.report)
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

struct Projection {
    to: PathBuf,
    /// The open file of each key.
    files: BTreeMap<String, DayFile>,
    /// Key and source by dense id.
    names: Vec<(String, String)>,
    report: ProjectionReport,
}

struct DayFile {
    day: Nanos,
    path: PathBuf,
    file: NewFile,
    rows: Rows,
}

impl Projection {
    fn push(&mut self, seq: u64, ts: Nanos, input: &Input) -> Result<(), ParquetStoreError> {
        if let Input::Define { id, instrument } = input
            && id.index() == self.names.len()
        {
            self.names.push((instrument.key.clone(), instrument.source.clone()));
        }
        let (symbol, source) = self.name(input.instrument());
        let day = ts.floor(DAY);
        if self.files.get(&symbol).is_some_and(|file| file.day != day) {
            self.close(&symbol)?;
        }
        if !self.files.contains_key(&symbol) {
            let file = self.open(&symbol, day)?;
            self.files.insert(symbol.clone(), file);
        }
        let Some(file) = self.files.get_mut(&symbol) else { return Ok(()) };
        file.rows.push(seq, ts, input, &symbol, &source);
        if file.rows.len() >= BATCH_ROWS { file.flush() } else { Ok(()) }
    }

    fn name(&self, id: Option<InstrumentId>) -> (String, String) {
        let name = id.and_then(|id| self.names.get(id.index()));
        name.cloned().unwrap_or_else(|| (NO_SYMBOL.to_owned(), String::new()))
    }

    fn open(&self, symbol: &str, day: Nanos) -> Result<DayFile, ParquetStoreError> {
        let path = day_file(&self.to.join(EVENTS), symbol, day);
        if path.exists() {
            return Err(ParquetStoreError::Exists(path));
        }
        let file = NewFile::create(path.clone(), schema(), &ORDER)?;
        Ok(DayFile { day, path, file, rows: Rows::default() })
    }

    fn close(&mut self, symbol: &str) -> Result<(), ParquetStoreError> {
        let Some(mut open) = self.files.remove(symbol) else { return Ok(()) };
        open.flush()?;
        let Written { rows, bytes } = open.file.publish(check_order(&open.path))?;
        self.report.rows += rows;
        self.report.files += 1;
        self.report.bytes += bytes;
        Ok(())
    }
}

impl DayFile {
    fn flush(&mut self) -> Result<(), ParquetStoreError> {
        self.file.write(&self.rows.finish()?)
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
