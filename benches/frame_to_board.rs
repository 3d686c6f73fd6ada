//! Captured frames from their text to a snapshot that is read, on one thread: `frame_to_board/<market>`.

use benches::captures::Binance;
use benches::steps;
use criterion::{Criterion, Throughput};

/// Frames of one iteration: a few seconds of market, so that Criterion gets its samples in time.
const FRAMES: usize = 20_000;

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("frame_to_board");
    for (name, capture) in [("spot", Binance::Spot), ("coin_m", Binance::CoinM)] {
        let Some(frames) = capture.frames(FRAMES) else { return };
        let (_, expect) = steps::frames_to_board(capture, &frames);
        group.throughput(Throughput::Elements(frames.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (path, sum) = steps::frames_to_board(capture, &frames);
                assert_eq!((path.market().counters().gaps, sum), (0, expect));
                path
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
