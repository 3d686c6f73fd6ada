//! One link, its venue and the wire between them in virtual time: one queue of events, one seed.

use crate::chaos::{Chaos, Fault};
use crate::oracle::{Oracle, Seen};
use crate::protocol::{Delivery, Frame, Message, Protocol};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex};
use tidegate_core::{Bounds, Effect, Engine, Family, Input, InstrumentId, Market, Nanos, StreamState};
use tidegate_feeds::Payload;
use tidegate_feeds::link::{Answer, Budgets, Io, Limits, Link, LinkCounters};

/// Friday 2026-11-20, 10:00 in India: no day ends while a seed runs.
pub const START: Nanos = Nanos::new(1_795_149_000 * Nanos::SECOND.raw());

pub const fn millis(count: i64) -> Nanos {
    Nanos::new(count * 1_000_000)
}

/// What a seed runs: after `chaos_for` faults cease, and `calm_for` later nothing trades any more.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub chaos_for: Nanos,
    pub calm_for: Nanos,
    /// Mean time between what happens on the market.
    pub pace: Nanos,
    /// Mean time between faults.
    pub faults_every: Option<Nanos>,
    /// How long the venue lets a connection live.
    pub life_max: Option<Nanos>,
    /// How long a book may be silent and still be shown as live.
    pub stale_after: Nanos,
}

enum Event<N> {
    Act,
    Beat,
    Fault,
    Open(u64),
    Refuse(u64, Option<Nanos>),
    /// The client learns that its socket is gone.
    Gone(u64),
    Arrive(u64, String),
    Pinged(u64),
    Pong(u64),
    Deliver(Message<N>),
    Fetched(u64, String, Fetched),
}

/// What came of a fetch.
enum Fetched {
    Body(String),
    Failed,
    Banned,
}

/// How long a ban lasts.
const BAN: Nanos = Nanos::new(3 * Nanos::SECOND.raw());

/// One socket as the world knows it.
pub struct Wire {
    pub is_open_at_venue: bool,
    /// The client has not closed it, nor been told that it is gone.
    pub is_heard: bool,
    /// Since when nothing of it can reach the client, pongs excepted.
    pub mute_since: Option<Nanos>,
    /// Nor do pongs, nor anything of the client the venue.
    pub is_dead: bool,
    /// Messages keep their order.
    last: Nanos,
    last_request: Nanos,
    latency: Nanos,
}

pub struct World<P: Protocol> {
    pub plan: Plan,
    pub now: Nanos,
    /// How far the client's clock is off.
    pub skew: Nanos,
    pub venue: P,
    link: Link,
    pub engine: Engine,
    queue: BinaryHeap<Reverse<(Nanos, u64)>>,
    events: BTreeMap<u64, Event<P::Note>>,
    order: u64,
    pub wires: BTreeMap<u64, Wire>,
    pub chaos: Chaos,
    pub oracle: Oracle,
    rng: Pcg64Mcg,
    out: Vec<Input>,
    /// A message that the next ones overtake, and how many of them.
    held: Option<(Message<P::Note>, u8)>,
    /// Pings that reached the venue.
    pub pings: u64,
    /// By our clock.
    banned_until: Nanos,
}

impl<P: Protocol> World<P> {
    pub fn new(plan: Plan) -> World<P> {
        let limits = Limits { life_max: plan.life_max, ..P::LIMITS };
        let budgets = Arc::new(Mutex::new(Budgets::new(&limits)));
        let bounds = Bounds {
            book_levels_max: 2_000,
            bars_max: 4,
            trades_max: 32,
            instruments_max: 8,
            stale_after: plan.stale_after,
        };
        let mut world = World {
            plan,
            now: START,
            skew: Nanos::ZERO,
            venue: P::new(plan.seed),
            link: Link::new(P::session(), limits, budgets, plan.seed),
            engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            order: 0,
            wires: BTreeMap::new(),
            chaos: Chaos::new(plan.seed),
            oracle: Oracle::new(P::SYMBOLS),
            rng: Pcg64Mcg::new(u128::from(plan.seed) ^ 0x5eed),
            out: Vec::new(),
            held: None,
            pings: 0,
            banned_until: Nanos::ZERO,
        };
        for (at, (symbol, instrument)) in P::symbols().into_iter().enumerate() {
            let id = InstrumentId(at as u32);
            world.out.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
            world.link.add(START, &symbol, id, instrument);
        }
        world.settle(None, true);
        world.after(Nanos::ZERO, Event::Act);
        world.after(P::BEAT, Event::Beat);
        if plan.faults_every.is_some() {
            world.after(Nanos::new(5 * Nanos::SECOND.raw()), Event::Fault);
        }
        world
    }

    fn after(&mut self, wait: Nanos, event: Event<P::Note>) {
        self.order += 1;
        self.queue.push(Reverse((self.now.plus(wait), self.order)));
        self.events.insert(self.order, event);
    }

    fn around(&mut self, mean: Nanos) -> Nanos {
        Nanos::new(self.rng.random_range(mean.raw() / 2..=mean.raw() * 3 / 2))
    }

    /// Our clock.
    pub fn clock(&self) -> Nanos {
        self.now.plus(self.skew)
    }

    /// When nothing trades any more.
    fn close_of_market(&self) -> Nanos {
        START.plus(self.plan.chaos_for).plus(self.plan.calm_for)
    }

    /// Runs to the end; two seconds after the last trade everything has arrived.
    pub fn run(&mut self) {
        let end = self.close_of_market().plus(millis(4_000));
        let mut steps = 0;
        loop {
            let before = self.now;
            let event = self.queue.peek().map(|Reverse((at, _))| *at);
            let wake = self.link.next_timeout().map(|at| Nanos::new(at.raw() - self.skew.raw()).max(self.now));
            match (event, wake) {
                (None, None) => unreachable!("the market always has a next event"),
                (Some(at), wake) if wake.is_none_or(|wake| at < wake) => {
                    if at > end {
                        break;
                    }
                    let Some(Reverse((_, order))) = self.queue.pop() else { unreachable!() };
                    let event = self.events.remove(&order).unwrap();
                    self.now = at;
                    self.handle(event);
                }
                (_, wake) => {
                    self.now = wake.unwrap();
                    if self.now > end {
                        break;
                    }
                }
            }
            let clock = self.clock();
            self.link.handle_timeout(clock, &mut self.out);
            self.settle(None, true);
            self.check_mute();
            steps = if self.now == before { steps + 1 } else { 0 };
            assert!(steps < 1_000, "the link spins: next {:?} at {clock:?}", self.link.next_timeout());
        }
        for at in 0..P::SYMBOLS {
            self.venue.check_end(InstrumentId(at as u32), self.engine.market());
        }
        self.oracle.check_end(&self.venue);
    }

    fn handle(&mut self, event: Event<P::Note>) {
        let clock = self.clock();
        self.oracle.is_banned = clock < self.banned_until;
        match event {
            Event::Act => self.act(),
            Event::Beat => {
                let open: Vec<u64> =
                    self.wires.iter().filter(|(_, it)| it.is_open_at_venue).map(|(&at, _)| at).collect();
                let mut out = Vec::new();
                self.venue.beat(&open, &mut out);
                self.send_all(out);
                self.after(P::BEAT, Event::Beat);
            }
            Event::Fault => self.inject(),
            Event::Open(connection) => {
                self.link.handle_open(clock, connection);
                if self.wires.get(&connection).is_some_and(|wire| wire.is_heard && wire.mute_since.is_none()) {
                    self.oracle.note_open(self.now);
                }
            }
            Event::Refuse(connection, wait) => self.close(connection, wait),
            Event::Gone(connection) => self.close(connection, None),
            Event::Arrive(connection, text) => self.arrive(connection, &text),
            Event::Pinged(connection) => {
                if self.wires.get(&connection).is_some_and(|wire| wire.is_open_at_venue && !wire.is_dead) {
                    self.pings += 1;
                    self.after(millis(20), Event::Pong(connection));
                }
            }
            Event::Pong(connection) => {
                if self.wires.get(&connection).is_some_and(|wire| !wire.is_dead) {
                    self.link.handle_sign_of_life(clock, connection);
                }
            }
            Event::Deliver(message) => self.deliver(&message),
            Event::Fetched(generation, symbol, fetched) => {
                let failed = |hold| Answer::Failed { reason: "none today", hold };
                let answer = match &fetched {
                    Fetched::Body(body) => Answer::Body(body.as_bytes()),
                    Fetched::Failed => failed(None),
                    Fetched::Banned => {
                        self.banned_until = self.banned_until.max(clock.plus(BAN));
                        self.oracle.disturb();
                        failed(Some(BAN))
                    }
                };
                self.link.handle_snapshot(clock, generation, &symbol, answer, &mut self.out);
            }
        }
    }

    fn act(&mut self) {
        if self.now <= self.close_of_market() {
            self.venue.act(self.now);
        }
        let mut out = Vec::new();
        let is_wrong = self.chaos.take(Fault::WrongTime) && self.venue.spoil_time(true);
        self.venue.publish(self.now, &mut out);
        if is_wrong {
            self.venue.spoil_time(false);
            self.chaos.hit(Fault::WrongTime);
        }
        if self.chaos.is_armed(Fault::WrongChecksum) && self.venue.spoil_checksum() {
            self.chaos.take(Fault::WrongChecksum);
            self.chaos.hit(Fault::WrongChecksum);
            self.oracle.disturb();
        }
        self.send_all(out);
        let wait = self.around(self.plan.pace);
        self.after(wait, Event::Act);
    }

    fn arrive(&mut self, connection: u64, text: &str) {
        let Some(wire) = self.wires.get(&connection) else { return };
        if !wire.is_open_at_venue || wire.is_dead {
            return;
        }
        let is_subscribe = ["subscribe", "SUBSCRIBE", "\"mode\""].iter().any(|word| text.contains(word));
        if is_subscribe && self.take(Fault::IgnoredSubscribe) {
            return;
        }
        let refuse = is_subscribe && self.take(Fault::RefusedSubscribe);
        // What a connection begins with can be of a wrong time too.
        let may_be_wrong = is_subscribe && self.plan.faults_every.is_some() && self.rng.random_range(0..4) == 0;
        let is_wrong = may_be_wrong && self.venue.spoil_time(true);
        let mut out = Vec::new();
        self.venue.receive(self.now, connection, text, refuse, &mut out);
        if is_wrong {
            self.venue.spoil_time(false);
            self.chaos.hit(Fault::WrongTime);
        }
        self.send_all(out);
    }

    /// True where this fault was due, and strikes now.
    fn take(&mut self, fault: Fault) -> bool {
        let strikes = self.chaos.take(fault);
        if strikes {
            self.chaos.hit(fault);
            self.oracle.disturb();
        }
        strikes
    }

    fn send_all(&mut self, messages: Vec<Message<P::Note>>) {
        for message in messages {
            self.send(message);
        }
    }

    /// Puts a message on the wire, or what a fault makes of it.
    fn send(&mut self, mut message: Message<P::Note>) {
        if message.note.is_some() {
            if self.take(Fault::Drop) {
                return;
            }
            if self.take(Fault::Truncate) {
                message.frame.truncate();
                message.note = None;
            } else if self.take(Fault::Duplicate) {
                self.put(message.clone());
            } else if self.held.is_none() && self.take(Fault::Reorder) {
                self.held = Some((message, 3));
                return;
            }
            if self.take(Fault::Delay) {
                let pause = millis(self.rng.random_range(500..3_000));
                if let Some(wire) = self.wires.get_mut(&message.connection) {
                    wire.last = self.now.plus(pause);
                }
            }
        }
        let late = self.held.take_if(|(held, overtaken_by)| {
            *overtaken_by -= u8::from(held.connection == message.connection && message.note.is_some());
            *overtaken_by == 0
        });
        self.put(message);
        if let Some((late, _)) = late {
            self.put(late);
        }
    }

    fn put(&mut self, message: Message<P::Note>) {
        let Some(wire) = self.wires.get_mut(&message.connection) else { return };
        if wire.mute_since.is_some() || !wire.is_open_at_venue {
            return;
        }
        let at = self.now.plus(wire.latency).max(wire.last.plus(Nanos::new(1)));
        wire.last = at;
        let wait = at.since(self.now);
        self.after(wait, Event::Deliver(message));
    }

    fn deliver(&mut self, message: &Message<P::Note>) {
        let clock = self.clock();
        let is_heard = self.wires.get(&message.connection).is_some_and(|wire| wire.is_heard);
        let payload = match &message.frame {
            Frame::Text(text) => Payload::Text(text.as_bytes()),
            Frame::Binary(bytes) => Payload::Binary(bytes),
        };
        let ids = 0..P::SYMBOLS;
        let stream = |id: usize| self.engine.market().stream(InstrumentId(id as u32)).unwrap();
        let sequences: Vec<Option<u64>> = ids.map(|id| stream(id).book_sequence).collect();
        self.link.handle_message(clock, message.connection, payload, &mut self.out);
        self.settle(message.note.as_ref().map(|note| (note, &sequences[..])), is_heard);
    }

    fn close(&mut self, connection: u64, wait: Option<Nanos>) {
        if let Some(wire) = self.wires.get_mut(&connection) {
            wire.is_heard = false;
        }
        let clock = self.clock();
        self.link.handle_closed(clock, connection, wait, &mut self.out);
    }

    /// Applies what the link has learnt, judges it, and does what the link wants.
    fn settle(&mut self, said: Option<(&P::Note, &[Option<u64>])>, is_heard: bool) {
        let clock = self.clock();
        let inputs = std::mem::take(&mut self.out);
        assert!(is_heard || inputs.is_empty(), "seed {}: an old socket was heard: {inputs:?}", self.plan.seed);
        for input in &inputs {
            self.engine.input(clock, input, &mut |_: &Market, _: tidegate_core::Stamped<'_>| {}).unwrap();
        }
        self.engine.pass_time(clock, &mut |_: &Market, _: tidegate_core::Stamped<'_>| {}).unwrap();
        let is_connected =
            self.wires.values().any(|wire| wire.is_heard && wire.is_open_at_venue && wire.mute_since.is_none());
        let seen = Seen { now: self.now, clock, inputs: &inputs, engine: &self.engine, is_connected };
        self.oracle.take(seen, &self.venue);
        // A book is live only while a connection is there.
        for (id, stream) in self.engine.market().streams() {
            let is_live = stream.state(Family::Book) == StreamState::Live;
            assert!(
                self.link.is_open() || !is_live,
                "seed {}: book {} is live, and no socket is open",
                self.plan.seed,
                id.0
            );
        }
        // Before the books are checked: what was lost need not go on.
        self.venue.note_losses(&inputs, self.engine.market());
        let mut ids: Vec<InstrumentId> = inputs.iter().filter_map(Input::instrument).collect();
        ids.dedup();
        for id in ids {
            self.venue.check_book(id, self.engine.market());
            self.venue.check_quote(id, self.engine.market());
        }
        if let Some((note, sequences)) = said.filter(|_| is_heard) {
            let delivery = Delivery { note, sequences, inputs: &inputs, market: self.engine.market() };
            self.venue.judge(&delivery);
        }
        while let Some(Effect::Resnapshot(id)) = self.engine.market_mut().poll_effect() {
            self.link.handle_resnapshot(clock, id);
        }
        while let Some(io) = self.link.poll_io() {
            self.carry_out(io);
        }
    }

    fn carry_out(&mut self, io: Io) {
        let latency = millis(self.rng.random_range(10..120));
        match io {
            Io::Connect(connection) => self.connect(connection, latency),
            Io::Send(connection, text) => {
                let Some(wire) = self.wires.get_mut(&connection) else { return };
                let at = self.now.plus(latency).max(wire.last_request.plus(Nanos::new(1)));
                wire.last_request = at;
                let wait = at.since(self.now);
                self.after(wait, Event::Arrive(connection, text));
            }
            Io::Ping(connection) => self.after(latency, Event::Pinged(connection)),
            Io::Close(connection) => {
                // What is in flight still comes: the link must not hear it.
                if let Some(wire) = self.wires.get_mut(&connection) {
                    (wire.is_heard, wire.is_open_at_venue) = (false, false);
                }
                self.venue.forget(connection);
            }
            Io::Fetch(generation, symbol) => {
                let clock = self.clock();
                assert!(clock >= self.banned_until, "seed {}: {symbol} is fetched amid a ban", self.plan.seed);
                let age = if self.take(Fault::OldSnapshot) { 60 } else { 0 };
                let fetched = if self.take(Fault::NoSnapshot) {
                    Fetched::Failed
                } else if self.take(Fault::Ban) {
                    Fetched::Banned
                } else {
                    Fetched::Body(self.venue.snapshot(&symbol, age))
                };
                let pause = if self.take(Fault::LateSnapshot) { millis(2_000) } else { Nanos::ZERO };
                self.after(latency.plus(latency).plus(pause), Event::Fetched(generation, symbol, fetched));
            }
        }
    }

    fn connect(&mut self, connection: u64, latency: Nanos) {
        if self.take(Fault::RefusedConnect) {
            let wait = self.rng.random_range(0..2) == 0;
            return self.after(latency, Event::Refuse(connection, wait.then_some(millis(3_000))));
        }
        let opens_in = if self.take(Fault::LateOpen) { millis(11_000) } else { latency };
        let wire = Wire {
            is_open_at_venue: true,
            is_heard: true,
            mute_since: None,
            is_dead: false,
            last: self.now.plus(opens_in),
            last_request: self.now,
            latency,
        };
        self.wires.insert(connection, wire);
        self.after(opens_in, Event::Open(connection));
    }

    fn inject(&mut self) {
        let Some(mean) = self.plan.faults_every else { return };
        if self.now > START.plus(self.plan.chaos_for) {
            self.chaos.disarm();
            return;
        }
        let is_heard = |wires: &BTreeMap<u64, Wire>, at| wires.get(&at).is_some_and(|wire| wire.is_heard);
        drop(self.held.take_if(|(held, _)| !is_heard(&self.wires, held.connection)));
        let fault = self.chaos.draw();
        let newest = self.wires.iter().filter(|(_, wire)| wire.is_heard).map(|(&at, _)| at).next_back();
        match fault {
            Fault::Disconnect | Fault::Shutdown | Fault::Mute | Fault::HalfOpen => {
                if let Some(connection) = newest {
                    self.strike(fault, connection);
                }
            }
            Fault::ClockJump => {
                self.chaos.hit(fault);
                self.oracle.disturb();
                let jump = if self.rng.random() { millis(-1_500) } else { millis(40_000) };
                self.skew = self.skew.plus(jump);
            }
            Fault::Resnapshot => {
                self.chaos.hit(fault);
                // Half of the time what comes is older than the book.
                if self.rng.random() {
                    self.chaos.arm(Fault::OldSnapshot);
                }
                let (clock, id) = (self.clock(), self.rng.random_range(0..P::SYMBOLS as u32));
                self.link.handle_resnapshot(clock, InstrumentId(id));
            }
            armed => self.chaos.arm(armed),
        }
        let wait = self.around(mean);
        self.after(wait, Event::Fault);
    }

    /// Hits one connection.
    fn strike(&mut self, fault: Fault, connection: u64) {
        self.chaos.hit(fault);
        self.oracle.disturb();
        let now = self.now;
        let farewell = self.venue.farewell();
        let Some(wire) = self.wires.get_mut(&connection) else { return };
        match fault {
            Fault::Mute | Fault::HalfOpen => {
                // What is in flight still comes.
                wire.mute_since.get_or_insert(now.max(wire.last));
                wire.is_dead |= fault == Fault::HalfOpen;
            }
            Fault::Shutdown if farewell.is_some() => {
                self.send(Message { connection, frame: farewell.unwrap(), note: None });
                self.after(millis(2_000), Event::Gone(connection));
            }
            _ => {
                wire.is_open_at_venue = false;
                self.venue.forget(connection);
                self.after(millis(30), Event::Gone(connection));
            }
        }
    }

    /// A connection that cannot be heard must have been given up in time.
    fn check_mute(&mut self) {
        if self.plan.life_max.is_some() {
            return;
        }
        for (connection, wire) in &self.wires {
            if let Some(since) = wire.mute_since.filter(|_| wire.is_heard) {
                // A clock that is turned back makes every wait longer by as much.
                let bound = P::MUTE_MAX.plus(millis(if self.chaos.has_hit(Fault::ClockJump) { 6_000 } else { 100 }));
                assert!(
                    self.now.since(since) <= bound,
                    "seed {}: connection {connection} is mute for more than {bound} ns, and nobody noticed",
                    self.plan.seed,
                );
            } else if let Some(since) = wire.mute_since {
                self.oracle.note_mute(since, self.now);
            }
        }
        self.wires.retain(|_, wire| wire.is_heard || wire.mute_since.is_none());
    }

    pub fn counters(&self) -> LinkCounters {
        self.link.counters()
    }
}
