//! How long a captured frame takes from its bytes to a snapshot that everybody can read, between two threads as in
//! the product: decode, sequence, ring, engine and bars, board.
//!
//! Prints percentiles at the capture's own rate, at ten times it, and as fast as it goes, with an engine thread that
//! spins and one that parks; and in the same round what one cache line takes from core to core, below which nothing
//! can be. At a rate, a frame's time begins when it is due: one that had to wait for the one before counts that too.

use benches::captures::{Binance, Binances, Frame};
use benches::steps::BOUNDS;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tidegate_core::{Effect, Engine, Inlets, Input, Market, Nanos, RingConsumer, RingProducer, Stamped, board, ring};

/// How long the capture's own time is that is played at its own rate.
const SPAN: Nanos = Nanos::new(20 * Nanos::SECOND.raw());
const PING_PONGS: u64 = 100_000;

/// What waits for the next frame, or for the next input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Spin,
    Park,
}

fn pin(core: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}

/// The capture's clock, which goes on from its first frame: a session doubts a venue that is far off.
#[derive(Clone, Copy)]
struct Clock {
    first: Nanos,
    began: Instant,
}

impl Clock {
    fn now(self) -> Nanos {
        self.first.plus(Nanos::new(i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// One way of a cache line between the cores, in nanoseconds.
fn floor() -> f64 {
    let (ping, pong) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            for turn in 1..=PING_PONGS {
                while ping.load(Ordering::Acquire) != turn {
                    std::hint::spin_loop();
                }
                pong.store(turn, Ordering::Release);
            }
        });
        pin(0);
        let began = Instant::now();
        for turn in 1..=PING_PONGS {
            ping.store(turn, Ordering::Release);
            while pong.load(Ordering::Acquire) != turn {
                std::hint::spin_loop();
            }
        }
        began.elapsed().as_nanos() as f64 / PING_PONGS as f64 / 2.0
    })
}

/// The connection's thread: hands frames over when they are due, `speed` times as fast as captured, or at once.
fn feed(frames: &[Frame], speed: Option<i64>, wait: Wait, clock: Clock, ring: &mut RingProducer, engine: &Thread) {
    let mut session = Binances::new(Binance::Spot.market());
    let mut inputs: Vec<Input> = Vec::new();
    let start = clock.now();
    for (captured, frame) in frames {
        let now = match speed {
            None => clock.now(),
            Some(speed) => {
                let due = start.plus(Nanos::new(captured.since(clock.first).raw() / speed));
                while clock.now() < due {
                    let left = due.since(clock.now()).raw();
                    // As a socket that is waited for: the thread sleeps for the most part, and wakes a little early.
                    if wait == Wait::Park && left > 200_000 {
                        thread::sleep(Duration::from_nanos(left as u64 - 100_000));
                    }
                    std::hint::spin_loop();
                }
                due
            }
        };
        session.read_at(now, frame, &mut inputs);
        while !ring.push_message(now, &mut inputs) {
            std::hint::spin_loop();
        }
        if wait == Wait::Park {
            engine.unpark();
        }
    }
}

/// The engine's thread: what each message took until everybody could read what came of it.
fn serve(ring: RingConsumer, wait: Wait, clock: Clock, is_over: &AtomicBool) -> Histogram<u64> {
    let mut inlets = Inlets::new(vec![ring], 4_096);
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let (mut writer, _reader) = board(BOUNDS.instruments_max);
    let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are");
    let mut received: Vec<Nanos> = Vec::new();
    loop {
        let ends = is_over.load(Ordering::Acquire);
        let mut note = |_: &Market, stamped: Stamped<'_>| {
            if stamped.end.is_some() {
                received.push(stamped.ts);
            }
        };
        let applied = inlets.turn(clock.now(), &mut engine, &mut note, &mut writer).expect("of the capture");
        let now = clock.now();
        received.drain(..).for_each(|at| times.saturating_record(now.since(at).raw().max(1) as u64));
        while let Some(Effect::Resnapshot(_)) = engine.market_mut().poll_effect() {}
        match (applied, wait) {
            (0, _) if ends => {
                assert_eq!(engine.market().counters().gaps, 0);
                return times;
            }
            (0, Wait::Park) => thread::park(),
            (0, Wait::Spin) => std::hint::spin_loop(),
            _ => {}
        }
    }
}

/// How many messages these frames come to: some say nothing of the market by themselves.
fn messages(frames: &[Frame]) -> u64 {
    let mut session = Binances::new(Binance::Spot.market());
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let (mut inputs, mut count) = (Vec::new(), 0);
    for (captured, frame) in frames {
        session.read_at(*captured, frame, &mut inputs);
        let mut note = |_: &Market, stamped: Stamped<'_>| count += u64::from(stamped.end.is_some());
        for input in inputs.drain(..) {
            engine.input(*captured, &input, &mut note).expect("of the capture");
        }
    }
    count
}

fn measure(frames: &[Frame], speed: Option<i64>, wait: Wait) -> Histogram<u64> {
    let (mut producer, consumer) = ring(65_536);
    let (clock, is_over) = (Clock { first: frames[0].0, began: Instant::now() }, AtomicBool::new(false));
    thread::scope(|scope| {
        let engine = scope.spawn(|| {
            pin(1);
            serve(consumer, wait, clock, &is_over)
        });
        pin(0);
        feed(frames, speed, wait, clock, &mut producer, engine.thread());
        is_over.store(true, Ordering::Release);
        engine.thread().unpark();
        engine.join().expect("the engine's thread")
    })
}

fn main() {
    let Some(frames) = Binance::Spot.frames(usize::MAX) else { return };
    let end = frames[0].0.plus(SPAN);
    let some = &frames[..frames.partition_point(|frame| frame.0 < end)];
    println!("| rate | engine thread | messages | p50 | p90 | p99 | p99.9 | longest | a line from core to core |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, frames, speed) in [("1×", some, Some(1)), ("10×", &frames, Some(10)), ("greatest", &frames, None)] {
        let count = messages(frames);
        for (kind, wait) in [("spins", Wait::Spin), ("parks", Wait::Park)] {
            let line = floor();
            let times = measure(frames, speed, wait);
            assert_eq!(times.len(), count, "messages");
            let micros = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
            println!(
                "| {name} | {kind} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {line:.0} ns |",
                times.len(),
                micros(0.5),
                micros(0.9),
                micros(0.99),
                micros(0.999),
                times.max() as f64 / 1e3
            );
        }
    }
    println!("\nTimes in µs.");
}
