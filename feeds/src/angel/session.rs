//! An Angel One session: packets in, inputs out.

use super::codec::{self, DecodeError, Packet, Text, Token};
use super::{Exchange, Mode};
use crate::packet::{PacketStream, Patience};
use crate::{Action, Decimals, FrameError, Payload, Session};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use tidegate_core::{Family, Input, Instrument, InstrumentId, Nanos};

/// Most subscriptions of one connection, by the venue's rule; each mode of a token is one.
pub const SUBSCRIPTIONS_MAX: usize = 1_000;

/// Most tokens with twenty levels, by the venue's rule: of NSE's cash market alone.
pub const DEPTH20_TOKENS_MAX: usize = 50;

/// Tokens in one request: a message of a few kilobytes.
const REQUEST_TOKENS_MAX: usize = 500;

/// The venue expects a `ping` this often, and answers it at once.
const PING_EVERY: Nanos = Nanos::new(10 * Nanos::SECOND.raw());

/// A packet that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("packet of {whose}: {error}")]
struct PassedOver {
    whose: String,
    error: DecodeError,
}

/// The venue refused a request.
#[derive(Debug, thiserror::Error)]
#[error("the venue says: {code} {message}")]
struct Refused {
    code: String,
    message: String,
}

/// One connection's worth of instruments, by exchange type and token (`"1:1594"`).
///
/// At most [`SUBSCRIPTIONS_MAX`] are asked for; what is added beyond them stays closed. With
/// [`Mode::Depth20`] the first [`DEPTH20_TOKENS_MAX`] tokens of NSE's cash market have their book from mode 4,
/// and every token has the rest from mode 3. The venue confirms no request and may refuse one (`E1001`,
/// `E1002`): a token without a packet is asked for again after 10 s, then after twice as long each time, up
/// to 320 s.
#[derive(Debug)]
pub struct AngelSession {
    mode: Mode,
    tokens: BTreeMap<Token, Subscription>,
    /// Subscriptions among `tokens` that are asked for.
    asked: usize,
    depth20_tokens: usize,
    /// Tokens to be asked for with the next request.
    wanted: BTreeSet<Token>,
    /// Requests made so far: each has its number as its correlation id.
    requests: u64,
    actions: VecDeque<Action>,
    /// When the next ping is due, on an open connection.
    ping_at: Option<Nanos>,
    /// When the answer to the last ping is overdue.
    pong_by: Option<Nanos>,
    patience: Patience,
    now: Nanos,
    /// What the venue has refused, in its own words.
    refusal: Option<String>,
}

#[derive(Debug)]
struct Subscription {
    stream: PacketStream,
    is_asked: bool,
    has_depth20: bool,
    /// Number and time of the latest packet that has a number.
    last: Option<(u64, Option<Nanos>)>,
}

impl Subscription {
    /// True where the packet is new; a hole before it has been told then.
    fn accept(&mut self, packet: &Packet, out: &mut Vec<Input>) -> bool {
        let Some(number) = packet.sequence else { return true };
        if let Some((last, time)) = self.last {
            // A number that falls while the clock goes on has begun anew.
            if number <= last && packet.time <= time {
                return false;
            }
            if number != last.saturating_add(1) {
                self.stream.skip(last.saturating_add(1), number, out);
            }
        }
        self.last = Some((number, packet.time.or(self.last.and_then(|(_, time)| time))));
        true
    }
}

impl AngelSession {
    /// A session without instruments, which asks for this much of each.
    pub fn new(mode: Mode) -> AngelSession {
        AngelSession {
            mode,
            tokens: BTreeMap::new(),
            asked: 0,
            depth20_tokens: 0,
            wanted: BTreeSet::new(),
            requests: 0,
            actions: VecDeque::new(),
            ping_at: None,
            pong_by: None,
            patience: Patience::NONE,
            now: Nanos::ZERO,
            refusal: None,
        }
    }

    fn families(&self) -> &'static [Family] {
        match self.mode {
            Mode::Ltp => &[Family::Trades],
            Mode::Quote => &[Family::Trades, Family::Statistics],
            Mode::SnapQuote | Mode::Depth20 => &[Family::Book, Family::Trades, Family::Statistics],
        }
    }

    fn handle_packet(&mut self, bytes: &[u8], out: &mut Vec<Input>) -> Result<(), FrameError> {
        let (mode, token, mut packet) = codec::decode(bytes).map_err(|error| self.refuse(bytes, error, out))?;
        let Some(subscription) = self.tokens.get_mut(&token) else { return Err(unknown(token)) };
        if subscription.has_depth20 && mode != Mode::Depth20 {
            packet.depth = None;
        }
        packet.time = subscription.stream.believe(self.now, packet.time);
        if subscription.accept(&packet, out) {
            subscription.stream.push(self.now, &packet, out);
        }
        Ok(())
    }

    /// Says of whom a packet is that cannot be read; a value that cannot be held closes what it belongs to.
    fn refuse(&mut self, bytes: &[u8], error: DecodeError, out: &mut Vec<Input>) -> FrameError {
        if let (DecodeError::OutOfRange(_), Ok(token)) = (error, codec::subject(bytes)) {
            let Some(subscription) = self.tokens.get_mut(&token) else { return unknown(token) };
            if subscription.stream.close(out) {
                return FrameError::Unrepresentable { symbol: token.to_string(), family: None, reason: error.into() };
            }
        }
        FrameError::Decode(PassedOver { whose: codec::whose(bytes), error }.into())
    }

    fn handle_text(&mut self, text: &[u8]) -> Result<(), FrameError> {
        match codec::decode_text(text) {
            Ok(Text::Pong) => {
                self.pong_by = None;
                Ok(())
            }
            Ok(Text::Error { code, message }) => {
                self.refusal = Some(format!("{code} {message}"));
                Err(FrameError::Decode(Refused { code: code.into_owned(), message: message.into_owned() }.into()))
            }
            Err(error) => Err(FrameError::Decode(error.into())),
        }
    }

    /// Asks for everything that has brought no packet on this connection.
    fn want_missing(&mut self) {
        let missing = self.tokens.iter().filter(|(_, it)| it.is_asked && it.stream.is_missing());
        self.wanted = missing.map(|(&token, _)| token).collect();
    }

    /// Turns what is wanted into requests: the venue ignores what it delivers already.
    fn request(&mut self) {
        let wanted: Vec<Token> = std::mem::take(&mut self.wanted).into_iter().collect();
        let depth20: Vec<Token> =
            wanted.iter().copied().filter(|token| self.tokens.get(token).is_some_and(|it| it.has_depth20)).collect();
        let mode = if self.mode == Mode::Depth20 { Mode::SnapQuote } else { self.mode };
        for (mode, tokens) in [(mode, wanted), (Mode::Depth20, depth20)] {
            for batch in tokens.chunks(REQUEST_TOKENS_MAX) {
                self.requests += 1;
                self.actions.push_back(Action::Send(subscribe(self.requests, mode, batch)));
            }
        }
        self.patience.start(self.now);
    }
}

impl Session for AngelSession {
    fn add(&mut self, symbol: &str, id: InstrumentId, _instrument: Instrument) {
        // Not a token: no packet can ever be its own.
        let Ok(token) = symbol.parse::<Token>() else { return };
        let may_have_depth20 = self.mode == Mode::Depth20 && token.exchange == Exchange::NseCm;
        let has_depth20 = may_have_depth20 && self.depth20_tokens < DEPTH20_TOKENS_MAX;
        let cost = 1 + usize::from(has_depth20);
        let is_asked = self.asked + cost <= SUBSCRIPTIONS_MAX;
        if is_asked {
            self.asked += cost;
            self.depth20_tokens += usize::from(has_depth20);
        }
        let stream = PacketStream::new(id, self.families());
        self.tokens.insert(token, Subscription { stream, is_asked, has_depth20, last: None });
        if is_asked && self.ping_at.is_some() {
            self.wanted.insert(token);
        }
    }

    fn assume_subscribed(&mut self, symbol: &str, out: &mut Vec<Input>) {
        if let Some(it) = symbol.parse().ok().and_then(|token: Token| self.tokens.get_mut(&token)) {
            it.stream.subscribe(out);
        }
    }

    fn handle_open(&mut self, now: Nanos) {
        self.now = now;
        self.ping_at = Some(now.plus(PING_EVERY));
        self.pong_by = None;
        self.patience.end();
        self.actions.clear();
        self.want_missing();
    }

    fn handle_message(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) -> Result<(), FrameError> {
        self.now = now;
        match payload {
            Payload::Binary(packet) => self.handle_packet(packet, out),
            Payload::Text(text) => self.handle_text(text),
        }
    }

    /// No snapshot is ever fetched: each packet is one.
    fn handle_snapshot(&mut self, _: Nanos, _: &str, _: &[u8], _: &mut Vec<Input>) -> Result<(), FrameError> {
        Ok(())
    }

    fn handle_close(&mut self, now: Nanos, out: &mut Vec<Input>) {
        self.now = now;
        (self.ping_at, self.pong_by) = (None, None);
        self.patience.end();
        self.wanted.clear();
        self.actions.clear();
        for it in self.tokens.values_mut() {
            it.last = None;
            it.stream.lose(out);
        }
    }

    fn handle_timeout(&mut self, now: Nanos, _out: &mut Vec<Input>) {
        self.now = now;
        if self.pong_by.is_some_and(|pong_by| pong_by <= now) {
            (self.ping_at, self.pong_by) = (None, None);
            self.patience.end();
            self.actions.push_back(Action::Reconnect("no pong within 10 s"));
            return;
        }
        if self.ping_at.is_some_and(|ping_at| ping_at <= now) {
            self.actions.push_back(Action::Send("ping".to_owned()));
            self.ping_at = Some(now.plus(PING_EVERY));
            self.pong_by = Some(now.plus(PING_EVERY));
        }
        if self.patience.is_over(now) {
            self.want_missing();
            if self.wanted.is_empty() {
                self.patience.end();
            }
        }
    }

    fn next_timeout(&self) -> Option<Nanos> {
        [self.ping_at, self.pong_by, self.patience.deadline()].into_iter().flatten().min()
    }

    fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// The next packet brings the whole visible book.
    fn handle_resnapshot(&mut self, _: InstrumentId) {}

    fn poll_action(&mut self) -> Option<Action> {
        if !self.wanted.is_empty() {
            self.request();
        }
        self.actions.pop_front()
    }
}

fn unknown(token: Token) -> FrameError {
    let decimals = Decimals { price: token.exchange.price_decimals(), qty: 0 };
    FrameError::UnknownSymbol { symbol: token.to_string(), decimals }
}

/// The request for these tokens, which are in the order of their exchanges.
fn subscribe(number: u64, mode: Mode, tokens: &[Token]) -> String {
    let mut list = String::new();
    for group in tokens.chunk_by(|one, next| one.exchange == next.exchange) {
        let Some(first) = group.first() else { continue };
        let separator = if list.is_empty() { "" } else { "," };
        // Writing to a string cannot fail; tokens are letters and digits.
        let _ = write!(list, r#"{separator}{{"exchangeType":{},"tokens":["#, first.exchange.code());
        for (index, token) in group.iter().enumerate() {
            let _ = write!(list, r#"{}"{}""#, if index == 0 { "" } else { "," }, token.text());
        }
        list.push_str("]}");
    }
    let mode = mode.code();
    format!(r#"{{"correlationID":"{number:010}","action":1,"params":{{"mode":{mode},"tokenList":[{list}]}}}}"#)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "mutation_tests.rs"]
mod mutation_tests;
