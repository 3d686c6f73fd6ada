//! A change of a captured book and a look at the top.

use crate::rounds::{Contender, Table, compare, timed};
use benches::captures::{self, Binance, Change};
use benches::steps;
use hftbacktest::depth::{BTreeMarketDepth, HashMapMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth};
use std::hint::black_box;
use tidegate_core::{Book, Price, Side};

/// Tick of BTCUSDT, raw and as a float, and its lot.
const TICK: i64 = 10_000_000;
const TICK_FLOAT: f64 = 0.01;
const LOT: f64 = 0.00001;

/// A change as a float feed has it, made before the clock runs.
struct FloatChange {
    is_bid: bool,
    price: f64,
    qty: f64,
}

fn theirs<D: L2MarketDepth + MarketDepth>(mut depth: D, changes: &[FloatChange], ends: &[bool]) -> i64 {
    let mut sum = 0i64;
    for (change, is_last) in changes.iter().zip(ends) {
        if change.is_bid {
            depth.update_bid_depth(change.price, change.qty, 0);
        } else {
            depth.update_ask_depth(change.price, change.qty, 0);
        }
        let (bid, ask) = black_box((depth.best_bid_tick(), depth.best_ask_tick()));
        if *is_last {
            sum = sum.wrapping_add((bid * TICK).wrapping_mul(3).wrapping_add(ask * TICK));
        }
    }
    sum
}

/// The comparison on the whole spot capture.
pub fn measure() -> Option<Table> {
    let changes = captures::changes(Binance::Spot, &Binance::Spot.frames(usize::MAX)?);
    let float = |change: &Change| FloatChange {
        is_bid: change.side == Side::Bid,
        price: change.level.price.raw() as f64 / 1e9,
        qty: change.level.qty.raw() as f64 / 1e8,
    };
    let floats: Vec<FloatChange> = changes.iter().map(float).collect();
    let ends: Vec<bool> = changes.iter().map(|change| change.is_last).collect();
    let contenders: Vec<Contender<'_>> = vec![
        Contender {
            name: "Tidegate Book",
            run: Box::new(|| {
                let mut book = Book::new(steps::BOUNDS.book_levels_max, Price::from_raw(TICK));
                timed(|| steps::book(&mut book, &changes))
            }),
        },
        Contender {
            name: "hftbacktest ROIVectorMarketDepth",
            run: Box::new(|| {
                let depth = ROIVectorMarketDepth::new(TICK_FLOAT, LOT, 50_000.0, 75_000.0);
                timed(|| theirs(depth, &floats, &ends))
            }),
        },
        Contender {
            name: "hftbacktest HashMapMarketDepth",
            run: Box::new(|| timed(|| theirs(HashMapMarketDepth::new(TICK_FLOAT, LOT), &floats, &ends))),
        },
        Contender {
            name: "hftbacktest BTreeMarketDepth",
            run: Box::new(|| timed(|| theirs(BTreeMarketDepth::new(TICK_FLOAT, LOT), &floats, &ends))),
        },
    ];
    Some(compare("book: change", "change", changes.len(), contenders))
}
