//! Changes of captured books, each with a look at the top: `book/<market>/<kind>`.

use benches::captures::{self, Binance};
use benches::steps;
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::{Book, Price};

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
    group.finish();
    criterion.final_summary();
}
