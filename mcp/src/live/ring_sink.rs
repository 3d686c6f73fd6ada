//! From a connection into its ring, the directory being filled on the way.

use crate::directory::Directory;
use crate::live::troubles::Troubles;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;
use tidegate_core::{Body, Event, Family, Gap, GapCause, Input, InstrumentId, Nanos, RingProducer};
use tidegate_feeds::driver::Sink;
use tidegate_feeds::link::LinkCounters;

/// How long a lossless connection waits before it looks for room again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_micros(200);

/// What a session says about itself, and waits for room: then even a market has to wait.
const HELD_MAX: usize = 4_096;

/// What happens when the engine cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// A market does not wait: what finds no room is left out and told as a gap.
    Lose,
    /// Whoever serves a recording waits for its reader.
    Wait,
}

/// The numbers of the trades that were left out, or none in a family without.
type Missing = Option<(u64, u64)>;

/// Messages of a connection that could not be taken.
#[derive(Debug, Default)]
pub struct MessageCounts {
    /// They could not be read.
    pub decode_errors: AtomicU64,
    /// They are about symbols that were not asked for.
    pub unknown_symbols: AtomicU64,
}

/// One connection's way into the engine.
pub struct RingSink {
    ring: RingProducer,
    engine: Thread,
    directory: Arc<Directory>,
    when_full: WhenFull,
    counts: Arc<MessageCounts>,
    /// Where the connection's troubles are shown, and its place there.
    troubles: (Troubles, usize),
    /// What was left out since the ring was full.
    lost: BTreeMap<(InstrumentId, Family), Missing>,
    /// What must not be left out, and waits for room.
    held: Vec<Input>,
}

impl RingSink {
    /// A sink into `ring`, which the thread `engine` empties; `troubles` are shown as those of this connection.
    pub fn new(
        ring: RingProducer,
        engine: Thread,
        directory: Arc<Directory>,
        when_full: WhenFull,
        troubles: (Troubles, usize),
    ) -> RingSink {
        RingSink {
            ring,
            engine,
            directory,
            when_full,
            counts: Arc::default(),
            troubles,
            lost: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// How many messages could not be taken so far; it goes on counting.
    pub fn counts(&self) -> Arc<MessageCounts> {
        Arc::clone(&self.counts)
    }

    /// Market data is left out; what a session says about itself is not.
    fn lose(&mut self, inputs: &mut Vec<Input>) {
        for input in inputs.drain(..) {
            match input {
                Input::Event(event) => self.note(&event),
                other => self.held.push(other),
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let missing = self.lost.entry((event.id, event.body.family().unwrap_or(Family::Book))).or_default();
        if let Body::Trade { trade_id, .. } = event.body {
            *missing = Some((missing.map_or(trade_id, |(first, _)| first), trade_id));
        }
    }

    /// Tells the engine what it missed; true where there was room for that.
    fn confess(&mut self, now: Nanos) -> bool {
        let gap = |(&(id, family), missing): (&(InstrumentId, Family), &Missing)| {
            let (from, to) = missing.map_or((0, 0), |(first, last)| (first, last.saturating_add(1)));
            Input::Gap(Gap { id: Some(id), family, cause: GapCause::QueueFull, from, to })
        };
        let mut inputs: Vec<Input> = self.held.iter().cloned().chain(self.lost.iter().map(gap)).collect();
        inputs.is_empty() || self.ring.push_message(now, &mut inputs)
    }
}

impl Sink for RingSink {
    fn report(&mut self, counters: LinkCounters) {
        self.counts.decode_errors.store(counters.decode_errors, Ordering::Relaxed);
        self.counts.unknown_symbols.store(counters.unknown_symbols, Ordering::Relaxed);
    }

    fn warn(&mut self, troubles: Vec<String>) {
        let (shown, connection) = &self.troubles;
        shown.set(*connection, troubles);
    }

    async fn deliver(&mut self, now: Nanos, inputs: &mut Vec<Input>) -> Vec<InstrumentId> {
        for input in inputs.iter() {
            if let Input::Define { id, instrument } = input {
                self.directory.insert(*id, (**instrument).clone());
            }
        }
        let is_behind = !self.lost.is_empty() || !self.held.is_empty();
        while is_behind && !self.confess(now) {
            self.engine.unpark();
            if self.held.len() < HELD_MAX {
                self.lose(inputs);
                return Vec::new();
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        self.held.clear();
        let lost = std::mem::take(&mut self.lost);
        while !inputs.is_empty() && !self.ring.push_message(now, inputs) {
            self.engine.unpark();
            match self.when_full {
                WhenFull::Lose if self.held.len() < HELD_MAX => self.lose(inputs),
                WhenFull::Lose | WhenFull::Wait => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
            }
        }
        self.engine.unpark();
        lost.into_keys().filter(|(_, family)| *family == Family::Book).map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::{Flags, Price, Qty, RingConsumer, Side, ring};

    const ID: InstrumentId = InstrumentId(0);

    fn trade(trade_id: u64) -> Input {
        let body = Body::Trade { side: Side::Bid, price: Price::ZERO, qty: Qty::ZERO, trade_id };
        Input::Event(Event { id: ID, flags: Flags::LAST, venue_ts: Nanos::ZERO, receive_ts: Nanos::ZERO, body })
    }

    fn sink(when_full: WhenFull) -> (RingSink, RingConsumer) {
        let (producer, consumer) = ring(4);
        let directory = Arc::new(Directory::default());
        (RingSink::new(producer, std::thread::current(), directory, when_full, (Troubles::default(), 0)), consumer)
    }

    fn drain(ring: &mut RingConsumer) -> Vec<Input> {
        let mut inputs = Vec::new();
        while ring
            .pop_message(|received| {
                inputs.push(received.input.clone());
                Ok::<(), ()>(())
            })
            .unwrap()
            > 0
        {}
        inputs
    }

    #[tokio::test]
    async fn what_finds_no_room_is_told_as_a_gap_before_anything_else() {
        let (mut sink, mut ring) = sink(WhenFull::Lose);
        let fact = Input::State { id: ID, family: Family::Trades, fact: tidegate_core::Fact::Closed };
        for trade_id in 1..=6 {
            assert!(sink.deliver(Nanos::ZERO, &mut vec![trade(trade_id)]).await.is_empty());
        }
        sink.deliver(Nanos::ZERO, &mut vec![fact.clone(), Input::Event(level())]).await;
        assert_eq!(drain(&mut ring), [trade(1), trade(2), trade(3), trade(4)]);
        let books = sink.deliver(Nanos::ZERO, &mut vec![trade(7)]).await;
        assert_eq!(books, [ID], "its book needs a new snapshot");
        let gap = |family, from, to| Input::Gap(Gap { id: Some(ID), family, cause: GapCause::QueueFull, from, to });
        assert_eq!(drain(&mut ring), [fact, gap(Family::Book, 0, 0), gap(Family::Trades, 5, 7), trade(7)]);
    }

    fn level() -> Event {
        let body = Body::Level { side: Side::Bid, orders: 0, price: Price::ZERO, qty: Qty::ZERO };
        Event { id: ID, flags: Flags::LAST, venue_ts: Nanos::ZERO, receive_ts: Nanos::ZERO, body }
    }

    #[tokio::test]
    async fn whoever_serves_a_recording_waits() {
        let (mut sink, mut ring) = sink(WhenFull::Wait);
        let reader = std::thread::spawn(move || {
            let mut count = 0;
            while count < 1_000 {
                count += drain(&mut ring).len();
                std::thread::yield_now();
            }
            count
        });
        for trade_id in 0..1_000 {
            sink.deliver(Nanos::ZERO, &mut vec![trade(trade_id)]).await;
        }
        assert_eq!(reader.join().unwrap(), 1_000);
    }
}
