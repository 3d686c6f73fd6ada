//! Nobody who reads holds the engine up.

use super::*;
use crate::directory::tests::btcusdt;
use crate::engine;
use std::sync::atomic::AtomicBool;
use tidegate_core::{
    BoardReader, Body, Bounds, Event, Flags, Input, Market, Price, Qty, RingProducer, Side, board, ring,
};

const EVENTS: u64 = 1_000_000;
const ID: InstrumentId = InstrumentId(0);

/// A live engine without a recorder, fed by hand.
fn live(questions_max: usize) -> (RingProducer, engine::EngineClient, BoardReader, thread::JoinHandle<()>) {
    let bounds = Bounds {
        book_levels_max: 100,
        bars_max: 10,
        trades_max: 32,
        instruments_max: 4,
        stale_after: Nanos::new(5_000_000_000),
    };
    let (producer, consumer) = ring(65_536);
    let (writer, reader) = board(bounds.instruments_max);
    let (client, questions) = engine::questions(questions_max);
    let live = LiveEngine {
        engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
        inlets: Inlets::new(vec![consumer], 4_096),
        watch: Watch::default(),
        board: writer,
        resnapshots: mpsc::channel(1).0,
        firings: mpsc::channel(1).0,
        counts: Vec::new(),
        stages: Stages::new().unwrap(),
    };
    let thread = thread::spawn(move || {
        live.run(&questions).unwrap();
    });
    client.wake(thread.thread().clone());
    (producer, client, reader, thread)
}

fn define(ring: &mut RingProducer) {
    let define = Input::Define { id: ID, instrument: Box::new(btcusdt()) };
    assert!(ring.push_message(Nanos::ZERO, &mut vec![define]));
}

/// Feeds the trades with these numbers, each a message, as fast as there is room.
fn feed(ring: &mut RingProducer, engine: &thread::Thread, ids: std::ops::RangeInclusive<u64>) {
    let mut inputs = Vec::new();
    for trade_id in ids {
        let ts = Nanos::new(trade_id as i64);
        let (price, qty) = (Price::from_raw(1_000_000_000).unwrap(), Qty::from_raw(1).unwrap());
        let body = Body::Trade { side: Side::Bid, price, qty, trade_id };
        inputs.push(Input::Event(Event { id: ID, flags: Flags::LAST, venue_ts: ts, receive_ts: ts, body }));
        while !ring.push_message(ts, &mut inputs) {
            engine.unpark();
            thread::yield_now();
        }
    }
    engine.unpark();
}

async fn all_applied(client: &engine::EngineClient, events: u64) {
    while client.status().await.map_or(0, |status| status.events) < events {
        tokio::task::yield_now().await;
    }
}

/// A reader of the board that stands still for good, and tools that asked and never look at the answer.
#[tokio::test]
async fn readers_that_stand_still_hold_nobody_up() {
    const STALLED: usize = 200;
    let (mut ring, client, board, engine) = live(256);
    let done = Arc::new(AtomicBool::new(false));
    let stalled = {
        let (done, board) = (Arc::clone(&done), board.clone());
        thread::spawn(move || {
            board.read(ID).ok();
            while !done.load(Ordering::Acquire) {
                thread::park();
            }
            board
        })
    };
    // Each is polled once, so that its question waits, and then never again.
    let mut waiting: Vec<_> = (0..STALLED).map(|_| Box::pin(client.status())).collect();
    for question in &mut waiting {
        assert!(futures_poll_once(question.as_mut()).is_none());
    }
    define(&mut ring);
    feed(&mut ring, engine.thread(), 1..=EVENTS);
    all_applied(&client, EVENTS).await;
    let last = board.read(ID).unwrap().last_trade.unwrap();
    assert_eq!(last.ts, Nanos::new(EVENTS as i64), "what is published is the last trade");
    println!("{EVENTS} events applied beside {STALLED} tools and a reader that stand still");
    done.store(true, Ordering::Release);
    stalled.thread().unpark();
    drop(stalled.join().unwrap());
    drop(waiting);
    client.stop();
    engine.join().unwrap();
}

#[tokio::test]
async fn the_flow_is_counted_from_the_first_question_on() {
    let (mut ring, client, _board, engine) = live(8);
    define(&mut ring);
    feed(&mut ring, engine.thread(), 1..=3);
    all_applied(&client, 3).await;
    let first = client.liquidity(ID).await.unwrap().flow;
    // Deadlines bring the tape to our own time.
    assert!(first.since >= Nanos::new(3), "{}", first.since);
    assert_eq!(first.trades, 0);
    feed(&mut ring, engine.thread(), 4..=8);
    all_applied(&client, 8).await;
    let second = client.liquidity(ID).await.unwrap().flow;
    assert_eq!((second.since, second.trades), (first.since, 5));
    client.stop();
    engine.join().unwrap();
}

fn futures_poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
