//! An input as a row of the `events` table: frozen column names, types and meanings.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `seq` | int64 | place in the total order |
//! | `ts`, `receive_ts` | timestamp(ns, UTC) | tape time; when the message arrived (`ts` where nothing did) |
//! | `venue_ts` | timestamp(ns, UTC)? | the venue's clock, null if unknown |
//! | `symbol`, `source` | dictionary | key and source; `*` and empty for inputs of no one instrument |
//! | `kind`, `flags` | uint8 | `Input::kind`, `Flags` |
//! | `side`, `orders` | int8?, uint32? | of a level or trade |
//! | `price` … `price4` | decimal(18, 9)? | level, trade: price; quote: bid, ask; ohlc: in that order; day: average |
//! | `qty` … `qty4` | decimal(18, 8)? | level, trade; quote: bid, ask; day: volume, last; pressure: buy, sell; interest |
//! | `id1`, `id2` | uint64? | trade id; message: first, last |
//! | `time2` | timestamp(ns, UTC)? | day: last trade |
//! | `body` | binary? | the encoding of an input that is no event |

use crate::ParquetStoreError;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, Decimal128Builder, Int8Builder, Int64Builder,
    PrimitiveArray, RecordBatch, StringDictionaryBuilder, TimestampNanosecondBuilder, UInt8Builder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int8Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampNanosecondType, UInt8Type, UInt32Type, UInt64Type,
};
use std::sync::Arc;
use tidegate_core::input::{EVENT_KIND_MAX, VERSION};
use tidegate_core::{Body, Event, Flags, Input, InstrumentId, Nanos, Price, Qty, Side};

/// `symbol` of the inputs that concern no one instrument.
pub const NO_SYMBOL: &str = "*";

/// The order of rows in files.
pub(crate) const ORDER: [&str; 3] = ["symbol", "ts", "seq"];

/// Names of the columns, in their order.
const NAMES: [&str; 22] = [
    "seq",
    "ts",
    "receive_ts",
    "venue_ts",
    "symbol",
    "source",
    "kind",
    "flags",
    "side",
    "orders",
    "price",
    "price2",
    "price3",
    "price4",
    "qty",
    "qty2",
    "qty3",
    "qty4",
    "id1",
    "id2",
    "time2",
    "body",
];
/// Positions in [`NAMES`].
const SEQ: usize = 0;
const TS: usize = 1;
const RECEIVE_TS: usize = 2;
const VENUE_TS: usize = 3;
const SYMBOL: usize = 4;
const SOURCE: usize = 5;
const KIND: usize = 6;
const FLAGS: usize = 7;
const SIDE: usize = 8;
const ORDERS: usize = 9;
const PRICE: usize = 10;
const QTY: usize = 14;
const ID1: usize = 18;
const TIME2: usize = 20;
const BODY: usize = 21;
const PRICES: [&str; 4] = ["price", "price2", "price3", "price4"];
const QTYS: [&str; 4] = ["qty", "qty2", "qty3", "qty4"];

pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

pub(crate) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The schema of `events`.
pub fn schema() -> SchemaRef {
    let fields = NAMES.iter().enumerate().map(|(at, name)| {
        let kind = match at {
            SEQ => DataType::Int64,
            TS | RECEIVE_TS | VENUE_TS | TIME2 => timestamp(),
            SYMBOL | SOURCE => dictionary(),
            KIND | FLAGS => DataType::UInt8,
            SIDE => DataType::Int8,
            ORDERS => DataType::UInt32,
            PRICE..QTY => DataType::Decimal128(18, Price::SCALE as i8),
            QTY..ID1 => DataType::Decimal128(18, Qty::SCALE as i8),
            ID1..TIME2 => DataType::UInt64,
            _ => DataType::Binary,
        };
        Field::new(*name, kind, matches!(at, VENUE_TS | SIDE..))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What a body puts into the columns that are its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cells {
    side: Option<Side>,
    orders: Option<u32>,
    prices: [Option<Price>; 4],
    qtys: [Option<Qty>; 4],
    ids: [Option<u64>; 2],
    time2: Option<Nanos>,
}

impl Cells {
    fn of(body: &Body) -> Cells {
        let mut cells = Cells::default();
        match *body {
            Body::Level { side, orders, price, qty } => {
                (cells.side, cells.orders) = (Some(side), Some(orders));
                (cells.prices[0], cells.qtys[0]) = (Some(price), Some(qty));
            }
            Body::Trade { side, price, qty, trade_id } => {
                (cells.side, cells.ids[0]) = (Some(side), Some(trade_id));
                (cells.prices[0], cells.qtys[0]) = (Some(price), Some(qty));
            }
            Body::Quote { bid, bid_qty, ask, ask_qty } => {
                cells.prices[..2].copy_from_slice(&[Some(bid), Some(ask)]);
                cells.qtys[..2].copy_from_slice(&[Some(bid_qty), Some(ask_qty)]);
            }
            Body::Ohlc { open, high, low, close } => cells.prices = [open, high, low, close].map(Some),
            Body::Day { volume, average, last_qty, last_time } => {
                (cells.prices[0], cells.time2) = (Some(average), Some(last_time));
                cells.qtys[..2].copy_from_slice(&[Some(volume), Some(last_qty)]);
            }
            Body::Pressure { buy, sell } => cells.qtys[..2].copy_from_slice(&[Some(buy), Some(sell)]),
            Body::Interest { oi, high, low } => {
                cells.qtys[..3].copy_from_slice(&[Some(oi), Some(high), Some(low)]);
            }
            Body::Message { first, last } => cells.ids = [Some(first), Some(last)],
            Body::Clear => {}
        }
        cells
    }

    /// The body of this kind, or the name of the column that it lacks.
    fn body(&self, kind: u16) -> Result<Body, &'static str> {
        let price = |at: usize| self.prices[at].ok_or(PRICES[at]);
        let qty = |at: usize| self.qtys[at].ok_or(QTYS[at]);
        let id = |at: usize| self.ids[at].ok_or(["id1", "id2"][at]);
        let side = self.side.ok_or("side");
        Ok(match kind {
            1 => Body::Level { side: side?, orders: self.orders.ok_or("orders")?, price: price(0)?, qty: qty(0)? },
            2 => Body::Trade { side: side?, price: price(0)?, qty: qty(0)?, trade_id: id(0)? },
            3 => Body::Quote { bid: price(0)?, bid_qty: qty(0)?, ask: price(1)?, ask_qty: qty(1)? },
            4 => Body::Ohlc { open: price(0)?, high: price(1)?, low: price(2)?, close: price(3)? },
            5 => Body::Day {
                volume: qty(0)?,
                average: price(0)?,
                last_qty: qty(1)?,
                last_time: self.time2.ok_or("time2")?,
            },
            6 => Body::Pressure { buy: qty(0)?, sell: qty(1)? },
            7 => Body::Interest { oi: qty(0)?, high: qty(1)?, low: qty(2)? },
            8 => Body::Message { first: id(0)?, last: id(1)? },
            9 => Body::Clear,
            _ => return Err("kind"),
        })
    }
}

/// Gathers rows into a batch.
pub struct Rows {
    seq: Int64Builder,
    ts: TimestampNanosecondBuilder,
    receive_ts: TimestampNanosecondBuilder,
    venue_ts: TimestampNanosecondBuilder,
    symbol: StringDictionaryBuilder<Int32Type>,
    source: StringDictionaryBuilder<Int32Type>,
    kind: UInt8Builder,
    flags: UInt8Builder,
    side: Int8Builder,
    orders: UInt32Builder,
    prices: [Decimal128Builder; 4],
    qtys: [Decimal128Builder; 4],
    ids: [UInt64Builder; 2],
    time2: TimestampNanosecondBuilder,
    body: BinaryBuilder,
    rows: usize,
}

impl Default for Rows {
    fn default() -> Rows {
        let time = || TimestampNanosecondBuilder::new().with_timezone("UTC");
        let decimal = |scale: u8| {
            let kind = DataType::Decimal128(18, scale as i8);
            std::array::from_fn(|_| Decimal128Builder::new().with_data_type(kind.clone()))
        };
        Rows {
            seq: Int64Builder::new(),
            ts: time(),
            receive_ts: time(),
            venue_ts: time(),
            symbol: StringDictionaryBuilder::new(),
            source: StringDictionaryBuilder::new(),
            kind: UInt8Builder::new(),
            flags: UInt8Builder::new(),
            side: Int8Builder::new(),
            orders: UInt32Builder::new(),
            prices: decimal(Price::SCALE),
            qtys: decimal(Qty::SCALE),
            ids: std::array::from_fn(|_| UInt64Builder::new()),
            time2: time(),
            body: BinaryBuilder::new(),
            rows: 0,
        }
    }
}

impl Rows {
    /// Number of rows gathered.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds the row of an input of the instrument `symbol` from `source`.
    pub fn push(&mut self, seq: u64, ts: Nanos, input: &Input, symbol: &str, source: &str) {
        self.rows += 1;
        self.seq.append_value(seq as i64);
        self.ts.append_value(ts.raw());
        self.symbol.append_value(symbol);
        self.source.append_value(source);
        self.kind.append_value(input.kind() as u8);
        let cells = match input {
            Input::Event(event) => {
                let is_known = !event.flags.has(Flags::TIME_RECEIVED);
                self.receive_ts.append_value(event.receive_ts.raw());
                self.venue_ts.append_option(is_known.then_some(event.venue_ts.raw()));
                self.flags.append_value(event.flags.bits());
                self.body.append_null();
                Cells::of(&event.body)
            }
            other => {
                let mut bytes = Vec::new();
                other.encode(&mut bytes);
                self.receive_ts.append_value(ts.raw());
                self.venue_ts.append_null();
                self.flags.append_value(0);
                self.body.append_value(&bytes);
                Cells::default()
            }
        };
        self.side.append_option(cells.side.map(|side| side.code() as i8));
        self.orders.append_option(cells.orders);
        for (column, price) in self.prices.iter_mut().zip(cells.prices) {
            column.append_option(price.map(|price| i128::from(price.raw())));
        }
        for (column, qty) in self.qtys.iter_mut().zip(cells.qtys) {
            column.append_option(qty.map(|qty| i128::from(qty.raw())));
        }
        for (column, id) in self.ids.iter_mut().zip(cells.ids) {
            column.append_option(id);
        }
        self.time2.append_option(cells.time2.map(Nanos::raw));
    }

    /// The batch of the rows gathered since the last call.
    ///
    /// # Errors
    /// What Arrow gives, which a fixed schema rules out.
    pub fn finish(&mut self) -> Result<RecordBatch, ParquetStoreError> {
        self.rows = 0;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.seq.finish()),
            Arc::new(self.ts.finish()),
            Arc::new(self.receive_ts.finish()),
            Arc::new(self.venue_ts.finish()),
            Arc::new(self.symbol.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.flags.finish()),
            Arc::new(self.side.finish()),
            Arc::new(self.orders.finish()),
        ];
        columns.extend(self.prices.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.extend(self.qtys.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.extend(self.ids.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.time2.finish()));
        columns.push(Arc::new(self.body.finish()));
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// The columns of a batch, typed once.
pub struct RowReader<'a> {
    batch: &'a RecordBatch,
}

impl<'a> RowReader<'a> {
    /// A reader over a batch of this schema.
    ///
    /// # Errors
    /// [`ParquetStoreError::Row`] where a column is missing or of another type.
    pub fn new(batch: &'a RecordBatch) -> Result<RowReader<'a>, ParquetStoreError> {
        let expect = schema();
        for (at, column) in NAMES.into_iter().enumerate() {
            let got = batch.columns().get(at).map(|column| column.data_type());
            if got != Some(expect.field(at).data_type()) || batch.schema().field(at).name() != column {
                return Err(ParquetStoreError::Row { seq: 0, column });
            }
        }
        Ok(RowReader { batch })
    }

    /// A reader over a batch whose first row [`RowReader::new`] has read.
    pub(crate) fn checked(batch: &'a RecordBatch) -> RowReader<'a> {
        RowReader { batch }
    }

    /// Key and source of row `at`.
    pub fn instrument(&self, at: usize) -> (&'a str, &'a str) {
        let text = |column: usize| -> &'a str {
            let dictionary = self.batch.column(column).as_dictionary::<Int32Type>();
            let values = dictionary.values().as_string::<i32>();
            dictionary.key(at).map_or("", |key| values.value(key))
        };
        (text(SYMBOL), text(SOURCE))
    }

    /// Row `at`: its place, its time and its input, an event's instrument being `id`.
    ///
    /// # Errors
    /// [`ParquetStoreError::Row`] naming the column that holds no such value.
    pub fn input(&self, at: usize, id: InstrumentId) -> Result<(u64, Nanos, Input), ParquetStoreError> {
        let seq = self.batch.column(SEQ).as_primitive::<Int64Type>().value(at);
        let row_error = |column| ParquetStoreError::Row { seq, column };
        let place = u64::try_from(seq).map_err(|_| row_error("seq"))?;
        let ts = Nanos::new(self.batch.column(TS).as_primitive::<TimestampNanosecondType>().value(at));
        let kind = u16::from(self.batch.column(KIND).as_primitive::<UInt8Type>().value(at));
        if kind > EVENT_KIND_MAX {
            let body = self.batch.column(BODY).as_binary::<i32>().value(at);
            let input = Input::decode(kind, VERSION, body).map_err(|_| row_error("body"))?;
            return Ok((place, ts, input));
        }
        let receive_ts = Nanos::new(self.batch.column(RECEIVE_TS).as_primitive::<TimestampNanosecondType>().value(at));
        let bits = self.batch.column(FLAGS).as_primitive::<UInt8Type>().value(at);
        let flags = Flags::from_bits(bits).ok_or(row_error("flags"))?;
        let venue_ts = self.optional::<TimestampNanosecondType>(VENUE_TS, at).map_or(receive_ts, Nanos::new);
        let body = self.cells(at).map_err(row_error)?.body(kind).map_err(row_error)?;
        Ok((place, ts, Input::Event(Event { id, flags, venue_ts, receive_ts, body })))
    }

    fn cells(&self, at: usize) -> Result<Cells, &'static str> {
        let mut cells = Cells {
            orders: self.optional::<UInt32Type>(ORDERS, at),
            ids: [ID1, ID1 + 1].map(|column| self.optional::<UInt64Type>(column, at)),
            time2: self.optional::<TimestampNanosecondType>(TIME2, at).map(Nanos::new),
            ..Cells::default()
        };
        if let Some(code) = self.optional::<Int8Type>(SIDE, at) {
            cells.side = Some(u8::try_from(code).ok().and_then(Side::from_code).ok_or("side")?);
        }
        for (column, cell) in cells.prices.iter_mut().enumerate() {
            if let Some(raw) = self.optional::<Decimal128Type>(PRICE + column, at) {
                *cell = Some(i64::try_from(raw).ok().and_then(Price::from_raw).ok_or(PRICES[column])?);
            }
        }
        for (column, cell) in cells.qtys.iter_mut().enumerate() {
            if let Some(raw) = self.optional::<Decimal128Type>(QTY + column, at) {
                *cell = Some(i64::try_from(raw).ok().and_then(Qty::from_raw).ok_or(QTYS[column])?);
            }
        }
        Ok(cells)
    }

    fn optional<T: ArrowPrimitiveType>(&self, column: usize, at: usize) -> Option<T::Native> {
        let column: &PrimitiveArray<T> = self.batch.column(column).as_primitive();
        column.is_valid(at).then(|| column.value(at))
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
