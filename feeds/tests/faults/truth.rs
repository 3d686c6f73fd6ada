//! What really happened: a seeded market in whole ticks and lots, of which every state can be asked again.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeMap;
use tidegate_core::{Nanos, Price, Qty, Side};

/// Best price first, as ticks and lots.
pub type Levels = Vec<(i64, i64)>;

/// Levels of a side that the market keeps.
const SIDE_LEVELS: std::ops::Range<usize> = 15..70;
const FIRST_UPDATE: u64 = 1_000;
const FIRST_TRADE: u64 = 500;

/// How a market writes its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// One tick, as a raw price.
    pub tick: i64,
    /// One lot, as a raw quantity.
    pub lot: i64,
    pub price_decimals: usize,
    pub qty_decimals: usize,
}

impl Scale {
    pub fn price(self, ticks: i64) -> Price {
        Price::from_raw(ticks * self.tick).unwrap()
    }

    pub fn qty(self, lots: i64) -> Qty {
        Qty::from_raw(lots * self.lot).unwrap()
    }

    pub fn price_text(self, ticks: i64) -> String {
        text(ticks * self.tick, 9, self.price_decimals)
    }

    pub fn qty_text(self, lots: i64) -> String {
        text(lots * self.lot, 8, self.qty_decimals)
    }
}

fn text(raw: i64, scale: u32, decimals: usize) -> String {
    let unit = 10i64.pow(scale);
    let fraction = format!("{:0width$}", raw % unit, width = scale as usize);
    assert!(fraction[decimals..].bytes().all(|digit| digit == b'0'), "{raw} has more than {decimals} decimals");
    format!("{}.{}", raw / unit, &fraction[..decimals])
}

#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub side: Side,
    pub price: i64,
    /// Zero removes the level.
    pub qty: i64,
    /// What stood there before.
    was: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Trade {
    pub side: Side,
    pub price: i64,
    pub qty: i64,
    pub at: Nanos,
}

/// Two sides by price.
#[derive(Clone, Debug, Default)]
pub struct Sides([BTreeMap<i64, i64>; 2]);

impl Sides {
    fn set(&mut self, side: Side, price: i64, qty: i64) {
        let side = &mut self.0[usize::from(side.code())];
        match qty {
            0 => drop(side.remove(&price)),
            qty => drop(side.insert(price, qty)),
        }
    }

    pub fn qty(&self, side: Side, price: i64) -> i64 {
        self.0[usize::from(side.code())].get(&price).copied().unwrap_or(0)
    }

    pub fn best(&self, side: Side, levels: usize) -> Levels {
        let book = self.0[usize::from(side.code())].iter().map(|(&price, &qty)| (price, qty));
        match side {
            Side::Bid => book.rev().take(levels).collect(),
            Side::Ask => book.take(levels).collect(),
        }
    }
}

/// One instrument.
#[derive(Clone, Debug)]
pub struct Truth {
    pub now: Sides,
    changes: Vec<Change>,
    trades: Vec<Trade>,
    pub volume: i64,
    rng: Pcg64Mcg,
    /// The book at the update that was asked for last, from where the next answer is found.
    replica: (Sides, usize),
}

impl Truth {
    pub fn new(seed: u64) -> Truth {
        let mut truth = Truth {
            now: Sides::default(),
            changes: Vec::new(),
            trades: Vec::new(),
            volume: 0,
            rng: Pcg64Mcg::new(u128::from(seed)),
            replica: (Sides::default(), 0),
        };
        for away in 1..40 {
            for (side, price) in [(Side::Bid, 100_000 - away), (Side::Ask, 100_000 + away)] {
                truth.change(side, price, 10 + away);
            }
        }
        truth
    }

    /// Something happens.
    pub fn act(&mut self, at: Nanos) {
        if self.rng.random_range(0..4) == 0 {
            self.trade(at);
        } else {
            let side = if self.rng.random() { Side::Bid } else { Side::Ask };
            let away = self.rng.random_range(1..8) * self.rng.random_range(1..5);
            let (best, _) = self.now.best(side.opposite(), 1)[0];
            let price = if side == Side::Bid { best - away } else { best + away };
            let removes = self.rng.random_range(0..3) == 0 && self.len(side) > SIDE_LEVELS.start;
            let qty = if removes { 0 } else { self.rng.random_range(1..500) };
            if qty != self.now.qty(side, price) {
                self.change(side, price, qty);
            }
        }
        for side in Side::BOTH {
            if self.len(side) > SIDE_LEVELS.end {
                let (price, _) = *self.now.best(side, usize::MAX).last().unwrap();
                self.change(side, price, 0);
            }
        }
    }

    /// Somebody takes a part of the best level, or all of a few.
    fn trade(&mut self, at: Nanos) {
        let taker = if self.rng.random() { Side::Bid } else { Side::Ask };
        let resting = taker.opposite();
        for _ in 0..self.rng.random_range(1..4) {
            if self.len(resting) <= SIDE_LEVELS.start {
                return;
            }
            let (price, there) = self.now.best(resting, 1)[0];
            let qty = self.rng.random_range(1..=there);
            self.trades.push(Trade { side: taker, price, qty, at });
            self.volume += qty;
            self.change(resting, price, there - qty);
            if qty < there {
                return;
            }
        }
    }

    fn len(&self, side: Side) -> usize {
        self.now.0[usize::from(side.code())].len()
    }

    fn change(&mut self, side: Side, price: i64, qty: i64) {
        self.changes.push(Change { side, price, qty, was: self.now.qty(side, price) });
        self.now.set(side, price, qty);
    }

    /// The latest update id.
    pub fn update_id(&self) -> u64 {
        FIRST_UPDATE + self.changes.len() as u64
    }

    /// The latest trade id; that of the first trade less one before it.
    pub fn trade_id(&self) -> u64 {
        FIRST_TRADE + self.trades.len() as u64
    }

    pub fn trade_by_id(&self, id: u64) -> Option<Trade> {
        let at = id.checked_sub(FIRST_TRADE + 1)?;
        self.trades.get(usize::try_from(at).unwrap()).copied()
    }

    /// The changes after an update id.
    pub fn changes_after(&self, id: u64) -> &[Change] {
        &self.changes[(id - FIRST_UPDATE) as usize..]
    }

    /// The book as it was at an update id.
    pub fn at(&mut self, id: u64) -> &Sides {
        let target = (id - FIRST_UPDATE) as usize;
        let (sides, reached) = &mut self.replica;
        for change in self.changes.get(*reached..target).unwrap_or_default() {
            sides.set(change.side, change.price, change.qty);
        }
        for change in self.changes.get(target..*reached).unwrap_or_default().iter().rev() {
            sides.set(change.side, change.price, change.was);
        }
        *reached = target;
        sides
    }
}
