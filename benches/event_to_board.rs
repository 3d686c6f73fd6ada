//! Captured inputs through ring, engine and bars onto the board, on one thread: `event_to_board/<market>/<batch>`.
//!
//! A batch of one message is what a quiet market brings, and one of many what waits after a burst.

use benches::captures::{self, Binance};
use benches::steps::Path;
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::{Input, Nanos};

/// Pushes messages, a turn after every `batch` of them.
fn run(mut messages: Vec<(Nanos, Vec<Input>)>, batch: usize) -> Path {
    let mut path = Path::default();
    for messages in messages.chunks_mut(batch) {
        let mut now = Nanos::ZERO;
        for (receive_ts, inputs) in messages {
            assert!(path.push(*receive_ts, inputs), "the ring is empty");
            now = *receive_ts;
        }
        while path.turn(now) > 0 {}
    }
    path
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("event_to_board");
    for (name, capture) in [("spot", Binance::Spot), ("coin_m", Binance::CoinM)] {
        let Some(frames) = capture.frames(20_000) else { return };
        let messages = captures::inputs(capture, &frames);
        let expect = run(messages.clone(), 1);
        group.throughput(Throughput::Elements(expect.market().counters().events));
        for batch in [1, 64] {
            group.bench_function(format!("{name}/{batch}"), |bencher| {
                let run = |messages| {
                    let path = run(messages, batch);
                    assert_eq!(path.market().counters(), expect.market().counters());
                    path
                };
                bencher.iter_batched(|| messages.clone(), run, BatchSize::LargeInput);
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
