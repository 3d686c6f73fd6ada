//! A change of a captured book and a look at the top.

use crate::rounds::{Contender, Table, compare, timed};
use benches::captures::{self, Binance, Change};
use benches::steps;
use hftbacktest::depth::{BTreeMarketDepth, HashMapMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth};
use nautilus_model::data::{BookOrder, OrderBookDelta};
use nautilus_model::enums::{BookAction, BookType, OrderSide};
use nautilus_model::identifiers::InstrumentId;
use nautilus_model::orderbook::OrderBook;
use nautilus_model::types::{Price as TheirPrice, Quantity};
use std::hint::black_box;
use tidegate_core::{Book, Level, Price, Qty, Side};

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

/// What NautilusTrader's book is told, made before the clock runs.
fn deltas(changes: &[Change]) -> Vec<OrderBookDelta> {
    let id = InstrumentId::from("BTCUSDT.BINANCE");
    let delta = |(sequence, change): (usize, &Change)| {
        let Level { price, qty, .. } = change.level;
        let side = if change.side == Side::Bid { OrderSide::Buy } else { OrderSide::Sell };
        let action = if qty == Qty::ZERO { BookAction::Delete } else { BookAction::Update };
        let (price, qty) = (price.raw() as f64 / 1e9, qty.raw() as f64 / 1e8);
        let order = BookOrder::new(side, TheirPrice::new(price, 2), Quantity::new(qty, 8), (price * 100.0) as u64);
        OrderBookDelta::new(id, action, order, 0, sequence as u64, 0.into(), 0.into())
    };
    changes.iter().enumerate().map(delta).collect()
}

fn nautilus(deltas: &[OrderBookDelta], ends: &[bool]) -> i64 {
    let mut book = OrderBook::new(InstrumentId::from("BTCUSDT.BINANCE"), BookType::L2_MBP);
    let mut sum = 0i64;
    for (delta, is_last) in deltas.iter().zip(ends) {
        // A level that is not there cannot be deleted, and says so.
        let _ = book.apply_delta_unchecked(delta);
        let (bid, ask) = black_box((book.best_bid_price(), book.best_ask_price()));
        if *is_last {
            let raw =
                |price: Option<TheirPrice>| price.map_or(0, |price| (price.as_f64() * 100.0).round() as i64 * TICK);
            sum = sum.wrapping_add(raw(bid).wrapping_mul(3).wrapping_add(raw(ask)));
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
    let deltas = deltas(&changes);
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
        Contender { name: "nautilus-model OrderBook", run: Box::new(|| timed(|| nautilus(&deltas, &ends))) },
    ];
    Some(compare("book: change", "change", changes.len(), contenders))
}
