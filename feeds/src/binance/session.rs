//! A Binance market-data session: messages in, inputs out, with every hole found and named.

use super::codec::{self, DecodeError, Kind, Message};
use super::sequence::Verdict;
use super::symbol::{Depth, FAMILIES, Snapshot, Symbol};
use super::{Market, SNAPSHOT_LEVELS, control};
use crate::requests::{ATTEMPTS_MAX, Requests};
use crate::session::take_json;
use crate::{Action, Decimals, FrameError, Payload, Session, WireLevel};
use std::collections::{BTreeMap, VecDeque};
use tidegate_core::{Family, Input, Instrument, InstrumentId, Nanos, Side};

/// Snapshots that wait for their symbol.
const NAMELESS_MAX: usize = 16;

/// Symbols in one request: the venue takes few messages, and no endless ones.
const REQUEST_SYMBOLS_MAX: usize = 50;

/// Silence after which the venue is asked for something that it answers at once: a connection can be alive
/// and mute, and a market can be quiet.
const QUIET_MAX: Nanos = Nanos::new(15_000_000_000);

/// One connection's worth of symbols of one Binance market.
#[derive(Debug)]
pub struct BinanceSession {
    market: Market,
    symbols: BTreeMap<String, Symbol>,
    /// Spot's snapshot does not say whose it is: in a capture it waits for the first symbol whose changes
    /// connect to it.
    nameless: VecDeque<Snapshot>,
    levels: Vec<WireLevel>,
    actions: VecDeque<Action>,
    requests: Requests,
    /// When a message arrived last, or the connection was opened; `None` while there is none.
    heard: Option<Nanos>,
    /// What the venue has refused, in its own words.
    refusal: Option<String>,
    /// Its snapshots were asked for by somebody else, with a depth that is not known.
    is_of_recording: bool,
}

impl Session for BinanceSession {
    fn add(&mut self, symbol: &str, id: InstrumentId, instrument: Instrument) {
        self.symbols.insert(symbol.to_owned(), Symbol::new(id, instrument));
        if let Some(now) = self.heard {
            self.subscribe(vec![symbol.to_owned()], 1, now);
        }
    }

    fn assume_subscribed(&mut self, symbol: &str, out: &mut Vec<Input>) {
        if self.symbols.get_mut(symbol).is_some_and(|known| known.subscribed(out)) {
            self.actions.push_back(Action::FetchSnapshot(symbol.to_owned()));
        }
    }

    fn handle_open(&mut self, now: Nanos) {
        self.heard = Some(now);
        let symbols: Vec<String> = self.symbols.keys().cloned().collect();
        for chunk in symbols.chunks(REQUEST_SYMBOLS_MAX) {
            self.subscribe(chunk.to_vec(), 1, now);
        }
    }

    fn handle_message(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) -> Result<(), FrameError> {
        let Payload::Text(text) = payload else { return Err(FrameError::Decode(DecodeError::Json.into())) };
        if self.heard.is_some() {
            self.heard = Some(now);
        }
        take_json(text, |text| self.handle_text(now, text, out))
    }

    fn handle_snapshot(&mut self, now: Nanos, name: &str, body: &[u8], out: &mut Vec<Input>) -> Result<(), FrameError> {
        let mut needs_snapshot = false;
        let result = take_json(body, |body| {
            needs_snapshot = self.handle_fetched(now, name, body, out)?;
            Ok(())
        });
        if needs_snapshot || matches!(result, Err(FrameError::Decode(_))) {
            self.actions.push_back(Action::FetchSnapshot(name.to_owned()));
        }
        result
    }

    fn handle_close(&mut self, _now: Nanos, out: &mut Vec<Input>) {
        self.heard = None;
        self.requests.clear();
        self.actions.clear();
        for symbol in self.symbols.values_mut() {
            symbol.disconnect(out);
        }
    }

    fn handle_timeout(&mut self, now: Nanos, _out: &mut Vec<Input>) {
        while let Some(overdue) = self.requests.take_overdue(now) {
            if overdue.attempts >= ATTEMPTS_MAX {
                self.actions.push_back(Action::Reconnect("the venue does not answer a subscription"));
                return;
            }
            self.subscribe(overdue.symbols, overdue.attempts + 1, now);
        }
        if self.is_settled() && self.heard.is_some_and(|heard| heard.plus(QUIET_MAX) <= now) {
            self.subscribe(Vec::new(), 1, now);
        }
    }

    fn next_timeout(&self) -> Option<Nanos> {
        let quiet = self.heard.map(|heard| heard.plus(QUIET_MAX));
        self.requests.next_deadline().or(quiet)
    }

    fn is_settled(&self) -> bool {
        self.requests.next_deadline().is_none()
    }

    fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    fn handle_resnapshot(&mut self, id: InstrumentId) {
        if let Some((name, symbol)) = self.symbols.iter_mut().find(|(_, symbol)| symbol.id == id)
            && symbol.refresh()
        {
            self.actions.push_back(Action::FetchSnapshot(name.clone()));
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

impl BinanceSession {
    /// A session without symbols.
    pub fn new(market: Market) -> BinanceSession {
        BinanceSession {
            market,
            symbols: BTreeMap::new(),
            nameless: VecDeque::new(),
            levels: Vec::new(),
            actions: VecDeque::new(),
            requests: Requests::default(),
            heard: None,
            refusal: None,
            is_of_recording: false,
        }
    }

    /// A session of a connection over which a recording is served again.
    #[must_use]
    pub fn of_recording(self) -> BinanceSession {
        BinanceSession { is_of_recording: true, ..self }
    }

    /// Asks for the streams of `symbols`; with none, for nothing but an answer.
    fn subscribe(&mut self, symbols: Vec<String>, attempts: u8, now: Nanos) {
        let streams: Vec<String> = symbols.iter().flat_map(|symbol| self.wanted_streams(symbol)).collect();
        let id = self.requests.ask(symbols, attempts, now);
        self.actions.push_back(Action::Send(control::request(id, &streams)));
    }

    fn handle_text(&mut self, now: Nanos, text: &[u8], out: &mut Vec<Input>) -> Result<(), FrameError> {
        match control::read(text) {
            Some(control::Message::Answer { id, error: None }) => {
                for symbol in self.requests.acknowledge(id).into_iter().flatten() {
                    self.assume_subscribed(&symbol, out);
                }
                Ok(())
            }
            Some(control::Message::Answer { id, error: Some(error) }) => {
                // Asked again when the answer is overdue: an endless quarrel helps nobody.
                self.refusal = Some(format!("request {id}: {error}"));
                Ok(())
            }
            Some(control::Message::Shutdown) => {
                self.actions.push_back(Action::Reconnect("the venue ends this connection"));
                Ok(())
            }
            None => self.handle_frame(now, text, out),
        }
    }

    /// Takes a snapshot that was asked for; true where it is of no use and another one is needed.
    fn handle_fetched(
        &mut self,
        now: Nanos,
        name: &str,
        body: &[u8],
        out: &mut Vec<Input>,
    ) -> Result<bool, FrameError> {
        let mut levels = std::mem::take(&mut self.levels);
        let result = match (codec::decode(body, &mut levels), self.symbols.get_mut(name)) {
            (_, Some(symbol)) if symbol.is_closed(Family::Book) => Ok(false),
            (Ok(Message::Snapshot { last, time, decimals, .. }), Some(symbol)) => {
                symbol.widen(decimals, out);
                let is_whole = if self.is_of_recording { [false; 2] } else { whole_sides(&levels) };
                let captured = Snapshot::captured(last, time, now, &levels);
                let snapshot = Snapshot { is_whole, is_captured: false, ..captured };
                Ok(symbol.handle_snapshot(self.market, &snapshot, out))
            }
            (Err(error @ DecodeError::Number(number)), Some(symbol)) if number.is_unrepresentable() => {
                symbol.close(Family::Book, out);
                Err(unrepresentable(name, Family::Book, error))
            }
            (Ok(_), _) => Err(FrameError::Decode(DecodeError::UnknownStream.into())),
            (Err(error), _) => Err(FrameError::Decode(error.into())),
        };
        self.levels = levels;
        result
    }

    /// Those that no value which cannot be held has closed.
    fn wanted_streams<'a>(&'a self, symbol: &'a str) -> impl Iterator<Item = String> + 'a {
        let is_closed = |family| self.symbols.get(symbol).is_some_and(|known| known.is_closed(family));
        self.market.streams(symbol).into_iter().zip(FAMILIES).filter(move |&(_, it)| !is_closed(it)).map(|(it, _)| it)
    }

    /// Takes a market-data message, or in a capture the snapshot between them.
    fn handle_frame(&mut self, now: Nanos, frame: &[u8], out: &mut Vec<Input>) -> Result<(), FrameError> {
        let mut levels = std::mem::take(&mut self.levels);
        let result = match codec::decode(frame, &mut levels) {
            Ok(message) => self.handle_decoded(now, message, &levels, out),
            Err(error @ DecodeError::Number(number)) if number.is_unrepresentable() => {
                Err(self.close_unrepresentable(now, frame, error, out))
            }
            Err(error) => Err(FrameError::Decode(error.into())),
        };
        self.levels = levels;
        result
    }

    fn handle_decoded(
        &mut self,
        now: Nanos,
        message: Message<'_>,
        levels: &[WireLevel],
        out: &mut Vec<Input>,
    ) -> Result<(), FrameError> {
        let Some(name) = message.symbol() else {
            if let Message::Snapshot { last, time, decimals, .. } = message {
                self.handle_nameless(Snapshot::captured(last, time, now, levels), decimals, out);
            }
            return Ok(());
        };
        let is_only = self.symbols.len() == 1;
        let Some(symbol) = self.symbols.get_mut(name) else {
            return Err(FrameError::UnknownSymbol { symbol: name.to_owned(), decimals: message.decimals() });
        };
        symbol.widen(message.decimals(), out);
        let mut needs_snapshot = false;
        match message {
            Message::Depth { numbers, time, .. } => {
                let verdict = |snapshot: &Snapshot| self.market.judge_first(snapshot.last, numbers);
                let connected = self.nameless.iter().position(|snapshot| verdict(snapshot) == Verdict::Apply);
                // Where there is one symbol and one snapshot they belong together, also across a hole.
                let is_pair = |it: &Snapshot| is_only && symbol.first_verdict(self.market, it.last).is_none();
                let missed = self.nameless.front().filter(|&it| is_pair(it) && verdict(it) == Verdict::Gap).map(|_| 0);
                if symbol.is_waiting()
                    && let Some(snapshot) = connected.or(missed).and_then(|at| self.nameless.remove(at))
                {
                    symbol.handle_snapshot(self.market, &snapshot, out);
                }
                let depth = Depth { numbers, venue_ts: Some(time), receive_ts: now, levels: levels.into() };
                needs_snapshot = symbol.handle_depth(self.market, depth, out);
            }
            Message::Snapshot { last, time, .. } => {
                let snapshot = Snapshot::captured(last, time, now, levels);
                needs_snapshot = symbol.handle_snapshot(self.market, &snapshot, out);
            }
            Message::Ticker { last, time, bid, ask, .. } => symbol.handle_ticker(now, last, time, bid, ask, out),
            Message::Trade { stream, id, time, fill, .. } => symbol.handle_trade(now, stream, id, time, fill, out),
        }
        if needs_snapshot {
            self.actions.push_back(Action::FetchSnapshot(name.to_owned()));
        }
        Ok(())
    }

    /// Takes a snapshot without a symbol; returns whose it is, where that is known.
    fn handle_nameless(&mut self, snapshot: Snapshot, decimals: Decimals, out: &mut Vec<Input>) -> Option<String> {
        let verdict = |symbol: &Symbol| symbol.first_verdict(self.market, snapshot.last);
        let connected = self.symbols.iter().find(|(_, symbol)| verdict(symbol) == Some(Verdict::Apply));
        let too_old = || self.symbols.iter().find(|(_, symbol)| verdict(symbol) == Some(Verdict::Gap));
        let is_only = self.symbols.len() == 1;
        let taker = connected.or_else(|| if is_only { too_old() } else { None }).map(|(name, _)| name.clone());
        if let Some(name) = &taker
            && let Some(symbol) = self.symbols.get_mut(name)
        {
            symbol.widen(decimals, out);
            if symbol.handle_snapshot(self.market, &snapshot, out) {
                self.actions.push_back(Action::FetchSnapshot(name.clone()));
            }
        } else if self.symbols.is_empty() || self.symbols.values().any(Symbol::is_waiting) {
            if self.nameless.len() == NAMELESS_MAX {
                self.nameless.pop_front();
            }
            self.nameless.push_back(snapshot);
        }
        // Otherwise every book is complete: nobody asked for this one.
        taker
    }

    /// A number of the frame cannot be held: what it belongs to is closed. In a capture, a snapshot without a symbol
    /// closes the book that it would have been of.
    fn close_unrepresentable(
        &mut self,
        now: Nanos,
        frame: &[u8],
        error: DecodeError,
        out: &mut Vec<Input>,
    ) -> FrameError {
        let unread = FrameError::Decode(error.into());
        let (kind, name) = match codec::subject(frame) {
            Some((kind, Some(name), _)) => (kind, name),
            Some((Kind::Snapshot, None, Some(last))) => {
                let snapshot = Snapshot { is_unrepresentable: true, ..Snapshot::captured(last, None, now, &[]) };
                let taker = self.handle_nameless(snapshot, Decimals::default(), out);
                let closed = taker.filter(|name| self.symbols.get(name).is_some_and(|it| it.is_closed(Family::Book)));
                return closed.map_or(unread, |name| unrepresentable(&name, Family::Book, error));
            }
            _ => return unread,
        };
        let Some(symbol) = self.symbols.get_mut(name) else {
            return FrameError::UnknownSymbol { symbol: name.to_owned(), decimals: Decimals::default() };
        };
        let family = match kind {
            Kind::Depth | Kind::Snapshot => Family::Book,
            Kind::Ticker => Family::Quotes,
            Kind::Trade(_) => Family::Trades,
        };
        if symbol.close(family, out) { unrepresentable(name, family, error) } else { unread }
    }
}

fn unrepresentable(name: &str, family: Family, error: DecodeError) -> FrameError {
    FrameError::Unrepresentable { symbol: name.to_owned(), family: Some(family), reason: error.into() }
}

/// Which sides of a snapshot end where it ends, by code: those that are shorter than what was asked for. A side
/// as long as a snapshot of another depth proves nothing.
fn whole_sides(levels: &[WireLevel]) -> [bool; 2] {
    const OTHER_LIMITS: [usize; 6] = [5, 10, 20, 50, 100, 500];
    Side::BOTH.map(|side| {
        let count = levels.iter().filter(|level| level.side == side).count();
        count < SNAPSHOT_LEVELS && !OTHER_LIMITS.contains(&count)
    })
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "mutation_tests.rs"]
mod mutation_tests;
