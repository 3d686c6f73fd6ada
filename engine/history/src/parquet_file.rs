//! One Parquet file: written under another name, synced, opened again and counted before it gets its own. It bears
//! the sum of its bytes ([`crate::sum`]), which every reader compares.

use crate::ParquetStoreError;
use crate::files;
use crate::sum;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};

const ROW_GROUP_ROWS: usize = 256 * 1_024;
/// Rows that are read back at a time.
const CHECK_ROWS: usize = 8_192;
/// Columns of numbers that mostly step by little: their differences take fewer bits than any dictionary.
const STEPPING: [&str; 6] = ["seq", "ts", "receive_ts", "venue_ts", "id1", "id2"];

/// A file that has not got its name yet.
pub(crate) struct NewFile {
    path: PathBuf,
    new: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
}

/// A file that is whole and on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Rows.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
}

impl NewFile {
    /// Begins the file `path`, whose rows will be ordered by the columns `order`; its folder is made if need be.
    pub fn create(path: PathBuf, schema: SchemaRef, order: &[&str]) -> Result<NewFile, ParquetStoreError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        files::create_folder(folder).map_err(io_error(folder))?;
        let new = path.with_extension("parquet.new");
        let file = files::create(&new).map_err(io_error(&new))?;
        let properties = properties(&path, &schema, order);
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(parquet_error(&new))?;
        Ok(NewFile { path, new, writer, rows: 0 })
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetStoreError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(parquet_error(&self.new))
    }

    /// Syncs the file, opens it again, lets `check` see every batch of it, and gives it its name.
    pub fn publish(
        self,
        mut check: impl FnMut(&RecordBatch) -> Result<(), ParquetStoreError>,
    ) -> Result<Written, ParquetStoreError> {
        let NewFile { path, new, writer, rows } = self;
        let file = writer.into_inner().map_err(parquet_error(&new))?;
        sum::put(&file).map_err(io_error(&new))?;
        files::sync(&file, &new).map_err(io_error(&new))?;
        let mut seen = 0;
        for batch in read_unchecked(&new, CHECK_ROWS)? {
            let batch = batch?;
            seen += batch.num_rows() as u64;
            check(&batch)?;
        }
        if seen != rows {
            return Err(ParquetStoreError::Unverified(new));
        }
        files::rename(&new, &path).map_err(io_error(&path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        files::sync_folder(folder).map_err(io_error(folder))?;
        Ok(Written { rows, bytes: path.metadata().map_err(io_error(&path))?.len() })
    }
}

/// The batches of a file that is the one that was written there, of `batch_rows` rows each.
pub(crate) fn read(path: &Path, batch_rows: usize) -> Result<ParquetRecordBatchReader, ParquetStoreError> {
    sum::check(path)?;
    read_unchecked(path, batch_rows)
}

/// The same of a file as it is.
pub(crate) fn read_unchecked(path: &Path, batch_rows: usize) -> Result<ParquetRecordBatchReader, ParquetStoreError> {
    let file = files::open(path).map_err(io_error(path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_error(path))?;
    builder.with_batch_size(batch_rows).build().map_err(parquet_error(path))
}

fn properties(path: &Path, schema: &SchemaRef, order: &[&str]) -> WriterProperties {
    let ascending = |name: &&str| {
        let column_idx = schema.index_of(name).unwrap_or_default() as i32;
        SortingColumn { column_idx, descending: false, nulls_first: false }
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(sum::CREATED_BY.to_owned())
        .set_key_value_metadata(Some(vec![sum::entry(path)]))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(order.iter().map(ascending).collect()));
    for name in STEPPING.into_iter().filter(|name| schema.index_of(name).is_ok()) {
        let column = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> ParquetStoreError {
    move |source| ParquetStoreError::Io { path: path.to_owned(), source }
}

fn parquet_error(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> ParquetStoreError {
    move |source| ParquetStoreError::Parquet { path: path.to_owned(), source }
}
