//! The flow of a stream as it is measured for readers: when that began, and over how much.
//!
//! A meter is made when somebody first asks about a stream, counts from that moment on, and goes with the state that it
//! stands in: it is in neither the head nor the digest. Made for everybody it would be too much: [`METER_BYTES_MAX`], and
//! with each change of a book its best levels are gathered.

use crate::bar::{Bar, BarFlags, INTERVALS};
use crate::book::{Book, Level};
use crate::event::Side;
use crate::instrument::InstrumentId;
use crate::market::Market;
use crate::microstructure::{Microstructure, Settings, VALUES};
use crate::price::{Price, Qty, RAW_LIMIT};
use crate::stream::Stream;
use crate::time::Nanos;

/// Most bytes of one meter.
pub const METER_BYTES_MAX: u64 = 80 * 1024;
/// Most streams that are measured at once, in 5 MiB: the one that was asked about longest ago makes room.
pub const METERS_MAX: usize = 64;
/// Where no whole day is known, so many trades from the first on stand for one.
pub const FIRST_TRADES: u32 = 1_000;
/// Levels of a side that are looked at.
pub const METER_LEVELS: usize = 5;

/// Buckets of VPIN in a day, as its authors take it.
const BUCKETS_A_DAY: i128 = 50;
const NO_LEVEL: Level = Level { price: Price::ZERO, qty: Qty::ZERO, orders: 0 };

/// What the volume of a bucket of VPIN is a fiftieth of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketOf {
    /// The volume of the whole UTC day that began then: the latest that the stream knows.
    Day(Nanos),
    /// The volume of the first [`FIRST_TRADES`] trades that were measured, after which VPIN begins.
    FirstTrades,
}

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowReport {
    /// Tape time from which on everything was measured.
    pub since: Nanos,
    /// Changes of the best [`METER_LEVELS`] levels of a side.
    pub book_changes: u64,
    /// Trades.
    pub trades: u64,
    /// Trades whose side is a guess, as the venue does not tell it.
    pub guessed_sides: u64,
    /// Times at which something was missed or the book was unfit to be shown.
    pub interruptions: u64,
    /// Volume of a bucket of VPIN; `None` until it is known.
    pub bucket: Option<Qty>,
    /// What it is a fiftieth of.
    pub bucket_of: BucketOf,
    /// [`Microstructure::values`].
    pub values: [(&'static str, Option<f64>); VALUES],
}

/// Measures one stream: see [`Microstructure`] for what.
#[derive(Clone, Debug)]
pub struct FlowMeter {
    pack: Microstructure,
    since: Nanos,
    /// Greater than that of every meter which was asked about earlier.
    asked: u64,
    book_changes: u64,
    trades: u64,
    guessed_sides: u64,
    interruptions: u64,
    /// Nothing came since it began, or since the last interruption.
    is_idle: bool,
    bucket: Option<Qty>,
    bucket_of: BucketOf,
    /// Raw volume of the first trades.
    first_volume: i128,
}

impl FlowMeter {
    fn new(since: Nanos, whole_day: Option<&Bar>) -> FlowMeter {
        let bucket = whole_day.map(|day| fiftieth(day.volume));
        let settings = Settings { levels: METER_LEVELS, ..Settings::new(bucket) };
        FlowMeter {
            pack: Microstructure::new(settings),
            since,
            asked: 0,
            book_changes: 0,
            trades: 0,
            guessed_sides: 0,
            interruptions: 0,
            is_idle: true,
            bucket,
            bucket_of: whole_day.map_or(BucketOf::FirstTrades, |day| BucketOf::Day(day.start)),
            first_volume: 0,
        }
    }

    /// A venue message that concerns the book has been applied as a whole, and the book may be shown.
    pub(crate) fn on_book(&mut self, now: Nanos, book: &Book) {
        let mut levels = [[NO_LEVEL; METER_LEVELS]; 2];
        let [bids, asks] = &mut levels;
        let counts = [book.fill(Side::Bid, bids), book.fill(Side::Ask, asks)];
        let (bids, asks) = (&bids[..counts[0]], &asks[..counts[1]]);
        if !self.pack.shows(bids, asks) {
            self.pack.on_book(now, bids, asks);
            self.book_changes += 1;
            self.is_idle = false;
        }
    }

    /// As [`FlowMeter::on_book`], and the book may not be shown.
    pub(crate) fn on_no_book(&mut self, now: Nanos) {
        if self.pack.is_book_known() {
            self.interrupt(now);
        }
    }

    pub(crate) fn on_trade(&mut self, now: Nanos, side: Side, price: Price, qty: Qty, is_guessed: bool) {
        self.pack.on_trade(now, side, price, qty);
        self.trades += 1;
        self.guessed_sides += u64::from(is_guessed);
        self.is_idle = false;
        if self.bucket.is_none() {
            self.first_volume += i128::from(qty.raw());
            if self.trades >= u64::from(FIRST_TRADES) {
                let bucket = fiftieth(self.first_volume);
                self.pack.begin_buckets(bucket);
                self.bucket = Some(bucket);
            }
        }
    }

    /// Something was missed from `now` on.
    pub(crate) fn interrupt(&mut self, now: Nanos) {
        if !self.is_idle {
            self.pack.interrupt(now);
            self.interruptions += 1;
            self.is_idle = true;
        }
    }

    /// What it shows now.
    pub fn report(&self) -> FlowReport {
        FlowReport {
            since: self.since,
            book_changes: self.book_changes,
            trades: self.trades,
            guessed_sides: self.guessed_sides,
            interruptions: self.interruptions,
            bucket: self.bucket,
            bucket_of: self.bucket_of,
            values: self.pack.values(),
        }
    }
}

/// A fiftieth of a raw volume, within what a quantity can be, and more than nothing.
fn fiftieth(volume: i128) -> Qty {
    let raw = i64::try_from(volume / BUCKETS_A_DAY).unwrap_or(RAW_LIMIT).clamp(1, RAW_LIMIT - 1);
    Qty::from_raw(raw).unwrap_or_default()
}

/// The newest day of which no trade is missing, over and known from its first trade on.
fn whole_day(stream: &Stream) -> Option<&Bar> {
    let days = INTERVALS.iter().position(|interval| interval.name == "1d").and_then(|at| stream.bars.get(at))?;
    let is_whole = |bar: &&Bar| bar.flags.has(BarFlags::CLOSED) && !bar.flags.has(BarFlags::INCOMPLETE);
    days.iter().filter(is_whole).last()
}

impl Market {
    /// Measures the flow of a stream, from `now` on unless it is measured already: where too many are, no longer that
    /// of the one that was asked about longest ago. Between two inputs, by whoever answers questions: it allocates.
    /// An id that was never defined has no flow.
    pub fn measure(&mut self, id: InstrumentId, now: Nanos) {
        let (mut count, mut oldest, mut newest) = (0, None, 0);
        for (other, stream) in self.streams() {
            let Some(meter) = &stream.meter else { continue };
            count += 1;
            newest = newest.max(meter.asked);
            if oldest.is_none_or(|(asked, _)| meter.asked < asked) {
                oldest = Some((meter.asked, other));
            }
        }
        let Some(stream) = self.stream(id) else { return };
        let is_full = count >= METERS_MAX && stream.meter.is_none();
        if let Some((_, oldest)) = oldest.filter(|_| is_full) {
            // It is defined, as it is measured.
            let _ = self.change(oldest, |stream| stream.meter = None);
        }
        let _ = self.change(id, |stream| {
            let known = stream.meter.take();
            let mut meter = known.unwrap_or_else(|| Box::new(FlowMeter::new(now, whole_day(stream))));
            meter.asked = newest + 1;
            stream.meter = Some(meter);
        });
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
