//! Volume-synchronized probability of informed trading.

use super::last::LastMean;
use crate::event::Side;
use crate::price::Qty;

/// VPIN (Easley, López de Prado and O'Hara, Flow toxicity and liquidity in a high-frequency world, 2012): trades are put
/// into buckets of equal volume, a trade into as many as it fills; the value is the mean over the last buckets of
/// |bought − sold|, by the volume of a bucket. Who bought is told by the venue rather than guessed from price changes.
#[derive(Clone, Debug)]
pub struct Vpin {
    /// Volume of a bucket; 0 while nobody knows it.
    bucket: i64,
    /// Of the bucket that is filling.
    volume: i64,
    bought: i64,
    imbalances: LastMean,
    buckets: i64,
}

impl Vpin {
    /// Over `buckets` buckets of a volume of `bucket`; without one nothing is counted until [`Vpin::begin`].
    pub fn new(bucket: Option<Qty>, buckets: usize) -> Vpin {
        let imbalances = LastMean::new(buckets);
        let bucket = bucket.map_or(0, |bucket| bucket.raw().max(1));
        Vpin { bucket, volume: 0, bought: 0, imbalances, buckets: buckets.max(1) as i64 }
    }

    /// Begins anew, with buckets of this volume.
    pub fn begin(&mut self, bucket: Qty) {
        (self.bucket, self.volume, self.bought) = (bucket.raw().max(1), 0, 0);
        self.imbalances.clear();
    }

    /// A trade; `side` is the aggressor's.
    pub fn update(&mut self, side: Side, qty: Qty) {
        if self.bucket == 0 {
            return;
        }
        let mut rest = qty.raw().max(0);
        let room = self.bucket - self.volume;
        if rest >= room {
            self.fill(side, room);
            rest -= room;
            // Further ones would replace buckets that are just the same.
            for _ in 0..(rest / self.bucket).min(self.buckets) {
                self.fill(side, self.bucket);
            }
            rest %= self.bucket;
        }
        self.put(side, rest);
    }

    fn put(&mut self, side: Side, qty: i64) {
        self.volume += qty;
        if side == Side::Bid {
            self.bought += qty;
        }
    }

    /// Puts in what completes the bucket, and begins the next.
    fn fill(&mut self, side: Side, qty: i64) {
        self.put(side, qty);
        let sold = self.volume - self.bought;
        self.imbalances.push((self.bought - sold).abs());
        (self.volume, self.bought) = (0, 0);
    }

    /// From 0 to 1; `None` until all buckets are full.
    pub fn value(&self) -> Option<f64> {
        self.imbalances.value().map(|mean| mean / self.bucket as f64)
    }
}
