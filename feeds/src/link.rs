//! One connection to a venue as a state machine without I/O: when to connect, what to send, when to give up.
//!
//! Whoever owns the sockets reports what happened and does what [`Link::poll_io`] asks. Sockets are told
//! apart by generation, so that nothing of a socket that was given up is ever heard (F19 of the failure
//! catalogue). Where a venue limits a connection's life a second one is opened in time; both are heard
//! until the new one delivers, and the session tells what it has heard twice.

mod backoff;
mod budget;
mod socket;

pub use backoff::Backoff;
pub use budget::{Budget, Rate};

use crate::{Action, FrameError, Payload, Session};
use socket::Socket;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_core::{Input, Instrument, InstrumentId, Nanos};

/// How long opening a connection may take.
const CONNECT_MAX: Nanos = Nanos::new(10_000_000_000);
/// How long two connections are heard at the least when one replaces the other.
const OVERLAP: Nanos = Nanos::new(5_000_000_000);
/// A connection that delivered for this long was of use: the next failure is the first again.
const HEALTHY_AFTER: Nanos = Nanos::new(60_000_000_000);
/// Snapshots that wait to be fetched.
const FETCHES_MAX: usize = 4_096;

/// What a venue allows and promises.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts to connect, of all connections of this program together.
    pub connects: Rate,
    /// Messages sent on one connection, pings included.
    pub messages: Rate,
    /// Snapshots fetched.
    pub snapshots: Rate,
    /// A connection that says nothing at all for so long is dead.
    pub silence_max: Nanos,
    /// How often to ping; the answer may take a half of [`Limits::silence_max`].
    pub ping_every: Nanos,
    /// How long the venue lets a connection live.
    pub life_max: Option<Nanos>,
}

/// What the owner of the sockets has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Io {
    /// Open a socket of this generation.
    Connect(u64),
    /// Send a text message on it.
    Send(u64, String),
    /// Send a WebSocket ping on it.
    Ping(u64),
    /// Close it, if it is still there; nothing more of it will be heard.
    Close(u64),
    /// Fetch the snapshot of a venue symbol.
    Fetch(String),
}

/// What a link has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Attempts to connect.
    pub connects: u64,
    /// Connections lost or given up.
    pub losses: u64,
    /// Messages that could not be read.
    pub decode_errors: u64,
    /// Messages about symbols that nobody subscribed to.
    pub unknown_symbols: u64,
}

/// A connection and its session.
pub struct Link {
    session: Box<dyn Session>,
    limits: Limits,
    connects: Arc<Mutex<Budget>>,
    snapshots: Budget,
    backoff: Backoff,
    /// At most two, the older first.
    sockets: Vec<Socket>,
    generation: u64,
    /// When to open the next socket.
    connect_at: Option<Nanos>,
    fetches: VecDeque<String>,
    fetch_at: Option<Nanos>,
    io: VecDeque<Io>,
    counters: LinkCounters,
}

impl Link {
    /// A link that connects as soon as it is asked what to do. `connects` is shared by all links of a venue.
    pub fn new(session: Box<dyn Session>, limits: Limits, connects: Arc<Mutex<Budget>>, seed: u64) -> Link {
        Link {
            session,
            limits,
            connects,
            snapshots: Budget::new(limits.snapshots),
            backoff: Backoff::new(seed),
            sockets: Vec::new(),
            generation: 0,
            connect_at: Some(Nanos::ZERO),
            fetches: VecDeque::new(),
            fetch_at: None,
            io: VecDeque::new(),
            counters: LinkCounters::default(),
        }
    }

    /// What it has been through.
    pub fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// True while a socket is open.
    pub fn is_open(&self) -> bool {
        self.sockets.iter().any(Socket::is_open)
    }

    /// Takes on a symbol: see [`Session::add`].
    pub fn add(&mut self, now: Nanos, symbol: &str, id: InstrumentId, instrument: Instrument) {
        self.session.add(symbol, id, instrument);
        self.work(now);
    }

    /// The market asks for a new snapshot of a book.
    pub fn handle_resnapshot(&mut self, now: Nanos, id: InstrumentId) {
        self.session.handle_resnapshot(id);
        self.work(now);
    }

    /// The socket is open.
    pub fn handle_open(&mut self, now: Nanos, generation: u64) {
        let Some(socket) = self.socket_mut(generation) else { return self.io.push_back(Io::Close(generation)) };
        socket.open(now);
        self.session.handle_open(now);
        self.work(now);
    }

    /// The socket could not be opened, or is gone. `retry_after` is the venue's own word on when to come again.
    pub fn handle_closed(&mut self, now: Nanos, generation: u64, retry_after: Option<Nanos>, out: &mut Vec<Input>) {
        if self.socket_mut(generation).is_some() {
            self.drop_socket(now, generation, out);
            if let (Some(wait), Some(at)) = (retry_after, self.connect_at) {
                self.connect_at = Some(at.max(now.plus(wait)));
            }
        }
        self.work(now);
    }

    /// A message arrived.
    pub fn handle_message(&mut self, now: Nanos, generation: u64, payload: Payload<'_>, out: &mut Vec<Input>) {
        let Some(socket) = self.socket_mut(generation) else { return };
        socket.hear(now);
        let result = self.session.handle_message(now, payload, out);
        self.note(result);
        self.act(now, out);
    }

    /// A ping or pong arrived: the connection lives, whatever the market does.
    pub fn handle_sign_of_life(&mut self, now: Nanos, generation: u64) {
        if let Some(socket) = self.socket_mut(generation) {
            socket.live(now);
        }
    }

    /// The snapshot of `symbol`, or `None` where it could not be fetched; it is asked for again then.
    pub fn handle_snapshot(&mut self, now: Nanos, symbol: &str, body: Option<&[u8]>, out: &mut Vec<Input>) {
        match body {
            Some(body) => {
                let result = self.session.handle_snapshot(now, symbol, body, out);
                self.note(result);
            }
            None => self.fetch(symbol.to_owned()),
        }
        self.act(now, out);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Nanos, out: &mut Vec<Input>) {
        for generation in self.dead_sockets(now) {
            tracing::warn!("connection {generation} is given up: nothing was heard of it in time");
            self.drop_socket(now, generation, out);
        }
        if self.session.next_timeout().is_some_and(|at| at <= now) && self.is_open() {
            self.session.handle_timeout(now, out);
        }
        self.act(now, out);
        self.roll_over(now);
        self.connect(now);
    }

    /// When to call [`Link::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Nanos> {
        let sockets = self.sockets.iter().filter_map(|socket| socket.next_timeout(&self.limits));
        let session = self.session.next_timeout().filter(|_| self.is_open());
        let roll_over = self.next_roll_over();
        sockets.chain(session).chain(self.connect_at).chain(roll_over).chain(self.fetch_at).min()
    }

    /// What to do next, if anything.
    pub fn poll_io(&mut self) -> Option<Io> {
        self.io.pop_front()
    }

    fn socket_mut(&mut self, generation: u64) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.generation() == generation)
    }

    fn note(&mut self, result: Result<(), FrameError>) {
        match result {
            Ok(()) => {}
            Err(FrameError::UnknownSymbol { .. }) => self.counters.unknown_symbols += 1,
            Err(error) => {
                self.counters.decode_errors += error.count();
                match error {
                    FrameError::Unrepresentable { .. } => tracing::error!("{error}"),
                    _ => tracing::debug!("a message could not be read: {error}"),
                }
            }
        }
    }

    fn dead_sockets(&self, now: Nanos) -> Vec<u64> {
        let dead = |socket: &&Socket| socket.death(&self.limits) <= now;
        self.sockets.iter().filter(dead).map(Socket::generation).collect()
    }

    /// Forgets a socket. With the last one the session's streams are lost, and another is opened after a wait.
    fn drop_socket(&mut self, now: Nanos, generation: u64, out: &mut Vec<Input>) {
        let Some(at) = self.sockets.iter().position(|socket| socket.generation() == generation) else { return };
        let socket = self.sockets.remove(at);
        self.io.push_back(Io::Close(generation));
        self.counters.losses += 1;
        if socket.delivered_for() >= HEALTHY_AFTER {
            self.backoff.reset();
        }
        if !self.is_open() {
            self.session.handle_close(now, out);
            self.fetches.clear();
            self.fetch_at = None;
        }
        // A replacement that failed is tried again no sooner than a first attempt would be.
        if self.sockets.is_empty() || at > 0 {
            self.connect_at = Some(self.backoff.next_attempt(now));
        }
    }

    fn connect(&mut self, now: Nanos) {
        if self.connect_at.is_none_or(|at| at > now) {
            return;
        }
        let taken = self.connects.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        self.connect_at = taken.err();
        if taken.is_ok() {
            self.generation += 1;
            self.counters.connects += 1;
            self.sockets.push(Socket::new(self.generation, now.plus(CONNECT_MAX), self.limits.messages));
            self.io.push_back(Io::Connect(self.generation));
        }
    }

    /// When a connection's life is nearly over, or the one that replaces it has delivered for long enough.
    /// While something else has to happen first there is nothing to wake up for.
    fn next_roll_over(&self) -> Option<Nanos> {
        match &self.sockets[..] {
            [only] if self.connect_at.is_none() => Some(only.opened()?.plus(self.limits.life_max?)),
            [_, new] if new.has_delivered() && self.session.is_settled() => Some(new.opened()?.plus(OVERLAP)),
            _ => None,
        }
    }

    fn roll_over(&mut self, now: Nanos) {
        if self.next_roll_over().is_none_or(|at| at > now) {
            return;
        }
        if self.sockets.len() == 1 {
            self.connect_at = Some(now);
        } else {
            let old = self.sockets.remove(0);
            self.io.push_back(Io::Close(old.generation()));
        }
    }

    fn work(&mut self, now: Nanos) {
        self.act(now, &mut Vec::new());
    }

    /// Carries out what the session wants, as far as the venue allows it now.
    fn act(&mut self, now: Nanos, out: &mut Vec<Input>) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(text) => {
                    if let Some(socket) = self.sockets.last_mut() {
                        socket.queue(text);
                    }
                }
                Action::FetchSnapshot(symbol) => self.fetch(symbol),
                Action::Reconnect(reason) => {
                    tracing::warn!("connecting again: {reason}");
                    for generation in self.sockets.iter().map(Socket::generation).collect::<Vec<_>>() {
                        self.drop_socket(now, generation, out);
                    }
                }
            }
        }
        for socket in &mut self.sockets {
            socket.send(now, &self.limits, &mut self.io);
        }
        self.fetch_at = None;
        while let Some(symbol) = self.fetches.front() {
            match self.snapshots.take(now) {
                Ok(()) => self.io.push_back(Io::Fetch(symbol.clone())),
                Err(again) => {
                    self.fetch_at = Some(again);
                    break;
                }
            }
            self.fetches.pop_front();
        }
    }

    fn fetch(&mut self, symbol: String) {
        if self.fetches.len() < FETCHES_MAX && !self.fetches.contains(&symbol) {
            self.fetches.push_back(symbol);
        }
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
