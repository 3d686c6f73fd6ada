//! Changes of captured books, each with a look at the top: `book/<market>/<kind>`; and whole snapshots of few levels, as
//! the Indian venues send them: `book/snapshots/<levels a side>`.

use benches::captures::{self, Binance};
use benches::{steps, walk};
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::{Book, Level, Price, Side};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("book");
    for (name, capture, tick) in [("spot", Binance::Spot, 10_000_000), ("coin_m", Binance::CoinM, 100_000_000)] {
        let Some(frames) = capture.frames(usize::MAX) else { return };
        let changes = captures::changes(capture, &frames);
        let (window, sorted) = (Book::new(8_192, Price::from_raw(tick)), Book::new(8_192, None));
        group.throughput(Throughput::Elements(changes.len() as u64));
        // A book that knows no tick has no window: it is the other's twin.
        let expect = steps::book(&mut sorted.clone(), &changes);
        for (kind, book) in [("window", window), ("sorted", sorted)] {
            group.bench_function(format!("{name}/{kind}"), |bencher| {
                let run = |mut book| {
                    assert_eq!(steps::book(&mut book, &changes), expect);
                    book
                };
                bencher.iter_batched(|| book.clone(), run, BatchSize::LargeInput);
            });
        }
    }
    for levels in [5, 20] {
        let snapshots = walk::snapshots(10_000, levels);
        let book = Book::new(8_192, Price::from_raw(walk::TICK));
        let expect = steps::snapshots(&mut book.clone(), &snapshots);
        let best = |side| {
            let first = |levels: &Vec<(Side, Level)>| levels.iter().find(|level| level.0 == side).map(|level| level.1);
            snapshots.iter().filter_map(first).map(|level| level.price.raw()).fold(0, i64::wrapping_add)
        };
        assert_eq!(best(Side::Bid).wrapping_mul(3).wrapping_add(best(Side::Ask)), expect);
        group.throughput(Throughput::Elements(snapshots.len() as u64));
        group.bench_function(format!("snapshots/{levels}"), |bencher| {
            let mut book = book.clone();
            bencher.iter(|| assert_eq!(steps::snapshots(&mut book, &snapshots), expect));
        });
    }
    group.finish();
    criterion.final_summary();
}
