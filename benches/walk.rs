//! Bars of a random walk: the same ones each time, as many as one likes.

use tidegate_core::expression::Row;

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
