//! One connection to a venue as a state machine without I/O: when to connect, what to send, when to give up.
//!
//! Whoever owns the sockets reports what happened and does what [`Link::poll_io`] asks. Sockets are told
//! apart by generation, so that nothing of a socket that was given up is ever heard (F19 of the failure
//! catalogue). Where a venue limits a connection's life a second one is opened in time; both are heard
//! until the new one delivers, and the session tells what it has heard twice.

mod backoff;
mod budget;
mod fetches;
mod socket;
mod troubles;

pub use backoff::Backoff;
pub use budget::{Budget, Budgets, Rate};

use crate::{Action, FrameError, Payload, Session};
use fetches::Fetches;
use socket::Socket;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::{Fact, Family, Input, Instrument, InstrumentId, Nanos};
use troubles::Troubles;

/// How long opening a connection may take.
const CONNECT_MAX: Nanos = Nanos::new(10_000_000_000);
/// How long two connections are heard at the least when one replaces the other.
const OVERLAP: Nanos = Nanos::new(5_000_000_000);
/// A connection that delivered for this long was of use: the next failure is the first again.
const HEALTHY_AFTER: Nanos = Nanos::new(60_000_000_000);
/// Symbols of one message that nobody asked for, before the rest of it is given up.
const STRANGERS_MAX: usize = 64;
/// How a connection that cannot be made is shown.
const CONNECTION: &str = "connection";
/// How the venue's word on when to come again is shown.
const HELD: &str = "snapshots";
/// How a request that was refused is shown.
const REQUESTS: &str = "requests";
/// How packets that are passed over are shown: by the first of them.
const PACKETS: &str = "packets";

/// What a venue allows and promises.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts to connect, of all connections of this program together.
    pub connects: Rate,
    /// Messages sent on one connection, pings included.
    pub messages: Rate,
    /// Snapshots fetched, by all connections of this program together.
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
    /// Fetch the snapshot of a venue symbol; the answer goes to [`Link::handle_snapshot`] with this generation.
    Fetch(u64, String),
}

/// What came of fetching a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The venue's answer.
    Body(&'a [u8]),
    /// There is none this time, and why; `hold` is how long nothing at all may be fetched, where the venue says so.
    Failed {
        /// For people.
        reason: &'a str,
        /// From now on.
        hold: Option<Nanos>,
    },
    /// There will be none, and why: asking again would bring the same.
    Refused(&'a str),
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
    budgets: Arc<Mutex<Budgets>>,
    backoff: Backoff,
    /// At most two, the older first.
    sockets: Vec<Socket>,
    generation: u64,
    /// Generation of the socket with which the session's streams began: whatever was asked for before it was lost with
    /// its own.
    began_with: u64,
    /// When to open the next socket.
    connect_at: Option<Nanos>,
    fetches: Fetches,
    fetch_at: Option<Nanos>,
    io: VecDeque<Io>,
    counters: LinkCounters,
    troubles: Troubles,
}

impl Link {
    /// A link that connects as soon as it is asked what to do. `budgets` are shared by all links of a venue.
    pub fn new(session: Box<dyn Session>, limits: Limits, budgets: Arc<Mutex<Budgets>>, seed: u64) -> Link {
        Link {
            session,
            limits,
            budgets,
            backoff: Backoff::new(seed),
            sockets: Vec::new(),
            generation: 0,
            began_with: 0,
            connect_at: Some(Nanos::ZERO),
            fetches: Fetches::default(),
            fetch_at: None,
            io: VecDeque::new(),
            counters: LinkCounters::default(),
            troubles: Troubles::default(),
        }
    }

    /// What it has been through.
    pub fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// What a person should know of, a line each, where that has changed since the last call.
    pub fn take_troubles(&mut self) -> Option<Vec<String>> {
        self.troubles.take()
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
        let was_open = self.is_open();
        let Some(socket) = self.socket_mut(generation) else { return self.io.push_back(Io::Close(generation)) };
        socket.open(now);
        if !was_open {
            self.began_with = generation;
        }
        self.troubles.clear(CONNECTION);
        self.session.handle_open(now);
        self.work(now);
    }

    /// The socket could not be opened: see [`Link::handle_closed`].
    pub fn handle_refused(
        &mut self,
        now: Nanos,
        generation: u64,
        reason: &str,
        retry_after: Option<Nanos>,
        out: &mut Vec<Input>,
    ) {
        if self.socket_mut(generation).is_some() {
            self.troubles.replace(CONNECTION, reason.to_owned());
        }
        self.handle_closed(now, generation, retry_after, out);
    }

    /// The socket could not be opened, or is gone. `retry_after` is the venue's own word on when to come again: it is
    /// said to all that come from here.
    pub fn handle_closed(&mut self, now: Nanos, generation: u64, retry_after: Option<Nanos>, out: &mut Vec<Input>) {
        if let Some(wait) = retry_after {
            self.budgets().connects.hold(now.plus(wait));
        }
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
        self.take(now, payload, out);
        self.act(now, out);
    }

    /// A ping or pong arrived: the connection lives, whatever the market does.
    pub fn handle_sign_of_life(&mut self, now: Nanos, generation: u64) {
        if let Some(socket) = self.socket_mut(generation) {
            socket.live(now);
        }
    }

    /// What came of [`Io::Fetch`]. An answer to what was asked for before the streams were lost is not heard; the venue's
    /// word on when to come again is.
    pub fn handle_snapshot(
        &mut self,
        now: Nanos,
        generation: u64,
        symbol: &str,
        answer: Answer<'_>,
        out: &mut Vec<Input>,
    ) {
        if let Answer::Failed { hold: Some(hold), reason } = answer {
            let until = now.plus(hold);
            self.budgets().snapshots.hold(until);
            let second = jiff::Timestamp::from_second(until.raw() / Nanos::SECOND.raw()).unwrap_or_default();
            self.troubles.replace(HELD, format!("no snapshot is fetched before {second}: {reason}"));
        }
        if generation != self.began_with || !self.is_open() {
            return;
        }
        let about = format!("snapshot of {symbol}");
        match answer {
            Answer::Body(body) => {
                let before = out.len();
                let result = self.session.handle_snapshot(now, symbol, body, out);
                self.troubles.clear(HELD);
                match &result {
                    Ok(()) => {
                        self.fetches.succeed(symbol);
                        self.troubles.clear(&about);
                    }
                    Err(error) => {
                        self.fetches.fail(symbol);
                        if matches!(error, FrameError::Decode(_)) {
                            self.troubles.replace(&about, format!("{about} cannot be read: {error}"));
                        }
                    }
                }
                self.note(result, &out[before..]);
            }
            Answer::Failed { reason, .. } => {
                self.fetches.fail(symbol);
                self.fetches.ask(now, symbol.to_owned());
                self.troubles.replace(&about, format!("no {about}: {reason}"));
            }
            Answer::Refused(reason) => {
                self.fetches.refuse(symbol);
                self.troubles.replace(&about, format!("{about} refused for good: {reason}"));
            }
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

    /// Hands a message to the session; once more where it holds more than what is of a symbol that nobody asked for: the
    /// session passes that over when it has told of it.
    fn take(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) {
        let mut stranger: Option<String> = None;
        for _ in 0..STRANGERS_MAX {
            let before = out.len();
            let result = self.session.handle_message(now, payload, out);
            let told = match &result {
                Err(FrameError::UnknownSymbol { symbol, .. }) => Some(symbol.clone()),
                _ => None,
            };
            if told.is_some() && told == stranger {
                return;
            }
            self.note(result, &out[before..]);
            if let Some(reason) = self.session.take_refusal() {
                self.troubles.replace(REQUESTS, format!("a request is refused, and asked again: {reason}"));
            }
            if told.is_none() {
                return;
            }
            stranger = told;
        }
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and tells what could not be taken; `learnt` is what the message came to.
    fn note(&mut self, result: Result<(), FrameError>, learnt: &[Input]) {
        if learnt.iter().any(|input| matches!(input, Input::State { fact: Fact::Subscribed, .. })) {
            self.troubles.clear(REQUESTS);
        }
        let Err(error) = result else { return };
        if let FrameError::UnknownSymbol { symbol, .. } = &error {
            self.counters.unknown_symbols += 1;
            self.troubles.set(symbol, || format!("{symbol}: messages of it come, and it was not asked for"));
            return;
        }
        self.counters.decode_errors += error.count();
        match &error {
            FrameError::Unrepresentable { symbol, family, .. } => {
                let about = format!("{symbol} {}", family.map_or("", Family::name));
                self.troubles.set(&about, || error.to_string());
            }
            FrameError::Partial { .. } => self.troubles.set(PACKETS, || error.to_string()),
            _ => tracing::debug!("a message could not be read: {error}"),
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
            // Nothing that is fetched for them is of use any more.
            self.io.retain(|io| !matches!(io, Io::Fetch(..)));
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
        let taken = self.budgets().connects.take(now);
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
                Action::FetchSnapshot(symbol) if self.is_open() => self.fetches.ask(now, symbol),
                Action::FetchSnapshot(_) => {}
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
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        self.fetch_at = loop {
            match self.fetches.next(now, &mut budgets.snapshots) {
                Ok(symbol) => self.io.push_back(Io::Fetch(self.began_with, symbol)),
                Err(at) => break at,
            }
        };
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
