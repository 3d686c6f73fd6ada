//! Rows by symbol: files whose rows follow one another in time become one, symbol by symbol, without being
//! held in memory.

use super::bar_rows::name;
use crate::ParquetStoreError;
use crate::files;
use crate::parquet_file::{NewFile, io_error, read};
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::interleave_record_batch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use std::path::{Path, PathBuf};

/// Rows of a file that are held at a time.
const BATCH_ROWS: usize = 2_048;
/// Files that are open at a time, far below what systems allow a process.
pub(crate) const OPEN_FILES_MAX: usize = 64;

/// Where a batch's column `symbol` is.
#[derive(Clone, Copy)]
pub(crate) struct SymbolColumn(pub usize);

/// Hands rows that are in the order of their inputs to `take`, symbol by symbol in ascending order.
pub(crate) fn sort(
    batches: &[RecordBatch],
    symbol: SymbolColumn,
    mut take: impl FnMut(&str, RecordBatch) -> Result<(), ParquetStoreError>,
) -> Result<(), ParquetStoreError> {
    let rows = |(at, batch): (usize, &RecordBatch)| (0..batch.num_rows()).map(move |row| (at, row));
    let mut order: Vec<(usize, usize)> = batches.iter().enumerate().flat_map(rows).collect();
    let symbol_of = |&(batch, row): &(usize, usize)| name(&batches[batch], symbol.0, row);
    // Stable: of one symbol they stay in order.
    order.sort_by_key(symbol_of);
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    for of_symbol in order.chunk_by(|a, b| symbol_of(a) == symbol_of(b)) {
        for rows in of_symbol.chunks(BATCH_ROWS) {
            take(symbol_of(&rows[0]), interleave_record_batch(&batches, rows)?)?;
        }
    }
    Ok(())
}

/// A file that is sorted by symbol, read from its start.
struct Cursor {
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    symbol: SymbolColumn,
    at: usize,
}

impl Cursor {
    fn open(path: &Path, symbol: SymbolColumn) -> Result<Cursor, ParquetStoreError> {
        let mut cursor = Cursor { reader: read(path, BATCH_ROWS)?, batch: None, symbol, at: 0 };
        cursor.fill()?;
        Ok(cursor)
    }

    fn fill(&mut self) -> Result<(), ParquetStoreError> {
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            self.at = 0;
            self.batch = self.reader.next().transpose()?;
            if self.batch.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The symbol of the next row.
    fn symbol(&self) -> Option<&str> {
        Some(name(self.batch.as_ref()?, self.symbol.0, self.at))
    }

    /// The next rows of `symbol`; `None` where there is no more.
    fn take(&mut self, symbol: &str) -> Result<Option<RecordBatch>, ParquetStoreError> {
        let Some(batch) = self.batch.as_ref() else { return Ok(None) };
        let rest = self.at..batch.num_rows();
        let count = rest.take_while(|&row| name(batch, self.symbol.0, row) == symbol).count();
        let rows = batch.slice(self.at, count);
        self.at += count;
        self.fill()?;
        Ok((count > 0).then_some(rows))
    }
}

/// Hands the rows of sorted files to `take`, symbol by symbol in ascending order, of one symbol those of earlier
/// files first. Of many files, some at a time become one below `scratch` before.
pub(crate) fn merge(
    paths: &[PathBuf],
    symbol: SymbolColumn,
    scratch: &Path,
    mut take: impl FnMut(&str, RecordBatch) -> Result<(), ParquetStoreError>,
) -> Result<(), ParquetStoreError> {
    if paths.len() > OPEN_FILES_MAX {
        let merged = merge_some(paths, symbol, scratch)?;
        merge(&merged, symbol, scratch, take)?;
        return merged.iter().try_for_each(|path| files::remove(path).map_err(io_error(path)));
    }
    let mut cursors = paths.iter().map(|path| Cursor::open(path, symbol)).collect::<Result<Vec<_>, _>>()?;
    while let Some(next) = cursors.iter().filter_map(Cursor::symbol).min().map(str::to_owned) {
        for cursor in &mut cursors {
            while let Some(rows) = cursor.take(&next)? {
                take(&next, rows)?;
            }
        }
    }
    Ok(())
}

/// One file of each so many that follow one another.
fn merge_some(paths: &[PathBuf], symbol: SymbolColumn, scratch: &Path) -> Result<Vec<PathBuf>, ParquetStoreError> {
    let mut merged = Vec::new();
    for some in paths.chunks(OPEN_FILES_MAX) {
        let stem = some[0].file_stem().unwrap_or_default().to_string_lossy();
        let path = scratch.join(format!("merged-{}-{stem}.parquet", some.len()));
        let mut file = NewFile::create(path.clone(), read(&some[0], 1)?.schema(), &[])?;
        merge(some, symbol, scratch, |_, rows| file.write(&rows))?;
        file.publish(|_| Ok(()))?;
        merged.push(path);
    }
    Ok(merged)
}

#[cfg(test)]
#[path = "sorted_tests.rs"]
mod tests;
