//! Messages through the ring between two threads: `ring/<inputs in a message>`.

use criterion::{Criterion, Throughput};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};
use tidegate_core::{Body, Event, Flags, Input, InstrumentId, Nanos, Price, Qty, Side, ring};

/// Inputs that one sample moves.
const INPUTS: u64 = 1 << 20;

fn trade(trade_id: u64) -> Input {
    let body = Body::Trade { side: Side::Bid, price: Price::ZERO, qty: Qty::ZERO, trade_id };
    let (id, flags) = (InstrumentId(0), Flags::LAST);
    Input::Event(Event { id, flags, venue_ts: Nanos::ZERO, receive_ts: Nanos::ZERO, body })
}

fn id(input: &Input) -> u64 {
    match input {
        Input::Event(Event { body: Body::Trade { trade_id, .. }, .. }) => *trade_id,
        _ => panic!("only trades were pushed"),
    }
}

/// How long `INPUTS` inputs take from one thread to the other, in messages of `size`.
fn transfer(size: u64) -> Duration {
    let (mut producer, mut consumer) = ring(65_536);
    let (is_ready, ready) = sync_channel(0);
    let reader = thread::spawn(move || {
        core_affinity::set_for_current(core_affinity::CoreId { id: 1 });
        is_ready.send(()).expect("somebody waits");
        let (mut next, mut count) = (0, 0);
        while count < INPUTS {
            let taken = consumer.pop_message(|received| {
                assert_eq!(id(&received.input), next);
                next += 1;
                Ok::<(), ()>(())
            });
            count += taken.expect("nothing is refused") as u64;
        }
    });
    core_affinity::set_for_current(core_affinity::CoreId { id: 0 });
    ready.recv().expect("the reader is there");
    let began = Instant::now();
    let mut inputs = Vec::new();
    for first in (0..INPUTS).step_by(size as usize) {
        inputs.extend((first..first + size).map(trade));
        while !producer.push_message(Nanos::ZERO, &mut inputs) {
            std::hint::spin_loop();
        }
    }
    reader.join().expect("the reader");
    began.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(INPUTS));
    for size in [1, 32] {
        group.bench_function(size.to_string(), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| transfer(size)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}
