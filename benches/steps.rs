//! The steps of the path, each over many captured messages; what they come to tells whether they were done.

use crate::captures::{Binance, Binances, Change, Frame};
use tidegate_core::bar::{BarSeries, INTERVALS};
use tidegate_core::{
    BoardReader, BoardWriter, Body, Book, Bounds, Engine, Inlets, Input, InstrumentId, Level, Market, Nanos,
    RingProducer, Stamped, Top, board, ring,
};
use tidegate_feeds::WireLevel;
use tidegate_feeds::binance::codec::{self, Message};
use tidegate_feeds::kite;

/// The bounds of the product.
pub const BOUNDS: Bounds = Bounds {
    book_levels_max: 8_192,
    bars_max: 500,
    trades_max: 32,
    instruments_max: 4_096,
    stale_after: Nanos::new(5_000_000_000),
};

/// Decodes frames of Binance; the sum of what they say.
pub fn decode_binance(frames: &[Frame], levels: &mut Vec<WireLevel>) -> i64 {
    let sum = |sum: i64, level: &WireLevel| sum.wrapping_add(level.price.raw()).wrapping_add(level.qty.raw());
    let mut total = 0i64;
    for (_, frame) in frames {
        total = match codec::decode(frame, levels).expect("a captured frame") {
            Message::Depth { numbers, .. } => levels.iter().fold(total.wrapping_add(numbers.last as i64), sum),
            Message::Snapshot { last, .. } => levels.iter().fold(total.wrapping_add(last as i64), sum),
            Message::Ticker { bid, ask, .. } => sum(sum(total, &bid), &ask),
            Message::Trade { fill, .. } => fill.iter().fold(total, sum),
        };
    }
    total
}

/// Decodes frames of Kite; the sum of their last prices, and how many packets there were.
pub fn decode_kite(frames: &[Vec<u8>]) -> (i64, usize) {
    let mut total = (0, 0);
    for frame in frames {
        let Ok(kite::codec::Message::Packets(packets)) = kite::codec::decode(frame) else { continue };
        for (_, packet) in packets {
            total = (total.0 + packet.last.map_or(0, |price| price.raw()), total.1 + 1);
        }
    }
    total
}

/// Applies changes to a book, with a look at the top after each; the best prices after each message, summed up.
pub fn book(book: &mut Book, changes: &[Change]) -> i64 {
    let mut total = 0i64;
    for change in changes {
        book.set(change.side, change.level);
        if change.is_last {
            if change.is_snapshot {
                book.complete_snapshot();
            }
            book.settle();
        }
        let top = std::hint::black_box(book.top());
        // Amid a message a book may be crossed, and other projects uncross it.
        if change.is_last {
            total = total.wrapping_add(sum_of(top));
        }
    }
    total
}

/// One number of both best prices.
pub fn sum_of(top: Top) -> i64 {
    let raw = |level: Option<Level>| level.map_or(0, |level| level.price.raw());
    raw(top.bid).wrapping_mul(3).wrapping_add(raw(top.ask))
}

/// Folds trades into bars of all intervals; how many bars there are.
pub fn bars(series: &mut [BarSeries], inputs: &[Input]) -> usize {
    for input in inputs {
        let Input::Event(event) = input else { continue };
        if let Body::Trade { price, qty, .. } = event.body {
            for series in series.iter_mut() {
                series.push(event.venue_ts, false, price, qty);
            }
        }
    }
    series.iter().map(|series| series.iter().len()).sum()
}

/// Empty bars of all intervals.
pub fn series() -> Vec<BarSeries> {
    INTERVALS.iter().map(|&interval| BarSeries::new(interval, BOUNDS.bars_max)).collect()
}

/// The engine's thread without its thread: a ring, an engine and a board.
pub struct Path {
    ring: RingProducer,
    inlets: Inlets,
    engine: Engine,
    writer: BoardWriter,
    /// What everybody reads.
    pub reader: BoardReader,
}

impl Default for Path {
    fn default() -> Path {
        let (ring, consumer) = ring(65_536);
        let (writer, reader) = board(BOUNDS.instruments_max);
        let engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
        Path { ring, inlets: Inlets::new(vec![consumer], 4_096), engine, writer, reader }
    }
}

impl Path {
    /// Takes one message all the way: into the ring, through the engine, onto the board.
    pub fn take(&mut self, receive_ts: Nanos, inputs: &mut Vec<Input>) {
        assert!(self.ring.push_message(receive_ts, inputs), "the ring is empty");
        self.turn(receive_ts);
    }

    /// Puts a message into the ring; false where there is no room.
    pub fn push(&mut self, receive_ts: Nanos, inputs: &mut Vec<Input>) -> bool {
        self.ring.push_message(receive_ts, inputs)
    }

    /// One turn of the engine's thread.
    pub fn turn(&mut self, now: Nanos) -> usize {
        let mut nobody = |_: &Market, _: Stamped<'_>| {};
        let applied = self.inlets.turn(now, &mut self.engine, &mut nobody, &mut self.writer).expect("of the capture");
        while self.engine.market_mut().poll_effect().is_some() {}
        applied
    }

    /// Has the flow of the first instrument measured, as when somebody has asked about it.
    pub fn measure(&mut self) {
        self.engine.market_mut().measure(InstrumentId(0), Nanos::ZERO);
    }

    /// The market.
    pub fn market(&self) -> &Market {
        self.engine.market()
    }
}

/// Takes frames from their text to the board; the best prices after each, summed up.
pub fn frames_to_board(capture: Binance, frames: &[Frame]) -> (Path, i64) {
    let (mut session, mut path) = (Binances::new(capture.market()), Path::default());
    let (mut inputs, mut total) = (Vec::new(), 0i64);
    for frame in frames {
        session.read(frame, &mut inputs);
        path.take(frame.0, &mut inputs);
        if let Ok(snapshot) = path.reader.read(InstrumentId(0)) {
            total = total.wrapping_add(sum_of(snapshot.top()));
        }
    }
    (path, total)
}
