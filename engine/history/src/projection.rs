//! A tape as Parquet: `events/symbol=<encoded key>/<yyyy-mm-dd>.parquet`, days by tape time (UTC).
//!
//! Rows are ordered by `(symbol, ts, seq)` and the files say so. A file gets its name only after it has
//! been synced, opened again and found to hold what was meant.

use crate::ParquetStoreError;
use crate::columns::{NO_SYMBOL, Rows, schema};
use crate::tape::{TapeReader, segments};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tidegate_core::{Input, InstrumentId, Nanos};

/// The folder of the `events` table inside a Parquet folder.
pub const EVENTS: &str = "events";

const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());
/// Rows gathered in memory before they go to the writer, per instrument.
const BATCH_ROWS: usize = 8_192;
const ROW_GROUP_ROWS: usize = 256 * 1_024;

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
    new: PathBuf,
    writer: ArrowWriter<File>,
    rows: Rows,
    total: u64,
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
        let folder = self.to.join(EVENTS).join(format!("symbol={}", encode_key(symbol)));
        fs::create_dir_all(&folder).map_err(io_error(&folder))?;
        let date = jiff::Timestamp::from_second(day.raw() / Nanos::SECOND.raw())
            .map_or_else(|_| "0000-00-00".to_owned(), |day| day.strftime("%Y-%m-%d").to_string());
        let path = folder.join(format!("{date}.parquet"));
        if path.exists() {
            return Err(ParquetStoreError::Exists(path));
        }
        let new = path.with_extension("parquet.new");
        let file = File::create(&new).map_err(io_error(&new))?;
        let writer = ArrowWriter::try_new(file, schema(), Some(properties())).map_err(parquet_error(&new))?;
        Ok(DayFile { day, path, new, writer, rows: Rows::default(), total: 0 })
    }

    fn close(&mut self, symbol: &str) -> Result<(), ParquetStoreError> {
        let Some(mut file) = self.files.remove(symbol) else { return Ok(()) };
        file.flush()?;
        let written = file.writer.into_inner().map_err(parquet_error(&file.new))?;
        written.sync_all().map_err(io_error(&file.new))?;
        verify(&file.new, file.total)?;
        fs::rename(&file.new, &file.path).map_err(io_error(&file.path))?;
        let folder = file.path.parent().unwrap_or(&self.to);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))?;
        self.report.rows += file.total;
        self.report.files += 1;
        self.report.bytes += file.path.metadata().map_err(io_error(&file.path))?.len();
        Ok(())
    }
}

impl DayFile {
    fn flush(&mut self) -> Result<(), ParquetStoreError> {
        self.total += self.rows.len() as u64;
        let batch = self.rows.finish()?;
        self.writer.write(&batch).map_err(parquet_error(&self.new))
    }
}

/// Opens a file again: its footer, its number of rows and its order must be what was meant.
fn verify(path: &Path, rows: u64) -> Result<(), ParquetStoreError> {
    let unverified = || ParquetStoreError::Unverified(path.to_owned());
    let file = File::open(path).map_err(io_error(path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_error(path))?;
    let mut seen = 0;
    let mut last = i64::MIN;
    for batch in builder.build().map_err(parquet_error(path))? {
        let batch = batch?;
        seen += batch.num_rows() as u64;
        let seqs = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0));
        for &seq in seqs.values() {
            if seq <= last {
                return Err(unverified());
            }
            last = seq;
        }
    }
    if seen == rows { Ok(()) } else { Err(unverified()) }
}

fn properties() -> WriterProperties {
    let position = |name: &str| schema().index_of(name).unwrap_or_default() as i32;
    let ascending = |name: &str| SortingColumn { column_idx: position(name), descending: false, nulls_first: false };
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(["symbol", "ts", "seq"].map(ascending).to_vec()));
    // Numbers that mostly step by little: their differences take fewer bits than any dictionary.
    for name in ["seq", "ts", "receive_ts", "venue_ts", "id1", "id2"] {
        let column = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> ParquetStoreError {
    move |source| ParquetStoreError::Io { path: path.to_owned(), source }
}

fn parquet_error(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> ParquetStoreError {
    move |source| ParquetStoreError::Parquet { path: path.to_owned(), source }
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
