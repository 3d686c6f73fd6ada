//! A bar as a row of the `bars` table: frozen column names, types and meanings.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `seq` | int64 | the input up to which it was folded; of two rows of a bar the later one counts; 0: never recorded |
//! | `symbol`, `source`, `interval` | dictionary | key, source, name of the interval |
//! | `ts` | timestamp(ns, UTC) | start of the bucket, venue time |
//! | `open` … `close` | decimal(18, 9) | prices as traded, not adjusted |
//! | `volume` | decimal(38, 8) | sum of quantities |
//! | `trades`, `revision`, `flags` | uint64, uint32, uint8 | number of trades; changes since it closed; `BarFlags` |

use crate::ParquetStoreError;
use crate::columns::{dictionary, timestamp};
use arrow::array::{
    ArrayRef, AsArray, Decimal128Builder, Int64Builder, RecordBatch, StringDictionaryBuilder,
    TimestampNanosecondBuilder, UInt8Builder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, SchemaRef, TimestampNanosecondType, UInt8Type,
    UInt32Type, UInt64Type,
};
use std::sync::Arc;
use tidegate_core::{Bar, BarFlags, Nanos, Price, Qty};

/// The order of rows in files.
pub(crate) const ORDER: [&str; 5] = ["symbol", "source", "interval", "ts", "seq"];

const VOLUME: DataType = DataType::Decimal128(38, Qty::SCALE as i8);
const PRICE: DataType = DataType::Decimal128(18, Price::SCALE as i8);
const PRICES: [&str; 4] = ["open", "high", "low", "close"];

/// The schema of `bars`.
pub fn schema() -> SchemaRef {
    let mut fields = vec![("seq", DataType::Int64)];
    fields.extend(["symbol", "source", "interval"].map(|name| (name, dictionary())));
    fields.push(("ts", timestamp()));
    fields.extend(PRICES.map(|name| (name, PRICE)));
    fields.extend([
        ("volume", VOLUME),
        ("trades", DataType::UInt64),
        ("revision", DataType::UInt32),
        ("flags", DataType::UInt8),
    ]);
    Arc::new(Schema::new(fields.into_iter().map(|(name, kind)| Field::new(name, kind, false)).collect::<Vec<_>>()))
}

/// Gathers rows into a batch.
pub(crate) struct BarRows {
    seq: Int64Builder,
    names: [StringDictionaryBuilder<Int32Type>; 3],
    ts: TimestampNanosecondBuilder,
    prices: [Decimal128Builder; 4],
    volume: Decimal128Builder,
    trades: UInt64Builder,
    revision: UInt32Builder,
    flags: UInt8Builder,
}

impl Default for BarRows {
    fn default() -> BarRows {
        BarRows {
            seq: Int64Builder::new(),
            names: std::array::from_fn(|_| StringDictionaryBuilder::new()),
            ts: TimestampNanosecondBuilder::new().with_timezone("UTC"),
            prices: std::array::from_fn(|_| Decimal128Builder::new().with_data_type(PRICE)),
            volume: Decimal128Builder::new().with_data_type(VOLUME),
            trades: UInt64Builder::new(),
            revision: UInt32Builder::new(),
            flags: UInt8Builder::new(),
        }
    }
}

impl BarRows {
    /// Adds the bar of `names`: key, source, interval.
    pub fn push(&mut self, seq: u64, names: [&str; 3], bar: &Bar) {
        self.seq.append_value(seq as i64);
        for (column, name) in self.names.iter_mut().zip(names) {
            column.append_value(name);
        }
        self.ts.append_value(bar.start.raw());
        for (column, price) in self.prices.iter_mut().zip([bar.open, bar.high, bar.low, bar.close]) {
            column.append_value(i128::from(price.raw()));
        }
        self.volume.append_value(bar.volume);
        self.trades.append_value(bar.trades);
        self.revision.append_value(bar.revision);
        self.flags.append_value(bar.flags.bits());
    }

    /// The batch of the rows gathered since the last call.
    pub fn finish(&mut self) -> Result<RecordBatch, ParquetStoreError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.seq.finish())];
        columns.extend(self.names.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.ts.finish()));
        columns.extend(self.prices.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.volume.finish()));
        columns.push(Arc::new(self.trades.finish()));
        columns.push(Arc::new(self.revision.finish()));
        columns.push(Arc::new(self.flags.finish()));
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// The bars of a batch with the columns of [`schema`], in its order.
///
/// # Errors
/// [`ParquetStoreError::Row`] naming the column that holds no such value.
pub(crate) fn bars(batch: &RecordBatch) -> Result<Vec<(u64, Bar)>, ParquetStoreError> {
    let seqs = batch.column(0).as_primitive::<Int64Type>();
    let raw = |column: usize, at: usize| batch.column(column).as_primitive::<Decimal128Type>().value(at);
    let bar = |at: usize| {
        let seq = seqs.value(at);
        let row = |column| ParquetStoreError::Row { seq, column };
        let price = |column: usize| {
            let value = i64::try_from(raw(5 + column, at)).ok().and_then(Price::from_raw);
            value.ok_or(row(PRICES[column]))
        };
        let bar = Bar {
            start: Nanos::new(batch.column(4).as_primitive::<TimestampNanosecondType>().value(at)),
            open: price(0)?,
            high: price(1)?,
            low: price(2)?,
            close: price(3)?,
            volume: raw(9, at),
            trades: batch.column(10).as_primitive::<UInt64Type>().value(at),
            revision: batch.column(11).as_primitive::<UInt32Type>().value(at),
            flags: BarFlags::from_bits(batch.column(12).as_primitive::<UInt8Type>().value(at)).ok_or(row("flags"))?,
        };
        Ok((u64::try_from(seq).map_err(|_| row("seq"))?, bar))
    };
    (0..batch.num_rows()).map(bar).collect()
}

/// Key of row `at` of a batch with a dictionary column `column`.
pub(crate) fn name(batch: &RecordBatch, column: usize, at: usize) -> &str {
    let dictionary = batch.column(column).as_dictionary::<Int32Type>();
    dictionary.key(at).map_or("", |key| dictionary.values().as_string::<i32>().value(key))
}
