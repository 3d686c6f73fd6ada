//! Captured frames into inputs, every hole found: `sequence/<market>`. Decoding is part of it.

use benches::captures::{Binance, Binances};
use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("sequence");
    for (name, capture) in [("binance_spot", Binance::Spot), ("binance_coin_m", Binance::CoinM)] {
        let Some(frames) = capture.frames(20_000) else { return };
        let mut inputs = Vec::new();
        let mut run = || {
            let (mut session, mut count) = (Binances::new(capture.market()), 0);
            for frame in &frames {
                inputs.clear();
                session.read(frame, &mut inputs);
                count += inputs.len();
            }
            count
        };
        let expect = run();
        group.throughput(Throughput::Elements(frames.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| assert_eq!(run(), expect)));
    }
    group.finish();
    criterion.final_summary();
}
