//! A Kraken market-data session: messages in, proved books and numbered trades out.

use super::codec::{self, Buffers, DecodeError, Message};
use super::subscription::{Channel, SUBSCRIBE, Subscription, UNSUBSCRIBE, WAIT};
use super::symbol::{BookMessage, Check, Symbol};
use super::{Depth, Version};
use crate::session::take_json;
use crate::{Action, Decimals, FrameError, Payload, Session};
use std::collections::{BTreeMap, VecDeque};
use tidegate_core::{Family, Input, Instrument, InstrumentId, Nanos};

/// Symbols whose depth is remembered: more than the venue has.
const DEPTHS_MAX: usize = 8_192;

/// What a session subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The protocol; v1 has the book alone.
    pub version: Version,
    /// Levels of a book that are asked for. More than the checked ones are only held, never passed on.
    pub depth: Depth,
    /// Trades, numbered one by one.
    pub trades: bool,
    /// The venue's own statement of the top.
    pub ticker: bool,
}

impl Settings {
    /// Everything that this version has.
    pub const fn new(version: Version) -> Settings {
        let is_v2 = matches!(version, Version::V2);
        Settings { version, depth: Depth::CHECKED, trades: is_v2, ticker: is_v2 }
    }

    fn channels(self) -> Vec<Channel> {
        let wanted = |is_wanted: bool, channel| (is_wanted && self.version == Version::V2).then_some(channel);
        let others = [wanted(self.trades, Channel::Trade), wanted(self.ticker, Channel::Ticker)];
        std::iter::once(Channel::Book).chain(others.into_iter().flatten()).collect()
    }
}

/// How the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// There is none, or none that is of use.
    Closed,
    /// The venue was last heard at this time. It sends a heartbeat each second when it has nothing else.
    Open { heard: Nanos },
}

/// One connection's worth of symbols.
#[derive(Debug)]
pub struct KrakenSession {
    settings: Settings,
    symbols: BTreeMap<String, Symbol>,
    /// To how many levels the venue has agreed to send a book, by symbol: in a capture it answers before anything is
    /// known of one.
    depths: BTreeMap<String, Depth>,
    connection: Connection,
    requests: u64,
    buffers: Buffers,
    actions: VecDeque<Action>,
    /// What the venue has refused.
    refusal: Option<String>,
}

impl KrakenSession {
    /// A session without symbols.
    pub fn new(settings: Settings) -> KrakenSession {
        KrakenSession {
            settings,
            symbols: BTreeMap::new(),
            depths: BTreeMap::new(),
            connection: Connection::Closed,
            requests: 0,
            buffers: Buffers::default(),
            actions: VecDeque::new(),
            refusal: None,
        }
    }

    fn take(
        &mut self,
        now: Nanos,
        message: Message<'_>,
        buffers: &Buffers,
        out: &mut Vec<Input>,
    ) -> Result<(), FrameError> {
        let Some((name, decimals)) = message.subject() else {
            if let Message::Answer { request, is_ok, book } = message {
                if let Some((name, depth)) = book.filter(|_| is_ok) {
                    self.note_depth(name, depth);
                }
                self.handle_answer(request, is_ok, out);
            }
            return Ok(());
        };
        let Some(symbol) = self.symbols.get_mut(name) else {
            return Err(FrameError::UnknownSymbol { symbol: name.to_owned(), decimals });
        };
        symbol.widen(decimals, out);
        match message {
            Message::Book { is_snapshot, checksum, time, depth, .. } => {
                let agreed = depth.or(self.depths.get(name).copied()).unwrap_or(self.settings.depth);
                // One that is longer than agreed shows what is sent.
                let depth = if is_snapshot { agreed.max(Depth::of_snapshot(&buffers.levels)) } else { agreed };
                let message = BookMessage { is_snapshot, checksum, time, depth };
                symbol.confirm(Channel::Book, out);
                let check = symbol.handle_book(now, message, &buffers.levels, out);
                self.judge(name, now, is_snapshot, check);
                if let Check::Unrepresentable(error) = check {
                    return Err(unrepresentable(name, Family::Book, error));
                }
            }
            Message::Trades { is_snapshot, .. } => {
                symbol.confirm(Channel::Trade, out);
                symbol.subscription(Channel::Trade).into_iter().for_each(Subscription::arrive);
                symbol.handle_trades(now, is_snapshot, &buffers.trades, out);
            }
            Message::Ticker { time, bid, ask, .. } => {
                symbol.confirm(Channel::Ticker, out);
                symbol.subscription(Channel::Ticker).into_iter().for_each(Subscription::arrive);
                symbol.handle_ticker(now, time, bid, ask, out);
            }
            Message::Answer { .. } | Message::Alive => {}
        }
        Ok(())
    }

    /// A number of the frame cannot be held: what it belongs to is closed.
    fn close_unrepresentable(&mut self, frame: &[u8], error: DecodeError, out: &mut Vec<Input>) -> FrameError {
        let unread = FrameError::Decode(error.into());
        let Some((family, name)) = codec::subject(frame) else { return unread };
        let Some(symbol) = self.symbols.get_mut(name) else {
            return FrameError::UnknownSymbol { symbol: name.to_owned(), decimals: Decimals::default() };
        };
        if symbol.close(family, out) { unrepresentable(name, family, error) } else { unread }
    }

    /// What the outcome of a book message means for its subscription.
    fn judge(&mut self, name: &str, now: Nanos, is_snapshot: bool, check: Check) {
        let is_open = self.connection != Connection::Closed;
        let Some(subscription) = self.symbols.get_mut(name).and_then(|it| it.subscription(Channel::Book)) else {
            return;
        };
        match check {
            Check::Right | Check::Pending if is_snapshot => subscription.arrive(),
            Check::Right => subscription.succeed(),
            Check::Wrong if is_open && subscription.fail(now) => self.ask(name, Channel::Book, now),
            Check::Wrong | Check::Pending | Check::Ignored | Check::Unrepresentable(_) => {}
        }
    }

    fn note_depth(&mut self, name: &str, depth: Depth) {
        if self.depths.len() < DEPTHS_MAX || self.depths.contains_key(name) {
            self.depths.insert(name.to_owned(), depth);
        }
    }

    fn handle_answer(&mut self, request: Option<u64>, is_ok: bool, out: &mut Vec<Input>) {
        for (name, symbol) in &mut self.symbols {
            let Some(asked) = symbol.subscriptions.iter_mut().find(|it| it.is_asked_by(request)) else { continue };
            asked.answer(is_ok);
            let channel = asked.channel;
            if is_ok {
                symbol.confirm(channel, out);
            } else {
                self.refusal = Some(format!("{} of {name}", channel.family().name()));
            }
            return;
        }
    }

    /// Asks for a channel of a symbol, after giving up what may stand of it.
    fn ask(&mut self, name: &str, channel: Channel, now: Nanos) {
        let Some(symbol) = self.symbols.get_mut(name).filter(|it| !it.is_closed(channel.family())) else { return };
        let Some(subscription) = symbol.subscription(channel) else { return };
        let settings = (self.settings.version, self.settings.depth);
        self.requests += 2;
        if subscription.ask(self.requests, now) {
            let request = channel.request(UNSUBSCRIBE, settings, name, self.requests - 1);
            self.actions.push_back(Action::Send(request));
        }
        self.actions.push_back(Action::Send(channel.request(SUBSCRIBE, settings, name, self.requests)));
    }

    /// Asks for every channel of these symbols that is picked.
    fn ask_all(&mut self, now: Nanos, pick: impl Fn(&str, &Subscription) -> bool) {
        let picked: Vec<_> = self
            .symbols
            .iter()
            .flat_map(|(name, symbol)| symbol.subscriptions.iter().map(move |it| (name, it)))
            .filter(|(name, subscription)| pick(name, subscription))
            .map(|(name, subscription)| (name.clone(), subscription.channel))
            .collect();
        for (name, channel) in picked {
            self.ask(&name, channel, now);
        }
    }

    fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.symbols.values().flat_map(|symbol| &symbol.subscriptions)
    }

    /// Gives the connection up: nothing is asked on it any more.
    fn reconnect(&mut self, why: &'static str) {
        self.connection = Connection::Closed;
        self.actions.push_back(Action::Reconnect(why));
    }
}

fn unrepresentable(name: &str, family: Family, error: DecodeError) -> FrameError {
    FrameError::Unrepresentable { symbol: name.to_owned(), family: Some(family), reason: error.into() }
}

impl Session for KrakenSession {
    fn add(&mut self, symbol: &str, id: InstrumentId, instrument: Instrument) {
        self.symbols.insert(symbol.to_owned(), Symbol::new(id, instrument, &self.settings.channels()));
        if let Connection::Open { heard } = self.connection {
            self.ask_all(heard, |name, _| name == symbol);
        }
    }

    /// Nothing is told of a family before its first message: a capture need not hold every one.
    fn assume_subscribed(&mut self, symbol: &str, _out: &mut Vec<Input>) {
        let symbol = self.symbols.get_mut(symbol);
        symbol.into_iter().flat_map(|symbol| &mut symbol.subscriptions).for_each(Subscription::settle);
    }

    fn handle_open(&mut self, now: Nanos) {
        self.connection = Connection::Open { heard: now };
        self.ask_all(now, |_, _| true);
    }

    fn handle_message(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) -> Result<(), FrameError> {
        if let Connection::Open { heard } = &mut self.connection {
            *heard = now.max(*heard);
        }
        let Payload::Text(text) = payload else { return Err(FrameError::Decode(DecodeError::Binary.into())) };
        take_json(text, |frame| {
            let mut buffers = std::mem::take(&mut self.buffers);
            let result = match codec::decode(frame, &mut buffers) {
                Ok(message) => self.take(now, message, &buffers, out),
                Err(error @ DecodeError::Number(number)) if number.is_unrepresentable() => {
                    Err(self.close_unrepresentable(frame, error, out))
                }
                Err(error) => Err(FrameError::Decode(error.into())),
            };
            self.buffers = buffers;
            result
        })
    }

    /// Snapshots come by the connection; nothing is fetched beside it.
    fn handle_snapshot(&mut self, _: Nanos, _: &str, _: &[u8], _: &mut Vec<Input>) -> Result<(), FrameError> {
        Ok(())
    }

    fn handle_close(&mut self, _now: Nanos, out: &mut Vec<Input>) {
        self.connection = Connection::Closed;
        self.actions.clear();
        self.symbols.values_mut().for_each(|symbol| symbol.disconnect(out));
    }

    fn handle_timeout(&mut self, now: Nanos, _out: &mut Vec<Input>) {
        let Connection::Open { heard } = self.connection else { return };
        let is_due = |subscription: &Subscription| subscription.due.is_some_and(|due| due <= now);
        if !self.symbols.is_empty() && heard.plus(WAIT) <= now {
            self.reconnect("no message for 5 s, though a heartbeat is due each second");
        } else if self.subscriptions().any(|it| is_due(it) && it.is_unanswered()) {
            self.reconnect("a subscription was not answered three times");
        } else {
            self.ask_all(now, |_, subscription| is_due(subscription));
        }
    }

    fn next_timeout(&self) -> Option<Nanos> {
        let Connection::Open { heard } = self.connection else { return None };
        let silence = (!self.symbols.is_empty()).then(|| heard.plus(WAIT));
        self.subscriptions().filter_map(|subscription| subscription.due).chain(silence).min()
    }

    /// The book goes on until its new snapshot comes.
    fn handle_resnapshot(&mut self, id: InstrumentId) {
        let Connection::Open { heard } = self.connection else { return };
        let symbol = self.symbols.iter_mut().find(|(_, symbol)| symbol.id == id);
        let Some((name, symbol)) = symbol else { return };
        if symbol.subscription(Channel::Book).is_some_and(|subscription| subscription.due.is_none()) {
            let name = name.clone();
            self.ask(&name, Channel::Book, heard);
        }
    }

    fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "mutation_tests.rs"]
mod mutation_tests;

#[cfg(test)]
#[path = "capture_tests.rs"]
mod capture_tests;
