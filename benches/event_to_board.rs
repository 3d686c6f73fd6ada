//! Captured inputs through ring, engine and bars onto the board, on one thread: `event_to_board/<market>/<batch>`, and
//! with a thousand standing conditions on their instrument.
//!
//! A batch of one message is what a quiet market brings, and one of many what waits after a burst.

use benches::captures::{self, Binance};
use benches::steps::Path;
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::{Input, Nanos};

const CONDITIONS: u64 = 1_000;

/// Pushes messages, a turn after every `batch` of them; with the first batch the instrument is there, and conditions on it
/// are attached.
fn run(mut messages: Vec<(Nanos, Vec<Input>)>, batch: usize, conditions: u64) -> Path {
    let mut path = Path::default();
    for (number, messages) in messages.chunks_mut(batch).enumerate() {
        let mut now = Nanos::ZERO;
        for (receive_ts, inputs) in messages {
            assert!(path.push(*receive_ts, inputs), "the ring is empty");
            now = *receive_ts;
        }
        while path.turn(now) > 0 {}
        if number == 0 && conditions > 0 {
            path.attach(conditions);
        }
    }
    path
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("event_to_board");
    for (name, capture) in [("spot", Binance::Spot), ("coin_m", Binance::CoinM)] {
        let Some(frames) = capture.frames(20_000) else { return };
        let messages = captures::inputs(capture, &frames);
        let expect = run(messages.clone(), 1, 0);
        group.throughput(Throughput::Elements(expect.market().counters().events));
        for (batch, conditions) in [(1, 0), (64, 0), (64, CONDITIONS)] {
            let with = if conditions > 0 { format!("/{conditions}_conditions") } else { String::new() };
            group.bench_function(format!("{name}/{batch}{with}"), |bencher| {
                let run = |messages| {
                    let path = run(messages, batch, conditions);
                    assert_eq!(path.market().conditions().count() as u64, conditions);
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
