//! What the engine thread publishes for everybody: one slot of each instrument, read without asking it.
//!
//! A slot is 512 bytes, eight cache lines: what most questions need, and no more. Whoever wants deeper
//! levels, or reads while the writer is in the slot 64 times in a row, asks the engine itself.

use crate::book::{Book, Known, Level, Top};
use crate::event::{Family, Side};
use crate::instrument::InstrumentId;
use crate::price::{Price, Qty};
use crate::seqlock::Seqlock;
use crate::stream::{LastTrade, Stream, StreamState};
use crate::time::Nanos;
use std::array;
use std::sync::Arc;

/// Levels of each side that are published.
pub const BOARD_LEVELS: usize = 10;
/// How often a reader that is overtaken tries again.
const READS_MAX: usize = 64;

/// Why a slot gives no snapshot: the engine itself knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The writer came in between, each of 64 times.
    #[error("instrument id {0} changed during each of 64 reads")]
    Torn(u32),
    /// Nothing was published of this instrument yet.
    #[error("nothing was published of instrument id {0}")]
    Unpublished(u32),
}

/// The best levels of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideSnapshot {
    /// How far the whole side is complete; it may be further than what is published.
    pub known_to: Known,
    levels: [Level; BOARD_LEVELS],
    count: usize,
}

impl SideSnapshot {
    /// The best known levels, best first.
    pub fn levels(&self) -> &[Level] {
        &self.levels[..self.count]
    }
}

/// The latest trade, as far as a slot holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeSnapshot {
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// The aggressor's side.
    pub side: Side,
    /// The venue's clock, or ours where the message bore none.
    pub ts: Nanos,
    /// [`TradeSnapshot::ts`] is our clock's.
    pub is_received: bool,
}

/// One instrument between two venue messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The latest input of the batch that published this.
    pub seq: u64,
    /// Its tape time.
    pub ts: Nanos,
    /// Update id of the last message applied to the book.
    pub book_sequence: Option<u64>,
    /// The bids.
    pub bids: SideSnapshot,
    /// The asks.
    pub asks: SideSnapshot,
    /// The latest trade.
    pub last_trade: Option<TradeSnapshot>,
    /// When the last event of each family arrived (tape time), by family code.
    pub last_event: [Option<Nanos>; Family::ALL.len()],
    states: [StreamState; Family::ALL.len()],
}

impl Snapshot {
    /// What is published of a stream at this place and time.
    pub fn new(stream: &Stream, seq: u64, ts: Nanos) -> Snapshot {
        let side = |side| {
            let mut levels = [NO_LEVEL; BOARD_LEVELS];
            let count = stream.book.fill(side, &mut levels);
            SideSnapshot { known_to: stream.book.known_to(side), levels, count }
        };
        Snapshot {
            seq,
            ts,
            book_sequence: stream.book_sequence,
            bids: side(Side::Bid),
            asks: side(Side::Ask),
            last_trade: stream.last_trade.as_ref().map(TradeSnapshot::new),
            last_event: stream.last_event,
            states: stream.states,
        }
    }

    /// The state of a family.
    pub fn state(&self, family: Family) -> StreamState {
        self.states[usize::from(family.code())]
    }

    /// A side.
    pub fn side(&self, side: Side) -> &SideSnapshot {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    /// Best known level of each side.
    pub fn top(&self) -> Top {
        Top { bid: self.bids.levels().first().copied(), ask: self.asks.levels().first().copied() }
    }
}

impl TradeSnapshot {
    /// What a slot holds of a trade.
    pub fn new(trade: &LastTrade) -> TradeSnapshot {
        TradeSnapshot {
            price: trade.price,
            qty: trade.qty,
            side: trade.side,
            ts: trade.venue_ts.unwrap_or(trade.receive_ts),
            is_received: trade.venue_ts.is_none(),
        }
    }
}

/// A board and the way to write it: it has `instruments_max` slots, and never more.
pub fn board(instruments_max: usize) -> (BoardWriter, BoardReader) {
    let slots: Arc<[Slot]> = (0..instruments_max).map(|_| Slot::default()).collect();
    (BoardWriter { slots: Arc::clone(&slots), written: vec![[0; WORDS]; instruments_max] }, BoardReader { slots })
}

/// The one writer of a board.
#[derive(Debug)]
pub struct BoardWriter {
    slots: Arc<[Slot]>,
    /// What stands in each slot: most messages leave the book untouched, and its words are taken from here.
    written: Vec<[u64; WORDS]>,
}

impl BoardWriter {
    /// Publishes a stream that is not amid a message. An id that has no slot is left unpublished.
    pub fn publish(&mut self, id: InstrumentId, stream: &Stream, seq: u64, ts: Nanos) {
        if let Some((slot, words)) = self.slots.get(id.index()).zip(self.written.get_mut(id.index())) {
            if stream.book.is_changed() {
                put_book(&stream.book, words);
            }
            put_rest(stream, words);
            words[SEQ] = seq;
            words[TS] = ts.raw() as u64;
            slot.0.write(words);
        }
    }
}

/// Reads a board, from any thread.
#[derive(Clone, Debug)]
pub struct BoardReader {
    slots: Arc<[Slot]>,
}

impl BoardReader {
    /// What was published last of an instrument.
    ///
    /// # Errors
    /// [`Unread`]: ask the engine.
    pub fn read(&self, id: InstrumentId) -> Result<Snapshot, Unread> {
        let slot = self.slots.get(id.index()).filter(|slot| slot.0.is_written()).ok_or(Unread::Unpublished(id.0))?;
        for _ in 0..READS_MAX {
            if let Some(words) = slot.0.try_read() {
                return Ok(decode(&words));
            }
            std::hint::spin_loop();
        }
        Err(Unread::Torn(id.0))
    }
}

/// Aligned, so that no two instruments share a cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot(Seqlock<WORDS>);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 512);

// Where each field stands among the words of a slot.
const SEQ: usize = 0;
const TS: usize = 1;
const BOOK_SEQUENCE: usize = 2;
const MARKS: usize = 3;
const KNOWN_TO: usize = 4;
const LEVELS: usize = KNOWN_TO + 2;
const ORDERS: usize = LEVELS + 2 * 2 * BOARD_LEVELS;
const TRADE: usize = ORDERS + BOARD_LEVELS;
const LAST_EVENT: usize = TRADE + 3;
const WORDS: usize = LAST_EVENT + Family::ALL.len();

// Where each mark stands among the bits of its word: four states of four bits, then of each side how far
// it is known (two bits) and how many levels there are (four), then single bits.
const KNOWN_BITS: usize = 16;
const COUNT_BITS: usize = 20;
const BOOK_MARKS: u64 = 0xfff << KNOWN_BITS;
const HAS_SEQUENCE: usize = 28;
const HAS_TRADE: usize = 29;
const TRADE_SIDE: usize = 30;
const TRADE_RECEIVED: usize = 31;

const NO_LEVEL: Level = Level { price: Price::ZERO, qty: Qty::ZERO, orders: 0 };
/// The lowest `i64` is no time that ever was.
const NO_TIME: i64 = i64::MIN;

/// Writes the book's words, and its marks.
fn put_book(book: &Book, words: &mut [u64; WORDS]) {
    let mut marks = 0;
    words[ORDERS..TRADE].fill(0);
    for side in Side::BOTH {
        let at = usize::from(side.code());
        let mut levels = [NO_LEVEL; BOARD_LEVELS];
        let count = book.fill(side, &mut levels);
        let (known, price) = match book.known_to(side) {
            Known::Nothing => (0, Price::ZERO),
            Known::To(price) => (1, price),
            Known::All => (2, Price::ZERO),
        };
        words[KNOWN_TO + at] = price.raw() as u64;
        marks |= known << (KNOWN_BITS + 2 * at);
        marks |= (count as u64) << (COUNT_BITS + 4 * at);
        for (index, level) in levels.iter().enumerate() {
            let [price, qty, orders] = places(side, index);
            words[price] = level.price.raw() as u64;
            words[qty] = level.qty.raw() as u64;
            words[orders] |= u64::from(level.orders) << (32 * at);
        }
    }
    words[MARKS] = marks;
}

/// Writes what is not the book's, and leaves the book's marks.
fn put_rest(stream: &Stream, words: &mut [u64; WORDS]) {
    let mut marks = words[MARKS] & BOOK_MARKS;
    words[BOOK_SEQUENCE] = stream.book_sequence.unwrap_or(0);
    marks |= u64::from(stream.book_sequence.is_some()) << HAS_SEQUENCE;
    if let Some(trade) = &stream.last_trade {
        let trade = TradeSnapshot::new(trade);
        let [price, qty, ts] = [trade.price.raw(), trade.qty.raw(), trade.ts.raw()];
        words[TRADE..LAST_EVENT].copy_from_slice(&[price as u64, qty as u64, ts as u64]);
        marks |= 1 << HAS_TRADE;
        marks |= u64::from(trade.side.code()) << TRADE_SIDE;
        marks |= u64::from(trade.is_received) << TRADE_RECEIVED;
    }
    for (code, (state, last_event)) in stream.states.iter().zip(stream.last_event).enumerate() {
        marks |= (*state as u64) << (4 * code);
        words[LAST_EVENT + code] = last_event.map_or(NO_TIME, Nanos::raw) as u64;
    }
    words[MARKS] = marks;
}

/// Where a level's price, quantity and orders stand; the two sides share a word of orders.
fn places(side: Side, index: usize) -> [usize; 3] {
    let level = LEVELS + 2 * (usize::from(side.code()) * BOARD_LEVELS + index);
    [level, level + 1, ORDERS + index]
}

fn decode(words: &[u64; WORDS]) -> Snapshot {
    let marks = words[MARKS];
    let mark = |at: usize| marks >> at & 1 == 1;
    // What was written came from these types, so every value has its meaning.
    let price = |at: usize| Price::from_raw(words[at] as i64).unwrap_or_default();
    let qty = |at: usize| Qty::from_raw(words[at] as i64).unwrap_or_default();
    let side = |side: Side| {
        let at = usize::from(side.code());
        let known_to = match marks >> (KNOWN_BITS + 2 * at) & 3 {
            0 => Known::Nothing,
            1 => Known::To(price(KNOWN_TO + at)),
            _ => Known::All,
        };
        let levels = array::from_fn(|index| {
            let places = places(side, index);
            let orders = (words[places[2]] >> (32 * at)) as u32;
            Level { price: price(places[0]), qty: qty(places[1]), orders }
        });
        let count = (marks >> (COUNT_BITS + 4 * at) & 15) as usize;
        SideSnapshot { known_to, levels, count: count.min(BOARD_LEVELS) }
    };
    let aggressor = if mark(TRADE_SIDE) { Side::Ask } else { Side::Bid };
    let last_trade = TradeSnapshot {
        price: price(TRADE),
        qty: qty(TRADE + 1),
        side: aggressor,
        ts: Nanos::new(words[TRADE + 2] as i64),
        is_received: mark(TRADE_RECEIVED),
    };
    let time = |raw: i64| (raw != NO_TIME).then_some(Nanos::new(raw));
    let state = |code: usize| StreamState::ALL.get((marks >> (4 * code) & 15) as usize).copied();
    Snapshot {
        seq: words[SEQ],
        ts: Nanos::new(words[TS] as i64),
        book_sequence: mark(HAS_SEQUENCE).then_some(words[BOOK_SEQUENCE]),
        bids: side(Side::Bid),
        asks: side(Side::Ask),
        last_trade: mark(HAS_TRADE).then_some(last_trade),
        last_event: array::from_fn(|code| time(words[LAST_EVENT + code] as i64)),
        states: array::from_fn(|code| state(code).unwrap_or(StreamState::Closed)),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
#[path = "board_tests.rs"]
mod tests;
