//! Captured trades into bars of all intervals: `bars/spot`.

use benches::captures::{self, Binance};
use benches::steps;
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::{Body, Input};

fn main() {
    let Some(frames) = Binance::Spot.frames(usize::MAX) else { return };
    let is_trade = |input: &Input| matches!(input, Input::Event(event) if matches!(event.body, Body::Trade { .. }));
    let inputs = captures::inputs(Binance::Spot, &frames).into_iter().flat_map(|(_, inputs)| inputs);
    let trades: Vec<Input> = inputs.filter(is_trade).collect();
    let expect = steps::bars(&mut steps::series(), &trades);
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("bars");
    group.throughput(Throughput::Elements(trades.len() as u64));
    group.bench_function("spot", |bencher| {
        let run = |mut series: Vec<_>| assert_eq!(steps::bars(&mut series, &trades), expect);
        bencher.iter_batched(steps::series, run, BatchSize::LargeInput);
    });
    group.finish();
    criterion.final_summary();
}
