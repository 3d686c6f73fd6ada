//! Rows as text.

use crate::ParquetStoreError;
use arrow::array::RecordBatch;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::pretty::pretty_format_batches;

/// As a table for people.
///
/// # Errors
/// [`ParquetStoreError`] where a value cannot be written.
pub fn table(batches: &[RecordBatch]) -> Result<String, ParquetStoreError> {
    Ok(format!("{}\n", pretty_format_batches(batches)?))
}

/// As comma-separated values with a line of names.
///
/// # Errors
/// [`ParquetStoreError`] where a value cannot be written.
pub fn csv(batches: &[RecordBatch]) -> Result<String, ParquetStoreError> {
    let mut writer = WriterBuilder::new().with_header(true).build(Vec::new());
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

/// As one JSON object a line.
///
/// # Errors
/// [`ParquetStoreError`] where a value cannot be written.
pub fn json_lines(batches: &[RecordBatch]) -> Result<String, ParquetStoreError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}
