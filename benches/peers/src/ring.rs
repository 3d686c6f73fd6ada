//! Inputs from one thread to another, 32 at a time, between two named cores.
//!
//! A hypervisor moves its cores: what a cache line takes between them changes by the minute and up to tenfold. All
//! contenders run in each round, so the ratios hold; the floor of the round stands beside them.

use crate::rounds::{Contender, Table, compare};
use crossbeam_queue::ArrayQueue;
use disruptor::{BusySpin, Producer, Sequence, build_single_producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tidegate_core::{Body, Event, Flags, Input, InstrumentId, Nanos, Price, Qty, Side, ring};

const INPUTS: u64 = 1 << 19;
const BATCH: u64 = 32;
const CAPACITY: usize = 4_096;

fn trade(trade_id: u64) -> Input {
    let flags = if (trade_id + 1) % BATCH == 0 { Flags::LAST } else { Flags::NONE };
    let body = Body::Trade { side: Side::Bid, price: Price::ZERO, qty: Qty::ZERO, trade_id };
    Input::Event(Event { id: InstrumentId(0), flags, venue_ts: Nanos::ZERO, receive_ts: Nanos::ZERO, body })
}

fn id(input: &Input) -> i64 {
    match input {
        Input::Event(Event { body: Body::Trade { trade_id, .. }, .. }) => *trade_id as i64,
        _ => 0,
    }
}

fn pin(core: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}

/// Times from the moment that both threads stand where they should until the reader has read everything.
fn between<S>(read: impl FnOnce() -> i64 + Send, mut write: impl FnMut(u64) -> S) -> (Duration, i64) {
    let is_ready = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            pin(1);
            is_ready.store(true, Ordering::Release);
            read()
        });
        pin(0);
        while !is_ready.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let began = Instant::now();
        (0..INPUTS).step_by(BATCH as usize).for_each(|first| drop(write(first)));
        let sum = reader.join().expect("the reader");
        (began.elapsed(), sum)
    })
}

fn ours() -> (Duration, i64) {
    let (mut producer, mut consumer) = ring(CAPACITY);
    let read = move || {
        let (mut sum, mut count) = (0i64, 0);
        while count < INPUTS as usize {
            let taken = consumer.pop_message(|received| {
                sum += id(&received.input);
                Ok::<(), ()>(())
            });
            count += taken.unwrap_or(0);
        }
        sum
    };
    let mut inputs = Vec::new();
    between(read, move |first| {
        inputs.extend((first..first + BATCH).map(trade));
        while !producer.push_message(Nanos::ZERO, &mut inputs) {
            std::hint::spin_loop();
        }
    })
}

fn rtrb_chunks() -> (Duration, i64) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Input>::new(CAPACITY);
    let read = move || {
        let (mut sum, mut count) = (0i64, 0);
        while count < INPUTS as usize {
            let waiting = consumer.slots();
            let Ok(chunk) = consumer.read_chunk(waiting) else { continue };
            let (first, second) = chunk.as_slices();
            sum += first.iter().chain(second).map(id).sum::<i64>();
            chunk.commit_all();
            count += waiting;
        }
        sum
    };
    between(read, move |first| {
        loop {
            if let Ok(chunk) = producer.write_chunk_uninit(BATCH as usize) {
                chunk.fill_from_iter((first..first + BATCH).map(trade));
                return;
            }
            std::hint::spin_loop();
        }
    })
}

fn array_queue() -> (Duration, i64) {
    let queue = Arc::new(ArrayQueue::<Input>::new(CAPACITY));
    let consumer = Arc::clone(&queue);
    let read = move || {
        let (mut sum, mut count) = (0i64, 0);
        while count < INPUTS {
            match consumer.pop() {
                Some(input) => {
                    sum += id(&input);
                    count += 1;
                }
                None => std::hint::spin_loop(),
            }
        }
        sum
    };
    between(read, move |first| {
        for number in first..first + BATCH {
            let mut input = trade(number);
            while let Err(back) = queue.push(input) {
                input = back;
                std::hint::spin_loop();
            }
        }
    })
}

fn disruptor_batches() -> (Duration, i64) {
    let (sum, count) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
    let (sums, counts) = (Arc::clone(&sum), Arc::clone(&count));
    let (mut own_sum, mut own_count, mut is_pinned) = (0i64, 0u64, false);
    let handle = move |input: &Input, _: Sequence, is_end_of_batch: bool| {
        if !std::mem::replace(&mut is_pinned, true) {
            pin(1);
        }
        own_sum += id(input);
        own_count += 1;
        if is_end_of_batch {
            sums.store(own_sum, Ordering::Relaxed);
            counts.store(own_count, Ordering::Release);
        }
    };
    let mut producer = build_single_producer(CAPACITY, || trade(0), BusySpin).handle_events_with(handle).build();
    pin(0);
    // The first event brings the reader to its core.
    producer.publish(|slot| *slot = trade(0));
    while count.load(Ordering::Acquire) < 1 {
        std::hint::spin_loop();
    }
    let began = Instant::now();
    for first in (0..INPUTS).step_by(BATCH as usize) {
        let mut numbers = first..;
        producer.batch_publish(BATCH as usize, |slots| slots.zip(&mut numbers).for_each(|(slot, n)| *slot = trade(n)));
    }
    while count.load(Ordering::Acquire) < INPUTS + 1 {
        std::hint::spin_loop();
    }
    (began.elapsed(), sum.load(Ordering::Relaxed))
}

/// The comparison.
pub fn measure() -> Option<Table> {
    let contenders: Vec<Contender<'_>> = vec![
        Contender { name: "Tidegate ring", run: Box::new(ours) },
        Contender { name: "rtrb, chunks", run: Box::new(rtrb_chunks) },
        Contender { name: "disruptor, batches", run: Box::new(disruptor_batches) },
        Contender { name: "crossbeam ArrayQueue", run: Box::new(array_queue) },
    ];
    Some(compare("ring: 32 inputs at a time", "input", INPUTS as usize, contenders))
}
