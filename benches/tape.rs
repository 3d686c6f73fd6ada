//! Captured inputs onto a tape, and a tape into Parquet: `tape/record/spot` and `tape/project/spot`. Prints what an
//! event takes on disk.

use benches::captures::{self, Binance};
use benches::steps::BOUNDS;
use criterion::{Criterion, Throughput};
use std::path::Path;
use tidegate_core::{Engine, Input, Market, Nanos};
use tidegate_history::projection::project;
use tidegate_history::tape::{Recorder, RecorderReport};

/// Records messages as fast as the disk takes them.
fn record(messages: &[(Nanos, Vec<Input>)], folder: &Path) -> RecorderReport {
    let (mut recorder, recovered) = Recorder::open(folder, BOUNDS).expect("a new folder");
    assert!(recovered.is_none());
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    for (receive_ts, inputs) in messages {
        for input in inputs {
            engine.input(*receive_ts, input, &mut recorder).expect("of the capture");
        }
    }
    recorder.finish().expect("the disk takes it")
}

fn main() {
    let Some(frames) = Binance::Spot.frames(usize::MAX) else { return };
    let messages = captures::inputs(Binance::Spot, &frames);
    let folder = tempfile::tempdir().expect("a folder");
    let tape = folder.path().join("tape");
    let report = record(&messages, &tape);
    println!("{} inputs, {:.2} bytes of tape each", report.inputs, report.bytes as f64 / report.inputs as f64);
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("tape");
    group.throughput(Throughput::Elements(report.inputs));
    group.bench_function("record/spot", |bencher| {
        bencher.iter(|| {
            let folder = tempfile::tempdir().expect("a folder");
            assert_eq!(record(&messages, folder.path()).inputs, report.inputs);
        });
    });
    group.bench_function("project/spot", |bencher| {
        bencher.iter(|| {
            let folder = tempfile::tempdir().expect("a folder");
            assert_eq!(project(&tape, folder.path(), |_| ()).expect("a whole tape").rows, report.inputs);
        });
    });
    group.finish();
    criterion.final_summary();
}
