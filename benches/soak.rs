//! A busy day for one engine: 3,000 instruments of Kite with ten packets a second each, and 20 books of Binance at the
//! rate of the capture's busiest second, recorded to disk. `soak [seconds]`, 600 by default. For five seconds of every ten
//! a thousand standing conditions are attached, each on an instrument of its own.
//!
//! Prints what was left out, which must be nothing, and how long messages took, with conditions and without.
//! Where the capture ends it begins again, as after a lost connection: its gaps are the only ones there may be.

use benches::captures::{self, Binance, Frame};
use benches::steps::{self, BOUNDS};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tidegate_core::bar::INTERVALS;
use tidegate_core::{
    BoardWriter, Engine, Inlets, Input, Instrument, InstrumentId, Market, Nanos, Observer, RingConsumer, RingProducer,
    Stamped, board, ring,
};
use tidegate_feeds::binance::BinanceSession;
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::kite::{KiteSession, Mode};
use tidegate_feeds::{Decimals, Payload, Session};
use tidegate_history::tape::Recorder;

const KITE_INSTRUMENTS: u32 = 3_000;
const KITE_EVERY: Duration = Duration::from_millis(100);
const PACKETS: usize = 100;
const BOOKS: u32 = 20;
const RING_INPUTS: usize = 65_536;
const CONDITIONS: u64 = 1_000;
/// How long conditions are there, and how long they are not.
const SPELL: Duration = Duration::from_secs(5);
/// Between two that come or go.
const CONDITION_EVERY: Duration = Duration::from_millis(1);

/// One connection: its ring, and what found no room.
struct Connection<'a> {
    ring: RingProducer,
    engine: Thread,
    left_out: &'a AtomicU64,
    gaps: &'a AtomicU64,
    first: Nanos,
    began: Instant,
}

impl Connection<'_> {
    fn now(&self) -> Nanos {
        self.first.plus(Nanos::new(self.began.elapsed().as_nanos() as i64))
    }

    fn send(&mut self, inputs: &mut Vec<Input>) {
        if !inputs.is_empty() && !self.ring.push_message(self.now(), inputs) {
            self.left_out.fetch_add(inputs.len() as u64, Ordering::Relaxed);
            inputs.clear();
        }
        self.engine.unpark();
    }

    /// Waits until so much time has passed since the beginning.
    fn wait_until(&self, due: Duration) {
        if let Some(left) = due.checked_sub(self.began.elapsed()) {
            thread::sleep(left);
        }
    }
}

/// All instruments, by dense id: the books first. The venues' symbols come with them.
fn instruments() -> Vec<(String, Instrument)> {
    let catalog = Catalog::built_in().expect("the built-in catalogue");
    let base = catalog.binance(Binance::Spot.market(), "BTCUSDT", Decimals { price: 8, qty: 8 });
    let book = |number: u32| {
        let symbol = format!("BTCUS{number:02}");
        let key = format!("BINANCE:{symbol}");
        (symbol, Instrument { key, ..base.clone() })
    };
    let share = |number: u32| {
        let symbol = captures::kite_token(number).to_string();
        let instrument = catalog.kite(&symbol, Decimals { price: 2, qty: 0 });
        (symbol, instrument)
    };
    (0..BOOKS).map(book).chain((0..KITE_INSTRUMENTS).map(share)).collect()
}

/// Within every 100 ms a packet of each instrument, with more volume each time and another price every other.
fn kite(mut connection: Connection<'_>, seconds: u64, shares: &[(String, Instrument)]) {
    let mut frames = captures::kite_frames(KITE_INSTRUMENTS, PACKETS).expect("the packet is there");
    let mut session = KiteSession::new(Mode::Full);
    for (id, (symbol, instrument)) in (BOOKS..).zip(shares) {
        session.add(symbol, InstrumentId(id), instrument.clone());
    }
    let mut inputs = Vec::new();
    let rounds = seconds * 1_000 / KITE_EVERY.as_millis() as u64;
    for round in 0..rounds {
        let parts = frames.len() as u32;
        for (part, frame) in (0..).zip(&mut frames) {
            // Each instrument in its own part of the interval, as they come from a market.
            connection.wait_until(KITE_EVERY * round as u32 + KITE_EVERY * part / parts);
            for packet in frame[2..].chunks_exact_mut(2 + 184) {
                for (at, add) in [(2 + 4, (round % 2) as u32), (2 + 16, 1)] {
                    let value = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
                    packet[at..at + 4].copy_from_slice(&(value + add).to_be_bytes());
                }
            }
            session.handle_message(connection.now(), Payload::Binary(frame), &mut inputs).expect("a good frame");
            connection.send(&mut inputs);
        }
    }
}

/// The capture under another name of the same length.
fn renamed(frames: &[Frame], symbol: &str) -> Vec<Frame> {
    let rename = |frame: &Frame| {
        let text = String::from_utf8(frame.1.clone()).expect("text");
        (frame.0, text.replace("BTCUSDT", symbol).replace("btcusdt", &symbol.to_lowercase()).into_bytes())
    };
    frames.iter().map(rename).collect()
}

/// Frames a second in the busiest second of the capture.
fn peak(frames: &[Frame]) -> usize {
    let second = Nanos::SECOND;
    let in_second = |at: usize| frames[at..].partition_point(|frame| frame.0 < frames[at].0.plus(second));
    (0..frames.len()).step_by(50).map(in_second).max().unwrap_or(0)
}

/// All books in turn, a frame of each, at the peak's rate.
fn binance(mut connection: Connection<'_>, seconds: u64, frames: &[Frame], pairs: &[(String, Instrument)]) {
    let rate = peak(frames) as u64;
    let begin = |(id, (symbol, instrument)): (u32, &(String, Instrument))| {
        let mut session = BinanceSession::new(Binance::Spot.market());
        session.add(symbol, InstrumentId(id), instrument.clone());
        session
    };
    let pairs: Vec<_> = (0..).zip(pairs).collect();
    let mut books: Vec<_> = pairs.iter().map(|&pair| (pair, begin(pair), renamed(frames, &pair.1.0))).collect();
    let mut inputs = Vec::new();
    for turn in 0..seconds * rate {
        connection.wait_until(Duration::from_nanos(turn * 1_000_000_000 / rate));
        let at = turn as usize % books[0].2.len();
        for (pair, session, frames) in &mut books {
            if at == 0 {
                session.handle_close(connection.now(), &mut inputs);
                let gaps = inputs.iter().filter(|input| matches!(input, Input::Gap(_))).count();
                connection.gaps.fetch_add(gaps as u64, Ordering::Relaxed);
                // The capture's numbers begin again, which to the session before would be old news.
                *session = begin(*pair);
                session.assume_subscribed(&pair.1.0, &mut inputs);
            }
            let payload = Payload::Text(&frames[at].1);
            session.handle_message(connection.now(), payload, &mut inputs).expect("a frame of the capture");
            while session.poll_action().is_some() {}
            connection.send(&mut inputs);
        }
    }
}

/// Has conditions attached and detached one after the other, spell by spell, until `ends`.
fn attach(commands: &Sender<Input>, engine: &Thread, now: impl Fn() -> Nanos, ends: Instant) {
    let send = |command: Input| {
        // The engine's thread listens for as long as this one runs.
        let _ = commands.send(command);
        engine.unpark();
        thread::sleep(CONDITION_EVERY);
    };
    let has_time = || Instant::now() + 2 * SPELL <= ends;
    while has_time() {
        thread::sleep(SPELL);
        let began = Instant::now();
        for id in 0..CONDITIONS {
            let condition = steps::standing(id, INTERVALS[0], InstrumentId(id as u32), now());
            send(Input::Attach(Box::new(condition)));
        }
        thread::sleep(SPELL.saturating_sub(began.elapsed()));
        (0..CONDITIONS).for_each(|id| send(Input::Detach(id)));
    }
}

/// The recorder, and when each message was received that has been applied since the last look.
struct Watch {
    recorder: Recorder,
    received: Vec<Nanos>,
}

impl Observer for Watch {
    fn before(&mut self, market: &Market, seq: u64, ts: Nanos) {
        self.recorder.before(market, seq, ts);
    }

    fn after(&mut self, market: &Market, stamped: Stamped<'_>) {
        if stamped.end.is_some() {
            self.received.push(stamped.ts);
        }
        self.recorder.after(market, stamped);
    }
}

/// How long messages took, from their receipt to the board, in nanoseconds: before there were conditions, while there were
/// none again, and while there were some.
struct Times([Histogram<u64>; 3]);

impl Times {
    fn new() -> Times {
        Times([(); 3].map(|()| Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are")))
    }

    fn print(&self) {
        let [begin, without, with] = &self.0;
        let mut all = begin.clone();
        for times in [without, with] {
            all.add(times).expect("of the same bounds");
        }
        // What it takes to begin is in neither of the two that are compared.
        for (what, times) in [("", &all), (", without conditions", without), (", with conditions", with)] {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| times.value_at_quantile(quantile) as f64 / 1e3);
            println!("receipt to board, in us{what}: p50 {p50:.0}, p99 {p99:.0}, p99.9 {p999:.0}");
        }
    }
}

/// The engine's thread.
fn serve(
    mut engine: Engine,
    rings: Vec<RingConsumer>,
    commands: Receiver<Input>,
    mut writer: BoardWriter,
    mut watch: Watch,
    now: impl Fn() -> Nanos,
    is_over: &AtomicBool,
) -> (Engine, Watch, Times) {
    let mut inlets = Inlets::new(rings, 4_096);
    let (mut times, mut spell, mut firings) = (Times::new(), 0, 0u64);
    loop {
        let ends = is_over.load(Ordering::Acquire);
        let applied = inlets.turn(now(), &mut engine, &mut watch, &mut writer).expect("of the venues");
        let at = now();
        spell = if engine.market().conditions().next().is_some() { 2 } else { spell.min(1) };
        watch.received.drain(..).for_each(|ts| times.0[spell].saturating_record(at.since(ts).raw().max(1) as u64));
        while engine.market_mut().poll_effect().is_some() {}
        while engine.market_mut().poll_firing().is_some() {
            firings += 1;
        }
        if !engine.market().is_message_open()
            && let Ok(command) = commands.try_recv()
        {
            engine.input(now(), &command, &mut watch).expect("there is room");
        }
        match applied {
            0 if ends => {
                println!("conditions became true {firings} times");
                return (engine, watch, times);
            }
            0 => thread::park_timeout(Duration::from_millis(1)),
            _ => {}
        }
    }
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(600);
    let Some(frames) = Binance::Spot.frames(usize::MAX) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (mut recorder, _) = Recorder::open(folder.path(), BOUNDS).expect("a new folder");
    recorder.never_wait();
    let mut watch = Watch { recorder, received: Vec::new() };
    let (rings, inlets): (Vec<_>, Vec<_>) = (0..2).map(|_| ring(RING_INPUTS)).unzip();
    let (writer, _reader) = board(BOUNDS.instruments_max);
    let (left_out, gaps, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (began, first) = (Instant::now(), frames[0].0);
    let now = move || first.plus(Nanos::new(began.elapsed().as_nanos() as i64));
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let instruments = instruments();
    for (id, (_, instrument)) in (0..).map(InstrumentId).zip(&instruments) {
        let define = Input::Define { id, instrument: Box::new(instrument.clone()) };
        engine.input(first, &define, &mut watch).expect("the next id");
    }
    let (pairs, shares) = instruments.split_at(BOOKS as usize);
    let (commands, commanded) = channel();
    let (engine, watch, times) = thread::scope(|scope| {
        let is_over = &is_over;
        let engine = scope.spawn(move || serve(engine, inlets, commanded, writer, watch, now, is_over));
        let connection =
            |ring| Connection { ring, engine: engine.thread().clone(), left_out: &left_out, gaps: &gaps, first, began };
        let mut connections = rings.into_iter().map(connection);
        let (one, other) = (connections.next().expect("two"), connections.next().expect("two"));
        let kite = scope.spawn(move || kite(one, seconds, shares));
        let (thread, ends) = (engine.thread().clone(), began + Duration::from_secs(seconds));
        scope.spawn(move || attach(&commands, &thread, now, ends));
        binance(other, seconds, &frames, pairs);
        kite.join().expect("the connection's thread");
        is_over.store(true, Ordering::Release);
        engine.join().expect("the engine's thread")
    });
    let counters = engine.market().counters();
    let rate = peak(&frames);
    let report = watch.recorder.finish().expect("the disk takes it");
    let took = began.elapsed().as_secs_f64();
    println!("{KITE_INSTRUMENTS} instruments x 10/s and {BOOKS} books x {rate} frames/s for {seconds} s");
    println!("{} events, {:.0} a second; {} trades", counters.events, counters.events as f64 / took, counters.trades);
    println!("left out for want of room in a ring: {} inputs", left_out.load(Ordering::Relaxed));
    println!("left out by the recorder: {} times", report.full);
    println!("recorded {} inputs, {:.2} bytes each", report.inputs, report.bytes as f64 / report.inputs as f64);
    times.print();
    println!("gaps: {}, of {} connections that were closed", counters.gaps, gaps.load(Ordering::Relaxed));
    assert_eq!((left_out.into_inner(), report.full), (0, 0), "nothing is left out");
    assert_eq!(counters.gaps, gaps.into_inner(), "no gap but where the capture begins again");
}
