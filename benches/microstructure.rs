//! Measures of the order book and of trades, over those of the spot capture: `microstructure/<what>`.

use benches::captures::{self, Binance};
use benches::steps::BOUNDS;
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::microstructure::{Microstructure, Settings};
use tidegate_core::{Body, Book, Event, Flags, Input, Level, Nanos, Price, Qty, Side};

/// The volume of a bucket: a fiftieth of some days of this market.
const BUCKET: i64 = 500 * 100_000_000;

/// The best levels after a message.
struct Shown {
    now: Nanos,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// A trade, and which side took it.
struct Trade {
    now: Nanos,
    side: Side,
    price: Price,
    qty: Qty,
}

/// What the capture's messages show: the best ten levels after each that changed the book, and all trades.
fn happenings() -> Option<(Vec<Shown>, Vec<Trade>)> {
    let frames = Binance::Spot.frames(usize::MAX)?;
    let mut book = Book::new(BOUNDS.book_levels_max, Price::from_raw(10_000_000));
    let (mut shown, mut trades) = (Vec::new(), Vec::new());
    for (now, inputs) in captures::inputs(Binance::Spot, &frames) {
        for input in inputs {
            let Input::Event(Event { flags, body, .. }) = input else { continue };
            match body {
                Body::Level { side, orders, price, qty } => {
                    book.set(side, Level { price, qty, orders });
                    if flags.has(Flags::LAST) {
                        if flags.has(Flags::SNAPSHOT) {
                            book.complete_snapshot();
                        }
                        book.settle();
                        let [bids, asks] = Side::BOTH.map(|side| book.depth(side, 10).collect());
                        shown.push(Shown { now, bids, asks });
                    }
                }
                Body::Trade { side, price, qty, .. } => trades.push(Trade { now, side, price, qty }),
                _ => {}
            }
        }
    }
    Some((shown, trades))
}

fn measures(levels: usize) -> Microstructure {
    Microstructure::new(Settings { levels, ..Settings::new(Some(Qty::from_raw(BUCKET).expect("a quantity"))) })
}

fn books(measures: &mut Microstructure, shown: &[Shown]) {
    shown.iter().for_each(|Shown { now, bids, asks }| measures.on_book(*now, bids, asks));
}

fn trades(measures: &mut Microstructure, trades: &[Trade]) {
    trades.iter().for_each(|&Trade { now, side, price, qty }| measures.on_trade(now, side, price, qty));
}

fn main() {
    let Some((shown, traded)) = happenings() else { return };
    assert!(shown.len() > 1_000 && traded.len() > 1_000, "{} and {}", shown.len(), traded.len());
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("microstructure");
    group.throughput(Throughput::Elements(shown.len() as u64));
    for levels in [5, 10] {
        let mut first = measures(levels);
        books(&mut first, &shown);
        let expect = first.values();
        assert!(expect.iter().any(|&(name, value)| name == "depth_order_flow" && value.is_some()));
        group.bench_function(format!("book_{levels}"), |bencher| {
            let run = |mut measures| {
                books(&mut measures, &shown);
                assert_eq!(measures.values(), expect);
                measures
            };
            bencher.iter_batched(|| measures(levels), run, BatchSize::LargeInput);
        });
    }
    // The trades of a market that is known, which is what they cost most in.
    let mut known = measures(5);
    books(&mut known, &shown[..1]);
    let mut first = known.clone();
    trades(&mut first, &traded);
    let expect = first.values();
    assert!(expect.iter().any(|&(name, value)| name == "effective_spread" && value.is_some()));
    group.throughput(Throughput::Elements(traded.len() as u64));
    group.bench_function("trade", |bencher| {
        let run = |mut measures| {
            trades(&mut measures, &traded);
            assert_eq!(measures.values(), expect);
            measures
        };
        bencher.iter_batched(|| known.clone(), run, BatchSize::LargeInput);
    });
    group.finish();
    criterion.final_summary();
}
