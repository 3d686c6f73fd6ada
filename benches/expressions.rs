//! Expressions, bar by bar: `expressions/<which>`. A thousand conditions are made of a hundred parts, which are measured
//! by themselves too: what is between the two is what a thousand conditions cost.

use benches::{steps, walk};
use criterion::{BatchSize, Criterion, Throughput};
use tidegate_core::expression::Evaluator;

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("expressions");
    let parts = steps::parts();
    for (name, roots, bars) in [
        ("parts", parts.clone(), 2_000),
        ("conditions", steps::conditions(&parts), 2_000),
        ("cross", vec![steps::cross()], 100_000),
    ] {
        let (bars, evaluator) = (walk::bars(bars), steps::evaluator(&roots));
        let expect = steps::expressions(&mut evaluator.clone(), &bars);
        assert!((1..roots.len() * bars.len()).contains(&expect), "{name}: {expect}");
        group.throughput(Throughput::Elements(bars.len() as u64));
        group.bench_function(name, |bencher| {
            let run = |mut evaluator: Evaluator| {
                assert_eq!(steps::expressions(&mut evaluator, &bars), expect);
                evaluator
            };
            bencher.iter_batched(|| evaluator.clone(), run, BatchSize::LargeInput);
        });
    }
    group.finish();
    criterion.final_summary();
}
