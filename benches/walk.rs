//! Bars and books of a random walk: the same ones each time, as many as one likes.

use tidegate_core::expression::Row;
use tidegate_core::{Level, Price, Qty, Side};

/// Tick of the books, raw: five paise.
pub const TICK: i64 = 50_000_000;

/// Numbers from 0 to 1, the same ones each time (Marsaglia's xorshift).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Bars of a minute around a price of 1,000.
pub fn bars(count: usize) -> Vec<Row> {
    let (mut uniform, mut open) = (Uniform(0x9e37_79b9_7f4a_7c15), 1_000.0f64);
    let mut bar = |number: usize| {
        let close = open * (1.0 + 0.01 * (uniform.next() - 0.5));
        let high = open.max(close) * (1.0 + 0.002 * uniform.next());
        let low = open.min(close) * (1.0 - 0.002 * uniform.next());
        let (volume, trades) = ((1_000.0 * uniform.next()).round(), (50.0 * uniform.next()).ceil());
        let row = [open, high, low, close, volume, trades, 60.0 * number as f64];
        // Drawn back a little, so that it stays a price.
        open = close + 0.001 * (1_000.0 - close);
        row
    };
    (0..count).map(&mut bar).collect()
}

/// Snapshots of so many levels a side, the bids first and the best of each side first. Some ticks have no level, and the
/// touch moves by a tick or not at all.
pub fn snapshots(count: usize, levels: usize) -> Vec<Vec<(Side, Level)>> {
    let (mut uniform, mut ticks) = (Uniform(0x2545_f491_4f6c_dd1d), 31_400i64);
    let mut snapshot = |_| {
        ticks += (3.0 * uniform.next()) as i64 - 1;
        let mut levels_of = |side: Side| {
            let (mut at, away) = (ticks, if side == Side::Bid { -1 } else { 1 });
            let mut level = |_| {
                at += away * (1 + (1.3 * uniform.next()) as i64);
                let price = Price::from_raw(at * TICK).expect("a price");
                let qty = Qty::from_raw(100_000_000 * (1 + (500.0 * uniform.next()) as i64)).expect("a quantity");
                (side, Level { price, qty, orders: 1 + (20.0 * uniform.next()) as u32 })
            };
            (0..levels).map(&mut level).collect::<Vec<_>>()
        };
        Side::BOTH.map(&mut levels_of).concat()
    };
    (0..count).map(&mut snapshot).collect()
}
