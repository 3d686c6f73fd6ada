//! The steps of the path, each over many captured messages; what they come to tells whether they were done.

use crate::captures::{Binance, Binances, Change, Frame};
use std::sync::Arc;
use tidegate_core::bar::{BarSeries, INTERVALS, Interval};
use tidegate_core::condition::Condition;
use tidegate_core::expression::{Column, Evaluator, Expr, Operator, Program, Row};
use tidegate_core::indicator::{self, Indicator};
use tidegate_core::{
    BoardReader, BoardWriter, Body, Book, Bounds, Engine, Inlets, Input, InstrumentId, Level, Market, Nanos,
    RingProducer, Side, Stamped, Top, board, ring,
};
use tidegate_feeds::WireLevel;
use tidegate_feeds::angel;
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
        for (_, packet) in packets.flatten() {
            total = (total.0 + packet.last.map_or(0, |price| price.raw()), total.1 + 1);
        }
    }
    total
}

/// Decodes frames of Angel One; the sum of their last prices, and how many levels there were.
pub fn decode_angel(frames: &[Vec<u8>]) -> (i64, usize) {
    let mut total = (0, 0);
    for frame in frames {
        let (_, _, packet) = angel::codec::decode(frame).expect("a good packet");
        let levels = packet.depth.map_or(0, |depth| depth.rows().len());
        total = (total.0 + packet.last.map_or(0, |price| price.raw()), total.1 + levels);
    }
    total
}

/// Applies whole snapshots to a book, one after another; the best prices after each, summed up.
pub fn snapshots(book: &mut Book, snapshots: &[Vec<(Side, Level)>]) -> i64 {
    let mut total = 0i64;
    for levels in snapshots {
        book.clear();
        levels.iter().for_each(|&(side, level)| book.set(side, level));
        book.complete_snapshot();
        book.settle();
        total = total.wrapping_add(sum_of(std::hint::black_box(book.top())));
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

/// An indicator of the catalogue.
pub fn indicator(name: &str, params: &[f64]) -> Indicator {
    Indicator::new(indicator::find(name).expect("of the catalogue"), params).expect("good parameters")
}

/// Six indicators that everybody has: EMA, SMA, RSI, MACD, Bollinger bands and ATR.
pub fn six() -> [Indicator; 6] {
    [
        indicator("ema", &[14.0]),
        indicator("sma", &[14.0]),
        indicator("rsi", &[14.0]),
        indicator("macd", &[12.0, 26.0, 9.0]),
        indicator("bbands", &[20.0, 2.0, 2.0]),
        indicator("atr", &[14.0]),
    ]
}

/// Updates the six bar by bar; the sum of their first values.
pub fn indicators(six: &mut [Indicator; 6], bars: &[Row]) -> f64 {
    let mut total = 0.0;
    for &[_, high, low, close, ..] in bars {
        let [ema, sma, rsi, macd, bollinger, atr] = &mut *six;
        let mut out = [[0.0; 3]; 6];
        ema.update(&[close], &mut out[0][..1]);
        sma.update(&[close], &mut out[1][..1]);
        rsi.update(&[close], &mut out[2][..1]);
        macd.update(&[close], &mut out[3]);
        bollinger.update(&[close], &mut out[4]);
        atr.update(&[high, low, close], &mut out[5][..1]);
        total += std::hint::black_box(&out).iter().map(|values| values[0]).sum::<f64>();
    }
    total
}

/// A hundred different parts of expressions: four indicators of the close, of 25 periods each.
pub fn parts() -> Vec<Expr> {
    let part = |number: u32| {
        let name = ["ema", "sma", "rsi", "mom"][number as usize % 4];
        let function = indicator::find(name).expect("of the catalogue");
        let close = Expr::column(None, Column::Close);
        Expr::call(function, &[f64::from(2 + number / 4)], vec![close], 0).expect("a good period")
    };
    (0..100).map(part).collect()
}

/// A thousand conditions, no two alike, each of which compares two of the parts.
pub fn conditions(parts: &[Expr]) -> Vec<Expr> {
    let condition = |number: usize| {
        let (one, other) = (number % 100, (number % 100 + 1 + number / 100) % 100);
        Expr::apply(Operator::Greater, vec![parts[one].clone(), parts[other].clone()]).expect("two numbers")
    };
    (0..1_000).map(condition).collect()
}

/// `crosses_above(ema(close, 12), ema(close, 26))`
pub fn cross() -> Expr {
    let function = indicator::find("ema").expect("of the catalogue");
    let [fast, slow] = [12.0, 26.0].map(|period| {
        Expr::call(function, &[period], vec![Expr::column(None, Column::Close)], 0).expect("a good period")
    });
    fast.crosses_above(slow).expect("two numbers")
}

/// What evaluates expressions over bars of a minute.
pub fn evaluator(expressions: &[Expr]) -> Evaluator {
    Evaluator::new(Arc::new(Program::compile(expressions, INTERVALS[1])))
}

/// Evaluates all roots at each bar; how many were true, or not zero.
pub fn expressions(evaluator: &mut Evaluator, bars: &[Row]) -> usize {
    let mut total = 0;
    for bar in bars {
        evaluator.close(0, bar);
        evaluator.evaluate();
        total += evaluator.values().filter(|value| value.is_some_and(|value| value != 0.0)).count();
    }
    total
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

    /// Attaches so many standing conditions on bars of a minute of the first instrument, no two alike.
    pub fn attach(&mut self, count: u64) {
        for id in 0..count {
            let condition = standing(id, INTERVALS[1], InstrumentId(0), self.engine.ts());
            assert!(self.engine.attach_unrecorded(Box::new(condition)), "there is room");
        }
    }

    /// The market.
    pub fn market(&self) -> &Market {
        self.engine.market()
    }
}

/// A standing condition, unlike those of another number, that has seen nothing until then.
pub fn standing(id: u64, interval: Interval, instrument: InstrumentId, until: Nanos) -> Condition {
    let of = |period: u64| {
        let function = indicator::find("ema").expect("of the catalogue");
        let close = Expr::column(None, Column::Close);
        Expr::call(function, &[period as f64], vec![close], 0).expect("a good period")
    };
    let crosses = of(2 + id).crosses_above(of(3 + 2 * id)).expect("two numbers");
    let mut condition = Condition::new(id, &[crosses], interval, &[instrument]).expect("one condition");
    condition.prime(&[&[]], until).expect("a small one");
    condition
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
